package recall_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/recall"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

// tb is what tests and properties have in common.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func must(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// seller sells for an enterprise.
func seller(merchant uuid.UUID) identity.Caller {
	return identity.Caller{Account: shoptest.Buyer("seller").Account, Roles: []identity.Grant{{Role: identity.Merchant, Merchant: merchant}}}
}

var miller = seller(shoptest.Miller.UUID())

func receive(t *testing.T, s *shoptest.Shop, code string, qty int64, days int) inventory.Lot {
	t.Helper()
	return receiveOf(t, s, "flour", code, qty, days)
}

func receiveOf(t *testing.T, s *shoptest.Shop, product, code string, qty int64, days int) inventory.Lot {
	t.Helper()
	r := inventory.Receipt{Actor: miller.Account.UUID(), Merchants: miller.Merchants(), SKU: shoptest.SKU(product).UUID(), Code: code, Qty: qty}
	if days != 0 {
		r.BestBefore = inventory.Day(s.Clock.Now()).AddDate(0, 0, days)
	}
	l, err := s.Inventory.Receive(t.Context(), r, request.Claim{}, nil)
	must(t, err)
	return l
}

var opening = recall.Opening{Level: 2, Reason: "moisture", Notice: "Do not eat it; we give the money back."}

func open(t *testing.T, s *shoptest.Shop, who identity.Caller, l inventory.Lot) (recall.Recall, error) {
	t.Helper()
	return s.Recalls.Open(t.Context(), who, l.ID, opening, request.Claim{}, nil)
}

// sell sells flour and returns the order.
func sell(t *testing.T, s *shoptest.Shop, n int) order.Order {
	t.Helper()
	return sellOf(t, s, "flour", n)
}

func sellOf(t *testing.T, s *shoptest.Shop, product string, n int) order.Order {
	t.Helper()
	c := s.Place(t, "ann", shoptest.Choose(product, n))
	s.Pay(t, c.PayURL)
	return s.Checkout(t, c).Orders[0]
}

// drawn is what a recall finds, by order.
func drawn(t *testing.T, s *shoptest.Shop, r recall.Recall) map[uuid.UUID]int64 {
	t.Helper()
	found := map[uuid.UUID]int64{}
	for p := (page.Request{Limit: 2}); ; {
		some, err := s.Recalls.Orders(t.Context(), miller, r.ID, p)
		must(t, err)
		for _, d := range some.Data {
			found[d.Order] += d.Qty
		}
		if p.Cursor = some.Next; p.Cursor == "" {
			return found
		}
	}
}

func lotNow(t *testing.T, s *shoptest.Shop, l inventory.Lot) inventory.Lot {
	t.Helper()
	all, err := s.Inventory.Lots(t.Context(), miller.Merchants(), l.SKU, page.Request{Limit: page.MaxSize})
	must(t, err)
	for _, one := range all.Data {
		if one.ID == l.ID {
			return one
		}
	}
	t.Fatalf("there is no lot %s", l.Code)
	return l
}

func TestWhatExpiresFirstIsSoldFirst(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 0)
	late, early, never := receive(t, s, "late", 5, 60), receive(t, s, "early", 5, 30), receive(t, s, "never", 5, 0)
	first, second := sell(t, s, 4), sell(t, s, 8)
	for _, c := range []struct {
		lot  inventory.Lot
		want map[uuid.UUID]int64
	}{
		{early, map[uuid.UUID]int64{first.ID.UUID(): 4, second.ID.UUID(): 1}},
		{late, map[uuid.UUID]int64{second.ID.UUID(): 5}},
		{never, map[uuid.UUID]int64{second.ID.UUID(): 2}},
	} {
		r, err := open(t, s, miller, c.lot)
		must(t, err)
		if diff := cmp.Diff(c.want, drawn(t, s, r)); diff != "" {
			t.Errorf("lot %s (-want +got):\n%s", c.lot.Code, diff)
		}
	}
	if got := s.Pieces(t, "flour"); got != [2]int64{0, 0} {
		t.Errorf("%v pieces are on sale after all lots were recalled", got)
	}
}

