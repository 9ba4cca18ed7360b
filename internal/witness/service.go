package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shiyi-market/shiyi/internal/outbound"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Service asks the witnesses and shows what they said.
type Service struct {
	db    *postgres.DB
	log   *transparency.Service
	known verify.Log
	peers []Peer
	via   *http.Client
}

// New makes the service. via carries the questions; nil is the guarded way out, and the only
// one in the program.
func New(db *postgres.DB, log *transparency.Service, peers []Peer, via http.RoundTripper) (*Service, error) {
	if via == nil {
		via = outbound.Way(false)
	}
	known, err := verify.NewLog(log.VerifierKey())
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: via, Timeout: outbound.Limit, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Service{db, log, known, peers, client}, nil
}

// Ask asks every witness that has not cosigned the newest checkpoint to do so, and returns how
// many did. Nothing is asked within a transaction. One that does not answer, or refuses, is in
// the error and keeps none of the others; it is asked again the next time. All are asked at once, and what
// they say is kept at once: who demands several of them is not shown what one has cosigned so far.
func (s *Service) Ask(ctx context.Context) (int, error) {
	if len(s.peers) == 0 {
		return 0, nil
	}
	signed, err := s.log.Checkpoint(ctx)
	if errors.Is(err, transparency.ErrNoCheckpoint) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	now, err := s.known.Checkpoint(signed)
	if err != nil {
		return 0, err
	}
	seen, err := s.newest(ctx)
	if err != nil {
		return 0, err
	}
	said, faults := make([]verify.Cosignature, len(s.peers)), make([]error, len(s.peers))
	var asked sync.WaitGroup
	for i, p := range s.peers {
		old, before := seen[p.VKey]
		if before && old.Size >= now.Size {
			continue
		}
		asked.Go(func() {
			c, err := s.ask(ctx, p, old.Size, now, signed)
			if err != nil {
				faults[i] = fmt.Errorf("%s: %w", p.known.Name(), err)
				return
			}
			said[i] = c
		})
	}
	asked.Wait()
	cosigned, err := s.keep(ctx, now, said)
	return cosigned, errors.Join(append(faults, err)...)
}

// ask asks one witness. Where it knows another size than we think, it says so, and is asked
// once more from there.
func (s *Service) ask(ctx context.Context, p Peer, old int64, now verify.Checkpoint, signed []byte) (verify.Cosignature, error) {
	for range 2 {
		proof, err := s.log.Consistency(ctx, old, now.Size)
		if err != nil {
			return verify.Cosignature{}, err
		}
		status, answer, err := s.post(ctx, p.URL+"/add-checkpoint", request(old, proof, signed))
		switch {
		case err != nil:
			return verify.Cosignature{}, err
		case status == http.StatusOK:
			return p.accept(signed, answer, s.db.Now())
		case status != http.StatusConflict:
			if status == http.StatusUnprocessableEntity {
				return verify.Cosignature{}, errSplit
			}
			return verify.Cosignature{}, fmt.Errorf("%w: status %d", errRefused, status)
		}
		size, err := strconv.ParseInt(strings.TrimSuffix(string(answer), "\n"), 10, 64)
		switch {
		case err != nil || size < 0:
			return verify.Cosignature{}, fmt.Errorf("%w: status 409 without a size", errRefused)
		case size > now.Size:
			signed, err := s.signed(ctx, size)
			if err != nil || signed {
				return verify.Cosignature{}, err // another process of ours asked it meanwhile
			}
			return verify.Cosignature{}, fmt.Errorf("%w: %d leaves, ours are %d", errAhead, size, now.Size)
		case size == old:
			return verify.Cosignature{}, errSplit
		}
		old = size
	}
	return verify.Cosignature{}, fmt.Errorf("%w: it changes what it knows as fast as we ask", errRefused)
}

// signed reports whether so many leaves are signed by now.
func (s *Service) signed(ctx context.Context, size int64) (bool, error) {
	text, err := s.log.Checkpoint(ctx)
	if err != nil {
		return false, err
	}
	newest, err := s.known.Checkpoint(text)
	return newest.Size >= size, err
}

// mostAnswer is how many bytes of an answer are read: a few signature lines.
const mostAnswer = 16 << 10

func (s *Service) post(ctx context.Context, url string, body []byte) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	res, err := s.via.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	answer, err = io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	return res.StatusCode, answer, err
}

// keep keeps what was said of a checkpoint, by the places of the witnesses, and returns how many did.
func (s *Service) keep(ctx context.Context, now verify.Checkpoint, said []verify.Cosignature) (int, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int, error) {
		cosigned := 0
		for i, c := range said {
			if c.Line == "" {
				continue
			}
			r := row{Signer: s.log.VerifierKey(), Size: now.Size, Witness: s.peers[i].VKey, Line: c.Line, CosignedAt: c.At, ReceivedAt: tx.Now}
			if err := insert(ctx, tx, r); err != nil {
				return 0, err
			}
			cosigned++
		}
		return cosigned, nil
	})
}

// newest are the newest cosignatures by the keys of the witnesses whom we ask.
func (s *Service) newest(ctx context.Context) (map[string]row, error) {
	keys := make([]string, len(s.peers))
	for i, p := range s.peers {
		keys[i] = p.VKey
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (map[string]row, error) {
		return newest(ctx, tx, s.log.VerifierKey(), keys)
	})
}

// Checkpoint is the newest signed checkpoint with the cosignatures that it has by now.
// transparency.ErrNoCheckpoint.
func (s *Service) Checkpoint(ctx context.Context) ([]byte, error) {
	signed, err := s.log.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.known.Checkpoint(signed)
	if err != nil {
		return nil, err
	}
	return s.with(ctx, signed, c.Size)
}

// Witnessed is the newest signed checkpoint that a witness has cosigned, with all cosignatures
// that it has. ErrNone.
func (s *Service) Witnessed(ctx context.Context) ([]byte, error) {
	size, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (*int64, error) { return largest(ctx, tx, s.log.VerifierKey()) })
	switch {
	case err != nil:
		return nil, err
	case size == nil:
		return nil, ErrNone
	}
	signed, err := s.log.CheckpointOf(ctx, *size)
	if err != nil {
		return nil, err
	}
	return s.with(ctx, signed, *size)
}

// with adds the cosignatures as further signature lines, which readers who do not know the
// keys pass over.
func (s *Service) with(ctx context.Context, signed []byte, size int64) ([]byte, error) {
	lines, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]string, error) { return linesOf(ctx, tx, s.log.VerifierKey(), size) })
	for _, line := range lines {
		signed = append(signed, line+"\n"...)
	}
	return signed, err
}

// Witnesses are those whom we ask, in the order of the setting, with what each cosigned last.
func (s *Service) Witnesses(ctx context.Context) ([]Seen, error) {
	seen, err := s.newest(ctx)
	all := make([]Seen, len(s.peers))
	for i, p := range s.peers {
		all[i] = Seen{Name: p.known.Name(), VKey: p.VKey}
		if c, ok := seen[p.VKey]; ok {
			at := c.CosignedAt.UTC().Truncate(time.Second)
			all[i].Size, all[i].CosignedAt = &c.Size, &at
		}
	}
	return all, err
}
