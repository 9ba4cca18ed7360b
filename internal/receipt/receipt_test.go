package receipt_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/pdf/pdftest"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/receipt"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// sold is a checkout of two orders that was paid, without the way there: how a
// sale comes about is tested where it is made.
type sold struct {
	db       *postgres.DB
	log      *transparency.Service
	receipts *receipt.Service
	checker  verify.Log
	buyer    identity.Caller
	checkout order.CheckoutID
	orders   [2]uuid.UUID
	homes    [2]uuid.UUID
}

// ordered is an id that sorts after those with a smaller n.
func ordered(n int) uuid.UUID {
	return id.New[sold](pgtest.Noon.Add(time.Duration(n) * time.Millisecond)).UUID()
}

func newSold(t *testing.T, state order.State) *sold {
	t.Helper()
	s := &sold{
		db: pgtest.New(t), buyer: identity.Caller{Account: id.New[identity.Account](pgtest.Noon)},
		checkout: id.New[order.Checkout](pgtest.Noon), orders: [2]uuid.UUID{ordered(1), ordered(2)}, homes: [2]uuid.UUID{ordered(3), ordered(4)},
	}
	var err error
	if s.log, err = transparency.New(s.db, transparency.Config{Origin: "shiyi.example/test", Folder: t.TempDir()}, ledger.Roller{}, trace.Follower{}); err != nil {
		t.Fatal(err)
	}
	if s.checker, err = verify.NewLog(s.log.VerifierKey()); err != nil {
		t.Fatal(err)
	}
	s.receipts = receipt.New(s.db, order.New(s.db, nil, slog.New(slog.DiscardHandler)), s.log, "https://shop.example")

	var paidAt *time.Time
	if state == order.Paid {
		now := s.db.Now()
		paidAt = &now
	}
	s.exec(t, `INSERT INTO checkout (buyer_id, id, state, merchants, goods_fen, shipping_fen, placed_at, expires_at)
		VALUES ($1, $2, 'placed', ARRAY[$3, $4]::uuid[], 9033, 800, $5, $5)`,
		s.buyer.Account.UUID(), s.checkout.UUID(), s.homes[0], s.homes[1], s.db.Now())
	s.exec(t, `UPDATE checkout SET state = $1, paid_at = $2 WHERE id = $3`, string(state), paidAt, s.checkout.UUID())
	s.order(t, 0, state, paidAt, 800, [][3]any{{"羊肉", 2, 4000}, {"莜面", 1, 1000}})
	s.order(t, 1, state, paidAt, 0, [][3]any{{"土豆", 3, 11}})
	return s
}

func (s *sold) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := s.db.SQL().ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// order writes an order of lines (name, quantity, price) and books its sale.
func (s *sold) order(t *testing.T, n int, state order.State, paidAt *time.Time, shipping money.Fen, lines [][3]any) {
	t.Helper()
	var goods money.Fen
	for _, l := range lines {
		goods += money.Fen(l[1].(int) * l[2].(int))
	}
	s.exec(t, `INSERT INTO orders (merchant_id, id, checkout_id, buyer_id, merchant, state, goods_fen, shipping_fen, placed_at)
		VALUES ($1, $2, $3, $4, '红喜', 'placed', $5, $6, $7)`,
		s.homes[n], s.orders[n], s.checkout.UUID(), s.buyer.Account.UUID(), int64(goods), int64(shipping), s.db.Now())
	s.exec(t, `UPDATE orders SET state = $1, paid_at = $2 WHERE id = $3`, string(state), paidAt, s.orders[n])
	for i, l := range lines {
		s.exec(t, `INSERT INTO order_line (merchant_id, order_id, n, sku_id, product_id, code, name, spec, unit, return_rule, quantity, price_fen, total_fen)
			VALUES ($1, $2, $3, $4, $4, 'C', $5, '1 kg', '袋', 'NO_REASON_7D', $6::bigint, $7::bigint, $6::bigint * $7::bigint)`,
			s.homes[n], s.orders[n], i+1, ordered(9), l[0], l[1], l[2])
	}
	if state != order.Paid {
		return
	}
	payable := ledger.Payable(s.homes[n])
	moves := []ledger.Move{{What: fund.Goods, From: ledger.World("stripe"), To: payable, Amount: goods.Li()}}
	if shipping > 0 {
		moves = append(moves, ledger.Move{What: verify.WhatShipping, From: ledger.World("stripe"), To: payable, Amount: shipping.Li()})
	}
	s.book(t, ledger.Transfer{Home: s.homes[n], Kind: fund.Sale, Ref: s.orders[n].String(), Public: true, Moves: append(moves, fund.Tenth(payable, goods))})
}

