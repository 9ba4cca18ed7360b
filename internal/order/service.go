package order

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/shiyi-market/shiyi/internal/cart"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/quote"
	"github.com/shiyi-market/shiyi/internal/request"
)

// Service sells.
type Service struct {
	db       *postgres.DB
	payments *payment.Service
	log      *slog.Logger
}

// New makes the service; payments opens and closes what buyers pay with.
func New(db *postgres.DB, payments *payment.Service, log *slog.Logger) *Service {
	return &Service{db, payments, log}
}

// Preview prices what the buyer has chosen and says what the purchase needs, without
// promising anything: it is looked over and corrected first (E-Commerce Law 50).
func (s *Service) Preview(ctx context.Context, caller identity.Caller, p quote.Placing) (Checkout, quote.Needs, error) {
	var needs quote.Needs
	c, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) (Checkout, error) {
		q, err := quote.Of(ctx, tx, caller.Account, p, cart.Seen)
		if err != nil {
			return Checkout{}, err
		}
		needs = q.Needs
		return draft(caller.Account, q, tx.Now), nil
	})
	return c, needs, err
}

// Place reserves the stock and opens the payment of a checkout. Its claim makes it happen
// once, however often it is asked; render says what the caller is answered. When the
// provider cannot be reached the checkout has no PayURL, and a worker opens it soon.
func (s *Service) Place(ctx context.Context, caller identity.Caller, p quote.Placing, claim request.Claim, render func(Checkout) (request.Answer, error)) (Checkout, error) {
	c, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Checkout, error) {
		resumed, err := request.Begin(ctx, tx, claim)
		if err != nil {
			return Checkout{}, err
		}
		if resumed {
			return readByKey(ctx, tx, caller.Account, claim.Key)
		}
		return s.place(ctx, tx, caller, p, claim.Key)
	})
	if err != nil {
		return Checkout{}, err
	}
	opened, err := s.payments.Open(ctx, c.Intent())
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "the payment is not open yet", slog.String("checkout", c.ID.String()), slog.Any("error", err))
	}
	c.PayURL = opened.URL
	return c, postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		// The request is locked before the payment, as everywhere.
		if err := request.Fill(ctx, tx, claim, render, c); err != nil || opened.Session == "" {
			return err
		}
		return payment.MarkOpened(ctx, tx, c.Buyer.UUID(), c.Intent().ID, opened)
	})
}

// place is the transaction that promises: price, stock, checkout, intent.
func (s *Service) place(ctx context.Context, tx *postgres.Tx, caller identity.Caller, p quote.Placing, key string) (Checkout, error) {
	q, err := quote.Of(ctx, tx, caller.Account, p, cart.Contents)
	if err != nil {
		return Checkout{}, err
	}
	if err := q.Agree(p); err != nil {
		return Checkout{}, err
	}
	c := draft(caller.Account, q, tx.Now)
	c.agree(p, q.Needs)
	if p.FromCart {
		if err := cart.Clear(ctx, tx, caller.Account, q.SKUs()); err != nil {
			return Checkout{}, err
		}
	}
	if err := insertCheckout(ctx, tx, c, key); err != nil {
		return Checkout{}, err
	}
	if err := insertOrders(ctx, tx, c); err != nil {
		return Checkout{}, err
	}
	if err := payment.Create(ctx, tx, c.Intent()); err != nil {
		return Checkout{}, err
	}
	// Stock comes last in the order of locks: the row that many buyers want is
	// held for the shortest time.
	return c, inventory.Reserve(ctx, tx, c.stock())
}

// Intent is what the checkout asks to be paid; it has the checkout's id.
func (c *Checkout) Intent() payment.Intent {
	return payment.Intent{
		ID: id.From[payment.Intent](c.ID.UUID()), Buyer: c.Buyer.UUID(), Amount: c.Total(), State: payment.StateNew,
		CreatedAt: c.PlacedAt, ExpiresAt: c.ExpiresAt,
	}
}

// Capture answers the provider's word that a checkout was paid. In one
// transaction the event is used up, checkout and orders change state, their
// stock is taken, and each order's sale and tenth enter the book. Money that
// comes for a checkout which ended before, or that is not the amount asked for,
// goes back by itself. An event that was used up before changes nothing.
func (s *Service) Capture(ctx context.Context, event string) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		e, claimed, err := payment.Claim(ctx, tx, event)
		if err != nil || !claimed {
			return err
		}
		c, err := LockCheckout(ctx, tx, id.From[Checkout](e.Intent))
		if err != nil {
			return err
		}
		err = payment.Succeed(ctx, tx, e)
		switch {
		case errors.Is(err, payment.ErrPaid): // the provider tells of one payment in several ways
			return nil
		case errors.Is(err, payment.ErrLate), errors.Is(err, payment.ErrAmount):
			s.log.LogAttrs(ctx, slog.LevelWarn, "a payment buys nothing and goes back",
				slog.String("checkout", c.ID.String()), slog.Int64("amount_fen", int64(e.Amount)), slog.Any("why", err))
			return payment.GiveBack(ctx, tx, e)
		case err != nil:
			return err
		}
		return c.capture(ctx, tx)
	})
}

