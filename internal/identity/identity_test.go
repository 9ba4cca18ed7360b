package identity_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

const password = "correct-horse-battery"

// quick hashes passwords as fast as argon2id can: tests guard no secrets.
func quick() identity.Config {
	return identity.Config{MemoryKiB: 8, Iterations: 1, Concurrency: 4}
}

type office struct {
	db    *postgres.DB
	svc   *identity.Service
	clock *pgtest.Clock
}

func newOffice(t *testing.T) office {
	t.Helper()
	clock := pgtest.NewClock(pgtest.Noon)
	db := pgtest.NewAt(t, clock.Now)
	svc, err := identity.New(db, quick())
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	return office{db, svc, clock}
}

func (o office) register(t testing.TB, phone, email string) identity.Account {
	t.Helper()
	a, err := o.svc.Register(t.Context(), identity.Registration{Phone: phone, Email: email, Password: password, Name: "李梅"})
	if err != nil {
		t.Fatalf("register %s%s: %v", phone, email, err)
	}
	return a
}

func (o office) signIn(t testing.TB, login string) (identity.Session, identity.Caller) {
	t.Helper()
	s, _, err := o.svc.SignIn(t.Context(), identity.Credentials{Login: login, Password: password, UserAgent: "test"})
	if err != nil {
		t.Fatalf("sign in %s: %v", login, err)
	}
	c, err := o.svc.Resolve(t.Context(), s.Token)
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	return s, c
}

// operator is the caller that the configuration named.
func (o office) operator(t testing.TB) identity.Caller {
	t.Helper()
	if _, err := o.svc.EnsureOperator(t.Context(), "ops@example.com", password); err != nil {
		t.Fatalf("ensure operator: %v", err)
	}
	_, c := o.signIn(t, "ops@example.com")
	return c
}

