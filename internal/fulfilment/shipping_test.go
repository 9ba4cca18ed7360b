package fulfilment_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/listing"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/recall"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/returns"
	"github.com/shiyi-market/shiyi/internal/shipment"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/trail"
)

var (
	miller    = shoptest.Seller(shoptest.Miller)
	distiller = shoptest.Seller(shoptest.Distiller)
	ann       = shoptest.Buyer("ann")
)

// furnish is a shop with goods that are kept cold and goods that are ordered ahead, and
// its fulfilment, in which nothing is blocked.
func furnish(t testing.TB) (*shoptest.Shop, *fulfilment.Service) {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 50,
		shoptest.Product(shoptest.Miller, "lamb", 9900, catalog.Description{Category: "MEAT", Name: "羊肉（虚构示例）", ColdChain: "FROZEN"}),
		shoptest.Product(shoptest.Miller, "potato", 500, catalog.Description{
			Category: "POTATO_SHU", Name: "土豆（虚构示例）", Presale: true,
			Label: listing.Label{PresaleWindows: []listing.Window{{From: "2020-01-01", Until: "2040-12-31"}}},
		}))
	return s, fulfilment.New(s.DB, nil)
}

func parcel(lines ...shipment.Line) fulfilment.Shipping {
	return fulfilment.Shipping{Carrier: "SF", Number: "SF1234567890", Lines: lines, Temperature: "-18 ℃"}
}

func ship(t testing.TB, f *fulfilment.Service, o order.Order, what fulfilment.Shipping) (fulfilment.Course, error) {
	t.Helper()
	return f.Ship(t.Context(), shoptest.Seller(o.Merchant), o.ID, what, request.Claim{}, nil)
}

func refund(t testing.TB, s *shoptest.Shop, o order.Order, lines ...order.RefundLine) error {
	t.Helper()
	_, err := s.Aftersales.Refund(t.Context(), shoptest.Operator, o.ID, order.Refunding{Lines: lines, Reason: "for a test"}, request.Claim{}, nil)
	return err
}

