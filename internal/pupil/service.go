package pupil

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// county is where guardians sign: since 1991 there is no summer time.
var county = time.FixedZone("Asia/Shanghai", 8*60*60) //nolint:gochecknoglobals // a constant that Go cannot write as one

// Service keeps pupils.
type Service struct {
	db    *postgres.DB
	cfg   Config
	vault vault
}

// Open opens the vault, and makes its key at the first start.
func Open(db *postgres.DB, cfg Config) (*Service, error) {
	v, err := openVault(cfg)
	return &Service{db, cfg, v}, err
}

// Record writes a pupil down under a pseudonym. For administrators of the fund. ErrPerson,
// ErrKnown.
func (s *Service) Record(ctx context.Context, caller identity.Caller, n New) (Pupil, error) {
	if err := cmp.Or(caller.Must(identity.FundAdmin), n.check()); err != nil {
		return Pupil{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Pupil, error) {
		if n.ConsentOn.Format(time.DateOnly) > tx.Now.In(county).Format(time.DateOnly) {
			return Pupil{}, ErrPerson.At("/consent_on", "past", "the guardian consents first")
		}
		p := Pupil{
			ID: id.New[Pupil](tx.Now), Programme: n.Programme, Region: n.Region, Stage: n.Stage, ConsentOn: n.ConsentOn,
			RecordedBy: caller.Account, RecordedAt: tx.Now,
		}
		p.Pseudonym = pseudonym(p.ID)
		record, err := s.vault.seal(p.ID, p.Programme, n.Person)
		if err != nil {
			return p, err
		}
		if err := insert(ctx, tx, p, record); err != nil {
			return p, err
		}
		return p, note(ctx, tx, caller, "pupil.record", p.ID, nil)
	})
}

// Pupils are those of a programme (zero: of all), by id, without a name. For administrators of the fund and
// auditors.
func (s *Service) Pupils(ctx context.Context, programme uuid.UUID, p page.Request) (page.Of[Pupil], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Pupil], error) { return list(ctx, tx, programme, p) })
}

// Ask asks to read a record, or to have it erased, with a reason. For administrators of the fund.
func (s *Service) Ask(ctx context.Context, caller identity.Caller, pid ID, purpose Purpose, reason string) (Request, error) {
	if err := cmp.Or(caller.Must(identity.FundAdmin), identity.CheckReason(reason)); err != nil {
		return Request{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Request, error) {
		p, err := byID(ctx, tx, pid, "")
		switch {
		case err != nil:
			return Request{}, err
		case !p.ErasedAt.IsZero():
			return Request{}, ErrErased
		}
		r := Request{
			ID: id.New[Request](tx.Now), Pupil: pid, Purpose: purpose, Reason: strings.TrimSpace(reason), State: Asked,
			AskedBy: caller.Account, AskedAt: tx.Now,
		}
		if err := insertRequest(ctx, tx, r); err != nil {
			return r, err
		}
		return r, note(ctx, tx, caller, "pupil.ask", pid, map[string]any{"purpose": string(purpose)})
	})
}

// Requests are those in a state ("": in any), newest first. For administrators of the fund and auditors.
func (s *Service) Requests(ctx context.Context, state State, p page.Request) (page.Of[Request], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Request], error) { return requests(ctx, tx, state, p) })
}

// Decide answers somebody else's request. An approved erasure destroys the record's key at
// once, and notes it outside the database, so that a restored backup does not bring the record back.
// For administrators of the fund and auditors. ErrOwn, ErrDecided, ErrUnknown.
func (s *Service) Decide(ctx context.Context, caller identity.Caller, rid RequestID, to State) (Request, error) {
	if err := caller.Must(identity.FundAdmin, identity.Auditor); err != nil {
		return Request{}, err
	}
	r, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Request, error) {
		r, err := requestByID(ctx, tx, rid, " FOR UPDATE")
		if err != nil {
			return r, err
		}
		if err := r.decide(to, caller.Account, tx.Now, s.cfg.Access); err != nil {
			return r, err
		}
		if err := saveRequest(ctx, tx, r); err != nil {
			return r, err
		}
		if r.State == Approved && r.Purpose == Erase {
			if err := erase(ctx, tx, []ID{r.Pupil}); err != nil {
				return r, err
			}
		}
		return r, note(ctx, tx, caller, "pupil."+string(to), r.Pupil, map[string]any{"purpose": string(r.Purpose), "request": r.ID.String()})
	})
	if err == nil && r.State == Approved && r.Purpose == Erase {
		err = s.vault.forget([]ID{r.Pupil})
	}
	return r, err
}