func TestAPersonRegistersSignsInAndIsKnownByTheToken(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := o.register(t, "138-1234 5678", "  Li.Mei@Example.COM ")
	want := identity.Account{
		ID: a.ID, Phone: "+8613812345678", Email: "li.mei@example.com", Name: "李梅",
		State: identity.Active, CreatedAt: pgtest.Noon,
	}
	ignoreID := cmp.AllowUnexported(a.ID)
	if diff := cmp.Diff(want, a, ignoreID); diff != "" {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	for _, login := range []string{"13812345678", "+86 138 1234 5678", "008613812345678", "LI.MEI@example.com"} {
		s, got, err := o.svc.SignIn(t.Context(), identity.Credentials{Login: login, Password: password})
		if err != nil {
			t.Fatalf("sign in as %q: %v", login, err)
		}
		if diff := cmp.Diff(want, got, ignoreID); diff != "" {
			t.Errorf("account of %q (-want +got):\n%s", login, diff)
		}
		if len(s.Token) != 43 || !s.ExpiresAt.Equal(pgtest.Noon.Add(identity.SessionTTL)) {
			t.Errorf("session = %+v, want a token of 43 characters and %v", s, identity.SessionTTL)
		}
		before := o.db.Statements()
		c, err := o.svc.Resolve(t.Context(), s.Token)
		if err != nil || c.Account != a.ID || c.Session != s.ID {
			t.Errorf("resolve = %+v, %v", c, err)
		}
		if n := o.db.Statements() - before; n != 1 {
			t.Errorf("resolving took %d statements, want 1", n)
		}
	}
}

func TestOnlyTheHashOfATokenAndOfAPasswordIsKept(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.register(t, "13812345678", "")
	s, _ := o.signIn(t, "13812345678")
	var hash []byte
	var secret string
	row := o.db.SQL().QueryRowContext(t.Context(), `SELECT s.token_hash, a.password_hash FROM session s JOIN account a ON a.id = s.account_id`)
	if err := row.Scan(&hash, &secret); err != nil {
		t.Fatalf("read: %v", err)
	}
	if want := sha256.Sum256([]byte(s.Token)); string(hash) != string(want[:]) {
		t.Errorf("kept %x of the token, want its SHA-256", hash)
	}
	if !strings.HasPrefix(secret, "$argon2id$v=19$") || strings.Contains(secret, password) {
		t.Errorf("kept %q of the password", secret)
	}
}

func TestRegistrationsThatAreNoGoodAreRefusedWithTheirPlaces(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.register(t, "13812345678", "taken@example.com")
	tests := []struct {
		name    string
		r       identity.Registration
		want    error
		pointer string
	}{
		{"no login", identity.Registration{Password: password, Name: "x"}, identity.ErrInvalid, "/phone"},
		{"a landline without its country", identity.Registration{Phone: "1012345", Password: password, Name: "x"}, identity.ErrInvalid, "/phone"},
		{"no mobile number of the mainland", identity.Registration{Phone: "+8612812345678", Password: password, Name: "x"}, identity.ErrInvalid, "/phone"},
		{"an address without a dot", identity.Registration{Email: "a@localhost", Password: password, Name: "x"}, identity.ErrInvalid, "/email"},
		{"two addresses", identity.Registration{Email: "a@b.cn,c@d.cn", Password: password, Name: "x"}, identity.ErrInvalid, "/email"},
		{"a name of nothing", identity.Registration{Phone: "13912345678", Password: password, Name: " \t"}, identity.ErrInvalid, "/name"},
		{"a name that the database cannot hold", identity.Registration{Phone: "13912345678", Password: password, Name: "a\x00b"}, identity.ErrInvalid, "/name"},
		{"broken UTF-8", identity.Registration{Phone: "13912345678", Password: password, Name: "a\xffb"}, identity.ErrInvalid, "/name"},
		{"a long name", identity.Registration{Phone: "13912345678", Password: password, Name: strings.Repeat("长", 65)}, identity.ErrInvalid, "/name"},
		{"a short password", identity.Registration{Phone: "13912345678", Password: "1234567", Name: "x"}, identity.ErrWeak, "/password"},
		{"a long password", identity.Registration{Phone: "13912345678", Password: strings.Repeat("x", 129), Name: "x"}, identity.ErrWeak, "/password"},
		{"the phone as password", identity.Registration{Phone: "13912345678", Password: "13912345678", Name: "x"}, identity.ErrWeak, "/password"},
		{"the address as password", identity.Registration{Email: "somebody@example.com", Password: "SomeBody", Name: "x"}, identity.ErrWeak, "/password"},
		{"a taken phone", identity.Registration{Phone: "+86 13812345678", Password: password, Name: "x"}, identity.ErrTaken, "/phone"},
		{"a taken address", identity.Registration{Phone: "13912345678", Email: "TAKEN@example.com", Password: password, Name: "x"}, identity.ErrTaken, "/email"},
	}
	for _, tt := range tests {
		_, err := o.svc.Register(t.Context(), tt.r)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			continue
		}
		if f := fault.Of(err).Fields; len(f) == 0 || f[0].Pointer != tt.pointer {
			t.Errorf("%s: fields %v, want %s", tt.name, f, tt.pointer)
		}
	}
}

func TestSignInDoesNotTellWhatWasWrong(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.register(t, "13812345678", "")
	for _, c := range []identity.Credentials{
		{Login: "13812345678", Password: "wrong-password"},
		{Login: "13812345678"},
		{Login: "13912345678", Password: password},
		{Login: "nobody@example.com", Password: password},
		{Login: "\x00'; --", Password: password},
		{Login: "a\xff@example.com", Password: "\xff\x00"},
	} {
		if _, _, err := o.svc.SignIn(t.Context(), c); !errors.Is(err, identity.ErrCredentials) {
			t.Errorf("sign in with %+q: %v, want %v", c, err, identity.ErrCredentials)
		}
	}
}

func TestATokenThatIsNoneIsRefusedWithoutAskingTheDatabase(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	before := o.db.Statements()
	for _, token := range []string{"", "x", strings.Repeat("x", 42), strings.Repeat("=", 43), strings.Repeat("A", 44), "\x00\xff"} {
		if _, err := o.svc.Resolve(t.Context(), token); !errors.Is(err, identity.ErrUnauthenticated) {
			t.Errorf("token %q: %v, want %v", token, err, identity.ErrUnauthenticated)
		}
	}
	if n := o.db.Statements() - before; n != 0 {
		t.Errorf("%d statements, want none", n)
	}
	if _, err := o.svc.Resolve(t.Context(), strings.Repeat("A", 43)); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("a token of nobody's: %v, want %v", err, identity.ErrUnauthenticated)
	}
}