func TestAnOrderGoesItsWay(t *testing.T) {
	t.Parallel()
	s, f := furnish(t)
	o := sell(t, s, "flour", 3, "lamb", 2)
	c, err := f.Pack(t.Context(), miller, o.ID)
	must(t, err)
	if c.State != fulfilment.Packed || !c.PackedAt.Equal(s.Clock.Now()) {
		t.Errorf("packed, it is %+v", c)
	}
	if _, err := f.Pack(t.Context(), miller, o.ID); !errors.Is(err, fulfilment.ErrState) {
		t.Errorf("packed twice: %v", err)
	}
	confirm := func() error {
		_, err := f.Confirm(t.Context(), ann, o.ID, request.Claim{}, nil)
		return err
	}
	first, err := ship(t, f, o, parcel(shipment.Line{N: 1, Quantity: 2}))
	must(t, err)
	if first.State != fulfilment.PartlyShipped || first.Left() != 3 || !errors.Is(confirm(), fulfilment.ErrState) {
		t.Errorf("in part, it is %+v", first)
	}
	s.Clock.Advance(time.Hour)
	c, err = ship(t, f, o, parcel())
	must(t, err)
	if c.State != fulfilment.Shipped || c.Left() != 0 || len(c.Shipments) != 2 || !c.ShippedAt.Equal(s.Clock.Now()) {
		t.Errorf("whole, it is %+v", c)
	}
	want := []shipment.Line{{N: 1, Quantity: 1}, {N: 2, Quantity: 2}}
	if diff := cmp.Diff(want, c.Shipments[1].Lines); diff != "" {
		t.Errorf("the rest (-want +got):\n%s", diff)
	}
	if _, err := ship(t, f, o, parcel()); !errors.Is(err, fulfilment.ErrNothing) {
		t.Errorf("shipped again: %v", err)
	}
	c, err = f.Correct(t.Context(), miller, c.Shipments[0].ID, "JD", "jd 9876543210", "抄错了单号")
	must(t, err)
	if tr := c.Shipments[0].Tracking; len(tr) != 2 || tr[0].Number != "SF1234567890" || c.Shipments[0].Now().Number != "JD9876543210" {
		t.Errorf("corrected, it is %+v", tr)
	}
	if _, err := f.Correct(t.Context(), miller, c.Shipments[1].ID, "ZTO", "ZT123456", "another"); !errors.Is(err, shipment.ErrColdCarrier) {
		t.Errorf("frozen goods are corrected into a warm van: %v", err)
	}
	for i, want := range []fulfilment.State{fulfilment.Shipped, fulfilment.Delivered} {
		c, err = f.Deliver(t.Context(), miller, c.Shipments[i].ID)
		must(t, err)
		if c.State != want {
			t.Errorf("with parcel %d delivered, it is %s, want %s", i, c.State, want)
		}
	}
	must(t, confirm())
	if err := confirm(); !errors.Is(err, fulfilment.ErrState) {
		t.Errorf("received twice: %v", err)
	}
	c, err = f.Course(t.Context(), ann, o.ID)
	must(t, err)
	if c.State != fulfilment.Received || !c.ClosesAt.Equal(fulfilment.Closes(s.Clock.Now())) || len(c.Shipments) != 2 {
		t.Errorf("received, it is %+v", c)
	}
	told, err := s.Trail.Entries(t.Context(), page.Request{}, trail.Filter{Object: "order:" + o.ID.String()})
	must(t, err)
	var ops []string
	for _, e := range told.Data {
		ops = append(ops, e.Operation)
	}
	slices.Sort(ops)
	if diff := cmp.Diff([]string{"fulfilment.correct", "fulfilment.deliver", "fulfilment.deliver", "fulfilment.pack", "fulfilment.receive", "fulfilment.ship", "fulfilment.ship"}, ops); diff != "" {
		t.Errorf("the trail (-want +got):\n%s", diff)
	}
}

