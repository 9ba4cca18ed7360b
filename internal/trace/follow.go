package trace

import (
	"bytes"
	"context"
	"fmt"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Follower writes down the position of every move into and out of the queue, as the log
// numbers it: it follows the log's sequencer, in the sequencer's transaction.
type Follower struct{}

// Integrated gives the entries their positions. Entries from before there were positions
// come first: that is one long transaction, once.
func (Follower) Integrated(ctx context.Context, tx *postgres.Tx, entries []transparency.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	q, err := queue(ctx, tx)
	if err != nil {
		return err
	}
	for first := entries[0].Index; q.Leaves < first; {
		earlier, err := transparency.Entries(ctx, tx, q.Leaves, int(min(transparency.Batch, first-q.Leaves)))
		if err != nil {
			return err
		}
		if len(earlier) == 0 {
			return fmt.Errorf("%w: the log lacks entry %d", verify.ErrOrder, q.Leaves)
		}
		if err := write(ctx, tx, &q, earlier); err != nil {
			return err
		}
	}
	return write(ctx, tx, &q, entries)
}

// write gives the next entries of the log their positions.
func write(ctx context.Context, tx *postgres.Tx, q *verify.Queue, entries []transparency.Entry) error {
	positions, err := advance(q, entries)
	if err != nil {
		return err
	}
	return save(ctx, tx, *q, positions)
}

// advance adds the next entries to a queue.
func advance(q *verify.Queue, entries []transparency.Entry) ([]Position, error) {
	var positions []Position
	for _, e := range entries {
		l, err := read(e.Leaf)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.Index, err)
		}
		found, err := q.Add(e.Index, l)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			p.Home, p.Ref = "", ""
			positions = append(positions, Position{Position: p, Home: e.Home, Transfer: e.Transfer})
		}
	}
	return positions, nil
}

// read parses a leaf that may move what is in the queue. Most do not: they are not parsed,
// and count as leaves without moves.
func read(leaf []byte) (verify.Leaf, error) {
	if !bytes.Contains(leaf, []byte(fund.Free)) && !bytes.Contains(leaf, []byte(verify.Committed)) {
		return verify.Leaf{}, nil
	}
	return verify.ParseLeaf(leaf)
}
