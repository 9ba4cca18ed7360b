package dispatch_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/dispatch"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/sheet"
	"github.com/shiyi-market/shiyi/internal/shipment"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

var (
	miller    = shoptest.Seller(shoptest.Miller)
	distiller = shoptest.Seller(shoptest.Distiller)
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func furnish(t testing.TB) (*shoptest.Shop, *dispatch.Service, *fulfilment.Service) {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 50, shoptest.Product(shoptest.Miller, "lamb", 9900, catalog.Description{Category: "MEAT", Name: "羊肉（虚构示例）", ColdChain: "FROZEN"}))
	return s, dispatch.New(s.DB), fulfilment.New(s.DB, nil)
}

func sell(t testing.TB, s *shoptest.Shop, pairs ...any) order.Order {
	t.Helper()
	c := s.Place(t, "ann", shoptest.Choose(pairs...))
	s.Pay(t, c.PayURL)
	return s.Checkout(t, c).Orders[0]
}

// many are that many orders of a bag of flour each, paid a minute after each other and all
// written at once: who buys one by one waits for half an hour.
func many(t testing.TB, s *shoptest.Shop, n int) []string {
	t.Helper()
	rows, err := pgtest.Owner(t, s.DB).QueryContext(t.Context(), `WITH n AS (
			SELECT g, gen_random_uuid() AS c, gen_random_uuid() AS o FROM generate_series(1, $1::integer) g
		), c AS (
			INSERT INTO checkout (buyer_id, id, state, merchants, goods_fen, shipping_fen, placed_at, expires_at)
			SELECT $2, c, 'placed', ARRAY[$3::uuid], 3300, 0, $4::timestamptz + g * interval '1 minute', $4::timestamptz + interval '1 year' FROM n
		), o AS (
			INSERT INTO orders (merchant_id, id, checkout_id, buyer_id, merchant, state, goods_fen, shipping_fen, placed_at)
			SELECT $3, o, c, $2, '磨坊', 'placed', 3300, 0, $4::timestamptz + g * interval '1 minute' FROM n
		), l AS (
			INSERT INTO order_line (merchant_id, order_id, n, sku_id, product_id, code, name, spec, unit, return_rule, quantity, price_fen, total_fen)
			SELECT $3, o, 1, $5, $6, 'FLOUR', '莜面', '', '', 'NO_REASON_7D', 1, 3300, 3300 FROM n
		) SELECT o FROM n ORDER BY g`, n, shoptest.Buyer("bulk").Account.UUID(), shoptest.Miller.UUID(), s.Clock.Now(), shoptest.SKU("flour").UUID(), shoptest.ProductID("flour").UUID())
	must(t, err)
	defer func() { _ = rows.Close() }()
	var ids []string
	for rows.Next() {
		var o uuid.UUID
		must(t, rows.Scan(&o))
		ids = append(ids, o.String())
	}
	must(t, rows.Err())
	for _, table := range []string{"checkout", "orders"} {
		_, err := pgtest.Owner(t, s.DB).ExecContext(t.Context(), `UPDATE `+table+` SET state = 'paid', paid_at = placed_at WHERE buyer_id = $1`, shoptest.Buyer("bulk").Account.UUID())
		must(t, err)
	}
	return ids
}

// csvOf is a sheet of rows: order, carrier, number, temperature.
func csvOf(t testing.TB, rows ...[]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	must(t, w.Write([]string{"order_id", "承运商", "Tracking number", "发货温度", "备注"}))
	must(t, w.WriteAll(rows))
	return out.Bytes()
}

// good is a row for each of the orders.
func good(ids []string) [][]string {
	rows := make([][]string, len(ids))
	for i, o := range ids {
		rows[i] = []string{o, "中通快递", fmt.Sprintf("ZT%010d", i), "", "note"}
	}
	return rows
}

func bad(t testing.TB, d *dispatch.Service, b dispatch.Batch) []string {
	t.Helper()
	var out []string
	for p := (page.Request{Limit: 3}); ; {
		of, err := d.BadCells(t.Context(), miller, b.ID, p)
		must(t, err)
		for _, c := range of.Data {
			out = append(out, fmt.Sprintf("%s %s", c.Place, c.Code))
		}
		if p.Cursor = of.Next; p.Cursor == "" {
			return out
		}
	}
}