func TestWhatMustNotBeShippedIsRefused(t *testing.T) {
	t.Parallel()
	s, f := furnish(t)
	o := sell(t, s, "flour", 3, "lamb", 2)
	unpaid := s.Place(t, "ann", shoptest.Choose("flour", 1)).Orders[0]
	voucher := sell(t, s, "stay", 1)
	mixed := sell(t, s, "stay", 1, "liquor", 1)
	refunded := sell(t, s, "flour", 1)
	must(t, refund(t, s, refunded, order.RefundLine{N: 1, Quantity: 1}))
	_, err := s.Inventory.Receive(t.Context(), inventory.Receipt{
		Actor: miller.Account.UUID(), Merchants: miller.Merchants(), SKU: shoptest.SKU("flour").UUID(), Code: "L1", Qty: 10,
	}, request.Claim{}, nil)
	must(t, err)
	bad, err := s.Inventory.Receive(t.Context(), inventory.Receipt{
		Actor: miller.Account.UUID(), Merchants: miller.Merchants(), SKU: shoptest.SKU("flour").UUID(), Code: "L2", Qty: 10,
	}, request.Claim{}, nil)
	must(t, err)
	_, err = s.Recalls.Open(t.Context(), shoptest.Operator, bad.ID, recall.Opening{Level: 1, Reason: "for a test", Notice: "for a test, ten letters"}, request.Claim{}, nil)
	must(t, err)
	one := func(n int, q int64, lot string) shipment.Line {
		return shipment.Line{N: n, Quantity: q, Lot: lot}
	}
	with := func(change func(*fulfilment.Shipping), lines ...shipment.Line) fulfilment.Shipping {
		p := parcel(lines...)
		change(&p)
		return p
	}
	for name, tt := range map[string]struct {
		of   order.Order
		what fulfilment.Shipping
		want error
		at   string
	}{
		"unpaid":             {unpaid, parcel(), order.ErrNotFound, ""},
		"refunded":           {refunded, parcel(), fulfilment.ErrUnpaid, ""},
		"vouchers":           {voucher, parcel(), fulfilment.ErrNothing, ""},
		"the voucher of two": {mixed, parcel(one(lineOf(mixed, "STAY"), 1, "")), fulfilment.ErrTooMany, "/lines/0/quantity"},
		"too many":           {o, parcel(one(1, 4, "")), fulfilment.ErrTooMany, "/lines/0/quantity"},
		"too many by lot":    {o, parcel(one(1, 2, ""), one(1, 2, "L1")), fulfilment.ErrTooMany, "/lines/1/quantity"},
		"none":               {o, parcel(one(1, 0, "")), fulfilment.ErrTooMany, "/lines/0/quantity"},
		"twice":              {o, parcel(one(1, 1, ""), one(1, 1, "")), fulfilment.ErrLine, "/lines/1/line"},
		"no such line":       {o, parcel(one(3, 1, "")), fulfilment.ErrLine, "/lines/0/line"},
		"no such lot":        {o, parcel(one(1, 1, "L9")), fulfilment.ErrLot, "/lines/0/lot"},
		"a recalled lot":     {o, parcel(one(1, 1, "L1"), one(1, 1, "L2")), fulfilment.ErrLot, "/lines/1/lot"},
		"another SKU's lot":  {o, parcel(one(2, 1, "L1")), fulfilment.ErrLot, "/lines/0/lot"},
		"no such carrier":    {o, with(func(p *fulfilment.Shipping) { p.Carrier = "OWL" }), shipment.ErrCarrier, "/carrier"},
		"no number":          {o, with(func(p *fulfilment.Shipping) { p.Number = "?" }), shipment.ErrNumber, "/tracking_number"},
		"a warm van":         {o, with(func(p *fulfilment.Shipping) { p.Carrier = "ZTO" }), shipment.ErrColdCarrier, "/carrier"},
		"no temperature":     {o, with(func(p *fulfilment.Shipping) { p.Temperature = " " }, one(2, 1, "")), shipment.ErrTemperature, "/temperature"},
	} {
		_, err := ship(t, f, tt.of, tt.what)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		} else if fields := fault.Of(err).Fields; tt.at != "" && (len(fields) != 1 || fields[0].Pointer != tt.at) {
			t.Errorf("%s: at %v, want %s", name, fields, tt.at)
		}
	}
	if c, err := f.MerchantCourse(t.Context(), miller, o.ID); err != nil || c.State != fulfilment.Unfulfilled || c.Left() != 5 || len(c.Shipments) != 0 {
		t.Errorf("after all that it is %+v, %v", c, err)
	}
	_, err = ship(t, f, o, with(func(p *fulfilment.Shipping) { p.Carrier, p.Temperature = "ZTO", "" }, one(1, 2, "L1"), one(1, 1, "")))
	must(t, err)
	if _, err := ship(t, f, mixed, parcel()); err != nil {
		t.Errorf("the goods of a mixed order: %v", err)
	}
}

// lineOf is the line of a SKU.
func lineOf(o order.Order, code string) int {
	return slices.IndexFunc(o.Lines, func(l order.Line) bool { return l.Code == code }) + 1
}