func TestASessionEndsByTimeAndBySigningOut(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.register(t, "13812345678", "")
	first, caller := o.signIn(t, "13812345678")
	o.clock.Advance(time.Hour)
	second, _ := o.signIn(t, "13812345678")

	listed, err := o.svc.Sessions(t.Context(), caller, page.Request{Limit: 1})
	if err != nil || len(listed.Data) != 1 || listed.Data[0].ID != second.ID || listed.Data[0].Token != "" || listed.Next == "" {
		t.Fatalf("sessions = %+v, %v, want the newest without its token, and a next page", listed, err)
	}
	if listed, err = o.svc.Sessions(t.Context(), caller, page.Request{Limit: 1, Cursor: listed.Next}); err != nil || len(listed.Data) != 1 || listed.Data[0].ID != first.ID {
		t.Fatalf("second page = %+v, %v", listed, err)
	}
	if err := o.svc.SignOut(t.Context(), caller, second.ID); err != nil {
		t.Fatalf("sign out: %v", err)
	}
	if _, err := o.svc.Resolve(t.Context(), second.Token); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("after signing out: %v, want %v", err, identity.ErrUnauthenticated)
	}
	if err := o.svc.SignOut(t.Context(), caller, second.ID); !errors.Is(err, identity.ErrSession) {
		t.Errorf("signing out twice: %v, want %v", err, identity.ErrSession)
	}
	o.clock.Set(pgtest.Noon.Add(identity.SessionTTL - time.Microsecond))
	if _, err := o.svc.Resolve(t.Context(), first.Token); err != nil {
		t.Errorf("in its last microsecond: %v", err)
	}
	o.clock.Advance(time.Microsecond)
	if _, err := o.svc.Resolve(t.Context(), first.Token); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("after its end: %v, want %v", err, identity.ErrUnauthenticated)
	}
	o.clock.Advance(identity.SessionTTL + 2*time.Hour)
	if n, err := o.svc.Sweep(t.Context()); n != 2 || err != nil {
		t.Errorf("sweep = %d, %v, want both sessions", n, err)
	}
}

func TestNobodySignsAnotherOut(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.register(t, "13812345678", "")
	o.register(t, "13912345678", "")
	mine, _ := o.signIn(t, "13812345678")
	_, other := o.signIn(t, "13912345678")
	if err := o.svc.SignOut(t.Context(), other, mine.ID); !errors.Is(err, identity.ErrSession) {
		t.Errorf("another's session: %v, want %v", err, identity.ErrSession)
	}
	if _, err := o.svc.Resolve(t.Context(), mine.Token); err != nil {
		t.Errorf("the session is gone: %v", err)
	}
}

