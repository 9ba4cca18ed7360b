package grant_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/application"
	"github.com/shiyi-market/shiyi/internal/disbursement"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

var sequences = flag.Int("sequences", 10, "how many random sequences of people and what they do are walked")

const (
	steps  = 40   // of one sequence
	purse  = 1000 // fen that are free when a sequence begins
	each   = 10   // sequences have a programme together
	apiece = 250  // sequences that walk in one shop: many shops walk at once
	looked = 400  // sequences in which a canary must have been found
)

// rules are those of the walk: objections take a day, so that more than one payment fits into it.
func rules() grant.Config {
	c := shoptest.Terms
	c.Period = 24 * time.Hour
	return c
}

// walker lets people do at random whatever the fund's desk offers, and keeps its own account of
// who did what and where the money must be.
type walker struct {
	*shoptest.Shop
	t         *testing.T
	rng       *rand.Rand
	boss      identity.Caller
	programme programme.ID
	people    []*somebody

	mu      sync.Mutex
	grants  []*promised                     // of this sequence
	moves   []*moved                        // of this sequence
	filed   []objection.ID                  // of this sequence
	shown   map[identity.ID]file.ID         // evidence that each has uploaded
	endowed money.Fen                       // ever
	past    struct{ left, spent money.Fen } // of sequences that are over
	paid    int                             // payments that went out
	wrong   error                           // what must not be
}

type somebody struct {
	name      string
	caller    identity.Caller
	suspended bool
}

// promised is a grant as the walker knows it.
type promised struct {
	grant.Grant
	by         []identity.ID // who proposed it, then who approved it
	own        []identity.ID // who said that it goes to himself
	committed  bool
	struck     bool
	left, paid money.Fen
}

// moved is a disbursement as the walker knows it.
type moved struct {
	disbursement.Disbursement
	of   *promised
	by   []identity.ID // who asked, then who approved
	done bool
}

func newWalker(t *testing.T, seed uint64, cfg grant.Config) *walker {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.Grants, s.Disbursements = grant.New(s.DB, cfg), disbursement.New(s.DB, cfg)
	w := &walker{Shop: s, t: t, rng: rand.New(rand.NewPCG(seed, 1)), shown: make(map[identity.ID]file.ID)}
	w.programme = s.Accept(t, shoptest.Plan("乡镇学校图书角（虚构示例）"), money.Max/100)
	w.boss = s.Person(t, "boss", identity.Grant{Role: identity.Operator})
	for _, name := range []string{"ann", "bob", "cai", "dan", "eve"} {
		w.people = append(w.people, &somebody{name: name, caller: s.Administrator(t, name)})
	}
	key := &somebody{name: "key", caller: w.people[0].caller}
	key.caller.Key = w.programme.UUID()
	forger := &somebody{name: "forger", caller: s.Person(t, "forger")} // says that he is one
	forger.caller.Roles = []identity.Grant{{Role: identity.FundAdmin}}
	borrower := &somebody{name: "borrower", caller: w.people[1].caller} // with another's session
	borrower.caller.Account = w.people[2].caller.Account
	w.people = append(w.people, key, forger, borrower, &somebody{name: "auditor", caller: s.Person(t, "auditor", identity.Grant{Role: identity.Auditor})})
	for _, p := range w.people {
		w.shown[p.caller.Account] = s.File(t, p.caller.Account.UUID(), p.name)
	}
	return w
}

func (w *walker) fault(format string, args ...any) {
	if w.wrong == nil {
		w.wrong = fmt.Errorf(format, args...)
	}
}

// walk goes through so many sequences and returns the first thing that must not be.
func (w *walker) walk(n int) error {
	for i := range n {
		if i%each == each-1 { // what a programme has had is summed for each grant
			w.programme = w.Accept(w.t, shoptest.Plan("乡镇学校图书角（虚构示例）"), money.Max/100)
		}
		w.begin()
		for range steps {
			w.step()
			if w.check(); w.wrong != nil {
				return w.wrong
			}
		}
	}
	return nil
}

