package dispute

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// disputeRow is a row of the table dispute.
type disputeRow struct {
	ID, CheckoutID          uuid.UUID
	Provider, Ref, Payment  string
	AmountFen, BeyondFen    int64
	Currency, Reason, State string
	OpenedAt, HeardAt       time.Time
	DueBy, ClosedAt         *time.Time
}

// TableName is dispute.
func (disputeRow) TableName() string { return "dispute" }

// partRow is a row of the table dispute_part.
type partRow struct {
	MerchantID, ID, DisputeID, OrderID uuid.UUID
	GoodsFen, ShippingFen              int64
	Matured                            bool
}

// TableName is dispute_part.
func (partRow) TableName() string { return "dispute_part" }

func (r disputeRow) dispute() Dispute {
	return Dispute{
		ID: id.From[Dispute](r.ID), Checkout: id.From[order.Checkout](r.CheckoutID), Beyond: money.Fen(r.BeyondFen),
		Said: Said{
			Provider: r.Provider, Ref: r.Ref, Payment: r.Payment, Amount: money.Fen(r.AmountFen), Currency: r.Currency, Reason: r.Reason,
			State: State(r.State), OpenedAt: r.OpenedAt.UTC(), DueBy: postgres.OrZero(r.DueBy),
		},
		HeardAt: r.HeardAt.UTC(), ClosedAt: postgres.OrZero(r.ClosedAt),
	}
}

func (r partRow) part() Part {
	return Part{
		ID: id.From[Part](r.ID), Merchant: id.From[merchant.Merchant](r.MerchantID), Order: id.From[order.Order](r.OrderID),
		Goods: money.Fen(r.GoodsFen), Shipping: money.Fen(r.ShippingFen), Matured: r.Matured,
	}
}

func insert(ctx context.Context, tx *postgres.Tx, d Dispute) error {
	err := postgres.On[disputeRow](tx).Create(ctx, disputeRow{
		ID: d.ID.UUID(), CheckoutID: d.Checkout.UUID(), Provider: d.Provider, Ref: d.Ref, Payment: d.Payment, AmountFen: int64(d.Amount),
		BeyondFen: int64(d.Beyond), Currency: d.Currency, Reason: d.Reason, State: string(d.State), OpenedAt: d.OpenedAt, HeardAt: d.HeardAt, DueBy: postgres.OrNull(d.DueBy),
	})
	if err != nil {
		return fmt.Errorf("add dispute %s: %w", d.Ref, err)
	}
	for _, p := range d.Parts {
		err := postgres.On[partRow](tx).Create(ctx, partRow{
			MerchantID: p.Merchant.UUID(), ID: p.ID.UUID(), DisputeID: d.ID.UUID(), OrderID: p.Order.UUID(),
			GoodsFen: int64(p.Goods), ShippingFen: int64(p.Shipping), Matured: p.Matured,
		})
		if err != nil {
			return fmt.Errorf("add a part of dispute %s: %w", d.Ref, err)
		}
	}
	return nil
}

func saveEnd(ctx context.Context, tx *postgres.Tx, d Dispute) error {
	if _, err := tx.Exec(ctx, `UPDATE dispute SET state = ?, closed_at = ? WHERE id = ?`, string(d.State), d.ClosedAt, d.ID); err != nil {
		return fmt.Errorf("end dispute %s: %w", d.ID, err)
	}
	return nil
}

// lock reads what is known of the dispute and keeps it from others. Its checkout is
// locked before, so that it cannot be added twice.
func lock(ctx context.Context, tx *postgres.Tx, said Said) (Dispute, bool, error) {
	rows, err := postgres.Rows[disputeRow](ctx, tx, `SELECT * FROM dispute WHERE provider = ? AND ref = ? FOR UPDATE`, said.Provider, said.Ref)
	if err != nil || len(rows) == 0 {
		return Dispute{}, false, err
	}
	all, err := withParts(ctx, tx, rows)
	if err != nil {
		return Dispute{}, false, err
	}
	return all[0], true, nil
}

func read(ctx context.Context, tx *postgres.Tx, did ID) (Dispute, error) {
	rows, err := postgres.Rows[disputeRow](ctx, tx, `SELECT * FROM dispute WHERE id = ?`, did)
	if err == nil && len(rows) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Dispute{}, err
	}
	all, err := withParts(ctx, tx, rows)
	if err != nil {
		return Dispute{}, err
	}
	return all[0], nil
}

