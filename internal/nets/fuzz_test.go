package nets_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/review"
	"github.com/shiyi-market/shiyi/internal/sandbox"
)

// fuzzer sends requests, and knows of the shop what its own requests have made of it.
type fuzzer struct {
	*stage
	tb      testing.TB
	ops     []*operation
	drawn   []*operation // of which a step takes one
	seen    []string     // the properties of all answers
	handler http.Handler
	count   *atomic.Int64 // requests sent, all fuzzers together
	found   func(v violation, r request, a answer)

	outcome map[string]map[string]int // how often each operation was answered what
	clerk   *person                   // an operator whom nothing happens to
	people  []*person
	status  map[*person]string     // account state, as answers told it
	dead    map[string]bool        // tokens that were ended
	altered bool                   // something was done that the next round must not find
	ids     map[string][]string    // by path parameter
	owner   map[string]*person     // of checkouts, orders, sessions
	seller  map[string][]uuid.UUID // of orders and checkouts
	cursors []string
	keys    []string
	bodies  map[*operation][]byte // the last body of an operation that was taken
	buys    []bought
	carts   map[*person][]string // SKUs that were put into a cart
	firms   []*firm
	elapsed time.Duration
}

// perRound is how many steps a round has. To make a shop that nothing has happened to
// takes as long as a hundred requests.
const perRound = 60

// newFuzzer is a fuzzer with people of every kind in a shop of its own.
func newFuzzer(t testing.TB, s *stage, handler http.Handler, count *atomic.Int64, found func(violation, request, answer)) *fuzzer {
	t.Helper()
	ops := contract(t)
	return &fuzzer{
		stage: s, tb: t, ops: ops, drawn: ops, seen: answered(ops), handler: handler, count: count, found: found, altered: true,
		outcome: make(map[string]map[string]int), clerk: s.person(t, identity.Grant{Role: identity.Operator}),
	}
}

