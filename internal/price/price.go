// Package price is what a SKU costs, by who buys and how many at once, and what it
// has cost before. One price holds at a time for each SKU, class of buyers and
// quantity, and it holds for everybody (personal information protection law,
// article 24).
package price

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/money"
)

// ErrTiers names what is wrong with a list of tiers.
var ErrTiers = fault.New(fault.Invalid, "price.invalid_tiers", "The tiers of a price do not go together", "阶梯价格设置有误")

// Class is who buys.
type Class string

// The classes.
const (
	Consumer    Class = "consumer"
	Institution Class = "institution"
)

// Bounds of tiers.
const (
	// MaxTiers is how many tiers one SKU may have.
	MaxTiers = 20
	// MaxQuantity is the largest quantity at which a tier may begin, in pieces.
	MaxQuantity = 1_000_000
)

// Tier is a lower price for those of a class who buy From pieces or more at once.
type Tier struct {
	Class Class
	From  int64     // pieces, 2 or more for consumers, 1 or more for institutions
	Price money.Fen // per piece, tax included
}

// List is all that a SKU costs now.
type List struct {
	Base  money.Fen // one piece, for a consumer
	Tiers []Tier    // by class and quantity
}

// At is the price of a piece for somebody of this class who buys so many: the
// lowest of the base price and the tiers that he reaches. Consumers' tiers count
// for institutions, too. So more pieces never cost more each, nobody pays above
// the base price, and no institution pays more than a consumer.
func (l List) At(c Class, quantity int64) money.Fen {
	lowest := l.Base
	for _, t := range l.Tiers {
		if (t.Class == c || t.Class == Consumer) && quantity >= t.From {
			lowest = min(lowest, t.Price)
		}
	}
	return lowest
}

// Check refuses, with ErrTiers, tiers that lower no price: each must be below the
// base price and below the tier of its class before it.
func (l List) Check() error {
	bad := ErrTiers
	if len(l.Tiers) > MaxTiers {
		return bad.At("/tiers", "maxItems", fmt.Sprintf("at most %d tiers", MaxTiers))
	}
	for i, t := range l.Tiers {
		pointer := fmt.Sprintf("/tiers/%d", i)
		if t.Class != Consumer && t.Class != Institution {
			bad = bad.At(pointer+"/buyer_class", "enum", "consumer or institution")
		}
		if t.From < 1 || t.From > MaxQuantity || t.From == 1 && t.Class == Consumer {
			bad = bad.At(pointer+"/from", "range", "2 pieces or more; 1 for institutions")
		}
		if t.Price < 1 || t.Price >= l.Base {
			bad = bad.At(pointer+"/price_fen", "range", fmt.Sprintf("1 to %d fen: below the price of one piece", l.Base-1))
		}
		for _, o := range l.Tiers {
			if o.Class == t.Class && o.From < t.From && o.Price <= t.Price {
				bad = bad.At(pointer+"/price_fen", "order", "below that of the smaller quantity")
				break
			}
		}
		if slices.ContainsFunc(l.Tiers[:i], func(o Tier) bool { return o.Class == t.Class && o.From == t.From }) {
			bad = bad.At(pointer+"/from", "uniqueItems", "named twice")
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// sorted are the tiers by class and quantity.
func (l List) sorted() []Tier {
	out := slices.Clone(l.Tiers)
	slices.SortFunc(out, func(a, b Tier) int { return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.From, b.From)) })
	return out
}

// Point is a price that a SKU had, since a time.
type Point struct {
	Class Class
	From  int64     // pieces
	Price money.Fen // 0: the tier ended
	Since time.Time
	Actor uuid.UUID // who set it; zero is the program itself
}
