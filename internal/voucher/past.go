package voucher

import (
	"context"
	"fmt"
	"time"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// RedeemPast takes all unused vouchers of up to limit orders that were paid until then,
// now and for who sells them: as it is recorded of vouchers that were used long ago. It
// returns how many orders those were.
func (s *Service) RedeemPast(ctx context.Context, seller func(order.Order) identity.Caller, paidUntil time.Time, limit int) (int, error) {
	return s.each(ctx, limit, func(ctx context.Context, tx *postgres.Tx, limit int) ([]order.ID, error) {
		return orders(ctx, tx, `SELECT DISTINCT v.order_id FROM voucher v JOIN orders o ON o.merchant_id = v.merchant_id AND o.id = v.order_id
			WHERE v.state = 'issued' AND o.state = 'paid' AND o.paid_at <= ? LIMIT ?`, paidUntil, limit)
	}, func(ctx context.Context, tx *postgres.Tx, o order.Order) error {
		rows, err := postgres.Rows[voucherRow](ctx, tx, `SELECT * FROM voucher WHERE merchant_id = ? AND order_id = ? AND state = 'issued' ORDER BY id FOR UPDATE`, o.Merchant, o.ID)
		if err != nil || len(rows) == 0 {
			return err
		}
		who := seller(o)
		for _, r := range rows {
			v := r.voucher()
			if err := v.Redeem(tx.Now); err != nil {
				return fmt.Errorf("redeem voucher %s: %w", v.ID, err)
			}
			if err := saveRedeemed(ctx, tx, v, who.Account); err != nil {
				return err
			}
		}
		if err := note(ctx, tx, who, "voucher.redeem", "order:"+o.ID.String(), map[string]any{"vouchers": len(rows)}); err != nil {
			return err
		}
		return ended(ctx, tx, o)
	})
}