func (s *sold) book(t *testing.T, transfer ledger.Transfer) {
	t.Helper()
	err := postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) error { return ledger.Book(t.Context(), tx, []ledger.Transfer{transfer}) })
	if err != nil {
		t.Fatal(err)
	}
}

// refund gives 10 yuan of the first order's goods back.
func (s *sold) refund(t *testing.T) uuid.UUID {
	t.Helper()
	refund := ordered(9)
	const back = money.Fen(1000)
	s.exec(t, `INSERT INTO order_refund (merchant_id, id, order_id, goods_fen, shipping_fen, reason, actor_id, at, lines)
		VALUES ($1, $2, $3, $4, 0, 'damaged', $1, $5, '[]')`, s.homes[0], refund, s.orders[0], int64(back), s.db.Now())
	payable := ledger.Payable(s.homes[0])
	s.book(t, ledger.Transfer{Home: s.homes[0], Kind: fund.Refund, Ref: refund.String(), Public: true, Moves: []ledger.Move{
		{What: fund.Goods, From: payable, To: ledger.World("stripe"), Amount: back.Li()}, fund.Return(payable, back, false),
	}})
	return refund
}

func (s *sold) drain(t *testing.T) {
	t.Helper()
	if _, err := s.log.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// receipt is what the buyer gets, over the wire.
func (s *sold) receipt(t *testing.T) verify.Receipt {
	t.Helper()
	r, err := s.receipts.Receipt(t.Context(), s.buyer, s.checkout)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = verify.ParseReceipt(text); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAReceiptIsProvenWithoutUs(t *testing.T) {
	t.Parallel()
	s := newSold(t, order.Paid)
	r := s.receipt(t)
	if _, err := verify.CheckReceipt(r, s.checker); !errors.Is(err, verify.ErrPending) {
		t.Fatalf("before the log has it: %v", err)
	}
	if r.Orders[0].Entry.State != verify.Pending || r.Orders[0].Entry.Leaf == "" {
		t.Errorf("the entry that waits: %+v", r.Orders[0].Entry)
	}
	s.drain(t)
	r = s.receipt(t)
	findings, err := verify.CheckReceipt(r, s.checker)
	if err != nil || len(findings) != 2 {
		t.Fatalf("%d findings, %v", len(findings), err)
	}
	if r.TotalFen != 9833 || r.LevyLi != 9033 || r.NetLevyLi != 9033 || len(r.Orders[0].Lines) != 2 || r.Log.Key != s.log.VerifierKey() {
		t.Errorf("receipt: %+v", r)
	}
}

func TestARefundStandsOnTheReceiptAsANegative(t *testing.T) {
	t.Parallel()
	s := newSold(t, order.Paid)
	s.drain(t)
	refund := s.refund(t)
	if _, err := verify.CheckReceipt(s.receipt(t), s.checker); !errors.Is(err, verify.ErrPending) {
		t.Fatalf("before the log has the refund: %v", err)
	}
	s.drain(t)
	r := s.receipt(t)
	if _, err := verify.CheckReceipt(r, s.checker); err != nil {
		t.Fatal(err)
	}
	if r.LevyLi != 9033 || r.ReturnedLi != -1000 || r.NetLevyLi != 8033 || r.RefundedFen != -1000 {
		t.Errorf("receipt: %+v", r)
	}
	for _, o := range r.Orders {
		if o.OrderID == s.orders[0].String() && (len(o.Refunds) != 1 || o.Refunds[0].RefundID != refund.String() || o.Refunds[0].LevyLi != -1000) {
			t.Errorf("refunds: %+v", o.Refunds)
		}
	}
}

// dispute lets a bank ask about 5 yuan of the first order's goods, and end it so.
func (s *sold) dispute(t *testing.T, to dispute.State, matured bool) {
	t.Helper()
	const taken = money.Fen(500)
	did, part, owed, aside := ordered(20), ordered(21), ledger.Payable(s.homes[0]), ledger.Account("disputed:x")
	s.exec(t, `INSERT INTO dispute (id, checkout_id, provider, ref, payment, amount_fen, beyond_fen, currency, reason, state, opened_at, heard_at)
		VALUES ($1, $2, 'stripe', 'dp_1', 'pi_1', 500, 0, 'cny', 'fraudulent', 'open', $3, $3)`, did, s.checkout.UUID(), s.db.Now())
	s.exec(t, `INSERT INTO dispute_part (merchant_id, id, dispute_id, order_id, goods_fen, shipping_fen, matured)
		VALUES ($1, $2, $3, $4, 500, 0, $5)`, s.homes[0], part, did, s.orders[0], matured)
	s.book(t, ledger.Transfer{Home: s.homes[0], Kind: fund.Dispute, Ref: part.String(), Public: true, Moves: []ledger.Move{
		{What: fund.Goods, From: owed, To: aside, Amount: taken.Li()}, fund.Hold(taken, matured),
	}})
	if to == dispute.Open {
		return
	}
	s.exec(t, `UPDATE dispute SET state = $1, closed_at = $2 WHERE id = $3`, string(to), s.db.Now(), did)
	if to == dispute.Won {
		s.book(t, ledger.Transfer{Home: s.homes[0], Kind: fund.DisputeWon, Ref: part.String(), Public: true, Moves: []ledger.Move{
			{What: fund.Goods, From: aside, To: owed, Amount: taken.Li()}, fund.LetGo(taken, matured),
		}})
		return
	}
	s.exec(t, `INSERT INTO order_refund (merchant_id, id, order_id, goods_fen, shipping_fen, reason, actor_id, at, lines)
		VALUES ($1, $2, $3, 500, 0, 'dispute lost', $1, $4, '[]')`, s.homes[0], part, s.orders[0], s.db.Now())
	s.book(t, ledger.Transfer{Home: s.homes[0], Kind: fund.DisputeLost, Ref: part.String(), Public: true, Moves: []ledger.Move{
		{What: fund.Goods, From: aside, To: ledger.World("stripe"), Amount: taken.Li()}, fund.GiveUp(owed, taken),
	}})
}

func TestWhatABankTookBackStandsOnTheReceipt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		to       dispute.State
		late     bool      // the tenth was free before
		left     money.Fen // of the first order's goods, when its tenth becomes free; 0: it does not
		findings int
		returned int64
	}{
		"asked":                  {dispute.Open, false, 0, 3, 0},
		"asked late":             {dispute.Open, true, 9000, 4, 0},
		"given back":             {dispute.Won, false, 9000, 5, 0},
		"given back late":        {dispute.Won, true, 9000, 5, 0},
		"taken for good":         {dispute.Lost, false, 8500, 5, -500},
		"taken for good, late":   {dispute.Lost, true, 9000, 5, -500},
		"taken before it is due": {dispute.Lost, false, 0, 4, -500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSold(t, order.Paid)
			if tt.late {
				s.mature(t, tt.left)
			}
			s.dispute(t, tt.to, tt.late)
			if !tt.late && tt.left > 0 {
				s.mature(t, tt.left)
			}
			if _, err := verify.CheckReceipt(s.receipt(t), s.checker); !errors.Is(err, verify.ErrPending) {
				t.Fatalf("before the log has it: %v", err)
			}
			s.drain(t)
			r := s.receipt(t)
			findings, err := verify.CheckReceipt(r, s.checker)
			if err != nil || len(findings) != tt.findings {
				t.Fatalf("%d findings, want %d: %v", len(findings), tt.findings, err)
			}
			if r.ReturnedLi != tt.returned || r.RefundedFen != tt.returned || r.NetLevyLi != 9033+tt.returned {
				t.Errorf("returned %d, refunded %d, net %d", r.ReturnedLi, r.RefundedFen, r.NetLevyLi)
			}
			var raw bytes.Buffer
			if missing, err := s.receipts.Paper(t.Context(), s.buyer, s.checkout, &raw); err != nil || len(missing) > 0 {
				t.Errorf("on paper it lacks %q, %v", string(missing), err)
			}
		})
	}
}

