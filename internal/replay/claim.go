package replay

import (
	"context"
	"time"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/money"
)

// claims are the steps by which the recorded price claims are filed and confirmed: on
// the day on which the price was seen, or, if that was before, an hour after the
// enterprise listed its goods.
func (r *Replay) claims(e Enterprise, goods []Product) []step {
	var all []step
	for _, p := range goods {
		if p.row["ref_price_fen"] == "" {
			continue // there was nothing to compare with
		}
		captured := p.date("ref_captured_on")
		at := captured.Add(hour)
		if listed := e.opensAt().Add(time.Hour); at.Before(listed) {
			at = listed
		}
		all = append(all, step{at, "claim " + p.Code, func(ctx context.Context, at time.Time) error {
			return r.claim(ctx, at, claim.Config{}, p, captured) // a recorded claim lives a year, whatever this shop holds of new ones
		}})
	}
	return all
}

// recapture claims anew, as of today, what the data holds to be claimed rightly,
// unless it is claimed by now. It was seen at the beginning of the day, so that a replay
// that is stopped and goes on claims the same again.
func (r *Replay) recapture(ctx context.Context, at time.Time, goods []Product) error {
	db := r.DB.At(at)
	shop := catalog.New(db, nil)
	y, m, d := at.In(shanghai()).Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, shanghai())
	for _, p := range goods {
		if !p.yes("price_claim_ok") {
			continue
		}
		listed, err := shop.Product(ctx, ProductID(p.Code))
		if err != nil {
			return err
		}
		live, err := claim.New(db, shop, r.Claims).Live(ctx, listed)
		if err != nil {
			return err
		}
		if _, ok := live[SKUID(p.Code)]; ok {
			continue
		}
		if err := r.claim(ctx, at, r.Claims, p, today); err != nil {
			return err
		}
	}
	return nil
}

// claim files a recorded claim as its enterprise, and confirms it as an operator. It
// goes on where a replay that was stopped left it.
func (r *Replay) claim(ctx context.Context, at time.Time, lives claim.Config, p Product, captured time.Time) error {
	db := r.DB.At(at)
	claims := claim.New(db, catalog.New(db, nil), lives)
	c, err := claims.File(ctx, seller(p.Enterprise), claim.Filing{
		SKU: SKUID(p.Code), Platform: p.row["ref_platform"], Reference: money.Fen(p.int("ref_price_fen")), Basis: claim.Basis(p.row["ref_basis"]),
		NetContent: p.int("net_content_value"), NetUnit: p.row["net_content_unit"], CapturedAt: captured, Evidence: p.row["ref_evidence_id"],
	})
	if err == nil && c.State == claim.Filed {
		_, err = claims.Confirm(ctx, operator(), c.ID)
	}
	return err
}
