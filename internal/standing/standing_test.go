package standing_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/standing"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// open is a shop with the miller and the distiller, both licensed through the first
// of January 2027.
func open(t *testing.T) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 10)
	return s
}

var (
	miller, distiller = shoptest.Seller(shoptest.Miller), shoptest.Seller(shoptest.Distiller)
	ops               = shoptest.Operator
	auditor           = identity.Caller{Account: shoptest.Buyer("auditor").Account, Roles: []identity.Grant{{Role: identity.Auditor}}}
)

// renewal is a licence of the miller's that follows on the one it has.
func renewal() merchant.Licence {
	return merchant.Licence{Kind: "SC", No: "SC10115252799011", IssuedOn: "2026-11-20", ExpiresOn: "2031-11-19", ProductKinds: []string{"PACKAGED_FOOD"}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func filed(t *testing.T, s *shoptest.Shop, l merchant.Licence) standing.Filing {
	t.Helper()
	f, err := s.Standing.FileLicence(t.Context(), miller, shoptest.Miller, l)
	must(t, err)
	return f
}

// upload writes a file of somebody's as the upload does.
func upload(t *testing.T, s *shoptest.Shop, owner uuid.UUID) file.ID {
	t.Helper()
	f := id.New[file.File](s.Clock.Now())
	_, err := s.DB.SQL().ExecContext(t.Context(), `INSERT INTO file (id, owner_id, name, media_type, size, sha256, from_sha256, width, height, private, created_at)
		VALUES ($1, $2, '许可证.pdf', 'application/pdf', 1, decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex'), 0, 0, true, $3)`, f.UUID(), owner, s.Clock.Now())
	must(t, err)
	return f
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b uuid.UUID) bool { return a == b }),
		cmp.AllowUnexported(shoptest.Miller, standing.LicenceID{}, identity.ID{}, file.ID{}, standing.AlertID{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestALicenceCountsOnceAnotherPersonHasAcceptedIt(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.Clock.Advance(time.Minute)
	l := renewal()
	l.Files = []file.ID{upload(t, s, miller.Account.UUID())}
	f := filed(t, s, l)
	want := standing.Filing{
		ID: f.ID, Merchant: shoptest.Miller, MerchantName: "磨坊", Licence: l, State: standing.Filed, FiledBy: miller.Account, FiledAt: s.Clock.Now(),
	}
	same(t, "filed", want, f)
	m, err := s.Merchants.Merchant(t.Context(), shoptest.Miller)
	if err != nil || m.LicensedUntil != "2027-01-01" || len(m.Licences) != 1 {
		t.Fatalf("a licence that was only filed counts: %+v, %v", m.Licences, err)
	}
	before := m.Licences[0]
	s.Clock.Advance(time.Hour)
	f, err = s.Standing.AcceptLicence(t.Context(), ops, f.ID)
	must(t, err)
	want.State, want.DecidedBy, want.DecidedAt = standing.Accepted, ops.Account, s.Clock.Now()
	same(t, "accepted", want, f)
	if m, err = s.Merchants.Merchant(t.Context(), shoptest.Miller); err != nil || m.LicensedUntil != "2031-11-19" {
		t.Errorf("accepted: licensed until %s, %v", m.LicensedUntil, err)
	}
	same(t, "in the register", []merchant.Licence{l, before}, m.Licences)
	all, err := s.Standing.Licences(t.Context(), standing.LicenceFilter{Merchant: shoptest.Miller}, page.Request{})
	must(t, err)
	same(t, "listed", []standing.Filing{f}, all.Data)
	if _, err := s.Standing.FileLicence(t.Context(), miller, shoptest.Miller, l); !errors.Is(err, merchant.ErrAccepted) {
		t.Errorf("filed again: %v, want %v", err, merchant.ErrAccepted)
	}
	notes, err := trail.New(s.DB).Entries(t.Context(), page.Request{Limit: 2}, trail.Filter{Object: "merchant:" + shoptest.Miller.String()})
	if err != nil || len(notes.Data) != 2 || notes.Data[0].Operation != "standing.accept_licence" || notes.Data[0].Actor != ops.Account.UUID() ||
		notes.Data[1].Operation != "standing.file_licence" || notes.Data[1].Actor != miller.Account.UUID() {
		t.Errorf("the trail: %+v, %v", notes, err)
	}
}

func TestNobodyDecidesOnHisOwnLicence(t *testing.T) {
	t.Parallel()
	s := open(t)
	f := filed(t, s, renewal())
	both := miller // a clerk of the miller's who became an operator, too
	both.Roles = append(slices.Clone(miller.Roles), identity.Grant{Role: identity.Operator})
	colleague := both
	colleague.Account = shoptest.Buyer("colleague").Account
	former := identity.Caller{Account: miller.Account, Roles: []identity.Grant{{Role: identity.Operator}}}
	for name, c := range map[string]identity.Caller{"who filed it": both, "his colleague": colleague, "who filed it and sells no more": former} {
		if _, err := s.Standing.AcceptLicence(t.Context(), c, f.ID); !errors.Is(err, standing.ErrOwnFiling) {
			t.Errorf("%s accepts: %v, want %v", name, err, standing.ErrOwnFiling)
		}
		if _, err := s.Standing.DeclineLicence(t.Context(), c, f.ID, "不想要了"); !errors.Is(err, standing.ErrOwnFiling) {
			t.Errorf("%s declines: %v, want %v", name, err, standing.ErrOwnFiling)
		}
	}
	for name, c := range map[string]identity.Caller{"a stranger": {}, "its seller": miller, "an auditor": auditor} {
		if _, err := s.Standing.AcceptLicence(t.Context(), c, f.ID); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("%s accepts: %v, want %v", name, err, identity.ErrForbidden)
		}
	}
	_, err := s.DB.SQL().ExecContext(t.Context(), `INSERT INTO licence_decision (merchant_id, filing_id, verdict, reason, decided_by, at) VALUES ($1, $2, 'accepted', '', $3, now())`,
		shoptest.Miller.UUID(), f.ID.UUID(), miller.Account.UUID())
	if !postgres.Violates(err, "licence_decision_by_another") {
		t.Errorf("past the program: %v, want the database's refusal", err)
	}
}

func TestADeclinedLicenceMayBeFiledAgain(t *testing.T) {
	t.Parallel()
	s := open(t)
	f := filed(t, s, renewal())
	if again := filed(t, s, renewal()); again.ID != f.ID {
		t.Errorf("the same filing made another licence")
	}
	if _, err := s.Standing.DeclineLicence(t.Context(), ops, f.ID, ""); !errors.Is(err, identity.ErrReason) {
		t.Errorf("without a reason: %v, want %v", err, identity.ErrReason)
	}
	s.Clock.Advance(time.Minute)
	declined, err := s.Standing.DeclineLicence(t.Context(), ops, f.ID, "扫描件不清楚")
	if err != nil || declined.State != standing.Declined || declined.Reason != "扫描件不清楚" {
		t.Fatalf("declined: %+v, %v", declined, err)
	}
	if _, err := s.Standing.AcceptLicence(t.Context(), ops, f.ID); !errors.Is(err, standing.ErrDecided) {
		t.Errorf("accept what was declined: %v, want %v", err, standing.ErrDecided)
	}
	second := filed(t, s, renewal())
	if second.ID == f.ID {
		t.Fatal("the declined licence came back")
	}
	for state, want := range map[standing.LicenceState]standing.LicenceID{standing.Filed: second.ID, standing.Declined: f.ID} {
		all, err := s.Standing.OwnLicences(t.Context(), miller, standing.LicenceFilter{State: state}, page.Request{})
		if err != nil || len(all.Data) != 1 || all.Data[0].ID != want {
			t.Errorf("%s: %+v, %v", state, all.Data, err)
		}
	}
	first, err := s.Standing.OwnLicences(t.Context(), miller, standing.LicenceFilter{}, page.Request{Limit: 1})
	if err != nil || len(first.Data) != 1 || first.Data[0].ID != second.ID || first.Next == "" {
		t.Fatalf("the first page: %+v, %v", first, err)
	}
	if rest, err := s.Standing.OwnLicences(t.Context(), miller, standing.LicenceFilter{}, page.Request{Limit: 1, Cursor: first.Next}); err != nil || len(rest.Data) != 1 || rest.Next != "" {
		t.Errorf("the second page: %+v, %v", rest, err)
	}
	for _, change := range []string{`UPDATE licence_filing SET number = ''`, `DELETE FROM licence_decision`} {
		if _, err := s.DB.SQL().ExecContext(t.Context(), change); err == nil {
			t.Errorf("%s was let through", change)
		}
	}
}

func TestALicenceIsDecidedOnOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	f := filed(t, s, renewal())
	if n := pgtest.AtOnce(t, 8, func(i int) error {
		var err error
		if i%2 == 0 {
			_, err = s.Standing.AcceptLicence(t.Context(), ops, f.ID)
		} else {
			_, err = s.Standing.DeclineLicence(t.Context(), ops, f.ID, "扫描件不清楚")
		}
		return err
	}, standing.ErrDecided); n != 1 {
		t.Errorf("it was decided on %d times", n)
	}
}

func TestAnothersEnterpriseIsNotThere(t *testing.T) {
	t.Parallel()
	s := open(t)
	f := filed(t, s, renewal())
	wish, err := s.Standing.AskToLeave(t.Context(), miller, shoptest.Miller, "停止经营")
	must(t, err)
	nobody := identity.Caller{Account: shoptest.Buyer("nobody").Account, Roles: []identity.Grant{{Role: identity.Operator}}}
	for name, c := range map[string]identity.Caller{"another seller": distiller, "an operator who sells for nobody": nobody} {
		if _, err := s.Standing.FileLicence(t.Context(), c, shoptest.Miller, renewal()); !errors.Is(err, merchant.ErrUnknown) {
			t.Errorf("%s files: %v, want %v", name, err, merchant.ErrUnknown)
		}
		if _, err := s.Standing.AskToLeave(t.Context(), c, shoptest.Miller, "捣乱"); !errors.Is(err, merchant.ErrUnknown) {
			t.Errorf("%s leaves: %v, want %v", name, err, merchant.ErrUnknown)
		}
		if _, err := s.Standing.Acknowledge(t.Context(), c, wish.ID); !errors.Is(err, standing.ErrAlert) {
			t.Errorf("%s acknowledges: %v, want %v", name, err, standing.ErrAlert)
		}
		if all, err := s.Standing.OwnLicences(t.Context(), c, standing.LicenceFilter{Merchant: shoptest.Miller}, page.Request{}); err != nil || len(all.Data) > 0 {
			t.Errorf("%s lists licences: %+v, %v", name, all.Data, err)
		}
		if all, err := s.Standing.OwnAlerts(t.Context(), c, standing.AlertFilter{}, page.Request{}); err != nil || len(all.Data) > 0 {
			t.Errorf("%s lists alerts: %+v, %v", name, all.Data, err)
		}
	}
	if _, err := s.Standing.AcceptLicence(t.Context(), ops, id.New[standing.Filing](pgtest.Noon)); !errors.Is(err, standing.ErrLicence) {
		t.Errorf("an unknown licence: %v, want %v", err, standing.ErrLicence)
	}
	l := renewal()
	l.Files = []file.ID{upload(t, s, distiller.Account.UUID())}
	if _, err := s.Standing.FileLicence(t.Context(), miller, shoptest.Miller, l); !errors.Is(err, file.ErrUnknown) {
		t.Errorf("with another's scan: %v, want %v", err, file.ErrUnknown)
	}
	if got, err := s.Standing.Licences(t.Context(), standing.LicenceFilter{Merchant: shoptest.Distiller, State: standing.Filed}, page.Request{}); err != nil || len(got.Data) != 0 {
		t.Errorf("of the distiller: %+v, %v", got.Data, err)
	}
	if got, err := s.Standing.Licences(t.Context(), standing.LicenceFilter{Merchant: shoptest.Miller}, page.Request{}); err != nil || len(got.Data) != 1 || got.Data[0].ID != f.ID {
		t.Errorf("of the miller: %+v, %v", got.Data, err)
	}
}

func TestALicenceThatIsNotInForceIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, change := range map[string]func(*merchant.Licence){
		"issued tomorrow":      func(l *merchant.Licence) { l.IssuedOn = "2026-11-24" },
		"over since yesterday": func(l *merchant.Licence) { l.ExpiresOn = "2026-11-22" },
	} {
		l := renewal()
		change(&l)
		if _, err := s.Standing.FileLicence(t.Context(), miller, shoptest.Miller, l); !errors.Is(err, standing.ErrNotInForce) {
			t.Errorf("%s: %v, want %v", name, err, standing.ErrNotInForce)
		}
	}
	l := renewal()
	l.ExpiresOn, l.No = "2026-11-23", ""
	if _, err := s.Standing.FileLicence(t.Context(), miller, shoptest.Miller, l); !errors.Is(err, merchant.ErrInvalid) || fault.Of(err).Fields[0].Pointer != "/no" {
		t.Errorf("without a number: %v, want %v", err, merchant.ErrInvalid)
	}
	l.No = shoptest.SC(7)
	f := filed(t, s, l)
	s.Clock.Set(time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC)) // midnight in the county
	if _, err := s.Standing.AcceptLicence(t.Context(), ops, f.ID); !errors.Is(err, standing.ErrNotInForce) {
		t.Errorf("accepted a second too late: %v, want %v", err, standing.ErrNotInForce)
	}
}