func TestNobodyTouchesAnothersOrder(t *testing.T) {
	t.Parallel()
	s, f := furnish(t)
	o := sell(t, s, "flour", 3)
	c, err := ship(t, f, o, parcel())
	must(t, err)
	bob, sid := shoptest.Buyer("bob"), c.Shipments[0].ID
	for name, call := range map[string]func() (fulfilment.Course, error){
		"packs": func() (fulfilment.Course, error) { return f.Pack(t.Context(), distiller, o.ID) },
		"ships": func() (fulfilment.Course, error) {
			return f.Ship(t.Context(), distiller, o.ID, parcel(), request.Claim{}, nil)
		},
		"corrects": func() (fulfilment.Course, error) {
			return f.Correct(t.Context(), distiller, sid, "SF", "SF000001", "for a test")
		},
		"delivers": func() (fulfilment.Course, error) { return f.Deliver(t.Context(), distiller, sid) },
		"looks":    func() (fulfilment.Course, error) { return f.MerchantCourse(t.Context(), distiller, o.ID) },
		"receives": func() (fulfilment.Course, error) { return f.Confirm(t.Context(), bob, o.ID, request.Claim{}, nil) },
		"reads":    func() (fulfilment.Course, error) { return f.Course(t.Context(), bob, o.ID) },
	} {
		if got, err := call(); fault.Of(err) == nil || fault.Of(err).Kind != fault.NotFound {
			t.Errorf("another %s: %+v, %v", name, got, err)
		}
	}
	if now, err := f.Course(t.Context(), ann, o.ID); err != nil || now.State != fulfilment.Shipped || len(now.Shipments[0].Tracking) != 1 {
		t.Errorf("after all that it is %+v, %v", now, err)
	}
}

func TestTheLastPiecesAreShippedOnceHoweverManyShipThem(t *testing.T) {
	t.Parallel()
	s, f := furnish(t)
	o := sell(t, s, "flour", 3)
	done := pgtest.AtOnce(t, 8, func(int) error {
		_, err := ship(t, f, o, parcel(shipment.Line{N: 1, Quantity: 2}))
		return err
	}, fulfilment.ErrTooMany)
	if c, err := f.MerchantCourse(t.Context(), miller, o.ID); done != 1 || err != nil || c.Left() != 1 || len(c.Shipments) != 1 {
		t.Errorf("%d shipped; it is %+v, %v", done, c, err)
	}
}

func TestNoSequenceOfShipmentsAndRefundsShipsMoreThanIsOwed(t *testing.T) {
	t.Parallel()
	s, f := furnish(t)
	rapid.Check(t, func(r *rapid.T) {
		pieces := int64(rapid.IntRange(1, 4).Draw(r, "pieces"))
		o := sell(t, s, "flour", int(pieces))
		_, err := s.Inventory.Adjust(t.Context(), inventory.Adjustment{Merchants: miller.Merchants(), SKU: shoptest.SKU("flour").UUID(), Delta: pieces, Reason: "for a test"}, request.Claim{}, nil)
		must(t, err)
		var shipped, back int64
		for range rapid.IntRange(1, 5).Draw(r, "steps") {
			n := int64(rapid.IntRange(1, 4).Draw(r, "n"))
			if rapid.Bool().Draw(r, "ships") {
				_, err := ship(t, f, o, parcel(shipment.Line{N: 1, Quantity: n}))
				if fits := n <= pieces-back-shipped; fits != (err == nil) {
					r.Fatalf("%d more of %d, %d shipped and %d refunded: %v", n, pieces, shipped, back, err)
				}
				if err == nil {
					shipped += n
				}
			} else if refund(t, s, o, order.RefundLine{N: 1, Quantity: n}) == nil {
				back += n
			}
		}
		now := of(t, s, at(t, s, o))
		want := fulfilment.Unfulfilled
		if shipped > 0 && shipped+back < pieces {
			want = fulfilment.PartlyShipped
		} else if shipped > 0 {
			want = fulfilment.Shipped
		}
		if now.State != want || now.Lines[0].Shipped != shipped || now.Left() != max(0, pieces-shipped-back) {
			r.Fatalf("%d of %d shipped, %d refunded: %+v", shipped, pieces, back, now)
		}
	})
}