// round makes the fuzzer ready: whoever was suspended, signed out or raised by
// the round before is replaced.
func (f *fuzzer) round() {
	t := f.tb
	if !f.altered {
		return
	}
	f.altered = false
	f.status, f.dead = make(map[*person]string), make(map[string]bool)
	f.owner, f.seller = make(map[string]*person), make(map[string][]uuid.UUID)
	f.ids, f.cursors, f.keys, f.buys = make(map[string][]string), nil, nil, nil
	f.bodies, f.carts = make(map[*operation][]byte), make(map[*person][]string)
	f.mine, f.theirs = f.firm(t), f.firm(t) // the prices of the last ones may be anything by now
	f.firms = []*firm{f.mine, f.theirs}
	f.people = []*person{
		f.person(t), f.person(t), f.shop.seller(t, f.mine), f.shop.seller(t, f.theirs), f.insider(t),
		f.person(t, identity.Grant{Role: identity.Operator}), f.person(t, identity.Grant{Role: identity.Auditor}),
		f.person(t, identity.Grant{Role: identity.FundAdmin}), f.person(t, identity.Grant{Role: identity.Institution}),
		f.person(t, identity.Grant{Role: identity.County, Region: "152527"}),
	}
	for range 3 {
		held := f.person(t)
		if _, err := f.Identity.Suspend(t.Context(), f.root, held.id, "to be reinstated"); err != nil {
			t.Fatalf("suspend: %v", err)
		}
		f.add("account_id", held.id.String())
	}
	for _, m := range f.firms {
		for _, i := range f.things(t, "import_id", nil, m) {
			f.add("import_id", i)
			f.seller[i] = []uuid.UUID{m.id.UUID()}
		}
		for _, param := range []string{"shipment_id", "batch_id"} {
			thing := f.things(t, param, f.people[0], m)[0]
			f.add(param, thing)
			f.seller[thing] = []uuid.UUID{m.id.UUID()}
		}
	}
	for _, p := range f.things(t, "listing_id", nil, f.mine) {
		f.add("listing_id", p)
		f.seller[p] = []uuid.UUID{f.mine.id.UUID()}
	}
	heldFirm := f.firm(t)
	if _, err := f.Merchants.Suspend(t.Context(), f.root, heldFirm.id, "to be reinstated"); err != nil {
		t.Fatalf("suspend: %v", err)
	}
	f.add("merchant_id", heldFirm.id.String())
	f.add("licence_id", f.fileLicence(t, heldFirm, false))
	f.fileLicence(t, f.mine, true) // to be withdrawn
	alert := f.things(t, "alert_id", nil, f.mine)[0]
	f.add("alert_id", alert)
	f.seller[alert] = []uuid.UUID{f.mine.id.UUID()}
	for _, p := range f.people {
		f.add("account_id", p.id.String())
		f.add("session_id", p.session)
		for _, a := range f.applications(t, p) {
			f.add("application_id", a)
			f.owner[a] = p
		}
		f.owner[p.session] = p
		for _, n := range f.things(t, "notice_id", p, nil) {
			f.add("notice_id", n)
			f.owner[n] = p
		}
	}
	for _, m := range f.firms {
		f.add("merchant_id", m.id.String())
		for _, product := range m.products {
			f.add("product_id", product.ID.String())
			f.add("listing_id", product.ID.String())
			for _, k := range product.SKUs {
				f.add("sku_id", k.ID.String())
				f.seller[k.ID.String()] = []uuid.UUID{m.id.UUID()}
			}
		}
	}
	for _, p := range f.people[:2] {
		if err := f.Carts.SetLine(t.Context(), p.id, f.mine.products[0].SKUs[1].ID, 1); err != nil {
			t.Fatalf("fill the cart: %v", err)
		}
		f.carts[p] = []string{f.mine.products[0].SKUs[1].ID.String()}
		b := f.buy(t, p, f.mine, f.theirs)
		f.bought(p, b)
		f.settle(t, b)
		returned := f.buy(t, p, f.mine)
		f.bought(p, returned)
		f.settle(t, returned)
		f.add("refund_id", f.refuse(t, returned))
		taken := f.buy(t, p, f.mine)
		f.bought(p, taken)
		f.settle(t, taken)
		f.add("dispute_id", f.dispute(t, taken))
		f.add("break_id", f.discrepancy(t))
		f.add("payout_id", f.decline(t, p, f.mine))
		f.bought(p, f.buy(t, p, f.mine))
	}
	for _, c := range f.cases(t, f.people[0], f.mine) {
		f.add("case_id", c)
		f.owner[c], f.seller[c] = f.people[0], []uuid.UUID{f.mine.id.UUID()}
	}
	f.add("correction_id", f.correction(t))
	for _, found := range f.foundThings(t, f.people[0]) {
		f.add("finding_id", found)
	}
	f.add("compensation_id", f.compensation(t, f.people[1], f.mine))
	for _, param := range []string{"programme_id", "programme_application_id", "programme_change_id", "other_money_id", "objection_period_id", "objection_id", "grant_id", "disbursement_id"} {
		for _, thing := range f.funded(t, param) {
			f.add(param, thing)
		}
	}
	for range 3 {
		f.add("key_id", f.apiKey(t, f.people[2], f.mine))
		f.add("delivery_id", f.delivery(t, f.mine))
		f.add("file_id", f.file(t, f.people[0]))
		f.add("lot_id", f.lot(t, f.mine).ID.String())
		f.add("recall_id", f.recall(t, f.mine))
		shown, hidden := f.review(t, f.people[0], f.mine), f.review(t, f.people[0], f.mine)
		if _, err := f.Reviews.Hide(t.Context(), f.root, hidden, review.Fabricated, "to be shown again"); err != nil {
			t.Fatalf("hide a review: %v", err)
		}
		f.add("review_id", shown.String())
		f.add("review_id", hidden.String())
		f.add("claim_id", f.claim(t, f.mine, false))
		f.add("claim_id", f.claim(t, f.mine, true))
		f.add("report_id", f.report(t, f.mine))
		asked := f.asked(t, f.people[0], f.mine)
		f.add("voucher_id", asked.Voucher.String()) // to be canceled
		f.owner[asked.Voucher.String()] = f.people[0]
		sold := f.voucher(t, f.people[0], f.mine)
		f.add("voucher code", string(sold.Code))
		v, a := sold.ID.String(), asked.ID.String()
		f.add("voucher_id", v)
		f.add("appointment_id", a)
		f.owner[v], f.seller[a] = f.people[0], []uuid.UUID{f.mine.id.UUID()}
	}
	f.add("document_id", f.publish(t).String())
	for _, param := range []string{"duty_id", "pupil_id", "pupil_request_id"} {
		f.add(param, f.things(t, param, nil, nil)[0])
	}
	f.things(t, "outflow", f.people[0], f.mine)
	f.add("webhook_id", f.webhook(t, f.mine).String())
	for _, kind := range []string{"key_id", "webhook_id", "delivery_id"} {
		for _, thing := range f.ids[kind] {
			f.seller[thing] = []uuid.UUID{f.mine.id.UUID()}
		}
	}
	f.ids["path"] = []string{"0/000.p/1", "entries/000.p/1", "5/999", "0/x001/000"}
	f.ids["code"] = []string{"internal", "request.invalid", "no.such"}
	f.ids["outflow"] = []string{"0", "7"}
}

