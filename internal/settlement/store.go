package settlement

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// settledRow is a row of the table settled_order.
type settledRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	OrderID    uuid.UUID `gorm:"primaryKey"`
	DueLi      int64
	Refunds    int64
	SettledAt  time.Time
}

// TableName is settled_order.
func (settledRow) TableName() string { return "settled_order" }

// refundsOf counts the refunds of an order.
const refundsOf = `(SELECT count(*) FROM order_refund r WHERE r.merchant_id = x.merchant_id AND r.order_id = x.order_id)`

// insertSettled adds orders that were closed, with what they are due.
func insertSettled(ctx context.Context, tx *postgres.Tx, orders []order.Order) error {
	merchants, ids, dues := make([]uuid.UUID, len(orders)), make([]uuid.UUID, len(orders)), make([]int64, len(orders))
	for i, o := range orders {
		merchants[i], ids[i], dues[i] = o.Merchant.UUID(), o.ID.UUID(), int64(payout.Due(o))
	}
	_, err := tx.Exec(ctx, `INSERT INTO settled_order (merchant_id, order_id, due_li, refunds, settled_at)
		SELECT merchant_id, order_id, due_li, `+refundsOf+`, ? FROM unnest(?::uuid[], ?::uuid[], ?::bigint[]) AS x(merchant_id, order_id, due_li)`,
		tx.Now, postgres.Array(merchants), postgres.Array(ids), postgres.Array(dues))
	if err != nil {
		return fmt.Errorf("settle %d orders: %w", len(orders), err)
	}
	return nil
}

// unreckoned are settled orders that have refunds which were not reckoned yet.
func unreckoned(ctx context.Context, tx *postgres.Tx, limit int) ([]settledRow, error) {
	rows, err := postgres.Rows[settledRow](ctx, tx, `SELECT x.* FROM settled_order x
		JOIN (SELECT merchant_id, order_id, count(*) AS n FROM order_refund GROUP BY merchant_id, order_id) r USING (merchant_id, order_id)
		WHERE r.n > x.refunds ORDER BY x.merchant_id, x.order_id LIMIT ?`, limit)
	if err != nil {
		return nil, fmt.Errorf("find refunds of settled orders: %w", err)
	}
	return rows, nil
}

// reckon writes down what a locked settled order is due now, and returns what it
// was reckoned to be due before.
func reckon(ctx context.Context, tx *postgres.Tx, o order.Order) (before money.Li, err error) {
	r, err := postgres.Row[settledRow](ctx, tx, `SELECT * FROM settled_order WHERE merchant_id = ? AND order_id = ? FOR UPDATE`, o.Merchant, o.ID)
	if err == nil {
		_, err = tx.Exec(ctx, `UPDATE settled_order x SET due_li = ?, refunds = `+refundsOf+` WHERE merchant_id = ? AND order_id = ?`,
			int64(payout.Due(o)), o.Merchant, o.ID)
	}
	if err != nil {
		return 0, fmt.Errorf("reckon order %s anew: %w", o.ID, err)
	}
	return money.Li(r.DueLi), nil
}

// payoutRow is a row of the table payout.
type payoutRow struct {
	MerchantID  uuid.UUID `gorm:"primaryKey"`
	ID          uuid.UUID `gorm:"primaryKey"`
	OrderID     *uuid.UUID
	Month       string
	GroupID     uuid.UUID
	AmountFen   int64
	ReversedFen int64
	State       string
	Account     string
	Ref         string
	Failure     string
	Attempt     int
	CreatedAt   time.Time `gorm:"autoCreateTime:false"`
	TriedAt     time.Time
	SettledAt   *time.Time
}

// TableName is payout.
func (payoutRow) TableName() string { return "payout" }

