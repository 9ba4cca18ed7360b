package disclosure_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/disclosure"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/request"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func admin() identity.Caller {
	return identity.Caller{Account: id.New[identity.Account](pgtest.Noon), Roles: []identity.Grant{{Role: identity.FundAdmin}}}
}

func text() disclosure.Text {
	return disclosure.Text{TitleZH: "年度报告（虚构示例）", TitleEN: "Report (invented)", BodyZH: "一年。\n\n全部用于教育。", BodyEN: "A year."}
}

// fundOf is a shop whose fund took a tenth in 2024 and paid a programme on 10 January 2025.
func fundOf(t *testing.T) (*postgres.DB, func(clock string) *disclosure.Service) {
	t.Helper()
	db := pgtest.New(t)
	programme := id.New[disclosure.Duty](pgtest.Noon).UUID()
	at := func(clock string) *postgres.DB {
		t.Helper()
		when, err := time.Parse(time.RFC3339, clock)
		must(t, err)
		return db.At(when)
	}
	book := func(clock string, all ...ledger.Transfer) {
		t.Helper()
		must(t, postgres.Do(t.Context(), at(clock), func(tx *postgres.Tx) error { return ledger.Book(t.Context(), tx, all) }))
	}
	home := id.New[fund.Statement](pgtest.Noon).UUID()
	owed := ledger.Payable(home)
	book("2024-03-01T10:00:00+08:00",
		ledger.Transfer{Home: home, Kind: fund.Sale, Ref: "a", Public: true, Moves: []ledger.Move{
			{What: fund.Goods, From: "world:stripe", To: owed, Amount: 1_000_000}, fund.Tenth(owed, 100_000),
		}}, fund.Mature(home, "a", 100_000))
	book("2025-01-10T10:00:00+08:00", fund.Grant(programme, 5000), fund.PayGrant(programme, programme, programme, 4000))
	return db, func(clock string) *disclosure.Service { return disclosure.New(at(clock)) }
}

func duties(t *testing.T, s *disclosure.Service, state disclosure.State) []disclosure.Duty {
	t.Helper()
	var all []disclosure.Duty
	for r := (page.Request{Limit: 1}); ; {
		p, err := s.Duties(t.Context(), state, r)
		must(t, err)
		all = append(all, p.Data...)
		if r.Cursor = p.Next; r.Cursor == "" {
			return all
		}
	}
}

func TestTheCalendarFillsItselfOnce(t *testing.T) {
	t.Parallel()
	_, at := fundOf(t)
	s := at("2025-05-20T10:00:00+08:00")
	n, err := s.Plan(t.Context())
	must(t, err)
	again, err := s.Plan(t.Context())
	must(t, err)
	if n != 3 || again != 0 {
		t.Errorf("%d duties were entered, then %d; want the year 2024 and two quarters", n, again)
	}
	var got []string
	for _, d := range duties(t, s, "") {
		got = append(got, string(d.Kind)+" "+string(d.State(time.Date(2025, 5, 20, 2, 0, 0, 0, time.UTC))))
	}
	if want := "progress overdue, annual due, progress upcoming"; strings.Join(got, ", ") != want {
		t.Errorf("duties %v, want %s", got, want)
	}
	for state, want := range map[disclosure.State]int{disclosure.Overdue: 1, disclosure.Due: 1, disclosure.Upcoming: 1, disclosure.Fulfilled: 0} {
		if n := len(duties(t, s, state)); n != want {
			t.Errorf("%d duties are %s, want %d", n, state, want)
		}
	}
}