// Whatever of a line is refunded, and whether it had left or not, the other pieces are shipped.
func TestWhatIsRefundedOfALineKeepsNoOtherPieceFromShipping(t *testing.T) {
	t.Parallel()
	s, f := furnish(t)
	part := func(n int64) fulfilment.Shipping { return parcel(shipment.Line{N: 1, Quantity: n}) }
	comeBack := func(o order.Order, kind returns.Kind, why returns.Reason, pieces int64) {
		t.Helper()
		c, err := s.Aftersales.Ask(t.Context(), ann, o.ID, returns.Asking{Kind: kind, Reason: why, Lines: []order.RefundLine{{N: 1, Quantity: pieces}}})
		must(t, err)
		_, err = s.Aftersales.Approve(t.Context(), miller, c.ID, request.Claim{}, nil)
		must(t, err)
		if kind == returns.ReturnRefund {
			_, err = s.Aftersales.SendBack(t.Context(), ann, c.ID, "顺丰", "SF1")
			must(t, err)
			_, err = s.Aftersales.GoodsReceived(t.Context(), miller, c.ID, true, request.Claim{}, nil)
			must(t, err)
		}
	}
	for name, tt := range map[string]struct {
		shipped int64
		refund  func(order.Order)
		left    int64
	}{
		"two before it ships": {0, func(o order.Order) { must(t, refund(t, s, o, order.RefundLine{N: 1, Quantity: 2})) }, 1},
		"a reduction, and two before it ships": {0, func(o order.Order) {
			must(t, refund(t, s, o, order.RefundLine{N: 1, Amount: 1000}))
			must(t, refund(t, s, o, order.RefundLine{N: 1, Quantity: 2}))
		}, 1},
		"a reduction":                       {1, func(o order.Order) { must(t, refund(t, s, o, order.RefundLine{N: 1, Amount: 5000})) }, 2},
		"one of two that had not left":      {1, func(o order.Order) { must(t, refund(t, s, o, order.RefundLine{N: 1, Quantity: 1})) }, 1},
		"two that had left, and came back":  {2, func(o order.Order) { comeBack(o, returns.ReturnRefund, returns.Quality, 2) }, 1},
		"two that had left, and are spoilt": {2, func(o order.Order) { comeBack(o, returns.RefundOnly, returns.Damaged, 2) }, 1},
		"one that is missing is not sent":   {1, func(o order.Order) { comeBack(o, returns.RefundOnly, returns.Missing, 1) }, 1},
		"two, of which one had left":        {1, func(o order.Order) { comeBack(o, returns.RefundOnly, returns.Quality, 2) }, 1},
	} {
		o := sell(t, s, "flour", 3)
		if tt.shipped > 0 {
			_, err := ship(t, f, o, part(tt.shipped))
			must(t, err)
		}
		tt.refund(o)
		if now := of(t, s, at(t, s, o)); now.Left() != tt.left || now.ShipBy().IsZero() {
			t.Errorf("%s: %d are left, want %d", name, now.Left(), tt.left)
		}
		if _, err := ship(t, f, o, part(tt.left+1)); !errors.Is(err, fulfilment.ErrTooMany) {
			t.Errorf("%s: one more than is left is shipped: %v", name, err)
		}
		if c, err := ship(t, f, o, parcel()); err != nil || c.State != fulfilment.Shipped || c.Left() != 0 {
			t.Errorf("%s: the rest is shipped: %s, %v", name, c.State, err)
		}
	}
}

// at is an order as it stands now.
func at(t testing.TB, s *shoptest.Shop, o order.Order) order.Order {
	t.Helper()
	now, err := s.Aftersales.AnyOrder(t.Context(), o.ID)
	must(t, err)
	return now.Order
}

