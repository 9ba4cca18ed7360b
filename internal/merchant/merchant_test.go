package merchant_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/fault"
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
		EnrolledAt: pgtest.Noon, ReviewedAt: pgtest.Noon, NextReviewDue: "2027-05-23",
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

func TestOfEachKindTheNewestLicenceCounts(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	m := r.enrol(t, "E08")
	for _, step := range []struct {
		l    merchant.Licence
		want merchant.Date
	}{
		{merchant.Licence{Kind: "SC", No: "SC10415252799031", ExpiresOn: "2030-10-30"}, "2030-10-30"},
		{merchant.Licence{Kind: "SC", No: "SC10115252799011", ExpiresOn: "2020-01-01"}, "2030-10-30"},
		{merchant.Licence{Kind: "TRAVEL", No: "L-NMG-001", ExpiresOn: "2028-01-01"}, "2028-01-01"},
		{merchant.Licence{Kind: "TRAVEL", No: "L-NMG-001", ExpiresOn: "2028-01-01"}, "2028-01-01"}, // again: nothing new
		{merchant.Licence{Kind: "TRAVEL", No: "L-NMG-001", ExpiresOn: "2033-01-01"}, "2030-10-30"},
	} {
		got, err := r.svc.RenewLicence(t.Context(), m.ID, step.l)
		if err != nil || got.LicensedUntil != step.want {
			t.Fatalf("after %v: licensed until %s, %v, want %s", step.l, got.LicensedUntil, err, step.want)
		}
		read, err := r.svc.Merchant(t.Context(), m.ID)
		if diff := cmp.Diff(got, read, cmp.AllowUnexported(m.ID)); err != nil || diff != "" {
			t.Fatalf("read after %v: %v (-answered +read):\n%s", step.l, err, diff)
		}
	}
	if got, err := r.svc.Merchant(t.Context(), m.ID); err != nil || len(got.Licences) != 5 {
		t.Errorf("licences = %v, %v, want all five that were filed", got.Licences, err)
	}
	if _, err := r.svc.RenewLicence(t.Context(), m.ID, merchant.Licence{Kind: "SC"}); !errors.Is(err, merchant.ErrInvalid) {
		t.Errorf("half a licence: %v, want %v", err, merchant.ErrInvalid)
	}
}

func TestLicencesFiledAtOnceAllCount(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	m := r.enrol(t, "E08")
	kinds := []string{"A", "B", "C", "D", "E", "F", "G", "H"}
	var wg sync.WaitGroup
	for i, kind := range kinds {
		wg.Go(func() {
			_, err := r.svc.RenewLicence(t.Context(), m.ID, merchant.Licence{Kind: kind, No: kind, ExpiresOn: merchant.Date("2025-01-0" + string(rune('1'+i)))})
			if err != nil {
				t.Errorf("file %s: %v", kind, err)
			}
		})
	}
	wg.Wait()
	if got, err := r.svc.Merchant(t.Context(), m.ID); err != nil || got.LicensedUntil != "2025-01-01" || len(got.Licences) != len(kinds)+1 {
		t.Errorf("licensed until %s with %d licences, %v; want the earliest of all", got.LicensedUntil, len(got.Licences), err)
	}
}

func TestAReviewIsDueSixMonthsLater(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	m := r.enrol(t, "E01")
	r.clock.Advance(100 * 24 * time.Hour)
	got, err := r.svc.Review(t.Context(), m.ID)
	if err != nil || !got.ReviewedAt.Equal(r.clock.Now()) || got.NextReviewDue != "2027-09-03" {
		t.Errorf("review = %v, due %s, %v", got.ReviewedAt, got.NextReviewDue, err)
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
