package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/carriage"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
)

// shipping answers what the contract says of zones and fees.
type shipping struct{ carriage *carriage.Service }

// ListShippingZones answers GET /v1/public/shipping-zones.
func (h shipping) ListShippingZones(context.Context, oas.ListShippingZonesRequestObject) (oas.ListShippingZonesResponseObject, error) {
	return oas.ListShippingZones200JSONResponse{Zones: wireAll(carriage.Zones(), wireReach), Regions: wireAll(carriage.Regions(), wireShippingRegion)}, nil
}

// ListShippingFees answers GET /v1/merchant/shipping-fees.
func (h shipping) ListShippingFees(ctx context.Context, r oas.ListShippingFeesRequestObject) (oas.ListShippingFeesResponseObject, error) {
	p, err := h.carriage.Schedules(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireSchedule)
	return oas.ListShippingFees200JSONResponse{Data: data, NextCursor: next}, nil
}

// SetShippingFees answers POST /v1/merchant/shipping-fees.
func (h shipping) SetShippingFees(ctx context.Context, r oas.SetShippingFeesRequestObject) (oas.SetShippingFeesResponseObject, error) {
	s, err := h.carriage.Set(ctx, callerOf(ctx), id.From[merchant.Merchant](r.Body.MerchantId), r.Body.Version, wireAll(r.Body.Rates, fromRate))
	if err != nil {
		return nil, err
	}
	return oas.SetShippingFees201JSONResponse(wireSchedule(s)), nil
}

func fromRate(r oas.ShippingRate) carriage.Rate {
	return carriage.Rate{
		Region: r.Region, First: money.Fen(r.FirstFen), Further: money.Fen(r.FurtherFen),
		FreeFrom: money.Fen(value(r.FreeFromFen)), Cold: money.Fen(value(r.ColdFen)),
	}
}

func wireRate(r carriage.Rate) oas.ShippingRate {
	return oas.ShippingRate{
		Region: r.Region, FirstFen: int64(r.First), FurtherFen: int64(r.Further),
		FreeFromFen: optional(int64(r.FreeFrom)), ColdFen: optional(int64(r.Cold)),
	}
}

func wireSchedule(s carriage.Schedule) oas.ShippingFees {
	return oas.ShippingFees{MerchantId: s.Merchant, Version: s.Version, Rates: wireAll(s.Rates, wireRate), SetAt: s.SetAt.UTC()}
}

func wireReach(z carriage.Zone) oas.ZoneReach {
	return oas.ZoneReach{Code: z.Code, NameZh: z.NameZH, NameEn: z.NameEN, Provinces: wireAll(z.Provinces, wireProvince)}
}

func wireShippingRegion(r carriage.Region) oas.ShippingRegion {
	w := oas.ShippingRegion{Code: r.Code, NameZh: r.NameZH, NameEn: r.NameEN, Provinces: []string{}}
	for _, p := range carriage.Provinces() {
		if p.Region == r.Code {
			w.Provinces = append(w.Provinces, p.NameZH)
		}
	}
	return w
}

func wireProvince(p carriage.Province) string { return p.NameZH }
