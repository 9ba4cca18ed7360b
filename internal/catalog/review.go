package catalog

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/listing"
)

// Faults of a listing's way to sale.
var (
	// ErrIncomplete names each thing that the kind of goods requires and the listing does not say.
	ErrIncomplete = fault.New(fault.Refused, "catalog.incomplete", "The listing does not say all that it must", "商品信息不完整")
	// ErrWording names each word that a listing may not use, with its place and the law.
	ErrWording = fault.New(fault.Refused, "catalog.forbidden_wording", "The listing uses words that it may not use", "商品文案含有违规用语")
	// ErrOwnWork says that whoever wrote or submitted a listing, or sells for its enterprise, may not decide about it.
	ErrOwnWork = fault.New(fault.Refused, "catalog.own_listing", "Nobody reviews a listing of his own or of his enterprise", "不能审核本人或本企业的商品")
)

// State says where a product is on its way to sale. An edit of a product on sale
// takes it off sale, as a draft: the old text is not left standing until the new
// one is approved, because what is corrected may be what must no longer be shown
// (an allergen, a licence number). Prices and stock need no review.
type State string

// The states of a product.
const (
	Draft     State = "draft"
	InReview  State = "in_review"
	OnSale    State = "on_sale"
	Withdrawn State = "withdrawn"
)

// submit asks for a review: ErrIncomplete or ErrWording names what stands against
// it. Words that an operator must decide about do not.
func (p *Product) submit(by uuid.UUID, at time.Time) error {
	if p.State != Draft && p.State != Withdrawn {
		return ErrState.With("the product is %s: only a draft or what is withdrawn is submitted", p.State)
	}
	if err := ErrIncomplete.All(p.Missing()).OrNil(); err != nil {
		return err
	}
	bad := ErrWording
	for _, h := range listing.Refused(p.Lint()) {
		bad = bad.At(h.Field, h.Rule.Code, fmt.Sprintf("“%s”, characters %d to %d: %s (%s) / %s（%s）",
			h.Text, h.Start+1, h.End, h.Rule.TitleEN, h.Rule.LawEN, h.Rule.TitleZH, h.Rule.LawZH))
	}
	if err := bad.OrNil(); err != nil {
		return err
	}
	p.State, p.SubmittedBy, p.SubmittedAt = InReview, by, at
	return nil
}

// edit makes the product a draft.
func (p *Product) edit(by uuid.UUID) error {
	if p.State == InReview {
		return ErrState.With("the product is in review: wait for the decision")
	}
	p.State, p.EditedBy = Draft, by
	return nil
}

// Approve puts a product that is in review on sale. ErrState, ErrOwnWork.
func (p *Product) Approve(by uuid.UUID) error { return p.decide(by, OnSale, "approved") }

// GiveBack makes a product that is in review a draft again. ErrState, ErrOwnWork.
func (p *Product) GiveBack(by uuid.UUID) error { return p.decide(by, Draft, "returned") }

func (p *Product) decide(by uuid.UUID, becomes State, how string) error {
	if p.State != InReview {
		return ErrState.With("the product is %s: only what is in review is %s", p.State, how)
	}
	if by == p.EditedBy || by == p.SubmittedBy {
		return ErrOwnWork
	}
	p.State = becomes
	return nil
}

// Withdraw takes the product off sale. What was bought stays bought. ErrState.
func (p *Product) Withdraw() error {
	if p.State != OnSale {
		return ErrState.With("the product is %s: only what is on sale is withdrawn", p.State)
	}
	p.State = Withdrawn
	return nil
}
