package aftersale

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/returns"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Hooks are what contexts above have to say; each may be nil.
type Hooks struct {
	// Disputed reports whether the buyer's bank has taken the payment of a locked order back:
	// then nothing of it is refunded.
	Disputed func(ctx context.Context, tx *postgres.Tx, o order.Order) (bool, error)
	// Aside is what of the orders of a locked checkout a bank has taken back for the time being.
	Aside func(ctx context.Context, tx *postgres.Tx, checkout order.CheckoutID) (map[order.ID]order.Share, error)
	// Granted is what the buyer of a locked order has been given for it as goodwill.
	Granted func(ctx context.Context, tx *postgres.Tx, o order.Order) (money.Fen, error)
	// Used is how many pieces of each line of a locked order were used up: they do not come back.
	Used func(ctx context.Context, tx *postgres.Tx, o order.Order) (map[int]int64, error)
	// Void ends the vouchers of what was refunded of a locked order.
	Void func(ctx context.Context, tx *postgres.Tx, o order.Order, back order.Refund) error
}

// Service gives back.
type Service struct {
	db    *postgres.DB
	hooks Hooks
}

// New makes the service.
func New(db *postgres.DB, hooks Hooks) *Service { return &Service{db: db, hooks: hooks} }

// Refund gives back lines of a paid order, wholly or in part: the book at once,
// the money by the provider soon after. It is an operator's decision, and more than was
// paid, less the goodwill that was given, is order.ErrRefundLimit; ErrOwn for who is a side of it.
func (s *Service) Refund(ctx context.Context, caller identity.Caller, oid order.ID, r order.Refunding, claim request.Claim, render func(Sale) (request.Answer, error)) (Sale, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Sale, error) {
		o, err := order.Lock(ctx, tx, oid)
		if err != nil {
			return Sale{}, err
		}
		if caller.SellsFor(o.Merchant.UUID()) || caller.Account == o.Buyer {
			return Sale{}, ErrOwn
		}
		back, err := s.giveBack(ctx, tx, &o, r, caller.Account)
		if err == nil {
			err = tellGivenBack(ctx, tx, o, back)
		}
		if err != nil {
			return Sale{}, err
		}
		return s.noted(ctx, tx, o, back, caller, "order.refund", r.Reason)
	})
}

// Cancel gives all of the buyer's own order back and puts its goods onto the shelf, as long
// as nothing of it was shipped. ErrShipped after that; returns.ErrNoReason where the buyer confirmed,
// on this purchase, that something of it cannot be returned; another's is order.ErrNotFound.
func (s *Service) Cancel(ctx context.Context, caller identity.Caller, oid order.ID, claim request.Claim, render func(Sale) (request.Answer, error)) (Sale, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Sale, error) {
		o, err := order.Lock(ctx, tx, oid)
		if err != nil {
			return Sale{}, err
		}
		if o.Buyer != caller.Account {
			return Sale{}, order.ErrNotFound
		}
		waived, err := order.Waived(ctx, tx, o)
		if err != nil {
			return Sale{}, err
		}
		for _, l := range o.Lines {
			if waived && catalog.ReturnRule(l.ReturnRule).NeedsWaiver() {
				return Sale{}, returns.ErrNoReason.With("line %d", l.N)
			}
		}
		if _, err := s.cancel(ctx, tx, &o, lifecycle.Buyer, caller, "买家取消订单"); err != nil {
			return Sale{}, err
		}
		return sale(ctx, tx, o)
	})
}

// CancelForMerchant gives all of a paid order back because its merchant cannot deliver: for
// who sells for it, with a reason, before anything of it was shipped. identity.ErrReason,
// ErrShipped; another's is order.ErrNotFound.
func (s *Service) CancelForMerchant(ctx context.Context, caller identity.Caller, oid order.ID, reason string, claim request.Claim, render func(Sale) (request.Answer, error)) (Sale, error) {
	if err := identity.CheckReason(reason); err != nil {
		return Sale{}, err
	}
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Sale, error) {
		o, err := order.Lock(ctx, tx, oid)
		if err != nil {
			return Sale{}, err
		}
		if o.PaidAt.IsZero() || !caller.SellsFor(o.Merchant.UUID()) {
			return Sale{}, order.ErrNotFound
		}
		back, err := s.cancel(ctx, tx, &o, lifecycle.Merchant, caller, reason)
		if err != nil {
			return Sale{}, err
		}
		return s.noted(ctx, tx, o, back, caller, "order.cancel", "")
	})
}

