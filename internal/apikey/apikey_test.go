package apikey_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/apikey"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/trail"
)

var (
	mill   = shoptest.Miller.UUID()
	still  = shoptest.Distiller.UUID()
	equate = cmp.AllowUnexported(apikey.ID{}, identity.ID{})
)

// seller is somebody with an account who sells for these enterprises.
func seller(t *testing.T, s *shoptest.Shop, name string, merchants ...uuid.UUID) identity.Caller {
	t.Helper()
	var grants []identity.Grant
	for _, m := range merchants {
		grants = append(grants, identity.Grant{Role: identity.Merchant, Merchant: m})
	}
	session, err := s.SignUp(t.Context(), identity.Registration{Email: name + "@shop.example", Password: "correct-horse-battery", Name: name}, grants...)
	must(t, err)
	caller, err := s.Identity.Resolve(t.Context(), session.Token)
	must(t, err)
	return caller
}

// pointers are the places that a fault names.
func pointers(err error) []string {
	var out []string
	for _, f := range fault.Of(err).Fields {
		out = append(out, f.Pointer)
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// making is a key as it should be.
func making(m uuid.UUID, scopes ...apikey.Scope) apikey.Making {
	if scopes == nil {
		scopes = []apikey.Scope{apikey.OrdersRead}
	}
	return apikey.Making{Merchant: m, Name: "仓库系统", Scopes: scopes, ExpiresAt: pgtest.Noon.Add(90 * 24 * time.Hour)}
}

func TestAKeyActsForItsEnterpriseWithItsScopesAndNoMore(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	ann := seller(t, s, "ann", mill, still)

	k, secret, err := s.Keys.Make(t.Context(), ann, making(mill, apikey.StockWrite, apikey.OrdersRead, apikey.StockWrite))
	must(t, err)
	if !regexp.MustCompile(`^shy_live_[A-Za-z0-9_-]{43}[0-9A-Za-z]{6}$`).MatchString(secret) || !strings.HasPrefix(secret, k.Prefix) {
		t.Errorf("the key is %q with the prefix %q", secret, k.Prefix)
	}
	caller, scopes, err := s.Keys.Resolve(t.Context(), secret)
	must(t, err)
	want := identity.Caller{Account: ann.Account, Key: k.ID.UUID(), Roles: []identity.Grant{{Role: identity.Merchant, Merchant: mill}}}
	if diff := cmp.Diff(want, caller, equate, cmp.AllowUnexported(identity.SessionID{})); diff != "" {
		t.Errorf("caller (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]apikey.Scope{apikey.OrdersRead, apikey.StockWrite}, scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	if caller.Is(identity.Consumer) {
		t.Error("a key buys")
	}
	if caller.SellsFor(still) {
		t.Error("a key reaches another enterprise of the person who made it")
	}
	if _, _, err := s.Keys.Make(t.Context(), caller, making(mill)); !errors.Is(err, apikey.ErrScope) {
		t.Errorf("a key makes a key: %v, want %v", err, apikey.ErrScope)
	}
	if _, err := s.Keys.Revoke(t.Context(), caller, k.ID); !errors.Is(err, apikey.ErrScope) {
		t.Errorf("a key revokes a key: %v, want %v", err, apikey.ErrScope)
	}
	if _, err := s.Keys.Keys(t.Context(), caller, page.Request{}); !errors.Is(err, apikey.ErrScope) {
		t.Errorf("a key lists keys: %v, want %v", err, apikey.ErrScope)
	}
}

func TestWhatIsNoKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	ann := seller(t, s, "ann", mill)
	_, secret, err := s.Keys.Make(t.Context(), ann, making(mill))
	must(t, err)
	other := "A"
	if secret[20] == 'A' {
		other = "B"
	}
	for _, wrong := range []string{
		"", "shy_live_", secret[:len(secret)-1], secret + "0", strings.ToUpper(secret), secret[:20] + other + secret[21:],
		"shy_test_" + secret[9:], " " + secret, strings.Repeat("shy_live_", 7)[:len(secret)], secret[:len(secret)-6] + "000000", strings.Repeat("长", 20),
	} {
		if _, _, err := s.Keys.Resolve(t.Context(), wrong); !errors.Is(err, identity.ErrUnauthenticated) {
			t.Errorf("resolve %q: %v, want %v", wrong, err, identity.ErrUnauthenticated)
		}
	}
	before := s.DB.Statements()
	_, _, _ = s.Keys.Resolve(t.Context(), secret[:20]+other+secret[21:])
	if n := s.DB.Statements() - before; n != 0 {
		t.Errorf("a slip of the pen asked the database %d times", n)
	}
	if _, _, err := s.Keys.Resolve(t.Context(), secret); err != nil {
		t.Errorf("the key itself: %v", err)
	}
}

func TestAKeyEnds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		end  func(t *testing.T, s *shoptest.Shop, ann identity.Caller, k apikey.Key)
		want apikey.State
		back func(t *testing.T, s *shoptest.Shop, ann identity.Caller) // nil: it never comes back
	}{
		{"with its time", func(_ *testing.T, s *shoptest.Shop, _ identity.Caller, k apikey.Key) { s.Clock.Set(k.ExpiresAt) }, apikey.Expired, nil},
		{"when it is revoked", func(t *testing.T, s *shoptest.Shop, ann identity.Caller, k apikey.Key) {
			t.Helper()
			_, err := s.Keys.Revoke(t.Context(), ann, k.ID)
			must(t, err)
		}, apikey.Revoked, nil},
		{"while its maker has lost the role", func(t *testing.T, s *shoptest.Shop, ann identity.Caller, _ apikey.Key) {
			t.Helper()
			_, err := s.Identity.Revoke(t.Context(), shoptest.Operator, ann.Account, ann.Roles[0])
			must(t, err)
		}, apikey.Dormant, func(t *testing.T, s *shoptest.Shop, ann identity.Caller) {
			t.Helper()
			_, err := s.Identity.Grant(t.Context(), shoptest.Operator, ann.Account, ann.Roles[0])
			must(t, err)
		}},
		{"while its maker is suspended", func(t *testing.T, s *shoptest.Shop, ann identity.Caller, _ apikey.Key) {
			t.Helper()
			_, err := s.Identity.Suspend(t.Context(), shoptest.Operator, ann.Account, "for a test")
			must(t, err)
		}, apikey.Dormant, func(t *testing.T, s *shoptest.Shop, ann identity.Caller) {
			t.Helper()
			_, err := s.Identity.Reinstate(t.Context(), shoptest.Operator, ann.Account, "for a test")
			must(t, err)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := shoptest.New(t, shoptest.Options{})
			ann, ben := seller(t, s, "ann", mill), seller(t, s, "ben", mill)
			k, secret, err := s.Keys.Make(t.Context(), ann, making(mill))
			must(t, err)
			tt.end(t, s, ann, k)
			if _, _, err := s.Keys.Resolve(t.Context(), secret); !errors.Is(err, identity.ErrUnauthenticated) {
				t.Errorf("resolve: %v, want %v", err, identity.ErrUnauthenticated)
			}
			all, err := s.Keys.Keys(t.Context(), ben, page.Request{})
			must(t, err)
			if len(all.Data) != 1 || all.Data[0].State != tt.want {
				t.Errorf("ben sees %v, want one that is %s", all.Data, tt.want)
			}
			if tt.back == nil {
				return
			}
			tt.back(t, s, ann)
			if _, _, err := s.Keys.Resolve(t.Context(), secret); err != nil {
				t.Errorf("the key of somebody who may sell again: %v", err)
			}
		})
	}
}