func TestALicenceStopsSaleAtMidnightInTheCounty(t *testing.T) {
	t.Parallel()
	s := open(t)
	f := filed(t, s, renewal())
	product := func() error { _, err := s.Catalog.Product(t.Context(), shoptest.ProductID("flour")); return err }
	place := func() error {
		_, err := s.Orders.Place(t.Context(), shoptest.Buyer("ann"), shoptest.Choose("flour", 1), request.Claim{}, nil)
		return err
	}
	s.Clock.Set(time.Date(2027, 1, 1, 15, 59, 59, 999_999_000, time.UTC))
	if product() != nil || place() != nil {
		t.Errorf("in its last microsecond: %v, %v", product(), place())
	}
	before := s.Place(t, "bob", shoptest.Choose("flour", 1))
	s.Clock.Advance(time.Microsecond)
	if s.Pay(t, before.PayURL); s.Checkout(t, before).State != order.Paid {
		t.Errorf("ordered in time and paid after midnight: %s", s.Checkout(t, before).State)
	}
	if err := product(); !errors.Is(err, catalog.ErrPaused) {
		t.Errorf("the page, after midnight: %v, want %v", err, catalog.ErrPaused)
	}
	if err := place(); !errors.Is(err, merchant.ErrLicenceExpired) {
		t.Errorf("a checkout, after midnight: %v, want %v", err, merchant.ErrLicenceExpired)
	}
	if m, err := s.Merchants.Merchant(t.Context(), shoptest.Miller); err != nil || m.State != merchant.Active || m.ShownState(s.Clock.Now()) != merchant.Expired {
		t.Errorf("the enterprise: %s, shown %s, %v", m.State, m.ShownState(s.Clock.Now()), err)
	}
	_, err := s.Standing.AcceptLicence(t.Context(), ops, f.ID)
	must(t, err)
	if product() != nil || place() != nil {
		t.Errorf("renewed: %v, %v", product(), place())
	}
}