// shipped is how many parcels there are, and how many of the orders have just one.
func shipped(t testing.TB, s *shoptest.Shop) (out [2]int) {
	t.Helper()
	must(t, s.DB.SQL().QueryRowContext(t.Context(), `SELECT coalesce(sum(n), 0), count(*) FILTER (WHERE n = 1)
		FROM (SELECT count(*) AS n FROM shipment GROUP BY order_id) t`).Scan(&out[0], &out[1]))
	return out
}

func TestASheetShipsFiveThousandOrdersOnceEachAlthoughItsJobIsKilled(t *testing.T) {
	t.Parallel()
	s, d, f := furnish(t)
	const n = 5000
	rows := good(many(t, s, n))

	before := sell(t, s, "flour", 1)
	_, err := f.Ship(t.Context(), miller, before.ID, fulfilment.Shipping{Carrier: "SF", Number: "SF1234567890"}, request.Claim{}, nil)
	must(t, err)
	unpaid := s.Place(t, "ann", shoptest.Choose("flour", 1)).Orders[0]
	wrong := slices.Clone(rows)
	plant := func(i int, change func(row []string)) {
		wrong[i] = slices.Clone(wrong[i])
		change(wrong[i])
	}
	plant(0, func(r []string) { r[0] = uuid.NewString() })
	plant(9, func(r []string) { r[0] = sell(t, s, "liquor", 1).ID.String() }) // another enterprise's
	plant(19, func(r []string) { r[0] = unpaid.ID.String() })
	plant(29, func(r []string) { r[0] = before.ID.String() })
	plant(39, func(r []string) { r[1] = "猫头鹰" })
	plant(49, func(r []string) { r[2] = "?" })
	plant(59, func(r []string) { r[0] = wrong[58][0] })
	plant(69, func(r []string) { r[0] = "=1+1" })
	plant(79, func(r []string) { r[0] = sell(t, s, "lamb", 1).ID.String() })               // in a warm van
	plant(4999, func(r []string) { r[0], r[1] = sell(t, s, "lamb", 1).ID.String(), "SF" }) // without its temperature
	plant(89, func(r []string) { r[1], r[2] = "", "" })                                    // not today
	b, err := d.Check(t.Context(), miller, merchant.ID{}, sheet.CSV, csvOf(t, wrong...))
	must(t, err)
	want := []string{
		"A2 order.not_found", "A11 order.not_found", "A21 order.not_found", "A31 fulfilment.nothing_to_ship", "B41 shipment.unknown_carrier",
		"C51 shipment.invalid_tracking_number", "A61 duplicate", "A71 order.not_found", "B81 shipment.cold_carrier_required", "D5001 shipment.temperature_required",
	}
	if diff := cmp.Diff(want, bad(t, d, b)); diff != "" || b.State != dispatch.Failed || b.BadCells != len(want) {
		t.Errorf("the batch is %+v; bad cells (-want +got):\n%s", b, diff)
	}
	if _, err := d.Commit(t.Context(), miller, b.ID); !errors.Is(err, dispatch.ErrState) || shipped(t, s) != [2]int{1, 1} {
		t.Errorf("a sheet with bad cells is committed: %v; %v", err, shipped(t, s))
	}

	b, err = d.Check(t.Context(), miller, merchant.ID{}, sheet.CSV, csvOf(t, rows...))
	must(t, err)
	if b.State != dispatch.Checked || b.Orders != n || shipped(t, s) != [2]int{1, 1} {
		t.Fatalf("the sheet is %+v: %v", b, bad(t, d, b))
	}
	b, err = d.Commit(t.Context(), miller, b.ID)
	must(t, err)
	killed(t, s, d, b)
	must(t, d.Ship(t.Context(), dispatch.Ship{Merchant: b.Merchant, Batch: b.ID}))
	b, err = d.Batch(t.Context(), miller, b.ID)
	must(t, err)
	if b.State != dispatch.Shipped || b.Done != n || b.BadCells != 0 || shipped(t, s) != [2]int{n + 1, n + 1} {
		t.Errorf("the batch is %+v, parcels are %v", b, shipped(t, s))
	}
	if again, err := d.Commit(t.Context(), miller, b.ID); err != nil || again.State != dispatch.Shipped {
		t.Errorf("committed again, it is %+v, %v", again, err)
	}
}