// Read opens a record for who has an approved request that is still good, and writes the reading
// down. ErrAccess, ErrErased, ErrUnknown.
func (s *Service) Read(ctx context.Context, caller identity.Caller, pid ID) (Person, error) {
	if err := caller.Must(identity.FundAdmin); err != nil {
		return Person{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Person, error) {
		p, err := byID(ctx, tx, pid, "")
		if err != nil {
			return Person{}, err
		}
		r, ok, err := good(ctx, tx, pid, caller.Account)
		if err != nil || !ok {
			return Person{}, cmp.Or(err, error(ErrAccess))
		}
		record, err := recordOf(ctx, tx, pid)
		if err != nil {
			return Person{}, err
		}
		if !p.ErasedAt.IsZero() || record.wrapped == nil {
			return Person{}, ErrErased
		}
		who, err := s.vault.open(pid, record)
		if err != nil {
			return Person{}, err
		}
		if err := insertReading(ctx, tx, pid, Reading{r.ID, caller.Account, tx.Now}); err != nil {
			return Person{}, err
		}
		return who, note(ctx, tx, caller, "pupil.read", pid, map[string]any{"request": r.ID.String()})
	})
}

// Readings are when a record was read and by whom, newest first. For auditors and administrators of the fund.
func (s *Service) Readings(ctx context.Context, pid ID, p page.Request) (page.Of[Reading], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Reading], error) { return readings(ctx, tx, pid, p) })
}

// Give writes down that a pupil was given so many fen of what the programme was paid. For
// administrators of the fund. ErrBeyond when the programme was paid less than is handed out.
func (s *Service) Give(ctx context.Context, caller identity.Caller, pid ID, amount money.Fen, what string, claim request.Claim, render func(Aid) (request.Answer, error)) (Aid, error) {
	if err := caller.Must(identity.FundAdmin); err != nil {
		return Aid{}, err
	}
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Aid, error) {
		p, err := byID(ctx, tx, pid, "")
		if err != nil {
			return Aid{}, err
		}
		given, err := given(ctx, tx, p.Programme)
		if err != nil {
			return Aid{}, err
		}
		paid, err := ledger.Of(ctx, tx, fund.Programme(p.Programme))
		if err != nil {
			return Aid{}, err
		}
		if left := paid.Li() - given.Li(); amount <= 0 || amount > money.Max || amount.Li() > left {
			return Aid{}, ErrBeyond.With("at most %s yuan", max(0, left))
		}
		a := Aid{ID: id.New[Aid](tx.Now), Pupil: pid, Amount: amount, Note: strings.TrimSpace(what), By: caller.Account, At: tx.Now}
		if err := insertAid(ctx, tx, p.Programme, a); err != nil {
			return a, err
		}
		return a, note(ctx, tx, caller, "pupil.give", pid, map[string]any{"amount_fen": int64(amount)})
	})
}

// Aids are what a pupil was given, newest first. For administrators of the fund and auditors.
func (s *Service) Aids(ctx context.Context, pid ID, p page.Request) (page.Of[Aid], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Aid], error) { return aids(ctx, tx, pid, p) })
}

// Aggregate is what everybody may know of a programme's pupils who were given something.
func (s *Service) Aggregate(ctx context.Context, programme uuid.UUID) (Aggregate, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Aggregate, error) {
		all, err := groups(ctx, tx, programme)
		return aggregate(all), err
	})
}

// Settle brings the records into the state that the vault asks for: what was erased is erased again
// if a backup brought it back, what was erased is noted, and what an old secret wraps is
// wrapped by the present one. shut is how many records no configured secret opens: their secret is
// lost, or not configured. It is called at the start, and may be called at any time.
func (s *Service) Settle(ctx context.Context) (shut int, err error) {
	noted, err := s.vault.forgotten()
	if err != nil {
		return 0, err
	}
	missing, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) ([]ID, error) {
		if err := erase(ctx, tx, slices.Collect(maps.Keys(noted))); err != nil {
			return nil, err
		}
		erased, err := erasedIDs(ctx, tx)
		return slices.DeleteFunc(erased, func(p ID) bool { return noted[p] }), err
	})
	if err != nil {
		return 0, err
	}
	if len(missing) > 0 {
		if err := s.vault.forget(missing); err != nil {
			return 0, err
		}
	}
	return s.rewrap(ctx)
}

// rewrap seals anew what an old secret wraps, a page at a time, and counts what no secret opens:
// that stays as it is.
func (s *Service) rewrap(ctx context.Context) (shut int, err error) {
	type done struct {
		last uuid.UUID
		shut int
	}
	for d := (done{}); ; {
		next, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (done, error) {
			next := done{shut: d.shut}
			old, err := wrappedOtherwise(ctx, tx, s.vault.now.name, d.last)
			for _, r := range old {
				next.last = r.pupil.UUID()
				who, closed := s.vault.open(r.pupil, r.sealed)
				if closed != nil {
					next.shut++
					continue
				}
				record, err := s.vault.seal(r.pupil, r.programme, who)
				if err != nil {
					return next, err
				}
				if err := saveRecord(ctx, tx, r.pupil, record); err != nil {
					return next, err
				}
			}
			return next, err
		})
		if err != nil || next.last == uuid.Nil {
			return next.shut, err
		}
		d = next
	}
}

// note writes down what was done about a pupil, and nothing of who he is.
func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, pid ID, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{Actor: caller.Account.UUID(), Operation: operation, Object: "pupil:" + pid.String(), Detail: detail})
}