func TestASuspensionLeavesWhatWasOrderedBeforeAlone(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(s *shoptest.Shop) error{
		"suspended": func(s *shoptest.Shop) error {
			_, err := s.Merchants.Suspend(t.Context(), ops, shoptest.Miller, "许可证待核验")
			return err
		},
		"excluded": func(s *shoptest.Shop) error {
			_, err := s.Merchants.Sanction(t.Context(), ops, shoptest.Miller, merchant.Sanctioning{Kind: merchant.Exclusion, Reason: "假冒产地"})
			return err
		},
		"left": func(s *shoptest.Shop) error {
			_, err := s.Merchants.Leave(t.Context(), ops, shoptest.Miller, "企业申请退出")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			placed, paid := s.Place(t, "ann", shoptest.Choose("flour", 2)), s.Place(t, "bob", shoptest.Choose("flour", 1))
			s.Pay(t, paid.PayURL)
			must(t, stop(s))
			if _, err := s.Catalog.Product(t.Context(), shoptest.ProductID("flour")); !errors.Is(err, catalog.ErrPaused) {
				t.Errorf("its product: %v, want %v", err, catalog.ErrPaused)
			}
			if _, err := s.Orders.Place(t.Context(), shoptest.Buyer("cid"), shoptest.Choose("flour", 1), request.Claim{}, nil); !errors.Is(err, merchant.ErrSuspended) {
				t.Errorf("a new checkout: %v, want %v", err, merchant.ErrSuspended)
			}
			s.Pay(t, placed.PayURL)
			for _, c := range []order.Checkout{placed, paid} {
				if now := s.Checkout(t, c); now.State != order.Paid || now.Orders[0].State != order.Paid {
					t.Errorf("a checkout of before is %s", now.State)
				}
			}
			_, err := s.Aftersales.Refund(t.Context(), ops, paid.Orders[0].ID,
				order.Refunding{Lines: []order.RefundLine{{N: 1, Quantity: 1}}, Reason: "damaged"}, request.Claim{}, nil)
			must(t, err)
			s.Perform(t)
		})
	}
}

