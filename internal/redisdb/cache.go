package redisdb

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"
)

// Ages of what is remembered for the public. The process keeps an answer for
// localTTL, Redis for sharedTTL; together they make MaxAge.
const (
	// MaxAge is how old a remembered answer may be.
	MaxAge    = localTTL + sharedTTL
	localTTL  = 2 * time.Second
	sharedTTL = 3 * time.Second
	// editTTL is how long Redis remembers that there was an edit: longer than any page of before it.
	editTTL = 4 * sharedTTL
	// fillTimeout bounds the work for one answer, for whose sake several may wait.
	fillTimeout = 10 * time.Second
	// cacheSize bounds the answers in the process's memory.
	cacheSize = 512
)

// Cache remembers public answers for seconds: first in the process, then in
// Redis for all processes. Nothing is decided by it, and nothing but speed is
// lost when it is empty. An edit empties it at once in its own process, and
// makes what Redis holds too old.
type Cache struct {
	name    string // what its keys in Redis begin with
	redis   *DB    // nil: the process alone
	flights singleflight.Group

	mu         sync.RWMutex
	generation uint64
	edited     time.Time // when the last edit here was; Redis may not have heard of it
	answers    map[string]answer
}

// answer is a remembered value.
type answer struct {
	value any
	until time.Time
}

// shared is a value as Redis holds it. Made is before it was read.
type shared struct {
	Made  time.Time
	Value json.RawMessage
}

// NewCache makes a cache whose keys in Redis begin with a name; r may be nil.
func NewCache(name string, r *DB) *Cache {
	return &Cache{name: name, redis: r, answers: map[string]answer{}}
}

// page is the name of an answer in Redis, and edits that of the last edit's time.
func (c *Cache) page(key string) string { return c.name + ":page:" + key }

func (c *Cache) edits() string { return c.name + ":edited" }

// Cached is the remembered value of key, or what fill makes. Of many who miss
// the same key at once, one fills. Errors are not remembered.
func Cached[T any](ctx context.Context, c *Cache, now time.Time, key string, fill func(context.Context) (T, error)) (T, error) {
	if c == nil {
		return fill(ctx)
	}
	value, generation, ok := recall[T](c, now, key)
	if ok {
		return value, nil
	}
	// The flight's name has the generation in it: who comes after an edit does not join one from before.
	flight := c.flights.DoChan(strconv.FormatUint(generation, 10)+key, func() (any, error) {
		life, cancel := context.WithTimeout(context.WithoutCancel(ctx), fillTimeout)
		defer cancel()
		if value, ok := fetch[T](life, c, now, key); ok {
			c.keep(now, key, generation, value)
			return value, nil
		}
		value, err := fill(life)
		if err == nil {
			c.keep(now, key, generation, value)
			share(life, c, now, key, value)
		}
		return value, err
	})
	select {
	case r := <-flight:
		value, _ := r.Val.(T)
		return value, r.Err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// recall looks into the process's memory, and says which generation it is.
func recall[T any](c *Cache, now time.Time, key string) (value T, generation uint64, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	a, found := c.answers[key]
	if found && now.Before(a.until) {
		value, ok = a.value.(T)
	}
	return value, c.generation, ok
}

// keep remembers a value, unless there was an edit since it was asked for.
func (c *Cache) keep(now time.Time, key string, generation uint64, value any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		return
	}
	if _, known := c.answers[key]; !known && len(c.answers) >= cacheSize {
		c.evict(now)
	}
	c.answers[key] = answer{value, now.Add(localTTL)}
}

// evict makes room: what is too old goes, else any one.
func (c *Cache) evict(now time.Time) {
	for key, a := range c.answers {
		if !now.Before(a.until) {
			delete(c.answers, key)
		}
	}
	for key := range c.answers {
		if len(c.answers) < cacheSize {
			return
		}
		delete(c.answers, key)
	}
}

// Forget drops everything, after an edit was committed.
func (c *Cache) Forget(ctx context.Context, now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.generation++
	c.edited = now
	clear(c.answers)
	c.mu.Unlock()
	if c.redis != nil && c.redis.Ready() {
		// Where Redis does not hear of it, other processes' pages grow old by themselves.
		_ = c.redis.Client().Set(ctx, c.edits(), now.UnixMicro(), editTTL).Err()
	}
}

// fetch looks into Redis. A page that was made before the last edit is none.
func fetch[T any](ctx context.Context, c *Cache, now time.Time, key string) (value T, ok bool) {
	if c.redis == nil || !c.redis.Ready() {
		return value, false
	}
	var held, edited *redis.StringCmd
	// A missing key is an error of the pipeline as a whole: each is looked at below.
	_, _ = c.redis.Client().Pipelined(ctx, func(p redis.Pipeliner) error {
		held, edited = p.Get(ctx, c.page(key)), p.Get(ctx, c.edits())
		return nil
	})
	raw, err := held.Bytes()
	if err != nil {
		return value, false
	}
	var s shared
	if json.Unmarshal(raw, &s) != nil || now.Sub(s.Made) >= sharedTTL {
		return value, false
	}
	if at, err := edited.Int64(); err == nil && s.Made.UnixMicro() <= at {
		return value, false
	}
	if !s.Made.After(c.lastEdit()) {
		return value, false
	}
	return value, json.Unmarshal(s.Value, &value) == nil
}

// lastEdit is when the last edit in this process was, zero if there was none.
func (c *Cache) lastEdit() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.edited
}

// share puts a value into Redis for the other processes.
func share(ctx context.Context, c *Cache, made time.Time, key string, value any) {
	if c.redis == nil || !c.redis.Ready() {
		return
	}
	js, err := json.Marshal(value)
	if err != nil {
		return
	}
	raw, err := json.Marshal(shared{made, js})
	if err != nil {
		return
	}
	// What cannot be shared is made again by whoever needs it.
	_ = c.redis.Client().Set(ctx, c.page(key), raw, sharedTTL).Err()
}
