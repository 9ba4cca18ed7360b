package transparency

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/shiyi-market/shiyi/pkg/verify"
)

// place is where a tile stands in the tree.
type place struct {
	level int
	n     int64
}

// edge are the tiles at the right end of a tree of this size: all that is
// needed to make it grow.
func edge(size int64) []place {
	var places []place
	for level := 0; size > 0; level++ {
		// A tile that is full is not needed again, but then its level has no edge.
		if size%verify.TileWidth != 0 {
			places = append(places, place{level, size / verify.TileWidth})
		}
		size /= verify.TileWidth
	}
	return places
}

// hashes reads hashes of the tree out of tiles that are at hand.
type hashes struct {
	tiles map[place][]byte
	fresh map[int64]tlog.Hash // by storage index: those not in tiles yet
}

// ReadHashes implements tlog.HashReader.
func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if hash, ok := h.fresh[index]; ok {
			found[i] = hash
			continue
		}
		t := tlog.TileForIndex(verify.TileHeight, index)
		data := h.tiles[place{t.L, t.N}]
		if len(data) < t.W*tlog.HashSize {
			return nil, fmt.Errorf("tile %d/%d has %d bytes, hash %d needs %d", t.L, t.N, len(data), index, t.W*tlog.HashSize)
		}
		hash, err := tlog.HashFromTile(t, data[:t.W*tlog.HashSize], index)
		if err != nil {
			return nil, err
		}
		found[i] = hash
	}
	return found, nil
}

// tile is a row of hashes to be written.
type tile struct {
	place
	data []byte
}

// grow adds leaves to a tree of this size, of which old has the edge. It gives
// the new root, and the tiles that are new or wider than before.
func grow(size int64, old map[place][]byte, leaves [][]byte) (root tlog.Hash, tiles []tile, err error) {
	h := hashes{old, make(map[int64]tlog.Hash, 2*len(leaves))}
	grown := size + int64(len(leaves))
	for i, leaf := range leaves {
		n := size + int64(i)
		stored, err := tlog.StoredHashes(n, leaf, h)
		if err != nil {
			return root, nil, fmt.Errorf("hash leaf %d: %w", n, err)
		}
		at := tlog.StoredHashIndex(0, n)
		for j, hash := range stored {
			h.fresh[at+int64(j)] = hash
		}
	}
	for _, t := range tlog.NewTiles(verify.TileHeight, size, grown) {
		data, err := tlog.ReadTileData(t, h)
		if err != nil {
			return root, nil, fmt.Errorf("make tile %d/%d: %w", t.L, t.N, err)
		}
		tiles = append(tiles, tile{place{t.L, t.N}, data})
	}
	root, err = tlog.TreeHash(grown, h)
	if err != nil {
		return root, nil, fmt.Errorf("root of %d leaves: %w", grown, err)
	}
	return root, tiles, nil
}

// needed collects which tiles a computation reads: it is run once with a
// reader that notes the indexes and once with the tiles at hand.
func needed(compute func(tlog.HashReader) error) ([]place, error) {
	var places []place
	seen := map[place]bool{}
	err := compute(tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		for _, index := range indexes {
			t := tlog.TileForIndex(verify.TileHeight, index)
			if p := (place{t.L, t.N}); !seen[p] {
				seen[p] = true
				places = append(places, p)
			}
		}
		return make([]tlog.Hash, len(indexes)), nil
	}))
	return places, err
}
