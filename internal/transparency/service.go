package transparency

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/shiyi-market/shiyi/internal/notary"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Config says how the log is called, and where what must outlive the database is kept.
type Config = notary.Config

// Service answers for the log.
type Service struct {
	db        *postgres.DB
	followers []Follower
	signer    notary.Signer
	log       verify.Log
	head      notary.Head
	unsigned  atomic.Bool // something may stand in the tree that no checkpoint covers
}

// New opens the log, and makes its key at the first start. The followers are told in this order.
func New(db *postgres.DB, cfg Config, followers ...Follower) (*Service, error) {
	key, err := notary.Open(cfg)
	if err != nil {
		return nil, err
	}
	log, err := verify.NewLog(key.VKey)
	if err != nil {
		return nil, err
	}
	s := &Service{db: db, followers: followers, signer: key, log: log, head: notary.HeadOf(cfg)}
	s.unsigned.Store(true)
	return s, nil
}

// Origin is the log's name, the first line of its checkpoints.
func (s *Service) Origin() string { return s.signer.Name() }

// VerifierKey is the public key that checks our checkpoints, as
// https://c2sp.org/signed-note writes it.
func (s *Service) VerifierKey() string { return s.signer.VKey }

// Checkpoint is the newest signed checkpoint. Before the first (Sign makes one of
// the empty tree): ErrNoCheckpoint.
func (s *Service) Checkpoint(ctx context.Context) ([]byte, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]byte, error) {
		c, ok, err := newest(ctx, tx, s.signer.VKey)
		if err == nil && !ok {
			err = ErrNoCheckpoint
		}
		return []byte(c.Note), err
	})
}

// CheckpointOf is the signed checkpoint of a tree of this size. One that was never signed is
// ErrNoCheckpoint.
func (s *Service) CheckpointOf(ctx context.Context, size int64) ([]byte, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]byte, error) { return noteOf(ctx, tx, s.signer.VKey, size) })
}

// Tile is the file at a path "tile/<level>/<n>[.p/<w>]" or
// "tile/entries/<n>[.p/<w>]". It never changes. What no signed checkpoint needs
// yet, and any other path, is ErrNoTile.
func (s *Service) Tile(ctx context.Context, path string) ([]byte, error) {
	t, err := verify.ParseTile(path)
	if err != nil {
		return nil, ErrNoTile.With("%q is not the path of a tile", path)
	}
	needs, ok := t.Needs()
	if !ok {
		return nil, ErrNoTile
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]byte, error) {
		var data []byte
		if t.Level == verify.EntriesLevel {
			leaves, err := signedLeaves(ctx, tx, s.signer.VKey, t, needs)
			if err != nil {
				return nil, err
			}
			if data, err = verify.Bundle(leaves); err != nil {
				return nil, err
			}
		} else if data, err = signedTile(ctx, tx, s.signer.VKey, t, needs); err != nil {
			return nil, err
		}
		if len(data) == 0 {
			return nil, ErrNoTile
		}
		return data, nil
	})
}

// Waiting is how many leaves have no number yet.
func (s *Service) Waiting(ctx context.Context) (int64, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (int64, error) { return waiting(ctx, tx, math.MaxInt32) })
}

// Size is how many leaves the log has numbered by now.
func Size(ctx context.Context, tx *postgres.Tx) (int64, error) {
	now, err := state(ctx, tx, "", false)
	return now.Size, err
}

// Prove finds leaves and proves them, as part of tx: all under one checkpoint,
// in the order of keys. A leaf that no checkpoint covers yet comes with Pending; a key that was
// never queued is ErrNoLeaf.
func (s *Service) Prove(ctx context.Context, tx *postgres.Tx, keys []Key) ([]Proof, error) {
	found, err := leavesOf(ctx, tx, keys)
	if err != nil {
		return nil, err
	}
	under, _, err := newest(ctx, tx, s.signer.VKey)
	if err != nil {
		return nil, err
	}
	proofs, paths := make([]Proof, len(keys)), make([]tlog.RecordProof, len(keys))
	for i, k := range keys {
		row, ok := found[k]
		if !ok {
			return nil, ErrNoLeaf.With("no leaf of transfer %s", k.Transfer)
		}
		proofs[i] = Proof{Leaf: row.Leaf, Pending: row.Index == nil || *row.Index >= under.Size}
		if !proofs[i].Pending {
			proofs[i].Index = *row.Index
		}
	}
	err = reading(ctx, tx, func(r tlog.HashReader) (err error) {
		for i, p := range proofs {
			if p.Pending {
				continue
			}
			if paths[i], err = tlog.ProveRecord(under.Size, p.Index, r); err != nil {
				return fmt.Errorf("prove entry %d of %d: %w", p.Index, under.Size, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, p := range proofs {
		if !p.Pending {
			proofs[i].TlogProof = verify.FormatProof(p.Index, paths[i], []byte(under.Note))
		}
	}
	return proofs, nil
}

// Proof is Prove for one leaf; while no checkpoint covers it: ErrPending.
func (s *Service) Proof(ctx context.Context, key Key) (Proof, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Proof, error) {
		proofs, err := s.Prove(ctx, tx, []Key{key})
		if err != nil {
			return Proof{}, err
		}
		if proofs[0].Pending {
			return Proof{}, ErrPending
		}
		return proofs[0], nil
	})
}

// Consistency proves that the tree of one size is a beginning of the tree of a
// larger one, both within what is signed; else ErrNoCheckpoint.
func (s *Service) Consistency(ctx context.Context, older, newer int64) (tlog.TreeProof, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (tlog.TreeProof, error) {
		signed, _, err := newest(ctx, tx, s.signer.VKey)
		if err != nil {
			return nil, err
		}
		if older < 0 || older > newer || newer > signed.Size {
			return nil, ErrNoCheckpoint.With("from %d to %d leaves, of %d signed", older, newer, signed.Size)
		}
		return consistency(ctx, tx, older, newer)
	})
}

// Entries are numbered entries in order from an index on, at most limit, as part
// of tx.
func Entries(ctx context.Context, tx *postgres.Tx, from int64, limit int) ([]Entry, error) {
	return entriesFrom(ctx, tx, from, limit)
}
