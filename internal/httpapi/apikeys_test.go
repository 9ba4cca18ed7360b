package httpapi_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/apikey"
	"github.com/shiyi-market/shiyi/internal/httpapi"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/redisdb"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/internal/webhook"
)

// key makes an API key of the miller's with every scope.
func (s *shop) key(t *testing.T) (id, secret string) {
	t.Helper()
	return s.keyFor(t, "miller", shoptest.Miller, apikey.Scopes()...)
}

// keyFor makes an API key of somebody's enterprise.
func (s *shop) keyFor(t *testing.T, who string, m merchant.ID, scopes ...apikey.Scope) (id, secret string) {
	t.Helper()
	w := s.call(t, http.MethodPost, "/v1/merchant/api-keys", s.token(t, who), map[string]any{
		"merchant_id": m.String(), "name": "ERP", "scopes": scopes, "expires_at": s.Clock.Now().Add(time.Hour).UTC(),
	})
	answered(t, w, http.StatusCreated)
	var made struct {
		Key    string
		APIKey struct{ ID string } `json:"api_key"`
	}
	must(t, json.Unmarshal(w.Body.Bytes(), &made))
	return made.APIKey.ID, made.Key
}

func TestWhatIsDoneByKeyNamesTheKeyAndNeverItsSecret(t *testing.T) {
	t.Parallel()
	log := new(lines)
	s := newShop(t, options{log: log})
	key, secret := s.key(t)

	answered(t, s.call(t, http.MethodPost, "/v1/merchant/skus/"+shoptest.SKU("flour").String(), secret, map[string]any{"price_fen": 3400}), http.StatusOK)

	entries, err := s.Trail.Entries(t.Context(), page.Request{}, trail.Filter{Object: "sku:" + shoptest.SKU("flour").String()})
	must(t, err)
	if len(entries.Data) == 0 || entries.Data[0].Operation != "catalog.set_price" || entries.Data[0].Detail["api_key"] != key {
		t.Errorf("the trail says %+v, want the key %s", entries.Data, key)
	}
	all := log.read(t)
	if last := all[len(all)-1]; last["api_key"] != key {
		t.Errorf("the log says %v, want the key %s", last, key)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if bytes.Contains(log.buf.Bytes(), []byte(secret[17:])) {
		t.Error("the log tells the secret")
	}
}

func TestAKeyMayAskSoOftenAMinute(t *testing.T) {
	t.Parallel()
	redis, err := redisdb.Open(t.Context(), redisdb.Config{}, slog.New(slog.DiscardHandler))
	must(t, err)
	t.Cleanup(func() { _ = redis.Close() })
	s := newShop(t, options{redis: redis, cfg: httpapi.Config{Limits: httpapi.Limits{APIKey: 3}}})
	_, secret := s.key(t)
	_, other := s.key(t)
	for range 3 {
		answered(t, s.call(t, http.MethodGet, "/v1/merchant/products", secret, nil), http.StatusOK)
	}
	w := s.call(t, http.MethodGet, "/v1/merchant/orders", secret, nil)
	problemOf(t, w, http.StatusTooManyRequests, "request.too_many")
	if w.Header().Get("Retry-After") == "" {
		t.Error("it does not say when to come back")
	}
	answered(t, s.call(t, http.MethodGet, "/v1/merchant/products", other, nil), http.StatusOK)
	answered(t, s.call(t, http.MethodGet, "/v1/merchant/products", s.token(t, "miller"), nil), http.StatusOK)
}

// Two programs of one person, or a program and the person, may choose the same
// Idempotency-Key: they are not each other.
func TestAKeysRequestsAreItsOwn(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{})
	_, one := s.key(t)
	_, two := s.key(t)
	path := "/v1/merchant/skus/" + shoptest.SKU("flour").String() + "/stock"
	for i, token := range []string{one, two, s.token(t, "miller"), one} {
		w := s.call(t, http.MethodPost, path, token, map[string]any{"delta": 5, "reason": "新到一批"}, "Idempotency-Key", "batch-0001")
		answered(t, w, http.StatusOK)
		if replayed := w.Header().Get("Idempotent-Replayed") == "true"; replayed != (i == 3) {
			t.Errorf("request %d was replayed: %t", i+1, replayed)
		}
	}
	if got := s.Pieces(t, "flour"); got[0] != 25 {
		t.Errorf("%d pieces, want 25", got[0])
	}
}