func TestANewPasswordEndsAllOtherSessions(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.register(t, "13812345678", "")
	old, _ := o.signIn(t, "13812345678")
	here, caller := o.signIn(t, "13812345678")
	const fresh = "battery-horse-correct"
	if err := o.svc.ChangePassword(t.Context(), caller, "not-the-password", fresh); !errors.Is(err, identity.ErrPassword) {
		t.Errorf("a wrong old password: %v, want %v", err, identity.ErrPassword)
	}
	if err := o.svc.ChangePassword(t.Context(), caller, password, "13812345678"); !errors.Is(err, identity.ErrWeak) {
		t.Errorf("the phone as password: %v, want %v", err, identity.ErrWeak)
	}
	if err := o.svc.ChangePassword(t.Context(), caller, password, fresh); err != nil {
		t.Fatalf("change: %v", err)
	}
	if _, err := o.svc.Resolve(t.Context(), here.Token); err != nil {
		t.Errorf("the session that changed it: %v", err)
	}
	if _, err := o.svc.Resolve(t.Context(), old.Token); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("another session: %v, want %v", err, identity.ErrUnauthenticated)
	}
	if _, _, err := o.svc.SignIn(t.Context(), identity.Credentials{Login: "13812345678", Password: password}); !errors.Is(err, identity.ErrCredentials) {
		t.Errorf("the old password: %v, want %v", err, identity.ErrCredentials)
	}
	if _, _, err := o.svc.SignIn(t.Context(), identity.Credentials{Login: "13812345678", Password: fresh}); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func TestASuspendedAccountIsShutOutAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ops := o.operator(t)
	a := o.register(t, "13812345678", "")
	s, caller := o.signIn(t, "13812345678")
	if _, err := o.svc.Suspend(t.Context(), caller, a.ID, "我自己"); !errors.Is(err, identity.ErrForbidden) {
		t.Errorf("a buyer suspends: %v, want %v", err, identity.ErrForbidden)
	}
	if _, err := o.svc.Suspend(t.Context(), ops, ops.Account, "我自己"); !errors.Is(err, identity.ErrOwn) {
		t.Errorf("an operator suspends himself: %v, want %v", err, identity.ErrOwn)
	}
	if _, err := o.svc.Suspend(t.Context(), ops, a.ID, " "); !errors.Is(err, identity.ErrReason) {
		t.Errorf("without a reason: %v, want %v", err, identity.ErrReason)
	}
	if _, err := o.svc.Suspend(t.Context(), ops, id.New[identity.Account](pgtest.Noon), "不存在"); !errors.Is(err, identity.ErrAccount) {
		t.Errorf("nobody: %v, want %v", err, identity.ErrAccount)
	}
	if got, err := o.svc.Suspend(t.Context(), ops, a.ID, "冒用他人手机号"); err != nil || got.State != identity.Suspended {
		t.Fatalf("suspend = %v, %v", got.State, err)
	}
	if _, err := o.svc.Suspend(t.Context(), ops, a.ID, "再次"); !errors.Is(err, identity.ErrState) {
		t.Errorf("twice: %v, want %v", err, identity.ErrState)
	}
	if _, err := o.svc.Resolve(t.Context(), s.Token); !errors.Is(err, identity.ErrSuspended) {
		t.Errorf("his token: %v, want %v", err, identity.ErrSuspended)
	}
	if _, _, err := o.svc.SignIn(t.Context(), identity.Credentials{Login: "13812345678", Password: password}); !errors.Is(err, identity.ErrSuspended) {
		t.Errorf("sign in: %v, want %v", err, identity.ErrSuspended)
	}
	if _, _, err := o.svc.SignIn(t.Context(), identity.Credentials{Login: "13812345678", Password: "a-wrong-one"}); !errors.Is(err, identity.ErrCredentials) {
		t.Errorf("sign in with a wrong password: %v, want %v", err, identity.ErrCredentials)
	}
	if _, err := o.svc.Reinstate(t.Context(), ops, a.ID, "已核实"); err != nil {
		t.Fatalf("reinstate: %v", err)
	}
	if _, err := o.svc.Resolve(t.Context(), s.Token); err != nil {
		t.Errorf("after reinstatement: %v", err)
	}
	entries, err := trail.New(o.db).Entries(t.Context(), page.Request{}, trail.Filter{Object: "account:" + a.ID.String()})
	if err != nil || len(entries.Data) != 2 {
		t.Fatalf("trail = %+v, %v, want the two changes", entries, err)
	}
	for _, e := range entries.Data {
		if e.Actor != ops.Account.UUID() || e.Detail["reason"] == "" {
			t.Errorf("entry %+v: want the operator and the reason", e)
		}
	}
}