// begin forgets the grants of the sequence before, and fills the purse.
func (w *walker) begin() {
	for _, g := range w.grants {
		w.past.left, w.past.spent = w.past.left+g.left, w.past.spent+g.paid
	}
	w.grants, w.moves, w.filed = nil, nil, nil
	if free := w.endowed - w.past.left - w.past.spent; free < purse {
		w.Endow(w.t, purse-free)
		w.endowed += purse - free
	}
	w.Sequence(w.t)
	w.morning()
}

// morning is the beginning of a day on which those who work sign in.
func (w *walker) morning() {
	w.Clock.Advance(time.Duration(1+w.rng.IntN(3)) * 24 * time.Hour)
	for _, p := range w.people[:5] {
		if p.suspended && w.rng.IntN(2) == 0 {
			w.suspend(p)
		}
		if !p.suspended && w.rng.IntN(8) > 0 {
			p.caller = w.Administrator(w.t, p.name)
		}
	}
}

// step lets somebody do something; now and then two at once.
func (w *walker) step() {
	if n := w.rng.IntN(100); n < 15 {
		w.morning()
		return
	} else if n < 16 {
		w.suspend(w.people[w.rng.IntN(5)])
		return
	}
	one := w.act()
	if w.rng.IntN(6) > 0 {
		one()
		return
	}
	two := one
	if w.rng.IntN(2) == 0 {
		two = w.act()
	}
	var both sync.WaitGroup
	both.Go(one)
	both.Go(two)
	both.Wait()
}

// suspend takes the use of an account away, or gives it back.
func (w *walker) suspend(p *somebody) {
	change := w.Identity.Suspend
	if p.suspended {
		change = w.Identity.Reinstate
	}
	if _, err := change(w.t.Context(), w.boss, p.caller.Account, "随机"); err != nil {
		w.fault("suspend %s: %w", p.name, err)
	}
	p.suspended = !p.suspended
}

// act chooses who does what, and to what.
func (w *walker) act() func() {
	who := w.people[w.rng.IntN(5)]
	if w.rng.IntN(8) == 0 {
		who = w.people[w.rng.IntN(len(w.people))]
	}
	g, m := latest(w.rng, w.grants), latest(w.rng, w.moves)
	amount, wild := money.Fen(1+w.rng.IntN(600)), w.rng.IntN(15) == 0
	if g != nil && w.rng.IntN(2) == 0 {
		return w.next(who, g, m, amount)
	}
	switch n := w.rng.IntN(100); {
	case n < 9 || g == nil:
		return func() { w.propose(who, amount, wild) }
	case n < 32:
		return func() { w.approve(who, g, wild) }
	case n < 52 || m == nil:
		return func() { w.ask(who, g, amount, wild, n) }
	case n < 70:
		return func() { w.pass(who, m, wild) }
	case n < 93:
		return func() { w.execute(who, m) }
	case n < 94:
		return func() { w.declare(who, g, wild) }
	case n < 96:
		return func() { w.object(g) }
	case n < 98:
		return func() { w.answer(who, wild) }
	case n < 99:
		return func() { w.refuse(who, g, nil) }
	}
	return func() { w.refuse(who, g, m) }
}

// next is what would be sensible, by whomever: so that the walk comes far.
func (w *walker) next(who *somebody, g *promised, m *moved, amount money.Fen) func() {
	switch {
	case m != nil && !m.done && len(m.by) > 1:
		return func() { w.execute(who, m) }
	case m != nil && !m.done:
		return func() { w.pass(who, m, false) }
	case g.left > 0:
		return func() { w.ask(who, g, amount, false, 36) }
	}
	return func() { w.approve(who, g, false) }
}

// refuse refuses or withdraws a grant, or a disbursement where there is one.
func (w *walker) refuse(who *somebody, g *promised, m *moved) {
	var err error
	if m != nil {
		_, err = w.Disbursements.Refuse(w.t.Context(), who.caller, m.ID, "随机")
	} else {
		_, err = w.Grants.Refuse(w.t.Context(), who.caller, g.ID, "随机")
	}
	w.refused(err)
}

// latest is one of all, rather a late one, or the zero value.
func latest[T any](rng *rand.Rand, all []T) (one T) {
	if len(all) > 0 {
		one = all[max(rng.IntN(len(all)), rng.IntN(len(all)))]
	}
	return one
}