func TestAProductThatIsNotOfferedIsNotPausedButNotThere(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := s.Catalog.Withdraw(t.Context(), miller, shoptest.ProductID("flour"))
	must(t, err)
	_, err = s.Merchants.Suspend(t.Context(), ops, shoptest.Miller, "许可证待核验")
	must(t, err)
	for _, p := range []catalog.ProductID{shoptest.ProductID("flour"), shoptest.ProductID("never listed")} {
		if _, err := s.Catalog.Product(t.Context(), p); !errors.Is(err, catalog.ErrProduct) {
			t.Errorf("%v, want %v", err, catalog.ErrProduct)
		}
	}
}

// told are the alerts of the miller's in a state, as "subject days", the newest first.
func told(t *testing.T, s *shoptest.Shop, state standing.AlertState) []string {
	t.Helper()
	all, err := s.Standing.OwnAlerts(t.Context(), miller, standing.AlertFilter{State: state}, page.Request{Limit: page.MaxSize})
	must(t, err)
	out := []string{}
	for _, a := range all.Data {
		out = append(out, fmt.Sprintf("%s %d", a.Subject, a.Days))
	}
	return out
}

// sweep raises what is due until nothing is.
func sweep(t *testing.T, s *shoptest.Shop) {
	t.Helper()
	for n := 1; n > 0; {
		var err error
		n, err = s.Standing.RaiseAlerts(t.Context(), 1)
		must(t, err)
	}
}

