package receipt

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Service makes receipts. It keeps nothing: a receipt is composed of what orders,
// book and log have, each time it is asked for.
type Service struct {
	db     *postgres.DB
	orders *order.Service
	log    *transparency.Service
}

// New makes the service.
func New(db *postgres.DB, orders *order.Service, log *transparency.Service) *Service {
	return &Service{db: db, orders: orders, log: log}
}

// Receipt is that of the buyer's own checkout; another's is order.ErrNotFound, one
// that was not paid ErrNotPaid. Leaves that no signed checkpoint covers yet come
// in the state verify.Pending, which is no error. All proofs are under one
// checkpoint.
func (s *Service) Receipt(ctx context.Context, caller identity.Caller, cid order.CheckoutID) (verify.Receipt, error) {
	c, err := s.orders.Checkout(ctx, caller, cid)
	if err != nil {
		return verify.Receipt{}, err
	}
	if c.State != order.Paid {
		return verify.Receipt{}, ErrNotPaid.With("the checkout is %s", c.State)
	}
	r, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) (verify.Receipt, error) {
		refunds, err := aftersale.Refunds(ctx, tx, c.Orders)
		if err != nil {
			return verify.Receipt{}, err
		}
		book, err := s.prove(ctx, tx, transfers(c.Orders, refunds))
		if err != nil {
			return verify.Receipt{}, err
		}
		return compose(c, refunds, book)
	})
	r.Log = verify.ReceiptLog{Origin: s.log.Origin(), Key: s.log.VerifierKey()}
	return r, err
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
