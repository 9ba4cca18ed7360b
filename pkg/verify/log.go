package verify

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Faults of a log.
var (
	ErrKey         = errors.New("verify: not a verifier key")              // see https://c2sp.org/signed-note
	ErrCheckpoint  = errors.New("verify: not a checkpoint of this log")    // unsigned, of another log, or malformed
	ErrProof       = errors.New("verify: the proof does not hold")         // of inclusion
	ErrConsistency = errors.New("verify: the log has changed its history") // one checkpoint does not extend the other
)

// Log is a public log as its reader knows it: by its name and its public key.
type Log struct{ verifier note.Verifier }

// NewLog makes a Log of a verifier key (vkey) as https://c2sp.org/signed-note
// writes it, "<name>+<id>+<key>". The key's name is the log's origin. What is
// not an Ed25519 key is ErrKey.
func NewLog(vkey string) (Log, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return Log{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return Log{v}, nil
}

// Origin is the log's name, the first line of its checkpoints.
func (l Log) Origin() string { return l.verifier.Name() }

// Checkpoint is what a log signs: this many leaves have this root.
type Checkpoint struct {
	Origin string
	Size   int64     // leaves
	Root   tlog.Hash // RFC 6962 §2.1
}

// Text is what is signed (https://c2sp.org/tlog-checkpoint).
func (c Checkpoint) Text() string {
	return string(log.Checkpoint{Origin: c.Origin, Size: uint64(c.Size), Hash: c.Root[:]}.Marshal())
}

// Checkpoint reads a signed checkpoint and checks its signature. Signatures by
// others (witnesses) are passed over. Failing that: ErrCheckpoint.
func (l Log) Checkpoint(signed []byte) (Checkpoint, error) {
	c, _, n, err := log.ParseCheckpoint(signed, l.Origin(), l.verifier)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	if len(c.Hash) != tlog.HashSize || c.Size > math.MaxInt64 || !bytes.HasPrefix([]byte(n.Text), c.Marshal()) {
		return Checkpoint{}, fmt.Errorf("%w: not in canonical form", ErrCheckpoint)
	}
	return Checkpoint{Origin: c.Origin, Size: int64(c.Size), Root: tlog.Hash(c.Hash)}, nil
}

// FormatProof writes a proof of inclusion in the text of https://c2sp.org/tlog-proof.
// signed is the signed checkpoint that the path leads to.
func FormatProof(index int64, path tlog.RecordProof, signed []byte) string {
	hashes := make([][sha256.Size]byte, len(path))
	for i, h := range path {
		hashes[i] = h
	}
	return string(proof.TLogProof{Index: uint64(index), Hashes: hashes, Checkpoint: signed}.Marshal())
}

// Included checks a tlog-proof: the leaf stands in the log at the returned
// index, under the returned checkpoint, which the log has signed. Failing that
// ErrProof, or ErrCheckpoint.
func (l Log) Included(leaf []byte, text string) (index int64, under Checkpoint, err error) {
	var p proof.TLogProof
	if err := p.Unmarshal([]byte(text)); err != nil {
		return 0, Checkpoint{}, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if string(p.Marshal()) != text || p.Index > math.MaxInt64 {
		return 0, Checkpoint{}, fmt.Errorf("%w: not in canonical form", ErrProof)
	}
	c, err := l.Checkpoint(p.Checkpoint)
	if err != nil {
		return 0, Checkpoint{}, err
	}
	path := make(tlog.RecordProof, len(p.Hashes))
	for i, h := range p.Hashes {
		path[i] = h
	}
	if err := tlog.CheckRecord(path, c.Size, c.Root, int64(p.Index), tlog.RecordHash(leaf)); err != nil {
		return 0, Checkpoint{}, fmt.Errorf("%w: %w", ErrProof, err)
	}
	return int64(p.Index), c, nil
}

// Consistent checks that newer holds all leaves of older, unchanged and in the same
// place, by a consistency proof (RFC 6962 §2.1.2). Else ErrConsistency.
func Consistent(older, newer Checkpoint, path tlog.TreeProof) error {
	switch {
	case older.Origin != newer.Origin:
		return fmt.Errorf("%w: %q is not %q", ErrConsistency, newer.Origin, older.Origin)
	case older.Size > newer.Size:
		return fmt.Errorf("%w: %d leaves were %d", ErrConsistency, newer.Size, older.Size)
	case (older.Size == 0 || older.Size == newer.Size) && len(path) != 0:
		return fmt.Errorf("%w: %d hashes prove what needs none", ErrConsistency, len(path))
	case older.Size == 0 && older.Root != EmptyRoot():
		return fmt.Errorf("%w: the empty tree has another root", ErrConsistency)
	case older.Size == 0:
		return nil
	case older.Size == newer.Size && older.Root != newer.Root:
		return fmt.Errorf("%w: two roots, %s and %s, for %d leaves", ErrConsistency, older.Root, newer.Root, older.Size)
	case older.Size == newer.Size:
		return nil
	}
	if err := tlog.CheckTree(path, newer.Size, newer.Root, older.Size, older.Root); err != nil {
		return fmt.Errorf("%w: %w", ErrConsistency, err)
	}
	return nil
}

// EmptyRoot is the root of a tree without leaves: the hash of nothing.
func EmptyRoot() tlog.Hash { return sha256.Sum256(nil) }

// ParseCheckpoint reads the text of a checkpoint without a signature, as Text
// writes it; anything else is ErrCheckpoint.
func ParseCheckpoint(text []byte) (Checkpoint, error) {
	var c log.Checkpoint
	if _, err := c.Unmarshal(text); err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	if len(c.Hash) != tlog.HashSize || c.Size > math.MaxInt64 || !bytes.Equal(text, c.Marshal()) {
		return Checkpoint{}, fmt.Errorf("%w: not in canonical form", ErrCheckpoint)
	}
	return Checkpoint{Origin: c.Origin, Size: int64(c.Size), Root: tlog.Hash(c.Hash)}, nil
}
