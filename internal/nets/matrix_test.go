package nets_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/apikey"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/pgtest"
)

// stage is a shop with what the matrix is played on.
type stage struct {
	*shop
	x            *examiner
	mine, theirs *firm
	nobodys      *firm    // for which nobody here sells
	expired      *person  // has every role, and a session that has run out
	revoked      *person  // has every role, and a session that was ended
	byKey        []caller // who call with an API key
	operator     string   // a token, for planted defects
}

func newStage(t testing.TB) *stage {
	t.Helper()
	s := &stage{shop: newShop(t), x: newExaminer(t)}
	s.Clock.Set(pgtest.Noon.Add(-identity.SessionTTL - time.Minute))
	s.mine, s.theirs, s.nobodys = s.firm(t), s.firm(t), s.firm(t)
	s.expired = s.insider(t)
	s.Clock.Set(pgtest.Noon)
	s.revoked = s.insider(t)
	caller, err := s.Identity.Resolve(t.Context(), s.revoked.token)
	if err == nil {
		err = s.Identity.SignOut(t.Context(), caller, caller.Session)
	}
	if err != nil {
		t.Fatalf("end a session: %v", err)
	}
	s.byKey = s.keyholders(t)
	return s
}

// keyholders are callers by API key: for all that keys can reach, for a part of
// it, and by keys that are worth nothing any more.
func (s *stage) keyholders(t testing.TB) []caller {
	t.Helper()
	var every []string
	for _, scope := range apikey.Scopes() {
		every = append(every, string(scope))
	}
	p := s.seller(t, s.mine)
	with := func(kind string, p *person, standing standing, scopes []string, end time.Duration) (caller, apikey.ID) {
		m := apikey.Making{Merchant: s.mine.id.UUID(), Name: kind, ExpiresAt: s.Clock.Now().Add(end)}
		for _, scope := range scopes {
			m.Scopes = append(m.Scopes, apikey.Scope(scope))
		}
		k, secret, err := s.Keys.Make(t.Context(), identity.Caller{Account: p.id, Roles: p.roles}, m)
		if err != nil {
			t.Fatalf("make a key: %v", err)
		}
		return caller{kind: kind, person: p, firm: s.mine, header: bearer(secret), standing: standing, roles: []string{"merchant"}, scopes: scopes}, k.ID
	}
	const long = 300 * 24 * time.Hour
	all, _ := with("API key for everything", p, known, every, long)
	reader, _ := with("API key that reads goods", p, known, []string{string(apikey.ProductsRead)}, long)
	manager, _ := with("API key that manages webhooks", p, known, []string{string(apikey.WebhooksManage)}, long)
	revoked, id := with("API key that was revoked", p, stranger, every, long)
	if _, err := s.Keys.Revoke(t.Context(), identity.Caller{Account: p.id, Roles: p.roles}, id); err != nil {
		t.Fatalf("revoke a key: %v", err)
	}
	former := s.seller(t, s.mine)
	orphan, _ := with("API key of somebody who sells no more", former, stranger, every, long)
	if _, err := s.Identity.Revoke(t.Context(), s.root, former.id, former.roles[0]); err != nil {
		t.Fatalf("revoke a role: %v", err)
	}
	held := s.seller(t, s.mine)
	outcast, _ := with("API key of somebody who is suspended", held, stranger, every, long)
	if _, err := s.Identity.Suspend(t.Context(), s.root, held.id, "for a test"); err != nil {
		t.Fatalf("suspend: %v", err)
	}
	outcast.person = s.person(t) // whose password is good
	s.Clock.Set(pgtest.Noon.Add(-2 * time.Hour))
	expired, _ := with("API key that has expired", p, stranger, every, time.Hour)
	s.Clock.Set(pgtest.Noon)
	inCookie := all
	inCookie.kind, inCookie.standing, inCookie.header = "API key in a cookie", stranger, cookie(strings.TrimPrefix(all.header.Get("Authorization"), "Bearer "), "same-origin")
	return []caller{all, reader, manager, revoked, orphan, outcast, expired, inCookie}
}