func TestARecallStopsWhatRemainsAndWhatComesBack(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 3)
	l := receive(t, s, "A", 10, 30)
	sold := sell(t, s, 2)
	s.Place(t, "bob", shoptest.Choose("flour", 9)) // leaves two that are free
	r, err := open(t, s, miller, l)
	must(t, err)
	if r.Stopped != 2 || s.Pieces(t, "flour") != [2]int64{0, 9} {
		t.Fatalf("%d stopped, %v left", r.Stopped, s.Pieces(t, "flour"))
	}
	s.Clock.Advance(time.Hour)
	_, err = s.Orders.ExpireDue(t.Context(), 10)
	must(t, err)
	if got := s.Pieces(t, "flour"); got != [2]int64{3, 0} {
		t.Errorf("%v pieces when the checkout expired, want the 3 of no lot", got)
	}
	_, err = s.Aftersales.Refund(t.Context(), shoptest.Operator, sold.ID,
		order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Restock: true, Reason: "recalled"}, request.Claim{}, nil)
	must(t, err)
	if got := s.Pieces(t, "flour"); got != [2]int64{3, 0} {
		t.Errorf("%v pieces when one of the lot came back, want 3", got)
	}
	now := lotNow(t, s, l)
	if now.Remaining != 0 || now.Withdrawn != 9 || now.Drawn != 1 {
		t.Errorf("the lot is %+v", now)
	}
}

func TestALotPastItsDayIsNotSold(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 0)
	old, fresh := receive(t, s, "old", 5, 1), receive(t, s, "fresh", 5, 60)
	s.Clock.Advance(48 * time.Hour)
	o := sell(t, s, 2)
	if lotNow(t, s, old).Drawn != 0 || lotNow(t, s, fresh).Drawn != 2 {
		t.Errorf("order %s was served from what is past its day", o.ID)
	}
	for _, want := range []int{1, 0} {
		if n, err := s.Inventory.WithdrawDue(t.Context(), 10); n != want || err != nil {
			t.Errorf("%d lots were withdrawn (%v), want %d", n, err, want)
		}
	}
	if got := s.Pieces(t, "flour"); got != [2]int64{3, 0} {
		t.Errorf("%v pieces, want the 3 that are fresh", got)
	}
}

func TestALotIsRecalledOnceAndByItsOwnPeople(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 0)
	l := receive(t, s, "A", 10, 0)
	other := seller(shoptest.Distiller.UUID())
	if _, err := open(t, s, other, l); !errors.Is(err, inventory.ErrLot) {
		t.Errorf("another enterprise: %v, want %v", err, inventory.ErrLot)
	}
	if _, err := s.Recalls.Open(t.Context(), miller, l.ID, recall.Opening{Level: 4, Reason: "x"}, request.Claim{}, nil); !errors.Is(err, recall.ErrInvalid) {
		t.Errorf("nonsense: %v, want %v", err, recall.ErrInvalid)
	}
	n := pgtest.AtOnce(t, 4, func(int) error {
		_, err := open(t, s, shoptest.Operator, l)
		return err
	}, recall.ErrRecalled)
	if n != 1 {
		t.Errorf("%d recalls of one lot", n)
	}
	all, err := s.Recalls.Recalls(t.Context(), page.Request{})
	must(t, err)
	if len(all.Data) != 1 || all.Data[0].Stopped != 10 {
		t.Fatalf("the public sees %+v", all.Data)
	}
	rid := all.Data[0].ID
	if _, err := s.Recalls.Orders(t.Context(), other, rid, page.Request{}); !errors.Is(err, recall.ErrUnknown) {
		t.Errorf("another enterprise's orders: %v, want %v", err, recall.ErrUnknown)
	}
	closing := func(who identity.Caller, result string) error {
		_, err := s.Recalls.Close(t.Context(), who, rid, result, request.Claim{}, nil)
		return err
	}
	if err := closing(other, "done"); !errors.Is(err, recall.ErrUnknown) {
		t.Errorf("another enterprise closes: %v, want %v", err, recall.ErrUnknown)
	}
	if err := closing(miller, " "); !errors.Is(err, recall.ErrInvalid) {
		t.Errorf("without a result: %v, want %v", err, recall.ErrInvalid)
	}
	must(t, closing(miller, "all destroyed"))
	if err := closing(miller, "again"); !errors.Is(err, recall.ErrState) {
		t.Errorf("closed twice: %v, want %v", err, recall.ErrState)
	}
}

