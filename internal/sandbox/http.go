package sandbox

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// maxBody bounds a request, in bytes.
const maxBody = 1 << 16

// problem is an error as Stripe shows it.
type problem struct {
	Status  int    `json:"-"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message"`
	Param   string `json:"param,omitempty"`
	Type    string `json:"type"`
}

// Error is the message.
func (p *problem) Error() string { return p.Message }

const (
	invalidRequest = "invalid_request_error"
	idempotency    = "idempotency_error"
)

func bad(param, code, format string, args ...any) *problem {
	return &problem{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...), Param: param, Type: invalidRequest}
}

func missing(kind, id string) *problem {
	return &problem{Status: http.StatusNotFound, Code: "resource_missing", Message: fmt.Sprintf("No such %s: '%s'", kind, id), Param: "id", Type: invalidRequest}
}

// call is one request to the API.
type call struct {
	method, path string
	form         url.Values // of the query and the body
	key, hash    string     // of idempotency
	now          int64
}

// RoundTrip answers a request to Stripe's API, whatever its host. It fails only
// when the request's context has ended or its body cannot be read.
func (s *Sandbox) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		read, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
		body = read
	}
	status, fault := http.StatusOK, s.fault(r)
	var answer any
	err := fault.before()
	if err == nil {
		answer, err = s.answer(r, string(body))
		err = cmp.Or(fault.after(), err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, err
	}
	if err != nil {
		var p *problem
		if !errors.As(err, &p) {
			p = &problem{Status: http.StatusInternalServerError, Message: err.Error(), Type: "api_error"}
		}
		status, answer = p.Status, map[string]*problem{"error": p}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Request-Id": {"req_" + rand.Text()}, "Stripe-Version": {Version}}
	if key := r.Header["Idempotency-Key"]; key != nil {
		header["Idempotency-Key"] = key
	}
	return &http.Response{
		Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Request: r,
		Body: io.NopCloser(bytes.NewReader(text)), ContentLength: int64(len(text)),
	}, nil
}

// answer checks what all requests must have and finds who can serve this one.
func (s *Sandbox) answer(r *http.Request, body string) (any, error) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok || token == "" {
		return nil, &problem{Status: http.StatusUnauthorized, Message: "You did not provide an API key.", Type: invalidRequest}
	}
	if v := r.Header.Get("Stripe-Version"); v != "" && v != Version {
		return nil, bad("", "", "Invalid Stripe API version: %s", v)
	}
	text := body
	if r.URL.RawQuery != "" {
		text = r.URL.RawQuery + "&" + body
	}
	form, err := url.ParseQuery(text)
	if err != nil {
		return nil, bad("", "", "Invalid request body: %s", err)
	}
	c := call{method: r.Method, path: r.URL.Path, form: form, key: r.Header.Get("Idempotency-Key"), now: s.clock().Unix()}
	if c.key != "" {
		sum := sha256.Sum256([]byte(c.method + " " + c.path + "\n" + body))
		c.hash = hex.EncodeToString(sum[:16])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serve(c)
}

// serve is the table of what the sandbox can do. The caller holds the lock.
func (s *Sandbox) serve(c call) (any, error) {
	rest, _ := strings.CutPrefix(c.path, "/v1/")
	parts := strings.Split(rest, "/")
	switch {
	case c.method == http.MethodPost && rest == "checkout/sessions":
		return s.createSession(c)
	case c.method == http.MethodGet && rest == "checkout/sessions":
		return s.listSessions(c)
	case c.method == http.MethodGet && len(parts) == 3 && strings.HasPrefix(rest, "checkout/sessions/"):
		return s.session(parts[2])
	case c.method == http.MethodPost && len(parts) == 4 && strings.HasPrefix(rest, "checkout/sessions/") && parts[3] == "expire":
		return s.expireSession(c, parts[2])
	case c.method == http.MethodGet && len(parts) == 2 && parts[0] == "payment_intents":
		return s.intent(parts[1])
	case c.method == http.MethodPost && rest == "refunds":
		return s.createRefund(c)
	case c.method == http.MethodGet && rest == "refunds":
		return s.listRefunds(c)
	case c.method == http.MethodGet && rest == "disputes":
		return s.listDisputes(c)
	case c.method == http.MethodGet && rest == "balance_transactions":
		return s.listEntries(c)
	case c.method == http.MethodGet && rest == "events":
		return listed(c, &s.past, nil, func(e *event) any { return e.Body })
	case c.method == http.MethodGet && len(parts) == 2 && parts[0] == "refunds":
		return s.refund(parts[1])
	}
	if answer, err, served := s.connect(c, parts); served {
		return answer, err
	}
	return nil, &problem{
		Status: http.StatusNotFound, Type: invalidRequest,
		Message: fmt.Sprintf("Unrecognized request URL (%s: %s).", c.method, c.path),
	}
}

// known refuses parameters that the sandbox does not take.
func (c call) known(names ...string) error {
	for name := range c.form {
		top, _, _ := strings.Cut(name, "[")
		if !slices.Contains(names, top) {
			return bad(name, "parameter_unknown", "Received unknown parameter: %s", name)
		}
	}
	return nil
}

// integer is a parameter within bounds; absent, it is preset.
func (c call) integer(name string, preset, least, most int64) (int64, error) {
	if !c.form.Has(name) {
		return preset, nil
	}
	n, err := strconv.ParseInt(c.form.Get(name), 10, 64)
	switch {
	case err != nil:
		return 0, bad(name, "parameter_invalid_integer", "Invalid integer: %s", c.form.Get(name))
	case n < least:
		return 0, bad(name, "parameter_invalid_integer", "This value must be greater than or equal to %d.", least)
	case n > most:
		return 0, bad(name, "", "This value must be less than or equal to %d.", most)
	}
	return n, nil
}

// metadata is what metadata[a]=…, metadata[b]=… hold.
func (c call) metadata() map[string]string {
	var out map[string]string
	for key, values := range c.form {
		inner, ok := strings.CutPrefix(key, "metadata[")
		if !ok || !strings.HasSuffix(inner, "]") {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[strings.TrimSuffix(inner, "]")] = values[0]
	}
	return out
}

// list is what name[0]=…, name[1]=… hold.
func (c call) list(name string) []string {
	var out []string
	for c.form.Has(name + "[" + strconv.Itoa(len(out)) + "]") {
		out = append(out, c.form.Get(name+"["+strconv.Itoa(len(out))+"]"))
	}
	return out
}

// kept is what an idempotency key made.
type kept struct {
	id, hash string // hash is of the request
	at       int64
}

// keep remembers what a key made.
func (s *state) keep(key string, made kept) {
	if key != "" {
		s.keys[key] = made
	}
}

// remembered is for how many seconds a key is known: as at Stripe, a day.
const remembered = 24 * 60 * 60

// again finds what was made with the request's idempotency key.
func (s *Sandbox) again(c call) (id string, err error) {
	made, ok := s.keys[c.key]
	if c.key == "" || !ok || c.now-made.at >= remembered {
		return "", nil
	}
	if made.hash != c.hash {
		return "", &problem{
			Status: http.StatusBadRequest, Type: idempotency, Code: "idempotency_key_in_use",
			Message: "Keys for idempotent requests can only be used with the same parameters they were first used with.",
		}
	}
	return made.id, nil
}

func (s *Sandbox) createSession(c call) (any, error) {
	id, err := s.again(c)
	if err != nil {
		return nil, err
	}
	if id != "" { // the same answer as the first time, whatever happened since
		first := *s.sessions[id]
		first.Status, first.Intent = open, ""
		return first.object(s.cfg.PageURL), nil
	}
	made, err := c.session()
	if err != nil {
		return nil, err
	}
	if err := s.save(record{Session: made}); err != nil {
		return nil, err
	}
	return made.object(s.cfg.PageURL), nil
}

// session reads the parameters of a new session.
func (c call) session() (*session, error) {
	if err := c.known("mode", "client_reference_id", "line_items", "success_url", "cancel_url", "expires_at",
		"payment_method_types", "payment_method_options", "payment_intent_data", "metadata", "locale"); err != nil {
		return nil, err
	}
	if c.form.Get("mode") != "payment" {
		return nil, bad("mode", "", "Invalid mode: must be payment")
	}
	made := &session{
		ID: "cs_test_" + rand.Text() + rand.Text(), Ref: c.form.Get("client_reference_id"), Status: open, Metadata: c.metadata(),
		Success: c.form.Get("success_url"), Cancel: c.form.Get("cancel_url"), Methods: c.list("payment_method_types"),
		Created: c.now, Key: c.key, Hash: c.hash,
	}
	if err := c.items(made); err != nil {
		return nil, err
	}
	for _, name := range []string{"success_url", "cancel_url"} {
		if u, err := url.Parse(c.form.Get(name)); err != nil || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, bad(name, "url_invalid", "Not a valid URL")
		}
	}
	for _, method := range made.Methods {
		if method != Card && method != Alipay && method != WeChat {
			return nil, bad("payment_method_types", "", "Invalid payment_method_types: %s", method)
		}
	}
	if len(made.Methods) == 0 {
		made.Methods = []string{Card}
	}
	if slices.Contains(made.Methods, WeChat) && c.form.Get("payment_method_options[wechat_pay][client]") != "web" {
		return nil, bad("payment_method_options[wechat_pay][client]", "parameter_missing", "wechat_pay needs the client web")
	}
	var err error
	made.Expires, err = c.integer("expires_at", c.now+maxLife, c.now+minLife, c.now+maxLife)
	return made, err
}

// items adds up the line items.
func (c call) items(made *session) error {
	for n := 0; ; n++ {
		item := "line_items[" + strconv.Itoa(n) + "]"
		price := item + "[price_data]"
		if !c.form.Has(price + "[currency]") {
			break
		}
		currency := c.form.Get(price + "[currency]")
		if len(currency) != 3 || currency != strings.ToLower(currency) || (made.Currency != "" && made.Currency != currency) {
			return bad(price+"[currency]", "", "Invalid currency: %s", currency)
		}
		unit, err := c.integer(price+"[unit_amount]", -1, 0, maxAmount)
		if err != nil {
			return err
		}
		quantity, err := c.integer(item+"[quantity]", 1, 1, maxAmount)
		if err != nil {
			return err
		}
		name := c.form.Get(price + "[product_data][name]")
		if unit < 0 || name == "" {
			return bad(price, "parameter_missing", "Missing required param: %s", price)
		}
		made.Currency, made.Amount = currency, made.Amount+unit*quantity
		if made.Description != "" {
			name = ", " + name
		}
		made.Description += name
		if made.Amount > maxAmount {
			return bad("line_items", "amount_too_large", "The total is more than %d", maxAmount)
		}
	}
	if made.Amount < 1 {
		return bad("line_items", "amount_too_small", "The total must be at least 1")
	}
	return nil
}

func (s *Sandbox) session(id string) (any, error) {
	found, ok := s.sessions[id]
	if !ok {
		return nil, missing("checkout.session", id)
	}
	return found.object(s.cfg.PageURL), nil
}

// listSessions lists the session of a payment intent: the only filter that is served.
func (s *Sandbox) listSessions(c call) (any, error) {
	if err := c.known("payment_intent", "limit"); err != nil {
		return nil, err
	}
	out := listObject{Object: "list", URL: c.path, Data: []sessionObject{}}
	if found, ok := s.intents[c.form.Get("payment_intent")]; ok {
		out.Data = append(out.Data, found.object(s.cfg.PageURL))
	}
	return out, nil
}

func (s *Sandbox) expireSession(c call, id string) (any, error) {
	found, ok := s.sessions[id]
	if !ok {
		return nil, missing("checkout.session", id)
	}
	if c.key != "" && found.ExpireKey == c.key {
		return found.object(s.cfg.PageURL), nil
	}
	if found.Status != open {
		return nil, bad("", "", "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of %q.", found.Status)
	}
	if err := s.expire(found, c.key, c.now); err != nil {
		return nil, err
	}
	return found.object(s.cfg.PageURL), nil
}

func (s *Sandbox) intent(id string) (any, error) {
	found, ok := s.intents[id]
	if !ok {
		return nil, missing("payment_intent", id)
	}
	return found.intent(), nil
}

func (s *Sandbox) refund(id string) (any, error) {
	found, ok := s.refunds[id]
	if !ok {
		return nil, missing("refund", id)
	}
	return found.object(found.Status), nil
}

// listRefunds lists the refunds of a payment intent, the newest first.
func (s *Sandbox) listRefunds(c call) (any, error) {
	if err := c.known("payment_intent", "limit", "starting_after"); err != nil {
		return nil, err
	}
	out := pageObject{Object: "list", URL: c.path, Data: []any{}}
	for _, id := range slices.Backward(s.returned[c.form.Get("payment_intent")]) {
		out.Data = append(out.Data, s.refunds[id].object(s.refunds[id].Status))
	}
	return out, nil
}

func (s *Sandbox) createRefund(c call) (any, error) {
	id, err := s.again(c)
	if err != nil {
		return nil, err
	}
	if id != "" {
		return s.refunds[id].object(s.refunds[id].Answer), nil
	}
	if err := c.known("payment_intent", "amount", "reason", "metadata"); err != nil {
		return nil, err
	}
	paid, ok := s.intents[c.form.Get("payment_intent")]
	if !ok {
		return nil, bad("payment_intent", "resource_missing", "No such payment_intent: '%s'", c.form.Get("payment_intent"))
	}
	left := paid.Amount - paid.Refunded
	if left == 0 {
		return nil, bad("", "charge_already_refunded", "Charge %s has already been refunded.", charge(paid.Intent))
	}
	amount, err := c.integer("amount", left, 1, maxAmount)
	if err != nil {
		return nil, err
	}
	if amount > left {
		return nil, bad("amount", "", "Refund amount (%d) is greater than unrefunded amount on charge (%d)", amount, left)
	}
	switch reason := c.form.Get("reason"); reason {
	case "", "duplicate", "fraudulent", "requested_by_customer":
	default:
		return nil, bad("reason", "", "Invalid reason: %s", reason)
	}
	return s.giveBack(c, paid, amount)
}

// giveBack makes the refund, of which an event tells. To a card it is done; to a
// wallet it is under way, and another event tells that it arrived.
func (s *Sandbox) giveBack(c call, paid *session, amount int64) (any, error) {
	made := &refund{
		ID: "re_" + rand.Text(), Intent: paid.Intent, Amount: amount, Currency: paid.Currency, Metadata: c.metadata(),
		Reason: c.form.Get("reason"), Created: c.now, Answer: "succeeded", Status: "succeeded", Key: c.key, Hash: c.hash,
	}
	next := *paid
	next.Refunded += amount
	switch {
	case s.back == RefundsWait:
		made.Answer, made.Status = "pending", "pending"
	case s.back == RefundsFail:
		made.Answer, made.Status, made.Failed = "pending", "failed", c.now
		next.Refunded -= amount
	case paid.Method != Card:
		made.Answer = "pending"
	}
	err := s.save(record{Session: &next, Refund: made, Event: newEvent("refund.created", paid.ID, c.now, made.object(made.Answer))})
	if err == nil && made.Answer != made.Status {
		err = s.save(record{Event: newEvent("charge.refund.updated", paid.ID, c.now, made.object(made.Status))})
	}
	if err != nil {
		return nil, err
	}
	return made.object(made.Answer), nil
}