func TestWhatIsNotConfirmedIsReceivedTenDaysAfterItLeft(t *testing.T) {
	t.Parallel()
	s, _ := furnish(t)
	var orders []order.Order
	for range 5 {
		orders = append(orders, sell(t, s, "flour", 2))
	}
	whole, open, part, rest, mixed := orders[0], orders[1], orders[2], orders[3], sell(t, s, "stay", 1, "liquor", 1)
	f := fulfilment.New(s.DB, func(context.Context, *postgres.Tx, []order.Order) (map[order.ID]bool, error) {
		return map[order.ID]bool{open.ID: true}, nil
	})
	for _, o := range []order.Order{open, whole, mixed} {
		_, err := ship(t, f, o, parcel())
		must(t, err)
	}
	for _, o := range []order.Order{part, rest} {
		_, err := ship(t, f, o, parcel(shipment.Line{N: 1, Quantity: 1}))
		must(t, err)
	}
	must(t, refund(t, s, rest, order.RefundLine{N: 1, Quantity: 1}))
	due := func() int {
		n, err := f.ReceiveDue(t.Context(), 1) // a page of one: what is blocked hides nothing behind it
		must(t, err)
		return n
	}
	s.Clock.Advance(fulfilment.ReceivedAfter - time.Second)
	if n := due(); n != 0 {
		t.Errorf("a second too early, %d are received", n)
	}
	s.Clock.Advance(time.Second)
	if n, again := due(), due(); n != 3 || again != 0 {
		t.Errorf("%d are received, and then %d", n, again)
	}
	for o, want := range map[order.ID]fulfilment.State{
		whole.ID: fulfilment.Received, open.ID: fulfilment.Shipped, part.ID: fulfilment.PartlyShipped, rest.ID: fulfilment.Received,
		mixed.ID: fulfilment.Shipped, orders[4].ID: fulfilment.Unfulfilled,
	} {
		if now := of(t, s, at(t, s, order.Order{ID: o})); now.State != want || now.ClosesAt.IsZero() != now.GoodsAt.IsZero() {
			t.Errorf("it is %+v, want %s", now, want)
		}
	}
	must(t, receive(t, s, mixed.ID, s.Clock.Now()))
	if now := of(t, s, mixed); now.State != fulfilment.Received || !now.ClosesAt.Equal(fulfilment.Closes(s.Clock.Now())) {
		t.Errorf("with its voucher used, it is %+v", now)
	}
}

func TestGoodsThatAreOrderedAheadShipByTheEndOfTheirWindow(t *testing.T) {
	t.Parallel()
	s, f := furnish(t)
	o := sell(t, s, "potato", 1, "flour", 1)
	now := of(t, s, o)
	ahead, plain := now.Lines[lineOf(o, "POTATO")-1], now.Lines[lineOf(o, "FLOUR")-1]
	if want := time.Date(2040, 12, 31, 16, 0, 0, 0, time.UTC); !ahead.ShipBy.Equal(want) || !plain.ShipBy.Equal(o.PaidAt.Add(fulfilment.ShipWithin)) || !now.ShipBy().Equal(plain.ShipBy) {
		t.Errorf("they ship by %+v", now.Lines)
	}
	_, err := ship(t, f, o, parcel(shipment.Line{N: plain.N, Quantity: 1}))
	must(t, err)
	if now := of(t, s, o); !now.ShipBy().Equal(ahead.ShipBy) {
		t.Errorf("what is left ships by %s", now.ShipBy())
	}
}

func TestParcelsAreNeverRewritten(t *testing.T) {
	t.Parallel()
	s, f := furnish(t)
	_, err := ship(t, f, sell(t, s, "flour", 1), parcel())
	must(t, err)
	for _, statement := range []string{
		"UPDATE shipment_tracking SET number = 'SF0000000'", "DELETE FROM shipment_tracking", "UPDATE shipment_line SET quantity = 2", "DELETE FROM shipment_line",
		"UPDATE fulfilment_line SET shipped = 2", "UPDATE fulfilment SET state = 'packed'", "INSERT INTO fulfilment (merchant_id, order_id, state, created_at) SELECT merchant_id, order_id, 'received', now() FROM fulfilment",
	} {
		if _, err := pgtest.Owner(t, s.DB).ExecContext(t.Context(), statement); err == nil {
			t.Errorf("the owner: %s is not refused", statement)
		}
	}
}
