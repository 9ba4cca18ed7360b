package nets_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"pgregory.net/rapid"
)

// shopper is somebody new who buys something, by requests alone.
type shopper struct {
	*fuzzer
	t *rapid.T
	p *person
}

// purchase goes the whole way: register, sign in, fill the cart, look at the
// total, place, and then cancel, or pay, read the receipt and get some back.
func (f *fuzzer) purchase(t *rapid.T) {
	s := shopper{f, t, &person{name: "buyer", phone: fmt.Sprintf("+86135%08d", f.next()), password: "correct-horse-battery"}}
	if !s.enter() {
		return
	}
	s.fillCart()
	b, ok := s.place()
	switch {
	case !ok:
	case rapid.IntRange(0, 2).Draw(t, "cancel") == 2:
		s.do(s.p, "cancelCheckout", "/v1/checkouts/"+b.ID+"/cancel", nil)
	case b.PayURL != "":
		s.payFor(b)
	}
}

// do sends a request as somebody. It is one that nothing is wrong with: it may be
// refused by a rule, for prices and stock are anything by now, and by nothing else.
func (s shopper) do(who *person, id, target string, body any) answer {
	op := s.ops[slices.IndexFunc(s.ops, func(op *operation) bool { return op.id == id })]
	r := request{op: op, method: op.method, target: target, header: http.Header{}}
	as := caller{kind: who.name, person: who}
	if !op.authz.Public {
		as, r.header = signedIn(who.name, who), bearer(who.token)
	}
	if op.param("header", "Idempotency-Key") != nil {
		r.header.Set("Idempotency-Key", fresh())
	}
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			s.t.Fatalf("%v", err)
		}
		r.body = raw
		r.header.Set("Content-Type", "application/json")
	}
	a := s.send(r, as, false)
	if a.status >= 400 && a.status != http.StatusConflict && a.status != http.StatusUnprocessableEntity {
		s.found(violation{ruleContract, id, "a plain purchase gets stuck"}, r, a)
	}
	return a
}

func (s shopper) enter() bool {
	s.do(s.p, "registerAccount", "/v1/accounts", map[string]string{"phone": s.p.phone, "password": s.p.password, "name": s.p.name})
	a := s.do(s.p, "signIn", "/v1/sessions", map[string]string{"login": s.p.phone, "password": s.p.password})
	var session struct{ ID, Token string }
	if json.Unmarshal(a.body, &session) != nil || session.Token == "" {
		return false
	}
	s.p.token, s.p.session = session.Token, session.ID
	s.keep(secret{"a session", s.p, nil}, s.p.session)
	return true
}

func (s shopper) fillCart() {
	for range rapid.IntRange(1, 3).Draw(s.t, "lines") {
		m := rapid.SampledFrom(s.firms).Draw(s.t, "enterprise")
		product := rapid.SampledFrom(m.products[:3]).Draw(s.t, "product")
		s.do(s.p, "setCartLine", "/v1/cart/lines", map[string]any{
			"sku_id": product.SKUs[0].ID, "quantity": rapid.IntRange(1, 5).Draw(s.t, "quantity"),
		})
	}
	s.do(s.p, "getCart", "/v1/cart", nil)
}

func (s shopper) place() (b bought, ok bool) {
	placing := map[string]any{"from_cart": true, "adult_declared": true, "waiver_confirmed": true, "ship_to": map[string]string{
		"recipient": "李梅", "phone": "13812345678", "province": "北京市", "city": "北京市", "district": "朝阳区", "detail": "建国路1号",
	}}
	var preview struct {
		Total int64 `json:"total_fen"`
	}
	a := s.do(s.p, "previewCheckout", "/v1/checkouts/preview", map[string]any{"from_cart": true})
	if json.Unmarshal(a.body, &preview) == nil && preview.Total > 0 {
		placing["expected_total_fen"] = preview.Total
	}
	a = s.do(s.p, "placeCheckout", "/v1/checkouts", placing)
	return b, a.status == http.StatusCreated && json.Unmarshal(a.body, &b) == nil
}

func (s shopper) payFor(b bought) {
	s.settle(s.tb, b)
	if a := s.do(s.p, "getReceipt", "/v1/checkouts/"+b.ID+"/receipt", nil); a.status != http.StatusOK {
		s.found(violation{ruleContract, "getReceipt", "a paid checkout has no receipt"}, request{}, a)
	}
	if rapid.Bool().Draw(s.t, "refund") {
		s.do(s.clerk, "refundOrder", "/v1/ops/orders/"+b.Orders[0].ID+"/refunds", map[string]any{
			"lines": []map[string]int{{"line": 1, "quantity": 1}}, "reason": "到货破损", "restock": true,
		})
		s.work(s.tb)
	}
}
