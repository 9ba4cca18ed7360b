package review

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service keeps reviews.
type Service struct {
	db     *postgres.DB
	people *identity.Service
	goods  *catalog.Service
}

// New makes the service: people says what buyers are called, goods what is on sale.
func New(db *postgres.DB, people *identity.Service, goods *catalog.Service) *Service {
	return &Service{db: db, people: people, goods: goods}
}

// Write takes a buyer's review of a line of his own order; another's is
// order.ErrNotFound. It must have been paid (ErrNotBought); that it was refunded
// since does not matter, for who sent goods back has bought them and has something to
// say. The same review again is the one that is there; another one is ErrReviewed.
// ErrInvalid, ErrLine, ErrOwnGoods, or file.ErrUnknown for what is no picture of his
// that may be shown.
func (s *Service) Write(ctx context.Context, caller identity.Caller, oid order.ID, w Writing) (Review, error) {
	if err := w.check(); err != nil {
		return Review{}, err
	}
	author, err := s.author(ctx, caller, w.Anonymous)
	if err != nil {
		return Review{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Review, error) {
		o, err := order.OfBuyer(ctx, tx, caller, oid)
		if err != nil {
			return Review{}, err
		}
		switch {
		case o.PaidAt.IsZero():
			return Review{}, ErrNotBought
		case caller.SellsFor(o.Merchant.UUID()):
			return Review{}, ErrOwnGoods
		case w.Line < 1 || w.Line > len(o.Lines):
			return Review{}, ErrLine
		}
		if err := file.CheckShown(ctx, tx, caller.Account.UUID(), w.Pictures...); err != nil {
			return Review{}, err
		}
		r := Review{
			ID: id.New[Review](tx.Now), Merchant: o.Merchant, Product: o.Lines[w.Line-1].Product, Order: oid, Line: w.Line,
			Buyer: caller.Account, Author: author, Stars: w.Stars, Text: w.Text, Pictures: w.Pictures, At: tx.Now,
		}
		fresh, err := insert(ctx, tx, r)
		if err != nil || fresh {
			return r, err
		}
		before, err := ofLine(ctx, tx, o.Merchant, oid, w.Line)
		if err == nil && !before.says(w) {
			err = ErrReviewed
		}
		return before, err
	})
}

// author is how the buyer is shown. Who has no account any more is anonymous.
func (s *Service) author(ctx context.Context, caller identity.Caller, anonymous bool) (string, error) {
	if anonymous {
		return "", nil
	}
	a, err := s.people.Account(ctx, caller, caller.Account)
	if errors.Is(err, identity.ErrAccount) {
		return "", nil
	}
	return Mask(a.Name), err
}

// says reports whether a review is what is written once more.
func (r Review) says(w Writing) bool {
	return r.Stars == w.Stars && r.Text == w.Text && slices.Equal(r.Pictures, w.Pictures) && (!w.Anonymous || r.Author == "")
}

// Add takes what a buyer adds to his own review, once; another's is ErrUnknown. The
// same again changes nothing, another one is ErrReviewed.
func (s *Service) Add(ctx context.Context, caller identity.Caller, rid ID, a Addition) (Review, error) {
	if err := check(a.Text, a.Pictures); err != nil {
		return Review{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Review, error) {
		r, err := byID(ctx, tx, rid)
		if err != nil {
			return Review{}, err
		}
		if r.Buyer != caller.Account {
			return Review{}, ErrUnknown
		}
		if err := file.CheckShown(ctx, tx, caller.Account.UUID(), a.Pictures...); err != nil {
			return Review{}, err
		}
		if err := insertFollowUp(ctx, tx, r, a); err != nil {
			return Review{}, err
		}
		r, err = byID(ctx, tx, rid)
		if err == nil && (r.FollowUp.Text != a.Text || !slices.Equal(r.FollowUp.Pictures, a.Pictures)) {
			err = ErrReviewed
		}
		return r, err
	})
}

// Answer takes what an enterprise answers to a review of its goods; a review of
// another's is ErrUnknown. A further answer is shown in place of the one before,
// which stays; the same again changes nothing. ErrRaced when two answer at once.
func (s *Service) Answer(ctx context.Context, caller identity.Caller, rid ID, text string) (Review, error) {
	if err := check(text, nil); err != nil {
		return Review{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Review, error) {
		r, err := byID(ctx, tx, rid)
		if err != nil {
			return Review{}, err
		}
		if !caller.SellsFor(r.Merchant.UUID()) {
			return Review{}, ErrUnknown
		}
		if r.Answer.Text == text {
			return r, nil
		}
		r.Answer = Answer{N: r.Answer.N + 1, Text: text, At: tx.Now}
		if err := insertAnswer(ctx, tx, r, caller.Account); err != nil {
			return Review{}, err
		}
		return r, note(ctx, tx, caller, "review.answer", r, map[string]any{"answer": r.Answer.N})
	})
}

