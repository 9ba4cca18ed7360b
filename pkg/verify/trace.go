package verify

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// ErrTrace says that where a tenth went is not what was answered.
var ErrTrace = errors.New("verify: the tenth went elsewhere")

// Tracer follows the maturings of a receipt through the queue, with the memory of what left
// it alone.
type Tracer struct {
	Queue  Queue
	until  int64 // leaves; -1: all
	orders map[int64]string
	in     map[int64]Position
	out    []Position
}

// NewTracer follows what of CheckReceipt's findings came into the queue, through so many leaves of
// the log; -1 for all that are added.
func NewTracer(findings []Finding, until int64) *Tracer {
	t := &Tracer{until: until, orders: map[int64]string{}, in: map[int64]Position{}}
	for _, f := range findings {
		if f.Queued() && f.Proven {
			t.orders[f.Index] = f.OrderID
		}
	}
	return t
}

// Add takes the next leaf of the log; see Queue.Add.
func (t *Tracer) Add(index int64, l Leaf) error {
	if t.Queue.Leaves == t.until {
		return nil
	}
	found, err := t.Queue.Add(index, l)
	for _, p := range found {
		if p.Way == Out {
			t.out = append(t.out, p)
		} else if t.orders[index] != "" {
			t.in[index] = p
		}
	}
	return err
}

// Traced is where the tenth of an order is: what left the queue, and what is still in it.
type Traced struct {
	OrderID         string
	Inflow          Position
	Parts           []Part
	Committed, Free Interval
}

// Traced are the inflows that were followed, by their place in the log.
func (t *Tracer) Traced() []Traced {
	all := make([]Traced, 0, len(t.in))
	for index, p := range t.in {
		one := Traced{OrderID: t.orders[index], Inflow: p, Parts: Parts(p.Interval, t.out)}
		one.Committed, one.Free = t.Queue.Left(p.Interval)
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Traced) int { return cmp.Compare(a.Inflow.Index, b.Inflow.Index) })
	return all
}

// TraceAnswer is what the shop says of a checkout's tenths (GET /v1/checkouts/{id}/trace), as
// far as the log can tell.
type TraceAnswer struct {
	Leaves int64 `json:"leaves"`
	Orders []struct {
		OrderID string         `json:"order_id"`
		Inflows []AnsweredFlow `json:"inflows"`
	} `json:"orders"`
}

// AnsweredFlow is an inflow as the shop answers it.
type AnsweredFlow struct {
	Position     AnsweredPosition `json:"position"`
	CommittedLi  int64            `json:"committed_li"`
	FreeLi       int64            `json:"free_li"`
	PartsLeftOut int              `json:"parts_left_out"`
	Parts        []struct {
		FromLi  int64            `json:"from_li"`
		ToLi    int64            `json:"to_li"`
		Late    bool             `json:"late"`
		Outflow AnsweredPosition `json:"outflow"`
	} `json:"parts"`
}

// AnsweredPosition is a place in the queue as the shop answers it.
type AnsweredPosition struct {
	N      int64  `json:"n"`
	Kind   string `json:"kind"`
	Index  int64  `json:"index"`
	Place  int    `json:"place"`
	FromLi int64  `json:"from_li"`
	ToLi   int64  `json:"to_li"`
}

func answered(p Position) AnsweredPosition {
	return AnsweredPosition{p.N, p.Kind, p.Index, p.Place, p.From, p.To}
}

// ParseTraceAnswer reads what the shop answered; what is no such answer is ErrTrace.
func ParseTraceAnswer(b []byte) (TraceAnswer, error) {
	var a TraceAnswer
	if err := json.Unmarshal(b, &a); err != nil {
		return a, fmt.Errorf("%w: this is no answer: %w", ErrTrace, err)
	}
	if a.Leaves < 0 || len(a.Orders) == 0 {
		return a, fmt.Errorf("%w: this is no answer: it has no order", ErrTrace)
	}
	return a, nil
}

// Compare holds an answer against what was followed, through as many leaves as the answer
// tells of. All that differs is in the error, as ErrTrace; so is an inflow that is not on the
// receipt, and so was not followed.
func (a TraceAnswer) Compare(traced []Traced) error {
	type place struct {
		order string
		index int64
	}
	told := map[place]AnsweredFlow{}
	for _, o := range a.Orders {
		for _, f := range o.Inflows {
			told[place{o.OrderID, f.Position.Index}] = f
		}
	}
	var differences []error
	for _, one := range traced {
		at := place{one.OrderID, one.Inflow.Index}
		f, ok := told[at]
		delete(told, at)
		switch {
		case !ok:
			differences = append(differences, fmt.Errorf("%w: order %s: entry %d is not in the answer", ErrTrace, one.OrderID, one.Inflow.Index))
		case f.Position != answered(one.Inflow):
			differences = append(differences, fmt.Errorf("%w: order %s: the answer has it at %+v, the log at %+v", ErrTrace, one.OrderID, f.Position, answered(one.Inflow)))
		case f.CommittedLi != one.Committed.Li() || f.FreeLi != one.Free.Li():
			differences = append(differences, fmt.Errorf("%w: order %s: the answer has %d li committed and %d free, the log %d and %d",
				ErrTrace, one.OrderID, f.CommittedLi, f.FreeLi, one.Committed.Li(), one.Free.Li()))
		default:
			differences = append(differences, one.compare(f))
		}
	}
	for at := range told {
		differences = append(differences, fmt.Errorf("%w: order %s: entry %d is not on the receipt: get the receipt again", ErrTrace, at.order, at.index))
	}
	return errors.Join(differences...)
}

// compare holds the parts of one inflow against those that were answered.
func (t Traced) compare(f AnsweredFlow) error {
	if len(f.Parts)+f.PartsLeftOut != len(t.Parts) || f.PartsLeftOut < 0 {
		return fmt.Errorf("%w: order %s: the answer has %d parts, the log %d", ErrTrace, t.OrderID, len(f.Parts)+f.PartsLeftOut, len(t.Parts))
	}
	for i, p := range f.Parts {
		want := t.Parts[i]
		if p.FromLi != want.From || p.ToLi != want.To || p.Late != want.Of.Late() || p.Outflow != answered(want.Of) {
			return fmt.Errorf("%w: order %s: part %d is %+v in the answer, and %+v by the log", ErrTrace, t.OrderID, i, p, want)
		}
	}
	return nil
}
