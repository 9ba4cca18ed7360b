package ledger

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Report is what Check found.
type Report struct {
	Transfers, Moves int64
	Differences      []string // what does not agree; at most maxDifferences, empty for a good book
}

// maxDifferences bounds a report: whoever reads it wants the first ones.
const maxDifferences = 100

// Check recomputes the book from its moves, all at one moment: that each
// transfer has the moves that it was made with, that each leaf of the log says
// what its transfer says, that no numbered leaf lacks its transfer, and that the
// sums by account and by flow are those of the moves.
func Check(ctx context.Context, db *postgres.DB) (Report, error) {
	return postgres.View(ctx, db, func(tx *postgres.Tx) (Report, error) {
		var r Report
		if err := r.transfers(ctx, tx); err != nil {
			return r, err
		}
		lost, err := orphans(ctx, tx, maxDifferences)
		if err != nil {
			return r, err
		}
		for _, index := range lost {
			r.differ("leaf %d of the log has no transfer in the book", index)
		}
		sums, err := differingSums(ctx, tx)
		for _, s := range sums {
			r.differ("%s: the moves sum to %d, the roll-up says %d", s.Name, s.Moved, s.Rolled)
		}
		return r, err
	})
}

func (r *Report) differ(format string, args ...any) {
	if len(r.Differences) < maxDifferences {
		r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
	}
}

// transfers walks the whole book, a page at a time.
func (r *Report) transfers(ctx context.Context, tx *postgres.Tx) error {
	var after struct{ home, id uuid.UUID }
	for {
		rows, err := bookPage(ctx, tx, after.home, after.id)
		if err != nil || len(rows) == 0 {
			return err
		}
		for len(rows) > 0 {
			n := 1
			for n < len(rows) && rows[n].ID == rows[0].ID {
				n++
			}
			r.transfer(rows[:n])
			after.home, after.id, rows = rows[0].Home, rows[0].ID, rows[n:]
		}
	}
}

// transfer holds one transfer, given as its moves, against its digest and its leaf.
func (r *Report) transfer(rows []bookRow) {
	first := rows[0]
	r.Transfers++
	if first.What == nil {
		r.differ("transfer %s of %s: its digest is of %d moves, and it has none", first.ID, first.Home, first.Moves)
		return
	}
	r.Moves += int64(len(rows))
	flat := make([]entryRow, len(rows))
	for i, row := range rows {
		flat[i] = row.entry()
	}
	e := gather(flat)[0]
	if digest := e.digest(); len(rows) != first.Moves || !bytes.Equal(digest[:], first.Digest) {
		r.differ("transfer %s of %s: its moves are not those of its digest", first.ID, first.Home)
	}
	leaf, err := e.Leaf()
	switch {
	case err != nil:
		r.differ("transfer %s of %s has no leaf: %v", first.ID, first.Home, err)
	case first.Leaf == nil:
		r.differ("transfer %s of %s: its leaf is neither in the log nor waiting for it", first.ID, first.Home)
	case !bytes.Equal(leaf, first.Leaf):
		r.differ("transfer %s of %s: its leaf in the log says something else", first.ID, first.Home)
	}
}
