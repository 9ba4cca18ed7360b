package verify_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/pkg/verify"
)

const (
	grantAccount     = verify.Committed + "0190d6a0-0000-7000-8000-00000000000a"
	programmeAccount = verify.Programme + "0190d6a0-0000-7000-8000-00000000000b"
)

// moved is a leaf of one home with these moves.
func moved(kind, home string, moves ...verify.Move) verify.Leaf {
	return verify.Leaf{Kind: kind, At: time.Unix(1577841458, 0).UTC(), Home: home, Ref: verify.Commitment(kind, "x", nil), Moves: moves}
}

func matured(li int64) verify.Leaf {
	return moved(verify.KindMature, "m", verify.Move{What: verify.WhatTenth, Source: verify.FundPending, Target: verify.FundFree, Li: li})
}

func promised(li int64) verify.Leaf {
	return moved(verify.KindGrant, verify.FundHome, verify.Move{What: verify.WhatGrant, Source: verify.FundFree, Target: grantAccount, Li: li})
}

func paid(li int64) verify.Leaf {
	return moved(verify.KindGrantPayment, verify.FundHome, verify.Move{What: verify.WhatGrant, Source: grantAccount, Target: programmeAccount, Li: li})
}

// late is a refund of goods whose tenth had matured.
func late(li int64) verify.Leaf {
	return moved(verify.KindRefund, "m",
		verify.Move{What: verify.WhatGoods, Source: verify.Payable("m"), Target: "world:stripe", Li: 10 * li},
		verify.Move{What: verify.WhatTenth, Source: verify.FundFree, Target: verify.Payable("m"), Li: li})
}

// line adds leaves to a queue.
func line(t testing.TB, q *verify.Queue, leaves ...verify.Leaf) (in, out []verify.Position) {
	t.Helper()
	for _, l := range leaves {
		found, err := q.Add(q.Leaves, l)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found {
			if p.Way == verify.In {
				in = append(in, p)
			} else {
				out = append(out, p)
			}
		}
	}
	return in, out
}

func TestMoneyLeavesInTheOrderInWhichItCame(t *testing.T) {
	t.Parallel()
	var q verify.Queue
	in, out := line(t, &q, matured(100), matured(50), promised(120), paid(110), late(20), matured(30))
	type row struct {
		from, to int64
		kind     string
	}
	split := func(i verify.Interval, others []verify.Position) []row {
		var rows []row
		for _, p := range verify.Parts(i, others) {
			rows = append(rows, row{p.From, p.To, p.Of.Kind})
		}
		return rows
	}
	for n, want := range [][]row{
		{{0, 100, verify.KindGrantPayment}},
		{{100, 110, verify.KindGrantPayment}, {110, 130, verify.KindRefund}},
		nil,
	} {
		if diff := cmp.Diff(want, split(in[n].Interval, out), cmp.AllowUnexported(row{})); diff != "" {
			t.Errorf("inflow %d (-want +got):\n%s", n, diff)
		}
	}
	if diff := cmp.Diff([]row{{0, 100, verify.KindMature}, {100, 110, verify.KindMature}}, split(out[0].Interval, in), cmp.AllowUnexported(row{})); diff != "" {
		t.Errorf("the payment (-want +got):\n%s", diff)
	}
	if !out[1].Late() || out[0].Late() || out[1].Place != 1 || out[0].Account != programmeAccount {
		t.Errorf("the outflows are %+v", out)
	}
	committed, free := q.Left(in[1].Interval)
	if want := (verify.Interval{From: 130, To: 140}); committed != want {
		t.Errorf("%v of the second are committed, want %v", committed, want)
	}
	if want := (verify.Interval{From: 140, To: 150}); free != want || q.BalanceLi() != 50 {
		t.Errorf("%v of the second are free of %d, want %v", free, q.BalanceLi(), want)
	}
}

func TestAQueueTakesLeavesInTheirTurnOnly(t *testing.T) {
	t.Parallel()
	q := verify.Queue{Leaves: 7}
	for _, index := range []int64{6, 8, -1} {
		if _, err := q.Add(index, matured(1)); !errors.Is(err, verify.ErrOrder) {
			t.Errorf("leaf %d after 7: %v", index, err)
		}
	}
	q.In.Li = math.MaxInt64 - 5
	if _, err := q.Add(7, matured(6)); !errors.Is(err, verify.ErrOverflow) {
		t.Errorf("past the last li: %v", err)
	}
}

