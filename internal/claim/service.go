package claim

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/offer"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service keeps claims.
type Service struct {
	db     *postgres.DB
	goods  *catalog.Service
	months int
}

// New makes the service; goods says what is on sale.
func New(db *postgres.DB, goods *catalog.Service, c Config) *Service {
	const year = 12
	if c.Months <= 0 {
		c.Months = year
	}
	return &Service{db: db, goods: goods, months: c.Months}
}

// File files a claim for a SKU of an enterprise that the caller sells for, or, for
// operators, of any; another's is catalog.ErrSKU. It is shown once somebody else has
// confirmed it. The same filing again changes nothing, another one of the same
// platform and moment is ErrFiled. ErrInvalid, also when the specification is not the
// product's; ErrStale; file.ErrUnknown when a file is not the caller's.
func (s *Service) File(ctx context.Context, caller identity.Caller, f Filing) (Claim, error) {
	f.CapturedAt = f.CapturedAt.UTC().Truncate(time.Microsecond)
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Claim, error) {
		offers, err := offer.Of(ctx, tx, []catalog.SKUID{f.SKU})
		if err != nil {
			return Claim{}, err
		}
		if len(offers) == 0 || !caller.SellsFor(offers[0].Merchant.UUID()) && !caller.Is(identity.Operator) {
			return Claim{}, catalog.ErrSKU
		}
		if err := f.check(tx.Now); err != nil {
			return Claim{}, err
		}
		of, expires := offers[0], f.CapturedAt.AddDate(0, s.months, 0)
		switch {
		case f.NetContent != of.NetContent || f.NetUnit != of.NetUnit:
			return Claim{}, ErrInvalid.At("/net_content", "match", "the product's own net content")
		case !tx.Now.Before(expires):
			return Claim{}, ErrStale
		}
		if err := file.Check(ctx, tx, caller.Account.UUID(), f.Files...); err != nil {
			return Claim{}, err
		}
		c := Claim{
			ID: id.New[Claim](tx.Now), Merchant: of.Merchant, Product: of.Product, Filing: f, ExpiresAt: expires,
			FiledBy: caller.Account, FiledAt: tx.Now, State: Filed,
		}
		fresh, err := insert(ctx, tx, c)
		if err != nil {
			return Claim{}, err
		}
		if !fresh {
			before, err := same(ctx, tx, c)
			if err == nil && !before.repeats(f) {
				err = ErrFiled
			}
			return before, err
		}
		return c, note(ctx, tx, caller, "claim.file", c, map[string]any{"sku": f.SKU.String(), "reference_fen": f.Reference, "platform": f.Platform})
	})
}

// Confirm lets a claim be shown as long as it holds. For operators, but not for who
// filed it or sells for the enterprise: ErrOwnClaim. ErrDecided.
func (s *Service) Confirm(ctx context.Context, caller identity.Caller, cid ID) (Claim, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return Claim{}, err
	}
	return s.change(ctx, caller, cid, "claim.confirm", "", func(c *Claim) error { return c.decide(caller, Confirmed) })
}

// Reject leaves a claim without effect. For operators, as Confirm.
func (s *Service) Reject(ctx context.Context, caller identity.Caller, cid ID, reason string) (Claim, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return Claim{}, err
	}
	if err := identity.CheckReason(reason); err != nil {
		return Claim{}, err
	}
	return s.change(ctx, caller, cid, "claim.reject", reason, func(c *Claim) error { return c.decide(caller, Rejected) })
}

// Withdraw ends a claim at once. For who sells for its enterprise and for operators;
// another's is ErrUnknown. ErrWithdrawn when it is over already.
func (s *Service) Withdraw(ctx context.Context, caller identity.Caller, cid ID, reason string) (Claim, error) {
	if err := identity.CheckReason(reason); err != nil {
		return Claim{}, err
	}
	return s.change(ctx, caller, cid, "claim.withdraw", reason, func(c *Claim) error {
		if !caller.SellsFor(c.Merchant.UUID()) && !caller.Is(identity.Operator) {
			return ErrUnknown
		}
		return c.withdraw()
	})
}

func (s *Service) change(ctx context.Context, caller identity.Caller, cid ID, operation, reason string, act func(*Claim) error) (Claim, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Claim, error) {
		c, err := byID(ctx, tx, cid)
		if err != nil {
			return Claim{}, err
		}
		if err := act(&c); err != nil {
			return Claim{}, err
		}
		c.Reason, c.DecidedAt = reason, tx.Now
		if err := decide(ctx, tx, c, caller.Account); err != nil {
			return Claim{}, err
		}
		return c, note(ctx, tx, caller, operation, c, map[string]any{"reason": reason})
	})
}

// Live says which SKUs of these products have a claim that holds now, at the prices
// that the products are shown with. The newest confirmed evidence of a SKU counts.
// One statement, whatever the number of products.
func (s *Service) Live(ctx context.Context, products ...catalog.Product) (map[catalog.SKUID]Live, error) {
	var skus []uuid.UUID
	for _, p := range products {
		for _, k := range p.SKUs {
			skus = append(skus, k.ID.UUID())
		}
	}
	out := map[catalog.SKUID]Live{}
	if len(skus) == 0 {
		return out, nil
	}
	now := s.db.Now()
	newest, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (map[catalog.SKUID]Claim, error) { return confirmed(ctx, tx, skus, now) })
	if err != nil {
		return nil, err
	}
	for _, p := range products {
		for _, k := range p.SKUs {
			if l, ok := newest[k.ID].live(p, k.Price, now); ok {
				out[k.ID] = l
			}
		}
	}
	return out, nil
}

