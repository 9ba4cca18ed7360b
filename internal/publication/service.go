package publication

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// Publish publishes a document as part of tx: its row, and its leaf in the queue of the log.
// The id and the time are given here, and a title of several lines becomes one. What may be published, and by whom, is the caller's to know.
func Publish(ctx context.Context, tx *postgres.Tx, d Document) (Document, error) {
	d.ID, d.At = id.New[Document](tx.Now), tx.Now
	d.TitleZH, d.TitleEN = strings.Join(strings.Fields(d.TitleZH), " "), strings.Join(strings.Fields(d.TitleEN), " ")
	leaf, err := d.leaf(d.Digest())
	if err != nil {
		return d, fmt.Errorf("make the leaf of a %s: %w", d.Kind, err)
	}
	if err := insert(ctx, tx, d); err != nil {
		return d, err
	}
	key := d.key()
	return d, transparency.Append(ctx, tx, []transparency.Pending{{Home: key.Home, Transfer: key.Transfer, Leaf: leaf}})
}

// Last is the newest document of a kind, as part of tx; false where there is none.
func Last(ctx context.Context, tx *postgres.Tx, kind Kind) (Document, bool, error) {
	return last(ctx, tx, kind)
}

// Proven is a document with the proof that the log has its digest.
type Proven struct {
	Document
	Proof transparency.Proof
}

// Of is a document with its body, as part of tx. ErrUnknown.
func Of(ctx context.Context, tx *postgres.Tx, did ID) (Document, error) { return byID(ctx, tx, did) }

// Service reads what was published. Everybody may.
type Service struct {
	db  *postgres.DB
	log *transparency.Service
}

// New makes the service.
func New(db *postgres.DB, log *transparency.Service) *Service { return &Service{db, log} }

// Documents are those of a kind ("": of all), the newest first, without their bodies.
func (s *Service) Documents(ctx context.Context, kind Kind, p page.Request) (page.Of[Document], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Document], error) { return list(ctx, tx, kind, p) })
}

// Document is one with its body. ErrUnknown.
func (s *Service) Document(ctx context.Context, did ID) (Document, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Document, error) { return byID(ctx, tx, did) })
}

// Proof is a document and the proof that the log has its digest; until a checkpoint covers
// it, the proof is Pending. ErrUnknown.
func (s *Service) Proof(ctx context.Context, did ID) (Proven, error) {
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Proven, error) {
		d, err := byID(ctx, tx, did)
		if err != nil {
			return Proven{}, err
		}
		proofs, err := s.log.Prove(ctx, tx, []transparency.Key{d.key()})
		if err != nil {
			return Proven{}, err
		}
		return Proven{d, proofs[0]}, nil
	})
}

// Announce publishes the policy in force, where it is not the last that was published. The
// same bytes are the same policy.
func (s *Service) Announce(ctx context.Context, policy Document) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		if err := alone(ctx, tx); err != nil {
			return err
		}
		old, known, err := last(ctx, tx, Policy)
		if err != nil || known && bytes.Equal(old.Body, policy.Body) {
			return err
		}
		policy.Kind = Policy
		_, err = Publish(ctx, tx, policy)
		return err
	})
}

// Check holds each document against its leaf in the log or in its queue, and says what
// differs: a document that is gone, was added behind the log's back, or says something else.
func Check(ctx context.Context, db *postgres.DB) ([]string, error) {
	return postgres.View(ctx, db, func(tx *postgres.Tx) ([]string, error) {
		var faults []string
		rows, err := against(ctx, tx)
		for _, r := range rows {
			var sum [sha256.Size]byte
			copy(sum[:], r.Sum)
			switch leaf, err := r.Document.document().leaf(sum); {
			case r.Document.Digest == nil && r.Index == nil:
				faults = append(faults, fmt.Sprintf("a leaf that waits for the log has no document %s", r.Told))
			case r.Document.Digest == nil:
				faults = append(faults, fmt.Sprintf("leaf %d of the log has no document %s", *r.Index, r.Told))
			case r.Leaf == nil:
				faults = append(faults, fmt.Sprintf("document %s: its leaf is neither in the log nor waiting for it", r.Document.ID))
			case err != nil || !bytes.Equal(leaf, r.Leaf) || !bytes.Equal(r.Document.Digest, r.Sum):
				faults = append(faults, fmt.Sprintf("document %s: its leaf in the log says something else", r.Document.ID))
			}
		}
		return faults, err
	})
}
