package transparency

import (
	"context"
	"errors"
	"fmt"
	"math"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Audit is what Check found.
type Audit struct {
	Checkpoint verify.Checkpoint // the newest signed one
	Totals     verify.Totals     // over all leaves that have a number
	Unsigned   int64             // leaves with a number that no checkpoint covers yet
	Waiting    int64             // leaves without a number
}

// Check walks the whole log as a stranger would: every checkpoint's signature,
// every entry, every tile, all roots, the tenth in every leaf; that the tree in the
// database extends what was signed; and that there is nothing beside it. All contradictions
// are in the error, by index or path, with what was found so far.
func (s *Service) Check(ctx context.Context) (Audit, error) { return s.CheckWatched(ctx, nil) }

// CheckWatched is Check that tells watch now and then how many of so many entries it has read.
func (s *Service) CheckWatched(ctx context.Context, watch func(done, of int64)) (Audit, error) {
	// Before the database is looked at: the file is written ahead of it.
	head, noted, err := s.head.Read()
	if err != nil {
		return Audit{}, err
	}
	c := checking{s: s, watch: watch}
	err = c.run(ctx, head, noted)
	return c.Audit, errors.Join(append(c.faults, err)...)
}

// checking is one run of Check.
type checking struct {
	Audit
	s      *Service
	watch  func(done, of int64)
	faults []error
}

func (c *checking) found(format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf(format, args...))
}

// run checks the log at one moment.
func (c *checking) run(ctx context.Context, head verify.Checkpoint, noted bool) error {
	_, err := postgres.View(ctx, c.s.db, func(tx *postgres.Tx) (struct{}, error) {
		var nothing struct{}
		now, err := state(ctx, tx, c.s.Origin(), false)
		if err != nil {
			return nothing, err
		}
		if c.Waiting, err = waiting(ctx, tx, math.MaxInt32); err != nil {
			return nothing, err
		}
		known, err := c.signed(ctx, tx)
		if err != nil {
			return nothing, err
		}
		last, ok, err := newest(ctx, tx, c.s.signer.VKey)
		if err == nil && !ok {
			err = ErrNoCheckpoint
		}
		if err != nil {
			return nothing, err
		}
		if c.Checkpoint, err = c.s.log.Checkpoint([]byte(last.Note)); err != nil {
			return nothing, fmt.Errorf("checkpoint of %d leaves: %w", last.Size, err)
		}
		c.Unsigned = now.Size - c.Checkpoint.Size
		if err := c.s.extends(ctx, tx, now, last, true, head, noted); err != nil {
			c.found("log_state: %w", err)
			now = c.Checkpoint // what is signed is what counts
		}
		c.faults = append(c.faults, verify.WalkKnown(ctx, &rowSource{tx: tx}, now, known, func(index int64, leaf []byte) error {
			c.leaf(index, now.Size, leaf)
			return nil
		}))
		return nothing, c.beside(ctx, tx, now.Size)
	})
	if err == nil && noted && head.Size > c.Checkpoint.Size {
		err = c.unkept(ctx, head)
	}
	return err
}

// leaf checks what an entry says.
func (c *checking) leaf(index, of int64, leaf []byte) {
	l, err := verify.ParseLeaf(leaf)
	if err == nil {
		err = c.Totals.Add(l)
	}
	if err != nil {
		c.found("entry %d: %w", index, err)
	}
	if c.watch != nil && (index%1000 == 0 || index == of-1) {
		c.watch(index+1, of)
	}
}

// signed are all checkpoints in the order of their sizes: each must bear the signature of
// whom it is filed under, say what its row says, and name the one before it.
func (c *checking) signed(ctx context.Context, tx *postgres.Tx) ([]verify.Checkpoint, error) {
	rows, err := checkpoints(ctx, tx)
	known := make([]verify.Checkpoint, 0, len(rows))
	for i, r := range rows {
		log, kerr := verify.NewLog(r.Signer)
		if kerr != nil {
			c.found("checkpoint of %d leaves: %w", r.Size, kerr)
			continue
		}
		got, kerr := log.Checkpoint([]byte(r.Note))
		switch {
		case kerr != nil:
			c.found("checkpoint of %d leaves: %w", r.Size, kerr)
			continue
		case got != (stateRow{r.Size, r.Root}).checkpoint(got.Origin):
			c.found("checkpoint of %d leaves: its row says something else than what was signed", r.Size)
		}
		if i > 0 {
			c.follows(rows[i-1], r)
		} else if r.Previous != nil {
			c.found("checkpoint of %d leaves is not there, which that of %d leaves follows", *r.Previous, r.Size)
		}
		known = append(known, verify.Checkpoint{Origin: c.s.Origin(), Size: got.Size, Root: got.Root})
	}
	return known, err
}

