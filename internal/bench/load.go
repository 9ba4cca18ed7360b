package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// result is what a load came to.
type result struct {
	clients  int
	done     int
	failed   int
	failure  error // the first one
	rate     float64
	p50, p99 time.Duration
}

// load lets so many clients do the same again and again, each waiting for its
// answer before it asks anew, for as long as it takes. work is made once for each
// client.
func load(ctx context.Context, clients int, length time.Duration, work func(client int) (do func(ctx context.Context) error, end func(), err error)) (result, error) {
	type part struct {
		took    []time.Duration
		failed  int
		failure error
	}
	parts := make([]part, clients)
	var ready, all sync.WaitGroup
	gate := make(chan struct{})
	errs := make([]error, clients)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := range clients {
		ready.Add(1)
		all.Go(func() {
			do, end, err := work(i)
			ready.Done()
			if err != nil {
				errs[i] = err
				return
			}
			defer end()
			<-gate
			p := &parts[i]
			for ctx.Err() == nil {
				start := time.Now()
				if err := do(ctx); err != nil {
					if ctx.Err() != nil {
						break // cut off by the end of the load
					}
					if p.failed++; p.failure == nil {
						p.failure = err
					}
					continue
				}
				p.took = append(p.took, time.Since(start))
			}
		})
	}
	ready.Wait()
	start := time.Now()
	close(gate)
	timer := time.NewTimer(length)
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	elapsed := time.Since(start)
	cancel()
	all.Wait()
	var took []time.Duration
	r := result{clients: clients}
	for _, p := range parts {
		took = append(took, p.took...)
		r.failed += p.failed
		if r.failure == nil {
			r.failure = p.failure
		}
	}
	slices.Sort(took)
	r.done = len(took)
	r.rate = float64(r.done) / elapsed.Seconds()
	r.p50, r.p99 = quantile(took, 0.50), quantile(took, 0.99)
	return r, errors.Join(errs...)
}

// quantile of sorted values: the least that so large a part does not exceed.
func quantile(sorted []time.Duration, part float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}
