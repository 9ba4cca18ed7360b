package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/alexedwards/argon2id"
)

// Config says how hard passwords are to guess and how many are checked at once.
// Its zero value is what OWASP recommends for argon2id.
type Config struct {
	// MemoryKiB is what one check needs, in KiB.
	MemoryKiB uint32 `env:"PASSWORD_MEMORY_KIB, default=19456"`
	// Iterations is how often that memory is gone through.
	Iterations uint32 `env:"PASSWORD_ITERATIONS, default=2"`
	// Concurrency is how many checks run at once: each needs a processor and its memory.
	Concurrency int `env:"PASSWORD_CONCURRENCY, default=2"`
	// Queue is how many may wait for their turn; further ones are told to come back.
	Queue int `env:"PASSWORD_QUEUE, default=64"`
}

func (c Config) withDefaults() Config {
	if c.MemoryKiB == 0 {
		c.MemoryKiB = 19 << 10
	}
	if c.Iterations == 0 {
		c.Iterations = 2
	}
	if c.Concurrency <= 0 {
		c.Concurrency = 2
	}
	if c.Queue <= 0 {
		c.Queue = 64
	}
	return c
}

// hasher hashes and compares passwords, a few at a time: argon2id is made to
// be expensive, and a crowd that signs in must not starve those who buy.
type hasher struct {
	params *argon2id.Params
	queue  chan struct{} // those who wait and those who run
	slots  chan struct{} // those who run
	nobody string        // a hash that no password has
}

func newHasher(c Config) (*hasher, error) {
	c = c.withDefaults()
	h := &hasher{
		params: &argon2id.Params{Memory: c.MemoryKiB, Iterations: c.Iterations, Parallelism: 1, SaltLength: 16, KeyLength: 32},
		queue:  make(chan struct{}, c.Queue+c.Concurrency),
		slots:  make(chan struct{}, c.Concurrency),
	}
	secret, err := newToken()
	if err != nil {
		return nil, err
	}
	if h.nobody, err = argon2id.CreateHash(secret, h.params); err != nil {
		return nil, fmt.Errorf("hash a password: %w", err)
	}
	return h, nil
}

// turn waits until the password may be worked on. ErrBusy: too many wait.
func (h *hasher) turn(ctx context.Context) (done func(), err error) {
	select {
	case h.queue <- struct{}{}:
	default:
		return nil, ErrBusy.After(2 * time.Second)
	}
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots; <-h.queue }, nil
	case <-ctx.Done():
		<-h.queue
		return nil, ctx.Err()
	}
}

func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	hash, err := argon2id.CreateHash(password, h.params)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// matches reports whether the password has this hash. With no hash it takes as
// long and says no, so that a stopwatch does not tell who has an account.
func (h *hasher) matches(ctx context.Context, password, hash string) (bool, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	known := hash != ""
	if !known {
		hash = h.nobody
	}
	same, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, fmt.Errorf("compare a password: %w", err)
	}
	return same && known, nil
}
