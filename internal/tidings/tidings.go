// Package tidings finds what people are to be told of that is not told by the event itself:
// parcels, refunds and payouts, which move thousands at a time, and days that draw near.
// It looks at what is, so that nothing is lost when a process dies, and posts notices for
// what nobody was told of yet; the notice itself is the mark that somebody was.
package tidings

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// recent is how long people are told of what has happened: far longer than a worker is
// away, and shorter than notices are kept.
const recent = 7 * 24 * time.Hour

// How long before a day people are reminded of it.
const (
	beforeReceipt = 3 * 24 * time.Hour
	beforeExpiry  = 7 * 24 * time.Hour
)

// How an enterprise's day is told of.
const (
	morning = 8 * time.Hour       // what is to be shipped is told from then on, in the county
	evening = 20 * time.Hour      // and not after that
	settles = 5 * time.Minute     // the payouts of a day are told so long after its end
	overdue = 30 * 24 * time.Hour // what was to be shipped longer ago is told no more
)

// Service tells people.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db} }

// source finds up to limit things that somebody is to be told of and was not. Each has a
// recipient with an account: what was posted is not found again.
type source func(ctx context.Context, tx *postgres.Tx, limit int) ([]notice.Event, error)

// Tell tells buyers of parcels, receipts and refunds, and enterprises of payouts that
// failed or were taken back: each once, in batches of limit, in four statements a batch
// beside what begins and ends it. It returns how many things it told of.
func (s *Service) Tell(ctx context.Context, limit int) (int, error) {
	return s.each(ctx, limit, map[string]source{
		"parcels": shipped, "deliveries": delivered, "receipts": received, "refunds": refunded, "failed payouts": failedPayouts, "reversals": reversed,
	})
}

// Remind tells of days that draw near, and once a day of what is to be shipped and what
// was paid out. It returns how many things it told of.
func (s *Service) Remind(ctx context.Context, limit int) (int, error) {
	return s.each(ctx, limit, map[string]source{
		"receipts to come": receivedSoon, "vouchers": expiring, "orders to ship": toShip, "payouts": paidOut,
	})
}

// each posts what the sources find. One of them holds up none.
func (s *Service) each(ctx context.Context, limit int, all map[string]source) (int, error) {
	sum := 0
	var errs []error
	for what, find := range all {
		for n := limit; n == limit; sum += n {
			found, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]notice.Event, error) { return find(ctx, tx, limit) })
			n = len(found)
			if err == nil && n > 0 {
				err = postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return notice.Post(ctx, tx, found...) })
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("tell of %s: %w", what, err))
				break
			}
		}
	}
	return sum, errors.Join(errs...)
}

// counts is when an order counts as received whose last piece left then.
func counts(shipped time.Time) string {
	return string(merchant.DateOf(shipped.Add(fulfilment.ReceivedAfter)))
}

// midnight is when the county's day of t began.
func midnight(t time.Time) time.Time {
	county := time.FixedZone("Asia/Shanghai", 8*60*60)
	y, m, d := t.In(county).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, county).UTC()
}
