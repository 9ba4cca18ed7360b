package application_test

import (
	"errors"
	"testing"

	"github.com/shiyi-market/shiyi/internal/application"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

func wants(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestAnApplicationIsDecidedByOthersThanWhoFiledAndAssessedIt(t *testing.T) {
	t.Parallel()
	s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
	neighbour := s.Person(t, "neighbour", identity.Grant{Role: identity.County, Region: "152528"})
	a, b, c := s.Administrator(t, "ann"), s.Administrator(t, "bob"), s.Administrator(t, "cai")
	ask := application.Asking{Plan: shoptest.Plan("图书角（虚构示例）"), Amount: 900}

	_, err := s.Applications.File(ctx, neighbour, ask)
	wants(t, "another county's official files", err, identity.ErrForbidden)
	_, err = s.Applications.File(ctx, shoptest.Buyer("ann"), ask)
	wants(t, "a buyer files", err, identity.ErrForbidden)
	for want, spoil := range map[error]func(*application.Asking){
		programme.ErrPurpose:  func(ask *application.Asking) { ask.Plan.Kind = "LIVELIHOOD" },
		programme.ErrRegion:   func(ask *application.Asking) { ask.Plan.Region = "110101" },
		programme.ErrPlan:     func(ask *application.Asking) { ask.Plan.Title = "" },
		application.ErrAmount: func(ask *application.Asking) { ask.Amount = 0 },
		programme.ErrMoney:    func(ask *application.Asking) { ask.Other = []programme.OtherMoney{{Amount: -1, Source: "x"}} },
		file.ErrUnknown:       func(ask *application.Asking) { ask.Files = []file.ID{s.File(t, b.Account.UUID(), "别人的")} },
	} {
		bad := ask
		spoil(&bad)
		_, err := s.Applications.File(ctx, a, bad)
		wants(t, "a spoilt application", err, want)
	}
	made, err := s.Applications.File(ctx, a, ask)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Applications.Application(ctx, neighbour, made.ID)
	wants(t, "another county's official reads", err, application.ErrUnknown)
	if list, err := s.Applications.Applications(ctx, neighbour, "", page.Request{}); err != nil || len(list.Data) != 0 {
		t.Errorf("another county's official lists %d, %v", len(list.Data), err)
	}
	_, err = s.Applications.Decline(ctx, neighbour, made.ID, "不符")
	wants(t, "another county's official withdraws", err, application.ErrUnknown)
	seer := s.Person(t, "seer", identity.Grant{Role: identity.County, Region: "152528"}, identity.Grant{Role: identity.Auditor})
	_, err = s.Applications.Decline(ctx, seer, made.ID, "不符")
	wants(t, "another county's official who sees it as an auditor declines", err, identity.ErrForbidden)
	_, err = s.Applications.Assess(ctx, a, made.ID, 99, "自评")
	wants(t, "who filed it assesses", err, application.ErrOwn)
	_, err = s.Applications.Publish(ctx, b, made.ID)
	wants(t, "it is published before it is assessed", err, application.ErrState)
	if _, err := s.Applications.Assess(ctx, b, made.ID, 80, "需求真实"); err != nil {
		t.Fatal(err)
	}
	if made, err = s.Applications.Publish(ctx, b, made.ID); err != nil {
		t.Fatal(err)
	}
	o, err := s.Objections.File(ctx, made.Period, "学校已有图书角")
	if err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(shoptest.Rules.Period)
	_, err = s.Applications.Accept(ctx, c, made.ID)
	wants(t, "while an objection is open", err, objection.ErrOpen)
	_, err = s.Objections.Answer(ctx, b, o.ID, false, "不成立")
	wants(t, "who assessed it answers", err, objection.ErrInvolved)
	if _, err := s.Objections.Answer(ctx, c, o.ID, false, "经核实不成立"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Applications.Accept(ctx, b, made.ID)
	wants(t, "who assessed it accepts", err, application.ErrOwn)
	if n := pgtest.AtOnce(t, 4, func(int) error { _, err := s.Applications.Accept(ctx, c, made.ID); return err }, application.ErrState); n != 1 {
		t.Errorf("accepted %d times at once", n)
	}
}

func TestOtherMoneyIsOfEachProgrammeOnce(t *testing.T) {
	t.Parallel()
	s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
	a := s.Administrator(t, "ann")
	p, err := s.Programmes.Record(ctx, a, shoptest.Plan("运动场（虚构示例）"))
	if err != nil {
		t.Fatal(err)
	}
	o := programme.OtherMoney{Amount: 100, Source: "社会捐赠（虚构示例）", Shared: []programme.ID{p.ID, p.ID}}
	_, err = s.Programmes.AddOther(ctx, a, o)
	wants(t, "a programme twice", err, programme.ErrMoney)
	o.Shared = o.Shared[:1]
	if _, err = s.Programmes.AddOther(ctx, a, o); err != nil {
		t.Error(err)
	}
}

func TestAnObjectionThatIsUpheldDeclinesAnApplication(t *testing.T) {
	t.Parallel()
	s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
	a, b, c := s.Administrator(t, "ann"), s.Administrator(t, "bob"), s.Administrator(t, "cai")
	made, err := s.Applications.File(ctx, a, application.Asking{Plan: shoptest.Plan("图书角（虚构示例）"), Amount: 900})
	if err == nil {
		_, err = s.Applications.Assess(ctx, b, made.ID, 80, "需求真实")
	}
	if err == nil {
		made, err = s.Applications.Publish(ctx, b, made.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.Objections.File(ctx, made.Period, "学校不存在")
	if err == nil {
		_, err = s.Objections.Answer(ctx, c, o.ID, true, "学校不存在，异议成立")
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(shoptest.Rules.Period)
	_, err = s.Applications.Accept(ctx, c, made.ID)
	wants(t, "accepted all the same", err, application.ErrState)
	if got, err := s.Applications.Application(ctx, a, made.ID); err != nil || got.State != application.Declined {
		t.Errorf("it is %s, %v", got.State, err)
	}
}