func (f *fuzzer) add(kind, id string) {
	if !slices.Contains(f.ids[kind], id) {
		f.ids[kind] = append(f.ids[kind], id)
	}
}

func (f *fuzzer) bought(p *person, b bought) {
	f.buys = append(f.buys, b)
	f.add("checkout_id", b.ID)
	f.owner[b.ID] = p
	for _, o := range b.Orders {
		f.add("order_id", o.ID)
		f.owner[o.ID], f.seller[o.ID] = p, []uuid.UUID{o.Merchant.ID}
	}
	f.note(p, b)
}

// known draws something of the shop that goes by this name.
func (f *fuzzer) known(t *rapid.T, name string) (string, bool) {
	draw := func(from []string) (string, bool) {
		if len(from) == 0 || rapid.IntRange(0, 9).Draw(t, "some other "+name) == 9 {
			return "", false
		}
		return rapid.SampledFrom(from).Draw(t, name), true
	}
	p := f.people[0]
	switch name {
	case "sku_id", "merchant_id", "order_id":
		return draw(f.ids[name])
	case "bank_reference":
		return draw([]string{fmt.Sprintf("ICBC-%d", f.next()), "ICBC-1"})
	case "login":
		return draw([]string{p.phone, f.people[1].phone, "root@shop.example"})
	case "password", "old_password", "new_password":
		return draw([]string{p.password, f.people[1].password, "correct-horse-battery"})
	case "phone":
		return draw([]string{fmt.Sprintf("136%08d", f.next()), "13812345678", "+44 20 7946 0958", p.phone})
	case "email":
		return draw([]string{fmt.Sprintf("fuzz%d@shop.example", f.next()), "root@shop.example", "A.B+c@EXAMPLE.org"})
	}
	return "", false
}

// who draws a caller.
func (f *fuzzer) who(t *rapid.T, op *operation) caller {
	switch rapid.IntRange(0, 11).Draw(t, "caller") {
	case 11:
		return caller{kind: "anonymous caller", person: f.people[0]}
	case 10:
		token := rapid.SampledFrom([]string{
			"Bearer", "Bearer ", "Basic eDp5", "bearer x", "Bearer " + strings.Repeat("A", 43), "Bearer " + strings.Repeat("x", 5000),
			"Bearer \xff\xfe", "Bearer a b", "Bearer " + f.expired.token, "Bearer " + f.revoked.token, "Bearer ' OR 1=1 --",
		}).Draw(t, "token")
		return caller{kind: "caller without a good token", person: f.people[0], header: http.Header{"Authorization": {token}}}
	case 0, 1, 2, 3, 4, 5, 6: // somebody who may
		var able []*person
		for _, p := range f.people {
			if f.as(p).may(op) {
				able = append(able, p)
			}
		}
		if len(able) > 0 {
			return f.as(rapid.SampledFrom(able).Draw(t, "able person"))
		}
	case 7:
		c := f.as(rapid.SampledFrom(f.people).Draw(t, "person"))
		c.header = cookie(c.person.token, rapid.SampledFrom([]string{"same-origin", "none", "cross-site", "same-site"}).Draw(t, "site"))
		if site := c.header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			if !op.safe() && !op.raw {
				c.standing = elsewhere
			}
		}
		return c
	}
	return f.as(rapid.SampledFrom(f.people).Draw(t, "person"))
}

// as is somebody as he stands by now.
func (f *fuzzer) as(p *person) caller {
	c := signedIn(p.name, p)
	switch {
	case f.dead[p.token]:
		c.standing = stranger
	case f.status[p] == "suspended":
		c.standing = suspended
	}
	return c
}

