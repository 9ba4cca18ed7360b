package ledger

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
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

// newLeaves is how many of the last leaves Unaccounted looks at.
const newLeaves = 5000

// Unaccounted is how many transfers booked within the last while have no leaf, waiting or
// numbered, and how many of the last leaves have no transfer. In a sound book it is 0 at every
// moment; Check looks at all of it.
func Unaccounted(ctx context.Context, db *postgres.DB, within time.Duration) (int64, error) {
	return postgres.Read(ctx, db, func(tx *postgres.Tx) (int64, error) {
		var since uuid.UUID
		first := id.New[Transfer](tx.Now.Add(-within)).UUID()
		copy(since[:8], first[:8])
		return unaccounted(ctx, tx, since, newLeaves)
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
	if err := byKey(ctx, tx, true); err != nil {
		return err
	}
	var home, after uuid.UUID
	for {
		rows, err := bookPage(ctx, tx, home, after)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return byKey(ctx, tx, false)
		}
		for _, row := range rows {
			r.transfer(row)
		}
		home, after = rows[len(rows)-1].Home, rows[len(rows)-1].ID
		if r.watch != nil {
			r.watch(r.Transfers, all)
		}
	}
}

// transfer holds one transfer against its digest and its leaf.
func (r *Report) transfer(row bookRow) {
	r.Transfers++
	r.Moves += int64(len(row.moves))
	if len(row.moves) == 0 {
		r.differ("transfer %s of %s: its digest is of %d moves, and it has none", row.ID, row.Home, row.Moves)
		return
	}
	e, counted := row.entry()
	if digest := e.digest(); !counted || len(row.moves) != row.Moves || !bytes.Equal(digest[:], row.Digest) {
		r.differ("transfer %s of %s: its moves are not those of its digest", row.ID, row.Home)
	}
	leaf, err := e.Leaf()
	switch {
	case err != nil:
		r.differ("transfer %s of %s has no leaf: %v", row.ID, row.Home, err)
	case row.Leaf == nil:
		r.differ("transfer %s of %s: its leaf is neither in the log nor waiting for it", row.ID, row.Home)
	case !bytes.Equal(leaf, row.Leaf):
		r.differ("transfer %s of %s: its leaf in the log says something else", row.ID, row.Home)
	}
}