func TestEachThresholdIsToldOfOnce(t *testing.T) {
	t.Parallel()
	s := open(t) // licensed through 2027-01-01, verified until 2027-05-23
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 4, 0, 0, 0, time.UTC) }
	for _, step := range []struct {
		at   time.Time
		want []string
	}{
		{day(2026, 10, 2).Add(11 * time.Hour), []string{}}, // 90 days before is the third, and that begins in an hour
		{day(2026, 10, 2).Add(12 * time.Hour), []string{"licence 90"}},
		{day(2026, 12, 1), []string{"licence 90"}},
		{day(2026, 12, 2), []string{"licence 30", "licence 90"}},
		{day(2026, 12, 25), []string{"licence 7", "licence 30", "licence 90"}},
		{day(2027, 1, 1), []string{"licence 7", "licence 30", "licence 90"}},
		{day(2027, 1, 2), []string{"licence 0", "licence 7", "licence 30", "licence 90"}},
		{day(2027, 5, 20), []string{"reverification 7", "licence 0", "licence 7", "licence 30", "licence 90"}}, // of what was passed unseen, the nearest
		{day(2027, 5, 24), []string{"reverification 0", "reverification 7", "licence 0", "licence 7", "licence 30", "licence 90"}},
	} {
		s.Clock.Set(step.at)
		sweep(t, s)
		sweep(t, s)
		if got := told(t, s, ""); !slices.Equal(got, step.want) {
			t.Errorf("at %s: %v, want %v", step.at, got, step.want)
		}
	}
}

