package inventory

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// shelfTTL is how old the public flag "in stock" may be.
	shelfTTL = time.Second
	// shelfSize bounds the remembered flags, in SKUs.
	shelfSize = 20_000
)

// shelf remembers for a moment which SKUs are in stock, because every visitor
// asks and almost nobody buys.
type shelf struct {
	mu    sync.Mutex
	flags map[uuid.UUID]flag
}

type flag struct {
	inStock bool
	until   time.Time
}

func newShelf() *shelf { return &shelf{flags: map[uuid.UUID]flag{}} }

// available answers from memory what is fresh and asks fetch for the rest.
func (s *shelf) available(ctx context.Context, now time.Time, skus []uuid.UUID,
	fetch func(context.Context, []uuid.UUID) (map[uuid.UUID]Level, error),
) (map[uuid.UUID]bool, error) {
	out := make(map[uuid.UUID]bool, len(skus))
	var stale []uuid.UUID
	s.mu.Lock()
	for _, sku := range skus {
		if f, ok := s.flags[sku]; ok && now.Before(f.until) {
			out[sku] = f.inStock
		} else {
			stale = append(stale, sku)
		}
	}
	s.mu.Unlock()
	if len(stale) == 0 {
		return out, nil
	}
	levels, err := fetch(ctx, stale)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.flags)+len(stale) > shelfSize {
		clear(s.flags)
	}
	for _, sku := range stale {
		in := levels[sku].Available > 0
		out[sku] = in
		s.flags[sku] = flag{in, now.Add(shelfTTL)}
	}
	return out, nil
}

// forget makes the next question about the SKU reach the database.
func (s *shelf) forget(sku uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flags, sku)
}
