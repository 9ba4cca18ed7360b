package scrutiny

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/listing"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/webhook"
)

// Service decides about listings.
type Service struct {
	db      *postgres.DB
	catalog *catalog.Service // forgets what the public was told before
}

// New returns a Service on db.
func New(db *postgres.DB, c *catalog.Service) *Service { return &Service{db: db, catalog: c} }

// OwnProduct is a product of an enterprise that the caller sells for, with what was
// decided about it. catalog.ErrProduct.
func (s *Service) OwnProduct(ctx context.Context, caller identity.Caller, p catalog.ProductID) (Case, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Case, error) {
		held, err := catalog.Of(ctx, tx, caller.Merchants(), p)
		if err != nil {
			return Case{}, err
		}
		return withDecisions(ctx, tx, held)
	})
}

// Queue lists what waits for review, what was submitted first coming first. For
// operators.
func (s *Service) Queue(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[catalog.Product], error) {
	if err := caller.Must(identity.Operator); err != nil {
		return page.Of[catalog.Product]{}, err
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[catalog.Product], error) { return catalog.Waiting(ctx, tx, p) })
}

// AnyProduct is a product of any enterprise in any state, with what was decided
// about it. For operators. catalog.ErrProduct.
func (s *Service) AnyProduct(ctx context.Context, caller identity.Caller, p catalog.ProductID) (Case, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return Case{}, err
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Case, error) {
		held, err := catalog.Any(ctx, tx, p, false)
		if err != nil {
			return Case{}, err
		}
		return withDecisions(ctx, tx, held)
	})
}

// Approve puts a product that is in review on sale, if its enterprise holds a valid
// licence of the kind that such goods need (food safety law, article 35;
// e-commerce law, article 27). For operators, who name the version that they have
// read, 0 for any. catalog.ErrProduct, ErrState, ErrOwnWork, ErrLicence, request.ErrStale.
func (s *Service) Approve(ctx context.Context, caller identity.Caller, p catalog.ProductID, version int64) (catalog.Product, error) {
	return s.decide(ctx, caller, p, version, Approved, nil, func(tx *postgres.Tx, held *catalog.Product) error {
		if err := held.Approve(caller.Account.UUID()); err != nil {
			return err
		}
		if caller.SellsFor(held.Merchant.UUID()) {
			return catalog.ErrOwnWork
		}
		kind, _ := listing.KindOf(held.Kind)
		if kind.Licence == "" {
			return nil
		}
		holds, err := merchant.Holds(ctx, tx, held.Merchant, kind.Licence)
		if err == nil && !holds {
			err = ErrLicence.With("%s needs a licence of the kind %s that is in force", kind.Code, kind.Licence)
		}
		return err
	})
}

// Return gives a product that is in review back as a draft, with what is to be
// mended. For operators. catalog.ErrProduct, ErrState, ErrOwnWork, ErrReasons.
func (s *Service) Return(ctx context.Context, caller identity.Caller, p catalog.ProductID, reasons []Reason) (catalog.Product, error) {
	if err := checkReasons(reasons); err != nil {
		return catalog.Product{}, err
	}
	return s.decide(ctx, caller, p, 0, Returned, reasons, func(_ *postgres.Tx, held *catalog.Product) error {
		if caller.SellsFor(held.Merchant.UUID()) {
			return catalog.ErrOwnWork
		}
		return held.GiveBack(caller.Account.UUID())
	})
}

// Delist takes a product off sale, with a reason. For operators. catalog.ErrProduct,
// ErrState.
func (s *Service) Delist(ctx context.Context, caller identity.Caller, p catalog.ProductID, reason string) (catalog.Product, error) {
	if err := identity.CheckReason(reason); err != nil {
		return catalog.Product{}, err
	}
	return s.decide(ctx, caller, p, 0, Delisted, []Reason{{Message: reason}}, func(_ *postgres.Tx, held *catalog.Product) error { return held.Withdraw() })
}

func (s *Service) decide(ctx context.Context, caller identity.Caller, p catalog.ProductID, version int64, v Verdict, reasons []Reason,
	act func(*postgres.Tx, *catalog.Product) error,
) (catalog.Product, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return catalog.Product{}, err
	}
	decided, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (catalog.Product, error) {
		held, err := catalog.Any(ctx, tx, p, true)
		if err != nil {
			return catalog.Product{}, err
		}
		d := Decision{ID: id.New[Decision](tx.Now), Verdict: v, Version: held.Version, Reasons: reasons, By: caller.Account.UUID(), At: tx.Now}
		err = catalog.Change(ctx, tx, caller, &held, version, "scrutiny."+string(v), map[string]any{"reasons": reasons}, act)
		if err != nil {
			return catalog.Product{}, err
		}
		submitter := held.SubmittedBy
		if v == Delisted {
			submitter = uuid.Nil
		}
		if err := insertDecision(ctx, tx, held, d, submitter); err != nil || v != Approved {
			return held, err
		}
		return held, webhook.Emit(ctx, tx, approved(held, d))
	})
	if err == nil {
		s.catalog.Forget(ctx)
	}
	return decided, err
}

// approved is what an enterprise's own system is told of a decision that lets a
// product be sold. Each decision is a fact of its own: after an edit it is told anew.
func approved(p catalog.Product, d Decision) webhook.Event {
	return webhook.Event{Merchant: p.Merchant.UUID(), Type: webhook.ProductApproved, Ref: d.ID.String(), At: d.At, Data: struct {
		Product catalog.ProductID `json:"product_id"`
		Version int64             `json:"version"`
	}{p.ID, d.Version}}
}
