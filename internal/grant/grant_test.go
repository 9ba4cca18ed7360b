package grant_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/disbursement"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

var payee = grant.Payee{Name: "红旗镇中心小学（虚构示例）", Account: "6222 0000 0000 0001"}

// terms are an amount in one instalment, or in two with the second for the first milestone.
func terms(p programme.ID, parts ...money.Fen) grant.Terms {
	t := grant.Terms{Programme: p, Payee: payee}
	for i, amount := range parts {
		t.Amount += amount
		t.Instalments = append(t.Instalments, grant.Instalment{Amount: amount, Milestone: i})
	}
	return t
}

// desk is a shop whose fund has money, with three administrators who have just signed in.
type desk struct {
	*shoptest.Shop
	programme programme.ID
	a, b, c   identity.Caller
}

func open(t *testing.T, free, budget money.Fen) *desk {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.Endow(t, free)
	d := &desk{Shop: s, programme: s.Accept(t, shoptest.Plan("乡镇学校图书角（虚构示例）"), budget)}
	d.signIn(t)
	return d
}

func (d *desk) signIn(t *testing.T) {
	t.Helper()
	d.a, d.b, d.c = d.Administrator(t, "ann"), d.Administrator(t, "bob"), d.Administrator(t, "cai")
}

func (d *desk) propose(t *testing.T, by identity.Caller, what grant.Terms) grant.Grant {
	t.Helper()
	g, err := d.Grants.Propose(t.Context(), by, what)
	if err != nil {
		t.Fatalf("propose: %v", err)
	}
	return g
}

func (d *desk) approve(t *testing.T, by identity.Caller, g grant.Grant) (grant.Grant, error) {
	t.Helper()
	return d.Grants.Approve(t.Context(), by, g.ID, g.Digest, request.Claim{}, nil)
}

func (d *desk) pass(t *testing.T, by identity.Caller, m disbursement.Disbursement) error {
	t.Helper()
	_, err := d.Disbursements.Approve(t.Context(), by, m.ID, m.Digest, request.Claim{}, nil)
	return err
}

func (d *desk) pay(t *testing.T, by identity.Caller, m disbursement.Disbursement) error {
	t.Helper()
	_, err := d.Disbursements.Execute(t.Context(), by, m.ID, "BANK-"+m.ID.String(), request.Claim{}, nil)
	return err
}

func (d *desk) ask(t *testing.T, by identity.Caller, g grant.Grant, n int, evidence ...file.ID) disbursement.Disbursement {
	t.Helper()
	m, err := d.Disbursements.RequestPayment(t.Context(), by, g.ID, n, evidence)
	if err != nil {
		t.Fatalf("ask for instalment %d: %v", n, err)
	}
	return m
}

