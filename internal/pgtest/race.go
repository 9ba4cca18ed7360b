package pgtest

import (
	"errors"
	"slices"
	"sync"
	"testing"
)

// AtOnce calls f so many times at once, and counts the calls that succeeded. One
// that fails with none of the refusals is an error of the test.
func AtOnce(tb testing.TB, times int, f func(i int) error, refusals ...error) int {
	tb.Helper()
	var all sync.WaitGroup
	errs := make([]error, times)
	for i := range errs {
		all.Go(func() { errs[i] = f(i) })
	}
	all.Wait()
	succeeded := 0
	for i, err := range errs {
		switch {
		case err == nil:
			succeeded++
		case !slices.ContainsFunc(refusals, func(want error) bool { return errors.Is(err, want) }):
			tb.Errorf("call %d of %d at once: %v, want %v", i, times, err, refusals)
		}
	}
	return succeeded
}