func TestOnlyTheBuyerHasAReceiptAndOnlyOfWhatWasPaid(t *testing.T) {
	t.Parallel()
	s := newSold(t, order.Placed)
	if _, err := s.receipts.Receipt(t.Context(), s.buyer, s.checkout); !errors.Is(err, receipt.ErrNotPaid) {
		t.Errorf("unpaid: %v", err)
	}
	other := identity.Caller{Account: id.New[identity.Account](pgtest.Noon)}
	if _, err := s.receipts.Receipt(t.Context(), other, s.checkout); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("another's: %v", err)
	}
	if _, err := s.receipts.Receipt(t.Context(), s.buyer, id.New[order.Checkout](pgtest.Noon)); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.receipts.Receipt(canceled, s.buyer, s.checkout); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// mature makes the first order's tenth free, of which so much had come back.
func (s *sold) mature(t *testing.T, left money.Fen) {
	t.Helper()
	s.book(t, fund.Mature(s.homes[0], s.orders[0].String(), left))
}

func TestAMaturingStandsOnTheReceiptWithItsProof(t *testing.T) {
	t.Parallel()
	s := newSold(t, order.Paid)
	s.refund(t)
	s.drain(t)
	if r := s.receipt(t); r.Orders[0].Maturing != nil || r.Orders[1].Maturing != nil {
		t.Errorf("before it matures: %+v", r.Orders)
	}
	s.mature(t, 8000)
	if _, err := verify.CheckReceipt(s.receipt(t), s.checker); !errors.Is(err, verify.ErrPending) {
		t.Fatalf("before the log has it: %v", err)
	}
	s.drain(t)
	r := s.receipt(t)
	findings, err := verify.CheckReceipt(r, s.checker)
	if err != nil || len(findings) != 4 {
		t.Fatalf("%+v, %v", findings, err)
	}
	var free int64
	for _, f := range findings {
		if f.Maturing {
			free += f.Amounts.Tenth
		}
	}
	if free != 8000 {
		t.Errorf("%d li are free: %+v", free, findings)
	}
}