// refused reports whether something was refused; an error that is no refusal is a defect.
func (w *walker) refused(err error) bool {
	if err != nil && fault.Of(err) == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.fault("something broke: %w", err)
	}
	return err != nil
}

func (w *walker) propose(who *somebody, amount money.Fen, wild bool) {
	what := terms(w.programme, amount, amount/2+1)
	if wild {
		what.Payee.Name = who.name // himself
	}
	g, err := w.Grants.Propose(w.t.Context(), who.caller, what)
	if w.refused(err) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.grants = append(w.grants, &promised{Grant: g, by: []identity.ID{who.caller.Account}})
}

func (w *walker) approve(who *somebody, g *promised, wild bool) {
	digest := g.Digest
	if wild {
		digest[7]++
	}
	got, err := w.Grants.Approve(w.t.Context(), who.caller, g.ID, digest, request.Claim{}, nil)
	if w.refused(err) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case wild:
		w.fault("%s approved what nobody proposed", who.name)
	case slices.Contains(g.own, who.caller.Account):
		w.fault("%s approved what goes to himself", who.name)
	case g.by[0] == who.caller.Account:
		w.fault("%s approved what he proposed", who.name)
	}
	g.by = append(g.by, who.caller.Account)
	if got.State == grant.Committed && !g.committed {
		g.committed, g.left, g.Period = true, got.Amount, got.Period
	}
}