// capture is the sale itself.
func (c *Checkout) capture(ctx context.Context, tx *postgres.Tx) error {
	if err := c.Pay(tx.Now); err != nil {
		return err
	}
	if err := savePaid(ctx, tx, *c); err != nil {
		return err
	}
	if err := inventory.Take(ctx, tx, c.stock()); err != nil {
		return err
	}
	sales := make([]ledger.Transfer, len(c.Orders))
	for i := range c.Orders {
		sales[i] = c.Orders[i].sale()
	}
	return ledger.Book(ctx, tx, sales)
}

// Cancel ends the buyer's own checkout before it is paid and gives the stock
// back. A job tells the provider; a payment that overtakes it goes back.
func (s *Service) Cancel(ctx context.Context, caller identity.Caller, cid CheckoutID, claim request.Claim, render func(Checkout) (request.Answer, error)) (Checkout, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Checkout, error) {
		c, err := LockCheckout(ctx, tx, cid)
		if err != nil {
			return c, err
		}
		if c.Buyer != caller.Account {
			return c, ErrNotFound
		}
		if err := c.Cancel(tx.Now); err != nil {
			return c, err
		}
		return c, s.close(ctx, tx, c)
	})
}

// Expire ends a checkout that was not paid in time and gives the stock back. One
// that has ended otherwise is ErrState.
func (s *Service) Expire(ctx context.Context, cid CheckoutID) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		c, err := LockCheckout(ctx, tx, cid)
		if err != nil {
			return err
		}
		if err := c.Expire(tx.Now); err != nil {
			return err
		}
		return s.close(ctx, tx, c)
	})
}

func (s *Service) close(ctx context.Context, tx *postgres.Tx, c Checkout) error {
	if err := saveClosed(ctx, tx, c); err != nil {
		return err
	}
	if err := payment.Cancel(ctx, tx, c.Buyer.UUID(), c.Intent().ID); err != nil {
		return err
	}
	return inventory.Release(ctx, tx, c.stock())
}

// ExpireDue ends up to limit checkouts whose time is over, and returns how many
// it ended and what went wrong with the others: one of them holds up none.
func (s *Service) ExpireDue(ctx context.Context, limit int) (int, error) {
	ids, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]CheckoutID, error) { return due(ctx, tx, limit) })
	if err != nil {
		return 0, err
	}
	n := 0
	var errs []error
	for _, cid := range ids {
		switch err := s.Expire(ctx, cid); {
		case errors.Is(err, ErrState): // paid or canceled in between
		case err != nil:
			errs = append(errs, fmt.Errorf("expire checkout %s: %w", cid, err))
		default:
			n++
		}
	}
	return n, errors.Join(errs...)
}

// Checkout is the buyer's own checkout; another's is ErrNotFound.
func (s *Service) Checkout(ctx context.Context, caller identity.Caller, cid CheckoutID) (Checkout, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Checkout, error) {
		c, err := read(ctx, tx, cid)
		if err != nil {
			return c, err
		}
		if c.Buyer != caller.Account {
			return Checkout{}, ErrNotFound
		}
		one := []Checkout{c}
		err = showPages(ctx, tx, one)
		return one[0], err
	})
}

// showPages says where each of one buyer's checkouts is to be paid.
func showPages(ctx context.Context, tx *postgres.Tx, all []Checkout) error {
	if len(all) == 0 {
		return nil
	}
	intents := make([]payment.ID, len(all))
	for i := range all {
		intents[i] = all[i].Intent().ID
	}
	found, err := payment.Intents(ctx, tx, all[0].Buyer.UUID(), intents)
	for i := range all {
		all[i].PayURL = found[all[i].Intent().ID].PayURL
	}
	return err
}

// Checkouts are the buyer's own, newest first.
func (s *Service) Checkouts(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Checkout], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Checkout], error) {
		found, err := checkouts(ctx, tx, caller.Account, p)
		if err != nil {
			return found, err
		}
		return found, showPages(ctx, tx, found.Data)
	})
}

// OfBuyer is the buyer's own order, read as part of tx; another's is ErrNotFound.
func OfBuyer(ctx context.Context, tx *postgres.Tx, caller identity.Caller, oid ID) (Order, error) {
	return seen(ctx, tx, oid, func(o Order) bool { return o.Buyer == caller.Account })
}

// OfMerchant is an order for who sells for its merchant, once it is paid: before
// that it is the buyer's business, and ErrNotFound.
func OfMerchant(ctx context.Context, tx *postgres.Tx, caller identity.Caller, oid ID) (Order, error) {
	return seen(ctx, tx, oid, func(o Order) bool { return !o.PaidAt.IsZero() && caller.SellsFor(o.Merchant.UUID()) })
}

func seen(ctx context.Context, tx *postgres.Tx, oid ID, may func(Order) bool) (Order, error) {
	o, err := Any(ctx, tx, oid)
	if err == nil && !may(o) {
		return Order{}, ErrNotFound
	}
	return o, err
}

// Orders are the buyer's own, newest first.
func (s *Service) Orders(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Order], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Order], error) {
		return ordersOfBuyer(ctx, tx, caller.Account, p)
	})
}

// MerchantOrders are those of the merchants that the caller sells for, newest
// first, once they are paid: before that they are the buyer's business.
func (s *Service) MerchantOrders(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Order], error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (page.Of[Order], error) {
		return ordersOfMerchants(ctx, tx, caller.Merchants(), p)
	})
}