// TestExactlyTheOrdersThatDrewAreFound lets lots arrive, orders be paid, refunded and
// stock be adjusted at random, and holds the draws against a list kept beside it. Each
// run has goods of its own in one shop.
func TestExactlyTheOrdersThatDrewAreFound(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 0)
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		goods := fmt.Sprint("goods", runs)
		_, err := s.Sell(t.Context(), shoptest.Product(shoptest.Miller, goods, 3300, catalog.Description{Category: "FLOUR_MIAN", Name: goods}), 3)
		must(rt, err)
		m := &model{loose: 3}
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 12).Draw(rt, "steps")
		for i, step := range steps {
			s.Clock.Advance(time.Second)
			n := rapid.Int64Range(1, 6).Draw(rt, "pieces")
			switch {
			case step <= 3:
				days := rapid.IntRange(1, 3).Draw(rt, "days")
				m.lots = append(m.lots, &lot{Lot: receiveOf(t, s, goods, fmt.Sprint("L", i), n, days*30), left: n, drew: map[uuid.UUID]int64{}})
			case step <= 7 && m.all() >= n:
				m.sold = append(m.sold, m.sell(sellOf(t, s, goods, int(n)), n))
			case step == 8 && len(m.sold) > 0:
				o := m.sold[rapid.IntRange(0, len(m.sold)-1).Draw(rt, "which order")]
				if o.left == 0 {
					continue
				}
				_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID,
					order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Restock: true, Reason: "random"}, request.Claim{}, nil)
				must(rt, err)
				o.left--
				m.back(o)
			}
		}
		if got := s.Pieces(t, goods); got[0] != m.all() {
			rt.Fatalf("%d pieces, the model has %d", got[0], m.all())
		}
		for _, l := range m.lots {
			r, err := open(t, s, miller, l.Lot)
			must(rt, err)
			if diff := cmp.Diff(l.drew, drawn(t, s, r)); diff != "" {
				rt.Fatalf("lot %s (-model +found):\n%s", l.Code, diff)
			}
			if r.Stopped != l.left {
				rt.Fatalf("lot %s: %d stopped, the model has %d left", l.Code, r.Stopped, l.left)
			}
		}
		if got := s.Pieces(t, goods); got[0] != m.loose {
			rt.Fatalf("%d pieces after all recalls, the model has %d of no lot", got[0], m.loose)
		}
	})
}

// model is what should be true.
type model struct {
	loose int64
	lots  []*lot
	sold  []*soldOrder
}

type lot struct {
	inventory.Lot
	left int64
	drew map[uuid.UUID]int64
}

type soldOrder struct {
	order.Order
	left int64
	from []*lot // one for each piece that is not back, in the order in which they were taken; nil is of no lot
}

func (m *model) all() int64 {
	n := m.loose
	for _, l := range m.lots {
		n += l.left
	}
	return n
}

func (m *model) sell(o order.Order, n int64) *soldOrder {
	out := &soldOrder{Order: o, left: n}
	queue := slices.SortedStableFunc(slices.Values(m.lots), func(a, b *lot) int { return a.BestBefore.Compare(b.BestBefore) })
	for range n {
		var from *lot
		for _, l := range queue {
			if l.left > 0 {
				from = l
				break
			}
		}
		if from == nil {
			m.loose--
		} else {
			from.left--
			from.drew[o.ID.UUID()]++
		}
		out.from = append(out.from, from)
	}
	return out
}

// back returns a piece: of a lot as long as there is one.
func (m *model) back(o *soldOrder) {
	for i, l := range slices.Backward(o.from) {
		if l != nil {
			l.left++
			o.from = slices.Delete(o.from, i, i+1)
			return
		}
	}
	m.loose++
	o.from = o.from[:len(o.from)-1]
}
