package report

import (
	"context"
	"time"

	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
)

// Service answers for the yearly account.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db} }

// Impact is the account of a year, in figures of one moment. Public.
func (s *Service) Impact(ctx context.Context, year int) (Impact, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Impact, error) { return Of(ctx, tx, year) })
}

// Of is the account of a year as part of tx: figures of one moment where tx is a View.
func Of(ctx context.Context, tx *postgres.Tx, year int) (Impact, error) {
	i := Impact{Year: year}
	from, until := bounds(year)
	if err := sold(ctx, tx, &i, from, until); err != nil {
		return i, err
	}
	if err := moved(ctx, tx, &i, from, until); err != nil {
		return i, err
	}
	if err := linked(ctx, tx, &i, from, until); err != nil {
		return i, err
	}
	if err := projects(ctx, tx, &i, from, until); err != nil {
		return i, err
	}
	var err error
	if i.OtherMoney, err = programme.OtherTotal(ctx, tx); err != nil {
		return i, err
	}
	entries, err := assistance.All(ctx, tx, year)
	i.sort(entries)
	return i, err
}

// bounds are the first moment of a year in Asia/Shanghai, and that of the next.
func bounds(year int) (from, until time.Time) {
	const east = 8 * time.Hour // since 1991 there is no summer time
	first := func(year int) time.Time { return time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC).Add(-east) }
	return first(year), first(year + 1)
}
