package nets_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// plant is a mistake that somebody could make, put round the real shop.
type plant struct {
	name  string
	op    string   // the operation that it is in, for the matrix
	wide  bool     // others have it too
	rules []string // any of which it breaks
	wrap  func(s *stage, ops []*operation, next http.Handler) http.Handler
}

// plants are one mistake of each kind.
var plants = []plant{
	{"anybody's checkout can be read", "getCheckout", false, []string{ruleAuthz, ruleLeak}, foreignObject},
	{"a role is not asked for", "listTrail", false, []string{ruleAuthz}, missingRole},
	{"fields that nobody named are taken", "registerAccount", true, []string{ruleFields, ruleLegal}, massAssignment},
	{"a parameter that was not given is used", "listOrders", false, []string{ruleCrash}, nilPointer},
	{"an answer lacks what the contract promises", "listProducts", false, []string{ruleContract}, offContract},
}

// authorized is a request with somebody else's token.
func authorized(r *http.Request, token string) *http.Request {
	changed := r.Clone(r.Context())
	changed.Header.Set("Authorization", "Bearer "+token)
	return changed
}

// signs reports whether a request bears a token that is good.
func signs(s *stage, r *http.Request) bool {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	_, err := s.Identity.Resolve(r.Context(), token)
	return err == nil
}

// foreignObject forgets to compare the buyer.
func foreignObject(s *stage, _ []*operation, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		thing, ok := strings.CutPrefix(r.URL.Path, "/v1/checkouts/")
		if found, known := s.secrets.Load(thing); ok && known && r.Method == http.MethodGet && signs(s, r) {
			r = authorized(r, found.(secret).person.token)
		}
		next.ServeHTTP(w, r)
	})
}

// missingRole asks only whether somebody is signed in.
func missingRole(s *stage, _ []*operation, next http.Handler) http.Handler {
	var token atomic.Value
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/ops/trail" && signs(s, r) {
			if token.Load() == nil {
				token.Store(s.operator)
			}
			r = authorized(r, token.Load().(string))
		}
		next.ServeHTTP(w, r)
	})
}

// massAssignment reads bodies as json.Unmarshal does: what it does not know, it passes over.
func massAssignment(_ *stage, ops []*operation, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(ops, func(op *operation) bool {
			return op.path == r.URL.Path && op.method == r.Method && op.body != nil && !op.raw
		})
		body, err := io.ReadAll(r.Body)
		var object map[string]json.RawMessage
		if i >= 0 && err == nil && json.Unmarshal(body, &object) == nil && object != nil {
			for name := range object {
				if ops[i].body.Properties[name] == nil {
					delete(object, name)
				}
			}
			if body, err = json.Marshal(object); err != nil {
				body = nil
			}
		}
		changed := r.Clone(r.Context())
		changed.Body, changed.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		next.ServeHTTP(w, changed)
	})
}

// nilPointer uses an optional parameter without looking.
func nilPointer(s *stage, _ []*operation, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/orders" && r.Method == http.MethodGet && signs(s, r) {
			var cursor *string
			if given := r.URL.Query().Get("cursor"); given != "" {
				cursor = &given
			}
			_ = len(*cursor)
		}
		next.ServeHTTP(w, r)
	})
}

// offContract leaves a required property out when there is nothing to say.
func offContract(_ *stage, _ []*operation, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/products" {
			next.ServeHTTP(w, r)
			return
		}
		held := httptest.NewRecorder()
		next.ServeHTTP(held, r)
		for name, values := range held.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(held.Code)
		_, _ = w.Write(bytes.Replace(held.Body.Bytes(), []byte(`,"next_cursor":null`), nil, 1))
	})
}

// newPlanted is a stage with a mistake in it.
func newPlanted(t testing.TB, p plant) (*stage, []*operation) {
	t.Helper()
	s, ops := newStage(t), contract(t)
	s.operator = s.insider(t).token
	s.handler = p.wrap(s, ops, s.handler)
	return s, ops
}

// finds reports the first violation that is the plant's.
func (p plant) finds(found []violation) (violation, bool) {
	i := slices.IndexFunc(found, func(v violation) bool { return slices.Contains(p.rules, v.rule) && (p.wide || v.op == p.op) })
	if i < 0 {
		return violation{}, false
	}
	return found[i], true
}

// among are the plant's operation and each tenth of the others: it is found in a
// tenth of the time, and has to be told from as many.
func (p plant) among(ops []*operation) []*operation {
	var out []*operation
	for i, op := range ops {
		if op.id == p.op || i%10 == 0 {
			out = append(out, op)
		}
	}
	return out
}

func TestTheMatrixFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	for _, p := range plants {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s, ops := newPlanted(t, p)
			op := ops[slices.IndexFunc(ops, func(op *operation) bool { return op.id == p.op })]
			found := s.matrix(t, op)
			if !op.safe() {
				found = append(found, s.fields(t, op, answered(ops))...)
			}
			v, ok := p.finds(found)
			if !ok {
				t.Fatalf("it was not found among %d violations: %v", len(found), found)
			}
			t.Logf("found: %.300s", v)
		})
	}
}

func TestTheFuzzerFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	for _, p := range plants {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			const most = 20_000
			s, _ := newPlanted(t, p)
			var count atomic.Int64
			var found []violation
			f := newFuzzer(t, s, s.handler, &count, func(v violation, _ request, _ answer) { found = append(found, v) })
			f.drawn = p.among(f.ops)
			caught := func() bool { _, ok := p.finds(found); return ok }
			for !caught() && count.Load() < most {
				rapid.Check(t, func(rt *rapid.T) {
					if caught() {
						return
					}
					f.round()
					for range perRound {
						f.step(rt)
					}
				})
			}
			v, ok := p.finds(found)
			if !ok {
				t.Fatalf("it was not found in %d requests, but %v", count.Load(), found)
			}
			t.Logf("found in %d requests: %.300s", count.Load(), v)
		})
	}
}

func TestAnswersThatBreakARuleAreSeen(t *testing.T) {
	t.Parallel()
	x, ops := newExaminer(t), contract(t)
	op := ops[slices.IndexFunc(ops, func(op *operation) bool { return op.id == "getCheckout" })]
	header := func(kind string) http.Header {
		return http.Header{
			"Content-Type": {kind}, "X-Request-Id": {"abcdefgh"}, "X-Content-Type-Options": {"nosniff"}, "Cache-Control": {"no-store"},
			"Content-Security-Policy": {"default-src 'none'"}, "Referrer-Policy": {"no-referrer"},
		}
	}
	problem := func(code string, status int, more string) []byte {
		return fmt.Appendf(nil, `{"type":"/problems/%s","title":"x","status":%d,"code":%q,"request_id":"abcdefgh","instance":"abcdefgh"%s}`, code, status, code, more)
	}
	without := header("application/problem+json")
	without.Del("X-Content-Type-Options")
	tests := []struct {
		name string
		a    answer
		rule string // "": the answer is good
	}{
		{"not found", answer{404, header("application/problem+json"), problem("order.not_found", 404, ""), ""}, ""},
		{"an internal error", answer{500, header("application/problem+json"), problem("internal", 500, ""), ""}, ruleCrash},
		{"a 503 that is not declared", answer{503, header("application/problem+json"), problem("request.timeout", 503, ""), ""}, ruleCrash},
		{"a status that is not declared", answer{202, header("application/json"), []byte(`{}`), ""}, ruleContract},
		{"a code that is not explained", answer{404, header("application/problem+json"), problem("order.gone", 404, ""), ""}, ruleContract},
		{"a code with another status", answer{404, header("application/problem+json"), problem("order.wrong_state", 404, ""), ""}, ruleContract},
		{"a 400 that names no place", answer{400, header("application/problem+json"), problem("request.invalid", 400, ""), ""}, ruleContract},
		{"a refusal that is no problem", answer{404, header("application/json"), []byte(`{"error":"x"}`), ""}, ruleContract},
		{"a body without required properties", answer{200, header("application/json"), []byte(`{"id":"x"}`), ""}, ruleContract},
		{"an unknown property", answer{404, header("application/problem+json"), problem("order.not_found", 404, `,"stack":"x"`), ""}, ruleContract},
		{"an internal word", answer{404, header("application/problem+json"), problem("order.not_found", 404, `,"detail":"SQLSTATE 23505"`), ""}, ruleInternal},
		{"a missing header", answer{404, without, problem("order.not_found", 404, ""), ""}, ruleHeaders},
		{"a panic", answer{panicked: "x"}, ruleCrash},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			found := x.examine(request{op: op}, tt.a)
			broken := slices.ContainsFunc(found, func(v violation) bool { return v.rule == tt.rule })
			if tt.rule == "" && len(found) > 0 || tt.rule != "" && !broken {
				t.Errorf("found %v, want one of %q", found, tt.rule)
			}
		})
	}
}
