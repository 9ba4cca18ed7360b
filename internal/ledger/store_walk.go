package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// ErrUnknown says that the book has no transfer of this id.
var ErrUnknown = fault.New(fault.NotFound, "ledger.not_found", "There is no such transfer", "账簿中没有这笔分录")

// Span is a part of the book: from From on and before Until, and of that, where they are
// not "", what touches Account, and what is of Kind.
type Span struct {
	From, Until time.Time
	Account     Account
	Kind        string
}

// Place is where a transfer stands in the order of the book: by time, home and id.
type Place struct {
	At       time.Time
	Home, ID uuid.UUID
}

// Numbered is an entry with the number of its leaf in the log; −1 while it waits for one.
type Numbered struct {
	Entry
	Index int64
}

// Place is where the entry stands.
func (n Numbered) Place() Place { return Place{n.At, n.Home, n.ID.UUID()} }

// Turnover is an account over a period, in li.
type Turnover struct {
	Account          Account
	Opening, In, Out money.Li
}

// Closing is what the account holds at the end.
func (t Turnover) Closing() money.Li { return t.Opening + t.In - t.Out }

// numberedRow is a move of a transfer, with the number of its leaf.
type numberedRow struct {
	Entry entryRow `gorm:"embedded"`
	Index *int64
}

// Walk are up to limit transfers of a part of the book, in its order, after a place (zero:
// from the first).
func Walk(ctx context.Context, tx *postgres.Tx, s Span, after Place, limit int) ([]Numbered, error) {
	if after.At.Before(s.From) {
		after = Place{At: s.From}
	}
	rows, err := postgres.Rows[numberedRow](ctx, tx, `SELECT `+entryColumns+`, e.index FROM (
			SELECT * FROM transfer x WHERE (x.at, x.home, x.id) > (?, ?, ?) AND x.at < ? AND (? = '' OR x.kind = ?)
				AND (? = '' OR EXISTS (SELECT FROM move y WHERE y.home = x.home AND y.transfer_id = x.id AND ? IN (y.source, y.target)))
			ORDER BY x.at, x.home, x.id LIMIT ?) t
		JOIN move m ON m.home = t.home AND m.transfer_id = t.id
		LEFT JOIN log_entry e ON e.home = t.home AND e.transfer_id = t.id
		ORDER BY t.at, t.home, t.id, m.n`,
		after.At, after.Home, after.ID, s.Until, s.Kind, s.Kind, string(s.Account), string(s.Account), limit)
	if err != nil {
		return nil, fmt.Errorf("read the book from %s on: %w", after.At.Format(time.RFC3339), err)
	}
	return number(rows), nil
}

// Every calls f for each transfer of a part of the book, in its order; a page at a time is in memory.
func Every(ctx context.Context, tx *postgres.Tx, s Span, f func(Numbered) error) error {
	for after := (Place{}); ; {
		all, err := Walk(ctx, tx, s, after, checkPage)
		if err != nil || len(all) == 0 {
			return err
		}
		for _, n := range all {
			if err := f(n); err != nil {
				return err
			}
		}
		after = all[len(all)-1].Place()
	}
}

// ByID is one transfer. ErrUnknown.
func ByID(ctx context.Context, tx *postgres.Tx, tid id.Of[Transfer]) (Numbered, error) {
	raw := tid.UUID() // which begins with the milliseconds of its time (RFC 9562 §5.7)
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(raw[:8]) >> 16)).UTC()
	rows, err := postgres.Rows[numberedRow](ctx, tx, `SELECT `+entryColumns+`, e.index FROM transfer t
		JOIN move m ON m.home = t.home AND m.transfer_id = t.id
		LEFT JOIN log_entry e ON e.home = t.home AND e.transfer_id = t.id
		WHERE t.at >= ? AND t.at < ? AND t.id = ? ORDER BY t.home, m.n`, made, made.Add(time.Millisecond), raw)
	if err != nil {
		return Numbered{}, fmt.Errorf("read transfer %s: %w", tid, err)
	}
	if len(rows) == 0 {
		return Numbered{}, ErrUnknown
	}
	return number(rows)[0], nil
}