// history is any sequence of leaves, honest or not: a queue takes them all.
func history(t *rapid.T) []verify.Leaf {
	amount := rapid.Int64Range(1, 1000)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) verify.Leaf {
		li := amount.Draw(t, "li")
		switch rapid.IntRange(0, 7).Draw(t, "kind") {
		case 0:
			return promised(li)
		case 1:
			return paid(li)
		case 2:
			return late(li)
		case 3:
			return moved(verify.KindGrantReturn, verify.FundHome, verify.Move{What: verify.WhatGrant, Source: programmeAccount, Target: verify.FundFree, Li: li})
		case 4:
			return moved(verify.KindGrantRelease, verify.FundHome, verify.Move{What: verify.WhatGrant, Source: grantAccount, Target: verify.FundFree, Li: li})
		case 5:
			return verify.Leaf{Sealed: verify.Commitment("x", "y", nil)}
		default:
			return matured(li)
		}
	}), 0, 60).Draw(t, "leaves")
}

func TestPositionsAreContiguousAndSumToTheBalances(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		leaves := history(t)
		var q verify.Queue
		var totals verify.Totals
		ends := map[verify.Way]verify.Sum{}
		for i, l := range leaves {
			found, err := q.Add(int64(i), l)
			if err == nil {
				err = totals.Add(l)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range found {
				if end := ends[p.Way]; p.From != end.Li || p.N != end.Count || p.Li() <= 0 || p.Index != int64(i) {
					t.Fatalf("%+v comes after %+v", p, end)
				}
				ends[p.Way] = verify.Sum{Li: p.To, Count: p.N + 1}
			}
		}
		if q.In != ends[verify.In] || q.Out != ends[verify.Out] || q.BalanceLi() != totals.FreeLi+totals.CommittedLi || q.CommittedLi != totals.CommittedLi {
			t.Fatalf("the queue is %+v, the positions end at %+v, the leaves sum to %+v", q, ends, totals)
		}
	})
}

func TestAQueueThatIsTakenUpAgainGoesOnTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		leaves := history(rt)
		var whole, batched verify.Queue
		in, out := line(t, &whole, leaves...)
		var ins, outs []verify.Position
		for len(leaves) > 0 {
			n := rapid.IntRange(1, len(leaves)).Draw(rt, "batch")
			next := verify.Queue{Leaves: batched.Leaves, In: batched.In, Out: batched.Out, CommittedLi: batched.CommittedLi}
			i, o := line(t, &next, leaves[:n]...)
			ins, outs, batched, leaves = append(ins, i...), append(outs, o...), next, leaves[n:]
		}
		if diff := cmp.Diff([][]verify.Position{in, out}, [][]verify.Position{ins, outs}); diff != "" || whole != batched {
			rt.Fatalf("in batches it is another (-whole +batches):\n%s", diff)
		}
	})
}

// Each li that left is of one inflow, and each li of an inflow left once or is left.
func TestPartsSumExactly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var q verify.Queue
		in, out := line(t, &q, history(rt)...)
		var gone int64
		for _, i := range in {
			committed, free := q.Left(i.Interval)
			sum := committed.Li() + free.Li()
			for _, p := range verify.Parts(i.Interval, out) {
				sum += p.Li()
				gone += p.Li()
			}
			if sum != i.Li() {
				rt.Fatalf("inflow %+v: its parts are %d li", i, sum)
			}
		}
		var back int64
		for _, o := range out {
			var sum int64
			for _, p := range verify.Parts(o.Interval, in) {
				sum += p.Li()
			}
			if missing := max(0, o.To-max(o.From, q.In.Li)); sum != o.Li()-missing {
				rt.Fatalf("outflow %+v: its parts are %d li", o, sum)
			}
			back += sum
		}
		if gone != back {
			rt.Fatalf("%d li left the inflows, %d are in the outflows", gone, back)
		}
	})
}
