package trail

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// entryRow is a row of the table trail_entry.
type entryRow struct {
	ID        uuid.UUID `gorm:"primaryKey"`
	At        time.Time
	ActorID   *uuid.UUID
	Operation string
	Object    string
	Detail    string // jsonb
}

// TableName is trail_entry.
func (entryRow) TableName() string { return "trail_entry" }

func (r entryRow) entry() (Entry, error) {
	e := Entry{ID: id.From[Entry](r.ID), At: r.At.UTC(), Operation: r.Operation, Object: r.Object}
	if r.ActorID != nil {
		e.Actor = *r.ActorID
	}
	if err := json.Unmarshal([]byte(r.Detail), &e.Detail); err != nil {
		return e, fmt.Errorf("read the detail of entry %s: %w", e.ID, err)
	}
	return e, nil
}

func insert(ctx context.Context, tx *postgres.Tx, e Entry) error {
	detail := []byte("{}")
	if len(e.Detail) > 0 {
		var err error
		if detail, err = json.Marshal(e.Detail); err != nil {
			return fmt.Errorf("write the detail of %s: %w", e.Operation, err)
		}
	}
	r := entryRow{ID: e.ID.UUID(), At: e.At, Operation: e.Operation, Object: e.Object, Detail: string(detail)}
	if e.Actor != uuid.Nil {
		r.ActorID = &e.Actor
	}
	if err := postgres.On[entryRow](tx).Create(ctx, r); err != nil {
		return fmt.Errorf("note %s of %s: %w", e.Operation, e.Object, err)
	}
	return nil
}

func entries(ctx context.Context, tx *postgres.Tx, p page.Request, f Filter) (page.Of[Entry], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Entry]{}, err
	}
	q := postgres.On[entryRow](tx).Order("id DESC").Limit(p.Size() + 1)
	if last != uuid.Nil {
		q = q.Where("id < ?", last)
	}
	if f.Actor != uuid.Nil {
		q = q.Where("actor_id = ?", f.Actor)
	}
	if f.Object != "" {
		q = q.Where("object = ?", f.Object)
	}
	rows, err := q.Find(ctx)
	if err != nil {
		return page.Of[Entry]{}, fmt.Errorf("read the trail: %w", err)
	}
	out := make([]Entry, len(rows))
	for i, r := range rows {
		if out[i], err = r.entry(); err != nil {
			return page.Of[Entry]{}, err
		}
	}
	return page.Cut(out, p.Size(), func(e Entry) (string, uuid.UUID) { return "", e.ID.UUID() }), nil
}