func TestAlertsAreRaisedExactlyOnceByHoweverMany(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.Clock.Set(time.Date(2026, 12, 31, 4, 0, 0, 0, time.UTC))
	raised := make([]int, 8)
	pgtest.AtOnce(t, len(raised), func(i int) error {
		var err error
		raised[i], err = s.Standing.RaiseAlerts(t.Context(), 100)
		return err
	})
	sum := 0
	for _, n := range raised {
		sum += n
	}
	all, err := s.Standing.Alerts(t.Context(), standing.AlertFilter{}, page.Request{})
	if err != nil || sum != 2 || len(all.Data) != 2 {
		t.Errorf("raised %v, and there are %d, %v; want one of each enterprise", raised, len(all.Data), err)
	}
	for _, a := range all.Data {
		if a.Subject != standing.OfLicence || a.Days != 7 || a.DueOn != "2027-01-01" || a.No != "SC10115252799011" || a.State != standing.Open || !a.RaisedAt.Equal(s.Clock.Now()) {
			t.Errorf("raised %+v", a)
		}
	}
}

func TestAnAlertEndsWithWhatItWarnsOf(t *testing.T) {
	t.Parallel()
	s := open(t)
	ccc := merchant.Licence{Kind: "CCC", No: "2026010101000001", ExpiresOn: "2026-12-01"}
	_, err := s.Standing.AcceptLicence(t.Context(), ops, filed(t, s, ccc).ID)
	must(t, err)
	s.Clock.Set(time.Date(2027, 5, 20, 4, 0, 0, 0, time.UTC))
	sweep(t, s)
	if got, want := told(t, s, standing.Open), []string{"reverification 7", "licence 0", "licence 0"}; !slices.Equal(sorted(got), sorted(want)) {
		t.Fatalf("open: %v, want %v", got, want)
	}
	l := renewal()
	_, err = s.Standing.AcceptLicence(t.Context(), ops, filed(t, s, l).ID)
	must(t, err)
	if got, want := told(t, s, standing.Open), []string{"reverification 7", "licence 0"}; !slices.Equal(sorted(got), sorted(want)) {
		t.Errorf("renewed: %v, want %v", got, want)
	}
	_, err = s.Merchants.WithdrawLicences(t.Context(), ops, shoptest.Miller, "CCC", "停产灯具")
	must(t, err)
	if got, want := told(t, s, standing.Open), []string{"reverification 7"}; !slices.Equal(got, want) {
		t.Errorf("withdrawn: %v, want %v", got, want)
	}
	all, err := s.Standing.OwnAlerts(t.Context(), miller, standing.AlertFilter{State: standing.Open}, page.Request{})
	must(t, err)
	seen, err := s.Standing.Acknowledge(t.Context(), miller, all.Data[0].ID)
	if err != nil || seen.State != standing.Acknowledged || !seen.AcknowledgedAt.Equal(s.Clock.Now()) {
		t.Errorf("acknowledged: %+v, %v", seen, err)
	}
	first := s.Clock.Now()
	s.Clock.Advance(time.Hour)
	if again, err := s.Standing.Acknowledge(t.Context(), miller, seen.ID); err != nil || !again.AcknowledgedAt.Equal(first) {
		t.Errorf("acknowledged again: %+v, %v", again, err)
	}
	if got := told(t, s, standing.Acknowledged); !slices.Equal(got, []string{"reverification 7"}) {
		t.Errorf("acknowledged: %v", got)
	}
	_, err = s.Standing.Reverify(t.Context(), ops, shoptest.Miller, "营业执照、许可证、经营地址")
	must(t, err)
	if got := told(t, s, standing.Superseded); len(got) != 3 {
		t.Errorf("superseded: %v, want all three", got)
	}
	sweep(t, s)
	if got := told(t, s, standing.Open); len(got) != 0 {
		t.Errorf("open: %v, want none", got)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func TestReverificationsAreListedByUrgencyAndStopNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, c := range map[string]identity.Caller{"its seller": miller, "an auditor": auditor, "a stranger": {}} {
		if _, err := s.Standing.Reverify(t.Context(), c, shoptest.Miller, "看过了"); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("%s: %v, want %v", name, err, identity.ErrForbidden)
		}
	}
	for name, checked := range map[string]string{"nothing": "", "blanks": " \n ", "too much": strings.Repeat("长", 2001), "no text": "看\x00过", "broken": "\xff\xff\xff"} {
		if _, err := s.Standing.Reverify(t.Context(), ops, shoptest.Miller, checked); !errors.Is(err, standing.ErrChecked) {
			t.Errorf("%s: %v, want %v", name, err, standing.ErrChecked)
		}
	}
	if _, err := s.Standing.Reverify(t.Context(), ops, id.New[merchant.Merchant](pgtest.Noon), "看过了"); !errors.Is(err, merchant.ErrUnknown) {
		t.Errorf("an unknown one: %v, want %v", err, merchant.ErrUnknown)
	}
	_, err := s.Standing.AcceptLicence(t.Context(), ops, filed(t, s, renewal()).ID)
	must(t, err)
	list := func(late bool) (codes []string) {
		t.Helper()
		for p := (page.Request{Limit: 1}); ; {
			got, err := s.Standing.Reverifications(t.Context(), late, p)
			must(t, err)
			for _, r := range got.Data {
				if r.Overdue != late {
					t.Errorf("%+v, want overdue %t", r, late)
				}
				codes = append(codes, r.Code)
			}
			if p.Cursor = got.Next; p.Cursor == "" {
				return codes
			}
		}
	}
	if got := list(false); len(got) != 0 {
		t.Errorf("due: %v, want none yet", got)
	}
	s.Clock.Set(time.Date(2027, 5, 1, 4, 0, 0, 0, time.UTC))
	if got := list(false); len(got) != 2 {
		t.Errorf("due: %v, want both", got)
	}
	m, err := s.Standing.Reverify(t.Context(), ops, shoptest.Distiller, "营业执照、许可证")
	if err != nil || m.ReverificationDue != "2027-11-01" {
		t.Fatalf("verified: due %s, %v", m.ReverificationDue, err)
	}
	s.Clock.Set(time.Date(2027, 5, 23, 15, 59, 59, 0, time.UTC))
	if n, err := s.Standing.Overdue(t.Context()); n != 0 || err != nil || len(list(true)) != 0 {
		t.Errorf("in the last second: %d overdue, %v", n, err)
	}
	s.Clock.Advance(time.Second)
	if n, err := s.Standing.Overdue(t.Context()); n != 1 || err != nil || !slices.Equal(list(true), []string{"E01"}) || len(list(false)) != 0 {
		t.Errorf("after it: %d overdue, %v; %v", n, err, list(true))
	}
	s.Place(t, "ann", shoptest.Choose("flour", 1)) // sells on
	if _, err := s.Standing.Reverifications(t.Context(), true, page.Request{Cursor: page.Encode("gestern", uuid.Nil)}); !errors.Is(err, page.ErrCursor) {
		t.Errorf("a foreign cursor: %v, want %v", err, page.ErrCursor)
	}
	var kept int
	must(t, s.DB.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM reverification WHERE checked = '营业执照、许可证' AND due_on = '2027-11-01' AND verified_by = $1`, ops.Account.UUID()).Scan(&kept))
	if kept != 1 {
		t.Errorf("what was checked is written down %d times", kept)
	}
	if _, err := s.DB.SQL().ExecContext(t.Context(), `UPDATE reverification SET checked = '别的'`); err == nil {
		t.Error("what was checked could be changed")
	}
	_, err = s.Merchants.Leave(t.Context(), ops, shoptest.Miller, "企业申请退出")
	must(t, err)
	if n, err := s.Standing.Overdue(t.Context()); n != 0 || err != nil {
		t.Errorf("who left is overdue: %d, %v", n, err)
	}
	if _, err := s.Standing.Reverify(t.Context(), ops, shoptest.Miller, "看过了"); !errors.Is(err, merchant.ErrState) {
		t.Errorf("who left: %v, want %v", err, merchant.ErrState)
	}
}

func TestAWishToLeaveReachesTheOperatorsOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	if _, err := s.Standing.AskToLeave(t.Context(), miller, shoptest.Miller, ""); !errors.Is(err, identity.ErrReason) {
		t.Errorf("without a reason: %v, want %v", err, identity.ErrReason)
	}
	asked := make([]standing.AlertID, 8)
	pgtest.AtOnce(t, len(asked), func(i int) error {
		a, err := s.Standing.AskToLeave(t.Context(), miller, shoptest.Miller, "停止经营")
		asked[i] = a.ID
		return err
	})
	s.Clock.Advance(48 * time.Hour)
	again, err := s.Standing.AskToLeave(t.Context(), miller, shoptest.Miller, "停止经营")
	must(t, err)
	for _, a := range asked {
		if a != again.ID {
			t.Errorf("asked %v, and then %s: want one wish", asked, again.ID)
			break
		}
	}
	all, err := s.Standing.Alerts(t.Context(), standing.AlertFilter{State: standing.Open, Merchant: shoptest.Miller}, page.Request{})
	if err != nil || len(all.Data) != 1 || all.Data[0].Subject != standing.OfLeaving {
		t.Fatalf("open: %+v, %v", all.Data, err)
	}
	if m, err := s.Merchants.Merchant(t.Context(), shoptest.Miller); err != nil || m.State != merchant.Active {
		t.Errorf("who only asked is %s, %v", m.State, err)
	}
	_, err = s.Merchants.Leave(t.Context(), ops, shoptest.Miller, "企业申请退出")
	must(t, err)
	if got := told(t, s, standing.Superseded); !slices.Equal(got, []string{"leaving 0"}) {
		t.Errorf("superseded: %v", got)
	}
	if _, err := s.Standing.AskToLeave(t.Context(), miller, shoptest.Miller, "再次退出"); !errors.Is(err, merchant.ErrState) {
		t.Errorf("who has left: %v, want %v", err, merchant.ErrState)
	}
	if _, err := s.Standing.FileLicence(t.Context(), miller, shoptest.Miller, renewal()); !errors.Is(err, merchant.ErrState) {
		t.Errorf("a licence of who has left: %v, want %v", err, merchant.ErrState)
	}
	sweep(t, s)
	for _, a := range told(t, s, standing.Open) {
		t.Errorf("who has left is told of %s", a)
	}
}

// An operator who also sells for an enterprise does not vouch for it.
func TestNobodyReverifiesHisOwnEnterprise(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 1)
	both := shoptest.Operator
	both.Roles = append(both.Roles[:1:1], shoptest.Seller(shoptest.Miller).Roles...)
	if _, err := s.Standing.Reverify(t.Context(), both, shoptest.Miller, "现场核验（虚构示例）"); !errors.Is(err, merchant.ErrOwn) {
		t.Errorf("his own: %v, want %v", err, merchant.ErrOwn)
	}
	if _, err := s.Standing.Reverify(t.Context(), both, shoptest.Distiller, "现场核验（虚构示例）"); err != nil {
		t.Errorf("another: %v", err)
	}
}
