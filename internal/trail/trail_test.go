package trail_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

func TestEntriesAreReadAsTheyWereNoted(t *testing.T) {
	t.Parallel()
	clock := pgtest.NewClock(pgtest.Noon)
	db := pgtest.NewAt(t, clock.Now)
	svc := trail.New(db)
	anna, ben := id.New[int](pgtest.Noon).UUID(), id.New[int](pgtest.Noon).UUID()
	noted := []trail.Entry{
		{Actor: anna, Operation: "merchant.suspend", Object: "merchant:1", Detail: map[string]any{"reason": "许可证 \"待复核\"", "n": 1.0}},
		{Actor: ben, Operation: "merchant.reinstate", Object: "merchant:1", Detail: map[string]any{}},
		{Operation: "merchant.enrol", Object: "merchant:2", Detail: map[string]any{}},
	}
	for i, e := range noted {
		clock.Advance(time.Second)
		noted[i].At = clock.Now()
		if err := postgres.Do(t.Context(), db, func(tx *postgres.Tx) error { return trail.Note(t.Context(), tx, e) }); err != nil {
			t.Fatalf("note: %v", err)
		}
	}
	tests := []struct {
		name string
		f    trail.Filter
		want []int // of noted, the newest first
	}{
		{"all", trail.Filter{}, []int{2, 1, 0}},
		{"by actor", trail.Filter{Actor: anna}, []int{0}},
		{"by object", trail.Filter{Object: "merchant:1"}, []int{1, 0}},
		{"by both", trail.Filter{Actor: ben, Object: "merchant:1"}, []int{1}},
		{"by nothing that is there", trail.Filter{Actor: id.New[int](pgtest.Noon).UUID()}, nil},
	}
	for _, tt := range tests {
		var got, want []trail.Entry
		for _, n := range tt.want {
			want = append(want, noted[n])
		}
		for p := (page.Request{Limit: 1}); ; {
			entries, err := svc.Entries(t.Context(), p, tt.f)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			for _, e := range entries.Data {
				e.ID = trail.ID{}
				got = append(got, e)
			}
			if p.Cursor = entries.Next; p.Cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(trail.ID{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestAnEntryExistsIfAndOnlyIfItsChangeDoes(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	failed := errors.New("the change failed")
	err := postgres.Do(t.Context(), db, func(tx *postgres.Tx) error {
		return errors.Join(trail.Note(t.Context(), tx, trail.Entry{Operation: "merchant.suspend", Object: "merchant:1"}), failed)
	})
	if !errors.Is(err, failed) {
		t.Fatalf("do: %v, want %v", err, failed)
	}
	if got, err := trail.New(db).Entries(t.Context(), page.Request{}, trail.Filter{}); err != nil || len(got.Data) != 0 {
		t.Errorf("trail = %v, %v, want nothing", got.Data, err)
	}
}

func TestTheTrailCannotBeChanged(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	err := postgres.Do(t.Context(), db, func(tx *postgres.Tx) error {
		return trail.Note(t.Context(), tx, trail.Entry{Operation: "merchant.suspend", Object: "merchant:1"})
	})
	if err != nil {
		t.Fatalf("note: %v", err)
	}
	owner := pgtest.Owner(t, db)
	for _, statement := range []string{`UPDATE trail_entry SET object = 'x'`, `DELETE FROM trail_entry`, `TRUNCATE trail_entry`} {
		if _, err := db.SQL().ExecContext(t.Context(), statement); err == nil {
			t.Errorf("the application may %s", statement)
		}
		if _, err := owner.ExecContext(t.Context(), statement); !postgres.Violates(err, "trail_entry_append_only") {
			t.Errorf("%s by the owner: %v, want a refusal", statement, err)
		}
	}
}
