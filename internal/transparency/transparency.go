// Package transparency keeps the public log: a tree of hashes over leaves that
// anybody can copy and check, so that what was once published cannot be changed
// or left out unseen. It does not know what a leaf means.
//
// A leaf is queued in the transaction of the business that it tells of. One
// sequencer numbers the queued leaves without a gap, writes the tree's tiles, and
// after that transaction has committed signs the new root. Everything is
// published in the formats of https://c2sp.org (tlog-tiles, tlog-checkpoint,
// tlog-proof); pkg/verify checks it without us.
package transparency

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Faults that a reader of the log may meet.
var (
	ErrNoTile       = fault.New(fault.NotFound, "transparency.no_such_tile", "The log has no such tile", "日志中没有该数据块")
	ErrNoLeaf       = fault.New(fault.NotFound, "transparency.no_such_leaf", "The log has no such leaf", "日志中没有该条目")
	ErrNoCheckpoint = fault.New(fault.NotFound, "transparency.no_such_checkpoint", "The log has not signed such a checkpoint", "日志没有签署过该检查点")
	ErrPending      = fault.New(fault.Conflict, "transparency.pending", "The leaf is not yet in a signed checkpoint", "该条目尚未进入已签名的检查点")
)

// ErrFork says that the tree in the database does not extend the last tree that
// was signed: the database was restored from a backup that is too old, or was
// altered. Nothing is signed, and no leaf numbered, until a person has looked.
var ErrFork = errors.New("transparency: the tree in the database does not extend the one that was signed last")

// Batch is how many leaves one call of Sequence numbers at most.
const Batch = 5000

// Pending is a leaf on its way into the log.
type Pending struct {
	Home     uuid.UUID // whose transfer it is
	Transfer uuid.UUID // unique with Home
	Leaf     []byte    // 1 to 65,535 bytes
}

// Entry is a leaf that has its number.
type Entry struct {
	Index    int64 // from 0, without a gap
	Home     uuid.UUID
	Transfer uuid.UUID
	Leaf     []byte
}

// Follower is told of entries in the transaction that numbers them: what it
// writes holds exactly when they are numbered. It runs with the rights of the role
// shiyi_sequencer.
type Follower interface {
	Integrated(ctx context.Context, tx *postgres.Tx, entries []Entry) error
}

// Key names a leaf by what it tells of.
type Key struct{ Home, Transfer uuid.UUID }

// Proof is a leaf and the proof that the log has it.
type Proof struct {
	Leaf      []byte
	Pending   bool   // no signed checkpoint covers it yet: Index is 0 and TlogProof empty
	Index     int64  // its number
	TlogProof string // the text of https://c2sp.org/tlog-proof, under a signed checkpoint
}