func TestAnEnterprisesOwnSystemShips(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{})
	c := s.Place(t, "ann", shoptest.Choose("flour", 2))
	s.Pay(t, c.PayURL)
	path := "/v1/merchant/orders/" + c.Orders[0].ID.String()
	_, ships := s.keyFor(t, "miller", shoptest.Miller, apikey.ShipmentsWrite)
	_, looks := s.keyFor(t, "miller", shoptest.Miller, apikey.ShipmentsRead, apikey.OrdersRead)
	_, another := s.keyFor(t, "distiller", shoptest.Distiller, apikey.Scopes()...)
	parcel := map[string]any{"carrier": "ZTO", "tracking_number": "ZT0000000001"}
	ship := func(key string) *httptest.ResponseRecorder {
		return s.call(t, http.MethodPost, path+"/shipments", key, parcel, "Idempotency-Key", "parcel-0001")
	}
	if w := s.call(t, http.MethodGet, "/v1/merchant/pick-list", looks, nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), c.Orders[0].ID.String()) {
		t.Errorf("the pick list is %d %s", w.Code, w.Body)
	}
	problemOf(t, s.call(t, http.MethodGet, "/v1/merchant/pick-list", ships, nil), http.StatusForbidden, "apikey.scope")
	problemOf(t, ship(looks), http.StatusForbidden, "apikey.scope")
	problemOf(t, ship(another), http.StatusNotFound, "order.not_found")
	answered(t, s.call(t, http.MethodPost, path+"/pack", ships, nil), http.StatusOK)
	answered(t, ship(ships), http.StatusCreated)
	if w := ship(ships); w.Code != http.StatusCreated || w.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("shipped again with the same key it is %d %s", w.Code, w.Body)
	}
	if w := s.call(t, http.MethodGet, path+"/fulfilment", looks, nil); !strings.Contains(w.Body.String(), `"state":"shipped"`) {
		t.Errorf("shipped, it is %d %s", w.Code, w.Body)
	}
}

func TestTheContractAndTheCodeHaveTheSameScopesAndEvents(t *testing.T) {
	t.Parallel()
	doc := contract(t)
	enum := func(schema string) []string {
		var out []string
		for _, v := range doc.Components.Schemas[schema].Value.Enum {
			text, _ := v.(string)
			out = append(out, text)
		}
		return out
	}
	var scopes, used, types []string
	for _, s := range apikey.Scopes() {
		scopes = append(scopes, string(s))
	}
	for _, typ := range webhook.Types() {
		types = append(types, string(typ))
	}
	if diff := cmp.Diff(scopes, enum("ApiKeyScope")); diff != "" {
		t.Errorf("scopes (-code +contract):\n%s", diff)
	}
	if diff := cmp.Diff(types, enum("WebhookEventType")); diff != "" {
		t.Errorf("events (-code +contract):\n%s", diff)
	}
	for path, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			scope, ok := op.Extensions["x-scope"].(string)
			if !ok {
				continue
			}
			used = append(used, scope)
			if !strings.HasPrefix(path, "/v1/merchant/") {
				t.Errorf("%s lets keys in, and is not the enterprises' own", op.OperationID)
			}
		}
	}
	slices.Sort(used)
	if diff := cmp.Diff(scopes, slices.Compact(used)); diff != "" {
		t.Errorf("scopes that some operation has (-code +contract):\n%s", diff)
	}
}
