package application

import (
	"context"
	"fmt"
	"slices"

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
		gone, err := objection.Opened(ctx, tx, objection.Application)
		if err != nil {
			return nil, err
		}
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
				delete(gone, a.Period)
				wrong, err := a.differs(ctx, tx)
				if err != nil {
					return nil, err
				}
				if wrong != "" {
					faults = append(faults, fmt.Sprintf("application %s: %s", a.ID, wrong))
				}
			}
			if p.Cursor = some.Next; p.Cursor == "" {
				break
			}
		}
		found, err := programme.Differ(ctx, tx, came)
		return slices.Concat(faults, objection.Untold(objection.Application, gone), found), err
	})
}

// differs says how an application is not what was published, or came in against it; "" is not at all.
func (a *Application) differs(ctx context.Context, tx *postgres.Tx) (string, error) {
	if a.Period.IsZero() && a.State != Accepted {
		return "", nil
	}
	same, err := objection.Told(ctx, tx, a.Period, a.notice())
	if err != nil || !same {
		return "it is not what was published", err
	}
	if a.State != Accepted {
		return "", nil
	}
	passed, err := objection.Passed(ctx, tx, a.Period, a.DecidedAt)
	if err != nil || !passed {
		return "it was accepted while somebody objected, or could", err
	}
	return "", nil
}
