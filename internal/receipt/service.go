package receipt

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Service makes receipts. It keeps nothing: a receipt is composed of what orders,
// book and log have, each time it is asked for.
type Service struct {
	db     *postgres.DB
	orders *order.Service
	log    *transparency.Service
	base   string
}

// New makes the service. base is the shop's own address, without a slash at its end.
func New(db *postgres.DB, orders *order.Service, log *transparency.Service, base string) *Service {
	return &Service{db: db, orders: orders, log: log, base: base}
}

// Receipt is that of the buyer's own checkout; another's is order.ErrNotFound, one
// that was not paid ErrNotPaid. Leaves that no signed checkpoint covers yet come
// in the state verify.Pending, which is no error. All proofs are under one
// checkpoint.
func (s *Service) Receipt(ctx context.Context, caller identity.Caller, cid order.CheckoutID) (verify.Receipt, error) {
	w, err := s.whole(ctx, caller, cid)
	return w.Receipt, err
}

// Page is the receipt, and what became of its tenths, for whoever has its key; without it, and for
// what was not paid, it is ErrNoPage.
func (s *Service) Page(ctx context.Context, cid order.CheckoutID, secret string) (Whole, error) {
	buyer, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (identity.ID, error) { return buyerOf(ctx, tx, cid) })
	if err != nil {
		return Whole{}, err
	}
	w, err := s.whole(ctx, identity.Caller{Account: buyer}, cid)
	switch {
	case errors.Is(err, ErrNotPaid):
		return Whole{}, ErrNoPage
	case err != nil:
		return Whole{}, err
	case subtle.ConstantTimeCompare([]byte(key(w.Receipt)), []byte(secret)) != 1:
		return Whole{}, ErrNoPage
	}
	return w, nil
}

// whole is the receipt of somebody's own checkout, and what became of its tenths.
func (s *Service) whole(ctx context.Context, caller identity.Caller, cid order.CheckoutID) (Whole, error) {
	c, err := s.orders.Checkout(ctx, caller, cid)
	if err != nil {
		return Whole{}, err
	}
	if c.State != order.Paid {
		return Whole{}, ErrNotPaid.With("the checkout is %s", c.State)
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (w Whole, err error) {
		back, err := whatCame(ctx, tx, c)
		if err != nil {
			return w, err
		}
		book, err := s.prove(ctx, tx, transfers(c.Orders, back))
		if err != nil {
			return w, err
		}
		if w.Receipt, err = compose(c, back, book); err != nil {
			return w, err
		}
		w.Receipt.Log = verify.ReceiptLog{Origin: s.log.Origin(), Key: s.log.VerifierKey()}
		w.Receipt.PageURL = page(s.base, w.Receipt)
		w.Traced, err = trace.Of(ctx, tx, c)
		return w, err
	})
}

// whatCame is what came back of the orders of a checkout. A lost dispute is kept as a refund, too, by
// the id of the order's part in it: it is told once.
func whatCame(ctx context.Context, tx *postgres.Tx, c order.Checkout) (map[order.ID]came, error) {
	refunds, err := aftersale.Refunds(ctx, tx, c.Orders)
	if err != nil {
		return nil, err
	}
	disputes, err := dispute.Stakes(ctx, tx, c.Orders)
	if err != nil {
		return nil, err
	}
	back := make(map[order.ID]came, len(c.Orders))
	for _, o := range c.Orders {
		stakes := disputes[o.ID]
		own := slices.DeleteFunc(refunds[o.ID], func(r order.Refund) bool {
			return slices.ContainsFunc(stakes, func(s dispute.Stake) bool { return s.ID.UUID() == r.ID.UUID() })
		})
		back[o.ID] = came{own, stakes}
	}
	return back, nil
}

// Tell posts the notice of a checkout that an event of the provider's paid, after its
// capture. An event that paid nothing tells nothing, and again it tells nothing new.
func (s *Service) Tell(ctx context.Context, event string) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		paid, err := paidBy(ctx, tx, event)
		if err != nil {
			return err
		}
		return notice.Post(ctx, tx, paid...)
	})
}

// prove finds the transfers in the book, and each of them in the log. What the
// book lacks is missing.
func (s *Service) prove(ctx context.Context, tx *postgres.Tx, wanted []reference) (map[reference]proven, error) {
	refs := make([]ledger.Reference, len(wanted))
	for i, w := range wanted {
		refs[i] = ledger.Reference{Home: w.home, Ref: w.name}
	}
	entries, err := ledger.Entries(ctx, tx, refs)
	if err != nil {
		return nil, err
	}
	keys := make([]transparency.Key, len(entries))
	for i, e := range entries {
		keys[i] = transparency.Key{Home: e.Home, Transfer: e.ID.UUID()}
	}
	proofs, err := s.log.Prove(ctx, tx, keys)
	if err != nil {
		return nil, err
	}
	book := make(map[reference]proven, len(entries))
	for i, e := range entries {
		book[reference{e.Home, e.Kind, e.Ref}] = proven{e, proofs[i]}
	}
	return book, nil
}
