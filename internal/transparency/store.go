package transparency

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// queue inserts leaves in one statement.
func queue(ctx context.Context, tx *postgres.Tx, leaves []Pending) error {
	homes, transfers, texts := make([]uuid.UUID, len(leaves)), make([]uuid.UUID, len(leaves)), make([][]byte, len(leaves))
	for i, l := range leaves {
		homes[i], transfers[i], texts[i] = l.Home, l.Transfer, l.Leaf
	}
	_, err := tx.Exec(ctx, `INSERT INTO log_pending (home, transfer_id, leaf, queued_at)
		SELECT home, transfer_id, leaf, ? FROM unnest(?::uuid[], ?::uuid[], ?::bytea[]) AS x(home, transfer_id, leaf)`,
		tx.Now, postgres.Array(homes), postgres.Array(transfers), postgres.Array(texts))
	if err != nil {
		return fmt.Errorf("queue %d leaves: %w", len(leaves), err)
	}
	return nil
}

type countRow struct{ N int64 }

// waiting is how many leaves have no number, counted up to most.
func waiting(ctx context.Context, tx *postgres.Tx, most int64) (int64, error) {
	row, err := postgres.Row[countRow](ctx, tx, `SELECT count(*) AS n FROM (SELECT FROM log_pending LIMIT ?) AS x`, most)
	if err != nil {
		return 0, fmt.Errorf("count the waiting leaves: %w", err)
	}
	return row.N, nil
}

// becomeSequencer gives the rest of the transaction the sequencer's rights, and
// makes its commit wait for the disk even where others do not: what is signed
// afterwards must not be lost.
func becomeSequencer(ctx context.Context, tx *postgres.Tx) error {
	_, err := tx.Exec(ctx, `SELECT set_config('role', 'shiyi_sequencer', true), set_config('synchronous_commit', 'on', true)`)
	if err != nil {
		return fmt.Errorf("become the sequencer: %w", err)
	}
	return nil
}

type stateRow struct {
	Size int64
	Root []byte
}

func (r stateRow) checkpoint(origin string) verify.Checkpoint {
	c := verify.Checkpoint{Origin: origin, Size: r.Size}
	copy(c.Root[:], r.Root) // the column has a constraint on its length
	return c
}

// state is the tree as the database has it. lock keeps every other sequencer out
// until the transaction ends.
func state(ctx context.Context, tx *postgres.Tx, origin string, lock bool) (verify.Checkpoint, error) {
	query := `SELECT size, root FROM log_state`
	if lock {
		query += ` FOR UPDATE`
	}
	row, err := postgres.Row[stateRow](ctx, tx, query)
	if err != nil {
		return verify.Checkpoint{}, fmt.Errorf("read the log's state: %w", err)
	}
	return row.checkpoint(origin), nil
}

// pendingRow is a row of log_pending.
type pendingRow struct {
	Home       uuid.UUID
	TransferID uuid.UUID
	Leaf       []byte
	QueuedAt   time.Time
}

// drain takes up to most leaves out of the queue, in no order. Only the sequencer
// deletes, so the physical addresses hold between the two halves.
func drain(ctx context.Context, tx *postgres.Tx, most int) ([]pendingRow, error) {
	rows, err := postgres.Rows[pendingRow](ctx, tx, `DELETE FROM log_pending
		WHERE ctid = ANY(ARRAY(SELECT ctid FROM log_pending LIMIT ?))
		RETURNING home, transfer_id, leaf, queued_at`, most)
	if err != nil {
		return nil, fmt.Errorf("drain the queue: %w", err)
	}
	return rows, nil
}

