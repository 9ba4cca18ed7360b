package search

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/term"
)

// Stocked says which SKUs have pieces to sell.
type Stocked = func(ctx context.Context, tx *postgres.Tx, skus []uuid.UUID) (map[uuid.UUID]bool, error)

// Service finds goods, and keeps what they are found by.
type Service struct {
	db      *postgres.DB
	stocked Stocked

	mu    sync.Mutex
	words *vocabulary // nil: not read yet
	until time.Time   // when it is read anew
	swept place       // up to where the entries were compared
}

// place is a product among all, by enterprise and id.
type place struct{ merchant, product uuid.UUID }

// New returns a Service on db that asks stocked what there is.
func New(db *postgres.DB, stocked Stocked) *Service { return &Service{db: db, stocked: stocked} }

// memory is how long synonyms and categories are remembered.
const memory = 30 * time.Second

// vocabulary is what the shop knows of words, at most memory old.
func (s *Service) vocabulary(ctx context.Context) (*vocabulary, error) {
	now := s.db.Now()
	s.mu.Lock()
	v, fresh := s.words, now.Before(s.until)
	s.mu.Unlock()
	if v != nil && fresh {
		return v, nil
	}
	v, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) (*vocabulary, error) {
		all, err := synonyms(ctx, tx)
		if err != nil {
			return nil, err
		}
		shelves, err := origin.Categories(ctx, tx)
		return newVocabulary(all, shelves), err
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words, s.until = v, now.Add(memory)
	return v, nil
}

// Find is a page of the goods that q describes, the best fitting first, public. A
// page may be shorter than asked and not be the last: what was sold off or
// withdrawn in this moment is left out. ErrNoWords, ErrTooMuch, or
// catalog.ErrCategory.
func (s *Service) Find(ctx context.Context, q Query, p page.Request) (page.Of[catalog.Product], error) {
	var none page.Of[catalog.Product]
	v, err := s.vocabulary(ctx)
	if err != nil {
		return none, err
	}
	asked, err := v.ready(q)
	if err != nil {
		return none, err
	}
	after, err := afterOf(p)
	if err != nil {
		return none, err
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[catalog.Product], error) {
		found, err := asked.next(ctx, tx, after, p.Size()+1)
		if err != nil {
			return none, err
		}
		cut := page.Cut(found, p.Size(), hit.place)
		goods, err := shown(ctx, tx, cut.Data)
		return page.Of[catalog.Product]{Data: goods, Next: cut.Next}, err
	})
}

// next are the n hits after one, rank by rank.
func (q question) next(ctx context.Context, tx *postgres.Tx, after hit, n int) ([]hit, error) {
	var out []hit
	for r := after.rank; r <= loose && len(out) < n; r++ {
		if r != after.rank {
			after = hit{rank: r}
		}
		read := q.byLot
		if r <= begins {
			if q.key == "" {
				continue
			}
			read = q.byKey
		}
		found, err := read(ctx, tx, r, after, n-len(out))
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// place is where a hit stands: what cursors are made of.
func (h hit) place() (string, uuid.UUID) { return strconv.Itoa(int(h.rank)) + h.Key, h.Product }

// afterOf reads a cursor.
func afterOf(p page.Request) (hit, error) {
	text, last, err := p.After()
	if err != nil || p.Cursor == "" {
		return hit{}, err
	}
	if text == "" || text[0] < '0' || text[0] > '0'+byte(loose) || last == uuid.Nil {
		return hit{}, page.ErrCursor
	}
	return hit{rank: rank(text[0] - '0'), Key: text[1:], Product: last}, nil
}

// shown are the products of hits, as the catalogue has them now, in the hits' order.
func shown(ctx context.Context, tx *postgres.Tx, all []hit) ([]catalog.Product, error) {
	if len(all) == 0 {
		return nil, nil
	}
	ids := make([]uuid.UUID, len(all))
	for i, h := range all {
		ids[i] = h.Product
	}
	goods, err := catalog.OnShow(ctx, tx, ids)
	slices.SortFunc(goods, func(a, b catalog.Product) int {
		return slices.Index(ids, a.ID.UUID()) - slices.Index(ids, b.ID.UUID())
	})
	return goods, err
}

// Index makes the entries of products anew. It is the job catalog.Changed, and may
// be done late or twice; products that there are not are none.
func (s *Service) Index(ctx context.Context, products ...uuid.UUID) error {
	v, err := s.vocabulary(ctx)
	if err != nil {
		return err
	}
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		goods, err := catalog.Hold(ctx, tx, products)
		if err != nil {
			return err
		}
		fresh, err := s.entries(ctx, tx, v, goods)
		if err != nil {
			return err
		}
		return write(ctx, tx, fresh)
	})
}