// Share is how many of the products on sale have a SKU with a live claim, public. It
// reads the whole catalogue by pages.
func (s *Service) Share(ctx context.Context) (Share, error) {
	var share Share
	for p := (page.Request{Limit: page.MaxSize}); ; {
		goods, err := s.goods.Products(ctx, catalog.Filter{}, p)
		if err != nil {
			return Share{}, err
		}
		live, err := s.Live(ctx, goods.Data...)
		if err != nil {
			return Share{}, err
		}
		for _, product := range goods.Data {
			share.OnSale++
			for _, k := range product.SKUs {
				if _, ok := live[k.ID]; ok {
					share.Live++
					break
				}
			}
		}
		if p.Cursor = goods.Next; p.Cursor == "" {
			return share, nil
		}
	}
}

// Own lists the claims of the enterprises that the caller sells for, newest first.
func (s *Service) Own(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Claim], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Claim], error) {
		return list(ctx, tx, p, `c.merchant_id = ANY(?::uuid[])`, postgres.Array(caller.Merchants()))
	})
}

// All lists the claims that a filter chooses, newest first. For operators and auditors.
func (s *Service) All(ctx context.Context, caller identity.Caller, f Filter, p page.Request) (page.Of[Claim], error) {
	if err := caller.Must(identity.Operator, identity.Auditor); err != nil {
		return page.Of[Claim]{}, err
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Claim], error) {
		if f.ExpiringWithinDays > 0 {
			return list(ctx, tx, p, state+` = 'confirmed' AND c.expires_at > ? AND c.expires_at <= ?`, tx.Now, tx.Now.AddDate(0, 0, f.ExpiringWithinDays))
		}
		return list(ctx, tx, p, `(? = '' OR `+state+` = ?)`, string(f.State), string(f.State))
	})
}

// Report takes in where somebody found a product that is on sale cheaper. While his
// report on it is open another is ErrReported. ErrInvalid, catalog.ErrProduct, or
// file.ErrUnknown when a file is not his.
func (s *Service) Report(ctx context.Context, caller identity.Caller, p catalog.ProductID, f Finding) (Report, error) {
	if err := f.check(); err != nil {
		return Report{}, err
	}
	of, err := s.goods.Product(ctx, p)
	if err != nil {
		return Report{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Report, error) {
		if err := file.Check(ctx, tx, caller.Account.UUID(), f.Files...); err != nil {
			return Report{}, err
		}
		r := Report{ID: id.New[Report](tx.Now), Reporter: caller.Account, Merchant: of.Merchant, Product: p, Finding: f, At: tx.Now}
		return r, insertReport(ctx, tx, r)
	})
}

// OwnReports lists the caller's reports, newest first.
func (s *Service) OwnReports(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Report], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Report], error) {
		return reports(ctx, tx, p, `reporter_id = ?`, caller.Account.UUID())
	})
}

// Reports lists all reports, or only the open ones, newest first. For operators.
func (s *Service) Reports(ctx context.Context, caller identity.Caller, open bool, p page.Request) (page.Of[Report], error) {
	if err := caller.Must(identity.Operator); err != nil {
		return page.Of[Report]{}, err
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Report], error) {
		return reports(ctx, tx, p, `(state = 'open' OR NOT ?)`, open)
	})
}

// Resolve ends a report. ClaimWithdrawn withdraws the product's confirmed claims at once,
// and is ErrNone if none is left that is not stale. For operators, but not for who reported or sells for the
// enterprise: ErrOwnClaim. ErrReport, ErrResolved.
func (s *Service) Resolve(ctx context.Context, caller identity.Caller, rid ReportID, o Outcome, reason string) (Report, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return Report{}, err
	}
	if err := identity.CheckReason(reason); err != nil {
		return Report{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Report, error) {
		r, err := lockReport(ctx, tx, rid)
		if err != nil {
			return Report{}, err
		}
		if err := r.resolve(caller, o, reason, tx.Now); err != nil {
			return Report{}, err
		}
		var withdrawn int64
		if o == ClaimWithdrawn {
			if withdrawn, err = withdrawAll(ctx, tx, r, caller.Account); err == nil && withdrawn == 0 {
				err = ErrNone
			}
			if err != nil {
				return Report{}, err
			}
		}
		if err := saveResolved(ctx, tx, r, caller.Account); err != nil {
			return Report{}, err
		}
		return r, trail.Note(ctx, tx, trail.Entry{
			Actor: caller.Account.UUID(), Operation: "claim.resolve_report", Object: "cheaper_report:" + rid.String(),
			Detail: map[string]any{"product": r.Product.String(), "outcome": string(o), "reason": reason, "withdrawn": withdrawn},
		})
	})
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, c Claim, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{Actor: caller.Account.UUID(), Operation: operation, Object: "price_claim:" + c.ID.String(), Detail: detail})
}
