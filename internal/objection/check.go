package objection

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
)

// Check holds each time for objections against the notice that was published when it began, and
// returns what differs: who moves its end would have something paid while people may still object. A notice
// without a time for objections is named, too: another stands in its place, or what it told of is gone.
func Check(ctx context.Context, db *postgres.DB) ([]string, error) {
	return postgres.View(ctx, db, func(tx *postgres.Tx) ([]string, error) {
		faults, err := unopened(ctx, tx)
		if err != nil {
			return nil, err
		}
		for p := (page.Request{Limit: page.MaxSize}); ; {
			some, err := periods(ctx, tx, p)
			if err != nil {
				return nil, err
			}
			for _, o := range some.Data {
				said, err := o.told(ctx, tx)
				if err != nil {
					return nil, err
				}
				if said.Period != o.ID || said.Subject != o.Subject || said.ID != o.SubjectID || !said.Until.Equal(o.EndsAt) ||
					said.TitleZH != o.TitleZH || said.TitleEN != o.TitleEN {
					faults = append(faults, fmt.Sprintf("objections %s: the notice says otherwise", o.ID))
				}
			}
			if p.Cursor = some.Next; p.Cursor == "" {
				return faults, nil
			}
		}
	})
}

// Told reports whether what is told of a subject was published when its time for objections
// began: to the letter, as part of tx. A time that is not there told nothing.
func Told(ctx context.Context, tx *postgres.Tx, pid PeriodID, o Opening) (bool, error) {
	p, err := period(ctx, tx, pid, "")
	if errors.Is(err, ErrNoPeriod) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	said, err := p.told(ctx, tx)
	if err != nil {
		return false, err
	}
	now, err := json.Marshal(o.Detail)
	if err != nil {
		return false, fmt.Errorf("write what is told of %s %s: %w", o.Subject, o.ID, err)
	}
	return said.Subject == o.Subject && said.ID == o.ID && bytes.Equal(said.Detail, now), nil
}

// Passed reports whether what was published could go on at a time, as part of tx: nobody could object any
// more, and no objection was open or upheld. What was never published could not.
func Passed(ctx context.Context, tx *postgres.Tx, pid PeriodID, at time.Time) (bool, error) {
	p, err := period(ctx, tx, pid, "")
	if errors.Is(err, ErrNoPeriod) {
		return false, nil
	}
	return err == nil && p.clear(at) == nil, err
}

// Opened are the times for objections to all subjects of a kind, each with the subject, as part of tx: who
// checks these takes out what he knows, and the rest is Untold.
func Opened(ctx context.Context, tx *postgres.Tx, kind Subject) (map[PeriodID]uuid.UUID, error) {
	return opened(ctx, tx, kind)
}

// Untold says of which subjects of a kind nothing is told any more, by what is left of those Opened.
func Untold(kind Subject, left map[PeriodID]uuid.UUID) []string {
	faults := make([]string, 0, len(left))
	for _, subject := range left {
		faults = append(faults, fmt.Sprintf("%s %s: it was published, and is not told of", kind, subject))
	}
	slices.Sort(faults)
	return faults
}

// told is the notice of a time for objections, its detail without spaces; what cannot be read told nothing.
func (p Period) told(ctx context.Context, tx *postgres.Tx) (told, error) {
	body, err := p.notice(ctx, tx)
	if err != nil {
		return told{}, err
	}
	var said told
	var tight bytes.Buffer
	if json.Unmarshal(body, &said) == nil && json.Compact(&tight, said.Detail) == nil {
		said.Detail = tight.Bytes()
		return said, nil
	}
	return told{}, nil
}

// notice is what was published of a time for objections: nothing, if that is gone.
func (p Period) notice(ctx context.Context, tx *postgres.Tx) ([]byte, error) {
	d, err := publication.Of(ctx, tx, p.Document)
	if errors.Is(err, publication.ErrUnknown) {
		return nil, nil
	}
	return d.Body, err
}
