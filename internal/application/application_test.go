package application_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/application"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
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

func TestOtherMoneyThatIsNotSoIsWithdrawnAndShownAsThat(t *testing.T) {
	t.Parallel()
	s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
	a := s.Administrator(t, "ann")
	var shared []programme.ID
	for range 2 {
		p, err := s.Programmes.Record(ctx, a, shoptest.Plan("运动场（虚构示例）"))
		if err != nil {
			t.Fatal(err)
		}
		shared = append(shared, p.ID)
	}
	total := func(want money.Fen) {
		t.Helper()
		got, err := postgres.Read(ctx, s.DB, func(tx *postgres.Tx) (money.Fen, error) { return programme.OtherTotal(ctx, tx) })
		if err != nil || got != want {
			t.Errorf("other money is %d, %v; want %d", got, err, want)
		}
	}
	wrong, err := s.Programmes.AddOther(ctx, a, programme.OtherMoney{Amount: 10_000, Source: "社会捐赠（虚构示例）", Shared: shared})
	s.Clock.Advance(time.Second)
	if err == nil {
		_, err = s.Programmes.AddOther(ctx, a, programme.OtherMoney{Amount: 100, Source: "社会捐赠（虚构示例）", Shared: shared})
	}
	if err != nil {
		t.Fatal(err)
	}
	total(10_100)
	_, err = s.Programmes.WithdrawOther(ctx, shoptest.Buyer("ann"), wrong.ID, "多写了两个零")
	wants(t, "a buyer withdraws", err, identity.ErrForbidden)
	_, err = s.Programmes.WithdrawOther(ctx, a, wrong.ID, "")
	wants(t, "without a reason", err, identity.ErrReason)
	_, err = s.Programmes.WithdrawOther(ctx, a, uuid.New(), "没有这笔")
	wants(t, "what nobody told of", err, programme.ErrNoMoney)
	if n := pgtest.AtOnce(t, 4, func(int) error {
		_, err := s.Programmes.WithdrawOther(ctx, a, wrong.ID, "多写了两个零")
		return err
	}, programme.ErrMoneyGone); n != 1 {
		t.Errorf("withdrawn %d times at once", n)
	}
	total(100)
	got, err := s.Programmes.Programme(ctx, shared[1])
	if err != nil || len(got.Other) != 2 || got.Other[0].Reason != "多写了两个零" || got.Other[0].WithdrawnAt.IsZero() || !got.Other[1].WithdrawnAt.IsZero() {
		t.Errorf("%+v, %v", got.Other, err)
	}
}