// insider is somebody with every role there is.
func (s *stage) insider(t testing.TB) *person {
	t.Helper()
	p := s.person(t, identity.Grant{Role: identity.Merchant, Merchant: s.mine.id.UUID()}, identity.Grant{Role: identity.Operator},
		identity.Grant{Role: identity.FundAdmin}, identity.Grant{Role: identity.Auditor}, identity.Grant{Role: identity.Institution},
		identity.Grant{Role: identity.County, Region: "152527"})
	p.firm = s.mine
	return p
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func cookie(token, site string) http.Header {
	return http.Header{"Cookie": {"__Host-session=" + token}, "Sec-Fetch-Site": {site}, "Origin": {"https://other.example"}}
}

// signedIn is a caller who is who he is.
func signedIn(kind string, p *person) caller {
	c := caller{kind: kind, person: p, firm: p.firm, header: bearer(p.token), standing: known, roles: []string{"consumer"}}
	for _, g := range p.roles {
		c.roles = append(c.roles, string(g.Role))
	}
	return c
}

// cast is one caller of each kind, all of them new: some operations change who
// somebody is.
func (s *stage) cast(t testing.TB) []caller {
	t.Helper()
	role := func(r identity.Role) *person { return s.person(t, identity.Grant{Role: r}) }

	held := s.insider(t)
	if _, err := s.Identity.Suspend(t.Context(), s.root, held.id, "for a test"); err != nil {
		t.Fatalf("suspend: %v", err)
	}
	former := s.insider(t)
	for _, g := range former.roles {
		if _, err := s.Identity.Revoke(t.Context(), s.root, former.id, g); err != nil {
			t.Fatalf("revoke: %v", err)
		}
	}
	former.roles, former.firm = nil, nil
	browser := signedIn("browser of an insider", s.insider(t))
	browser.header = cookie(browser.person.token, "same-origin")
	foreignPage := signedIn("page of another site in the browser of an insider", s.insider(t))
	foreignPage.header, foreignPage.standing = cookie(foreignPage.person.token, "cross-site"), elsewhere

	strangers := []caller{
		{kind: "anonymous caller", person: s.person(t)},
		{kind: "caller with a made-up token", person: s.person(t), header: bearer(strings.Repeat("x", len(held.token)))},
		{kind: "caller with an empty token", person: s.person(t), header: bearer("")},
		{kind: "caller with an expired session", person: s.expired, header: bearer(s.expired.token)},
		{kind: "caller with a session that was ended", person: s.revoked, header: bearer(s.revoked.token)},
	}
	outcast := signedIn("suspended insider", held)
	outcast.standing, outcast.person = suspended, s.person(t) // whose password is good
	return append(slices.Concat(strangers, s.byKey), outcast, browser, foreignPage,
		signedIn("insider who lost his roles", former),
		signedIn("consumer", s.person(t)),
		signedIn("merchant", s.seller(t, s.mine)),
		signedIn("operator", role(identity.Operator)),
		signedIn("fund_admin", role(identity.FundAdmin)),
		signedIn("auditor", role(identity.Auditor)),
		signedIn("institution", role(identity.Institution)),
		signedIn("county", s.person(t, identity.Grant{Role: identity.County, Region: "152527"})),
	)
}

// refusal is what x-authz alone says about a caller, whatever he asks for: the
// status and the code that he must get, or 0.
func refusal(op *operation, who caller) (status int, code string) {
	switch {
	case who.standing == elsewhere && !op.safe() && !op.raw:
		return http.StatusForbidden, "request.cross_origin"
	case op.authz.Public:
		return 0, ""
	case who.standing == stranger:
		return http.StatusUnauthorized, "identity.unauthenticated"
	case who.standing == suspended:
		return http.StatusForbidden, "identity.suspended"
	case who.scopes != nil && !slices.Contains(who.scopes, op.scope):
		return http.StatusForbidden, "apikey.scope"
	case !who.may(op):
		return http.StatusForbidden, "identity.forbidden"
	}
	return 0, ""
}

// matrix plays one operation through all kinds of callers and whose things they
// name, and says what should not have been answered so.
func (s *stage) matrix(t testing.TB, op *operation) []violation {
	t.Helper()
	m := &play{stage: s, op: op, other: s.person(t), foreign: make(map[string]string), missing: make(map[string]string)}
	for _, param := range op.pathParams() {
		f := s.mine
		if op.authz.Owner == "merchant" {
			f = s.theirs
		}
		m.foreign[param] = s.thingsFor(t, op, param, m.other, f)[0]
		m.missing[param] = s.missing(param)
	}
	for _, who := range s.cast(t) {
		if status, code := refusal(op, who); status != 0 {
			m.refused(t, who, status, code)
			continue
		}
		if !slices.Contains(beyond, op.id) {
			m.reached(t, who)
		}
		for _, param := range op.pathParams() {
			m.unseen(t, who, param)
		}
	}
	return m.found
}

// beyond are operations of which the matrix sees that others are refused, and not that those who may reach the end: a record is
// read by who asked for it himself, and no witness cosigns in this shop. Their own tests go all the way.
var beyond = []string{"getWitnessedCheckpoint", "readPupil"}

// thingsFor are the shop's things, but where the operation wants some of them alone.
func (s *stage) thingsFor(t testing.TB, op *operation, param string, p *person, f *firm) []string {
	t.Helper()
	switch {
	case op.id == "getPayoutAccount": // there is one once it was opened
		s.Enable(t, f.id.UUID())
		return []string{f.id.String()}
	case param == "merchant_id" && op.authz.Owner == "merchant": // reached by selling for it
		return []string{f.id.String()}
	case op.id == "cancelAppointment": // of a voucher without one there is none
		return []string{s.asked(t, p, f).Voucher.String()}
	case op.id == "retryPayout": // what becomes of an enterprise's payout holds up its next
		return s.things(t, param, p, s.firm(t))
	}
	return s.things(t, param, p, f)
}

// play is one operation's way through the matrix.
type play struct {
	*stage
	op               *operation
	other            *person           // whose things are foreign to all
	foreign, missing map[string]string // by path parameter
	found            []violation
}

func (m *play) say(format string, args ...any) {
	m.found = append(m.found, violation{ruleAuthz, m.op.id, fmt.Sprintf(format, args...)})
}

// send asks, and holds the answer against the contract.
func (m *play) send(t testing.TB, who caller, in map[string]string) (request, answer) {
	t.Helper()
	f := m.mine
	if who.firm != nil {
		f = who.firm
	}
	r := m.sample(t, m.op, who, f, in)
	a := m.ask(t, r)
	m.found = append(m.found, m.x.examine(r, a)...)
	if who.standing == known && a.status < 300 {
		m.found = append(m.found, m.leaks(r, a, who)...)
	}
	return r, a
}

// refused holds a caller whom x-authz turns away.
func (m *play) refused(t testing.TB, who caller, status int, code string) {
	t.Helper()
	if r, a := m.send(t, who, m.foreign); a.status != status || a.code() != code {
		m.say("the %s must get %d %s, and got\n%v\nfor\n%v\n%s", who.kind, status, code, a, r, m.errors.of(a))
	}
}

// judges are the operations by which an auditor judges what is answered: who is an operator or a fund administrator, too,
// may do so of what he found himself.
var judges = map[string]bool{"acceptFinding": true, "insistFinding": true, "closeFinding": true}

// reached holds a caller who may call: with things of his own he gets through,
// with one of them at least to the end.
func (m *play) reached(t testing.TB, who caller) {
	t.Helper()
	owner := who.person
	if who.standing < elsewhere || m.op.authz.Owner == "none" && !judges[m.op.id] { // nothing is anybody's own
		owner = m.other
	}
	f := m.mine
	if m.op.authz.Owner != "merchant" { // nobody reviews or decides on what he sells himself
		f = m.nobodys
	}
	own := []map[string]string{{}}
	for _, param := range m.op.pathParams() {
		var next []map[string]string
		for _, thing := range m.thingsFor(t, m.op, param, owner, f) {
			for _, in := range own {
				in := maps.Clone(in)
				in[param] = thing
				next = append(next, in)
			}
		}
		own = next
	}
	var done bool
	var last string
	for _, in := range own {
		r, a := m.send(t, who, in)
		last = fmt.Sprintf("%v\nfor\n%v\n%s", a, r, m.errors.of(a))
		switch a.status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
			m.say("the %s may call it for what is his own, and got\n%s", who.kind, last)
		}
		done = done || a.status < 400
	}
	if !done {
		m.say("the %s never gets to the end of it; if that is right, shop.things must make a thing in a state that it takes. The last answer was\n%s", who.kind, last)
	}
}