// holds compares what is free, promised and spent.
func (d *desk) holds(t *testing.T, free, committed, spent money.Fen) {
	t.Helper()
	st, err := d.Fund.Statement(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.FreeLi != free.Li() || st.CommittedLi != committed.Li() || st.SpentLi != spent.Li() {
		t.Errorf("free %v, committed %v, spent %v; want %v, %v, %v fen", st.FreeLi, st.CommittedLi, st.SpentLi, free, committed, spent)
	}
}

func wants(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestMoneyLeavesTheFundByThreePeople(t *testing.T) {
	t.Parallel()
	d, ctx := open(t, 1000, 1000), t.Context()
	g := d.propose(t, d.a, terms(d.programme, 600, 300))
	d.holds(t, 1000, 0, 0)

	_, err := d.approve(t, d.a, g)
	wants(t, "the proposer approves", err, grant.ErrOwn)
	other := g
	other.Digest[0]++
	_, err = d.approve(t, d.b, other)
	wants(t, "something else is approved", err, grant.ErrDigest)
	if g, err = d.approve(t, d.b, g); err != nil || g.State != grant.Committed {
		t.Fatalf("approve: %v, %v", g.State, err)
	}
	d.holds(t, 100, 900, 0)
	_, err = d.approve(t, d.c, g)
	wants(t, "it is approved again", err, grant.ErrState)

	m := d.ask(t, d.a, g, 1)
	wants(t, "who asked approves", d.pass(t, d.a, m), grant.ErrOwn)
	wants(t, "it is paid without approval", d.pay(t, d.c, m), disbursement.ErrState)
	if err := d.pass(t, d.b, m); err != nil {
		t.Fatal(err)
	}
	wants(t, "before the time for objections is over", d.pay(t, d.c, m), objection.ErrRunning)
	d.Clock.Advance(shoptest.Terms.Period)
	wants(t, "with an old sign-in", d.pay(t, d.c, m), grant.ErrSignIn)
	d.signIn(t)
	wants(t, "who asked pays", d.pay(t, d.a, m), grant.ErrOwn)
	wants(t, "who approved pays", d.pay(t, d.b, m), grant.ErrOwn)
	if err := d.pay(t, d.c, m); err != nil {
		t.Fatal(err)
	}
	d.holds(t, 100, 300, 600)
	wants(t, "it is paid twice", d.pay(t, d.c, m), disbursement.ErrState)

	_, err = d.Disbursements.RequestPayment(ctx, d.a, g.ID, 1, nil)
	wants(t, "the first instalment again", err, disbursement.ErrTwice)
	_, err = d.Disbursements.RequestPayment(ctx, d.a, g.ID, 2, nil)
	wants(t, "the second without evidence", err, disbursement.ErrEvidence)
	photo := d.File(t, d.a.Account.UUID(), "书架到校")
	_, err = d.Disbursements.RequestPayment(ctx, d.b, g.ID, 2, []file.ID{photo})
	wants(t, "with another's file", err, file.ErrUnknown)
	m = d.ask(t, d.a, g, 2, photo)
	if err := d.pass(t, d.b, m); err != nil {
		t.Fatal(err)
	}
	if err := d.pay(t, d.c, m); err != nil {
		t.Fatal(err)
	}
	d.holds(t, 100, 0, 900)
	a, err := d.Disbursements.Account(ctx, d.b, g.ID)
	if err != nil || a.State != grant.Closed || a.Paid != 900 || a.Left != 0 {
		t.Errorf("the grant is %+v, %v", a.Position, err)
	}
	if got := d.Held(t, fund.Programme(d.programme.UUID())); got != money.Fen(900).Li() {
		t.Errorf("the programme has %v", got)
	}
}

func TestWhatIsNotNeededIsFreeAgainAndWhatIsNotUsedComesBack(t *testing.T) {
	t.Parallel()
	d, ctx := open(t, 1000, 1000), t.Context()
	g := d.propose(t, d.a, terms(d.programme, 600, 300))
	if _, err := d.approve(t, d.b, g); err != nil {
		t.Fatal(err)
	}
	d.Clock.Advance(shoptest.Terms.Period)
	d.signIn(t)
	m := d.ask(t, d.a, g, 1)
	if err := errors.Join(d.pass(t, d.b, m), d.pay(t, d.c, m)); err != nil {
		t.Fatal(err)
	}
	_, err := d.Disbursements.RequestRelease(ctx, d.a, g.ID, 301, "多余")
	wants(t, "more than is left is released", err, disbursement.ErrCommitted)
	r, err := d.Disbursements.RequestRelease(ctx, d.a, g.ID, 200, "书价低于预算")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "who asked releases", d.pass(t, d.a, r), grant.ErrOwn)
	if err := d.pass(t, d.c, r); err != nil {
		t.Fatal(err)
	}
	d.holds(t, 300, 100, 600)
	_, err = d.Disbursements.RecordReturn(ctx, d.b, g.ID, 601, "未用完", "BANK-9")
	wants(t, "more than was paid comes back", err, disbursement.ErrPaid)
	r, err = d.Disbursements.RecordReturn(ctx, d.b, g.ID, 50, "未用完", "BANK-9")
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "who recorded it confirms", d.pass(t, d.b, r), grant.ErrOwn)
	if err := d.pass(t, d.a, r); err != nil {
		t.Fatal(err)
	}
	d.holds(t, 350, 100, 550)
	_, err = d.Disbursements.RecordReturn(ctx, d.a, g.ID, 50, "再记一次", " BANK-9")
	wants(t, "what came back is recorded again", err, disbursement.ErrReturned)
	photo := d.File(t, d.a.Account.UUID(), "书架到校")
	m = d.ask(t, d.a, g, 2, photo)
	wants(t, "more than is left is paid", d.pass(t, d.b, m), disbursement.ErrCommitted)
}