func TestAKeyIsMadeOnlyAsTheRulesAllow(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	ann := seller(t, s, "ann", mill)
	tests := []struct {
		name   string
		change func(*apikey.Making)
		want   error
		at     string
	}{
		{"another enterprise", func(m *apikey.Making) { m.Merchant = still }, apikey.ErrMerchant, ""},
		{"no enterprise", func(m *apikey.Making) { m.Merchant = uuid.Nil }, apikey.ErrMerchant, ""},
		{"no name", func(m *apikey.Making) { m.Name = "  " }, apikey.ErrInvalid, "/name"},
		{"a long name", func(m *apikey.Making) { m.Name = strings.Repeat("长", 65) }, apikey.ErrInvalid, "/name"},
		{"a name over two lines", func(m *apikey.Making) { m.Name = "a\nb" }, apikey.ErrInvalid, "/name"},
		{"no scopes", func(m *apikey.Making) { m.Scopes = nil }, apikey.ErrInvalid, "/scopes"},
		{"a scope that is none", func(m *apikey.Making) { m.Scopes = append(m.Scopes, "fund:write") }, apikey.ErrInvalid, "/scopes"},
		{"no end", func(m *apikey.Making) { m.ExpiresAt = time.Time{} }, apikey.ErrInvalid, "/expires_at"},
		{"an end that is now", func(m *apikey.Making) { m.ExpiresAt = pgtest.Noon }, apikey.ErrInvalid, "/expires_at"},
		{"an end in more than a year", func(m *apikey.Making) { m.ExpiresAt = pgtest.Noon.Add(apikey.Longest + time.Second) }, apikey.ErrInvalid, "/expires_at"},
	}
	for _, tt := range tests {
		m := making(mill)
		tt.change(&m)
		_, secret, err := s.Keys.Make(t.Context(), ann, m)
		if !errors.Is(err, tt.want) || secret != "" {
			t.Errorf("%s: %q, %v, want %v", tt.name, secret, err, tt.want)
		}
		if tt.at != "" && !slices.Contains(pointers(err), tt.at) {
			t.Errorf("%s: it names %v, want %s", tt.name, pointers(err), tt.at)
		}
	}
	m := making(mill)
	m.ExpiresAt = pgtest.Noon.Add(apikey.Longest)
	if _, _, err := s.Keys.Make(t.Context(), ann, m); err != nil {
		t.Errorf("a year: %v", err)
	}
}