func (s *Service) cancel(ctx context.Context, tx *postgres.Tx, o *order.Order, who lifecycle.Role, caller identity.Caller, reason string) (order.Refund, error) {
	if o.State != order.Paid {
		return order.Refund{}, order.ErrState.With("the order is %s: only a paid order is canceled here", o.State)
	}
	f, err := fulfilment.Lock(ctx, tx, *o)
	if err != nil {
		return order.Refund{}, err
	}
	if !lifecycle.Fulfilment().May(string(f.State), "cancel", who) {
		return order.Refund{}, ErrShipped.With("the order is %s", f.State)
	}
	all, err := s.unused(ctx, tx, o, returns.Whole(o, reason), false)
	if err != nil {
		return order.Refund{}, err
	}
	if len(all.Lines) == 0 {
		return order.Refund{}, ErrShipped.With("all of it was used")
	}
	back, err := s.giveBack(ctx, tx, o, all, caller.Account)
	if err != nil {
		return back, err
	}
	return back, tellCanceled(ctx, tx, *o, who)
}

// unused is returns.Unused, where something can be used.
func (s *Service) unused(ctx context.Context, tx *postgres.Tx, o *order.Order, r order.Refunding, owed bool) (order.Refunding, error) {
	if s.hooks.Used == nil {
		return r, nil
	}
	used, err := s.hooks.Used(ctx, tx, *o)
	return returns.Unused(r, o, used, owed), err
}

// giveBack takes what is refunded off a locked order, sends the money back, puts goods that
// can be sold again onto the shelf, and books the refund. ErrDisputed.
func (s *Service) giveBack(ctx context.Context, tx *postgres.Tx, o *order.Order, r order.Refunding, actor identity.ID) (order.Refund, error) {
	if s.hooks.Disputed != nil {
		disputed, err := s.hooks.Disputed(ctx, tx, *o)
		if err == nil && disputed {
			err = ErrDisputed
		}
		if err != nil {
			return order.Refund{}, err
		}
	}
	back, err := o.Refund(r, actor, tx.Now)
	if err != nil {
		return back, err
	}
	if s.hooks.Granted != nil {
		given, err := s.hooks.Granted(ctx, tx, *o)
		if err != nil {
			return back, err
		}
		if goods, shipping := o.Left(); goods+shipping < given {
			return back, order.ErrRefundLimit.With("%d fen of goodwill were given already", given)
		}
	}
	if err := order.SaveRefunded(ctx, tx, *o); err != nil {
		return back, err
	}
	if r.Shipped {
		if err := fulfilment.Return(ctx, tx, *o, back.Lines); err != nil {
			return back, err
		}
	}
	if err := insert(ctx, tx, *o, back); err != nil {
		return back, err
	}
	if s.hooks.Void != nil {
		if err := s.hooks.Void(ctx, tx, *o, back); err != nil {
			return back, err
		}
	}
	if returns.GoodsBack(o) {
		if err := fulfilment.GiveUp(ctx, tx, *o); err != nil {
			return back, err
		}
	}
	_, err = payment.RequestRefund(ctx, tx, payment.Refund{
		ID: id.From[payment.Refund](back.ID.UUID()), Intent: id.From[payment.Intent](o.Checkout.UUID()),
		Buyer: o.Buyer.UUID(), Amount: back.Goods + back.Shipping, Reason: back.Reason,
	})
	if err != nil {
		return back, err
	}
	if lines := stock(o, back); r.Restock && len(lines) > 0 {
		if err := inventory.PutBack(ctx, tx, lines); err != nil {
			return back, err
		}
	}
	matured, err := fund.Matured(ctx, tx, o.Merchant.UUID(), o.ID.String())
	if err != nil {
		return back, err
	}
	return back, ledger.Book(ctx, tx, []ledger.Transfer{transfer(o, back, matured)})
}

