package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// The shape of a tile (https://c2sp.org/tlog-tiles).
const (
	TileHeight = 8               // levels of the tree in a tile
	TileWidth  = 1 << TileHeight // hashes in a full tile, entries in a full bundle
)

// EntriesLevel is the level of a Tile that holds entries instead of hashes.
const EntriesLevel = -1

// ErrTile says that a path or the bytes behind it are not those of a tile.
var ErrTile = errors.New("verify: not a tile")

// Tile names a tile: the hashes from N·256 on at the tree's level 8·Level, W of
// them (1 to 256), or for EntriesLevel the W entries from N·256 on.
type Tile struct {
	Level int
	N     int64
	W     int
}

// Path is where the tile is published under the log's prefix: "tile/0/x001/067"
// or "tile/entries/000.p/5".
func (t Tile) Path() string {
	path := tlog.Tile{H: TileHeight, L: t.Level, N: t.N, W: t.W}.Path()
	rest := strings.TrimPrefix(path, "tile/"+strconv.Itoa(TileHeight)+"/")
	if entries, ok := strings.CutPrefix(rest, "data/"); ok {
		rest = "entries/" + entries
	}
	return "tile/" + rest
}

// ParseTile reads a path as Path writes it; any other is ErrTile.
func ParseTile(path string) (Tile, error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	if entries, is := strings.CutPrefix(rest, "entries/"); is {
		rest = "data/" + entries
	}
	t, err := tlog.ParseTilePath("tile/" + strconv.Itoa(TileHeight) + "/" + rest)
	if !ok || err != nil {
		return Tile{}, fmt.Errorf("%w: path %q", ErrTile, path)
	}
	tile := Tile{Level: t.L, N: t.N, W: t.W}
	const highest = 63
	if tile.Path() != path || tile.Level > highest {
		return Tile{}, fmt.Errorf("%w: path %q", ErrTile, path)
	}
	return tile, nil
}

// Full reports whether the tile is full, and so will never be wider.
func (t Tile) Full() bool { return t.W == TileWidth }

// Needs is the smallest size of a log that has this tile, in leaves. It
// reports false for a tile that no log can have.
func (t Tile) Needs() (size int64, ok bool) {
	shift := uint(TileHeight * max(t.Level, 0))
	const most = 62
	if shift > most || t.N < 0 || t.N > (1<<most)>>(shift+TileHeight) || t.W < 1 || t.W > TileWidth {
		return 0, false
	}
	return (t.N*TileWidth + int64(t.W)) << shift, true
}

// Bundle writes entries one after the other, each after its length (uint16, big
// endian). An entry longer than MaxLeaf is ErrTile.
func Bundle(entries [][]byte) ([]byte, error) {
	var b []byte
	for _, e := range entries {
		if len(e) > MaxLeaf {
			return nil, fmt.Errorf("%w: an entry of %d bytes", ErrTile, len(e))
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(e)))
		b = append(b, e...)
	}
	return b, nil
}

// SplitBundle reads what Bundle writes; a bundle cut short is ErrTile. The
// entries are parts of b.
func SplitBundle(b []byte) ([][]byte, error) {
	const prefix = 2
	var entries [][]byte
	for len(b) > 0 {
		if len(b) < prefix || len(b) < prefix+int(binary.BigEndian.Uint16(b)) {
			return nil, fmt.Errorf("%w: the bundle ends within entry %d", ErrTile, len(entries))
		}
		end := prefix + int(binary.BigEndian.Uint16(b))
		entries = append(entries, b[prefix:end:end])
		b = b[end:]
	}
	return entries, nil
}
