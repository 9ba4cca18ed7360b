package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/report"
)

// reports answers the operations tagged "reports".
type reports struct {
	register *assistance.Service
	reports  *report.Service
}

// ListAssistance answers GET /v1/public/assistance.
func (h reports) ListAssistance(ctx context.Context, r oas.ListAssistanceRequestObject) (oas.ListAssistanceResponseObject, error) {
	p, err := h.register.Entries(ctx, value(r.Params.Year), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireAssistance)
	return oas.ListAssistance200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListAssistanceTracks answers GET /v1/public/assistance-tracks.
func (h reports) ListAssistanceTracks(ctx context.Context, _ oas.ListAssistanceTracksRequestObject) (oas.ListAssistanceTracksResponseObject, error) {
	tracks, err := h.register.Tracks(ctx)
	if err != nil {
		return nil, err
	}
	return oas.ListAssistanceTracks200JSONResponse{Data: wireAll(tracks, func(t assistance.Track) oas.AssistanceTrack {
		return oas.AssistanceTrack{Code: t.Code, NameZh: t.NameZH, NameEn: t.NameEN}
	})}, nil
}

// RecordAssistance answers POST /v1/ops/assistance.
func (h reports) RecordAssistance(ctx context.Context, r oas.RecordAssistanceRequestObject) (oas.RecordAssistanceResponseObject, error) {
	b := r.Body
	e, err := h.register.Record(ctx, callerOf(ctx), assistance.New{
		Year: b.Year, Track: b.Track, TitleZH: b.TitleZh, TitleEN: b.TitleEn, Source: b.Source, Invented: value(b.Invented),
		Replaces: id.From[assistance.Entry](value(b.Replaces)), Reason: value(b.Reason),
		Figures: wireAll(b.Figures, func(f oas.AssistanceFigure) assistance.Figure {
			return assistance.Figure{Name: f.Name, ZH: f.Zh, EN: f.En, Value: f.Value, AtLeast: value(f.AtLeast)}
		}),
	})
	if err != nil {
		return nil, err
	}
	return oas.RecordAssistance201JSONResponse(wireAssistance(e)), nil
}

// GetImpact answers GET /v1/public/impact.
func (h reports) GetImpact(ctx context.Context, r oas.GetImpactRequestObject) (oas.GetImpactResponseObject, error) {
	i, err := h.reports.Impact(ctx, r.Params.Year)
	if err != nil {
		return nil, err
	}
	return oas.GetImpact200JSONResponse(wireImpact(i)), nil
}

func wireAssistance(e assistance.Entry) oas.Assistance {
	w := oas.Assistance{
		Id: e.ID.UUID(), Year: e.Year, Track: e.Track, TitleZh: e.TitleZH, TitleEn: e.TitleEN, Source: e.Source, Invented: e.Invented,
		Reason: optional(e.Reason), RecordedAt: e.At,
		Figures: wireAll(e.Figures, func(f assistance.Figure) oas.AssistanceFigure {
			return oas.AssistanceFigure{Name: f.Name, Zh: f.ZH, En: f.EN, Value: f.Value, AtLeast: optional(f.AtLeast)}
		}),
	}
	if !e.Replaces.IsZero() {
		old := e.Replaces.UUID()
		w.Replaces = &old
	}
	return w
}

func wireImpact(i report.Impact) oas.Impact {
	sold, _ := i.Sold.Fen()
	return oas.Impact{
		Year: i.Year, Enterprises: i.Enterprises, Categories: i.Categories, Products: i.Products, Orders: i.Orders,
		SoldFen: int64(sold), LevyLi: int64(i.Levy), PeopleTrained: i.Trained, Assistance: wireAll(i.Assistance, wireAssistance),
		Linkage: oas.ImpactLinkage{
			Households: i.Linkage.Households, PoorHouseholds: i.Linkage.PoorHouseholds, Employed: i.Linkage.Employed, DividendsFen: int64(i.Linkage.Dividends),
		},
		Purchases: oas.ImpactPurchases{AmountFen: int64(i.Purchases.Amount), Kg: i.Purchases.Kg, Entries: wireAll(i.Purchases.Entries, wireAssistance)},
		Fund: oas.ImpactFund{
			LeviedLi: int64(i.Fund.Levied), PaidLi: int64(i.Fund.Paid), ReturnedLi: int64(i.Fund.Returned),
			AdministrationLi: int64(i.Fund.Administration), AdministrationBp: i.Fund.AdministrationBP(),
		},
	}
}