// unseen holds that what is another's cannot be told from what is not there.
func (m *play) unseen(t testing.TB, who caller, param string) {
	t.Helper()
	in := func(of map[string]string) map[string]string {
		all := maps.Clone(m.foreign)
		for _, other := range m.op.pathParams() {
			if other != param {
				all[other] = m.thingsFor(t, m.op, other, who.person, m.mine)[0]
			}
		}
		all[param] = of[param]
		return all
	}
	r, gone := m.send(t, who, in(m.missing))
	if m.op.declares(http.StatusNotFound) != (gone.status == http.StatusNotFound) {
		m.say("404 for a {%s} that is not there: declared is %t, and the %s got\n%v\nfor\n%v\n%s", param,
			m.op.declares(http.StatusNotFound), who.kind, gone, r, m.errors.of(gone))
	}
	if !m.op.owned(param) {
		return
	}
	r, foreign := m.send(t, who, in(m.foreign))
	if foreign.status != http.StatusNotFound {
		m.say("a {%s} of somebody else must be 404 for the %s, and he got\n%v\nfor\n%v\n%s", param, who.kind, foreign, r, m.errors.of(foreign))
		return
	}
	if a, b := anonymous(gone, m.missing[param]), anonymous(foreign, m.foreign[param]); a != b {
		m.say("the %s can tell a {%s} of somebody else from one that is not there:\n%s\nand\n%s", who.kind, param, b, a)
	}
}

// anonymous is an answer without what names this one request and thing.
func anonymous(a answer, thing string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.header)) {
		fmt.Fprintf(&b, "%s: %q\n", name, a.header[name])
	}
	fmt.Fprintf(&b, "%d %s", a.status, a.body)
	return strings.NewReplacer(a.header.Get("X-Request-Id"), "REQUEST", thing, "THING").Replace(b.String())
}

func TestEachOperationLetsThroughWhomTheContractNames(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, op := range contract(t) {
		t.Run(op.id, func(t *testing.T) {
			t.Parallel()
			for _, v := range s.matrix(t, op) {
				t.Error(v)
			}
		})
	}
}
