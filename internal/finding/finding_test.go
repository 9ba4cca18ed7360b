package finding_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/finding"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
)

func caller(role identity.Role) identity.Caller {
	return identity.Caller{Account: id.FromName[identity.Account]("test", string(role)), Roles: []identity.Grant{{Role: role}}}
}

var (
	auditor  = caller(identity.Auditor)
	operator = caller(identity.Operator)
	admin    = caller(identity.FundAdmin)
)

// both is the auditor, who has been made an operator; turned is the operator, who has been made an auditor.
var (
	both   = identity.Caller{Account: auditor.Account, Roles: []identity.Grant{{Role: identity.Auditor}, {Role: identity.Operator}}}
	turned = identity.Caller{Account: operator.Account, Roles: both.Roles}
)

func opening() finding.Opening {
	return finding.Opening{
		Object: finding.Object{Kind: "day", ID: "2026-11-24"}, Severity: finding.High, Title: "A payment without an order", Asked: identity.Operator,
		Text: "re_1 is at the provider and not with us.",
	}
}

func TestAFindingIsAskedAnsweredInsistedOnAcceptedAndClosed(t *testing.T) {
	t.Parallel()
	findings := finding.New(pgtest.New(t))
	f, err := findings.Open(t.Context(), auditor, opening())
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		who    identity.Caller
		action string
		state  finding.State
		err    error
	}{
		{auditor, "accept", "", finding.ErrState},
		{auditor, "answer", "", finding.ErrAsked}, // nobody answers himself
		{both, "answer", "", finding.ErrAsked},
		{admin, "answer", "", finding.ErrAsked},
		{operator, "close", "", identity.ErrForbidden},
		{turned, "close", "", finding.ErrOwn}, // nor judges what he is asked
		{operator, "answer", finding.Answered, nil},
		{turned, "answer", finding.Answered, nil},
		{turned, "accept", "", finding.ErrOwn},
		{auditor, "insist", finding.Open, nil},
		{operator, "answer", finding.Answered, nil},
		{auditor, "close", "", finding.ErrState},
		{auditor, "accept", finding.Accepted, nil},
		{operator, "answer", "", finding.ErrState},
		{turned, "close", "", finding.ErrOwn},
		{both, "close", finding.Closed, nil},
		{auditor, "insist", "", finding.ErrState},
		{auditor, "nonsense", "", finding.ErrState},
	} {
		got, err := findings.Take(t.Context(), step.who, f.ID, step.action, "because")
		if !errors.Is(err, step.err) || err == nil && got.State != step.state {
			t.Errorf("%s by %v: %v, %v; want %v, %v", step.action, step.who.Roles, got.State, err, step.state, step.err)
		}
	}
	got, notes, err := findings.Finding(t.Context(), f.ID)
	var said []string
	for _, n := range notes {
		said = append(said, n.Action+" by "+string(n.Role))
	}
	want := []string{
		"open by auditor", "answer by operator", "answer by operator", "insist by auditor", "answer by operator", "accept by auditor", "close by auditor",
	}
	if diff := cmp.Diff(want, said); diff != "" || err != nil || got.Notes != len(want) || len(got.Next(auditor)) != 0 {
		t.Errorf("%+v, %v (-want +got):\n%s", got, err, diff)
	}
	if _, _, err := findings.Finding(t.Context(), finding.ID{}); !errors.Is(err, finding.ErrUnknown) {
		t.Errorf("none: %v", err)
	}
}

func TestFindingsAreListedAndCounted(t *testing.T) {
	t.Parallel()
	findings := finding.New(pgtest.New(t))
	for range 3 {
		if _, err := findings.Open(t.Context(), auditor, opening()); err != nil {
			t.Fatal(err)
		}
	}
	p, err := findings.Findings(t.Context(), "", page.Request{Limit: 2})
	if err != nil || len(p.Data) != 2 || p.Next == "" {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := findings.Take(t.Context(), auditor, p.Data[0].ID, "close", "it was none"); err != nil {
		t.Fatal(err)
	}
	if p, err = findings.Findings(t.Context(), finding.Open, page.Request{}); err != nil || len(p.Data) != 2 {
		t.Errorf("%d are open, %v", len(p.Data), err)
	}
	if c, err := findings.Unclosed(t.Context()); err != nil || c != (finding.Count{High: 2}) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestAnAbsurdFindingIsRefused(t *testing.T) {
	t.Parallel()
	findings := finding.New(pgtest.New(t))
	for name, spoil := range map[string]func(*finding.Opening){
		"no kind":   func(o *finding.Opening) { o.Object.Kind = "" },
		"no object": func(o *finding.Opening) { o.Object.ID = "a b" },
		"severity":  func(o *finding.Opening) { o.Severity = "dreadful" },
		"asked":     func(o *finding.Opening) { o.Asked = identity.Auditor },
		"title":     func(o *finding.Opening) { o.Title = strings.Repeat("长", 201) },
		"text":      func(o *finding.Opening) { o.Text = "  x  " },
	} {
		o := opening()
		spoil(&o)
		if _, err := findings.Open(t.Context(), auditor, o); !errors.Is(err, finding.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := findings.Open(t.Context(), operator, opening()); !errors.Is(err, identity.ErrForbidden) {
		t.Errorf("an operator: %v", err)
	}
}