// follows checks that a checkpoint names the one before it, and was not signed before it. Those
// that are older than the naming name none.
func (c *checking) follows(before, r signedRow) {
	switch {
	case r.Previous == nil && before.Previous == nil:
	case r.Previous == nil:
		c.found("checkpoint of %d leaves names none before it", r.Size)
	case *r.Previous != before.Size:
		c.found("checkpoint of %d leaves is not there, or that of %d leaves was put in: that of %d leaves follows another", *r.Previous, before.Size, r.Size)
	}
	if r.SignedAt.Before(before.SignedAt) {
		c.found("checkpoint of %d leaves was signed before that of %d", r.Size, before.Size)
	}
}

// beside finds rows that the tree of this size has no place for.
func (c *checking) beside(ctx context.Context, tx *postgres.Tx, size int64) error {
	entries, err := entriesBeyond(ctx, tx, size)
	if err != nil {
		return err
	}
	for _, index := range entries {
		c.found("entry %d is none of the %d of the tree", index, size)
	}
	places, err := tilesBeside(ctx, tx, size)
	for _, p := range places {
		c.found("%s has not the width that %d entries make", verify.Tile{Level: p.level, N: p.n, W: verify.TileWidth}.Path(), size)
	}
	return err
}

// unkept finds out, while nothing can be signed, whether what was signed last is kept.
func (c *checking) unkept(ctx context.Context, head verify.Checkpoint) error {
	return postgres.Do(ctx, c.s.db, func(tx *postgres.Tx) error {
		if err := becomeSequencer(ctx, tx); err != nil {
			return err
		}
		if _, err := state(ctx, tx, c.s.Origin(), true); err != nil {
			return err
		}
		last, _, err := newest(ctx, tx, c.s.signer.VKey)
		if err == nil && last.Size < head.Size {
			c.found("checkpoint of %d leaves: it was signed last and is not kept; unless the program was killed in that moment it was taken out", head.Size)
		}
		return err
	})
}

// sourceBlock is how many bundles or tiles a rowSource reads at once.
const sourceBlock = 16

// rowSource shows the rows of the log as files to a walk, which reads them in order,
// whether or not they are signed.
type rowSource struct {
	tx     *postgres.Tx
	leaves []Entry // the entries from first on
	first  int64
	tiles  map[place][]byte
}

// File implements verify.Source.
func (f *rowSource) File(ctx context.Context, path string) ([]byte, error) {
	t, err := verify.ParseTile(path)
	if err != nil {
		return nil, err
	}
	if t.Level == verify.EntriesLevel {
		return f.bundle(ctx, t)
	}
	p := place{t.Level, t.N}
	data, ok := f.tiles[p]
	if !ok {
		block := make([]place, sourceBlock)
		for i := range block {
			block[i] = place{t.Level, t.N + int64(i)}
		}
		found, err := tilesAt(ctx, f.tx, block)
		if err != nil {
			return nil, err
		}
		if t.Level == 0 || f.tiles == nil {
			f.tiles = found // the blocks above are few, and are read again
		}
		if data, ok = found[p]; !ok {
			return nil, fmt.Errorf("%w: %s is not there", verify.ErrTampered, t.Path())
		}
	}
	return data[:min(len(data), t.W*tlog.HashSize)], nil
}

// bundle is a bundle of entries.
func (f *rowSource) bundle(ctx context.Context, t verify.Tile) ([]byte, error) {
	start := t.N * verify.TileWidth
	if start < f.first || start >= f.first+int64(len(f.leaves)) {
		var err error
		if f.leaves, err = entriesFrom(ctx, f.tx, start, sourceBlock*verify.TileWidth); err != nil {
			return nil, err
		}
		f.first = start
	}
	leaves := make([][]byte, t.W)
	for i := range leaves {
		at := int(start-f.first) + i
		if at >= len(f.leaves) || f.leaves[at].Index != start+int64(i) {
			return nil, fmt.Errorf("%w: entry %d is not there", verify.ErrTampered, start+int64(i))
		}
		leaves[i] = f.leaves[at].Leaf
	}
	return verify.Bundle(leaves)
}
