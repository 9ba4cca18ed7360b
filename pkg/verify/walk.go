package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// CheckpointPath is where a log's signed checkpoint is published under its prefix.
const CheckpointPath = "checkpoint"

// Source holds the files of a log: "checkpoint", "tile/…". A file that is not
// there is an error.
type Source interface {
	File(ctx context.Context, path string) ([]byte, error)
}

// ErrTampered says that an entry or a tile is not what the rest of the log
// commits to.
var ErrTampered = errors.New("verify: the log contradicts itself")

// maxFindings bounds how many contradictions a walk names before it gives up.
const maxFindings = 100

// Walk reads every entry and every tile of the log under c, computes the tree
// anew from the entries alone, and compares all of it: each entry with its hash in
// the tile, each tile of each level, and the root with c's. visit is called for
// each entry in order; it may be nil. A
// contradiction does not stop the walk: all of them (up to 100), each with its
// entry or path, are in the error, as ErrTampered. An error of visit or of src stops it.
func Walk(ctx context.Context, src Source, c Checkpoint, visit func(index int64, leaf []byte) error) error {
	return WalkKnown(ctx, src, c, nil, visit)
}

// WalkKnown is Walk, and holds the tree against checkpoints of it that were seen before,
// in the order of their sizes, as it grows: each must have the root of its first entries.
func WalkKnown(ctx context.Context, src Source, c Checkpoint, known []Checkpoint, visit func(index int64, leaf []byte) error) error {
	w := walker{ctx: ctx, src: src, size: c.Size, known: known}
	w.recall()
	for start := int64(0); start < c.Size; start += TileWidth {
		entries, err := w.bundle(start)
		if err != nil {
			return errors.Join(append(w.findings, err)...)
		}
		for i, e := range entries {
			if visit != nil {
				if err := visit(start+int64(i), e); err != nil {
					return errors.Join(append(w.findings, fmt.Errorf("entry %d: %w", start+int64(i), err))...)
				}
			}
			if err := w.append(tlog.RecordHash(e)); err != nil {
				return errors.Join(append(w.findings, err)...)
			}
			w.recall()
		}
	}
	for level := range w.tiles {
		if err := w.compare(level); err != nil {
			return errors.Join(append(w.findings, err)...)
		}
	}
	if root := w.root(); root != c.Root {
		w.found("the entries have root %s, the checkpoint says %s", root, c.Root)
	}
	for _, k := range w.known {
		w.found("a checkpoint of %d entries was seen, there are %d", k.Size, c.Size)
	}
	return errors.Join(append(w.findings, w.lied[:min(len(w.lied), maxFindings)]...)...)
}

// walker rebuilds a tree with memory for its right edge only.
type walker struct {
	ctx      context.Context //nolint:containedctx // lives for one Walk
	src      Source
	size     int64
	next     int64        // entries so far
	edge     []subtree    // complete subtrees from left to right, each smaller than the one before
	tiles    [][]byte     // for each tile level, the hashes of the tile being filled
	numbers  []int64      // and its number
	known    []Checkpoint // what was seen before, as far as the tree has not grown to it
	lied     []error      // which of them the tree contradicts: told after what names an entry
	findings []error
}

// recall holds the tree as it is now against what was seen of this size.
func (w *walker) recall() {
	for len(w.known) > 0 && w.known[0].Size <= w.next {
		k := w.known[0]
		w.known = w.known[1:]
		if root := w.root(); k.Size != w.next || root != k.Root {
			w.lied = append(w.lied, fmt.Errorf("%w: the first %d entries have root %s, the checkpoint of %d says %s", ErrTampered, w.next, root, k.Size, k.Root))
		}
	}
}

type subtree struct {
	level int
	hash  tlog.Hash
}

// found notes a contradiction.
func (w *walker) found(format string, args ...any) {
	if len(w.findings) < maxFindings {
		w.findings = append(w.findings, fmt.Errorf("%w: %s", ErrTampered, fmt.Sprintf(format, args...)))
	}
}

// bundle is the entries from start on.
func (w *walker) bundle(start int64) ([][]byte, error) {
	t := Tile{Level: EntriesLevel, N: start / TileWidth, W: int(min(TileWidth, w.size-start))}
	data, err := read(w.ctx, w.src, t)
	if err != nil {
		return nil, err
	}
	entries, err := SplitBundle(data)
	if err != nil || len(entries) < t.W {
		return nil, fmt.Errorf("%w: %s has %d entries, not %d", ErrTampered, t.Path(), len(entries), t.W)
	}
	return entries[:t.W], nil
}