// insert writes numbered entries, the tiles and the state that go with them.
func insert(ctx context.Context, tx *postgres.Tx, entries []Entry, tiles []tile, grown verify.Checkpoint) error {
	n := len(entries)
	indexes, homes, transfers, leaves := make([]int64, n), make([]uuid.UUID, n), make([]uuid.UUID, n), make([][]byte, n)
	for i, e := range entries {
		indexes[i], homes[i], transfers[i], leaves[i] = e.Index, e.Home, e.Transfer, e.Leaf
	}
	_, err := tx.Exec(ctx, `INSERT INTO log_entry (index, home, transfer_id, leaf)
		SELECT * FROM unnest(?::bigint[], ?::uuid[], ?::uuid[], ?::bytea[])`,
		postgres.Array(indexes), postgres.Array(homes), postgres.Array(transfers), postgres.Array(leaves))
	if err != nil {
		return fmt.Errorf("write %d entries: %w", n, err)
	}
	levels, numbers, data := make([]int32, len(tiles)), make([]int64, len(tiles)), make([][]byte, len(tiles))
	for i, t := range tiles {
		levels[i], numbers[i], data[i] = int32(t.level), t.n, t.data
	}
	_, err = tx.Exec(ctx, `INSERT INTO log_tile AS t (level, n, data)
		SELECT * FROM unnest(?::integer[], ?::bigint[], ?::bytea[])
		ON CONFLICT (level, n) DO UPDATE SET data = excluded.data`,
		postgres.Array(levels), postgres.Array(numbers), postgres.Array(data))
	if err != nil {
		return fmt.Errorf("write %d tiles: %w", len(tiles), err)
	}
	if _, err := tx.Exec(ctx, `UPDATE log_state SET size = ?, root = ?`, grown.Size, grown.Root[:]); err != nil {
		return fmt.Errorf("write the log's state: %w", err)
	}
	return nil
}

type tileRow struct {
	Level int
	N     int64
	Data  []byte
}

// tilesAt reads the tiles at these places. One that is not there is missing.
func tilesAt(ctx context.Context, tx *postgres.Tx, places []place) (map[place][]byte, error) {
	found := make(map[place][]byte, len(places))
	if len(places) == 0 {
		return found, nil
	}
	levels, numbers := make([]int32, len(places)), make([]int64, len(places))
	for i, p := range places {
		levels[i], numbers[i] = int32(p.level), p.n
	}
	rows, err := postgres.Rows[tileRow](ctx, tx, `SELECT t.level, t.n, t.data
		FROM unnest(?::integer[], ?::bigint[]) AS x(level, n) JOIN log_tile t ON t.level = x.level AND t.n = x.n`,
		postgres.Array(levels), postgres.Array(numbers))
	if err != nil {
		return nil, fmt.Errorf("read %d tiles: %w", len(places), err)
	}
	for _, r := range rows {
		found[place{r.Level, r.N}] = r.Data
	}
	return found, nil
}

// reading runs a computation over the tree with the tiles that it needs, which
// are read in one statement.
func reading(ctx context.Context, tx *postgres.Tx, compute func(tlog.HashReader) error) error {
	places, err := needed(compute)
	if err != nil {
		return err
	}
	tiles, err := tilesAt(ctx, tx, places)
	if err != nil {
		return err
	}
	return compute(hashes{tiles: tiles})
}

type checkpointRow struct {
	Size int64
	Root []byte
	Note string
}

// newest is the signer's newest checkpoint of at least this size; false when
// there is none.
func newest(ctx context.Context, tx *postgres.Tx, vkey string) (checkpointRow, bool, error) {
	rows, err := postgres.Rows[checkpointRow](ctx, tx, `SELECT size, root, note FROM log_checkpoint
		WHERE signer = ? ORDER BY size DESC LIMIT 1`, vkey)
	if err != nil {
		return checkpointRow{}, false, fmt.Errorf("read the newest checkpoint: %w", err)
	}
	if len(rows) == 0 {
		return checkpointRow{}, false, nil
	}
	return rows[0], true, nil
}

// noteOf is the signer's checkpoint of exactly this size.
func noteOf(ctx context.Context, tx *postgres.Tx, vkey string, size int64) ([]byte, error) {
	rows, err := postgres.Rows[checkpointRow](ctx, tx, `SELECT size, root, note FROM log_checkpoint WHERE signer = ? AND size = ?`, vkey, size)
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint of %d leaves: %w", size, err)
	}
	if len(rows) == 0 {
		return nil, ErrNoCheckpoint
	}
	return []byte(rows[0].Note), nil
}