// killed lets the job of a batch run until some of it is seen to be done, and kills it.
func killed(t testing.TB, s *shoptest.Shop, d *dispatch.Service, b dispatch.Batch) {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	ended := make(chan error, 1)
	go func() { ended <- d.Ship(ctx, dispatch.Ship{Merchant: b.Merchant, Batch: b.ID}) }()
	for {
		now, err := d.Batch(t.Context(), miller, b.ID)
		must(t, err)
		if now.Done > 0 {
			kill()
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("the job ended unseen: %v", err)
		default:
		}
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the killed job says %v", err)
	}
	now, err := d.Batch(t.Context(), miller, b.ID)
	must(t, err)
	if now.State != dispatch.Shipping || now.Done >= now.Orders || shipped(t, s) != [2]int{now.Done + 1, now.Done + 1} {
		t.Errorf("in between it is %+v, parcels are %v", now, shipped(t, s))
	}
}

func TestWhatIsOvertakenIsLeftOutAndTold(t *testing.T) {
	t.Parallel()
	s, d, f := furnish(t)
	by, back, fine := sell(t, s, "flour", 1), sell(t, s, "flour", 1), sell(t, s, "flour", 2)
	b, err := d.Check(t.Context(), miller, shoptest.Miller, sheet.CSV, csvOf(t, good([]string{by.ID.String(), back.ID.String(), fine.ID.String()})...))
	must(t, err)
	_, err = d.Commit(t.Context(), miller, b.ID)
	must(t, err)
	_, err = f.Ship(t.Context(), miller, by.ID, fulfilment.Shipping{Carrier: "SF", Number: "SF1234567890"}, request.Claim{}, nil)
	must(t, err)
	_, err = s.Aftersales.Refund(t.Context(), shoptest.Operator, back.ID, order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "for a test"}, request.Claim{}, nil)
	must(t, err)
	pgtest.AtOnce(t, 4, func(int) error { return d.Ship(t.Context(), dispatch.Ship{Merchant: b.Merchant, Batch: b.ID}) })
	b, err = d.Batch(t.Context(), miller, b.ID)
	must(t, err)
	want := []string{"A2 fulfilment.nothing_to_ship", "A3 fulfilment.not_paid"}
	if diff := cmp.Diff(want, bad(t, d, b)); diff != "" || b.State != dispatch.Shipped || b.Done != 3 || shipped(t, s) != [2]int{2, 2} {
		t.Errorf("the batch is %+v, parcels %v; left out (-want +got):\n%s", b, shipped(t, s), diff)
	}
	for name, err := range map[string]error{
		"reads":   second(d.Batch(t.Context(), distiller, b.ID)),
		"commits": second(d.Commit(t.Context(), distiller, b.ID)),
		"lists":   second(d.BadCells(t.Context(), distiller, b.ID, page.Request{})),
	} {
		if !errors.Is(err, dispatch.ErrBatch) {
			t.Errorf("another enterprise %s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestSheetsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	_, d, _ := furnish(t)
	for name, tt := range map[string]struct {
		of   merchant.ID
		f    sheet.Format
		body string
		want error
	}{
		"another's":       {shoptest.Distiller, sheet.CSV, "order_id,carrier,tracking_number\n", dispatch.ErrMerchant},
		"no format":       {merchant.ID{}, "pdf", "order_id,carrier,tracking_number\n", dispatch.ErrFormat},
		"no book":         {merchant.ID{}, sheet.XLSX, "order_id,carrier,tracking_number\n", sheet.ErrUnreadable},
		"no number":       {merchant.ID{}, sheet.CSV, "order_id,carrier\n", dispatch.ErrColumns},
		"a column twice":  {merchant.ID{}, sheet.CSV, "order_id,carrier,tracking_number,运单号\n", dispatch.ErrColumns},
		"too many orders": {merchant.ID{}, sheet.CSV, "order_id,carrier,tracking_number\n" + strings.Repeat("a,b,c\n", 5001), sheet.ErrTooLarge},
	} {
		if _, err := d.Check(t.Context(), miller, tt.of, tt.f, []byte(tt.body)); !errors.Is(err, tt.want) || len(fault.Of(err).Fields) == 0 && !errors.Is(tt.want, dispatch.ErrMerchant) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if b, err := d.Check(t.Context(), miller, merchant.ID{}, sheet.CSV, csvOf(t, []string{"x", "", "", "", ""})); err != nil || b.State != dispatch.Failed || b.Orders != 0 {
		t.Errorf("a sheet that ships nothing: %+v, %v", b, err)
	}
}

func TestThePickListIsWhatIsToBeShippedTheMostUrgentFirst(t *testing.T) {
	t.Parallel()
	s, d, f := furnish(t)
	list := func() (ids []order.ID, late []bool) {
		for p := (page.Request{Limit: 1}); ; {
			of, err := d.PickList(t.Context(), miller, p)
			must(t, err)
			for _, pick := range of.Data {
				ids, late = append(ids, pick.Of.ID), append(late, pick.Overdue)
				if pick.ShipTo == nil || pick.ShipTo.City == "" || pick.Left() == 0 {
					t.Errorf("nobody can ship %+v", pick)
				}
			}
			if p.Cursor = of.Next; p.Cursor == "" {
				return ids, late
			}
		}
	}
	first := sell(t, s, "flour", 3)
	s.Clock.Advance(fulfilment.ShipWithin)
	second, done, back := sell(t, s, "flour", 1, "lamb", 1), sell(t, s, "flour", 1), sell(t, s, "flour", 1)
	s.Place(t, "ann", shoptest.Choose("flour", 1))
	sell(t, s, "liquor", 1)
	_, err := f.Ship(t.Context(), miller, done.ID, fulfilment.Shipping{Carrier: "SF", Number: "SF1234567890"}, request.Claim{}, nil)
	must(t, err)
	_, err = f.Ship(t.Context(), miller, first.ID, fulfilment.Shipping{Carrier: "SF", Number: "SF1234567890", Lines: []shipment.Line{{N: 1, Quantity: 1}}}, request.Claim{}, nil)
	must(t, err)
	_, err = s.Aftersales.Refund(t.Context(), shoptest.Operator, back.ID, order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "for a test"}, request.Claim{}, nil)
	must(t, err)
	s.Clock.Advance(time.Second)
	ids, late := list()
	if !slices.Equal(ids, []order.ID{first.ID, second.ID}) || !slices.Equal(late, []bool{true, false}) {
		t.Errorf("to be shipped are %v, %v; want %s and %s", ids, late, first.ID, second.ID)
	}
	of, err := d.Sums(t.Context(), miller, page.Request{})
	must(t, err)
	got := map[string][2]int64{}
	for _, sum := range of.Data {
		got[sum.Code] = [2]int64{sum.Quantity, sum.Orders}
	}
	if diff := cmp.Diff(map[string][2]int64{"FLOUR": {3, 2}, "LAMB": {1, 1}}, got); diff != "" {
		t.Errorf("to be fetched (-want +got):\n%s", diff)
	}

	var out bytes.Buffer
	must(t, d.Template(t.Context(), miller, merchant.ID{}, &out))
	table, err := sheet.Read(out.Bytes(), sheet.XLSX, sheet.Usual())
	must(t, err)
	if len(table.Rows) != 2 || table.Rows[0].Cells[0] != first.ID.String() || !strings.Contains(table.Rows[0].Cells[2], "×2") {
		t.Fatalf("the template is %+v", table)
	}
	if err := d.Template(t.Context(), miller, shoptest.Distiller, &out); !errors.Is(err, dispatch.ErrMerchant) {
		t.Errorf("another's template: %v", err)
	}
	b, err := d.Check(t.Context(), miller, merchant.ID{}, sheet.CSV, csvOf(t, []string{table.Rows[1].Cells[0], "顺丰速运", "sf 000 000 1", "-18 ℃", ""}))
	if err != nil || b.State != dispatch.Checked || b.Orders != 1 {
		t.Errorf("filled in, it is %+v, %v: %v", b, err, bad(t, d, b))
	}
}