// request draws a request for an operation; broken says that something was done
// to it that the contract may not allow.
func (f *fuzzer) request(t *rapid.T, op *operation, who caller) (r request, broken bool) {
	r = request{op: op, method: op.method, header: who.header.Clone()}
	if r.header == nil {
		r.header = http.Header{}
	}
	in := make(map[string]string)
	for _, name := range op.pathParams() {
		in[name] = f.pathParam(t, op, who, name, &broken)
	}
	r.target = op.target(in)
	if query := f.query(t, op, &broken); query != "" {
		r.target += "?" + query
	}
	f.body(t, op, who, &r, &broken)
	f.fillHeader(t, op, &r, &broken)
	return r, broken
}

func (f *fuzzer) pathParam(t *rapid.T, op *operation, who caller, name string, broken *bool) string {
	switch rapid.IntRange(0, 9).Draw(t, "path parameter") {
	case 9:
		*broken = true
		return rapid.SampledFrom([]string{
			"x", "0", "-1", "%00", "\x00", "\xff", "..", ".", "'", "\"", "null", "undefined", "%2e%2e", strings.Repeat("9", 400), strings.Repeat("长", 300),
			"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "{" + uuid.NewString() + "}", "urn:uuid:" + uuid.NewString(), uuid.NewString() + " ", "a b", "?", "#", ";", "%",
		}).Draw(t, "odd "+name)
	case 8:
		return f.missing(name)
	case 7: // of another kind
		*broken = true
		kind := rapid.SampledFrom([]string{"account_id", "alert_id", "break_id", "case_id", "checkout_id", "claim_id", "compensation_id", "dispute_id", "file_id", "licence_id", "lot_id", "merchant_id", "notice_id", "order_id", "payout_id", "product_id", "recall_id", "refund_id", "report_id", "review_id", "session_id", "sku_id"}).Draw(t, "kind")
		return rapid.SampledFrom(f.ids[kind]).Draw(t, "other "+name)
	case 0, 1, 2: // his own, where there is such a thing
		own := slices.DeleteFunc(slices.Clone(f.ids[name]), func(id string) bool { return !f.mineOf(op, who, id) })
		if op.id == "removeCartLine" {
			own = f.carts[who.person]
		}
		if len(own) > 0 {
			return rapid.SampledFrom(own).Draw(t, "own "+name)
		}
	case 6:
		if name == "session_id" {
			return "current"
		}
	}
	return rapid.SampledFrom(f.ids[name]).Draw(t, name)
}

func (f *fuzzer) query(t *rapid.T, op *operation, broken *bool) string {
	var pairs []string
	for _, p := range op.params {
		if p.In != "query" {
			continue
		}
		if rapid.Bool().Draw(t, "without "+p.Name) {
			*broken = *broken || p.Required
			continue
		}
		var value string
		switch {
		case rapid.IntRange(0, 4).Draw(t, "odd query") == 4:
			*broken = true
			value = rapid.SampledFrom([]string{
				"", "0", "-1", "101", "1e9", "99999999999999999999", "1.5", "x", "\x00", "\xff", "null", "true", "' OR 1=1 --", strings.Repeat("A", 600),
				"MA==", "eyJrIjoiIn0=", "AAAA", "%", "١٢", " 1", "1 ", "[]", uuid.NewString(), "0000000000000000000000000000000000000000", "merchant:\x00", "merchant:" + strings.Repeat("x", 90),
			}).Draw(t, "odd "+p.Name)
		case p.Name == "cursor" && len(f.cursors) > 0:
			*broken = true // it may be another list's
			value = rapid.SampledFrom(f.cursors).Draw(t, "cursor")
		case p.Name == "cursor":
			continue
		default:
			n := f.valid(t, p.Schema.Value, p.Name)
			if json.Unmarshal([]byte(n.text), &value) != nil {
				value = n.text
			}
		}
		pairs = append(pairs, url.QueryEscape(p.Name)+"="+url.QueryEscape(value))
	}
	if rapid.IntRange(0, 19).Draw(t, "spoil the query") == 19 {
		*broken = true
		pairs = append(pairs, rapid.SampledFrom([]string{
			"x=1", "%zz=1", "limit=%zz", "limit=1;cursor=2", "&&&", "=", "limit=1&limit=2", "limit[]=1", "%00=1", "is_admin=true", "cursor", "a=" + strings.Repeat("b", 5000),
		}).Draw(t, "query"))
	}
	return strings.Join(pairs, "&")
}