// list gives a page of disputes, newest first; merchants nil is everybody's.
func list(ctx context.Context, tx *postgres.Tx, state State, merchants []uuid.UUID, p page.Request) (page.Of[Dispute], error) {
	key, last, err := p.After()
	if err != nil {
		return page.Of[Dispute]{}, err
	}
	at := tx.Now
	if key != "" {
		if at, err = time.Parse(time.RFC3339Nano, key); err != nil {
			return page.Of[Dispute]{}, page.ErrCursor
		}
	}
	rows, err := postgres.Rows[disputeRow](ctx, tx, `SELECT d.* FROM dispute d
		WHERE (? = '' OR d.state = ?) AND (? OR EXISTS (SELECT FROM dispute_part p WHERE p.dispute_id = d.id AND p.merchant_id = ANY(?::uuid[])))
		  AND (? OR (d.heard_at, d.id) < (?, ?)) ORDER BY d.heard_at DESC, d.id DESC LIMIT ?`,
		string(state), string(state), merchants == nil, postgres.Array(merchants), last == uuid.Nil, at, last, p.Size()+1)
	if err != nil {
		return page.Of[Dispute]{}, fmt.Errorf("list disputes: %w", err)
	}
	all, err := withParts(ctx, tx, rows)
	if err != nil {
		return page.Of[Dispute]{}, err
	}
	return page.Cut(all, p.Size(), func(d Dispute) (string, uuid.UUID) { return d.HeardAt.Format(time.RFC3339Nano), d.ID.UUID() }), nil
}

// due are open disputes that were known so long before their last day for evidence, which
// is now no further off.
func due(ctx context.Context, tx *postgres.Tx, before time.Duration) ([]Dispute, error) {
	rows, err := postgres.Rows[disputeRow](ctx, tx, `SELECT * FROM dispute WHERE state = 'open' AND due_by > ? AND due_by <= ? AND heard_at < due_by - ?::interval ORDER BY id`,
		tx.Now, tx.Now.Add(before), before.String())
	if err != nil {
		return nil, fmt.Errorf("find disputes that are due: %w", err)
	}
	return withParts(ctx, tx, rows)
}

// stakeRow is an order's part in a dispute, with the state of that.
type stakeRow struct {
	Part  partRow `gorm:"embedded"`
	State string
}

func stakes(ctx context.Context, tx *postgres.Tx, orders []order.Order) ([]Stake, error) {
	homes, ids := make([]uuid.UUID, len(orders)), make([]uuid.UUID, len(orders))
	for i, o := range orders {
		homes[i], ids[i] = o.Merchant.UUID(), o.ID.UUID()
	}
	rows, err := postgres.Rows[stakeRow](ctx, tx, `SELECT p.*, d.state FROM unnest(?::uuid[], ?::uuid[]) AS x(m, o)
		JOIN dispute_part p ON p.merchant_id = x.m AND p.order_id = x.o JOIN dispute d ON d.id = p.dispute_id ORDER BY d.heard_at, d.id`,
		postgres.Array(homes), postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read what is disputed of orders: %w", err)
	}
	all := make([]Stake, len(rows))
	for i, r := range rows {
		all[i] = Stake{r.Part.part(), State(r.State)}
	}
	return all, nil
}

// withParts reads the parts of these disputes.
func withParts(ctx context.Context, tx *postgres.Tx, rows []disputeRow) ([]Dispute, error) {
	all, ids, place := make([]Dispute, len(rows)), make([]uuid.UUID, len(rows)), map[uuid.UUID]int{}
	for i, r := range rows {
		all[i], ids[i], place[r.ID] = r.dispute(), r.ID, i
	}
	parts, err := postgres.Rows[partRow](ctx, tx, `SELECT * FROM dispute_part WHERE dispute_id = ANY(?::uuid[]) ORDER BY merchant_id, id`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read the parts of disputes: %w", err)
	}
	for _, r := range parts {
		d := &all[place[r.DisputeID]]
		d.Parts = append(d.Parts, r.part())
	}
	return all, nil
}

// openParts are the parts of the open disputes of a checkout.
func openParts(ctx context.Context, tx *postgres.Tx, checkout order.CheckoutID) ([]Part, error) {
	rows, err := postgres.Rows[partRow](ctx, tx, `SELECT p.* FROM dispute d JOIN dispute_part p ON p.dispute_id = d.id
		WHERE d.state = 'open' AND d.checkout_id = ?`, checkout)
	if err != nil {
		return nil, fmt.Errorf("read what is disputed of checkout %s: %w", checkout, err)
	}
	all := make([]Part, len(rows))
	for i, r := range rows {
		all[i] = r.part()
	}
	return all, nil
}

func unsettled(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID]bool, error) {
	ids := make([]uuid.UUID, len(orders))
	for i, o := range orders {
		ids[i] = o.Checkout.UUID()
	}
	rows, err := postgres.Rows[disputeRow](ctx, tx, `SELECT DISTINCT checkout_id FROM dispute WHERE state = 'open' AND checkout_id = ANY(?::uuid[])`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("look for open disputes: %w", err)
	}
	open := map[uuid.UUID]bool{}
	for _, r := range rows {
		open[r.CheckoutID] = true
	}
	out := map[order.ID]bool{}
	for _, o := range orders {
		if open[o.Checkout.UUID()] {
			out[o.ID] = true
		}
	}
	return out, nil
}
