// Package carriage is where goods go and what bringing them there costs: the zone that a
// product is shipped to, and each enterprise's fees by region and weight. The tenth is
// levied on goods alone, never on shipping.
package carriage

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
)

// Faults of carriage.
var (
	// ErrProvince says that the address names no province that we know.
	ErrProvince = fault.New(fault.Refused, "carriage.unknown_province", "There is no such province", "没有这个省份")
	// ErrNotDelivered says that the goods of a line are not shipped to that province.
	ErrNotDelivered = fault.New(fault.Refused, "carriage.not_delivered_there", "These goods are not shipped there", "该商品不支持配送至此地区")
	// ErrInvalid names what is wrong with a schedule of fees.
	ErrInvalid = fault.New(fault.Invalid, "carriage.invalid", "The shipping fees are not described properly", "运费设置有误")
)

// MaxFee bounds each fee of a rate: 1,000 yuan, in fen.
const MaxFee money.Fen = 100_000

// Rate is what an enterprise asks for shipping to a region, in whole fen.
type Rate struct {
	Region   string    `json:"region"`
	First    money.Fen `json:"first_fen"`     // for the first kilogram
	Further  money.Fen `json:"further_fen"`   // for each further kilogram that is begun
	FreeFrom money.Fen `json:"free_from_fen"` // goods for so much are shipped for nothing; 0: never
	Cold     money.Fen `json:"cold_fen"`      // more for a parcel that must be kept cold
}

// ScheduleID names one version of an enterprise's fees.
type ScheduleID = id.Of[Schedule]

// Schedule is what an enterprise asks for shipping: one rate for each region. It holds from
// SetAt until the next version.
type Schedule struct {
	ID       ScheduleID
	Merchant uuid.UUID
	Version  int64 // 1, 2, …
	Rates    []Rate
	SetAt    time.Time
}

// Parcel is what one enterprise ships of one checkout.
type Parcel struct {
	Goods money.Fen // what is paid for it, vouchers left out
	Grams int64     // the net content; see Weight
	Cold  bool      // something in it must be kept chilled or frozen
}

// Weight is what so many of a SKU weigh, in g. The catalogue knows the net content and not
// the gross weight, so packaging weighs nothing here; a millilitre counts as a gram; what
// is sold by the piece weighs nothing and pays for the kilogram that it begins.
func Weight(netContent, quantity int64) int64 { return netContent * quantity }

// Kilograms are those that a parcel of so many g begins, at least one.
func Kilograms(grams int64) int64 { return max(1, (grams+999)/1000) }

// Fee is what shipping the parcel costs. It is free from the amount of FreeFrom, cold or
// not. money.ErrRange for weights without end.
func (r Rate) Fee(p Parcel) (money.Fen, error) {
	if r.FreeFrom > 0 && p.Goods >= r.FreeFrom {
		return 0, nil
	}
	fee, err := r.Further.Times(Kilograms(p.Grams) - 1)
	if err != nil {
		return 0, err
	}
	fee, err = fee.Plus(r.First)
	if err == nil && p.Cold {
		fee, err = fee.Plus(r.Cold)
	}
	return fee, err
}

// To is the rate to a province. Who has no schedule ships for nothing.
func (s Schedule) To(p Province) Rate {
	if i := slices.IndexFunc(s.Rates, func(r Rate) bool { return r.Region == p.Region }); i >= 0 {
		return s.Rates[i]
	}
	return Rate{Region: p.Region}
}

// ProvinceOf is the province of that name, in full ("北京市"). ErrProvince.
func ProvinceOf(name string) (Province, error) {
	i := slices.IndexFunc(Provinces(), func(p Province) bool { return p.NameZH == name })
	if i < 0 {
		return Province{}, ErrProvince
	}
	return Provinces()[i], nil
}

// Delivers reports whether goods of a zone, by its code, are shipped to a province.
func Delivers(zone string, p Province) bool {
	i := slices.IndexFunc(Zones(), func(z Zone) bool { return z.Code == zone })
	return i >= 0 && slices.Contains(Zones()[i].Provinces, p)
}

// check demands one rate for each region, so that no address is forgotten.
func check(rates []Rate) error {
	bad := ErrInvalid
	seen := make(map[string]bool, len(rates))
	for i, r := range rates {
		at := fmt.Sprintf("/rates/%d/", i)
		switch {
		case seen[r.Region]:
			bad = bad.At(at+"region", "uniqueItems", "named twice")
		case !slices.ContainsFunc(Regions(), func(known Region) bool { return known.Code == r.Region }):
			bad = bad.At(at+"region", "enum", "no such region")
		}
		seen[r.Region] = true
		for name, fee := range map[string]money.Fen{"first_fen": r.First, "further_fen": r.Further, "cold_fen": r.Cold} {
			if fee < 0 || fee > MaxFee {
				bad = bad.At(at+name, "range", fmt.Sprintf("0 to %d", MaxFee))
			}
		}
		if r.FreeFrom < 0 || r.FreeFrom > money.Max {
			bad = bad.At(at+"free_from_fen", "range", "0 or more")
		}
	}
	for _, r := range Regions() {
		if !seen[r.Code] {
			bad = bad.At("/rates", "contains", "a rate for "+r.Code+" is missing")
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}
