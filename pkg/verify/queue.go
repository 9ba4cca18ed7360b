package verify

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// ErrOrder says that a leaf was added out of its turn: a queue takes all leaves, in the
// order of the log.
var ErrOrder = errors.New("verify: not the next leaf of the log")

// Way is which end of the queue money passes.
type Way string

// The ways.
const (
	In  Way = "in"  // a maturing, a dispute won after it, what a programme gave back
	Out Way = "out" // the payment of a grant, or a return that came after the maturing
)

// Interval is a range of li, from From on and before To, counted from the first li that
// ever passed.
type Interval struct{ From, To int64 }

// Li is how many li the interval has.
func (i Interval) Li() int64 { return i.To - i.From }

// Overlap is what two intervals share; where they share nothing, it has no li.
func (i Interval) Overlap(o Interval) Interval {
	from := max(i.From, o.From)
	return Interval{from, max(from, min(i.To, o.To))}
}

// Position is where a move stands in the queue.
type Position struct {
	Interval
	Way     Way
	N       int64  // which inflow or which outflow it is, from 0
	Index   int64  // of its leaf in the log
	Place   int    // of the move in its leaf, from 0
	Kind    string // of the leaf: KindMature, KindGrantPayment, …
	Home    string // of the leaf
	Ref     string // of the leaf
	Account string // the end outside: what an outflow went to, what an inflow came from
}

// Late reports whether an outflow is no payment of a grant: goods came back, or their
// payment did, when their tenth was free already.
func (p Position) Late() bool { return p.Way == Out && p.Kind != KindGrantPayment }

// Sum is what passed one end of a queue.
type Sum struct {
	Li    int64 // of all positions: where the next one begins
	Count int64 // of positions
}

// Queue puts the fund's money in a line. It holds what is free and what is committed, for a
// promise moves nothing: a move into these accounts from elsewhere is an inflow, one out of
// them an outflow. In the order of the log (by leaf, then by move) each inflow has the
// interval of li after those before it, and so has each outflow, so that money leaves
// in the order in which it came: the outflow of the li from a to b is of the inflows
// that have these li. Whoever has the leaves computes the same, and needs nothing but the
// sums so far to go on. The zero Queue is that of an empty log.
type Queue struct {
	Leaves      int64 // added so far: the index of the next
	In, Out     Sum
	CommittedLi int64 // promised by grants, not paid yet: these li are the next to leave
}

// BalanceLi is what is in the queue, free and committed. Below zero, more came back than
// there was, and the next inflows make it good.
func (q Queue) BalanceLi() int64 { return q.In.Li - q.Out.Li }

// Add takes the next leaf of the log, and gives its moves their positions. ErrOrder for
// any other leaf, ErrOverflow as in Totals; the queue is not to be used any further then.
func (q *Queue) Add(index int64, l Leaf) ([]Position, error) {
	if index != q.Leaves {
		return nil, fmt.Errorf("%w: %d comes after %d leaves", ErrOrder, index, q.Leaves)
	}
	q.Leaves++
	var found []Position
	for place, m := range l.Moves {
		q.commit(m)
		from, to := Queued(m.Source), Queued(m.Target)
		if from == to {
			continue
		}
		way, sum, account := In, &q.In, m.Source
		if from {
			way, sum, account = Out, &q.Out, m.Target
		}
		if sum.Li > math.MaxInt64-m.Li {
			return nil, ErrOverflow
		}
		found = append(found, Position{
			Interval: Interval{sum.Li, sum.Li + m.Li}, Way: way, N: sum.Count, Index: index, Place: place,
			Kind: l.Kind, Home: l.Home, Ref: l.Ref, Account: account,
		})
		sum.Li += m.Li
		sum.Count++
	}
	return found, nil
}

func (q *Queue) commit(m Move) {
	if strings.HasPrefix(m.Source, Committed) {
		q.CommittedLi -= m.Li
	}
	if strings.HasPrefix(m.Target, Committed) {
		q.CommittedLi += m.Li
	}
}

// Queued reports whether what an account holds is in the queue.
func Queued(account string) bool {
	return account == FundFree || strings.HasPrefix(account, Committed)
}

// Part is what an interval shares with a position.
type Part struct {
	Interval
	Of Position
}

// Parts splits an interval among the positions of one way, which are given in their order
// (gaps between them are allowed). For an inflow and the outflows, what is in no part is
// Left; for an outflow and the inflows, the parts sum to the outflow.
func Parts(of Interval, positions []Position) []Part {
	first, _ := slices.BinarySearchFunc(positions, of.From, func(p Position, from int64) int {
		if p.To <= from {
			return -1
		}
		return 1
	})
	var parts []Part
	for _, p := range positions[first:] {
		shared := of.Overlap(p.Interval)
		if shared.Li() == 0 {
			break
		}
		parts = append(parts, Part{shared, p})
	}
	return parts
}

// Left is what of an inflow is still in the queue: the li that are promised by grants, and
// those that are free. What is promised leaves before what is not.
func (q Queue) Left(of Interval) (committed, free Interval) {
	end := max(q.Out.Li, q.In.Li)
	promised := min(q.Out.Li+max(q.CommittedLi, 0), end)
	return of.Overlap(Interval{q.Out.Li, promised}), of.Overlap(Interval{promised, end})
}
