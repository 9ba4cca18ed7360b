package trace

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Report is what Check found.
type Report struct {
	Queue       verify.Queue // as the leaves make it
	Differences []string     // at most maxDifferences, empty when all positions are right
}

// maxDifferences bounds a report: whoever reads it wants the first ones.
const maxDifferences = 100

// Check computes all positions anew of the log's leaves, and says which of those that are
// written down are others, lacking, or too many. What the log numbered before there were
// positions, and no later leaf has made them be written yet, is not held against it: then
// there is none at all, for the first that is written brings all before it.
func Check(ctx context.Context, db *postgres.DB) (Report, error) {
	return postgres.View(ctx, db, func(tx *postgres.Tx) (Report, error) {
		var r Report
		told, err := queue(ctx, tx)
		if err != nil {
			return r, err
		}
		for r.Queue.Leaves < told.Leaves {
			before := r.Queue
			entries, err := transparency.Entries(ctx, tx, r.Queue.Leaves, int(min(transparency.Batch, told.Leaves-r.Queue.Leaves)))
			if err != nil {
				return r, err
			}
			if len(entries) == 0 {
				r.differ("the fund's queue tells of %d leaves, the log has %d", told.Leaves, r.Queue.Leaves)
				return r, nil
			}
			want, err := advance(&r.Queue, entries)
			if err != nil {
				r.differ("%v", err)
				return r, nil
			}
			got, err := within(ctx, tx, before, &r.Queue)
			if err != nil {
				return r, err
			}
			r.compare(want, got)
		}
		size, err := transparency.Size(ctx, tx)
		if err != nil {
			return r, err
		}
		if told.Leaves != 0 && told.Leaves < size {
			r.differ("the fund's queue tells of %d leaves, the log has %d", told.Leaves, size)
		}
		if r.Queue != told {
			r.differ("the fund's queue is %+v by its leaves, and %+v as it is written down", r.Queue, told)
		}
		beyond, err := within(ctx, tx, r.Queue, nil)
		r.compare(nil, beyond)
		return r, err
	})
}

func (r *Report) differ(format string, args ...any) {
	if len(r.Differences) < maxDifferences {
		r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
	}
}

// compare holds positions that are written down against those that the leaves make.
func (r *Report) compare(want, got []Position) {
	type end struct {
		way verify.Way
		to  int64
	}
	all := make(map[end][2]*Position, len(want))
	for i := range want {
		all[end{want[i].Way, want[i].To}] = [2]*Position{&want[i], nil}
	}
	for i := range got {
		key := end{got[i].Way, got[i].To}
		all[key] = [2]*Position{all[key][0], &got[i]}
	}
	keys := make([]end, 0, len(all))
	for k, pair := range all {
		if pair[0] == nil || pair[1] == nil || *pair[0] != *pair[1] {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b end) int { return cmp.Or(cmp.Compare(a.way, b.way), cmp.Compare(a.to, b.to)) })
	for _, k := range keys {
		switch pair := all[k]; {
		case pair[1] == nil:
			r.differ("leaf %d: its position %s li %d to %d is not written down", pair[0].Index, k.way, pair[0].From, pair[0].To)
		case pair[0] == nil:
			r.differ("position %s li %d to %d is of no leaf", k.way, pair[1].From, pair[1].To)
		default:
			r.differ("leaf %d: its position %s li %d to %d is written down as %+v", pair[0].Index, k.way, pair[0].From, pair[0].To, *pair[1])
		}
	}
}
