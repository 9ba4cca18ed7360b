package inventory_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
)

// shop is a database with stock of some SKUs of two enterprises.
type shop struct {
	db    *postgres.DB
	svc   *inventory.Service
	clock *pgtest.Clock
	lines []inventory.Line // what is on the shelf
}

func newID() uuid.UUID { return id.New[int](pgtest.Noon).UUID() }

// moves are the adjustments of a SKU, as its enterprises see them.
func (s shop) moves(t *testing.T, merchants []uuid.UUID, sku uuid.UUID) (page.Of[inventory.Move], error) {
	t.Helper()
	return postgres.Read(t.Context(), s.db, func(tx *postgres.Tx) (page.Of[inventory.Move], error) {
		return inventory.Moves(t.Context(), tx, merchants, sku, page.Request{})
	})
}

func newShop(t *testing.T, pieces ...int64) shop {
	t.Helper()
	clock := pgtest.NewClock(pgtest.Noon)
	db := pgtest.NewAt(t, clock.Now)
	s := shop{db: db, svc: inventory.New(db), clock: clock}
	merchants := []uuid.UUID{newID(), newID()}
	for i, n := range pieces {
		l := inventory.Line{Merchant: merchants[i%2], SKU: newID(), Qty: n}
		if err := s.svc.Open(t.Context(), uuid.Nil, l); err != nil {
			t.Fatalf("open stock: %v", err)
		}
		s.lines = append(s.lines, l)
	}
	return s
}

// some is qty pieces of the shelf's line i.
func (s shop) some(i int, qty int64) inventory.Line {
	l := s.lines[i]
	l.Qty = qty
	return l
}

type step func(context.Context, *postgres.Tx, []inventory.Line) error

func (s shop) do(t testing.TB, f step, lines ...inventory.Line) error {
	t.Helper()
	return postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) error { return f(t.Context(), tx, lines) })
}

// holds is the numbers (available, reserved) of each line of the shelf.
func (s shop) holds(t testing.TB) [][2]int64 {
	t.Helper()
	var skus []uuid.UUID
	for _, l := range s.lines {
		skus = append(skus, l.SKU)
	}
	levels, err := s.svc.Levels(t.Context(), skus)
	if err != nil {
		t.Fatalf("levels: %v", err)
	}
	var out [][2]int64
	for _, k := range skus {
		out = append(out, [2]int64{levels[k].Available, levels[k].Reserved})
	}
	return out
}

func (s shop) want(t testing.TB, want ...[2]int64) {
	t.Helper()
	if diff := cmp.Diff(want, s.holds(t)); diff != "" {
		t.Errorf("stock as (available, reserved) (-want +got):\n%s", diff)
	}
}

func rendered(l inventory.Level) (request.Answer, error) {
	body, err := json.Marshal(l)
	return request.Answer{Status: 200, Body: body}, err
}

func TestAPieceGoesFromTheShelfToTheBuyerAndBack(t *testing.T) {
	t.Parallel()
	s := newShop(t, 10, 5)
	for _, now := range []struct {
		step  step
		lines []inventory.Line
		want  [][2]int64
	}{
		{inventory.Reserve, []inventory.Line{s.some(1, 5), s.some(0, 3)}, [][2]int64{{7, 3}, {0, 5}}},
		{inventory.Release, []inventory.Line{s.some(0, 1), s.some(1, 5)}, [][2]int64{{8, 2}, {5, 0}}},
		{inventory.Take, []inventory.Line{s.some(0, 2)}, [][2]int64{{8, 0}, {5, 0}}},
		{inventory.PutBack, []inventory.Line{s.some(0, 1)}, [][2]int64{{9, 0}, {5, 0}}},
		{inventory.Reserve, nil, [][2]int64{{9, 0}, {5, 0}}},
	} {
		if err := s.do(t, now.step, now.lines...); err != nil {
			t.Fatalf("step towards %v: %v", now.want, err)
		}
		s.want(t, now.want...)
	}
}