// about is what else is known of products: where their enterprises are, and which
// SKUs have pieces.
func (s *Service) about(ctx context.Context, tx *postgres.Tx, goods []catalog.Product) (places map[uuid.UUID]string, stocked map[uuid.UUID]bool, err error) {
	var merchants, skus []uuid.UUID
	for _, p := range goods {
		if !slices.Contains(merchants, p.Merchant.UUID()) {
			merchants = append(merchants, p.Merchant.UUID())
		}
		for _, k := range p.SKUs {
			skus = append(skus, k.ID.UUID())
		}
	}
	places, err = townships(ctx, tx, merchants)
	if err != nil {
		return nil, nil, err
	}
	stocked, err = s.stocked(ctx, tx, skus)
	return places, stocked, err
}

func (s *Service) entries(ctx context.Context, tx *postgres.Tx, v *vocabulary, goods []catalog.Product) ([]entry, error) {
	places, stocked, err := s.about(ctx, tx, goods)
	if err != nil {
		return nil, err
	}
	out := make([]entry, len(goods))
	for i, p := range goods {
		out[i] = v.entryOf(p, places[p.Merchant.UUID()], anyOf(p, stocked))
	}
	return out, nil
}

// anyOf reports whether any of a product's SKUs has pieces.
func anyOf(p catalog.Product, stocked map[uuid.UUID]bool) bool {
	return slices.ContainsFunc(p.SKUs, func(k catalog.SKU) bool { return stocked[k.ID.UUID()] })
}

// Bounds of a sweep, in products.
const (
	slice = 2000 // that are compared in one go
	part  = 200  // whose entries are made anew in one transaction
)

// Sweep compares the next products with their entries, after those that the sweep
// before compared, and begins anew at the end. What is missing or was made from
// something else (an older text, other synonyms, an older way of making entries),
// or was sold out or filled up since, is made anew. It returns how many were.
func (s *Service) Sweep(ctx context.Context) (int, error) {
	v, err := s.vocabulary(ctx)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	from := s.swept
	s.mu.Unlock()
	var upTo place
	late, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) (late []uuid.UUID, err error) {
		late, upTo, err = s.compare(ctx, tx, v, from)
		return late, err
	})
	if err != nil {
		return 0, err
	}
	for ids := range slices.Chunk(late, part) {
		if err := s.Index(ctx, ids...); err != nil {
			return 0, err
		}
	}
	s.mu.Lock()
	s.swept = upTo
	s.mu.Unlock()
	return len(late), nil
}

// compare looks at a slice of the products: late are those whose entries must be made.
func (s *Service) compare(ctx context.Context, tx *postgres.Tx, v *vocabulary, from place) (late []uuid.UUID, upTo place, err error) {
	goods, err := catalog.Every(ctx, tx, from.merchant, from.product, slice)
	if err != nil || len(goods) == 0 {
		return nil, place{}, err
	}
	places, stocked, err := s.about(ctx, tx, goods)
	if err != nil {
		return nil, place{}, err
	}
	m, p := make([]uuid.UUID, len(goods)), make([]uuid.UUID, len(goods))
	for i, g := range goods {
		m[i], p[i] = g.Merchant.UUID(), g.ID.UUID()
	}
	have, err := kept(ctx, tx, m, p)
	for i, g := range goods {
		if e, ok := have[p[i]]; !ok || e.Source != v.source(g, places[m[i]]) || e.InStock != anyOf(g, stocked) {
			late = append(late, p[i])
		}
	}
	if len(goods) == slice {
		upTo = place{m[slice-1], p[slice-1]}
	}
	return late, upTo, err
}

// Suggest offers what somebody may mean who has typed so far: at most ten
// categories and names that begin so, in Chinese or in pinyin, public. What there
// is nothing for is an empty list.
func (s *Service) Suggest(ctx context.Context, typed string) ([]Suggestion, error) {
	const most = 10
	v, err := s.vocabulary(ctx)
	if err != nil {
		return nil, err
	}
	asked, err := v.ready(Query{Words: typed})
	if errors.Is(err, ErrNoWords) || err == nil && asked.key == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := v.shelves(term.Runs(typed))
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]Suggestion, error) {
		hits, err := names(ctx, tx, asked.column, asked.key, most)
		if err != nil || len(hits) == 0 {
			return out, err
		}
		goods, err := shown(ctx, tx, hits)
		for _, p := range goods {
			if len(out) < most {
				out = append(out, Suggestion{Text: p.Name})
			}
		}
		return out, err
	})
}