func (r payoutRow) payout() payout.Payout {
	p := payout.Payout{
		ID: id.From[payout.Payout](r.ID), Merchant: r.MerchantID, Month: r.Month, Group: r.GroupID, Amount: money.Fen(r.AmountFen), Reversed: money.Fen(r.ReversedFen),
		State: payout.State(r.State), Account: r.Account, Ref: r.Ref, Failure: r.Failure, Attempt: r.Attempt,
		CreatedAt: r.CreatedAt.UTC(), TriedAt: r.TriedAt.UTC(), SettledAt: postgres.OrZero(r.SettledAt),
	}
	p.Order = id.FromNull[order.Order](r.OrderID)
	return p
}

func insertPayouts(ctx context.Context, tx *postgres.Tx, all []payout.Payout) error {
	rows := make([]payoutRow, len(all))
	for i, p := range all {
		rows[i] = payoutRow{
			MerchantID: p.Merchant, ID: p.ID.UUID(), Month: p.Month, GroupID: p.Group, AmountFen: int64(p.Amount), State: string(p.State),
			Account: p.Account, CreatedAt: p.CreatedAt, TriedAt: p.TriedAt,
		}
		if of := p.Order.UUID(); of != uuid.Nil {
			rows[i].OrderID = &of
		}
	}
	if err := postgres.CreateAll(ctx, tx, rows); err != nil {
		return fmt.Errorf("add %d payouts: %w", len(all), err)
	}
	return nil
}

func readPayout(ctx context.Context, tx *postgres.Tx, pid payout.ID, clauses ...clause.Expression) (payout.Payout, error) {
	r, err := postgres.On[payoutRow](tx, clauses...).Where("id = ?", pid).Take(ctx)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return payout.Payout{}, payout.ErrNotFound
	case err != nil:
		return payout.Payout{}, fmt.Errorf("read payout %s: %w", pid, err)
	}
	return r.payout(), nil
}

// lockPayout keeps a payout from others until tx ends, after its account.
func lockPayout(ctx context.Context, tx *postgres.Tx, pid payout.ID) (payout.Payout, error) {
	return readPayout(ctx, tx, pid, clause.Locking{Strength: "UPDATE"})
}

// savePayout writes what became of a locked payout.
func savePayout(ctx context.Context, tx *postgres.Tx, p payout.Payout) error {
	_, err := tx.Exec(ctx, `UPDATE payout SET state = ?, reversed_fen = ?, account = ?, ref = ?, failure = ?, attempt = ?, tried_at = ?, settled_at = ? WHERE merchant_id = ? AND id = ?`,
		string(p.State), int64(p.Reversed), p.Account, p.Ref, p.Failure, p.Attempt, p.TriedAt, postgres.OrNull(p.SettledAt), p.Merchant, p.ID)
	if err != nil {
		return fmt.Errorf("save payout %s: %w", p.ID, err)
	}
	return nil
}

// savePaid writes that locked payouts of one owner were paid now.
func savePaid(ctx context.Context, tx *postgres.Tx, owner uuid.UUID, all []payout.Payout) error {
	_, err := tx.Exec(ctx, `UPDATE payout p SET state = 'paid', ref = x.ref, settled_at = ? FROM unnest(?::uuid[], ?::text[]) AS x(id, ref)
		WHERE p.merchant_id = ? AND p.id = x.id`, tx.Now, postgres.Array(mapped(all, func(p payout.Payout) uuid.UUID { return p.ID.UUID() })),
		postgres.Array(mapped(all, func(p payout.Payout) string { return p.Ref })), owner)
	if err != nil {
		return fmt.Errorf("save %d paid payouts of %s: %w", len(all), owner, err)
	}
	return nil
}

// forgotten are payouts that have been pending since before.
func forgotten(ctx context.Context, tx *postgres.Tx, before time.Time, limit int) ([]payout.Payout, error) {
	rows, err := postgres.On[payoutRow](tx).Where("state = 'pending' AND tried_at <= ?", before).Order("tried_at").Limit(limit).Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("find forgotten payouts: %w", err)
	}
	return mapped(rows, payoutRow.payout), nil
}