func TestTwoApprovalsAtOnceNeverPromiseMoreThanIsFree(t *testing.T) {
	t.Parallel()
	d := open(t, 1000, 5000)
	var all []grant.Grant
	for range 4 {
		all = append(all, d.propose(t, d.a, terms(d.programme, 400)))
	}
	n := pgtest.AtOnce(t, len(all), func(i int) error {
		_, err := d.Grants.Approve(t.Context(), d.b, all[i].ID, all[i].Digest, request.Claim{}, nil)
		return err
	}, grant.ErrFree)
	if n != 2 {
		t.Errorf("%d of 4 grants of 400 fit into 1,000, want 2", n)
	}
	d.holds(t, 200, 800, 0)
}

func TestNoMoreIsPromisedThanTheProgrammeWasAcceptedWith(t *testing.T) {
	t.Parallel()
	d := open(t, 5000, 1000)
	_, err := d.Grants.Propose(t.Context(), d.a, terms(d.programme, 1001))
	wants(t, "a grant beyond the budget", err, grant.ErrBudget)
	one, two := d.propose(t, d.a, terms(d.programme, 600)), d.propose(t, d.a, terms(d.programme, 600))
	if _, err := d.approve(t, d.b, one); err != nil {
		t.Fatal(err)
	}
	_, err = d.approve(t, d.b, two)
	wants(t, "a second one that does not fit beside the first", err, grant.ErrBudget)
}

func TestAnObjectionStopsAGrantUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	d, ctx := open(t, 1000, 1000), t.Context()
	var grants []grant.Grant
	var asked []disbursement.Disbursement
	for range 2 {
		g, err := d.approve(t, d.b, d.propose(t, d.a, terms(d.programme, 400)))
		if err != nil {
			t.Fatal(err)
		}
		m := d.ask(t, d.a, g, 1)
		if err := d.pass(t, d.b, m); err != nil {
			t.Fatal(err)
		}
		grants, asked = append(grants, g), append(asked, m)
	}
	var filed []objection.Objection
	for _, g := range grants {
		o, err := d.Objections.File(ctx, g.Period, "该校并无图书角")
		if err != nil {
			t.Fatal(err)
		}
		filed = append(filed, o)
	}
	d.Clock.Advance(shoptest.Terms.Period)
	d.signIn(t)
	_, err := d.Objections.File(ctx, grants[0].Period, "来晚了")
	wants(t, "after the time for objections", err, objection.ErrOver)
	wants(t, "while an objection is open", d.pay(t, d.c, asked[0]), objection.ErrOpen)
	_, err = d.Objections.Answer(ctx, d.b, filed[0].ID, false, "经核实属实")
	wants(t, "who approved answers", err, objection.ErrInvolved)
	if _, err := d.Objections.Answer(ctx, d.c, filed[0].ID, false, "经现场核实，图书角在建"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Objections.Answer(ctx, d.c, filed[1].ID, true, "异议属实"); err != nil {
		t.Fatal(err)
	}
	d.holds(t, 600, 400, 0)
	wants(t, "what was struck is paid", d.pay(t, d.c, asked[1]), disbursement.ErrState)
	if err := d.pay(t, d.c, asked[0]); err != nil {
		t.Errorf("after the objection was dismissed: %v", err)
	}
}