func TestReserveTakesAllLinesOrNoneAndNamesTheShortOnes(t *testing.T) {
	t.Parallel()
	s := newShop(t, 10, 2, 4)
	unknown := inventory.Line{Merchant: s.lines[0].Merchant, SKU: newID(), Qty: 1}
	foreign := inventory.Line{Merchant: s.lines[1].Merchant, SKU: s.lines[0].SKU, Qty: 1} // another enterprise's name on it
	tests := []struct {
		name     string
		lines    []inventory.Line
		pointers []string
	}{
		{"one is short", []inventory.Line{s.some(0, 1), s.some(1, 3)}, []string{"/lines/1/quantity"}},
		{"two are short", []inventory.Line{s.some(2, 5), s.some(0, 1), s.some(1, 3)}, []string{"/lines/0/quantity", "/lines/2/quantity"}},
		{"lines of one SKU count together", []inventory.Line{s.some(2, 3), s.some(2, 2)}, []string{"/lines/0/quantity", "/lines/1/quantity"}},
		{"an unknown SKU", []inventory.Line{s.some(0, 1), unknown}, []string{"/lines/1/quantity"}},
		{"a SKU under another enterprise", []inventory.Line{foreign}, []string{"/lines/0/quantity"}},
	}
	for _, tt := range tests {
		err := s.do(t, inventory.Reserve, tt.lines...)
		if !errors.Is(err, inventory.ErrOutOfStock) {
			t.Errorf("%s: %v, want %v", tt.name, err, inventory.ErrOutOfStock)
			continue
		}
		var got []string
		for _, f := range fault.Of(err).Fields {
			got = append(got, f.Pointer)
		}
		if diff := cmp.Diff(tt.pointers, got); diff != "" {
			t.Errorf("%s: pointers (-want +got):\n%s", tt.name, diff)
		}
	}
	s.want(t, [2]int64{10, 0}, [2]int64{2, 0}, [2]int64{4, 0})
}

func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t, 10)
	for _, qty := range []int64{0, -1, inventory.MaxPieces + 1, -1 << 63} {
		if err := s.do(t, inventory.Reserve, s.some(0, qty)); !errors.Is(err, inventory.ErrQuantity) {
			t.Errorf("reserve %d: %v, want %v", qty, err, inventory.ErrQuantity)
		}
	}
	// What was never reserved can neither be released nor taken: that is a bug of ours, not a caller's fault.
	for name, f := range map[string]step{"release": inventory.Release, "take": inventory.Take} {
		if err := s.do(t, f, s.some(0, 1)); err == nil || fault.Of(err) != nil {
			t.Errorf("%s what was not reserved: %v, want an internal error", name, err)
		}
	}
	if err := s.svc.Open(t.Context(), uuid.Nil, s.lines[0]); !errors.Is(err, inventory.ErrOpened) {
		t.Errorf("open twice: %v, want %v", err, inventory.ErrOpened)
	}
	s.want(t, [2]int64{10, 0})
}

func TestAHundredBuyersForFivePiecesGetExactlyFive(t *testing.T) {
	t.Parallel()
	const pieces, buyers = 5, 100
	s := newShop(t, pieces)
	got := pgtest.AtOnce(t, buyers, func(int) error { return s.do(t, inventory.Reserve, s.some(0, 1)) }, inventory.ErrOutOfStock)
	if got != pieces {
		t.Errorf("%d buyers got one of %d pieces", got, pieces)
	}
	s.want(t, [2]int64{0, pieces})
}