// lockPending keeps payouts of one owner from others until tx ends, after its account,
// and leaves out those of which this attempt is not pending any more.
func lockPending(ctx context.Context, tx *postgres.Tx, all []payout.Payout) ([]payout.Payout, error) {
	rows, err := postgres.Rows[payoutRow](ctx, tx, `SELECT * FROM payout WHERE merchant_id = ? AND id = ANY(?::uuid[]) AND state = 'pending' ORDER BY id FOR UPDATE`,
		all[0].Merchant, postgres.Array(mapped(all, func(p payout.Payout) uuid.UUID { return p.ID.UUID() })))
	if err != nil {
		return nil, fmt.Errorf("lock %d payouts of %s: %w", len(all), all[0].Merchant, err)
	}
	return slices.DeleteFunc(slices.Clone(all), func(p payout.Payout) bool {
		return !slices.ContainsFunc(rows, func(r payoutRow) bool { return r.ID == p.ID.UUID() && r.Attempt == p.Attempt })
	}), nil
}

// sumRow is a sum of fen.
type sumRow struct{ Fen int64 }

// underWay is what goes to an owner and is not in the book yet.
func underWay(ctx context.Context, tx *postgres.Tx, owner uuid.UUID) (money.Fen, error) {
	r, err := postgres.Row[sumRow](ctx, tx, `SELECT coalesce(sum(amount_fen), 0)::bigint AS fen FROM payout WHERE merchant_id = ? AND state = 'pending'`, owner)
	if err != nil {
		return 0, fmt.Errorf("sum the payouts under way to %s: %w", owner, err)
	}
	return money.Fen(r.Fen), nil
}

// fundPaid is what went, or goes, to the fund's account.
func fundPaid(ctx context.Context, tx *postgres.Tx, owner uuid.UUID) (money.Fen, error) {
	r, err := postgres.Row[sumRow](ctx, tx, `SELECT coalesce(sum(amount_fen), 0)::bigint AS fen FROM payout WHERE merchant_id = ? AND state <> 'failed'`, owner)
	if err != nil {
		return 0, fmt.Errorf("sum the payouts of the fund: %w", err)
	}
	return money.Fen(r.Fen), nil
}

// ofMonth is the fund's payout of a month; false: there is none.
func ofMonth(ctx context.Context, tx *postgres.Tx, owner uuid.UUID, month string) (payout.Payout, bool, error) {
	r, err := postgres.On[payoutRow](tx).Where("merchant_id = ? AND month = ?", owner, month).Take(ctx)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return payout.Payout{}, false, nil
	case err != nil:
		return payout.Payout{}, false, fmt.Errorf("read the fund's payout of %s: %w", month, err)
	}
	return r.payout(), true, nil
}

// reversible is the payout of which a refund of the order is taken back first: its
// own, else the newest; false: nothing is left that was paid.
func reversible(ctx context.Context, tx *postgres.Tx, o order.Order) (payout.Payout, bool, error) {
	rows, err := postgres.Rows[payoutRow](ctx, tx, `SELECT * FROM payout WHERE merchant_id = ? AND state = 'paid' AND reversed_fen < amount_fen
		ORDER BY order_id IS NOT DISTINCT FROM ? DESC, settled_at DESC, id DESC LIMIT 1 FOR UPDATE`, o.Merchant, o.ID)
	if err != nil || len(rows) == 0 {
		if err != nil {
			err = fmt.Errorf("find a payout to take back: %w", err)
		}
		return payout.Payout{}, false, err
	}
	return rows[0].payout(), true, nil
}

// reversalRow is a row of the table payout_reversal.
type reversalRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	ID         uuid.UUID `gorm:"primaryKey"`
	PayoutID   uuid.UUID
	OrderID    uuid.UUID
	AmountFen  int64
	State      string
	Ref        string
	Failure    string
	CreatedAt  time.Time `gorm:"autoCreateTime:false"`
	SettledAt  *time.Time
}