func number(rows []numberedRow) []Numbered {
	flat, index := make([]entryRow, len(rows)), make(map[uuid.UUID]int64, len(rows))
	for i, r := range rows {
		flat[i] = r.Entry
		if r.Index != nil {
			index[r.Entry.ID] = *r.Index
		}
	}
	entries := gather(flat)
	all := make([]Numbered, len(entries))
	for i, e := range entries {
		n, numbered := index[e.ID.UUID()]
		if !numbered {
			n = -1
		}
		all[i] = Numbered{e, n}
	}
	return all
}

type turnoverRow struct {
	Account                string
	OpeningLi, InLi, OutLi int64
}

// Trial is the trial balance of a period: every account that held something at its
// beginning or moved in it, by name. The openings sum to zero, and so do the closings.
func Trial(ctx context.Context, tx *postgres.Tx, from, until time.Time) ([]Turnover, error) {
	return turnovers(ctx, tx, time.Time{}, from, until)
}

// TrialAfter is the trial balance of the period that follows another until a time, of which it takes
// the closings: what was booked before is not read again.
func TrialAfter(ctx context.Context, tx *postgres.Tx, last []Turnover, from, until time.Time) ([]Turnover, error) {
	moved, err := turnovers(ctx, tx, from, from, until)
	if err != nil {
		return nil, err
	}
	of := make(map[Account]Turnover, len(last)+len(moved))
	for _, t := range last {
		if c := t.Closing(); c != 0 {
			of[t.Account] = Turnover{Account: t.Account, Opening: c}
		}
	}
	for _, t := range moved {
		t.Opening = of[t.Account].Opening
		of[t.Account] = t
	}
	return slices.SortedFunc(maps.Values(of), func(a, b Turnover) int { return strings.Compare(string(a.Account), string(b.Account)) }), nil
}

// turnovers reads what was booked since a time.
func turnovers(ctx context.Context, tx *postgres.Tx, since, from, until time.Time) ([]Turnover, error) {
	rows, err := postgres.Rows[turnoverRow](ctx, tx, `
		WITH moved AS (
			SELECT t.at < ? AS before, m.source, m.target, sum(m.amount_li) AS li
			FROM transfer t JOIN move m ON m.home = t.home AND m.transfer_id = t.id WHERE t.at >= ? AND t.at < ? GROUP BY 1, 2, 3),
		sides AS (
			SELECT target AS account, before, li AS in_li, 0 AS out_li FROM moved
			UNION ALL SELECT source, before, 0, li FROM moved)
		SELECT account, coalesce(sum(in_li - out_li) FILTER (WHERE before), 0)::bigint AS opening_li,
			coalesce(sum(in_li) FILTER (WHERE NOT before), 0)::bigint AS in_li, coalesce(sum(out_li) FILTER (WHERE NOT before), 0)::bigint AS out_li
		FROM sides GROUP BY account
		HAVING coalesce(sum(in_li - out_li) FILTER (WHERE before), 0) <> 0 OR bool_or(NOT before)
		ORDER BY account COLLATE "C"`, from, since, until)
	if err != nil {
		return nil, fmt.Errorf("balance the book until %s: %w", until.Format(time.RFC3339), err)
	}
	all := make([]Turnover, len(rows))
	var opening, closing money.Li
	for i, r := range rows {
		all[i] = Turnover{Account(r.Account), money.Li(r.OpeningLi), money.Li(r.InLi), money.Li(r.OutLi)}
		opening, closing = opening+all[i].Opening, closing+all[i].Closing()
	}
	if opening != 0 || closing != 0 {
		return nil, errors.New("the book does not balance")
	}
	return all, nil
}
