package standing

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service keeps enterprises in order.
type Service struct{ db *postgres.DB }

// New returns a Service on db.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// FileLicence files a licence for an enterprise that the caller sells for; another one
// is merchant.ErrUnknown. It counts when an operator has accepted it. Refused with
// merchant.ErrInvalid when it is no licence, ErrNotInForce, file.ErrUnknown when a
// scan is not the caller's, merchant.ErrAccepted when it counts already; the same
// filing again changes nothing.
func (s *Service) FileLicence(ctx context.Context, caller identity.Caller, m merchant.ID, l merchant.Licence) (Filing, error) {
	if !caller.SellsFor(m.UUID()) {
		return Filing{}, merchant.ErrUnknown
	}
	if err := l.Check(); err != nil {
		return Filing{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Filing, error) {
		if err := inForce(l, tx.Now); err != nil {
			return Filing{}, err
		}
		if err := file.Check(ctx, tx, caller.Account.UUID(), l.Files...); err != nil {
			return Filing{}, err
		}
		held, err := with(ctx, tx, m)
		if err != nil {
			return Filing{}, err
		}
		if held.Holds(l) {
			return Filing{}, merchant.ErrAccepted
		}
		before, err := waiting(ctx, tx, m)
		if err != nil {
			return Filing{}, err
		}
		for _, f := range before {
			if f.repeats(l) {
				return f, nil
			}
		}
		f := Filing{
			ID: id.New[Filing](tx.Now), Merchant: m, MerchantName: held.ShortName, Licence: l, State: Filed, FiledBy: caller.Account, FiledAt: tx.Now,
		}
		if err := insertFiling(ctx, tx, f); err != nil {
			return Filing{}, err
		}
		return f, note(ctx, tx, caller, "standing.file_licence", m, f.detail())
	})
}

// with locks an enterprise that is with us; merchant.ErrState when it has left.
func with(ctx context.Context, tx *postgres.Tx, m merchant.ID) (merchant.Merchant, error) {
	held, err := merchant.Lock(ctx, tx, m)
	if err == nil && held.State == merchant.Left {
		err = merchant.ErrState.With("the enterprise has left")
	}
	return held, err
}

// AcceptLicence lets a licence that was filed count, after it was looked at. For
// operators, but not for who filed it or sells for the enterprise: ErrOwnFiling.
// ErrDecided, or ErrNotInForce when it is over by now.
func (s *Service) AcceptLicence(ctx context.Context, caller identity.Caller, l LicenceID) (Filing, error) {
	return s.decide(ctx, caller, l, "standing.accept_licence", "", (*Filing).Accept)
}

// DeclineLicence leaves a licence that was filed without effect. For operators, as
// AcceptLicence.
func (s *Service) DeclineLicence(ctx context.Context, caller identity.Caller, l LicenceID, reason string) (Filing, error) {
	if err := identity.CheckReason(reason); err != nil {
		return Filing{}, err
	}
	return s.decide(ctx, caller, l, "standing.decline_licence", reason, (*Filing).Decline)
}

func (s *Service) decide(ctx context.Context, caller identity.Caller, l LicenceID, operation, reason string,
	act func(*Filing, identity.Caller, time.Time) error,
) (Filing, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return Filing{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Filing, error) {
		f, err := byID(ctx, tx, l)
		if err != nil {
			return Filing{}, err
		}
		if _, err := with(ctx, tx, f.Merchant); err != nil {
			return Filing{}, err
		}
		if f, err = byID(ctx, tx, l); err != nil { // as it is now that nobody else can decide
			return Filing{}, err
		}
		if err := act(&f, caller, tx.Now); err != nil {
			return Filing{}, err
		}
		f.Reason, f.DecidedBy, f.DecidedAt = reason, caller.Account, tx.Now
		if err := insertDecision(ctx, tx, f); err != nil {
			return Filing{}, err
		}
		if f.State == Accepted {
			if _, err := merchant.Renew(ctx, tx, f.Merchant, f.Licence); err != nil {
				return Filing{}, err
			}
		}
		detail := f.detail()
		if reason != "" {
			detail["reason"] = reason
		}
		return f, note(ctx, tx, caller, operation, f.Merchant, detail)
	})
}

// ReadScans writes down that an operator is about to read the scans of a licence that was
// filed, or one of them, and names them. The links he gets of the file service.
// ErrLicence, or file.ErrUnknown when it has no such scan.
func (s *Service) ReadScans(ctx context.Context, caller identity.Caller, l LicenceID, one file.ID) ([]file.ID, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return nil, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) ([]file.ID, error) {
		f, err := byID(ctx, tx, l)
		if err != nil {
			return nil, err
		}
		scans := f.Files
		if !one.IsZero() {
			if !slices.Contains(scans, one) {
				return nil, file.ErrUnknown
			}
			scans = []file.ID{one}
		}
		for _, scan := range scans {
			detail := f.detail()
			detail["file"] = scan.String()
			if err := note(ctx, tx, caller, "standing.read_scan", f.Merchant, detail); err != nil {
				return nil, err
			}
		}
		return scans, nil
	})
}

// OwnLicences lists what was filed for the enterprises that the caller sells for, the
// newest first.
func (s *Service) OwnLicences(ctx context.Context, caller identity.Caller, f LicenceFilter, p page.Request) (page.Of[Filing], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Filing], error) { return licences(ctx, tx, f, own(caller), p) })
}

