package programme

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Differ holds programmes against what they came in as, by applications, and against the changes
// that were published since, as part of tx. It returns what differs. A programme without a budget of
// the fund came in by nothing.
func Differ(ctx context.Context, tx *postgres.Tx, came map[ID]Programme) (faults []string, _ error) {
	missing := maps.Clone(came)
	for p := (page.Request{Limit: page.MaxSize}); ; {
		some, err := list(ctx, tx, p)
		if err != nil {
			return nil, err
		}
		for _, now := range some.Data {
			was, by := came[now.ID]
			delete(missing, now.ID)
			all, err := enacted(ctx, tx, now.ID)
			if err != nil {
				return nil, err
			}
			found, err := now.differs(ctx, tx, was, by, all)
			if err != nil {
				return nil, err
			}
			for _, f := range found {
				faults = append(faults, fmt.Sprintf("programme %s: %s", now.ID, f))
			}
		}
		if p.Cursor = some.Next; p.Cursor == "" {
			break
		}
	}
	for pid := range missing {
		faults = append(faults, fmt.Sprintf("programme %s: it is gone", pid))
	}
	slices.Sort(faults)
	return faults, nil
}

// differs says how a programme is not what it was, after its changes.
func (p Programme) differs(ctx context.Context, tx *postgres.Tx, was Programme, applied bool, changed []Change) (faults []string, _ error) {
	kind, purpose := was.Kind, was.Purpose
	for i, c := range changed {
		if i == 0 && !applied {
			kind, purpose = c.OldKind, c.OldPurpose
		}
		same, err := objection.Told(ctx, tx, c.Period, c.notice())
		if err != nil {
			return nil, err
		}
		if !same || c.OldKind != kind || c.OldPurpose != purpose {
			faults = append(faults, fmt.Sprintf("the change %s is not what was published", c.ID))
		}
		kind, purpose = c.Kind, c.Purpose
	}
	switch {
	case !applied && (p.Budget != 0 || p.Application != uuid.Nil):
		faults = append(faults, "it has a budget, and no application was accepted")
	case (applied || len(changed) > 0) && (p.Kind != kind || p.Purpose != purpose):
		faults = append(faults, "its kind or purpose was never published")
	case applied && !p.came(was):
		faults = append(faults, "it is not what was applied for")
	}
	return faults, nil
}

// came reports whether a programme is what was applied for, but for what changes may change.
func (p Programme) came(was Programme) bool {
	return p.Title == was.Title && p.Region == was.Region && p.Place == was.Place && p.School == was.School && p.Fictional == was.Fictional &&
		p.Budget == was.Budget && p.Application == was.Application && slices.Equal(p.Milestones, was.Milestones)
}