func TestWhoGotAPartInAGrantSinceAnswersNoObjectionToIt(t *testing.T) {
	t.Parallel()
	d, ctx := open(t, 1000, 1000), t.Context()
	e := d.Administrator(t, "eve")
	g, err := d.approve(t, d.b, d.propose(t, d.a, terms(d.programme, 400)))
	if err != nil {
		t.Fatal(err)
	}
	o, err := d.Objections.File(ctx, g.Period, "校长是管理员的亲属")
	if err == nil {
		_, err = d.Grants.Declare(ctx, d.c, g.ID, true, "校长为本人亲属")
	}
	if err == nil {
		_, err = d.approve(t, e, g)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, who := range map[string]identity.Caller{"who is related to the payee": d.c, "who approved second": e} {
		_, err := d.Objections.Answer(ctx, who, o.ID, false, "不属实")
		wants(t, name+" answers", err, objection.ErrInvolved)
	}
	if _, err := d.Objections.Answer(ctx, d.Administrator(t, "fay"), o.ID, false, "经核实已回避"); err != nil {
		t.Error(err)
	}
}

func TestAlteredGrantsAreFound(t *testing.T) {
	t.Parallel()
	d := open(t, 1000, 1000)
	g, err := d.approve(t, d.b, d.propose(t, d.a, terms(d.programme, 600, 300)))
	if err != nil {
		t.Fatal(err)
	}
	d.Clock.Advance(shoptest.Terms.Period)
	d.signIn(t)
	m := d.ask(t, d.a, g, 1)
	if err := errors.Join(d.pass(t, d.b, m), d.pay(t, d.c, m)); err != nil {
		t.Fatal(err)
	}
	d.Clock.Advance(time.Second) // the return is listed after the payment
	r, err := d.Disbursements.RecordReturn(t.Context(), d.a, g.ID, 50, "未用完", "BANK-2")
	if err := errors.Join(err, d.pass(t, d.b, r)); err != nil {
		t.Fatal(err)
	}
	found := func(what string, want ...string) {
		t.Helper()
		faults, err := disbursement.Check(t.Context(), d.DB)
		if err != nil || len(faults) != len(want) {
			t.Errorf("%s: %q, %v; want %q", what, faults, err, want)
			return
		}
		for i, w := range want {
			if !strings.Contains(faults[i], w) {
				t.Errorf("%s: %q, want %q", what, faults[i], w)
			}
		}
	}
	found("nothing was altered")
	grant, payment, back := g.ID.String(), m.ID.String(), r.ID.String()
	promised, spent := string(fund.Committed(g.ID.UUID())), string(fund.Programme(d.programme.UUID()))
	for _, tt := range []struct {
		set, undo string
		want      []string
	}{
		{"fund_grant SET payee_name = '别人'", "fund_grant SET payee_name = '" + payee.Name + "'", []string{grant}},
		{"fund_grant SET amount_fen = 901", "fund_grant SET amount_fen = 900", []string{grant, promised}},
		{"fund_grant SET digest = sha256('x')", `fund_grant SET digest = '\x` + hex.EncodeToString(g.Digest[:]) + "'", []string{grant, grant, payment, back}},
		{"disbursement SET amount_fen = 40 WHERE kind = 'return'", "disbursement SET amount_fen = 50 WHERE kind = 'return'", []string{back, spent}},
		{"disbursement SET amount_fen = 500 WHERE kind = 'payment'", "disbursement SET amount_fen = 600 WHERE kind = 'payment'", []string{payment, promised, spent}},
		{"disbursement SET bank_reference = 'BANK-3' WHERE kind = 'return'", "disbursement SET bank_reference = 'BANK-2' WHERE kind = 'return'", []string{back}},
	} {
		super := pgtest.Super(t, d.DB)
		if _, err := super.ExecContext(t.Context(), "UPDATE "+tt.set); err != nil {
			t.Fatal(err)
		}
		found(tt.set, tt.want...)
		if _, err := super.ExecContext(t.Context(), "UPDATE "+tt.undo); err != nil {
			t.Fatal(err)
		}
	}
	found("all is as it was")
	super := pgtest.Tamper(t, d.DB)
	period := g.Period.String()
	for _, tt := range []struct {
		do   string
		want []string
	}{
		{`ALTER TABLE fund_grant DROP CONSTRAINT fund_grant_published_when_committed; UPDATE fund_grant SET period_id = NULL`, []string{payment, grant}},
		{`UPDATE fund_grant SET period_id = '` + period + `'; UPDATE disbursement SET executed_at = (SELECT committed_at FROM fund_grant) WHERE kind = 'payment'`, []string{payment}},
		{`ALTER TABLE objection_period DISABLE TRIGGER ALL; DELETE FROM objection_period WHERE id = '` + period + `'`, []string{grant, payment}},
	} {
		if _, err := super.ExecContext(t.Context(), tt.do); err != nil {
			t.Fatal(err)
		}
		found(tt.do, tt.want...)
	}
}

// One entry of the bank pays one instalment, whoever says so and whatever stands around it.
func TestAReferenceOfTheBankPaysOnce(t *testing.T) {
	t.Parallel()
	d := open(t, 1000, 1000)
	grants := make([]grant.Grant, 3)
	for i := range grants {
		g, err := d.approve(t, d.b, d.propose(t, d.a, terms(d.programme, 100)))
		if err != nil {
			t.Fatal(err)
		}
		grants[i] = g
	}
	d.Clock.Advance(shoptest.Terms.Period)
	d.signIn(t)
	payments := make([]disbursement.Disbursement, len(grants))
	for i, g := range grants {
		payments[i] = d.ask(t, d.a, g, 1)
		if err := d.pass(t, d.b, payments[i]); err != nil {
			t.Fatal(err)
		}
	}
	if n := pgtest.AtOnce(t, len(payments), func(i int) error {
		_, err := d.Disbursements.Execute(t.Context(), d.c, payments[i].ID, []string{"ICBC-1", " ICBC-1", "ICBC-1\u3000"}[i], request.Claim{}, nil)
		return err
	}, disbursement.ErrPaidBefore); n != 1 {
		t.Errorf("paid %d times", n)
	}
	d.holds(t, 700, 200, 100)
}

func TestApprovalsExpire(t *testing.T) {
	t.Parallel()
	d := open(t, 1000, 1000)
	late := d.propose(t, d.a, terms(d.programme, 100))
	g, err := d.approve(t, d.b, d.propose(t, d.a, terms(d.programme, 400)))
	if err != nil {
		t.Fatal(err)
	}
	m := d.ask(t, d.a, g, 1)
	if err := d.pass(t, d.b, m); err != nil {
		t.Fatal(err)
	}
	d.Clock.Advance(shoptest.Terms.Approval)
	d.signIn(t)
	_, err = d.approve(t, d.b, late)
	wants(t, "an old proposal", err, grant.ErrExpired)
	wants(t, "an old approval", d.pay(t, d.c, m), grant.ErrExpired)
	if _, err := d.Disbursements.Refuse(t.Context(), d.a, m.ID, "重新申请"); err != nil {
		t.Fatal(err)
	}
	m = d.ask(t, d.a, g, 1)
	if err := errors.Join(d.pass(t, d.b, m), d.pay(t, d.c, m)); err != nil {
		t.Errorf("asked anew: %v", err)
	}
}

func TestARelatedPartyNeedsASecondApproval(t *testing.T) {
	t.Parallel()
	d, ctx := open(t, 1000, 1000), t.Context()
	if _, err := d.Enrol(ctx, merchant.Enrolment{Code: "E07", ShortName: "磨坊", USCC: shoptest.USCC(7)}); err != nil {
		t.Fatal(err)
	}
	d.signIn(t)
	what := terms(d.programme, 100)
	what.Payee.Name = "\u3000磨坊 "
	if g := d.propose(t, d.a, what); len(g.Relations) != 1 || g.Payee.Name != "磨坊" {
		t.Errorf("an enterprise of the shop hides behind blanks: %+v", g)
	}
	what = terms(d.programme, 100)
	what.Payee.USCC = shoptest.USCC(7)
	g := d.propose(t, d.a, what)
	if len(g.Relations) != 1 || g.Relations[0].Kind != "enterprise" {
		t.Fatalf("an enterprise of the shop is no related party: %+v", g.Relations)
	}
	g, err := d.approve(t, d.b, g)
	if err != nil || g.State != grant.Proposed {
		t.Fatalf("with one approval it is %s, %v", g.State, err)
	}
	_, err = d.approve(t, d.b, g)
	wants(t, "the same approves twice", err, grant.ErrOwn)
	if g, err = d.approve(t, d.c, g); err != nil || g.State != grant.Committed {
		t.Fatalf("with two approvals it is %s, %v", g.State, err)
	}

	late, err := d.approve(t, d.b, d.propose(t, d.a, terms(d.programme, 100)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Grants.Declare(ctx, d.b, late.ID, true, "校长为本人亲属"); err != nil {
		t.Fatal(err)
	}
	_, err = d.Disbursements.RequestPayment(ctx, d.a, late.ID, 1, nil)
	wants(t, "declared later, with one approval", err, grant.ErrRelated)
	e := d.Administrator(t, "eve")
	for _, who := range []identity.Caller{d.c, e} {
		if late, err = d.approve(t, who, late); err != nil {
			t.Fatal(err)
		}
	}
	m := d.ask(t, d.a, late, 1)
	wants(t, "who is related himself approves", d.pass(t, d.b, m), grant.ErrOwn)
	if err := d.pass(t, d.c, m); err != nil {
		t.Error(err)
	}
}

// Who is paid may begin to sell in the shop after the grant was proposed, or after it was promised.
func TestAPayeeWhoBecomesAnEnterpriseIsARelatedPartyFromThenOn(t *testing.T) {
	t.Parallel()
	d, ctx := open(t, 1000, 1000), t.Context()
	what := terms(d.programme, 100)
	what.Payee.USCC = shoptest.USCC(7)
	promised, err := d.approve(t, d.b, d.propose(t, d.a, what))
	if err != nil || promised.State != grant.Committed {
		t.Fatalf("%s, %v", promised.State, err)
	}
	proposed := d.propose(t, d.a, what)
	if _, err := d.Enrol(ctx, merchant.Enrolment{Code: "E07", ShortName: "磨坊", USCC: shoptest.USCC(7)}); err != nil {
		t.Fatal(err)
	}
	d.signIn(t)
	if proposed, err = d.approve(t, d.b, proposed); err != nil || proposed.State != grant.Proposed || len(proposed.Relations) != 1 {
		t.Errorf("with one approval it is %s with the relations %+v, %v", proposed.State, proposed.Relations, err)
	}
	if _, err := d.Grants.Declare(ctx, d.c, proposed.ID, false, "与商店有往来"); err != nil {
		t.Error(err)
	}
	if proposed, err = d.approve(t, d.c, proposed); err != nil || proposed.State != grant.Committed || len(proposed.Relations) != 2 {
		t.Errorf("with two approvals it is %s with the relations %+v, %v", proposed.State, proposed.Relations, err)
	}
	_, err = d.Disbursements.RequestPayment(ctx, d.a, promised.ID, 1, nil)
	wants(t, "promised with one approval", err, grant.ErrRelated)
	if promised, err = d.approve(t, d.c, promised); err != nil || len(promised.Relations) != 1 {
		t.Errorf("%+v, %v", promised.Relations, err)
	}
	d.ask(t, d.a, promised, 1)
}

func TestOnlyAdministratorsInPersonSign(t *testing.T) {
	t.Parallel()
	d, ctx := open(t, 1000, 1000), t.Context()
	g := d.propose(t, d.a, terms(d.programme, 100))
	key := d.b
	key.Key = d.a.Account.UUID()
	_, err := d.approve(t, key, g)
	wants(t, "an API key", err, identity.ErrForbidden)
	_, err = d.approve(t, d.Person(t, "dan", identity.Grant{Role: identity.Operator}), g)
	wants(t, "an operator", err, identity.ErrForbidden)
	boss := d.Person(t, "boss", identity.Grant{Role: identity.Operator})
	if _, err := d.Identity.Revoke(ctx, boss, d.c.Account, identity.Grant{Role: identity.FundAdmin}); err != nil {
		t.Fatal(err)
	}
	_, err = d.approve(t, d.c, g)
	wants(t, "whose role was taken since he was known", err, identity.ErrForbidden)
	if _, err := d.Identity.Suspend(ctx, boss, d.b.Account, "停用"); err != nil {
		t.Fatal(err)
	}
	_, err = d.approve(t, d.b, g)
	wants(t, "who is suspended", err, identity.ErrSuspended)
	d.Clock.Advance(shoptest.Terms.SignIn + time.Second)
	_, err = d.approve(t, d.Administrator(t, "eve"), g)
	if err != nil {
		t.Errorf("who has just signed in: %v", err)
	}
	what := terms(d.programme, 100)
	what.Payee.Name = "fay"
	g = d.propose(t, d.a, what)
	_, err = d.approve(t, d.Administrator(t, "fay"), g)
	wants(t, "who is called like the payee", err, grant.ErrOwn)
	_, err = d.Grants.Propose(ctx, d.Administrator(t, "fay"), what)
	wants(t, "who is called like the payee proposes", err, grant.ErrOwn)
}

// TestARoleThatIsTakenMeanwhileIsGone takes a role and lets who has it sign before that is over: he
// waits, and then must see what he waited for.
func TestARoleThatIsTakenMeanwhileIsGone(t *testing.T) {
	t.Parallel()
	d, ctx := open(t, 1000, 1000), t.Context()
	g := d.propose(t, d.a, terms(d.programme, 100))
	taking, err := pgtest.Owner(t, d.DB).BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taking.Rollback() }()
	for _, statement := range []string{`SELECT FROM account WHERE id = $1 FOR UPDATE`, `DELETE FROM role_grant WHERE account_id = $1`} {
		if _, err := taking.ExecContext(ctx, statement, d.b.Account.UUID()); err != nil {
			t.Fatal(err)
		}
	}
	signed := make(chan error, 1)
	go func() {
		_, err := d.approve(t, d.b, g)
		signed <- err
	}()
	for waits := false; !waits && err == nil && len(signed) == 0; {
		err = taking.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE transactionid = pg_current_xact_id()::xid AND NOT granted)`).Scan(&waits)
	}
	if err := errors.Join(err, taking.Commit()); err != nil {
		t.Fatal(err)
	}
	wants(t, "whose role was taken while he signed", <-signed, identity.ErrForbidden)
}

func TestAbsurdTermsAreRefused(t *testing.T) {
	t.Parallel()
	d := open(t, 1000, 1000)
	for name, spoil := range map[string]func(*grant.Terms){
		"nothing":           func(t *grant.Terms) { t.Amount, t.Instalments = 0, nil },
		"below zero":        func(t *grant.Terms) { t.Amount, t.Instalments[0].Amount = -1, -1 },
		"beyond measure":    func(t *grant.Terms) { t.Amount, t.Instalments[0].Amount = money.Max+1, money.Max+1 },
		"a sum that is off": func(t *grant.Terms) { t.Amount++ },
		"no milestone":      func(t *grant.Terms) { t.Instalments[1].Milestone = 0 },
		"a far milestone":   func(t *grant.Terms) { t.Instalments[1].Milestone = 3 },
		"no payee":          func(t *grant.Terms) { t.Payee.Name = " " },
		"a broken payee":    func(t *grant.Terms) { t.Payee.Name = "校\n方" },
		"no credit code":    func(t *grant.Terms) { t.Payee.USCC = "911" },
	} {
		what := terms(d.programme, 100, 200)
		spoil(&what)
		_, err := d.Grants.Propose(t.Context(), d.a, what)
		wants(t, name, err, grant.ErrTerms)
	}
	_, err := d.Grants.Propose(t.Context(), d.a, terms(programme.ID{}, 100))
	wants(t, "no programme", err, programme.ErrUnknown)
}

func TestWhenThePurposeChangesTheRestIsNotPaid(t *testing.T) {
	t.Parallel()
	for name, to := range map[string][2]string{
		"other words":  {"FACILITY", "改为添置课桌椅"},
		"another kind": {"GIFTS_IN_KIND", shoptest.Plan("").Purpose},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed(t, to[0], to[1])
		})
	}
}

// changed pays the half of a grant, changes its programme, and asks for the other half.
func changed(t *testing.T, kind, purpose string) {
	t.Helper()
	d, ctx := open(t, 1000, 1000), t.Context()
	g, err := d.approve(t, d.b, d.propose(t, d.a, terms(d.programme, 600, 300)))
	if err != nil {
		t.Fatal(err)
	}
	d.Clock.Advance(shoptest.Terms.Period)
	d.signIn(t)
	m := d.ask(t, d.a, g, 1)
	if err := errors.Join(d.pass(t, d.b, m), d.pay(t, d.c, m)); err != nil {
		t.Fatal(err)
	}
	c, err := d.Programmes.ProposeChange(ctx, d.a, d.programme, kind, purpose, "图书已有捐赠")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Programmes.ApproveChange(ctx, d.b, c.ID); err != nil {
		t.Fatal(err)
	}
	d.Clock.Advance(shoptest.Rules.Period)
	if _, err := d.Programmes.EnactChange(ctx, d.c, c.ID); err != nil {
		t.Fatal(err)
	}
	d.signIn(t)
	_, err = d.Disbursements.RequestPayment(ctx, d.a, g.ID, 2, []file.ID{d.File(t, d.a.Account.UUID(), "照片")})
	wants(t, "the rest, for the old purpose", err, grant.ErrPurpose)
	d.holds(t, 100, 300, 600)
}
