package disbursement

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Check holds what is told of grants against what was approved and published, and where their
// money is told to be against the book. It returns what differs.
func Check(ctx context.Context, db *postgres.DB) ([]string, error) {
	return postgres.View(ctx, db, func(tx *postgres.Tx) ([]string, error) {
		var faults []string
		rest, err := held(ctx, tx)
		if err != nil {
			return nil, err
		}
		gone, err := objection.Opened(ctx, tx, objection.Grant)
		if err != nil {
			return nil, err
		}
		for p := (page.Request{Limit: page.MaxSize}); ; {
			grants, err := grant.List(ctx, tx, "", p)
			some, err := accounts(ctx, tx, grants, err)
			if err != nil {
				return nil, err
			}
			for _, a := range some.Data {
				delete(gone, a.Period)
				found, err := a.faults(ctx, tx)
				if err != nil {
					return nil, err
				}
				faults = append(faults, found...)
				rest[fund.Committed(a.ID.UUID())] -= a.Left.Li()
				rest[fund.Programme(a.Programme.UUID())] -= a.Paid.Li()
			}
			if p.Cursor = some.Next; p.Cursor == "" {
				break
			}
		}
		faults = append(faults, objection.Untold(objection.Grant, gone)...)
		for _, account := range slices.Sorted(maps.Keys(rest)) {
			if more := rest[account]; more != 0 {
				faults = append(faults, fmt.Sprintf("%s: the book has %s more than is told of grants", account, more))
			}
		}
		return faults, nil
	})
}

// held is what the book has of grants' money: promised by each, and paid to each programme.
func held(ctx context.Context, tx *postgres.Tx) (map[ledger.Account]money.Li, error) {
	all := map[ledger.Account]money.Li{}
	for _, prefix := range []ledger.Account{fund.All, ledger.World("programme:")} {
		balances, err := ledger.Below(ctx, tx, prefix)
		if err != nil {
			return nil, err
		}
		for _, b := range balances {
			all[b.Account] = b.Li()
		}
	}
	for _, account := range []ledger.Account{fund.Pending, fund.Free, fund.Held} {
		delete(all, account)
	}
	return all, nil
}

// faults are what a grant and its disbursements say otherwise than was approved, or published.
func (a Account) faults(ctx context.Context, tx *postgres.Tx) (all []string, err error) {
	altered, err := a.Altered()
	if err != nil {
		return nil, err
	}
	if altered {
		all = append(all, fmt.Sprintf("grant %s: it is not what was proposed", a.ID))
	}
	if !a.Period.IsZero() {
		notice, err := objection.Notice(ctx, tx, a.Period)
		if err != nil && !errors.Is(err, objection.ErrNoPeriod) { // what is not there told nothing
			return nil, err
		}
		if !bytes.Contains(notice, []byte(hex.EncodeToString(a.Digest[:]))) {
			all = append(all, fmt.Sprintf("grant %s: it is not what was published", a.ID))
		}
	}
	for _, d := range a.Disbursements {
		now, err := d.digest(a.Grant)
		if err != nil {
			return nil, err
		}
		if now != d.Digest {
			all = append(all, fmt.Sprintf("disbursement %s: it is not what was asked for", d.ID))
		}
		if d.Kind != Payment || d.State != Done {
			continue
		}
		passed, err := objection.Passed(ctx, tx, a.Period, d.ExecutedAt)
		if err != nil {
			return nil, err
		}
		if !passed {
			all = append(all, fmt.Sprintf("disbursement %s: it was paid while somebody objected, or could", d.ID))
		}
	}
	return all, nil
}
