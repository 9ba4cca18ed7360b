package merchant_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/trail"
)

type register struct {
	db    *postgres.DB
	svc   *merchant.Service
	clock *pgtest.Clock
}

func newRegister(t *testing.T) register {
	t.Helper()
	clock := pgtest.NewClock(pgtest.Noon)
	db := pgtest.NewAt(t, clock.Now)
	return register{db, merchant.New(db), clock}
}

func enrolment(code string) merchant.Enrolment {
	return merchant.Enrolment{
		Code: code, LegalName: "草甸牧歌肉业有限公司（虚构示例）", ShortName: "草甸牧歌", EntityType: "有限责任公司", Fictional: true,
		Region: "152527", Township: "宝昌镇", USCC: shoptest.USCC(int(code[2])), Brands: []string{"草甸牧歌"},
		RecommendationNo: "TPSQ-REC-2019-003", RecommendedOn: "2019-09-13",
		AgreementNo: "EDU-DON-2019-003", AgreementSignedOn: "2019-12-15",
		Licences: []merchant.Licence{{Kind: "SC", No: "SC10415252799031", ExpiresOn: "2027-04-15"}},
		Linkage: merchant.Linkage{
			Modes: []string{"订单收购", "务工就业"}, Households: 170, PoorHouseholds: 113, Employed: 8, LandMu: 3,
			PurchaseAgreements: 118, Dividends: 4_800_000, Evidence: []string{"带贫协议"},
		},
	}
}

func (r register) enrol(t testing.TB, code string) merchant.Merchant {
	t.Helper()
	m, err := r.take(t, enrolment(code))
	if err != nil {
		t.Fatalf("enrol %s: %v", code, err)
	}
	return m
}

// take enrols in a transaction of its own.
func (r register) take(t testing.TB, e merchant.Enrolment) (merchant.Merchant, error) {
	t.Helper()
	return postgres.InTx(t.Context(), r.db, func(tx *postgres.Tx) (merchant.Merchant, error) { return merchant.Enrol(t.Context(), tx, e) })
}

func caller(roles ...identity.Role) identity.Caller {
	c := identity.Caller{Account: id.New[identity.Account](pgtest.Noon)}
	for _, r := range roles {
		c.Roles = append(c.Roles, identity.Grant{Role: r})
	}
	return c
}

