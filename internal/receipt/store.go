package receipt

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// paidRow is what a buyer is told of a paid checkout.
type paidRow struct {
	BuyerID            uuid.UUID
	ID                 uuid.UUID
	GoodsFen, TotalFen int64
}

// paidBy is the notice about the checkout that an event of the provider's was the
// payment of; none if it paid nothing.
func paidBy(ctx context.Context, tx *postgres.Tx, event string) ([]notice.Event, error) {
	r, err := postgres.Row[paidRow](ctx, tx, `SELECT c.buyer_id, c.id, c.goods_fen, c.goods_fen + c.shipping_fen AS total_fen
		FROM payment_event e JOIN checkout c ON c.buyer_id = e.buyer_id AND c.id = e.intent_id
		WHERE e.id = ? AND e.processed_at IS NOT NULL AND c.paid_at IS NOT NULL`, event)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("find what event %s paid: %w", event, err)
	}
	return []notice.Event{notice.OrderPaid(id.From[identity.Account](r.BuyerID), id.From[order.Checkout](r.ID),
		money.Fen(r.TotalFen), money.Fen(r.GoodsFen).Tenth())}, nil
}

// buyerOf is who placed a checkout; for one that there is not, ErrNoPage.
func buyerOf(ctx context.Context, tx *postgres.Tx, cid order.CheckoutID) (identity.ID, error) {
	r, err := postgres.Row[struct{ BuyerID uuid.UUID }](ctx, tx, `SELECT buyer_id FROM checkout WHERE id = ?`, cid)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return identity.ID{}, ErrNoPage
	case err != nil:
		return identity.ID{}, fmt.Errorf("find whose checkout %s is: %w", cid, err)
	}
	return id.From[identity.Account](r.BuyerID), nil
}