// Hide takes a review from view on a ground of law; it stays, and that it is hidden
// and why is public. For operators, but not of an enterprise that they sell for
// (ErrOwnGoods), nor what they wrote themselves (ErrOwnReview). ErrState when it is hidden already, ErrRaced, ErrInvalid.
func (s *Service) Hide(ctx context.Context, caller identity.Caller, rid ID, g Ground, reason string) (Review, error) {
	return s.decide(ctx, caller, rid, "review.hide", reason, func(tx *postgres.Tx, r *Review) error { return r.Hide(g, reason, tx.Now) })
}

// Show lets a hidden review be seen again. For operators, as Hide.
func (s *Service) Show(ctx context.Context, caller identity.Caller, rid ID, reason string) (Review, error) {
	return s.decide(ctx, caller, rid, "review.show", reason, func(tx *postgres.Tx, r *Review) error { return r.Show(reason, tx.Now) })
}

func (s *Service) decide(ctx context.Context, caller identity.Caller, rid ID, operation, reason string, act func(*postgres.Tx, *Review) error) (Review, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return Review{}, err
	}
	if err := identity.CheckReason(reason); err != nil {
		return Review{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Review, error) {
		r, err := byID(ctx, tx, rid)
		if err != nil {
			return Review{}, err
		}
		switch {
		case caller.SellsFor(r.Merchant.UUID()):
			return Review{}, ErrOwnGoods
		case caller.Account == r.Buyer:
			return Review{}, ErrOwnReview
		}
		if err := act(tx, &r); err != nil {
			return Review{}, err
		}
		if err := insertVisibility(ctx, tx, r, caller.Account); err != nil {
			return Review{}, err
		}
		return r, note(ctx, tx, caller, operation, r, map[string]any{"ground": string(r.Ground), "reason": reason})
	})
}

// OfProduct lists the reviews of a product, newest first, as the public sees them.
// catalog.ErrProduct when there are none and the product is not on sale.
func (s *Service) OfProduct(ctx context.Context, p catalog.ProductID, at page.Request) (page.Of[Review], error) {
	found, err := s.list(ctx, at, `r.product_id = ?`, p.UUID())
	if err == nil && len(found.Data) == 0 {
		_, err = s.goods.Product(ctx, p)
	}
	for i, r := range found.Data {
		found.Data[i] = r.redacted()
	}
	return found, err
}

// Summary is what the reviews of a product come to. catalog.ErrProduct when there are
// none and the product is not on sale.
func (s *Service) Summary(ctx context.Context, p catalog.ProductID) (Summary, error) {
	sum, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Summary, error) { return summary(ctx, tx, p) })
	if err == nil && sum.Count+sum.Hidden == 0 {
		_, err = s.goods.Product(ctx, p)
	}
	return sum, err
}

// Own lists the caller's reviews, newest first, the hidden ones too.
func (s *Service) Own(ctx context.Context, caller identity.Caller, at page.Request) (page.Of[Review], error) {
	return s.list(ctx, at, `r.buyer_id = ?`, caller.Account.UUID())
}

// OfMerchants lists the reviews of all goods of the enterprises that the caller sells
// for, newest first.
func (s *Service) OfMerchants(ctx context.Context, caller identity.Caller, at page.Request) (page.Of[Review], error) {
	return s.list(ctx, at, `r.merchant_id = ANY(?::uuid[])`, postgres.Array(caller.Merchants()))
}

// All lists all reviews, newest first, or only the hidden ones. For operators.
func (s *Service) All(ctx context.Context, caller identity.Caller, hidden bool, at page.Request) (page.Of[Review], error) {
	if err := caller.Must(identity.Operator, identity.Auditor); err != nil {
		return page.Of[Review]{}, err
	}
	return s.list(ctx, at, `(v.hidden OR NOT ?)`, hidden)
}

func (s *Service) list(ctx context.Context, at page.Request, where string, arg any) (page.Of[Review], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Review], error) { return list(ctx, tx, at, where, arg) })
}

// key is where a page ends.
func (r Review) key() (string, uuid.UUID) { return "", r.ID.UUID() }

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, r Review, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{Actor: caller.Account.UUID(), Operation: operation, Object: "review:" + r.ID.String(), Detail: detail})
}