func TestAReportFreezesWhatTheBookSaysThen(t *testing.T) {
	t.Parallel()
	db, at := fundOf(t)
	s := at("2025-05-20T10:00:00+08:00")
	_, err := s.Plan(t.Context())
	must(t, err)
	progress, annual := duties(t, s, disclosure.Overdue)[0], duties(t, s, disclosure.Due)[0]
	d, err := s.Report(t.Context(), admin(), annual.ID, text(), request.Claim{}, nil)
	must(t, err)
	if _, err := s.Report(t.Context(), admin(), annual.ID, text(), request.Claim{}, nil); !errors.Is(err, disclosure.ErrFulfilled) {
		t.Errorf("reported twice: %v", err)
	}
	got, err := s.Snapshot(t.Context(), d.Document)
	must(t, err)
	if got.Year == nil || got.Year.Year != 2024 || got.Year.Levy != 100_000 || got.Year.Fund.Paid != 0 || got.Fund.SpentLi != 40_000 || got.Fund.FreeLi != 50_000 || got.BodyZH != text().BodyZH {
		t.Errorf("snapshot %+v, year %+v", got, got.Year)
	}
	p, err := s.Report(t.Context(), admin(), progress.ID, text(), request.Claim{}, nil)
	must(t, err)
	if !p.Late() || d.Late() {
		t.Errorf("late: progress %v, annual %v", p.Late(), d.Late())
	}
	got, err = s.Snapshot(t.Context(), p.Document)
	must(t, err)
	if got.Programme == nil || got.Programme.PaidLi != 40_000 {
		t.Errorf("of the programme: %+v", got.Programme)
	}
	if faults, err := publication.Check(t.Context(), db); err != nil || len(faults) != 0 {
		t.Errorf("documents: %v, %v", faults, err)
	}
	if left := duties(t, s, disclosure.Overdue); len(left) != 0 {
		t.Errorf("still overdue: %+v", left)
	}
}

// A report of three months that have hardly begun would be the duty fulfilled with nothing to tell.
func TestProgressIsNotReportedBeforeItIsDue(t *testing.T) {
	t.Parallel()
	_, at := fundOf(t)
	s := at("2025-05-20T10:00:00+08:00")
	_, err := s.Plan(t.Context())
	must(t, err)
	next := duties(t, s, disclosure.Upcoming)[0]
	near := next.DueOn.Add(24*time.Hour - disclosure.Near)
	if _, err := at(near.Add(-time.Second).Format(time.RFC3339)).Report(t.Context(), admin(), next.ID, text(), request.Claim{}, nil); !errors.Is(err, disclosure.ErrEarly) {
		t.Errorf("reported too early: %v", err)
	}
	_, err = at(near.Format(time.RFC3339)).Report(t.Context(), admin(), next.ID, text(), request.Claim{}, nil)
	must(t, err)
}

func TestNobodyReportsWhoMustNotNorWhatIsNotWhole(t *testing.T) {
	t.Parallel()
	_, at := fundOf(t)
	s := at("2025-05-20T10:00:00+08:00")
	_, err := s.Plan(t.Context())
	must(t, err)
	due := duties(t, s, disclosure.Due)[0]
	for _, role := range []identity.Role{identity.Auditor, identity.Operator, identity.County} {
		who := identity.Caller{Account: id.New[identity.Account](pgtest.Noon), Roles: []identity.Grant{{Role: role}}}
		if _, err := s.Report(t.Context(), who, due.ID, text(), request.Claim{}, nil); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("%s: %v", role, err)
		}
		if _, err := s.Open(t.Context(), who, disclosure.Event{Subject: "x", Title: "x"}); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("%s opens: %v", role, err)
		}
	}
	bad := text()
	bad.BodyEN = " "
	if _, err := s.Report(t.Context(), admin(), due.ID, bad, request.Claim{}, nil); !errors.Is(err, disclosure.ErrText) {
		t.Errorf("without a text: %v", err)
	}
	if _, err := s.Report(t.Context(), admin(), id.New[disclosure.Duty](pgtest.Noon), text(), request.Claim{}, nil); !errors.Is(err, disclosure.ErrUnknown) {
		t.Errorf("nobody's duty: %v", err)
	}
	if _, err := s.Snapshot(t.Context(), id.New[publication.Document](pgtest.Noon)); !errors.Is(err, disclosure.ErrUnknown) {
		t.Errorf("nobody's report: %v", err)
	}
	if n, err := disclosure.New(pgtest.New(t)).Plan(t.Context()); n != 0 || err != nil {
		t.Errorf("a fund without a sale has %d duties, %v", n, err)
	}
}

