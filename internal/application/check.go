package application

import (
	"context"
	"fmt"

	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
)

// Check holds each application against the notice that anybody could object to, and each
// programme against the application that it came in by and the changes that were published since.
// It returns what differs: what is told of a programme is what money of the fund is given for.
func Check(ctx context.Context, db *postgres.DB) ([]string, error) {
	return postgres.View(ctx, db, func(tx *postgres.Tx) (faults []string, _ error) {
		came := map[programme.ID]programme.Programme{}
		for p := (page.Request{Limit: page.MaxSize}); ; {
			some, err := list(ctx, tx, true, nil, "", p)
			if err != nil {
				return nil, err
			}
			for _, a := range some.Data {
				if a.State == Accepted {
					came[a.Programme] = programme.Programme{Plan: a.Plan, Budget: a.Amount, Application: a.ID.UUID()}
				}
				if a.Period.IsZero() {
					continue
				}
				same, err := objection.Told(ctx, tx, a.Period, a.notice())
				if err != nil {
					return nil, err
				}
				if !same {
					faults = append(faults, fmt.Sprintf("application %s: it is not what was published", a.ID))
				}
			}
			if p.Cursor = some.Next; p.Cursor == "" {
				break
			}
		}
		found, err := programme.Differ(ctx, tx, came)
		return append(faults, found...), err
	})
}
