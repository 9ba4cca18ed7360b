package request_test

import (
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
)

func claim(body string) request.Claim {
	return request.Claim{Caller: uuid.MustParse("0190a2b0-0000-7000-8000-000000000001"), Operation: "test", Key: "k", Hash: sha256.Sum256([]byte(body))}
}

func render(s string) (request.Answer, error) {
	return request.Answer{Status: 201, Body: []byte(s)}, nil
}

func TestTheSameKeyHundredTimesAtOnceHasOneEffect(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	var mu sync.Mutex
	effects := 0
	var wg sync.WaitGroup
	errs := make([]error, 100)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = request.Do(t.Context(), db, claim("body"), render, func(*postgres.Tx) (string, error) {
				mu.Lock()
				defer mu.Unlock()
				effects++
				return "made", nil
			})
		})
	}
	wg.Wait()
	fresh := 0
	for _, err := range errs {
		var replay *request.ReplayError
		switch {
		case err == nil:
			fresh++
		case errors.As(err, &replay):
			if replay.Status != 201 || string(replay.Body) != "made" {
				t.Errorf("replayed %d %q", replay.Status, replay.Body)
			}
		default:
			t.Errorf("got %v", err)
		}
	}
	if fresh != 1 || effects != 1 {
		t.Errorf("%d fresh answers and %d effects, want one", fresh, effects)
	}
}

func TestAKeyBelongsToOneRequest(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	do := func(c request.Claim) error {
		_, err := request.Do(t.Context(), db, c, render, func(*postgres.Tx) (string, error) { return "made", nil })
		return err
	}
	if err := do(claim("one")); err != nil {
		t.Fatal(err)
	}
	if err := do(claim("two")); !errors.Is(err, request.ErrReused) {
		t.Errorf("another body: %v, want %v", err, request.ErrReused)
	}
	other := claim("one")
	other.Caller = uuid.MustParse("0190a2b0-0000-7000-8000-000000000002")
	if err := do(other); err != nil {
		t.Errorf("another caller's same key: %v", err)
	}
}

func TestARefusedRequestIsForgotten(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	oops := errors.New("oops")
	_, err := request.Do(t.Context(), db, claim("one"), render, func(*postgres.Tx) (string, error) { return "", oops })
	if !errors.Is(err, oops) {
		t.Fatal(err)
	}
	if _, err := request.Do(t.Context(), db, claim("two"), render, func(*postgres.Tx) (string, error) { return "made", nil }); err != nil {
		t.Errorf("after a refusal: %v", err)
	}
}

func TestAnAbandonedRequestIsTakenOverOnce(t *testing.T) {
	t.Parallel()
	clock := pgtest.NewClock(pgtest.Noon)
	db := pgtest.NewAt(t, clock.Now)
	begin := func() (bool, error) {
		return postgres.InTx(t.Context(), db, func(tx *postgres.Tx) (bool, error) { return request.Begin(t.Context(), tx, claim("one")) })
	}
	if resumed, err := begin(); err != nil || resumed {
		t.Fatalf("first: %v %v", resumed, err)
	}
	if _, err := begin(); !errors.Is(err, request.ErrRunning) {
		t.Errorf("while it runs: %v, want %v", err, request.ErrRunning)
	}
	clock.Advance(31 * time.Second)
	if resumed, err := begin(); err != nil || !resumed {
		t.Errorf("after its process died: %v %v, want it resumed", resumed, err)
	}
	if _, err := begin(); !errors.Is(err, request.ErrRunning) {
		t.Errorf("just taken over: %v, want %v", err, request.ErrRunning)
	}
}

func TestAnswersAreForgottenAfterThirtyDays(t *testing.T) {
	t.Parallel()
	clock := pgtest.NewClock(pgtest.Noon)
	db := pgtest.NewAt(t, clock.Now)
	do := func() error {
		_, err := request.Do(t.Context(), db, claim("one"), render, func(*postgres.Tx) (string, error) { return "made", nil })
		return err
	}
	if err := do(); err != nil {
		t.Fatal(err)
	}
	clock.Advance(request.Kept - time.Second)
	if n, err := request.Forget(t.Context(), db); err != nil || n != 0 {
		t.Errorf("too early: %d, %v", n, err)
	}
	clock.Advance(2 * time.Second)
	if n, err := request.Forget(t.Context(), db); err != nil || n != 1 {
		t.Errorf("after thirty days: %d, %v", n, err)
	}
	if err := do(); err != nil {
		t.Errorf("the key is free again: %v", err)
	}
}
