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
func Differ(ctx context.Context, tx *postgres.Tx, came map[ID]Programme) ([]string, error) {
	changed, faults, err := published(ctx, tx)
	if err != nil {
		return nil, err
	}
	missing := maps.Clone(came)
	for p := (page.Request{Limit: page.MaxSize}); ; {
		some, err := list(ctx, tx, p)
		if err != nil {
			return nil, err
		}
		for _, now := range some.Data {
			was, by := came[now.ID]
			delete(missing, now.ID)
			for _, f := range now.differs(was, by, changed[now.ID]) {
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

// published are the changes in force of each programme, in the order in which they came into it, and how changes
// are not what was published.
func published(ctx context.Context, tx *postgres.Tx) (inForce map[ID][]Change, faults []string, _ error) {
	all, err := told(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	gone, err := objection.Opened(ctx, tx, objection.Change)
	if err != nil {
		return nil, nil, err
	}
	inForce = map[ID][]Change{}
	for _, c := range all {
		delete(gone, c.Period)
		wrong, err := c.differs(ctx, tx)
		if err != nil {
			return nil, nil, err
		}
		if wrong != "" {
			faults = append(faults, fmt.Sprintf("programme %s: the change %s %s", c.Programme, c.ID, wrong))
		}
		if c.State == InForce {
			inForce[c.Programme] = append(inForce[c.Programme], c)
		}
	}
	return inForce, append(faults, objection.Untold(objection.Change, gone)...), nil
}

// differs says how a change is not what was published, or came into force against it; "" is not at all.
func (c *Change) differs(ctx context.Context, tx *postgres.Tx) (string, error) {
	same, err := objection.Told(ctx, tx, c.Period, c.notice())
	if err != nil || !same {
		return "is not what was published", err
	}
	if c.State != InForce {
		return "", nil
	}
	passed, err := objection.Passed(ctx, tx, c.Period, c.DecidedAt)
	if err != nil || !passed {
		return "came into force while somebody objected, or could", err
	}
	return "", nil
}

// differs says how a programme is not what it was, after its changes.
func (p Programme) differs(was Programme, applied bool, changed []Change) (faults []string) {
	kind, purpose := was.Kind, was.Purpose
	for i, c := range changed {
		if i == 0 && !applied {
			kind, purpose = c.OldKind, c.OldPurpose
		}
		if c.OldKind != kind || c.OldPurpose != purpose {
			faults = append(faults, fmt.Sprintf("the change %s is not of what it was", c.ID))
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
	return faults
}

// came reports whether a programme is what was applied for, but for what changes may change.
func (p Programme) came(was Programme) bool {
	return p.Title == was.Title && p.Region == was.Region && p.Place == was.Place && p.School == was.School && p.Fictional == was.Fictional &&
		p.Budget == was.Budget && p.Application == was.Application && slices.Equal(p.Milestones, was.Milestones)
}