func TestBuyersOfTheSameGoodsInAnyOrderNeverWaitInACircle(t *testing.T) {
	t.Parallel()
	const buyers, pieces = 60, 40
	s := newShop(t, pieces, pieces, pieces)
	owner := pgtest.Super(t, s.db)
	pgtest.AtOnce(t, buyers, func(i int) error {
		return s.do(t, inventory.Reserve, s.some(i%3, 1), s.some((i+1+i/3%2)%3, 1))
	}, inventory.ErrOutOfStock)
	var deadlocks int64
	if err := owner.QueryRowContext(t.Context(), `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(&deadlocks); err != nil {
		t.Fatalf("count deadlocks: %v", err)
	}
	if deadlocks != 0 {
		t.Errorf("%d deadlocks, want none", deadlocks)
	}
	for i, h := range s.holds(t) {
		if h[0]+h[1] != pieces {
			t.Errorf("SKU %d holds %v: pieces came or went", i, h)
		}
	}
}

func TestAnAdjustmentIsWrittenDownAndAnsweredOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t, 10)
	seller, l := newID(), s.lines[0]
	if err := s.do(t, inventory.Reserve, s.some(0, 4)); err != nil {
		t.Fatalf("reserve: %v", err)
	}
	claim := request.Claim{Caller: seller, Operation: "adjustStock", Key: "k1"}
	a := inventory.Adjustment{Actor: seller, Merchants: []uuid.UUID{newID(), l.Merchant}, SKU: l.SKU, Delta: 15, Reason: "新到一批"}
	got, err := s.svc.Adjust(t.Context(), a, claim, rendered)
	if err != nil {
		t.Fatalf("adjust: %v", err)
	}
	want := inventory.Level{Merchant: l.Merchant, SKU: l.SKU, Available: 21, Reserved: 4, UpdatedAt: pgtest.Noon}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("level (-want +got):\n%s", diff)
	}
	var again *request.ReplayError
	if _, err := s.svc.Adjust(t.Context(), a, claim, rendered); !errors.As(err, &again) {
		t.Errorf("the same request again: %v, want its answer", err)
	}
	s.want(t, [2]int64{21, 4})

	moves, err := s.moves(t, []uuid.UUID{l.Merchant}, l.SKU)
	if err != nil {
		t.Fatalf("moves: %v", err)
	}
	wantMoves := []inventory.Move{
		{Merchant: l.Merchant, SKU: l.SKU, Delta: 15, Available: 21, Reason: "新到一批", Actor: seller, At: pgtest.Noon},
		{Merchant: l.Merchant, SKU: l.SKU, Delta: 10, Available: 10, Reason: "opening", At: pgtest.Noon},
	}
	byDelta := cmpopts.SortSlices(func(a, b inventory.Move) bool { return a.Delta > b.Delta }) // one moment, random ids
	if diff := cmp.Diff(wantMoves, moves.Data, cmpopts.IgnoreFields(inventory.Move{}, "ID"), byDelta); diff != "" {
		t.Errorf("moves (-want +got):\n%s", diff)
	}
	if _, err := pgtest.Super(t, s.db).ExecContext(t.Context(), `UPDATE stock_move SET delta = 1`); err == nil {
		t.Error("the journal of adjustments could be changed")
	}
}

func TestNobodyAdjustsAnotherEnterprisesStock(t *testing.T) {
	t.Parallel()
	s := newShop(t, 10, 10)
	mine, theirs := s.lines[0], s.lines[1]
	for name, merchants := range map[string][]uuid.UUID{"another seller": {mine.Merchant}, "a buyer": nil} {
		a := inventory.Adjustment{Actor: newID(), Merchants: merchants, SKU: theirs.SKU, Delta: -1, Reason: "试一试"}
		if _, err := s.svc.Adjust(t.Context(), a, request.Claim{}, rendered); !errors.Is(err, inventory.ErrUnknown) {
			t.Errorf("%s: %v, want %v", name, err, inventory.ErrUnknown)
		}
		moves, err := s.moves(t, merchants, theirs.SKU)
		if err != nil || len(moves.Data) != 0 {
			t.Errorf("%s sees %d moves, %v", name, len(moves.Data), err)
		}
	}
	s.want(t, [2]int64{10, 0}, [2]int64{10, 0})
}

func TestAnAdjustmentNeverTakesWhatIsPromised(t *testing.T) {
	t.Parallel()
	s := newShop(t, 10)
	l := s.lines[0]
	if err := s.do(t, inventory.Reserve, s.some(0, 8)); err != nil {
		t.Fatalf("reserve: %v", err)
	}
	for _, tt := range []struct {
		delta  int64
		reason string
		want   error
	}{
		{-3, "破损", inventory.ErrOutOfStock},
		{0, "破损", inventory.ErrQuantity},
		{1 << 62, "破损", inventory.ErrQuantity},
		{-1, "x", inventory.ErrReason},
		{-2, "破损", nil},
	} {
		a := inventory.Adjustment{Merchants: []uuid.UUID{l.Merchant}, SKU: l.SKU, Delta: tt.delta, Reason: tt.reason}
		if _, err := s.svc.Adjust(t.Context(), a, request.Claim{}, rendered); !errors.Is(err, tt.want) {
			t.Errorf("adjust by %d: %v, want %v", tt.delta, err, tt.want)
		}
	}
	s.want(t, [2]int64{0, 8})
}

func TestAvailableIsAtMostASecondOld(t *testing.T) {
	t.Parallel()
	s := newShop(t, 1)
	sku := s.lines[0].SKU
	unknown := newID()
	ask := func(want bool) {
		t.Helper()
		got, err := s.svc.Available(t.Context(), []uuid.UUID{sku, unknown})
		if err != nil || !maps.Equal(got, map[uuid.UUID]bool{sku: want, unknown: false}) {
			t.Errorf("available = %v, %v, want %v", got, err, want)
		}
	}
	ask(true)
	if err := s.do(t, inventory.Reserve, s.some(0, 1)); err != nil {
		t.Fatalf("reserve: %v", err)
	}
	before := s.db.Statements()
	ask(true)
	if n := s.db.Statements() - before; n != 0 {
		t.Errorf("a remembered answer took %d statements", n)
	}
	s.clock.Advance(time.Second)
	ask(false)
	a := inventory.Adjustment{Merchants: []uuid.UUID{s.lines[0].Merchant}, SKU: sku, Delta: 1, Reason: "新到"}
	if _, err := s.svc.Adjust(t.Context(), a, request.Claim{}, rendered); err != nil {
		t.Fatalf("adjust: %v", err)
	}
	ask(true) // the seller sees his own change at once
}

func TestAnyRunOfStepsKeepsEveryPiece(t *testing.T) {
	t.Parallel()
	s := newShop(t, 0, 0, 0)
	rapid.Check(t, func(r *rapid.T) {
		model := s.holds(t)
		for range rapid.IntRange(1, 8).Draw(r, "steps") {
			qty := make([]int64, len(s.lines))
			var lines []inventory.Line
			for range rapid.IntRange(1, 4).Draw(r, "lines") {
				i, n := rapid.IntRange(0, len(s.lines)-1).Draw(r, "sku"), rapid.Int64Range(1, 5).Draw(r, "qty")
				qty[i] += n
				lines = append(lines, s.some(i, n))
			}
			steps := []struct {
				f                   step
				available, reserved int64
			}{{inventory.Reserve, -1, +1}, {inventory.Release, +1, -1}, {inventory.Take, 0, -1}, {inventory.PutBack, +1, 0}}
			now := steps[rapid.IntRange(0, len(steps)-1).Draw(r, "step")]
			next, whole := make([][2]int64, len(model)), true
			for i, h := range model {
				next[i] = [2]int64{h[0] + now.available*qty[i], h[1] + now.reserved*qty[i]}
				whole = whole && next[i][0] >= 0 && next[i][1] >= 0
			}
			if err := s.do(t, now.f, lines...); (err == nil) != whole {
				r.Fatalf("step over %v from %v: %v", qty, model, err)
			}
			if whole {
				model = next
			}
		}
		if diff := cmp.Diff(model, s.holds(t)); diff != "" {
			r.Fatalf("stock (-model +got):\n%s", diff)
		}
	})
}