func TestTheKeysOfAnotherEnterpriseAreNotThere(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	ann, ben := seller(t, s, "ann", mill), seller(t, s, "ben", still)
	k, _, err := s.Keys.Make(t.Context(), ann, making(mill))
	must(t, err)
	if _, err := s.Keys.Revoke(t.Context(), ben, k.ID); !errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("revoke another's: %v, want %v", err, apikey.ErrUnknown)
	}
	if _, err := s.Keys.Revoke(t.Context(), ann, id.New[apikey.Key](pgtest.Noon)); !errors.Is(err, apikey.ErrUnknown) {
		t.Errorf("revoke none: %v, want %v", err, apikey.ErrUnknown)
	}
	if all, err := s.Keys.Keys(t.Context(), ben, page.Request{}); err != nil || len(all.Data) != 0 {
		t.Errorf("ben sees %v, %v", all.Data, err)
	}
}

func TestAKeyIsRevokedOnce(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	ann := seller(t, s, "ann", mill)
	k, _, err := s.Keys.Make(t.Context(), ann, making(mill))
	must(t, err)
	n := pgtest.AtOnce(t, 8, func(int) error {
		_, err := s.Keys.Revoke(t.Context(), ann, k.ID)
		return err
	}, apikey.ErrRevoked)
	if n != 1 {
		t.Errorf("it was revoked %d times", n)
	}
}

func TestAnEnterpriseHasNoMoreThanSoManyKeys(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	ann := seller(t, s, "ann", mill, still)
	add := func(m uuid.UUID) error {
		_, _, err := s.Keys.Make(t.Context(), ann, making(m))
		return err
	}
	n := pgtest.AtOnce(t, apikey.MaxLive+5, func(int) error { return add(mill) }, apikey.ErrTooMany)
	if n != apikey.MaxLive {
		t.Errorf("%d keys were made, want %d", n, apikey.MaxLive)
	}
	must(t, add(still))
	all, err := s.Keys.Keys(t.Context(), identity.Caller{Roles: ann.Roles[:1], Account: ann.Account}, page.Request{Limit: 100})
	must(t, err)
	for _, k := range all.Data {
		if k.Merchant == mill {
			_, err = s.Keys.Revoke(t.Context(), ann, k.ID)
			must(t, err)
			break
		}
	}
	must(t, add(mill))
	s.Clock.Advance(91 * 24 * time.Hour)
	m := making(mill)
	m.ExpiresAt = s.Clock.Now().Add(time.Hour)
	if _, _, err := s.Keys.Make(t.Context(), ann, m); err != nil {
		t.Errorf("a key after all others have expired: %v", err)
	}
}

func TestTheUseOfAKeyIsNotedOnceAMinute(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	ann := seller(t, s, "ann", mill)
	_, secret, err := s.Keys.Make(t.Context(), ann, making(mill))
	must(t, err)
	for _, step := range []struct {
		wait       time.Duration
		statements int64
		seen       time.Duration // after Noon
	}{{0, 4, 0}, {59 * time.Second, 1, 0}, {time.Second, 4, time.Minute}, {30 * time.Second, 1, time.Minute}} {
		s.Clock.Advance(step.wait)
		before := s.DB.Statements()
		_, _, err := s.Keys.Resolve(t.Context(), secret)
		must(t, err)
		if n := s.DB.Statements() - before; n != step.statements {
			t.Errorf("after %v more: %d statements, want %d", step.wait, n, step.statements)
		}
		all, err := s.Keys.Keys(t.Context(), ann, page.Request{})
		must(t, err)
		if got := all.Data[0].LastUsedAt; !got.Equal(pgtest.Noon.Add(step.seen)) {
			t.Errorf("after %v more: last used at %v, want %v after noon", step.wait, got, step.seen)
		}
	}
}

func TestKeysAreInTheTrailAndTheirSecretsNowhere(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	ann := seller(t, s, "ann", mill)
	k, secret, err := s.Keys.Make(t.Context(), ann, making(mill))
	must(t, err)
	s.Clock.Advance(time.Second)
	_, err = s.Keys.Revoke(t.Context(), ann, k.ID)
	must(t, err)
	entries, err := s.Trail.Entries(t.Context(), page.Request{}, trail.Filter{Object: "api_key:" + k.ID.String()})
	must(t, err)
	var did []string
	for _, e := range entries.Data {
		did = append(did, e.Operation)
		if e.Actor != ann.Account.UUID() || e.Detail["prefix"] != k.Prefix {
			t.Errorf("entry %+v", e)
		}
	}
	if diff := cmp.Diff([]string{"apikey.revoke", "apikey.make"}, did); diff != "" {
		t.Errorf("trail (-want +got):\n%s", diff)
	}
	var found int
	must(t, s.DB.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM
		(SELECT k::text AS x FROM api_key k UNION ALL SELECT e::text FROM trail_entry e) all_rows WHERE x LIKE '%' || $1 || '%'`, secret[20:40]).Scan(&found))
	if found != 0 {
		t.Errorf("the secret is in %d rows", found)
	}
}
