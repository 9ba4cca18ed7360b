package assistance

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// row is a row of the table assistance_entry.
type row struct {
	ID         uuid.UUID
	Year       int
	Track      string
	TitleZH    string `gorm:"column:title_zh"`
	TitleEN    string `gorm:"column:title_en"`
	Figures    string
	Source     string
	Invented   bool
	Replaces   *uuid.UUID
	Reason     string
	RecordedBy uuid.UUID
	RecordedAt time.Time
}

// TableName is assistance_entry.
func (row) TableName() string { return "assistance_entry" }

func (r row) entry() (Entry, error) {
	e := Entry{ID: id.From[Entry](r.ID), By: id.From[identity.Account](r.RecordedBy), At: r.RecordedAt.UTC(), New: New{
		Year: r.Year, Track: r.Track, TitleZH: r.TitleZH, TitleEN: r.TitleEN, Source: r.Source, Invented: r.Invented, Reason: r.Reason,
	}}
	e.Replaces = id.FromNull[Entry](r.Replaces)
	if err := json.Unmarshal([]byte(r.Figures), &e.Figures); err != nil {
		return e, fmt.Errorf("read the figures of %s: %w", e.ID, err)
	}
	return e, nil
}

func insert(ctx context.Context, tx *postgres.Tx, e Entry) error {
	figures := e.Figures
	if figures == nil {
		figures = []Figure{}
	}
	raw, err := json.Marshal(figures)
	if err != nil {
		return err
	}
	r := row{
		ID: e.ID.UUID(), Year: e.Year, Track: e.Track, TitleZH: e.TitleZH, TitleEN: e.TitleEN, Figures: string(raw), Source: e.Source,
		Invented: e.Invented, Reason: e.Reason, RecordedBy: e.By.UUID(), RecordedAt: e.At,
	}
	if !e.Replaces.IsZero() {
		old := e.Replaces.UUID()
		r.Replaces = &old
	}
	switch err := postgres.On[row](tx).Create(ctx, r); {
	case postgres.Violates(err, "assistance_entry_replaced_once"):
		return ErrReplaced
	case postgres.Violates(err, "assistance_entry_replaces_fkey"):
		return ErrUnknown
	case postgres.Violates(err, "assistance_entry_track_fkey"):
		return ErrEntry.At("/track", "enum", "no such track")
	case err != nil:
		return fmt.Errorf("record an entry: %w", err)
	}
	return nil
}

func list(ctx context.Context, tx *postgres.Tx, year int, p page.Request) (page.Of[Entry], error) {
	_, after, err := p.After()
	if err != nil {
		return page.Of[Entry]{}, err
	}
	entries, err := read(ctx, tx, year, after, p.Size()+1)
	return page.Cut(entries, p.Size(), func(e Entry) (string, uuid.UUID) { return "", e.ID.UUID() }), err
}

func all(ctx context.Context, tx *postgres.Tx, year int) ([]Entry, error) {
	return read(ctx, tx, year, uuid.Nil, math.MaxInt32)
}

func read(ctx context.Context, tx *postgres.Tx, year int, after uuid.UUID, limit int) ([]Entry, error) {
	rows, err := postgres.Rows[row](ctx, tx, `SELECT * FROM assistance_entry e WHERE (? = 0 OR year = ?) AND id > ?
		AND NOT EXISTS (SELECT FROM assistance_entry n WHERE n.replaces = e.id) ORDER BY id LIMIT ?`, year, year, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read the register of %d: %w", year, err)
	}
	entries := make([]Entry, len(rows))
	for i, r := range rows {
		if entries[i], err = r.entry(); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func tracks(ctx context.Context, tx *postgres.Tx) ([]Track, error) {
	type trackRow struct {
		Code   string
		NameZH string `gorm:"column:name_zh"`
		NameEN string `gorm:"column:name_en"`
	}
	rows, err := postgres.Rows[trackRow](ctx, tx, `SELECT code, name_zh, name_en FROM assistance_track ORDER BY position, code`)
	if err != nil {
		return nil, fmt.Errorf("list tracks: %w", err)
	}
	found := make([]Track, len(rows))
	for i, r := range rows {
		found[i] = Track(r)
	}
	return found, nil
}
