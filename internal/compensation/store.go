package compensation

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// row is a row of the table compensation.
type row struct {
	MerchantID, ID, OrderID, BuyerID uuid.UUID
	AmountFen                        int64
	Reason                           string
	Digest                           []byte
	State                            string
	ProposedBy                       uuid.UUID
	ProposedAt                       time.Time
	DecidedBy                        *uuid.UUID
	DecidedAt                        *time.Time
	Note                             string
}

// TableName is compensation.
func (row) TableName() string { return "compensation" }

func (r row) value() Compensation {
	c := Compensation{
		ID: id.From[Compensation](r.ID), Order: id.From[order.Order](r.OrderID), Merchant: id.From[merchant.Merchant](r.MerchantID),
		Buyer: id.From[identity.Account](r.BuyerID), Amount: money.Fen(r.AmountFen), Reason: r.Reason, State: State(r.State),
		ProposedBy: id.From[identity.Account](r.ProposedBy), ProposedAt: r.ProposedAt.UTC(), Note: r.Note,
	}
	copy(c.Digest[:], r.Digest)
	c.DecidedBy, c.DecidedAt = id.FromNull[identity.Account](r.DecidedBy), postgres.OrZero(r.DecidedAt)
	return c
}

func insert(ctx context.Context, tx *postgres.Tx, c Compensation) error {
	err := postgres.On[row](tx).Create(ctx, row{
		MerchantID: c.Merchant.UUID(), ID: c.ID.UUID(), OrderID: c.Order.UUID(), BuyerID: c.Buyer.UUID(), AmountFen: int64(c.Amount),
		Reason: c.Reason, Digest: c.Digest[:], State: string(c.State), ProposedBy: c.ProposedBy.UUID(), ProposedAt: c.ProposedAt,
	})
	if err != nil {
		return fmt.Errorf("propose a compensation of order %s: %w", c.Order, err)
	}
	return nil
}

func save(ctx context.Context, tx *postgres.Tx, c Compensation) error {
	_, err := tx.Exec(ctx, `UPDATE compensation SET state = ?, decided_by = ?, decided_at = ?, note = ? WHERE merchant_id = ? AND id = ?`,
		string(c.State), c.DecidedBy, c.DecidedAt, c.Note, c.Merchant, c.ID)
	if err != nil {
		return fmt.Errorf("decide on compensation %s: %w", c.ID, err)
	}
	return nil
}

func byID(ctx context.Context, tx *postgres.Tx, cid ID, lock string) (Compensation, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM compensation WHERE id = ?`+lock, cid)
	if err != nil {
		return Compensation{}, fmt.Errorf("read compensation %s: %w", cid, err)
	}
	if len(rows) == 0 {
		return Compensation{}, ErrUnknown
	}
	return rows[0].value(), nil
}

// granted is what is in these states of c's order beside c.
func granted(ctx context.Context, tx *postgres.Tx, c Compensation, states ...State) (money.Fen, error) {
	sum, err := postgres.Row[struct{ Sum int64 }](ctx, tx, `SELECT coalesce(sum(amount_fen), 0)::bigint AS sum FROM compensation
		WHERE merchant_id = ? AND order_id = ? AND state = ANY(?::text[]) AND id <> ?`, c.Merchant, c.Order, postgres.Array(states), c.ID.UUID())
	if err != nil {
		return 0, fmt.Errorf("sum the compensations of order %s: %w", c.Order, err)
	}
	return money.Fen(sum.Sum), nil
}

func list(ctx context.Context, tx *postgres.Tx, state State, p page.Request) (page.Of[Compensation], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Compensation]{}, err
	}
	if last == uuid.Nil {
		last = uuid.Max
	}
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM compensation WHERE (? = '' OR state = ?) AND id < ? ORDER BY id DESC LIMIT ?`,
		string(state), string(state), last, p.Size()+1)
	if err != nil {
		return page.Of[Compensation]{}, fmt.Errorf("list compensations: %w", err)
	}
	all := make([]Compensation, len(rows))
	for i, r := range rows {
		all[i] = r.value()
	}
	return page.Cut(all, p.Size(), func(c Compensation) (string, uuid.UUID) { return "", c.ID.UUID() }), nil
}