// Licences lists what was filed for all enterprises, the newest first. For operators
// and auditors.
func (s *Service) Licences(ctx context.Context, f LicenceFilter, p page.Request) (page.Of[Filing], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Filing], error) { return licences(ctx, tx, f, nil, p) })
}

// Reverify says that an operator has verified an enterprise again, and what he looked
// at: 2 to 2000 characters, ErrChecked otherwise. The next time is due in six months.
// merchant.ErrState for one that has left, merchant.ErrOwn for who sells for it.
func (s *Service) Reverify(ctx context.Context, caller identity.Caller, m merchant.ID, checked string) (merchant.Merchant, error) {
	if err := caller.Must(identity.Operator); err != nil {
		return merchant.Merchant{}, err
	}
	if caller.SellsFor(m.UUID()) {
		return merchant.Merchant{}, merchant.ErrOwn
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(checked)); n < 2 || utf8.RuneCountInString(checked) > 2000 || !utf8.ValidString(checked) ||
		strings.ContainsRune(checked, 0) {
		return merchant.Merchant{}, ErrChecked.At("/checked", "length", "2 to 2000 characters")
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (merchant.Merchant, error) {
		held, err := merchant.Verified(ctx, tx, m)
		if err != nil {
			return held, err
		}
		if err := insertReverification(ctx, tx, held, caller.Account.UUID(), checked); err != nil {
			return held, err
		}
		return held, note(ctx, tx, caller, "standing.reverify", m, map[string]any{"checked": checked, "due_on": string(held.ReverificationDue)})
	})
}

// Reverifications lists the enterprises whose re-verification is overdue, or else due
// within 30 days, the most urgent first. For operators and auditors.
func (s *Service) Reverifications(ctx context.Context, late bool, p page.Request) (page.Of[Reverification], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Reverification], error) {
		from, to := merchant.DateOf(tx.Now), merchant.DateOf(tx.Now.AddDate(0, 0, soon))
		if late {
			from, to = ever, merchant.DateOf(tx.Now.AddDate(0, 0, -1))
		}
		return reverifications(ctx, tx, from, to, p)
	})
}

// Overdue is how many enterprises should have been verified again by now.
func (s *Service) Overdue(ctx context.Context) (int64, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (int64, error) { return overdue(ctx, tx) })
}

// RaiseAlerts tells of licences and verifications that end in 90, 30 or 7 days, or
// have ended: each threshold once, and of several that were passed since the last time
// only the nearest. It raises limit of them at most and returns how many it raised;
// any number of processes may call it at any time.
func (s *Service) RaiseAlerts(ctx context.Context, limit int) (int, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int, error) { return warn(ctx, tx, limit) })
}

// OwnAlerts lists the alerts of the enterprises that the caller sells for, the newest
// first.
func (s *Service) OwnAlerts(ctx context.Context, caller identity.Caller, f AlertFilter, p page.Request) (page.Of[Alert], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Alert], error) { return alertsOf(ctx, tx, f, own(caller), p) })
}

// Alerts lists the alerts of all enterprises, the newest first. For operators and
// auditors.
func (s *Service) Alerts(ctx context.Context, f AlertFilter, p page.Request) (page.Of[Alert], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Alert], error) { return alertsOf(ctx, tx, f, nil, p) })
}

// Acknowledge says that the enterprise has seen an alert; again changes nothing. One of
// an enterprise that the caller does not sell for is ErrAlert.
func (s *Service) Acknowledge(ctx context.Context, caller identity.Caller, alert AlertID) (Alert, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Alert, error) {
		a, first, err := acknowledge(ctx, tx, own(caller), alert, caller.Account.UUID())
		if err != nil || !first {
			return a, err
		}
		return a, note(ctx, tx, caller, "standing.acknowledge", a.Merchant, map[string]any{"alert": alert.String()})
	})
}

// AskToLeave tells the operators that an enterprise wishes to go; they let it go with
// merchant.Service.Leave. For who sells for it; another one is merchant.ErrUnknown.
// Who asks again gets the answer of before.
func (s *Service) AskToLeave(ctx context.Context, caller identity.Caller, m merchant.ID, reason string) (Alert, error) {
	if !caller.SellsFor(m.UUID()) {
		return Alert{}, merchant.ErrUnknown
	}
	if err := identity.CheckReason(reason); err != nil {
		return Alert{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Alert, error) {
		if _, err := with(ctx, tx, m); err != nil {
			return Alert{}, err
		}
		if a, err := wish(ctx, tx, m); !errors.Is(err, ErrAlert) {
			return a, err
		}
		if _, err := insertAlert(ctx, tx, alertRow{
			MerchantID: m.UUID(), Subject: string(OfLeaving), DueOn: merchant.DateOf(tx.Now).Time(),
		}); err != nil {
			return Alert{}, err
		}
		if err := note(ctx, tx, caller, "standing.ask_to_leave", m, map[string]any{"reason": reason}); err != nil {
			return Alert{}, err
		}
		return wish(ctx, tx, m)
	})
}

// own are the enterprises that the caller sells for: never nil, which would be all.
func own(caller identity.Caller) []uuid.UUID { return append([]uuid.UUID{}, caller.Merchants()...) }

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, m merchant.ID, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: operation, Object: "merchant:" + m.String(), Detail: detail,
	})
}