func (f *fuzzer) body(t *rapid.T, op *operation, who caller, r *request, broken *bool) {
	switch {
	case op.media != nil:
		r.body = f.sheet(f.firms[rapid.IntRange(0, 1).Draw(t, "whose goods")])
		if rapid.Bool().Draw(t, "an odd sheet") {
			r.body = []byte(rapid.SampledFrom([]string{
				"", "a", "code,sku_code\n,\n", "code,sku_code,price\n=1,@,-1\n", "PK\x03\x04", "code,sku_code\n\"", "\xff\xfe", "code,code,sku_code\n\x00,\x00,\x00\n",
				"code,sku_code,stock\nx,y,99999999999999999999\n", strings.Repeat("code,", 200) + "sku_code\n", "code,sku_code\n" + strings.Repeat("a,b,c\n", 300),
			}).Draw(t, "sheet"))
		}
		*broken = true
	case op.raw:
		r.body = f.event()
		if rapid.Bool().Draw(t, "an event of ours") {
			r.body = fmt.Appendf(nil, `{"id":"evt_%d","object":"event","api_version":%q,"created":%d,"type":%q,"data":{"object":%s}}`,
				f.next(), sandbox.Version, f.Clock.Now().Unix(),
				rapid.SampledFrom([]string{"checkout.session.completed", "checkout.session.expired", "charge.refund.updated", "charge.dispute.created", "x"}).Draw(t, "type"),
				rapid.SampledFrom([]string{
					`{}`, `null`, `[]`, `{"id":"cs_1","object":"checkout.session","client_reference_id":"x","amount_total":-1,"payment_status":"paid","payment_intent":"pi_1"}`,
					fmt.Sprintf(`{"id":"cs_2","object":"checkout.session","client_reference_id":%q,"amount_total":1,"currency":"cny","payment_status":"paid","payment_intent":"pi_2","status":"complete","mode":"payment"}`, f.ids["checkout_id"][0]),
				}).Draw(t, "object"))
		}
		*broken = true
	case op.upload:
		r.body = form(f.tb)
		*broken = true
	case op.body != nil:
		var n *node
		if rapid.Bool().Draw(t, "the example") { // which gets further than what is made up
			n = nodeOf(f.example(t, op, who, f.named(*r)))
		} else {
			n = f.valid(t, op.body, "")
		}
		switch rapid.IntRange(0, 7).Draw(t, "spoil the body") {
		case 4, 5, 6:
			*broken = true
			f.spoil(t, n)
		case 7:
			*broken = true // or not, when the name is one that is known
			f.extend(t, n)
		}
		r.body = n.write(nil)
	case rapid.IntRange(0, 9).Draw(t, "a body where none belongs") == 9:
		*broken = true
		r.body = odd(t).write(nil)
	}
	if len(r.body) > 0 && rapid.IntRange(0, 19).Draw(t, "mangle the body") == 19 {
		*broken = true
		r.body = mangle(t, r.body)
	}
}

// example is a body as the contract has it. What has to be bought for it is not bought of
// the enterprises of this round, which may be suspended by now.
func (f *fuzzer) example(t *rapid.T, op *operation, who caller, in map[string]string) any {
	switch op.id {
	case "redeemVoucher":
		return map[string]any{"code": rapid.SampledFrom(f.ids["voucher code"]).Draw(t, "voucher code")}
	case "proposeCompensation":
		return f.shop.body(f.tb, op, who, f.nobodys, in)
	}
	return f.shop.body(f.tb, op, who, f.mine, in)
}

