package finding

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service keeps findings.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db} }

// Open opens a finding. For auditors. ErrInvalid.
func (s *Service) Open(ctx context.Context, caller identity.Caller, n Opening) (Finding, error) {
	if err := caller.Must(identity.Auditor); err != nil {
		return Finding{}, err
	}
	if err := n.check(); err != nil {
		return Finding{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Finding, error) {
		f := Finding{
			ID: id.New[Finding](tx.Now), Object: n.Object, Severity: n.Severity, Title: n.Title, Asked: n.Asked, State: Open,
			OpenedBy: caller.Account, OpenedAt: tx.Now, ChangedAt: tx.Now, Notes: 1,
		}
		if err := insert(ctx, tx, f); err != nil {
			return f, err
		}
		return f, say(ctx, tx, f, Note{1, "open", identity.Auditor, caller.Account, n.Text, tx.Now})
	})
}

// Take answers a finding, or accepts, insists or closes: with what there is to say. An auditor
// does the last three, who is asked the first. ErrUnknown, ErrAsked, ErrState, ErrInvalid.
func (s *Service) Take(ctx context.Context, caller identity.Caller, fid ID, action, text string) (Finding, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Finding, error) {
		f, err := byID(ctx, tx, fid, " FOR UPDATE")
		if err != nil {
			return f, err
		}
		n, err := f.take(action, caller, text, tx.Now)
		if err != nil {
			return f, err
		}
		if err := save(ctx, tx, f); err != nil {
			return f, err
		}
		return f, say(ctx, tx, f, n)
	})
}

// Findings are those in a state ("": any), the newest first. For auditors and those who may be asked.
func (s *Service) Findings(ctx context.Context, state State, p page.Request) (page.Of[Finding], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Finding], error) {
		return list(ctx, tx, state, p)
	})
}

// Finding is one with all that was said of it, oldest first. ErrUnknown.
func (s *Service) Finding(ctx context.Context, fid ID) (Finding, []Note, error) {
	type whole struct {
		f     Finding
		notes []Note
	}
	w, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) (w whole, err error) {
		if w.f, err = byID(ctx, tx, fid, ""); err != nil {
			return w, err
		}
		w.notes, err = notes(ctx, tx, fid)
		return w, err
	})
	return w.f, w.notes, err
}

// Unclosed counts the findings that are not closed. For everybody.
func (s *Service) Unclosed(ctx context.Context) (Count, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Count, error) { return count(ctx, tx) })
}

// say adds a note to a finding, and to the trail that there is one.
func say(ctx context.Context, tx *postgres.Tx, f Finding, n Note) error {
	if err := insertNote(ctx, tx, f.ID, n); err != nil {
		return err
	}
	return trail.Note(ctx, tx, trail.Entry{
		Actor: n.Author.UUID(), Operation: "finding." + n.Action, Object: "finding:" + f.ID.String(),
		Detail: map[string]any{"about": f.Object.Kind + ":" + f.Object.ID, "severity": f.Severity, "note": n.N},
	})
}
