package nets_test

import (
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/application"
	"github.com/shiyi-market/shiyi/internal/disbursement"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/programme"
	idempotent "github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

// desk is the fund's, at which three people act who are in no test's way; what they did long ago
// can be objected to no more.
type desk struct {
	once         sync.Once
	official     identity.Caller
	a, b, c      identity.Caller
	programme    programme.ID
	programmes   *programme.Service
	applications *application.Service
	grants       *grant.Service
}

// patientTerms let somebody act on money who signed in long ago: the nets' people sign in once, and their clock goes on.
func patientTerms() grant.Config {
	terms := shoptest.Terms
	terms.SignIn = 1000 * time.Hour
	return terms
}

// funds is the desk, with a fund that has money.
func (s *shop) funds(t testing.TB) *desk {
	t.Helper()
	s.desk.once.Do(func() {
		d := &s.desk
		past := s.DB.At(s.Clock.Now().Add(-shoptest.Rules.Period - time.Second))
		d.programmes, d.applications = programme.New(past, shoptest.Rules), application.New(past, shoptest.Rules)
		old := patientTerms()
		old.Approval = 100 * 24 * time.Hour
		d.grants = grant.New(past, old)
		d.official = s.Person(t, "official", identity.Grant{Role: identity.County, Region: programme.County})
		d.a, d.b, d.c = s.Administrator(t, "desk-a"), s.Administrator(t, "desk-b"), s.Administrator(t, "desk-c")
		s.Endow(t, 1e9)
		ready, err := s.Applications.Accept(t.Context(), d.c, s.applied(t, 1e10, true))
		if err != nil {
			t.Fatalf("accept a programme: %v", err)
		}
		d.programme = ready.Programme
	})
	return &s.desk
}

// applied is an application for so much, filed or published long ago.
func (s *shop) applied(t testing.TB, amount money.Fen, published bool) application.ID {
	t.Helper()
	d := &s.desk
	a, err := d.applications.File(t.Context(), d.official, application.Asking{Plan: shoptest.Plan("图书角（虚构示例）"), Amount: amount})
	if err == nil && published {
		if _, err = d.applications.Assess(t.Context(), d.b, a.ID, 80, "for a test"); err == nil {
			_, err = d.applications.Publish(t.Context(), d.b, a.ID)
		}
	}
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return a.ID
}

// funded are things of the fund's desk, one in each state in which there is something to do.
func (s *shop) funded(t testing.TB, param string) []string {
	t.Helper()
	d, ctx := s.funds(t), t.Context()
	switch param {
	case "programme_id":
		return []string{s.recorded(t).String()}
	case "programme_application_id":
		assessed := s.applied(t, 100, false)
		if _, err := d.applications.Assess(ctx, d.b, assessed, 80, "for a test"); err != nil {
			t.Fatalf("assess: %v", err)
		}
		return []string{s.applied(t, 100, false).String(), assessed.String(), s.applied(t, 100, true).String()}
	case "programme_change_id":
		return []string{s.changed(t, false).ID.String(), s.changed(t, true).ID.String()}
	case "other_money_id":
		o, err := d.programmes.AddOther(ctx, d.a, programme.OtherMoney{Amount: 100, Source: "for a test", Shared: []programme.ID{s.recorded(t)}})
		if err != nil {
			t.Fatalf("tell of other money: %v", err)
		}
		return []string{o.ID.String()}
	case "objection_period_id", "objection_id":
		g := s.granted(t, s.Grants, true)
		if param == "objection_period_id" {
			return []string{g.Period.String()}
		}
		o, err := s.Objections.File(ctx, g.Period, "for a test")
		if err != nil {
			t.Fatalf("object: %v", err)
		}
		return []string{o.ID.String()}
	case "grant_id":
		paid := s.granted(t, d.grants, true)
		if _, err := s.Disbursements.Execute(ctx, d.c, s.asked1(t, paid, true), "paid "+paid.ID.String(), idempotent.Claim{}, nil); err != nil {
			t.Fatalf("pay: %v", err)
		}
		return []string{s.granted(t, s.Grants, false).ID.String(), s.granted(t, s.Grants, true).ID.String(), paid.ID.String()}
	}
	return []string{s.asked1(t, s.granted(t, d.grants, true), false).String(), s.asked1(t, s.granted(t, d.grants, true), true).String()}
}

// recorded is a programme without money of the fund.
func (s *shop) recorded(t testing.TB) programme.ID {
	t.Helper()
	p, err := s.Programmes.Record(t.Context(), s.steward(), shoptest.Plan("运动场（虚构示例）"))
	if err != nil {
		t.Fatalf("record a programme: %v", err)
	}
	return p.ID
}

// changed is a change of purpose that was proposed, or published long ago.
func (s *shop) changed(t testing.TB, published bool) programme.Change {
	t.Helper()
	d := &s.desk
	c, err := d.programmes.ProposeChange(t.Context(), d.a, s.recorded(t), "FACILITY", "for a test", "for a test")
	if err == nil && published {
		c, err = d.programmes.ApproveChange(t.Context(), d.b, c.ID)
	}
	if err != nil {
		t.Fatalf("change a purpose: %v", err)
	}
	return c
}

// granted is a grant of 200 and 100 fen, proposed or committed.
func (s *shop) granted(t testing.TB, svc *grant.Service, committed bool) grant.Grant {
	t.Helper()
	d := &s.desk
	g, err := svc.Propose(t.Context(), d.a, grant.Terms{
		Programme: d.programme, Amount: 300, Payee: grant.Payee{Name: "红旗镇中心小学（虚构示例）", Account: "6222 0000 0000 0001"},
		Instalments: []grant.Instalment{{Amount: 200}, {Amount: 100, Milestone: 1}},
	})
	if err == nil && committed {
		g, err = svc.Approve(t.Context(), d.b, g.ID, g.Digest, idempotent.Claim{}, nil)
	}
	if err != nil {
		t.Fatalf("grant: %v", err)
	}
	return g
}

// asked1 is the first instalment of a grant, asked for or approved.
func (s *shop) asked1(t testing.TB, g grant.Grant, approved bool) disbursement.ID {
	t.Helper()
	d := &s.desk
	m, err := s.Disbursements.RequestPayment(t.Context(), d.a, g.ID, 1, nil)
	if err == nil && approved {
		_, err = s.Disbursements.Approve(t.Context(), d.b, m.ID, m.Digest, idempotent.Claim{}, nil)
	}
	if err != nil {
		t.Fatalf("ask for a payment: %v", err)
	}
	return m.ID
}

// fundDigest puts the digest of a thing into a body, where there is such a thing.
func (s *shop) fundDigest(t testing.TB, body map[string]any, table, thing string) {
	t.Helper()
	if uuid.Validate(thing) != nil {
		return
	}
	var digest string
	err := s.DB.SQL().QueryRowContext(t.Context(), `SELECT encode(digest, 'hex') FROM `+table+` WHERE id::text = $1`, thing).Scan(&digest)
	switch {
	case err == nil:
		body["digest"] = digest
	case !errors.Is(err, sql.ErrNoRows):
		t.Fatalf("read a digest: %v", err)
	}
}
