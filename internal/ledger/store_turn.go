package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

type turnRow struct {
	Home         uuid.UUID
	Kind, What   string
	Into, Before bool
	SumLi, Count int64
}

// turns sums the moves into and out of the payables of homes, or of all for nil, that
// were booked before until. A move has its transfer's home, and so has its account.
func turns(ctx context.Context, tx *postgres.Tx, homes []uuid.UUID, from, until time.Time) ([]Turn, error) {
	rows, err := postgres.Rows[turnRow](ctx, tx, `SELECT t.home, t.kind, m.what, m.target = p.account AS into, t.at < ? AS before,
			sum(m.amount_li)::bigint AS sum_li, count(*) AS count
		FROM transfer t JOIN move m ON m.home = t.home AND m.transfer_id = t.id
		CROSS JOIN LATERAL (SELECT 'merchant:' || t.home::text || ':payable' AS account) p
		WHERE (? OR t.home = ANY(?::uuid[])) AND t.at < ? AND (m.source = p.account OR m.target = p.account)
		GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5`, from, homes == nil, postgres.Array(homes), until)
	if err != nil {
		return nil, fmt.Errorf("sum what was owed until %s: %w", until.Format(time.DateOnly), err)
	}
	all := make([]Turn, len(rows))
	for i, r := range rows {
		all[i] = Turn{r.Home, r.Kind, r.What, r.Into, r.Before, money.Li(r.SumLi), r.Count}
	}
	return all, nil
}

// grown is how much more the accounts with this prefix hold by moves of what, booked
// from from on and before until.
func grown(ctx context.Context, tx *postgres.Tx, prefix Account, what string, from, until time.Time) (money.Li, error) {
	r, err := postgres.Row[struct{ SumLi int64 }](ctx, tx, `SELECT coalesce(sum(
			CASE WHEN starts_with(m.target, ?) THEN m.amount_li ELSE 0 END - CASE WHEN starts_with(m.source, ?) THEN m.amount_li ELSE 0 END), 0)::bigint AS sum_li
		FROM transfer t JOIN move m ON m.home = t.home AND m.transfer_id = t.id
		WHERE t.at >= ? AND t.at < ? AND m.what = ?`, string(prefix), string(prefix), from, until, what)
	if err != nil {
		return 0, fmt.Errorf("sum %s of %s: %w", what, prefix, err)
	}
	return money.Li(r.SumLi), nil
}

// touching are the transfers of a home that move what its merchant is owed, oldest
// first, after that id. Ids sort as the times at which they were made, so that the
// primary key finds a period; at, which they follow, decides.
func touching(ctx context.Context, tx *postgres.Tx, home uuid.UUID, from, until time.Time, after uuid.UUID, limit int) ([]Entry, error) {
	if first := id.New[Transfer](from).UUID(); after == uuid.Nil {
		copy(after[:8], first[:8])
	}
	rows, err := postgres.Rows[entryRow](ctx, tx, `SELECT `+entryColumns+` FROM (
			SELECT x.* FROM transfer x WHERE x.home = ? AND x.id > ? AND x.at >= ? AND x.at < ?
				AND EXISTS (SELECT FROM move y WHERE y.home = x.home AND y.transfer_id = x.id AND ? IN (y.source, y.target))
			ORDER BY x.id LIMIT ?) t
		JOIN move m ON m.home = t.home AND m.transfer_id = t.id ORDER BY t.id, m.n`,
		home, after, from, until, string(Payable(home)), limit)
	if err != nil {
		return nil, fmt.Errorf("read the transfers of %s: %w", home, err)
	}
	return gather(rows), nil
}

// Turns are the sums of what went into and out of the payables of homes, or of all for
// nil, before until, split at from.
func Turns(ctx context.Context, tx *postgres.Tx, homes []uuid.UUID, from, until time.Time) ([]Turn, error) {
	return turns(ctx, tx, homes, from, until)
}

// Grown is how much more the accounts below prefix hold by moves of what, from from on
// and before until.
func Grown(ctx context.Context, tx *postgres.Tx, prefix Account, what string, from, until time.Time) (money.Li, error) {
	return grown(ctx, tx, prefix, what, from, until)
}

// Touching are up to limit transfers of a home that move what its merchant is owed, from
// from on and before until, oldest first, after the given one (zero: from the first).
func Touching(ctx context.Context, tx *postgres.Tx, home uuid.UUID, from, until time.Time, after id.Of[Transfer], limit int) ([]Entry, error) {
	return touching(ctx, tx, home, from, until, after.UUID(), limit)
}
