package shoptest

import (
	"errors"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/application"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
)

// The fund's rules in a shop of tests: those that hold if nothing is set.
var (
	Rules = programme.Config{Period: 7 * 24 * time.Hour}
	Terms = grant.Config{Period: 5 * 24 * time.Hour, Approval: 7 * 24 * time.Hour, SignIn: 15 * time.Minute}
)

const password = "correct horse battery"

// Person is somebody with an account and these roles, who signs in at this moment.
func (s *Shop) Person(t testing.TB, name string, roles ...identity.Grant) identity.Caller {
	t.Helper()
	login := name + "@fund.example"
	a, err := s.Identity.Register(t.Context(), identity.Registration{Email: login, Name: name, Password: password})
	if err != nil && !errors.Is(err, identity.ErrTaken) {
		t.Fatalf("register %s: %v", name, err)
	}
	if err == nil {
		must(t, postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
			for _, g := range roles {
				if err := identity.Give(t.Context(), tx, identity.Caller{}, a.ID, g); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	session, _, err := s.Identity.SignIn(t.Context(), identity.Credentials{Login: login, Password: password})
	must(t, err)
	caller, err := s.Identity.Resolve(t.Context(), session.Token)
	must(t, err)
	return caller
}

// Administrator is an administrator of the fund, who signs in at this moment.
func (s *Shop) Administrator(t testing.TB, name string) identity.Caller {
	t.Helper()
	return s.Person(t, name, identity.Grant{Role: identity.FundAdmin})
}

// Endow gives the fund so much free money, by a sale of ten times as much that can be returned no more.
func (s *Shop) Endow(t testing.TB, amount money.Fen) {
	t.Helper()
	must(t, postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		goods := 10 * amount
		home, order := id.New[programme.Programme](tx.Now).UUID(), id.New[programme.Programme](tx.Now).String()
		owed := ledger.Payable(home)
		return ledger.Book(t.Context(), tx, []ledger.Transfer{
			{Home: home, Kind: fund.Sale, Ref: order, Public: true, Moves: []ledger.Move{
				{What: fund.Goods, From: ledger.World("stripe"), To: owed, Amount: goods.Li()}, fund.Tenth(owed, goods),
			}},
			fund.Mature(home, order, goods),
		})
	}))
}

// Plan is what a school of tests wants.
func Plan(title string) programme.Plan {
	return programme.Plan{
		Kind: "FACILITY", Title: title, Region: "152527102", Place: "红旗镇", School: "红旗镇中心小学（虚构示例）", Purpose: "为图书角添置图书与书架", Fictional: true,
		Milestones: []programme.Milestone{{Title: "书架到校"}, {Title: "图书上架"}},
	}
}

// Accept lets a programme in with so much of the fund's money, filed, assessed and accepted by
// three people.
func (s *Shop) Accept(t testing.TB, plan programme.Plan, budget money.Fen) programme.ID {
	t.Helper()
	official := s.Person(t, "official", identity.Grant{Role: identity.County, Region: programme.County})
	assessor, decider := s.Administrator(t, "assessor"), s.Administrator(t, "decider")
	a, err := s.Applications.File(t.Context(), official, application.Asking{Plan: plan, Amount: budget})
	must(t, err)
	_, err = s.Applications.Assess(t.Context(), assessor, a.ID, 90, "需求真实")
	must(t, err)
	_, err = s.Applications.Publish(t.Context(), assessor, a.ID)
	must(t, err)
	s.Clock.Advance(Rules.Period)
	a, err = s.Applications.Accept(t.Context(), decider, a.ID)
	must(t, err)
	return a.Programme
}