func TestAReportIsPublishedOnceThoughTwoSendIt(t *testing.T) {
	t.Parallel()
	_, at := fundOf(t)
	s := at("2025-05-20T10:00:00+08:00")
	_, err := s.Plan(t.Context())
	must(t, err)
	due := duties(t, s, disclosure.Due)[0]
	done := pgtest.AtOnce(t, 4, func(int) error {
		_, err := s.Report(t.Context(), admin(), due.ID, text(), request.Claim{}, nil)
		return err
	}, disclosure.ErrFulfilled)
	if done != 1 {
		t.Errorf("it was published %d times", done)
	}
}

func TestAMajorEventIsDueThirtyDaysAfterIt(t *testing.T) {
	t.Parallel()
	_, at := fundOf(t)
	s := at("2025-05-20T10:00:00+08:00")
	e := disclosure.Event{Subject: "grant:1", Title: "单笔拨付 100 万元（虚构示例）", HappenedOn: time.Date(2025, 5, 1, 4, 0, 0, 0, time.UTC)}
	d, err := s.Open(t.Context(), admin(), e)
	must(t, err)
	if due := d.DueOn.Add(8 * time.Hour).Format(time.DateOnly); due != "2025-05-31" || d.State(time.Date(2025, 5, 20, 2, 0, 0, 0, time.UTC)) != disclosure.Due {
		t.Errorf("due on %s", due)
	}
	for name, bad := range map[string]disclosure.Event{
		"the same again": e, "tomorrow": {Subject: "y", Title: "y", HappenedOn: time.Date(2025, 5, 21, 4, 0, 0, 0, time.UTC)},
		"before all years": {Subject: "w", Title: "w", HappenedOn: time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)},
		"no title":         {Subject: "z", HappenedOn: e.HappenedOn}, "a long subject": {Subject: strings.Repeat("s", 101), Title: "t", HappenedOn: e.HappenedOn},
	} {
		if _, err := s.Open(t.Context(), admin(), bad); !errors.Is(err, disclosure.ErrText) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What an event is about may be said in words, whatever they begin with: the report on it is published.
func TestAnEventIsReportedWhateverItIsAbout(t *testing.T) {
	t.Parallel()
	_, at := fundOf(t)
	s := at("2025-05-20T10:00:00+08:00")
	for _, subject := range []string{"programme:新校舍（虚构示例）", "year:2024", "programme:" + id.New[disclosure.Duty](pgtest.Noon).String()} {
		d, err := s.Open(t.Context(), admin(), disclosure.Event{Subject: subject, Title: "停工（虚构示例）", HappenedOn: time.Date(2025, 5, 1, 4, 0, 0, 0, time.UTC)})
		must(t, err)
		words := text()
		words.TitleZH = "停工\n（虚构示例）"
		if d, err = s.Report(t.Context(), admin(), d.ID, words, request.Claim{}, nil); err != nil {
			t.Errorf("%s: %v", subject, err)
			continue
		}
		got, err := s.Snapshot(t.Context(), d.Document)
		must(t, err)
		if (got.Programme != nil) != (subject != "year:2024" && !strings.Contains(subject, "新")) || got.Year != nil {
			t.Errorf("%s: %+v", subject, got)
		}
	}
}

func TestADutyIsNotToldFromBeforeAllYearsNorAFailureFromAReportThatIsNot(t *testing.T) {
	t.Parallel()
	_, at := fundOf(t)
	s := at("2025-05-20T10:00:00+08:00")
	if _, err := s.Duties(t.Context(), "", page.Request{Cursor: page.Encode("0000-01-01", id.New[disclosure.Duty](pgtest.Noon).UUID())}); !errors.Is(err, page.ErrCursor) {
		t.Errorf("a cursor of the year 0: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Snapshot(gone, id.New[publication.Document](pgtest.Noon)); !errors.Is(err, context.Canceled) {
		t.Errorf("a report that could not be read: %v", err)
	}
}
