package price_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/price"
)

func TestAPieceCostsWhatItsTierSays(t *testing.T) {
	t.Parallel()
	l := price.List{Base: 1000, Tiers: []price.Tier{
		{Class: price.Consumer, From: 5, Price: 900}, {Class: price.Consumer, From: 20, Price: 800}, {Class: price.Institution, From: 1, Price: 950}, {Class: price.Institution, From: 100, Price: 700},
	}}
	for _, tt := range []struct {
		class    price.Class
		quantity int64
		want     money.Fen
	}{
		{price.Consumer, 1, 1000},
		{price.Consumer, 4, 1000},
		{price.Consumer, 5, 900},
		{price.Consumer, 19, 900},
		{price.Consumer, 20, 800},
		{price.Consumer, 999, 800},
		{price.Institution, 1, 950},
		{price.Institution, 5, 900},
		{price.Institution, 99, 800},
		{price.Institution, 100, 700},
	} {
		if got := l.At(tt.class, tt.quantity); got != tt.want {
			t.Errorf("%d for a %s cost %d each, want %d", tt.quantity, tt.class, got, tt.want)
		}
	}
	if err := l.Check(); err != nil {
		t.Errorf("the list is refused: %v", err)
	}
}

// Whatever tiers there are, also tiers that Check would refuse because the base
// price has been lowered since: more pieces never cost more each, nobody pays above
// the base price, and no institution pays more than a consumer.
func TestPricesNeverRiseWithTheQuantity(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tier := rapid.Custom(func(t *rapid.T) price.Tier {
			return price.Tier{
				Class: rapid.SampledFrom([]price.Class{price.Consumer, price.Institution}).Draw(t, "class"),
				From:  rapid.Int64Range(1, 50).Draw(t, "from"), Price: money.Fen(rapid.Int64Range(1, 2000).Draw(t, "price")),
			}
		})
		l := price.List{Base: money.Fen(rapid.Int64Range(1, 1000).Draw(t, "base")), Tiers: rapid.SliceOfN(tier, 0, price.MaxTiers).Draw(t, "tiers")}
		few := rapid.Int64Range(1, 60).Draw(t, "few")
		many := rapid.Int64Range(few, 60).Draw(t, "many")
		for _, c := range []price.Class{price.Consumer, price.Institution} {
			if l.At(c, many) > l.At(c, few) || l.At(c, few) > l.Base || l.At(c, few) < 1 {
				t.Fatalf("%d cost %d each, %d cost %d, and one %d", few, l.At(c, few), many, l.At(c, many), l.Base)
			}
		}
		if l.At(price.Institution, few) > l.At(price.Consumer, few) {
			t.Fatalf("an institution pays %d, a consumer %d", l.At(price.Institution, few), l.At(price.Consumer, few))
		}
		if l.Check() == nil {
			for _, x := range l.Tiers {
				if x.Price >= l.Base {
					t.Fatalf("the tier %+v is not below the base price %d", x, l.Base)
				}
			}
		}
	})
}

func TestTiersThatLowerNothingAreRefused(t *testing.T) {
	t.Parallel()
	consumer := func(from int64, fen money.Fen) price.Tier {
		return price.Tier{Class: price.Consumer, From: from, Price: fen}
	}
	for _, tt := range []struct {
		name    string
		tiers   []price.Tier
		pointer string
	}{
		{"the base price again", []price.Tier{consumer(2, 1000)}, "/tiers/0/price_fen"},
		{"above it", []price.Tier{consumer(2, 1001)}, "/tiers/0/price_fen"},
		{"for nothing", []price.Tier{consumer(2, 0)}, "/tiers/0/price_fen"},
		{"more for more", []price.Tier{consumer(2, 800), consumer(5, 900)}, "/tiers/1/price_fen"},
		{"no less for more, out of order", []price.Tier{consumer(5, 800), consumer(2, 800)}, "/tiers/0/price_fen"},
		{"one piece for a consumer", []price.Tier{consumer(1, 900)}, "/tiers/0/from"},
		{"more than anybody buys", []price.Tier{consumer(price.MaxQuantity+1, 900)}, "/tiers/0/from"},
		{"the same twice", []price.Tier{consumer(2, 900), consumer(2, 900)}, "/tiers/1/from"},
		{"for nobody", []price.Tier{{Class: "friend", From: 2, Price: 900}}, "/tiers/0/buyer_class"},
		{"too many", make([]price.Tier, price.MaxTiers+1), "/tiers"},
	} {
		err := price.List{Base: 1000, Tiers: tt.tiers}.Check()
		if !errors.Is(err, price.ErrTiers) || fault.Of(err).Fields[0].Pointer != tt.pointer {
			t.Errorf("%s: %v, want %v at %s", tt.name, err, price.ErrTiers, tt.pointer)
		}
	}
}