func TestRolesAreGrantedByOperatorsToOthers(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ops := o.operator(t)
	a := o.register(t, "13812345678", "")
	s, buyer := o.signIn(t, "13812345678")
	shop := id.New[int](pgtest.Noon).UUID()
	refused := []struct {
		name    string
		caller  identity.Caller
		account identity.ID
		g       identity.Grant
		want    error
	}{
		{"a buyer raises himself", buyer, a.ID, identity.Grant{Role: identity.Operator}, identity.ErrForbidden},
		{"a stranger", identity.Caller{}, a.ID, identity.Grant{Role: identity.Operator}, identity.ErrForbidden},
		{"an operator raises himself", ops, ops.Account, identity.Grant{Role: identity.FundAdmin}, identity.ErrOwn},
		{"a merchant of nothing", ops, a.ID, identity.Grant{Role: identity.Merchant}, identity.ErrGrant},
		{"an auditor of an enterprise", ops, a.ID, identity.Grant{Role: identity.Auditor, Merchant: shop}, identity.ErrGrant},
		{"an official of no county", ops, a.ID, identity.Grant{Role: identity.County}, identity.ErrGrant},
		{"an official of half a county", ops, a.ID, identity.Grant{Role: identity.County, Region: "1525"}, identity.ErrGrant},
		{"an operator of a county", ops, a.ID, identity.Grant{Role: identity.Operator, Region: "152527"}, identity.ErrGrant},
		{"a seller of a county", ops, a.ID, identity.Grant{Role: identity.Merchant, Merchant: shop, Region: "152527"}, identity.ErrGrant},
		{"a consumer", ops, a.ID, identity.Grant{Role: identity.Consumer}, identity.ErrGrant},
		{"a king", ops, a.ID, identity.Grant{Role: "king"}, identity.ErrGrant},
		{"nobody", ops, id.New[identity.Account](pgtest.Noon), identity.Grant{Role: identity.Auditor}, identity.ErrAccount},
	}
	for _, tt := range refused {
		if _, err := o.svc.Grant(t.Context(), tt.caller, tt.account, tt.g); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if _, err := o.svc.Revoke(t.Context(), tt.caller, tt.account, tt.g); !errors.Is(err, tt.want) {
			t.Errorf("%s, revoked: %v, want %v", tt.name, err, tt.want)
		}
	}
	sells := identity.Grant{Role: identity.Merchant, Merchant: shop}
	for range 2 { // the second time changes nothing
		got, err := o.svc.Grant(t.Context(), ops, a.ID, sells)
		if err != nil || !cmp.Equal(got.Roles, []identity.Grant{sells}) {
			t.Fatalf("grant = %v, %v, want %v", got.Roles, err, sells)
		}
	}
	c, err := o.svc.Resolve(t.Context(), s.Token)
	if err != nil || !c.Is(identity.Merchant) || c.Is(identity.Operator) || !c.SellsFor(shop) || c.SellsFor(uuid.Nil) || !cmp.Equal(c.Merchants(), []uuid.UUID{shop}) {
		t.Errorf("caller = %+v, %v, want one who sells for %v", c, err, shop)
	}
	for _, region := range []string{"152527", "152528"} {
		if _, err := o.svc.Grant(t.Context(), ops, a.ID, identity.Grant{Role: identity.County, Region: region}); err != nil {
			t.Fatalf("grant %s: %v", region, err)
		}
	}
	if _, err := o.svc.Revoke(t.Context(), ops, a.ID, identity.Grant{Role: identity.County, Region: "152528"}); err != nil {
		t.Fatalf("revoke a county: %v", err)
	}
	if c, err := o.svc.Resolve(t.Context(), s.Token); err != nil || !c.ActsFor("152527") || c.ActsFor("152528") || c.ActsFor("") {
		t.Errorf("caller = %+v, %v, want an official of 152527 alone", c, err)
	}
	if _, err := o.svc.Revoke(t.Context(), ops, a.ID, sells); err != nil {
		t.Fatalf("revoke: %v", err)
	}
	if c, err := o.svc.Resolve(t.Context(), s.Token); err != nil || c.Is(identity.Merchant) || !c.Is(identity.Consumer) {
		t.Errorf("caller after revocation = %+v, %v, want a mere consumer", c, err)
	}
}

func TestAccountsAreForOperatorsAndForThemselves(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ops := o.operator(t)
	a := o.register(t, "13812345678", "")
	o.clock.Advance(time.Second)
	b := o.register(t, "13912345678", "")
	_, caller := o.signIn(t, "13812345678")
	if got, err := o.svc.Account(t.Context(), caller, a.ID); err != nil || got.ID != a.ID {
		t.Errorf("his own = %v, %v", got.ID, err)
	}
	if _, err := o.svc.Account(t.Context(), caller, b.ID); !errors.Is(err, identity.ErrAccount) {
		t.Errorf("another's: %v, want %v", err, identity.ErrAccount)
	}
	if _, err := o.svc.Accounts(t.Context(), caller, page.Request{}); !errors.Is(err, identity.ErrForbidden) {
		t.Errorf("the list: %v, want %v", err, identity.ErrForbidden)
	}
	if got, err := o.svc.Account(t.Context(), ops, b.ID); err != nil || got.Phone != "+8613912345678" {
		t.Errorf("for an operator = %v, %v", got, err)
	}
	var seen []identity.ID
	for p := (page.Request{Limit: 1}); ; {
		got, err := o.svc.Accounts(t.Context(), ops, p)
		if err != nil {
			t.Fatalf("accounts: %v", err)
		}
		for _, a := range got.Data {
			seen = append(seen, a.ID)
		}
		if p.Cursor = got.Next; p.Cursor == "" {
			break
		}
	}
	if len(seen) != 3 || seen[0] != b.ID {
		t.Errorf("walked over %v, want three with the newest first", seen)
	}
}