func insertCheckpoint(ctx context.Context, tx *postgres.Tx, vkey string, c verify.Checkpoint, signed []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO log_checkpoint (signer, size, root, note, signed_at, previous)
		VALUES (?, ?, ?, ?, ?, (SELECT max(size) FROM log_checkpoint))`,
		vkey, c.Size, c.Root[:], string(signed), tx.Now)
	if err != nil {
		return fmt.Errorf("keep the checkpoint of %d leaves: %w", c.Size, err)
	}
	return nil
}

type dataRow struct{ Data []byte }

// signedTile is the hashes of a tile, none when no checkpoint of the signer needs it.
func signedTile(ctx context.Context, tx *postgres.Tx, vkey string, t verify.Tile, needs int64) ([]byte, error) {
	rows, err := postgres.Rows[dataRow](ctx, tx, `SELECT substr(data, 1, ?) AS data FROM log_tile
		WHERE level = ? AND n = ? AND EXISTS (SELECT FROM log_checkpoint WHERE signer = ? AND size >= ?)`,
		t.W*tlog.HashSize, t.Level, t.N, vkey, needs)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.Path(), err)
	}
	if len(rows) == 0 || len(rows[0].Data) != t.W*tlog.HashSize {
		return nil, nil
	}
	return rows[0].Data, nil
}

type leafRow struct{ Leaf []byte }

// signedLeaves are the entries of a bundle, none when no checkpoint of the signer
// needs it.
func signedLeaves(ctx context.Context, tx *postgres.Tx, vkey string, t verify.Tile, needs int64) ([][]byte, error) {
	start := t.N * verify.TileWidth
	rows, err := postgres.Rows[leafRow](ctx, tx, `SELECT leaf FROM log_entry
		WHERE index >= ? AND index < ? AND EXISTS (SELECT FROM log_checkpoint WHERE signer = ? AND size >= ?)
		ORDER BY index`, start, start+int64(t.W), vkey, needs)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t.Path(), err)
	}
	if len(rows) != t.W {
		return nil, nil
	}
	leaves := make([][]byte, len(rows))
	for i, r := range rows {
		leaves[i] = r.Leaf
	}
	return leaves, nil
}

// entryRow is a leaf with its number, which is null while it waits.
type entryRow struct {
	Home       uuid.UUID
	TransferID uuid.UUID
	Index      *int64
	Leaf       []byte
}

// leavesOf are the leaves of these keys, waiting ones too.
func leavesOf(ctx context.Context, tx *postgres.Tx, keys []Key) (map[Key]entryRow, error) {
	homes, transfers := make([]uuid.UUID, len(keys)), make([]uuid.UUID, len(keys))
	for i, k := range keys {
		homes[i], transfers[i] = k.Home, k.Transfer
	}
	rows, err := postgres.Rows[entryRow](ctx, tx, `WITH x AS (SELECT * FROM unnest(?::uuid[], ?::uuid[]) AS x(home, transfer_id))
		SELECT e.home, e.transfer_id, e.index, e.leaf FROM x JOIN log_entry e USING (home, transfer_id)
		UNION ALL
		SELECT p.home, p.transfer_id, NULL, p.leaf FROM x JOIN log_pending p USING (home, transfer_id)`,
		postgres.Array(homes), postgres.Array(transfers))
	if err != nil {
		return nil, fmt.Errorf("find %d leaves: %w", len(keys), err)
	}
	found := make(map[Key]entryRow, len(rows))
	for _, r := range rows {
		found[Key{r.Home, r.TransferID}] = r
	}
	return found, nil
}

// entriesFrom are numbered entries in order, at most limit.
func entriesFrom(ctx context.Context, tx *postgres.Tx, from int64, limit int) ([]Entry, error) {
	rows, err := postgres.Rows[entryRow](ctx, tx, `SELECT index, home, transfer_id, leaf FROM log_entry
		WHERE index >= ? ORDER BY index LIMIT ?`, from, limit)
	if err != nil {
		return nil, fmt.Errorf("read entries from %d: %w", from, err)
	}
	entries := make([]Entry, len(rows))
	for i, r := range rows {
		entries[i] = Entry{Index: *r.Index, Home: r.Home, Transfer: r.TransferID, Leaf: r.Leaf}
	}
	return entries, nil
}