func (f *fuzzer) fillHeader(t *rapid.T, op *operation, r *request, broken *bool) {
	switch {
	case op.upload:
		r.header.Set("Content-Type", formType)
	case op.body != nil:
		r.header.Set("Content-Type", op.mediaType())
	}
	for _, p := range op.params {
		if p.In != "header" {
			continue
		}
		value := f.header(p.Name, r.body)
		isOdd := false
		switch {
		case rapid.IntRange(0, 9).Draw(t, "odd "+p.Name) == 9:
			*broken, isOdd = true, true
			value = rapid.SampledFrom([]string{
				"", "x", "with space in it", strings.Repeat("k", 129), "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", "t=1,v1=00", "t=99999999999999999999,v1=x", "t=,v1=", "v1=", ",,,,", "'; DROP TABLE x",
			}).Draw(t, p.Name)
		case p.Name == "Idempotency-Key" && len(f.keys) > 0 && rapid.IntRange(0, 2).Draw(t, "a key again") == 2:
			value = rapid.SampledFrom(f.keys).Draw(t, "key")
			if last := f.bodies[op]; last != nil && rapid.Bool().Draw(t, "the body again") {
				r.body, *broken = last, true
			}
		}
		r.header.Set(p.Name, value)
		if p.Name == "Idempotency-Key" && !isOdd {
			f.keys = append(f.keys, value)
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "another header") < 9 {
		return
	}
	name := rapid.SampledFrom([]string{"Content-Type", "Accept-Language", "If-None-Match", "X-Request-Id", "Accept", "Content-Encoding", "X-Forwarded-For", "Cookie", "Content-Length", "X-Http-Method-Override"}).Draw(t, "header")
	if name == "Content-Type" {
		*broken = true
	}
	if name == "Cookie" && r.header.Get("Cookie") != "" {
		return
	}
	r.header.Set(name, rapid.SampledFrom([]string{
		"", "*", "text/plain", "application/json; charset=gbk", "application/json; charset=utf-8", "APPLICATION/JSON", "multipart/form-data", "application/xml", ";;;", "\xff\xfe", "en", "zh-CN,zh;q=0.9,en;q=0.8",
		strings.Repeat("en,", 3000), `"x", W/"y"`, "abcdefgh12345678", "-1", "gzip", "__Host-session=x; __Host-session=y", "127.0.0.1, ::1", strings.Repeat("x", 8000), "DELETE",
	}).Draw(t, name))
}

// step draws one request or one thing that happens, and holds what comes of it.
func (f *fuzzer) step(t *rapid.T) {
	switch rapid.IntRange(0, 29).Draw(t, "step") { // small numbers are drawn more often
	case 29:
		f.purchase(t)
		return
	case 28:
		f.later(t)
		return
	case 27:
		f.nowhere(t)
		return
	}
	op := rapid.SampledFrom(f.drawn).Draw(t, "operation")
	who := f.who(t, op)
	r, broken := f.request(t, op, who)
	f.send(r, who, broken)
}

// send asks, and holds the answer against the contract, against x-authz, and
// against whose things it shows.
func (f *fuzzer) send(r request, who caller, broken bool) answer {
	a := ask(f.tb, f.handler, r)
	f.count.Add(1)
	for _, v := range f.x.examine(r, a) {
		f.found(v, r, a)
	}
	if r.op == nil {
		return a
	}
	f.judge(r, a, who, broken)
	if f.outcome[r.op.id] == nil {
		f.outcome[r.op.id] = make(map[string]int)
	}
	if a.status < 300 {
		f.outcome[r.op.id]["done"]++
		f.learn(r, a, who)
	} else {
		f.outcome[r.op.id][strconv.Itoa(a.status)+" "+a.code()]++
	}
	return a
}

// judge holds the answer against who asked for what.
func (f *fuzzer) judge(r request, a answer, who caller, broken bool) {
	say := func(rule, format string, args ...any) {
		f.found(violation{rule, r.op.id, fmt.Sprintf(format, args...)}, r, a)
	}
	if status, code := refusal(r.op, who); status != 0 {
		if a.status != status || a.code() != code {
			say(ruleAuthz, "the %s must get %d %s, and got %d %s", who.kind, status, code, a.status, a.code())
		}
		return
	}
	switch a.code() {
	case "identity.unauthenticated", "identity.suspended", "identity.forbidden":
		if r.op.id != "signIn" {
			say(ruleAuthz, "the %s may call it, and got %d %s", who.kind, a.status, a.code())
		}
	}
	if a.status < 300 {
		for _, v := range f.leaks(r, a, who) {
			f.found(v, r, a)
		}
		if err := f.legal(r); err != nil {
			say(ruleLegal, "it was answered %d, and the contract refuses it: %v", a.status, err)
		}
		for param, value := range f.named(r) {
			if r.op.owned(param) && !f.mineOf(r.op, who, value) {
				say(ruleAuthz, "the %s reached a {%s} of somebody else", who.kind, param)
			}
		}
	}
	if !broken && strings.HasPrefix(a.code(), "request.invalid") {
		say(ruleContract, "the request keeps the contract, and was refused: %v", a.problem().Errors)
	}
}

// mineOf reports whether a thing belongs to who asks, as far as the fuzzer knows.
func (f *fuzzer) mineOf(op *operation, who caller, thing string) bool {
	if op.authz.Owner == "none" {
		return true
	}
	if op.authz.Owner == "merchant" {
		sellers, known := f.seller[thing]
		return !known || who.firm != nil && slices.Contains(sellers, who.firm.id.UUID())
	}
	owner, known := f.owner[thing]
	return !known || owner == who.person
}

// named are the path parameters of a request.
func (f *fuzzer) named(r request) map[string]string {
	target, _, _ := strings.Cut(r.target, "?")
	have, want := strings.Split(target, "/"), strings.Split(r.op.path, "/")
	out := make(map[string]string)
	for i, w := range want {
		if name, ok := strings.CutPrefix(w, "{"); ok && i < len(have) {
			value, err := url.PathUnescape(have[i])
			if err == nil {
				out[strings.TrimSuffix(name, "}")] = value
			}
		}
	}
	return out
}

// legal says why the contract refuses a request's body, as a second opinion.
func (f *fuzzer) legal(r request) error {
	if r.op.body == nil || r.op.raw {
		return nil
	}
	var v any
	if err := json.Unmarshal(r.body, &v); err != nil {
		return err
	}
	return r.op.body.VisitJSON(v)
}

// learn takes from an answer what the next requests can use.
func (f *fuzzer) learn(r request, a answer, who caller) {
	if len(r.body) > 0 && r.header.Get("Idempotency-Key") != "" {
		f.bodies[r.op] = r.body
	}
	var page struct {
		Next string `json:"next_cursor"`
	}
	if json.Unmarshal(a.body, &page) == nil && page.Next != "" && len(f.cursors) < 50 {
		f.cursors = append(f.cursors, page.Next)
	}
	if !r.op.safe() && r.op.authz.Owner == "none" {
		f.altered = true
	}
	switch r.op.id {
	case "placeCheckout":
		var b bought
		if json.Unmarshal(a.body, &b) == nil && b.ID != "" && f.owner[b.ID] == nil {
			f.bought(who.person, b)
		}
	case "setCartLine":
		var line struct {
			SKU string `json:"sku_id"`
		}
		if json.Unmarshal(r.body, &line) == nil {
			f.carts[who.person] = append(f.carts[who.person], line.SKU)
		}
	case "signOut":
		f.altered = true
		session := f.named(r)["session_id"]
		if session == "current" {
			session = who.person.session
		}
		for _, p := range f.people {
			if p.session == session {
				f.dead[p.token] = true
			}
		}
	case "changePassword":
		f.altered = true // his other sessions end, and this is his only one that is used
	case "suspendAccount", "reinstateAccount", "grantRole", "revokeRole":
		f.relearn(a)
	case "acceptLevyAgreement": // he sells for the new enterprise now, of which nothing is known here
		who.person.roles = append(who.person.roles, identity.Grant{Role: identity.Merchant, Merchant: uuid.New()})
	}
}

// relearn takes from an answer who somebody is now.
func (f *fuzzer) relearn(a answer) {
	var account struct {
		ID, State string
		Roles     []struct {
			Role     identity.Role
			Merchant uuid.UUID `json:"merchant_id"`
		}
	}
	if json.Unmarshal(a.body, &account) != nil {
		return
	}
	for _, p := range f.people {
		if p.id.String() != account.ID {
			continue
		}
		f.status[p], p.roles, p.firm = account.State, nil, nil
		for _, g := range account.Roles {
			p.roles = append(p.roles, identity.Grant{Role: g.Role, Merchant: g.Merchant})
			for _, m := range f.firms {
				if g.Merchant == m.id.UUID() {
					p.firm = m
				}
			}
		}
	}
}

// nowhere asks for what the contract does not have.
func (f *fuzzer) nowhere(t *rapid.T) {
	op := rapid.SampledFrom(f.drawn).Draw(t, "operation")
	in := make(map[string]string)
	for _, name := range op.pathParams() {
		in[name] = rapid.SampledFrom(f.ids[name]).Draw(t, name)
	}
	r := request{method: rapid.SampledFrom([]string{"PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "CONNECT", "get"}).Draw(t, "method"), target: op.target(in), header: http.Header{}}
	if rapid.Bool().Draw(t, "another path") {
		r.method = op.method
		r.target = rapid.SampledFrom([]string{
			"/", "//", "/v1", "/v1/", "/v2/products", "/v1/products/", "/V1/Products", "/v1//products", "/v1/products/../me", "/v1/checkouts/..%2f../cancel", "/.env", "/wp-login.php", "/v1/ops", "/v1/me/x",
			"/%00", "/v1/%2e%2e/", "/debug/pprof/", "/metrics", "/v1/" + strings.Repeat("a", 5000), "/log/tile", "/log", "/*",
		}).Draw(t, "path")
		if r.target == "/" {
			return // the shop's front door, which is no operation
		}
	}
	f.send(r, caller{}, true)
}

// later lets time pass, and what becomes due with it.
func (f *fuzzer) later(t *rapid.T) {
	d := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute, 31 * time.Minute}).Draw(t, "later")
	if f.elapsed += d; f.elapsed > 20*24*time.Hour {
		return // sessions last 30 days, and licences not for ever
	}
	f.Clock.Advance(d)
	if _, err := f.Orders.ExpireDue(f.tb.Context(), 100); err != nil {
		f.tb.Fatalf("expire: %v", err)
	}
	f.work(f.tb)
}

// TestMain keeps rapid from writing files into the tree: they name draws, and what
// they drew from is another shop in the next run.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.shrinktime": "10s"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	m.Run()
}

// requests is how many the fuzzer sends: NETS_REQUESTS, or enough for a quick look.
func requests(t testing.TB) int64 {
	t.Helper()
	const quick = 300
	text := os.Getenv("NETS_REQUESTS")
	if text == "" {
		return quick
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("NETS_REQUESTS: %v", err)
	}
	return n
}

const (
	fuzzers  = 2      // at once, each in a shop of its own
	thorough = 10_000 // requests from which on each operation must have been reached
)

// fuzz sends so many requests to a shop of its own, and returns how often each
// operation was answered what.
func fuzz(t *testing.T, want int64) map[string]map[string]int {
	t.Helper()
	s := newStage(t)
	var count atomic.Int64
	var seen []string
	f := newFuzzer(t, s, s.handler, &count, func(v violation, r request, a answer) {
		seen = append(seen, fmt.Sprintf("%v\nrequest:\n%v\nanswer:\n%v\n%s", v, r, a, s.errors.of(a)))
	})
	run := func(enough func() bool) {
		for !enough() && !t.Failed() {
			rapid.Check(t, func(rt *rapid.T) {
				if enough() && len(seen) == 0 {
					return
				}
				f.round()
				before := len(seen)
				for range perRound {
					f.step(rt)
				}
				if len(seen) > before {
					rt.Fatalf("%s", seen[before])
				}
			})
		}
	}
	run(func() bool { return count.Load() >= want })
	if want >= thorough/fuzzers {
		const most = 5_000 // more requests for what chance has not reached
		run(func() bool {
			f.drawn = slices.DeleteFunc(slices.Clone(f.ops), func(op *operation) bool { return f.outcome[op.id]["done"] > 0 })
			return len(f.drawn) == 0 || count.Load() >= want+most
		})
	}
	t.Logf("%d requests", count.Load())
	return f.outcome
}

func TestEveryAnswerKeepsTheContract(t *testing.T) {
	t.Parallel()
	want := requests(t)
	var outcomes [fuzzers]map[string]map[string]int
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		for _, op := range contract(t) {
			all := make(map[string]int)
			for _, outcome := range outcomes {
				for what, n := range outcome[op.id] {
					all[what] += n
				}
			}
			if want >= thorough && all["done"] == 0 {
				t.Errorf("%s never did what it is for: teach the fuzzer to reach it; it was answered %v", op.id, all)
			}
			t.Logf("%s: done %d times", op.id, all["done"])
		}
	})
	for i := range fuzzers {
		t.Run("fuzzer "+strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			outcomes[i] = fuzz(t, want/fuzzers)
		})
	}
}