// noted is the sale as it is now, after writing down who gave something of it back.
func (s *Service) noted(ctx context.Context, tx *postgres.Tx, o order.Order, back order.Refund, caller identity.Caller, operation, reason string) (Sale, error) {
	now, err := sale(ctx, tx, o)
	if err != nil {
		return now, err
	}
	detail := map[string]any{"refund": back.ID.String(), "goods_fen": back.Goods, "shipping_fen": back.Shipping}
	if reason != "" {
		detail["reason"] = reason
	}
	return now, trail.Note(ctx, tx, trail.Entry{Actor: caller.Account.UUID(), Operation: operation, Object: "order:" + o.ID.String(), Detail: detail})
}

// sale is an order with its refunds, how far it has come, and whether a case is open.
func sale(ctx context.Context, tx *postgres.Tx, o order.Order) (Sale, error) {
	one := []order.Order{o}
	refunds, err := read(ctx, tx, one)
	if err != nil {
		return Sale{}, err
	}
	ways, err := fulfilment.Of(ctx, tx, one)
	if err != nil {
		return Sale{}, err
	}
	asked, err := Open(ctx, tx, one)
	way := ways[o.ID]
	late := !way.ClosesAt.IsZero() && !tx.Now.Before(way.ClosesAt)
	return Sale{Order: o, Refunds: refunds, Way: way, Late: late, Asked: asked[o.ID]}, err
}

// Forfeit records as a refund what a bank took back of a locked order for good, under
// an id that makes it once. Its money and its place in the book are the dispute's.
func Forfeit(ctx context.Context, tx *postgres.Tx, o *order.Order, refund uuid.UUID, r order.Refunding) error {
	back, err := o.Refund(r, identity.ID{}, tx.Now)
	if err != nil {
		return err
	}
	back.ID = id.From[order.Refund](refund)
	if err := order.SaveRefunded(ctx, tx, *o); err != nil {
		return err
	}
	if returns.GoodsBack(o) {
		if err := fulfilment.GiveUp(ctx, tx, *o); err != nil {
			return err
		}
	}
	return insert(ctx, tx, *o, back)
}

// Order is the buyer's own order with its refunds; another's is
// order.ErrNotFound.
func (s *Service) Order(ctx context.Context, caller identity.Caller, oid order.ID) (Sale, error) {
	return s.withRefunds(ctx, func(tx *postgres.Tx) (order.Order, error) { return order.OfBuyer(ctx, tx, caller, oid) })
}

// MerchantOrder is an order with its refunds, for who sells for its merchant, once
// it is paid; else order.ErrNotFound.
func (s *Service) MerchantOrder(ctx context.Context, caller identity.Caller, oid order.ID) (Sale, error) {
	return s.withRefunds(ctx, func(tx *postgres.Tx) (order.Order, error) { return order.OfMerchant(ctx, tx, caller, oid) })
}

// AnyOrder is an order with its refunds, for an operator or an auditor.
func (s *Service) AnyOrder(ctx context.Context, oid order.ID) (Sale, error) {
	return s.withRefunds(ctx, func(tx *postgres.Tx) (order.Order, error) { return order.Any(ctx, tx, oid) })
}

// withRefunds reads an order and its refunds as they are at one moment: the sums
// of its lines are those of the refunds.
func (s *Service) withRefunds(ctx context.Context, find func(*postgres.Tx) (order.Order, error)) (Sale, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Sale, error) {
		o, err := find(tx)
		if err != nil {
			return Sale{}, err
		}
		return sale(ctx, tx, o)
	})
}

// Refunds are all refunds of these orders, oldest first, by order.
func Refunds(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID][]order.Refund, error) {
	refunds, err := read(ctx, tx, orders)
	all := make(map[order.ID][]order.Refund, len(orders))
	for _, r := range refunds {
		all[r.Order] = append(all[r.Order], r)
	}
	return all, err
}

// Since are an enterprise's refunds of this time and later, oldest first: for what
// tells the enterprise of them.
func (s *Service) Since(ctx context.Context, merchant uuid.UUID, at time.Time) ([]order.Refund, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]order.Refund, error) { return since(ctx, tx, merchant, at) })
}

// homes are the keys of orders, turned on their side as unnest wants them.
func homes(orders []order.Order) (merchants, ids []uuid.UUID) {
	for _, o := range orders {
		merchants, ids = append(merchants, o.Merchant.UUID()), append(ids, o.ID.UUID())
	}
	return merchants, ids
}
