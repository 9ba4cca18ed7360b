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
	watch            func(done, of int64)
}

// maxDifferences bounds a report: whoever reads it wants the first ones.
const maxDifferences = 100

// Check recomputes the book from its moves, all at one moment: that each
// transfer has the moves that it was made with, that each leaf of the log says
// what its transfer says, that no numbered leaf and no move lacks its transfer, and that the
// sums by account and by flow are those of the moves.
func Check(ctx context.Context, db *postgres.DB) (Report, error) { return CheckWatched(ctx, db, nil) }

// CheckWatched is Check that tells watch now and then how many of so many transfers it has read.
func CheckWatched(ctx context.Context, db *postgres.DB, watch func(done, of int64)) (Report, error) {
	return postgres.View(ctx, db, func(tx *postgres.Tx) (Report, error) {
		r := Report{watch: watch}
		if err := r.transfers(ctx, tx); err != nil {
			return r, err
		}
		lost, err := orphans(ctx, tx, maxDifferences)
		if err != nil {
			return r, err
		}
		for _, l := range lost {
			r.differ("leaf %d of the log has no transfer %s in the book", l.Index, l.TransferID)
		}
		stray, err := strays(ctx, tx, maxDifferences)
		if err != nil {
			return r, err
		}
		for _, m := range stray {
			r.differ("move %d of transfer %s: there is no such transfer", m.N, m.TransferID)
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
	all, err := countTransfers(ctx, tx)
	if err != nil {
		return err
	}
	var after struct{ home, id uuid.UUID }
	for {
		rows, err := bookPage(ctx, tx, after.home, after.id)
		if err != nil || len(rows) == 0 {
			return err
		}
		if r.watch != nil {
			r.watch(r.Transfers, all)
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
	ordered := true
	for i, row := range rows {
		flat[i], ordered = row.entry(), ordered && row.N == i+1
	}
	e := gather(flat)[0]
	if digest := e.digest(); !ordered || len(rows) != first.Moves || !bytes.Equal(digest[:], first.Digest) {
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