// published is an application by ann that bob assessed and published.
func published(t *testing.T, s *shoptest.Shop, ask application.Asking, score int, opinion string) application.Application {
	t.Helper()
	ctx, b := t.Context(), s.Administrator(t, "bob")
	made, err := s.Applications.File(ctx, s.Administrator(t, "ann"), ask)
	if err == nil {
		_, err = s.Applications.Assess(ctx, b, made.ID, score, opinion)
	}
	if err == nil {
		made, err = s.Applications.Publish(ctx, b, made.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// reworded is a change of a programme that ann proposed, bob published, and cai put in force.
func reworded(t *testing.T, s *shoptest.Shop, pid programme.ID, kind, purpose string) programme.Change {
	t.Helper()
	ctx := t.Context()
	change, err := s.Programmes.ProposeChange(ctx, s.Administrator(t, "ann"), pid, kind, purpose, "图书已由他方捐赠")
	if err == nil {
		change, err = s.Programmes.ApproveChange(ctx, s.Administrator(t, "bob"), change.ID)
	}
	s.Clock.Advance(shoptest.Rules.Period)
	if err == nil {
		change, err = s.Programmes.EnactChange(ctx, s.Administrator(t, "cai"), change.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return change
}

// enacted is an application that was accepted, and a change of its programme that came into force.
func enacted(t *testing.T, s *shoptest.Shop) (application.Application, programme.Change) {
	t.Helper()
	made := published(t, s, library(), 80, "需求真实")
	s.Clock.Advance(shoptest.Rules.Period)
	made, err := s.Applications.Accept(t.Context(), s.Administrator(t, "cai"), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	return made, reworded(t, s, made.Programme, made.Plan.Kind, "改购课桌")
}

// library is what most apply for here.
func library() application.Asking {
	return application.Asking{Plan: shoptest.Plan("图书角（虚构示例）"), Amount: 900}
}

// What is told of programmes is what the fund's money is given for: who changes it behind the
// shop's back is found by what was published.
func TestAlteredProgrammesAreFound(t *testing.T) {
	t.Parallel()
	s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
	made, change := enacted(t, s)
	plan := made.Plan
	found := func(what string, want ...string) {
		t.Helper()
		periods, err := objection.Check(ctx, s.DB)
		told, err2 := application.Check(ctx, s.DB)
		faults := slices.Concat(periods, told)
		if err := errors.Join(err, err2); err != nil || len(faults) != len(want) {
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
	super := pgtest.Tamper(t, s.DB)
	if _, err := super.ExecContext(ctx, `ALTER TABLE objection_period DISABLE TRIGGER ALL`); err != nil {
		t.Fatal(err)
	}
	asked, to := "application "+made.ID.String(), "programme "+made.Programme.String()
	until, altered := "objections ", "the change "+change.ID.String()
	for _, tt := range []struct {
		set, undo string
		want      []string
	}{
		{"programme SET budget_fen = 901", "programme SET budget_fen = 900", []string{to}},
		{"programme SET school = '别的学校'", "programme SET school = '" + plan.School + "'", []string{to}},
		{"programme SET purpose = '盖楼'", "programme SET purpose = '改购课桌'", []string{to}},
		{"programme SET kind = 'SCHOOL_BUILDING'", "programme SET kind = '" + plan.Kind + "'", []string{to}},
		{"programme SET fictional = NOT fictional", "programme SET fictional = NOT fictional", []string{to}},
		{"programme_application SET amount_fen = 901", "programme_application SET amount_fen = 900", []string{asked, to}},
		{"programme_application SET score = 100", "programme_application SET score = 80", []string{asked}},
		{"programme_application SET opinion = '极好'", "programme_application SET opinion = '需求真实'", []string{asked}},
		{"programme_change SET purpose = '盖楼'", "programme_change SET purpose = '改购课桌'", []string{"its kind or purpose", altered}},
		{"programme_change SET reason = '另有原因'", "programme_change SET reason = '图书已由他方捐赠'", []string{altered}},
		{"objection_period SET ends_at = ends_at - interval '1 day'", "objection_period SET ends_at = ends_at + interval '1 day'", []string{until, until}},
		{"objection_period SET title_zh = title_zh || '！' WHERE subject = 'change'", "objection_period SET title_zh = rtrim(title_zh, '！')", []string{until}},
	} {
		if _, err := super.ExecContext(ctx, "UPDATE "+tt.set); err != nil {
			t.Fatal(err)
		}
		found(tt.set, tt.want...)
		if _, err := super.ExecContext(ctx, "UPDATE "+tt.undo); err != nil {
			t.Fatal(err)
		}
	}
	found("all is as it was")
}

// Who may do anything to the database takes away what he would be found by: what was published is missed.
func TestProgrammesWithoutWhatWasPublishedAreFound(t *testing.T) {
	t.Parallel()
	const budget = `UPDATE programme_application SET amount_fen = 901; UPDATE programme SET budget_fen = 901; `
	const forged = `convert_to(replace(convert_from(body, 'UTF8'), '"amount_fen": 900', '"amount_fen": 901'), 'UTF8')`
	for name, tt := range map[string]struct{ do, want string }{
		"the application is of no time for objections": {budget + `UPDATE programme_application SET period_id = NULL`, "it is not what was published"},
		"another notice stands in its place": {budget + `INSERT INTO publication SELECT gen_random_uuid(), kind, title_zh, title_en, media_type, ` + forged + `, sha256(` + forged + `), at
			FROM publication WHERE id = (SELECT document_id FROM objection_period WHERE subject = 'application');
			UPDATE objection_period SET document_id = (SELECT id FROM publication WHERE convert_from(body, 'UTF8') LIKE '%901%') WHERE subject = 'application'`, "is the notice of no time for objections"},
		"the application and its programme are gone": {`DELETE FROM programme_milestone; DELETE FROM programme_application; DELETE FROM programme`, "application {application}: it was published, and is not told of"},
		"its time for objections is gone, too":       {`DELETE FROM programme_application; DELETE FROM objection_period`, "is the notice of no time for objections"},
		"a change is gone":                           {`UPDATE programme SET purpose = (SELECT old_purpose FROM programme_change); DELETE FROM programme_change`, "change {change}: it was published, and is not told of"},
		"an application was accepted too early":      {`UPDATE programme_application SET decided_at = assessed_at`, "application {application}: it was accepted while somebody objected, or could"},
		"a change came into force too early":         {`UPDATE programme_change SET decided_at = approved_at`, "the change {change} came into force while somebody objected, or could"},
		"an objection was upheld": {`INSERT INTO objection SELECT gen_random_uuid(), id, '不实', opened_at, 'upheld', gen_random_uuid(), opened_at, '属实'
			FROM objection_period WHERE subject = 'application'`, "application {application}: it was accepted while somebody objected, or could"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
			made, change := enacted(t, s)
			check := func() []string {
				t.Helper()
				periods, err := objection.Check(ctx, s.DB)
				told, err2 := application.Check(ctx, s.DB)
				if err := errors.Join(err, err2); err != nil {
					t.Error(err)
				}
				return slices.Concat(periods, told)
			}
			if faults := check(); len(faults) != 0 {
				t.Errorf("nothing was altered: %q", faults)
			}
			super := pgtest.Tamper(t, s.DB)
			if _, err := super.ExecContext(ctx, `DO $$ DECLARE r record; BEGIN
				FOR r IN SELECT c.conname, c.conrelid::regclass AS t FROM pg_constraint c WHERE c.contype = 'c' AND c.conrelid = ANY ('{programme,programme_application,programme_change,objection}'::regclass[]) LOOP
					EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.t, r.conname);
				END LOOP;
				FOR r IN SELECT unnest('{programme,programme_milestone,programme_application,programme_change,objection_period,objection,publication}'::regclass[]) AS t LOOP
					EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', r.t);
				END LOOP; END $$; `+tt.do); err != nil {
				t.Fatal(err)
			}
			want := strings.NewReplacer("{application}", made.ID.String(), "{change}", change.ID.String()).Replace(tt.want)
			if faults := check(); !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, want) }) {
				t.Errorf("%q, want %q", faults, want)
			}
		})
	}
}

// What the shop may honestly be like differs from nothing that was published, whatever texts and days it has.
func TestWhatWasDecidedInOrderIsNotCalledAltered(t *testing.T) {
	t.Parallel()
	s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
	a, b, c := s.Administrator(t, "ann"), s.Administrator(t, "bob"), s.Administrator(t, "cai")
	plan := shoptest.Plan(" 图书角 <b>&\u2028\u00a0😀（虚构示例） ")
	plan.Milestones = []programme.Milestone{{Title: " 一期 <&>", Due: "0000-01-01"}, {Title: "二期"}, {Title: "三期", Due: "9999-12-31"}}
	next := func() application.Application {
		t.Helper()
		made := published(t, s, application.Asking{Plan: plan, Amount: money.Max}, 0, "需求真实 <&>\u2028")
		s.Clock.Advance(time.Second + 987654321*time.Nanosecond)
		return made
	}
	accepted, declined, withdrawn, upheld := next(), next(), next(), next()
	bare, err := s.Programmes.Record(ctx, a, plan)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Applications.Decline(ctx, c, declined.ID, "预算已用完")
	_, err2 := s.Applications.Decline(ctx, a, withdrawn.ID, "不再需要")
	o, err3 := s.Objections.File(ctx, upheld.Period, "内容不实")
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Objections.Answer(ctx, c, o.ID, true, "属实"); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(shoptest.Rules.Period)
	if accepted, err = s.Applications.Accept(ctx, c, accepted.ID); err != nil {
		t.Fatal(err)
	}
	for _, purpose := range []string{"改购课桌 <&>", " 改购电脑 ", plan.Purpose} {
		for _, pid := range []programme.ID{accepted.Programme, bare.ID} {
			reworded(t, s, pid, plan.Kind, purpose)
		}
	}
	change, err := s.Programmes.ProposeChange(ctx, a, bare.ID, plan.Kind, "盖楼", "图书已由他方捐赠")
	if err == nil {
		change, err = s.Programmes.ApproveChange(ctx, b, change.ID)
	}
	if err == nil {
		_, err = s.Programmes.DeclineChange(ctx, c, change.ID, "不同意")
	}
	next()
	if err != nil {
		t.Fatal(err)
	}
	periods, err := objection.Check(ctx, s.DB)
	told, err2 := application.Check(ctx, s.DB)
	if faults := slices.Concat(periods, told); err != nil || err2 != nil || len(faults) != 0 {
		t.Errorf("%q, %v, %v", faults, err, err2)
	}
}

// Anybody sees how objections to one thing were answered: not what they say, nor those to another.
func TestObjectionsAreListedOfWhatTheyAreTo(t *testing.T) {
	t.Parallel()
	s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
	made, change := enacted(t, s)
	a, b := s.Administrator(t, "ann"), s.Administrator(t, "bob")
	next, err := s.Programmes.ProposeChange(ctx, a, made.Programme, made.Plan.Kind, "改购电脑", "课桌已由他方捐赠")
	if err == nil {
		next, err = s.Programmes.ApproveChange(ctx, b, next.ID)
	}
	var last objection.Objection
	for range 3 {
		if err == nil {
			last, err = s.Objections.File(ctx, next.Period, "张三家有两名学生")
		}
		s.Clock.Advance(time.Second)
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Objections.Filed(ctx, next.Period, page.Request{Limit: 2})
	if err != nil || len(got.Data) != 2 || got.Data[0].ID != last.ID || got.Data[0].Body != "" || got.Next == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if rest, err := s.Objections.Filed(ctx, next.Period, page.Request{Limit: 2, Cursor: got.Next}); err != nil || len(rest.Data) != 1 || rest.Next != "" {
		t.Errorf("%+v, %v", rest, err)
	}
	if none, err := s.Objections.Filed(ctx, change.Period, page.Request{Cursor: got.Next}); err != nil || len(none.Data) != 0 {
		t.Errorf("of another: %+v, %v", none, err)
	}
	for _, pid := range []objection.PeriodID{{}, id.New[objection.Period](s.DB.Now())} {
		_, err := s.Objections.Filed(ctx, pid, page.Request{})
		wants(t, "of nothing", err, objection.ErrNoPeriod)
	}
}

// Who waits for the time for objections while it ends has come too late: what was published goes on the
// moment after, and nobody looks at objections any more.
func TestAnObjectionThatWaitedUntilTheTimeWasOverIsTooLate(t *testing.T) {
	t.Parallel()
	s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
	made := published(t, s, library(), 80, "需求真实")
	s.Clock.Advance(shoptest.Rules.Period - time.Second)
	super := pgtest.Super(t, s.DB)
	held, err := super.BeginTx(ctx, nil)
	if err == nil {
		_, err = held.ExecContext(ctx, `SELECT FROM objection_period FOR UPDATE`)
	}
	if err != nil {
		t.Fatal(err)
	}
	late := make(chan error)
	go func() {
		_, err := s.Objections.File(ctx, made.Period, "内容不实")
		late <- err
	}()
	for waits := 0; waits == 0; {
		if err := super.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
	s.Clock.Advance(time.Second)
	if err := held.Rollback(); err != nil {
		t.Fatal(err)
	}
	wants(t, "an objection that waited", <-late, objection.ErrOver)
}

func TestAnObjectionThatIsUpheldDeclinesAnApplication(t *testing.T) {
	t.Parallel()
	s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
	made := published(t, s, library(), 80, "需求真实")
	a, c := s.Administrator(t, "ann"), s.Administrator(t, "cai")
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
