package fulfilment_test

import (
	"errors"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newShop(t testing.TB) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 50)
	return s
}

// sell sells somebody of one enterprise what he chooses.
func sell(t testing.TB, s *shoptest.Shop, pairs ...any) order.Order {
	t.Helper()
	c := s.Place(t, "ann", shoptest.Choose(pairs...))
	s.Pay(t, c.PayURL)
	return s.Checkout(t, c).Orders[0]
}

func of(t testing.TB, s *shoptest.Shop, o order.Order) fulfilment.Fulfilment {
	t.Helper()
	all, err := postgres.View(t.Context(), s.DB, func(tx *postgres.Tx) (map[order.ID]fulfilment.Fulfilment, error) {
		return fulfilment.Of(t.Context(), tx, []order.Order{o})
	})
	must(t, err)
	return all[o.ID]
}

func receive(t testing.TB, s *shoptest.Shop, oid order.ID, closes time.Time) error {
	t.Helper()
	return postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		o, err := order.Lock(t.Context(), tx, oid)
		if err != nil {
			return err
		}
		return fulfilment.Receive(t.Context(), tx, o, tx.Now, closes)
	})
}

func TestTheWindowOfReturnsEndsWithTheSeventhDay(t *testing.T) {
	t.Parallel()
	for received, want := range map[string]string{
		"2026-12-01T15:59:59Z": "2026-12-08T16:00:00Z", // the last second of the first in the county
		"2026-12-01T16:00:00Z": "2026-12-09T16:00:00Z", // the second of December has begun there
		"2026-02-22T00:00:00Z": "2026-03-01T16:00:00Z",
	} {
		at, err := time.Parse(time.RFC3339, received)
		must(t, err)
		if got := fulfilment.Closes(at).Format(time.RFC3339); got != want {
			t.Errorf("received at %s, it closes at %s, want %s", received, got, want)
		}
	}
}

func TestAnOrderOfVouchersIsReceivedDueAndClosedOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := sell(t, s, "stay", 2)
	if f := of(t, s, o); f.State != fulfilment.Unfulfilled || f.Ships() || f.Left() != 0 || len(f.Lines) != 1 {
		t.Errorf("after the sale: %+v", f)
	}
	unpaid := s.Place(t, "ann", shoptest.Choose("stay", 1)).Orders[0]
	if err := receive(t, s, unpaid.ID, s.Clock.Now()); !errors.Is(err, fulfilment.ErrUnpaid) {
		t.Errorf("an unpaid order is received: %v", err)
	}
	due := func() []fulfilment.Fulfilment {
		all, err := postgres.View(t.Context(), s.DB, func(tx *postgres.Tx) ([]fulfilment.Fulfilment, error) {
			return fulfilment.Due(t.Context(), tx, fulfilment.Fulfilment{}, 10)
		})
		must(t, err)
		return all
	}
	key := fulfilment.Key{Merchant: o.Merchant, Order: o.ID}
	shut := func() error {
		return postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error { return fulfilment.Close(t.Context(), tx, key) })
	}
	must(t, receive(t, s, o.ID, s.Clock.Now().Add(time.Hour)))
	if err := receive(t, s, o.ID, s.Clock.Now()); !errors.Is(err, fulfilment.ErrState) {
		t.Errorf("it is received twice: %v", err)
	}
	if f := of(t, s, o); f.State != fulfilment.Received || !f.ReceivedAt.Equal(s.Clock.Now()) {
		t.Errorf("received, it is %+v", f)
	}
	if err := shut(); !errors.Is(err, fulfilment.ErrState) || len(due()) != 0 {
		t.Errorf("before its window ends: %v, due are %v", err, due())
	}
	s.Clock.Advance(time.Hour)
	if d := due(); len(d) != 1 || d[0].Key != key {
		t.Errorf("due are %v", d)
	}
	must(t, shut())
	if err := shut(); !errors.Is(err, fulfilment.ErrState) || len(due()) != 0 {
		t.Errorf("closed twice: %v, due are %v", err, due())
	}
}

func TestGoodsOfAMixedOrderAreWaitedFor(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o := sell(t, s, "stay", 1, "liquor", 2)
	must(t, receive(t, s, o.ID, s.Clock.Now()))
	f := of(t, s, o)
	if f.State != fulfilment.Unfulfilled || f.Left() != 2 || !f.ReceivedAt.IsZero() || f.ServicesAt.IsZero() {
		t.Errorf("with its voucher redeemed it is %+v", f)
	}
	if want := o.PaidAt.Add(fulfilment.ShipWithin); !f.ShipBy().Equal(want) {
		t.Errorf("it ships by %s, want %s", f.ShipBy(), want)
	}
}