func TestAnEnterpriseIsReadAsItWasEnrolled(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	e := enrolment("E03")
	m := r.enrol(t, "E03")
	want := merchant.Merchant{
		ID: m.ID, Code: e.Code, LegalName: e.LegalName, ShortName: e.ShortName, EntityType: e.EntityType, Fictional: true,
		Region: e.Region, Township: e.Township, USCC: e.USCC, Brands: e.Brands, State: merchant.Active,
		RecommendationNo: e.RecommendationNo, RecommendedOn: e.RecommendedOn, AgreementNo: e.AgreementNo, AgreementSignedOn: e.AgreementSignedOn,
		Licences: e.Licences, LicensedUntil: "2027-04-15", Linkage: e.Linkage,
		EnrolledAt: pgtest.Noon, VerifiedAt: pgtest.Noon, ReverificationDue: "2027-05-23",
	}
	before := r.db.Statements()
	got, err := r.svc.Merchant(t.Context(), m.ID)
	if n := r.db.Statements() - before; n != 1 {
		t.Errorf("reading took %d statements, want 1", n)
	}
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	for what, have := range map[string]merchant.Merchant{"enrolled": m, "read": got} {
		if diff := cmp.Diff(want, have, cmp.AllowUnexported(m.ID)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	if _, err := r.svc.Merchant(t.Context(), id.New[merchant.Merchant](pgtest.Noon)); !errors.Is(err, merchant.ErrUnknown) {
		t.Errorf("an unknown one: %v, want %v", err, merchant.ErrUnknown)
	}
}

func TestEnrolmentsThatAreNotInOrderAreRefused(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	r.enrol(t, "E01")
	for pointer, change := range map[string]func(*merchant.Enrolment){
		"/code":         func(e *merchant.Enrolment) { e.Code = "" },
		"/legal_name":   func(e *merchant.Enrolment) { e.LegalName = "" },
		"/uscc":         func(e *merchant.Enrolment) { e.USCC = "1" },
		"/region":       func(e *merchant.Enrolment) { e.Region = "15252x" },
		"/agreement_no": func(e *merchant.Enrolment) { e.AgreementSignedOn = "" },
		"/licences":     func(e *merchant.Enrolment) { e.Licences = nil },
		"/licences/0":   func(e *merchant.Enrolment) { e.Licences[0].ExpiresOn = "2027-02-30" },
		"/linkage":      func(e *merchant.Enrolment) { e.Linkage.Dividends = -1 },
	} {
		e := enrolment("E02")
		change(&e)
		_, err := r.take(t, e)
		if !errors.Is(err, merchant.ErrInvalid) || fault.Of(err).Fields[0].Pointer != pointer {
			t.Errorf("%s: %v, want %v there", pointer, err, merchant.ErrInvalid)
		}
	}
	if _, err := r.take(t, enrolment("E01")); !errors.Is(err, merchant.ErrEnrolled) {
		t.Errorf("twice: %v, want %v", err, merchant.ErrEnrolled)
	}
}

func TestMaySell(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time {
		t.Helper()
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	fine := merchant.Standing{State: merchant.Active, AgreementSignedOn: "2019-12-20", LicensedUntil: "2020-10-31"}
	with := func(change func(*merchant.Standing)) merchant.Standing {
		s := fine
		change(&s)
		return s
	}
	tests := []struct {
		name string
		s    merchant.Standing
		at   time.Time
		want error
	}{
		{"all is well", fine, at("2020-06-10T12:00:00+08:00"), nil},
		{"the last moment of the licence's last day", fine, at("2020-10-31T23:59:59.999999+08:00"), nil},
		{"the same moment, told in UTC", fine, at("2020-10-31T15:59:59Z"), nil},
		{"one microsecond later", fine, at("2020-11-01T00:00:00+08:00"), merchant.ErrLicenceExpired},
		{"the same day in UTC is a day too late here", fine, at("2020-10-31T16:00:00Z"), merchant.ErrLicenceExpired},
		{"on the day of the agreement", fine, at("2019-12-20T00:00:00+08:00"), nil},
		{"the day before", fine, at("2019-12-19T23:59:59+08:00"), merchant.ErrNoAgreement},
		{"no agreement", with(func(s *merchant.Standing) { s.AgreementSignedOn = "" }), at("2020-06-10T12:00:00Z"), merchant.ErrNoAgreement},
		{"no licence", with(func(s *merchant.Standing) { s.LicensedUntil = "" }), at("2020-06-10T12:00:00Z"), merchant.ErrLicenceExpired},
		{"suspended", with(func(s *merchant.Standing) { s.State = merchant.Suspended }), at("2020-06-10T12:00:00Z"), merchant.ErrSuspended},
		{"left", with(func(s *merchant.Standing) { s.State = merchant.Left }), at("2020-06-10T12:00:00Z"), merchant.ErrSuspended},
		{"the zero standing", merchant.Standing{}, at("2020-06-10T12:00:00Z"), merchant.ErrSuspended},
	}
	for _, tt := range tests {
		if err := merchant.MaySell(tt.s, tt.at); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// renew enters a licence, as who has accepted it does.
func (r register) renew(t testing.TB, m merchant.ID, l merchant.Licence) (merchant.Merchant, error) {
	t.Helper()
	return postgres.InTx(t.Context(), r.db, func(tx *postgres.Tx) (merchant.Merchant, error) { return merchant.Renew(t.Context(), tx, m, l) })
}

func TestOfEachKindTheNewestLicenceCounts(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	m := r.enrol(t, "E08")
	scan := id.New[file.File](pgtest.Noon)
	for _, step := range []struct {
		l    merchant.Licence
		want merchant.Date
	}{
		{merchant.Licence{Kind: "SC", No: "SC10415252799031", ExpiresOn: "2030-10-30", IssuedOn: "2026-10-31", ProductKinds: []string{"PACKAGED_FOOD"}, Files: []file.ID{scan}}, "2030-10-30"},
		{merchant.Licence{Kind: "SC", No: "SC10115252799011", ExpiresOn: "2020-01-01"}, "2030-10-30"},
		{merchant.Licence{Kind: "TRAVEL", No: "L-NMG-001", ExpiresOn: "2028-01-01"}, "2028-01-01"},
		{merchant.Licence{Kind: "TRAVEL", No: "L-NMG-001", ExpiresOn: "2033-01-01"}, "2030-10-30"},
	} {
		got, err := r.renew(t, m.ID, step.l)
		if err != nil || got.LicensedUntil != step.want {
			t.Fatalf("after %v: licensed until %s, %v, want %s", step.l, got.LicensedUntil, err, step.want)
		}
		read, err := r.svc.Merchant(t.Context(), m.ID)
		if diff := cmp.Diff(got, read, cmp.AllowUnexported(m.ID, scan)); err != nil || diff != "" {
			t.Fatalf("read after %v: %v (-answered +read):\n%s", step.l, err, diff)
		}
		if _, err := r.renew(t, m.ID, step.l); !errors.Is(err, merchant.ErrAccepted) {
			t.Errorf("%v again: %v, want %v", step.l, err, merchant.ErrAccepted)
		}
	}
	if got, err := r.svc.Merchant(t.Context(), m.ID); err != nil || len(got.Licences) != 5 {
		t.Errorf("licences = %v, %v, want all five", got.Licences, err)
	}
}

func TestWhatIsNoLicenceIsRefusedPlaceByPlace(t *testing.T) {
	t.Parallel()
	fine := merchant.Licence{Kind: "SC", No: "SC10415252799031", IssuedOn: "2026-01-01", ExpiresOn: "2030-10-30", ProductKinds: []string{"PACKAGED_FOOD"}}
	if err := fine.Check(); err != nil {
		t.Errorf("%+v: %v", fine, err)
	}
	for _, tt := range []struct {
		pointer string
		change  func(*merchant.Licence)
	}{
		{"/kind", func(l *merchant.Licence) { l.Kind = "" }},
		{"/kind", func(l *merchant.Licence) { l.Kind = strings.Repeat("许", 33) }},
		{"/no", func(l *merchant.Licence) { l.No = " \n " }},
		{"/no", func(l *merchant.Licence) { l.No = "SC\x00" }},
		{"/no", func(l *merchant.Licence) { l.No = "\xff\xfe" }},
		{"/expires_on", func(l *merchant.Licence) { l.ExpiresOn = "" }},
		{"/expires_on", func(l *merchant.Licence) { l.ExpiresOn = "2027-02-30" }},
		{"/issued_on", func(l *merchant.Licence) { l.IssuedOn = "2030-10-31" }},
		{"/issued_on", func(l *merchant.Licence) { l.IssuedOn = "yesterday" }},
		{"/product_kinds", func(l *merchant.Licence) { l.ProductKinds = []string{"预包装食品"} }},
		{"/product_kinds", func(l *merchant.Licence) { l.ProductKinds = slices.Repeat([]string{"LIQUOR"}, 21) }},
		{"/files", func(l *merchant.Licence) { l.Files = make([]file.ID, 11) }},
	} {
		l := fine
		tt.change(&l)
		err := l.Check()
		if !errors.Is(err, merchant.ErrInvalid) || len(fault.Of(err).Fields) != 1 || fault.Of(err).Fields[0].Pointer != tt.pointer {
			t.Errorf("%+v: %v, want %v at %s alone", l, err, merchant.ErrInvalid, tt.pointer)
		}
	}
}

func TestLicencesEnteredAtOnceAllCount(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	m := r.enrol(t, "E08")
	const kinds = 8
	pgtest.AtOnce(t, kinds, func(i int) error {
		kind := string(rune('A' + i))
		_, err := r.renew(t, m.ID, merchant.Licence{Kind: kind, No: kind, ExpiresOn: merchant.Date("2025-01-0" + string(rune('1'+i)))})
		return err
	})
	if got, err := r.svc.Merchant(t.Context(), m.ID); err != nil || got.LicensedUntil != "2025-01-01" || len(got.Licences) != kinds+1 {
		t.Errorf("licensed until %s with %d licences, %v; want the earliest of all", got.LicensedUntil, len(got.Licences), err)
	}
	same := merchant.Licence{Kind: "SC", No: "SC10115252799020", ExpiresOn: "2031-01-01"}
	if n := pgtest.AtOnce(t, kinds, func(int) error { _, err := r.renew(t, m.ID, same); return err }, merchant.ErrAccepted); n != 1 {
		t.Errorf("one paper was entered %d times", n)
	}
}

func TestAKindThatIsNoLongerNeededDoesNotStopSale(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	m, ops := r.enrol(t, "E08"), caller(identity.Operator)
	ccc := merchant.Licence{Kind: "CCC", No: "2019010000099001", ExpiresOn: "2026-11-22"}
	if got, err := r.renew(t, m.ID, ccc); err != nil || !errors.Is(merchant.MaySell(got.Standing(), pgtest.Noon), merchant.ErrLicenceExpired) {
		t.Fatalf("an expired kind does not stop sale: %+v, %v", got, err)
	}
	for name, c := range map[string]identity.Caller{"a stranger": {}, "its seller": caller(identity.Merchant), "an auditor": caller(identity.Auditor)} {
		if _, err := r.svc.WithdrawLicences(t.Context(), c, m.ID, "CCC", "停产灯具"); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("%s withdraws: %v, want %v", name, err, identity.ErrForbidden)
		}
	}
	if _, err := r.svc.WithdrawLicences(t.Context(), ops, m.ID, "CCC", ""); !errors.Is(err, identity.ErrReason) {
		t.Errorf("without a reason: %v, want %v", err, identity.ErrReason)
	}
	if _, err := r.svc.WithdrawLicences(t.Context(), ops, m.ID, "TRAVEL", "停办旅游"); !errors.Is(err, merchant.ErrNoLicence) {
		t.Errorf("a kind that it does not hold: %v, want %v", err, merchant.ErrNoLicence)
	}
	got, err := r.svc.WithdrawLicences(t.Context(), ops, m.ID, "CCC", "停产灯具")
	if err != nil || len(got.Licences) != 1 || got.LicensedUntil != "2027-04-15" || merchant.MaySell(got.Standing(), pgtest.Noon) != nil {
		t.Fatalf("withdrawn: %+v, %v", got, err)
	}
	if read, err := r.svc.Merchant(t.Context(), m.ID); err != nil || cmp.Diff(got, read, cmp.AllowUnexported(m.ID)) != "" {
		t.Errorf("read: %+v, %v", read, err)
	}
	if _, err := r.svc.WithdrawLicences(t.Context(), ops, m.ID, "SC", "停产食品"); !errors.Is(err, merchant.ErrLastLicence) {
		t.Errorf("the last kind: %v, want %v", err, merchant.ErrLastLicence)
	}
	r.clock.Advance(time.Hour)
	if got, err := r.renew(t, m.ID, ccc); err != nil || len(got.Licences) != 2 {
		t.Errorf("the same paper once more: %+v, %v", got, err)
	}
}

func TestAVerificationIsGoodForSixMonthsAndNotADayLonger(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	m := r.enrol(t, "E01")
	for at, want := range map[string]merchant.Date{
		"2027-03-03T12:00:00+08:00": "2027-09-03",
		"2027-08-31T12:00:00+08:00": "2028-02-29", // six months later there is no 31st
		"2028-08-31T12:00:00+08:00": "2029-02-28",
		"2028-12-31T23:30:00+08:00": "2029-06-30",
		"2028-10-31T16:30:00Z":      "2029-05-01", // the day is the county's
	} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		got, err := postgres.InTx(t.Context(), r.db.At(now), func(tx *postgres.Tx) (merchant.Merchant, error) { return merchant.Verified(t.Context(), tx, m.ID) })
		if err != nil || !got.VerifiedAt.Equal(now) || got.ReverificationDue != want {
			t.Errorf("verified at %s: due %s, %v, want %s", at, got.ReverificationDue, err, want)
		}
	}
}

func TestWhatWasDoneAboutAnEnterpriseStaysOnRecord(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	m, ops := r.enrol(t, "E01"), caller(identity.Operator)
	for i, g := range []merchant.Sanctioning{
		{Kind: merchant.Warning, Reason: "延迟发货三次", NoticeZH: "因延迟发货予以警告。", NoticeEN: "Warned for late dispatch."},
		{Kind: merchant.Suspension, Reason: "许可证待核"},
		{Kind: merchant.Reinstatement, Reason: "已核"},
		{Kind: merchant.Exclusion, Reason: "假冒产地"},
	} {
		r.clock.Advance(time.Minute)
		got, err := r.svc.Sanction(t.Context(), ops, m.ID, g)
		if err != nil || len(got.Sanctions) != i+1 || got.Sanctions[i].Kind != g.Kind || got.Sanctions[i].NoticeZH == "" || got.Sanctions[i].NoticeEN == "" {
			t.Fatalf("%s: %+v, %v", g.Kind, got.Sanctions, err)
		}
		if got.Sanctions[i].Reason != "" || !got.Sanctions[i].By.IsZero() || !got.Sanctions[i].Since.Equal(r.clock.Now()) {
			t.Errorf("%s: the public reads %+v", g.Kind, got.Sanctions[i])
		}
		read, err := r.svc.Merchant(t.Context(), m.ID)
		if diff := cmp.Diff(got, read, cmp.AllowUnexported(m.ID, got.Sanctions[i].ID, ops.Account)); err != nil || diff != "" {
			t.Fatalf("read after %s: %v (-answered +read):\n%s", g.Kind, err, diff)
		}
	}
	if m, err := r.svc.Merchant(t.Context(), m.ID); err != nil || m.State != merchant.Left {
		t.Errorf("excluded: %s, %v, want %s", m.State, err, merchant.Left)
	}
	for _, kind := range []merchant.SanctionKind{merchant.Warning, merchant.Suspension, merchant.Reinstatement, merchant.Exclusion} {
		if _, err := r.svc.Sanction(t.Context(), ops, m.ID, merchant.Sanctioning{Kind: kind, Reason: "再一次"}); !errors.Is(err, merchant.ErrState) {
			t.Errorf("%s of one that has left: %v, want %v", kind, err, merchant.ErrState)
		}
	}
	all, err := r.svc.Sanctions(t.Context(), m.ID, page.Request{Limit: 3})
	if err != nil || len(all.Data) != 3 || all.Data[0].Reason != "假冒产地" || all.Data[0].By != ops.Account {
		t.Errorf("for operators: %+v, %v", all, err)
	}
	if all, err = r.svc.Sanctions(t.Context(), m.ID, page.Request{Limit: 3, Cursor: all.Next}); err != nil || len(all.Data) != 1 || all.Next != "" {
		t.Errorf("the second page: %+v, %v", all, err)
	}
	if _, err := r.svc.Sanctions(t.Context(), id.New[merchant.Merchant](pgtest.Noon), page.Request{}); !errors.Is(err, merchant.ErrUnknown) {
		t.Errorf("of an unknown one: %v, want %v", err, merchant.ErrUnknown)
	}
	for _, change := range []string{`UPDATE sanction SET notice_zh = '无事'`, `DELETE FROM sanction`, `TRUNCATE sanction`, `DELETE FROM licence`} {
		if _, err := r.db.SQL().ExecContext(t.Context(), change); err == nil {
			t.Errorf("%s was let through", change)
		}
	}
}

func TestSanctionsThatAreNotInOrderAreRefused(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	m, ops := r.enrol(t, "E01"), caller(identity.Operator)
	for name, g := range map[string]merchant.Sanctioning{
		"no such kind":              {Kind: "fine", Reason: "罚款"},
		"a notice in one language":  {Kind: merchant.Warning, Reason: "警告", NoticeZH: "警告。"},
		"a notice that is too long": {Kind: merchant.Warning, Reason: "警告", NoticeZH: strings.Repeat("长", 501), NoticeEN: "Long."},
		"a notice that is no text":  {Kind: merchant.Warning, Reason: "警告", NoticeZH: "警\x00告", NoticeEN: "Warned."},
	} {
		if _, err := r.svc.Sanction(t.Context(), ops, m.ID, g); !errors.Is(err, merchant.ErrInvalid) {
			t.Errorf("%s: %v, want %v", name, err, merchant.ErrInvalid)
		}
	}
	if got, err := r.svc.Merchant(t.Context(), m.ID); err != nil || len(got.Sanctions) != 0 {
		t.Errorf("left on record: %+v, %v", got.Sanctions, err)
	}
}

func TestAnEnterpriseThatLeftStaysAway(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	m, ops := r.enrol(t, "E01"), caller(identity.Operator)
	if _, err := r.svc.Leave(t.Context(), caller(identity.Merchant), m.ID, "不做了"); !errors.Is(err, identity.ErrForbidden) {
		t.Errorf("a seller: %v, want %v", err, identity.ErrForbidden)
	}
	if _, err := r.svc.Leave(t.Context(), ops, m.ID, "x"); !errors.Is(err, identity.ErrReason) {
		t.Errorf("no reason: %v, want %v", err, identity.ErrReason)
	}
	got, err := r.svc.Leave(t.Context(), ops, m.ID, "企业申请退出")
	if err != nil || got.State != merchant.Left || !errors.Is(merchant.MaySell(got.Standing(), pgtest.Noon), merchant.ErrSuspended) {
		t.Fatalf("left: %+v, %v", got, err)
	}
	if _, err := r.svc.Leave(t.Context(), ops, m.ID, "再次退出"); !errors.Is(err, merchant.ErrState) {
		t.Errorf("twice: %v, want %v", err, merchant.ErrState)
	}
	if _, err := r.renew(t, m.ID, merchant.Licence{Kind: "SC", No: "SC10115252799020", ExpiresOn: "2031-01-01"}); !errors.Is(err, merchant.ErrState) {
		t.Errorf("a licence of one that has left: %v, want %v", err, merchant.ErrState)
	}
	// Whatever the program believes, the database lets nobody back in.
	for _, state := range []string{"active", "suspended"} {
		if _, err := r.db.SQL().ExecContext(t.Context(), `UPDATE merchant SET state = $1 WHERE id = $2`, state, m.ID.UUID()); !postgres.Violates(err, "merchant_state_moves") {
			t.Errorf("from left to %s: %v, want the trigger's refusal", state, err)
		}
	}
}

func TestTheShownStateTellsOfAnExpiredLicence(t *testing.T) {
	t.Parallel()
	last := time.Date(2027, 4, 15, 15, 59, 59, 0, time.UTC) // a second before midnight in the county
	for _, tt := range []struct {
		state merchant.State
		at    time.Time
		want  merchant.State
	}{
		{merchant.Active, last, merchant.Active},
		{merchant.Active, last.Add(time.Second), merchant.Expired},
		{merchant.Suspended, last.Add(time.Second), merchant.Suspended},
		{merchant.Left, last.Add(time.Second), merchant.Left},
	} {
		m := merchant.Merchant{State: tt.state, LicensedUntil: "2027-04-15"}
		if got := m.ShownState(tt.at); got != tt.want {
			t.Errorf("%s at %s is shown as %s, want %s", tt.state, tt.at, got, tt.want)
		}
	}
}

func TestOperatorsSuspendAndReinstate(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	m := r.enrol(t, "E01")
	ops := caller(identity.Operator)
	for name, c := range map[string]identity.Caller{
		"a stranger": {}, "a buyer": caller(), "an auditor": caller(identity.Auditor, identity.FundAdmin),
		"its own seller": {Account: ops.Account, Roles: []identity.Grant{{Role: identity.Merchant, Merchant: m.ID.UUID()}}},
	} {
		if _, err := r.svc.Suspend(t.Context(), c, m.ID, "试一试"); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("%s suspends: %v, want %v", name, err, identity.ErrForbidden)
		}
		if _, err := r.svc.Reinstate(t.Context(), c, m.ID, "试一试"); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("%s reinstates: %v, want %v", name, err, identity.ErrForbidden)
		}
	}
	both := ops
	both.Roles = append(ops.Roles[:1:1], identity.Grant{Role: identity.Merchant, Merchant: m.ID.UUID()})
	if _, err := r.svc.Reinstate(t.Context(), both, m.ID, "本企业"); !errors.Is(err, merchant.ErrOwn) {
		t.Errorf("an operator who sells for it: %v, want %v", err, merchant.ErrOwn)
	}
	if _, err := r.svc.Suspend(t.Context(), ops, m.ID, ""); !errors.Is(err, identity.ErrReason) {
		t.Errorf("without a reason: %v, want %v", err, identity.ErrReason)
	}
	if _, err := r.svc.Suspend(t.Context(), ops, id.New[merchant.Merchant](pgtest.Noon), "不存在"); !errors.Is(err, merchant.ErrUnknown) {
		t.Errorf("an unknown one: %v, want %v", err, merchant.ErrUnknown)
	}
	if _, err := r.svc.Reinstate(t.Context(), ops, m.ID, "从未停用"); !errors.Is(err, merchant.ErrState) {
		t.Errorf("reinstate an active one: %v, want %v", err, merchant.ErrState)
	}
	got, err := r.svc.Suspend(t.Context(), ops, m.ID, "许可证待复核")
	if err != nil || !errors.Is(merchant.MaySell(got.Standing(), pgtest.Noon), merchant.ErrSuspended) {
		t.Fatalf("suspend = %v, %v", got.State, err)
	}
	if got, err = r.svc.Reinstate(t.Context(), ops, m.ID, "复核通过"); err != nil || merchant.MaySell(got.Standing(), pgtest.Noon) != nil {
		t.Fatalf("reinstate = %v, %v", got.State, err)
	}
	entries, err := trail.New(r.db).Entries(t.Context(), page.Request{}, trail.Filter{Actor: ops.Account.UUID()})
	if err != nil {
		t.Fatalf("trail: %v", err)
	}
	var did []string
	for _, e := range entries.Data {
		did = append(did, e.Operation+" "+e.Object+" "+e.Detail["reason"].(string))
	}
	slices.Sort(did)
	want := []string{"merchant.reinstate merchant:" + m.ID.String() + " 复核通过", "merchant.suspend merchant:" + m.ID.String() + " 许可证待复核"}
	if diff := cmp.Diff(want, did); diff != "" {
		t.Errorf("trail (-want +got):\n%s", diff)
	}
}

func TestEnterprisesAreListedByCode(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	codes := []string{"E03", "E01", "E05", "E02", "E04"}
	for _, c := range codes {
		r.enrol(t, c)
	}
	var seen []string
	for p := (page.Request{Limit: 2}); ; {
		got, err := r.svc.Merchants(t.Context(), p)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		for _, m := range got.Data {
			seen = append(seen, m.Code)
			if m.Linkage.Dividends != money.Fen(4_800_000) || len(m.Licences) != 1 {
				t.Errorf("%s came without its figures or licences: %+v", m.Code, m)
			}
		}
		if p.Cursor = got.Next; p.Cursor == "" {
			break
		}
	}
	if want := slices.Sorted(slices.Values(codes)); !slices.Equal(seen, want) {
		t.Errorf("walked over %v, want %v", seen, want)
	}
	if _, err := r.svc.Merchants(t.Context(), page.Request{Cursor: "x"}); !errors.Is(err, page.ErrCursor) {
		t.Errorf("a foreign cursor: %v, want %v", err, page.ErrCursor)
	}
}