func TestTheFirstOperatorTakesOverNobodysAccount(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	squatter := o.register(t, "", "ops@example.com")
	if _, err := o.svc.EnsureOperator(t.Context(), "ops@example.com", "the-real-password"); !errors.Is(err, identity.ErrCredentials) {
		t.Errorf("with another password: %v, want %v", err, identity.ErrCredentials)
	}
	if got, err := o.svc.EnsureOperator(t.Context(), "OPS@example.com", password); err != nil || got.ID != squatter.ID {
		t.Errorf("with the account's own password = %v, %v", got.ID, err)
	}
	// Once he is one, a changed password in the configuration changes nothing.
	if got, err := o.svc.EnsureOperator(t.Context(), "ops@example.com", "whatever-else"); err != nil || len(got.Roles) != 1 || got.Roles[0].Role != identity.Operator {
		t.Errorf("again = %+v, %v", got, err)
	}
	if got, err := o.svc.EnsureOperator(t.Context(), "13812345678", password); err != nil || got.Phone != "+8613812345678" {
		t.Errorf("a new one by phone = %+v, %v", got, err)
	}
}

func TestACrowdThatSignsInIsToldToComeBack(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	svc, err := identity.New(db, identity.Config{MemoryKiB: 4096, Iterations: 1, Concurrency: 1, Queue: 1})
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	const crowd = 20
	var wg sync.WaitGroup
	errs := make([]error, crowd)
	for i := range crowd {
		wg.Go(func() {
			_, _, errs[i] = svc.SignIn(t.Context(), identity.Credentials{Login: "nobody@example.com", Password: password})
		})
	}
	wg.Wait()
	busy := 0
	for _, err := range errs {
		switch {
		case errors.Is(err, identity.ErrBusy):
			busy++
			if fault.Of(err).RetryAfter <= 0 {
				t.Errorf("%v says nothing about when to come back", err)
			}
		case !errors.Is(err, identity.ErrCredentials):
			t.Errorf("one of the crowd: %v", err)
		}
	}
	if busy == crowd {
		t.Error("nobody was served")
	}
	if _, _, err := svc.SignIn(t.Context(), identity.Credentials{Login: "nobody@example.com", Password: password}); !errors.Is(err, identity.ErrCredentials) {
		t.Errorf("after the crowd: %v, want %v", err, identity.ErrCredentials)
	}
}

func TestNormalLoginsAreStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := rapid.StringMatching(`[ -]?(\+|00)?[0-9 ()-]{6,18}|[A-Za-z0-9._+ä-]{1,8}@[a-zA-Z0-9.-]{1,12}`).Draw(r, "login")
		for name, normal := range map[string]func(string) (string, bool){"phone": identity.NormalPhone, "email": identity.NormalEmail} {
			once, ok := normal(s)
			if !ok {
				continue
			}
			if twice, ok := normal(once); !ok || twice != once {
				r.Fatalf("%s %q becomes %q and then %q, %v", name, s, once, twice, ok)
			}
			if strings.ContainsFunc(once, unicode.IsSpace) {
				r.Fatalf("%s %q becomes %q, with a blank", name, s, once)
			}
		}
	})
}

func FuzzLogins(f *testing.F) {
	for _, s := range []string{"13812345678", "+86 138 1234 5678", "a@b.cn", "0044 20 7946 0958", "@", "+", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, ok := identity.NormalPhone(s); ok && (p[0] != '+' || len(p) < 8 || len(p) > 16) {
			t.Errorf("phone %q became %q", s, p)
		}
		if e, ok := identity.NormalEmail(s); ok && (strings.ToLower(e) != e || len(e) > 254 || strings.Count(e, "@") != 1) {
			t.Errorf("e-mail %q became %q", s, e)
		}
	})
}

func TestWhoIsRecordedCannotSignIn(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	told := identity.Account{ID: id.FromName[identity.Account]("told", "he"), Email: "he@recorded.example", Name: "记录的人"}
	for range 2 {
		if err := o.svc.Record(t.Context(), told); err != nil {
			t.Fatalf("record: %v", err)
		}
	}
	ops := o.operator(t)
	if got, err := o.svc.Account(t.Context(), ops, told.ID); err != nil || got.Name != told.Name || got.Email != told.Email {
		t.Errorf("recorded = %+v, %v", got, err)
	}
	for _, password := range []string{"", "correct-horse-battery"} {
		if _, _, err := o.svc.SignIn(t.Context(), identity.Credentials{Login: told.Email, Password: password}); !errors.Is(err, identity.ErrCredentials) {
			t.Errorf("sign in with %q: %v, want %v", password, err, identity.ErrCredentials)
		}
	}
}