func TestAReceiptHasAPageForWhoHasItsKey(t *testing.T) {
	t.Parallel()
	s := newSold(t, order.Paid)
	s.mature(t, 9000)
	s.drain(t)
	r := s.receipt(t)
	secret := r.Orders[0].Entry.Salt
	if want := "https://shop.example/receipts/" + s.checkout.String() + "?key=" + secret; r.PageURL != want || len(secret) != 32 {
		t.Errorf("its page is %s, not %s", r.PageURL, want)
	}
	w, err := s.receipts.Page(t.Context(), s.checkout, secret)
	if err != nil || w.Receipt.CheckoutID != r.CheckoutID || w.Traced.Free != 9000 {
		t.Errorf("the page: %+v, %v", w, err)
	}
	for _, wrong := range []string{"", secret[1:], r.Orders[1].Entry.Salt, strings.ToUpper(secret)} {
		if _, err := s.receipts.Page(t.Context(), s.checkout, wrong); !errors.Is(err, receipt.ErrNoPage) {
			t.Errorf("with the key %q: %v", wrong, err)
		}
	}
	if _, err := s.receipts.Page(t.Context(), id.New[order.Checkout](pgtest.Noon), secret); !errors.Is(err, receipt.ErrNoPage) {
		t.Errorf("of no checkout: %v", err)
	}
	unpaid := newSold(t, order.Placed)
	if _, err := unpaid.receipts.Page(t.Context(), unpaid.checkout, secret); !errors.Is(err, receipt.ErrNoPage) {
		t.Errorf("of what was not paid: %v", err)
	}
}

// What is on paper is what the JSON says: each amount, each name, each leaf and proof.
func TestThePaperSaysWhatTheReceiptSays(t *testing.T) {
	t.Parallel()
	s := newSold(t, order.Paid)
	s.refund(t)
	s.mature(t, 8000)
	s.drain(t)
	s.book(t, fund.Grant(s.homes[0], 300))
	s.book(t, fund.PayGrant(s.homes[0], s.homes[1], s.orders[0], 300))
	s.exec(t, `INSERT INTO programme (id, kind, title, region, place, school, purpose, budget_fen, fictional, recorded_by, recorded_at)
		SELECT $1, (SELECT min(code) FROM programme_kind), '图书角（虚构示例）', (SELECT min(code) FROM region), '', '中心小学', '添置图书', 0, true, $1, $2`, s.homes[1], s.db.Now())
	s.drain(t)
	r := s.receipt(t)
	var raw bytes.Buffer
	missing, err := s.receipts.Paper(t.Context(), s.buyer, s.checkout, &raw)
	if err != nil || len(missing) > 0 {
		t.Fatalf("it lacks %q, %v", string(missing), err)
	}
	all := strings.Join(pdftest.Texts(t, raw.Bytes()), "")
	want := []string{
		r.CheckoutID, "¥98.33", "¥90.33", "¥8.00", "¥-10.00", "¥9.033", "¥-1.000", "¥8.033", "2026-11-23 12:00:00", r.Log.Key, r.PageURL, r.HowToVerify,
		"¥3.000", "0 – 3000", "图书角（虚构示例）（中心小学）", "¥5.000",
	}
	for _, o := range r.Orders {
		entries := []verify.Entry{o.Entry}
		for _, b := range o.Refunds {
			entries = append(entries, b.Entry)
		}
		if o.Maturing != nil {
			entries = append(entries, *o.Maturing)
		}
		for _, e := range entries {
			want = append(want, e.Name, e.Salt, strings.ReplaceAll(e.Leaf, "\n", ""), strings.ReplaceAll(e.Proof, "\n", ""))
		}
		for _, l := range o.Lines {
			want = append(want, l.Name, l.Spec, money.Fen(l.PriceFen).String(), money.Fen(l.GoodsFen).String())
		}
	}
	for _, text := range want {
		if !strings.Contains(all, text) {
			t.Errorf("the paper lacks %q", text)
		}
	}
	if _, err := s.receipts.Paper(t.Context(), identity.Caller{Account: id.New[identity.Account](pgtest.Noon)}, s.checkout, &raw); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("another's: %v", err)
	}
}