// TableName is payout_reversal.
func (reversalRow) TableName() string { return "payout_reversal" }

func (r reversalRow) reversal() payout.Reversal {
	return payout.Reversal{
		ID: id.From[payout.Reversal](r.ID), Merchant: r.MerchantID, Payout: id.From[payout.Payout](r.PayoutID), Order: id.From[order.Order](r.OrderID),
		Amount: money.Fen(r.AmountFen), State: payout.State(r.State),
	}
}

func insertReversal(ctx context.Context, tx *postgres.Tx, r payout.Reversal) error {
	err := postgres.On[reversalRow](tx).Create(ctx, reversalRow{
		MerchantID: r.Merchant, ID: r.ID.UUID(), PayoutID: r.Payout.UUID(), OrderID: r.Order.UUID(), AmountFen: int64(r.Amount),
		State: string(r.State), CreatedAt: tx.Now,
	})
	if err != nil {
		return fmt.Errorf("add a reversal of payout %s: %w", r.Payout, err)
	}
	return nil
}

func readReversal(ctx context.Context, tx *postgres.Tx, owner uuid.UUID, rid id.Of[payout.Reversal]) (payout.Reversal, error) {
	r, err := postgres.On[reversalRow](tx).Where("merchant_id = ? AND id = ?", owner, rid).Take(ctx)
	if err != nil {
		return payout.Reversal{}, fmt.Errorf("read reversal %s: %w", rid, err)
	}
	return r.reversal(), nil
}

// waitingReversals have been pending since before.
func waitingReversals(ctx context.Context, tx *postgres.Tx, before time.Time, limit int) ([]payout.Reversal, error) {
	rows, err := postgres.On[reversalRow](tx).Where("state = 'pending' AND created_at <= ?", before).Order("created_at").Limit(limit).Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("find forgotten reversals: %w", err)
	}
	return mapped(rows, reversalRow.reversal), nil
}

// pendingReversals are those that a row names: itself, or those of the payout that it is.
func pendingReversals(ctx context.Context, tx *postgres.Tx, row uuid.UUID) ([]payout.Reversal, error) {
	rows, err := postgres.On[reversalRow](tx).Where("state = 'pending' AND (id = ? OR payout_id = ?)", row, row).Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the reversals of %s: %w", row, err)
	}
	return mapped(rows, reversalRow.reversal), nil
}

// endReversal writes how a pending reversal ended, or reports false.
func endReversal(ctx context.Context, tx *postgres.Tx, r payout.Reversal, ref, failure string) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE payout_reversal SET state = ?, ref = ?, failure = ?, settled_at = ? WHERE merchant_id = ? AND id = ? AND state = 'pending'`,
		string(r.State), ref, failure, tx.Now, r.Merchant, r.ID)
	if err != nil {
		return false, fmt.Errorf("save reversal %s: %w", r.ID, err)
	}
	return n == 1, nil
}

// list is a page of payouts, newest first: of these owners (nil: of all) and in
// this state ("": in any).
func list(ctx context.Context, tx *postgres.Tx, owners []uuid.UUID, state payout.State, p page.Request) (page.Of[payout.Payout], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[payout.Payout]{}, err
	}
	rows, err := postgres.Rows[payoutRow](ctx, tx, `SELECT * FROM payout
		WHERE (? OR merchant_id = ANY(?::uuid[])) AND (? = '' OR state = ?) AND (? OR id < ?) ORDER BY id DESC LIMIT ?`,
		owners == nil, postgres.Array(owners), string(state), string(state), last == uuid.Nil, last, p.Size()+1)
	if err != nil {
		return page.Of[payout.Payout]{}, fmt.Errorf("list payouts: %w", err)
	}
	return page.Cut(mapped(rows, payoutRow.payout), p.Size(), func(p payout.Payout) (string, uuid.UUID) { return "", p.ID.UUID() }), nil
}

func mapped[R, T any](rows []R, f func(R) T) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = f(r)
	}
	return out
}
