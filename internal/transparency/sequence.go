package transparency

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Append queues leaves as part of tx, in one statement: they will be in the log
// if and only if tx commits.
func Append(ctx context.Context, tx *postgres.Tx, leaves []Pending) error {
	if len(leaves) == 0 {
		return nil
	}
	return queue(ctx, tx, leaves)
}

// Sequence numbers up to Batch waiting leaves and signs the tree that they make.
// It returns how many. Any number of callers may call it at any time: the lock
// on log_state lets one work at a time. It is the reader of a queue and not of
// a sequence of ids, so a transaction that commits late is merely numbered late.
// ErrFork stops it before anything is numbered.
func (s *Service) Sequence(ctx context.Context) (int, error) {
	// What a crash left unsigned is signed first; a fork shows itself here.
	if s.unsigned.Load() {
		if err := s.Sign(ctx); err != nil {
			return 0, err
		}
	}
	some, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (int64, error) { return waiting(ctx, tx, 1) })
	if err != nil || some == 0 {
		return 0, err
	}
	s.unsigned.Store(true)
	n, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int, error) { return s.integrate(ctx, tx) })
	if err != nil {
		return 0, err
	}
	return n, s.Sign(ctx)
}

// Drain calls Sequence until the queue has been emptied once, and returns how
// many leaves were numbered. It does not run after leaves that come meanwhile: each
// signature waits for the disk, and a hundred small ones would slow the shop down.
func (s *Service) Drain(ctx context.Context) (int, error) {
	for all := 0; ; {
		n, err := s.Sequence(ctx)
		all += n
		if n < Batch || err != nil {
			return all, err
		}
	}
}

// integrate is the sequencer's transaction.
func (s *Service) integrate(ctx context.Context, tx *postgres.Tx) (int, error) {
	if err := becomeSequencer(ctx, tx); err != nil {
		return 0, err
	}
	old, err := state(ctx, tx, s.Origin(), true)
	if err != nil {
		return 0, err
	}
	taken, err := drain(ctx, tx, Batch)
	if err != nil || len(taken) == 0 {
		return 0, err
	}
	slices.SortFunc(taken, func(a, b pendingRow) int {
		return cmp.Or(a.QueuedAt.Compare(b.QueuedAt), bytes.Compare(a.TransferID[:], b.TransferID[:]))
	})
	entries, leaves := make([]Entry, len(taken)), make([][]byte, len(taken))
	for i, p := range taken {
		entries[i] = Entry{Index: old.Size + int64(i), Home: p.Home, Transfer: p.TransferID, Leaf: p.Leaf}
		leaves[i] = p.Leaf
	}
	tiles, err := tilesAt(ctx, tx, edge(old.Size))
	if err != nil {
		return 0, err
	}
	root, changed, err := grow(old.Size, tiles, leaves)
	if err != nil {
		return 0, err
	}
	grown := verify.Checkpoint{Origin: s.Origin(), Size: old.Size + int64(len(entries)), Root: root}
	if err := insert(ctx, tx, entries, changed, grown); err != nil {
		return 0, err
	}
	for _, f := range s.followers {
		if err := f.Integrated(ctx, tx, entries); err != nil {
			return 0, fmt.Errorf("follow %d entries: %w", len(entries), err)
		}
	}
	return len(entries), nil
}

// Sign signs the tree as it stands, if that has not been done. Before the
// signature exists, what is signed stands in a file outside the database: a database
// that is later restored from an older backup cannot make a second tree be signed
// (ErrFork).
func (s *Service) Sign(ctx context.Context) error {
	err := postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		if err := becomeSequencer(ctx, tx); err != nil {
			return err
		}
		now, err := state(ctx, tx, s.Origin(), true)
		if err != nil {
			return err
		}
		last, known, err := newest(ctx, tx, s.signer.VKey)
		if err != nil {
			return err
		}
		head, noted, err := s.head.Read()
		if err != nil {
			return err
		}
		if err := s.extends(ctx, tx, now, last, known, head, noted); err != nil {
			return err
		}
		if known && last.Size == now.Size {
			return s.head.Write(now)
		}
		if err := s.head.Write(now); err != nil {
			return err
		}
		signed, err := s.signer.Checkpoint(now)
		if err != nil {
			return err
		}
		return insertCheckpoint(ctx, tx, s.signer.VKey, now, signed)
	})
	if err == nil {
		s.unsigned.Store(false)
	}
	return err
}

// extends refuses a tree that does not extend everything we know to be signed:
// the newest checkpoint in the database, and the one in the file.
func (s *Service) extends(ctx context.Context, tx *postgres.Tx, now verify.Checkpoint, last checkpointRow, known bool, head verify.Checkpoint, noted bool) error {
	var signed []verify.Checkpoint
	if noted {
		signed = append(signed, head)
	}
	if known && (!noted || last.Size != head.Size || !bytes.Equal(last.Root, head.Root[:])) {
		signed = append(signed, stateRow{last.Size, last.Root}.checkpoint(s.Origin()))
	}
	for _, older := range signed {
		if older.Size > now.Size {
			return fmt.Errorf("%w: %d leaves were signed, the database has %d", ErrFork, older.Size, now.Size)
		}
		path, err := consistency(ctx, tx, older.Size, now.Size)
		if err != nil {
			return err
		}
		if err := verify.Consistent(older, now, path); err != nil {
			return errors.Join(ErrFork, err)
		}
	}
	return nil
}

// consistency is the proof that the tree of one size extends that of another.
func consistency(ctx context.Context, tx *postgres.Tx, older, newer int64) (tlog.TreeProof, error) {
	if older == 0 || older == newer {
		return nil, nil
	}
	var path tlog.TreeProof
	err := reading(ctx, tx, func(r tlog.HashReader) (err error) {
		path, err = tlog.ProveTree(newer, older, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prove that %d leaves extend %d: %w", newer, older, err)
	}
	return path, nil
}
