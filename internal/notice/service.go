package notice

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/courier"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Service keeps inboxes and sends messages.
type Service struct {
	db  *postgres.DB
	via []courier.Notifier
}

// New makes a Service whose messages leave by via, at most one for each channel.
// What is for a channel without one waits.
func New(db *postgres.DB, via ...courier.Notifier) *Service { return &Service{db, via} }

// delivery is a message to be made.
type delivery struct {
	account, notice uuid.UUID
	channel         Channel
	topic           Topic
}

// Post tells people of events, as part of tx: each account once, however often the
// same is posted. Who has no account is told nothing. It sends nothing; a sweep does.
func Post(ctx context.Context, tx *postgres.Tx, notices ...Event) error {
	if len(notices) == 0 {
		return nil
	}
	var accounts, merchants []uuid.UUID
	for _, n := range notices {
		if n.To.merchant != uuid.Nil {
			merchants = append(merchants, n.To.merchant)
		} else {
			accounts = append(accounts, n.To.account)
		}
	}
	all, err := reached(ctx, tx, accounts, merchants)
	if err != nil {
		return err
	}
	ways := make(map[uuid.UUID][]Channel)
	for _, r := range all {
		ways[r.AccountID] = r.channels()
	}
	rows, err := rowsFor(tx, notices, all)
	if err != nil || len(rows) == 0 {
		return err
	}
	fresh, err := insertNotices(ctx, tx, rows)
	if err != nil {
		return err
	}
	var out []delivery
	for _, n := range fresh {
		for _, c := range ways[n.AccountID] {
			out = append(out, delivery{n.AccountID, n.ID, c, Kind(n.Kind).Topic()})
		}
	}
	return insertDeliveries(ctx, tx, out)
}

// rowsFor are the rows of the notices, one for each account that is meant.
func rowsFor(tx *postgres.Tx, notices []Event, all []reachedRow) ([]noticeRow, error) {
	var rows []noticeRow
	for _, n := range notices {
		params, err := n.check()
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			if r.MerchantID == n.To.merchant && (n.To.account == uuid.Nil || n.To.account == r.AccountID) {
				rows = append(rows, noticeRow{
					AccountID: r.AccountID, ID: id.New[Notice](tx.Now).UUID(), Key: n.key(), Kind: string(n.Kind), Params: params,
				})
			}
		}
	}
	return rows, nil
}

// channels are those by which an account can be reached beside its inbox.
func (r reachedRow) channels() []Channel {
	out := []Channel{WeChat}
	if r.Email {
		out = append(out, Email)
	}
	if r.Phone {
		out = append(out, SMS)
	}
	return out
}

// Tell is Post in a transaction of its own.
func (s *Service) Tell(ctx context.Context, notices ...Event) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return Post(ctx, tx, notices...) })
}

// Notices lists the caller's own, newest first, all or only those that are unread.
func (s *Service) Notices(ctx context.Context, caller identity.Caller, unread bool, p page.Request) (page.Of[Notice], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Notice], error) { return list(ctx, tx, caller.Account, unread, p) })
}

// Read says that the caller has read a notice; again, it stays read since the first
// time. ErrUnknown.
func (s *Service) Read(ctx context.Context, caller identity.Caller, notice ID) (Notice, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Notice, error) { return markRead(ctx, tx, caller.Account, notice) })
}

// ReadAll says that the caller has read all of his notices, and returns how many were
// unread.
func (s *Service) ReadAll(ctx context.Context, caller identity.Caller) (int64, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int64, error) { return markAllRead(ctx, tx, caller.Account) })
}

// Preferences are by which channels the caller hears of which topics: each pair once.
func (s *Service) Preferences(ctx context.Context, caller identity.Caller) ([]Preference, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]Preference, error) { return chosen(ctx, tx, caller.Account) })
}

// Prefer lets the caller hear of a topic by a channel, or no longer, from now on, and
// returns all that holds. ErrPreference, or ErrFixed.
func (s *Service) Prefer(ctx context.Context, caller identity.Caller, p Preference) ([]Preference, error) {
	if err := checkPreference(p); err != nil {
		return nil, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) ([]Preference, error) {
		if !preset(p.Topic, p.Channel).Fixed {
			if err := savePreference(ctx, tx, caller.Account, p); err != nil {
				return nil, err
			}
		}
		return chosen(ctx, tx, caller.Account)
	})
}

func chosen(ctx context.Context, tx *postgres.Tx, account identity.ID) ([]Preference, error) {
	rows, err := preferences(ctx, tx, account)
	if err != nil {
		return nil, err
	}
	var out []Preference
	for _, t := range Topics() {
		for _, c := range Channels() {
			p := preset(t, c)
			for _, r := range rows {
				if r.Topic == string(t) && r.Channel == string(c) && !p.Fixed {
					p.Enabled = r.Enabled
				}
			}
			out = append(out, p)
		}
	}
	return out, nil
}

// attempt is one message that is to be sent now.
type attempt struct {
	notice  Notice
	number  int       // from 1
	until   time.Time // of its lease
	message courier.Message
}

// lease is how long an attempt belongs to who claimed it. It outlives the attempt.
const lease = 2 * courier.Limit

// atOnce is how many messages of a channel one process has under way.
const atOnce = 8

// Deliver sends what is due on all channels and returns how many attempts it made.
// Any number of processes may do so at once: a message is leased to one of them. One
// that dies loses its leases after a minute, and the message is sent again with the
// same ID: see courier.Notifier for what that means on which channel.
func (s *Service) Deliver(ctx context.Context) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result)
	for _, via := range s.via {
		go func() {
			n, err := s.drain(ctx, via)
			done <- result{n, err}
		}()
	}
	sum := 0
	var errs []error
	for range s.via {
		r := <-done
		sum += r.n
		errs = append(errs, r.err)
	}
	return sum, errors.Join(errs...)
}

// drain sends all that is due on one channel.
func (s *Service) drain(ctx context.Context, via courier.Notifier) (sum int, err error) {
	for {
		due, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) ([]attempt, error) { return claim(ctx, tx, via.Channel(), atOnce) })
		if err != nil || len(due) == 0 {
			return sum, err
		}
		done := make(chan error, len(due))
		for _, a := range due {
			go func() { done <- s.try(ctx, via, a) }()
		}
		var errs []error
		for range due {
			errs = append(errs, <-done)
		}
		sum += len(due)
		if err := errors.Join(errs...); err != nil {
			return sum, err
		}
	}
}

// try sends one message, with no transaction open, and then writes down what came of
// it. What goes wrong with the message is no error.
func (s *Service) try(ctx context.Context, via courier.Notifier, a attempt) error {
	err := errNoAddress
	if a.message.To != "" {
		limited, cancel := context.WithTimeout(ctx, courier.Limit)
		err = via.Send(limited, a.message)
		cancel()
	}
	if ctx.Err() != nil {
		return fmt.Errorf("message %s: %w", a.message.ID, ctx.Err())
	}
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		return record(ctx, tx, a, after(err, a.number, tx.Now, rand.Float64()))
	})
}

// Forget drops up to limit notices that were kept long enough.
func (s *Service) Forget(ctx context.Context, limit int) (int, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int, error) { return forget(ctx, tx, limit) })
}

// ForgetFiles drops messages that were written into files long enough ago, and returns
// how many days of them.
func (s *Service) ForgetFiles(context.Context) (int, error) {
	n := 0
	var errs []error
	for _, via := range s.via {
		if f, ok := via.(courier.Files); ok {
			days, err := f.Forget(s.db.Now())
			n, errs = n+days, append(errs, err)
		}
	}
	return n, errors.Join(errs...)
}