func (w *walker) declare(who *somebody, g *promised, own bool) {
	if _, err := w.Grants.Declare(w.t.Context(), who.caller, g.ID, own, "随机"); w.refused(err) || !own {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	g.own = append(g.own, who.caller.Account)
}

// ask asks for an instalment, a release or a return.
func (w *walker) ask(who *somebody, g *promised, amount money.Fen, wild bool, n int) {
	var d disbursement.Disbursement
	var err error
	switch {
	case n == 32 || n == 33:
		d, err = w.Disbursements.RequestRelease(w.t.Context(), who.caller, g.ID, amount, "随机")
	case n == 34 || n == 35:
		d, err = w.Disbursements.RecordReturn(w.t.Context(), who.caller, g.ID, amount, "随机", fmt.Sprintf("BANK-%d", amount))
	case wild:
		d, err = w.Disbursements.RequestPayment(w.t.Context(), who.caller, g.ID, n-36, nil)
	default:
		d, err = w.Disbursements.RequestPayment(w.t.Context(), who.caller, g.ID, 1+n%3/2, []file.ID{w.shown[who.caller.Account]})
	}
	if w.refused(err) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moves = append(w.moves, &moved{Disbursement: d, of: g, by: []identity.ID{who.caller.Account}})
}

func (w *walker) pass(who *somebody, m *moved, wild bool) {
	digest := m.Digest
	if wild {
		digest[7]++
	}
	d, err := w.Disbursements.Approve(w.t.Context(), who.caller, m.ID, digest, request.Claim{}, nil)
	if w.refused(err) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if wild {
		w.fault("%s approved what nobody asked for", who.name)
	}
	if m.by = append(m.by, who.caller.Account); m.by[0] == m.by[1] {
		w.fault("%s approved what he asked for", who.name)
	}
	if d.State == disbursement.Done {
		w.happened(m, who)
	}
}

func (w *walker) execute(who *somebody, m *moved) {
	if _, err := w.Disbursements.Execute(w.t.Context(), who.caller, m.ID, "BANK-"+m.ID.String(), request.Claim{}, nil); w.refused(err) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paid++
	switch people := append(slices.Clone(m.by), who.caller.Account); {
	case len(people) != 3 || people[0] == people[1] || people[1] == people[2] || people[0] == people[2]:
		w.fault("%s paid, and behind the payment are not three people but %v", who.name, people)
	case slices.Contains(m.of.by, who.caller.Account), slices.Contains(m.of.own, who.caller.Account):
		w.fault("%s paid what he had proposed or approved, or what goes to himself", who.name)
	case m.of.by[0] == m.by[1]:
		w.fault("who proposed the grant approved its payment")
	}
	w.happened(m, who)
}

// happened moves the money in the walker's own account.
func (w *walker) happened(m *moved, who *somebody) {
	if m.done {
		w.fault("%s did %s %s a second time", who.name, m.Kind, m.ID)
	}
	m.done = true
	switch g := m.of; m.Kind {
	case disbursement.Payment:
		g.left, g.paid = g.left-m.Amount, g.paid+m.Amount
	case disbursement.Release:
		g.left -= m.Amount
	case disbursement.Return:
		g.paid -= m.Amount
	}
	if m.of.struck {
		m.of.left = 0
	}
}

func (w *walker) object(g *promised) {
	w.mu.Lock()
	period := g.Period
	w.mu.Unlock()
	o, err := w.Objections.File(w.t.Context(), period, "随机异议")
	if w.refused(err) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.filed = append(w.filed, o.ID)
}

func (w *walker) answer(who *somebody, upheld bool) {
	w.mu.Lock()
	filed := slices.Clone(w.filed)
	w.mu.Unlock()
	for _, oid := range filed {
		o, err := w.Objections.Answer(w.t.Context(), who.caller, oid, upheld, "随机")
		if w.refused(err) || !upheld {
			continue
		}
		w.mu.Lock()
		for _, g := range w.grants {
			if g.Period == o.Period && g.left > 0 {
				g.struck, g.left = true, 0
			}
		}
		w.mu.Unlock()
	}
}

// check holds the fund against the walker's own account.
func (w *walker) check() {
	st, err := w.Fund.Statement(w.t.Context())
	if err != nil {
		w.fault("read the fund: %w", err)
		return
	}
	left, spent := w.past.left, w.past.spent
	for _, g := range w.grants {
		left, spent = left+g.left, spent+g.paid
		if g.left < 0 || g.paid < 0 {
			w.fault("grant %s has %d fen left and %d paid", g.ID, g.left, g.paid)
		}
	}
	switch {
	case st.FreeLi < 0:
		w.fault("%d li are free: more was promised than there was", st.FreeLi)
	case st.CommittedLi != left.Li() || st.SpentLi != spent.Li() || st.FreeLi != (w.endowed-left-spent).Li():
		w.fault("free %v, committed %v, spent %v; by what people did %v, %v, %v", st.FreeLi, st.CommittedLi, st.SpentLi,
			(w.endowed - left - spent).Li(), left.Li(), spent.Li())
	}
}

func TestNoSequenceOfPeopleGetsMoneyOutByOneOrBeyondWhatIsFree(t *testing.T) {
	t.Parallel()
	for from := 0; from < *sequences; from += apiece {
		n := min(apiece, *sequences-from)
		t.Run(fmt.Sprintf("from %d", from), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			w := newWalker(t, seed, rules())
			if err := w.walk(n); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			t.Logf("seed %d: %d payments in %d sequences", seed, w.paid, n)
			if w.paid == 0 && n >= 10 {
				t.Errorf("seed %d: nothing was ever paid: the walk proves nothing", seed)
			}
			for _, check := range []func(context.Context, *postgres.DB) ([]string, error){objection.Check, application.Check, disbursement.Check} {
				if faults, err := check(t.Context(), w.DB); err != nil || len(faults) > 0 {
					t.Errorf("seed %d: an honest walk is called wrong: %q, %v", seed, faults, err)
				}
			}
		})
	}
}

// bare takes the database's own guard away, so that only the service's is left.
func (w *walker) bare() {
	for _, drop := range []string{
		"ALTER TABLE grant_approval DROP CONSTRAINT grant_approval_four_eyes",
		"ALTER TABLE disbursement DROP CONSTRAINT disbursement_approved_by_another",
		"ALTER TABLE disbursement DROP CONSTRAINT disbursement_executed_by_a_third",
	} {
		if _, err := pgtest.Owner(w.t, w.DB).ExecContext(w.t.Context(), drop); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestTheWalkFindsWhatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cfg  grant.Config
		bare bool
	}{
		"self-approval":     {grant.LetAnybodyApprove(rules()), true},
		"more than is free": {grant.LetAnythingBePromised(rules()), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWalker(t, 1, tt.cfg)
			if tt.bare {
				w.bare()
			}
			err := w.walk(looked)
			if err == nil {
				t.Fatalf("nothing was found in %d sequences", looked)
			}
			t.Log(err)
		})
	}
}