// append adds the hash of the next entry, joins what it completes, and compares
// the tiles that it fills.
func (w *walker) append(h tlog.Hash) error {
	w.next++
	s := subtree{0, h}
	for {
		if s.level%TileHeight == 0 {
			if err := w.fill(s.level/TileHeight, s.hash); err != nil {
				return err
			}
		}
		last := len(w.edge) - 1
		if last < 0 || w.edge[last].level != s.level {
			break
		}
		s = subtree{s.level + 1, tlog.NodeHash(w.edge[last].hash, s.hash)}
		w.edge = w.edge[:last]
	}
	w.edge = append(w.edge, s)
	return nil
}

// fill puts a hash into the tile of a level.
func (w *walker) fill(level int, h tlog.Hash) error {
	if level == len(w.tiles) {
		w.tiles, w.numbers = append(w.tiles, nil), append(w.numbers, 0)
	}
	w.tiles[level] = append(w.tiles[level], h[:]...)
	if len(w.tiles[level]) < TileWidth*tlog.HashSize {
		return nil
	}
	if err := w.compare(level); err != nil {
		return err
	}
	w.tiles[level] = w.tiles[level][:0]
	w.numbers[level]++
	return nil
}

// compare holds the tile being filled against the published one.
func (w *walker) compare(level int) error {
	want := w.tiles[level]
	if len(want) == 0 {
		return nil
	}
	t := Tile{Level: level, N: w.numbers[level], W: len(want) / tlog.HashSize}
	got, err := read(w.ctx, w.src, t)
	if err != nil {
		return err
	}
	if len(got) != len(want) {
		w.found("%s has %d bytes, not %d", t.Path(), len(got), len(want))
		return nil
	}
	for i := 0; i < len(want); i += tlog.HashSize {
		if !bytes.Equal(got[i:i+tlog.HashSize], want[i:i+tlog.HashSize]) {
			at := t.N*TileWidth + int64(i/tlog.HashSize)
			if level == 0 {
				w.found("entry %d does not have the hash that %s says", at, t.Path())
			} else {
				w.found("%s: hash %d is not that of the tile below", t.Path(), at)
			}
		}
	}
	return nil
}

// root is the root of the tree over the entries so far.
func (w *walker) root() tlog.Hash {
	if len(w.edge) == 0 {
		return EmptyRoot()
	}
	h := w.edge[len(w.edge)-1].hash
	for i := len(w.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(w.edge[i].hash, h)
	}
	return h
}

// read is the bytes of a tile. A partial tile that is gone is cut from the full
// one, as https://c2sp.org/tlog-tiles allows a log to serve it.
func read(ctx context.Context, src Source, t Tile) ([]byte, error) {
	data, err := src.File(ctx, t.Path())
	if err == nil || t.Full() {
		return data, err
	}
	full, fullErr := src.File(ctx, Tile{t.Level, t.N, TileWidth}.Path())
	if fullErr != nil {
		return nil, err
	}
	if t.Level != EntriesLevel && len(full) == TileWidth*tlog.HashSize {
		full = full[:t.W*tlog.HashSize]
	}
	return full, nil
}

// Extends checks that newer extends older (see Consistent) with the tiles of
// the log alone: it reads a handful of them, each checked against newer's root.
func Extends(ctx context.Context, src Source, older, newer Checkpoint) error {
	if older.Size == 0 || older.Size >= newer.Size {
		return Consistent(older, newer, nil)
	}
	tree := tlog.Tree{N: newer.Size, Hash: newer.Root}
	path, err := tlog.ProveTree(newer.Size, older.Size, tlog.TileHashReader(tree, tiles{ctx, src}))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConsistency, err)
	}
	return Consistent(older, newer, path)
}

// tiles lets the Go project's code read tiles of ours.
type tiles struct {
	ctx context.Context //nolint:containedctx // tlog.TileReader has no place for it
	src Source
}

// Height implements tlog.TileReader.
func (t tiles) Height() int { return TileHeight }

// ReadTiles implements tlog.TileReader.
func (t tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(want))
	for i, tile := range want {
		b, err := read(t.ctx, t.src, Tile{tile.L, tile.N, tile.W})
		if err != nil {
			return nil, err
		}
		if len(b) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%w: %d bytes", ErrTile, len(b))
		}
		data[i] = b
	}
	return data, nil
}

// SaveTiles implements tlog.TileReader: nothing is kept.
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}
