package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/internal/webhook"
)

// The two enterprises, and who sells for them.
var (
	mill  = id.FromName[uuid.UUID]("test", "mill").UUID()
	still = id.FromName[uuid.UUID]("test", "still").UUID()
	ann   = seller("ann", mill)
	ben   = seller("ben", still)
)

func seller(name string, m uuid.UUID) identity.Caller {
	return identity.Caller{Account: id.FromName[identity.Account]("test", name), Roles: []identity.Grant{{Role: identity.Merchant, Merchant: m}}}
}

// address is where the endpoints of tests seem to be; every dial goes to the test's
// own receiver.
const address = "http://erp.example/hook"

// heard is a message that came in.
type heard struct {
	header http.Header
	body   string
}

// receiver is an enterprise's system.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []heard
	answer func(w http.ResponseWriter, n int) // to the n-th message, from 1; nil: 204
}

func newReceiver(t *testing.T, answer func(w http.ResponseWriter, n int)) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// ServeHTTP takes a message.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	r.got = append(r.got, heard{q.Header, string(body)})
	n := len(r.got)
	r.mu.Unlock()
	if r.answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	r.answer(w, n)
}

func (r *receiver) heard() []heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// way leads to this receiver wherever it is asked to go. The guard of the program's
// own way is tested in outbound.
func (r *receiver) way() *http.Transport {
	return wayTo(func(string) *receiver { return r })
}

func wayTo(who func(address string) *receiver) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, TLSClientConfig: new(tls.Config), DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, who(address).Listener.Addr().String())
	}}
}

// world is a service with a clock of its own.
type world struct {
	*webhook.Service
	db    *postgres.DB
	clock *pgtest.Clock
}

func newWorld(t *testing.T, via http.RoundTripper) *world {
	t.Helper()
	w := &world{clock: pgtest.NewClock(pgtest.Noon)}
	w.db = pgtest.NewAt(t, w.clock.Now)
	w.Service = webhook.New(w.db, webhook.Config{PlainHTTP: true}, via)
	return w
}

// create makes an endpoint of the mill's that hears of paid orders.
func (w *world) create(t *testing.T, types ...webhook.Type) (webhook.Endpoint, string) {
	t.Helper()
	if types == nil {
		types = []webhook.Type{webhook.OrderPaid}
	}
	e, secret, err := w.Create(t.Context(), ann, mill, address, types)
	must(t, err)
	return e, secret
}

// sold is a fact of the mill's, as of now.
func (w *world) sold(ref string) webhook.Event {
	return webhook.Event{Merchant: mill, Type: webhook.OrderPaid, Ref: ref, At: w.clock.Now(), Data: map[string]any{"goods_fen": 3300}}
}

func (w *world) deliver(t *testing.T) int {
	t.Helper()
	n, err := w.Deliver(t.Context())
	must(t, err)
	return n
}

// log is what an endpoint's owner sees of its deliveries, oldest first.
func (w *world) log(t *testing.T, e webhook.EndpointID) []webhook.Delivery {
	t.Helper()
	p, err := w.Deliveries(t.Context(), ann, e, page.Request{Limit: 100})
	must(t, err)
	slices.Reverse(p.Data)
	return p.Data
}

// only is the one delivery that there is.
func (w *world) only(t *testing.T, e webhook.EndpointID) webhook.Delivery {
	t.Helper()
	all := w.log(t, e)
	if len(all) != 1 {
		t.Fatalf("%d deliveries, want 1: %+v", len(all), all)
	}
	return all[0]
}

// endpoint is an endpoint as it stands.
func (w *world) endpoint(t *testing.T, e webhook.EndpointID) webhook.Endpoint {
	t.Helper()
	p, err := w.Endpoints(t.Context(), ann, page.Request{})
	must(t, err)
	for _, one := range p.Data {
		if one.ID == e {
			return one
		}
	}
	t.Fatalf("endpoint %s is not there", e)
	return webhook.Endpoint{}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// verified checks a message as docs/webhooks.md tells receivers to, and gives its id.
func verified(t *testing.T, h heard, secret string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	must(t, err)
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte(h.header.Get("Webhook-Id") + "." + h.header.Get("Webhook-Timestamp") + "." + h.body))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !slices.Contains(strings.Split(h.header.Get("Webhook-Signature"), " "), want) {
		t.Errorf("the signatures are %q, want %q among them", h.header.Get("Webhook-Signature"), want)
	}
	return h.header.Get("Webhook-Id")
}

func TestAnEventReachesWhoWantsItSignedAndOnce(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	w := newWorld(t, r.way())
	e, secret := w.create(t)
	other, _ := w.create(t, webhook.OrderRefunded)
	must(t, w.Tell(t.Context(), w.sold("order-1"), webhook.Event{Merchant: still, Type: webhook.OrderPaid, Ref: "order-2", At: w.clock.Now()}))

	if n := w.deliver(t); n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
	got := r.heard()
	if len(got) != 1 {
		t.Fatalf("%d messages, want 1", len(got))
	}
	eid := verified(t, got[0], secret)
	if at := got[0].header.Get("Webhook-Timestamp"); at != strconv.FormatInt(pgtest.Noon.Unix(), 10) {
		t.Errorf("timestamp %s, want that of noon", at)
	}
	if agent := got[0].header.Get("User-Agent"); !strings.HasPrefix(agent, "Shiyi-Webhooks/") {
		t.Errorf("user agent %q", agent)
	}
	var body map[string]any
	must(t, json.Unmarshal([]byte(got[0].body), &body))
	want := map[string]any{
		"id": eid, "type": "order.paid", "timestamp": "2026-11-23T04:00:00Z", "merchant_id": mill.String(), "data": map[string]any{"goods_fen": 3300.0},
	}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	d := w.only(t, e.ID)
	if d.State != webhook.Delivered || d.Attempts != 1 || d.Status != 204 || d.Error != "" || !d.Next.IsZero() || d.Ref != "order-1" || d.Event.String() != eid {
		t.Errorf("delivery %+v", d)
	}
	if all := w.log(t, other.ID); len(all) != 0 {
		t.Errorf("who does not want it has %+v", all)
	}
	if n := w.deliver(t); n != 0 || len(r.heard()) != 1 {
		t.Errorf("it is sent again")
	}
}

func TestAFactIsOneEventHoweverOftenItIsTold(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	w := newWorld(t, r.way())
	e, _ := w.create(t)
	pgtest.AtOnce(t, 8, func(int) error { return w.Tell(t.Context(), w.sold("a"), w.sold("b"), w.sold("a")) })
	must(t, w.Tell(t.Context(), w.sold("b")))
	if n := w.deliver(t); n != 2 || len(w.log(t, e.ID)) != 2 {
		t.Errorf("%d attempts for %+v, want 2", n, w.log(t, e.ID))
	}
	ids := make(map[string]bool)
	for _, h := range r.heard() {
		ids[h.header.Get("Webhook-Id")] = true
	}
	if len(ids) != 2 {
		t.Errorf("%d events came, want 2", len(ids))
	}
}

func TestWithoutAnEndpointAFactCostsOneStatement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	err := postgres.Do(t.Context(), w.db, func(tx *postgres.Tx) error {
		before := w.db.Statements()
		err := webhook.Emit(t.Context(), tx, w.sold("a"), w.sold("b"))
		if n := w.db.Statements() - before; n != 1 {
			t.Errorf("%d statements, want 1", n)
		}
		return err
	})
	must(t, err)
	var n int
	must(t, w.db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM webhook_event`).Scan(&n))
	if n != 0 {
		t.Errorf("%d events that nobody hears of", n)
	}
}

func TestAnEventIsPartOfTheChangeThatItTellsOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	e, _ := w.create(t)
	failed := errors.New("the change failed")
	err := postgres.Do(t.Context(), w.db, func(tx *postgres.Tx) error {
		return errors.Join(webhook.Emit(t.Context(), tx, w.sold("a")), failed)
	})
	if !errors.Is(err, failed) || len(w.log(t, e.ID)) != 0 {
		t.Errorf("%v, and deliveries %+v", err, w.log(t, e.ID))
	}
}

func TestWhatFailsIsTriedAgainLaterAndLaterAndThenNoMore(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ int) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "我们的系统\x00坏了")
	})
	w := newWorld(t, r.way())
	e, secret := w.create(t)
	must(t, w.Tell(t.Context(), w.sold("a")))
	waits := []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour}
	for i, wait := range waits {
		if n := w.deliver(t); n != 1 {
			t.Fatalf("attempt %d: %d were made", i+1, n)
		}
		d := w.only(t, e.ID)
		after := d.Next.Sub(w.clock.Now())
		if d.State != webhook.Pending || d.Attempts != i+1 || d.Status != 500 || d.Error != "status" || d.Response != "我们的系统坏了" || after < wait || after > wait+wait/10 {
			t.Fatalf("after attempt %d: %+v, next in %v, want %v to a tenth more", i+1, d, after, wait)
		}
		w.clock.Set(d.Next.Add(-time.Second))
		if n := w.deliver(t); n != 0 {
			t.Fatalf("attempt %d was repeated too early", i+1)
		}
		w.clock.Set(d.Next)
	}
	w.deliver(t)
	if d := w.only(t, e.ID); d.State != webhook.Failed || d.Attempts != 8 || !d.Next.IsZero() {
		t.Errorf("after the last attempt: %+v", d)
	}
	w.clock.Advance(30 * 24 * time.Hour)
	if n := w.deliver(t); n != 0 {
		t.Errorf("it is tried for ever")
	}
	got := r.heard()
	for _, h := range got {
		if verified(t, h, secret) != got[0].header.Get("Webhook-Id") || h.body != got[0].body {
			t.Errorf("an attempt differs: %+v", h)
		}
	}
	if w.endpoint(t, e.ID).State != webhook.Enabled {
		t.Errorf("one message that failed disabled the endpoint")
	}
}

func TestWhatHasFailedIsSentOnceMoreWhenItsOwnerWants(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, n int) {
		if n == 1 {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	w := newWorld(t, r.way())
	e, _ := w.create(t)
	must(t, w.Tell(t.Context(), w.sold("a")))
	w.deliver(t)
	d := w.only(t, e.ID)
	if d.State != webhook.Pending || w.endpoint(t, e.ID).FailingSince.IsZero() {
		t.Fatalf("after a failure: %+v of %+v", d, w.endpoint(t, e.ID))
	}
	if _, err := w.Resend(t.Context(), ben, d.ID); !errors.Is(err, webhook.ErrDelivery) {
		t.Errorf("another enterprise resends it: %v, want %v", err, webhook.ErrDelivery)
	}
	for range 2 { // what waits, and then what has come through
		again, err := w.Resend(t.Context(), ann, d.ID)
		must(t, err)
		if again.State != webhook.Pending || !again.Next.Equal(w.clock.Now()) {
			t.Errorf("resent: %+v", again)
		}
		if n := w.deliver(t); n != 1 {
			t.Errorf("%d attempts, want 1", n)
		}
		if d := w.only(t, e.ID); d.State != webhook.Delivered {
			t.Errorf("resent: %+v", d)
		}
	}
	if got := r.heard(); len(got) != 3 || got[0].header.Get("Webhook-Id") != got[2].header.Get("Webhook-Id") {
		t.Errorf("%d messages, want 3 of one id", len(got))
	}
	if !w.endpoint(t, e.ID).FailingSince.IsZero() {
		t.Error("it still counts as failing")
	}
}

func TestAnEndpointThatFailsForDaysIsDisabledAndSaysSo(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusBadGateway) })
	w := newWorld(t, r.way())
	e, _ := w.create(t)
	for _, ref := range []string{"a", "b", "c"} { // a day and a bit between each
		must(t, w.Tell(t.Context(), w.sold(ref)))
		w.deliver(t)
		if got := w.endpoint(t, e.ID); got.State != webhook.Enabled || !got.FailingSince.Equal(pgtest.Noon) {
			t.Fatalf("it is %+v", got)
		}
		w.clock.Advance(webhook.Patience / 3)
	}
	must(t, w.Tell(t.Context(), w.sold("d")))
	w.deliver(t)
	if got := w.endpoint(t, e.ID); got.State != webhook.Disabled || got.Because != webhook.Failing {
		t.Fatalf("after three days it is %+v", got)
	}
	told := len(r.heard())
	must(t, w.Tell(t.Context(), w.sold("e")))
	w.clock.Advance(48 * time.Hour)
	if n := w.deliver(t); n != 0 || len(r.heard()) != told {
		t.Error("a disabled endpoint is called")
	}
	if _, err := w.Ping(t.Context(), ann, e.ID); !errors.Is(err, webhook.ErrDisabled) {
		t.Errorf("ping: %v, want %v", err, webhook.ErrDisabled)
	}
	if _, err := w.Resend(t.Context(), ann, w.log(t, e.ID)[0].ID); !errors.Is(err, webhook.ErrDisabled) {
		t.Errorf("resend: %v, want %v", err, webhook.ErrDisabled)
	}
	entries, err := trail.New(w.db).Entries(t.Context(), page.Request{}, trail.Filter{Object: "webhook:" + e.ID.String()})
	must(t, err)
	if last := entries.Data[0]; last.Operation != "webhook.disable" || last.Actor != uuid.Nil || last.Detail["because"] != "failing" {
		t.Errorf("the trail says %+v", last)
	}
	yes := true
	enabled, err := w.Edit(t.Context(), ann, e.ID, webhook.Change{Enabled: &yes})
	must(t, err)
	if enabled.State != webhook.Enabled || enabled.Because != "" || !enabled.FailingSince.IsZero() {
		t.Errorf("enabled: %+v", enabled)
	}
	if n := w.deliver(t); n == 0 {
		t.Error("what waited is not sent")
	}
}

func TestGoneMeansGone(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusGone) })
	w := newWorld(t, r.way())
	e, _ := w.create(t)
	must(t, w.Tell(t.Context(), w.sold("a")))
	w.deliver(t)
	if got, d := w.endpoint(t, e.ID), w.only(t, e.ID); got.Because != webhook.Gone || d.State != webhook.Failed || d.Status != http.StatusGone {
		t.Errorf("%+v and %+v", got, d)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, header string
		least, most  time.Duration
	}{
		{"seconds", "600", 10 * time.Minute, 10 * time.Minute},
		{"a date", pgtest.Noon.Add(time.Hour).Format(http.TimeFormat), time.Hour, time.Hour},
		{"less than the step", "1", time.Minute, 66 * time.Second},
		{"longer than a day", "99999999", 24 * time.Hour, 24 * time.Hour},
		{"beyond all bounds", "99999999999999999999", time.Minute, 66 * time.Second},
		{"in the past", pgtest.Noon.Add(-time.Hour).Format(http.TimeFormat), time.Minute, 66 * time.Second},
		{"nonsense", "soon", time.Minute, 66 * time.Second},
		{"below zero", "-5", time.Minute, 66 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, func(w http.ResponseWriter, _ int) {
				w.Header().Set("Retry-After", tt.header)
				w.WriteHeader(http.StatusServiceUnavailable)
			})
			w := newWorld(t, r.way())
			e, _ := w.create(t)
			must(t, w.Tell(t.Context(), w.sold("a")))
			w.deliver(t)
			if wait := w.only(t, e.ID).Next.Sub(w.clock.Now()); wait < tt.least || wait > tt.most {
				t.Errorf("next in %v, want %v to %v", wait, tt.least, tt.most)
			}
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(w http.ResponseWriter, _ int) {
		w.Header().Set("Location", "http://erp.example/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	w := newWorld(t, r.way())
	e, _ := w.create(t)
	must(t, w.Tell(t.Context(), w.sold("a")))
	w.deliver(t)
	if d := w.only(t, e.ID); len(r.heard()) != 1 || d.Status != 307 || d.Error != "redirect" || d.State != webhook.Pending {
		t.Errorf("%d messages, %+v", len(r.heard()), d)
	}
}

func TestAnAnswerWithoutEndIsReadNoFurtherThanItsBeginning(t *testing.T) {
	t.Parallel()
	written := make(chan int, 1)
	r := newReceiver(t, func(w http.ResponseWriter, _ int) {
		sum := 0
		for part := strings.Repeat("谢谢。", 3<<20/9); sum < 1<<30; { // until nobody listens any more
			n, err := io.WriteString(w, part)
			if sum += n; err != nil {
				break
			}
		}
		written <- sum
	})
	w := newWorld(t, r.way())
	e, _ := w.create(t)
	must(t, w.Tell(t.Context(), w.sold("a")))
	w.deliver(t)
	d := w.only(t, e.ID)
	if d.State != webhook.Delivered || len(d.Response) > 1024 || !strings.HasPrefix(d.Response, "谢谢。谢谢。") || len(d.Response) < 1000 {
		t.Errorf("delivery %s with %d bytes of answer", d.State, len(d.Response))
	}
	if n := <-written; n > 64<<20 { // what the system's buffers take is not much
		t.Errorf("%d bytes were taken", n)
	}
}

func TestASlowEndpointHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var busy, most int
	var mu sync.Mutex
	slow := newReceiver(t, func(w http.ResponseWriter, _ int) {
		mu.Lock()
		busy++
		most = max(most, busy)
		mu.Unlock()
		<-release
		mu.Lock()
		busy--
		mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
	quick := newReceiver(t, func(w http.ResponseWriter, n int) {
		if n == 12 {
			close(release) // only when the quick one has had all of its messages the slow one goes on
		}
		w.WriteHeader(http.StatusNoContent)
	})
	via := wayTo(func(address string) *receiver {
		if strings.HasPrefix(address, "slow.") {
			return slow
		}
		return quick
	})
	w := newWorld(t, via)
	_, _, err := w.Create(t.Context(), ann, mill, "http://slow.example/", []webhook.Type{webhook.OrderPaid})
	must(t, err)
	for i := range 30 {
		must(t, w.Tell(t.Context(), w.sold("slow-"+strconv.Itoa(i))))
	}
	w.clock.Advance(time.Second)
	_, _, err = w.Create(t.Context(), ben, still, "http://quick.example/", []webhook.Type{webhook.OrderPaid})
	must(t, err)
	for i := range 12 {
		must(t, w.Tell(t.Context(), webhook.Event{Merchant: still, Type: webhook.OrderPaid, Ref: strconv.Itoa(i), At: w.clock.Now()}))
	}
	if n := w.deliver(t); n != 42 || len(quick.heard()) != 12 {
		t.Errorf("%d attempts, %d of them with the quick one", n, len(quick.heard()))
	}
	if most != 2 {
		t.Errorf("the slow one had %d messages at once, want 2", most)
	}
}

func TestTwoProcessesSendEachMessageOnce(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	w := newWorld(t, r.way())
	w.create(t)
	for i := range 20 {
		must(t, w.Tell(t.Context(), w.sold(strconv.Itoa(i))))
	}
	pgtest.AtOnce(t, 4, func(int) error {
		_, err := w.Deliver(t.Context())
		return err
	})
	if n := len(r.heard()); n != 20 {
		t.Errorf("%d messages, want 20", n)
	}
}

func TestWhoDiesWhileSendingSendsAgain(t *testing.T) {
	t.Parallel()
	ctx, die := context.WithCancel(t.Context())
	r := newReceiver(t, func(w http.ResponseWriter, n int) {
		if n == 1 {
			die()
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	w := newWorld(t, r.way())
	e, _ := w.create(t)
	must(t, w.Tell(t.Context(), w.sold("a")))
	if _, err := w.Deliver(ctx); err == nil {
		t.Fatal("who died says nothing")
	}
	if d := w.only(t, e.ID); d.State != webhook.Pending || d.Attempts != 0 {
		t.Fatalf("who died wrote down %+v", d)
	}
	if n := w.deliver(t); n != 0 {
		t.Error("what is leased is sent by another")
	}
	w.clock.Advance(31 * time.Second)
	w.deliver(t)
	got := r.heard()
	if len(got) != 2 || got[0].header.Get("Webhook-Id") != got[1].header.Get("Webhook-Id") || w.only(t, e.ID).State != webhook.Delivered {
		t.Errorf("%d messages, want two of one id", len(got))
	}
}

func TestForADayBothSecretsSign(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	w := newWorld(t, r.way())
	e, old := w.create(t)
	if _, _, err := w.Rotate(t.Context(), ben, e.ID); !errors.Is(err, webhook.ErrUnknown) {
		t.Errorf("another enterprise rotates: %v, want %v", err, webhook.ErrUnknown)
	}
	_, fresh, err := w.Rotate(t.Context(), ann, e.ID)
	must(t, err)
	must(t, w.Tell(t.Context(), w.sold("a")))
	w.deliver(t)
	w.clock.Advance(webhook.Overlap)
	must(t, w.Tell(t.Context(), w.sold("b")))
	w.deliver(t)
	got := r.heard()
	verified(t, got[0], old)
	verified(t, got[0], fresh)
	verified(t, got[1], fresh)
	if n := len(strings.Fields(got[1].header.Get("Webhook-Signature"))); n != 1 || old == fresh {
		t.Errorf("after a day there are %d signatures", n)
	}
}

func TestAPingSaysWhetherAnEndpointHears(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	w := newWorld(t, r.way())
	e, secret := w.create(t)
	if _, err := w.Ping(t.Context(), ben, e.ID); !errors.Is(err, webhook.ErrUnknown) {
		t.Errorf("another enterprise pings: %v, want %v", err, webhook.ErrUnknown)
	}
	d, err := w.Ping(t.Context(), ann, e.ID)
	must(t, err)
	if d.State != webhook.Pending || d.Type != "ping" {
		t.Errorf("ping: %+v", d)
	}
	w.deliver(t)
	if got := r.heard(); len(got) != 1 || verified(t, got[0], secret) != d.Event.String() || !strings.Contains(got[0].body, `"type":"ping"`) {
		t.Errorf("heard %+v", got)
	}
}

func TestAnEndpointHearsOfWhatHappensWhileItWantsTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	e, _ := w.create(t)
	before := w.sold("before")
	before.At = pgtest.Noon.Add(-time.Second)
	tell := func(ref string) {
		t.Helper()
		w.clock.Advance(time.Minute)
		must(t, w.Tell(t.Context(), w.sold(ref), webhook.Event{Merchant: mill, Type: webhook.OrderRefunded, Ref: ref, At: w.clock.Now()}))
		w.clock.Advance(time.Minute)
	}
	edit := func(c webhook.Change) {
		t.Helper()
		_, err := w.Edit(t.Context(), ann, e.ID, c)
		must(t, err)
	}
	no, yes := false, true
	must(t, w.Tell(t.Context(), before))
	tell("1")
	edit(webhook.Change{Events: []webhook.Type{webhook.OrderRefunded, webhook.OrderPaid}})
	tell("2")
	edit(webhook.Change{Enabled: &no})
	tell("3")
	edit(webhook.Change{Enabled: &yes})
	missed := w.sold("3 again")
	missed.At = w.clock.Now().Add(-time.Minute)
	must(t, w.Tell(t.Context(), missed))
	tell("4")
	edit(webhook.Change{Events: []webhook.Type{webhook.OrderRefunded}})
	tell("5")
	var got []string
	for _, d := range w.log(t, e.ID) {
		got = append(got, string(d.Type)+" "+d.Ref)
	}
	slices.Sort(got)
	want := []string{"order.paid 1", "order.paid 2", "order.paid 4", "order.refunded 2", "order.refunded 4", "order.refunded 5"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
}

func TestSweepsAreToldSinceWhenToLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	wanted := func() []webhook.Want {
		t.Helper()
		all, err := w.Wanted(t.Context(), webhook.OrderPaid, webhook.OrderRefunded)
		must(t, err)
		return all
	}
	if got := wanted(); len(got) != 0 {
		t.Errorf("nobody wants %v", got)
	}
	w.create(t, webhook.OrderPaid, webhook.LicenceExpiring)
	w.clock.Advance(time.Hour)
	w.create(t, webhook.OrderPaid)
	want := []webhook.Want{{Merchant: mill, Type: webhook.OrderPaid, Since: pgtest.Noon}}
	if diff := cmp.Diff(want, wanted()); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}
	must(t, w.Tell(t.Context(), w.sold("a")))
	want[0].Since = pgtest.Noon.Add(55 * time.Minute)
	if diff := cmp.Diff(want, wanted()); diff != "" {
		t.Errorf("after an event (-want +got):\n%s", diff)
	}
	w.clock.Advance(30 * 24 * time.Hour)
	want[0].Since = w.clock.Now().Add(-7 * 24 * time.Hour)
	if diff := cmp.Diff(want, wanted()); diff != "" {
		t.Errorf("after a month (-want +got):\n%s", diff)
	}
}

func TestAnEndpointIsMadeOnlyAsTheRulesAllow(t *testing.T) {
	t.Parallel()
	strict := webhook.New(pgtest.New(t), webhook.Config{}, nil)
	tests := []struct {
		name, url string
		want      error
	}{
		{"http", "http://erp.example/", webhook.ErrURL},
		{"another scheme", "ftp://erp.example/", webhook.ErrURL},
		{"no scheme", "erp.example", webhook.ErrURL},
		{"no host", "https:///hook", webhook.ErrURL},
		{"only a port", "https://:443/", webhook.ErrURL},
		{"a user", "https://ann@erp.example/", webhook.ErrURL},
		{"a password", "https://ann:secret@erp.example/", webhook.ErrURL},
		{"another port", "https://erp.example:8443/", webhook.ErrURL},
		{"half a port", "https://erp.example:/", webhook.ErrURL},
		{"a fragment", "https://erp.example/#x", webhook.ErrURL},
		{"an empty fragment", "https://erp.example/#", webhook.ErrURL},
		{"a space", "https://erp.example/ a", webhook.ErrURL},
		{"a line break", "https://erp.example/\r\nX: y", webhook.ErrURL},
		{"letters that look alike", "https://еrp.example/", webhook.ErrURL},
		{"a long one", "https://erp.example/" + strings.Repeat("a", 500), webhook.ErrURL},
		{"nothing", "", webhook.ErrURL},
		{"loopback", "https://127.0.0.1/", webhook.ErrURL},
		{"loopback of IPv6", "https://[::1]/", webhook.ErrURL},
		{"mapped loopback", "https://[::ffff:127.0.0.1]/", webhook.ErrURL},
		{"the cloud's metadata", "https://169.254.169.254/latest/meta-data", webhook.ErrURL},
		{"a zone", "https://[fe80::1%25eth0]/", webhook.ErrURL},
		{"as it should be", "https://erp.example/hook?tenant=1", nil},
		{"with its port", "https://erp.example:443/hook", nil},
		{"a public address", "https://[2606:4700::1111]/", nil},
	}
	for _, tt := range tests {
		e, secret, err := strict.Create(t.Context(), ann, mill, tt.url, []webhook.Type{webhook.OrderPaid})
		if !errors.Is(err, tt.want) || (err == nil) != strings.HasPrefix(secret, "whsec_") {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if err != nil && (len(fault.Of(err).Fields) != 1 || fault.Of(err).Fields[0].Pointer != "/url") {
			t.Errorf("%s: %+v does not point at /url", tt.name, fault.Of(err).Fields)
		}
		if err == nil {
			continue
		}
		_, _ = strict.Edit(t.Context(), ann, e.ID, webhook.Change{})
		bad := "https://10.0.0.1/"
		if _, err := strict.Edit(t.Context(), ann, e.ID, webhook.Change{URL: &bad}); !errors.Is(err, webhook.ErrURL) {
			t.Errorf("%s, moved to a private address: %v, want %v", tt.name, err, webhook.ErrURL)
		}
	}
	for _, types := range [][]webhook.Type{nil, {}, {"ping"}, {"order.paid", "x"}} {
		if _, _, err := strict.Create(t.Context(), ann, mill, "https://erp.example/", types); !errors.Is(err, webhook.ErrInvalid) {
			t.Errorf("events %v: %v, want %v", types, err, webhook.ErrInvalid)
		}
	}
	if _, _, err := strict.Create(t.Context(), ann, still, "https://erp.example/", webhook.Types()); !errors.Is(err, webhook.ErrMerchant) {
		t.Errorf("for another enterprise: %v, want %v", err, webhook.ErrMerchant)
	}
}

func TestAnEnterpriseHasNoMoreThanSoManyEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	n := pgtest.AtOnce(t, webhook.MaxEndpoints+4, func(int) error {
		_, _, err := w.Create(t.Context(), ann, mill, address, webhook.Types())
		return err
	}, webhook.ErrTooMany)
	if n != webhook.MaxEndpoints {
		t.Errorf("%d were made, want %d", n, webhook.MaxEndpoints)
	}
	_, _, err := w.Create(t.Context(), ben, still, address, webhook.Types())
	must(t, err)
}

func TestTheEndpointsOfAnotherEnterpriseAreNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	e, _ := w.create(t)
	no := false
	if _, err := w.Edit(t.Context(), ben, e.ID, webhook.Change{Enabled: &no}); !errors.Is(err, webhook.ErrUnknown) {
		t.Errorf("edit: %v, want %v", err, webhook.ErrUnknown)
	}
	if _, err := w.Deliveries(t.Context(), ben, e.ID, page.Request{}); !errors.Is(err, webhook.ErrUnknown) {
		t.Errorf("deliveries: %v, want %v", err, webhook.ErrUnknown)
	}
	if p, err := w.Endpoints(t.Context(), ben, page.Request{}); err != nil || len(p.Data) != 0 {
		t.Errorf("list: %v, %v", p.Data, err)
	}
}

func TestDeliveriesArePagedAndForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newReceiver(t, nil).way())
	e, _ := w.create(t)
	for i := range 5 {
		must(t, w.Tell(t.Context(), w.sold(strconv.Itoa(i))))
		w.clock.Advance(time.Second)
	}
	var got []string
	for p := (page.Request{Limit: 2}); ; {
		some, err := w.Deliveries(t.Context(), ann, e.ID, p)
		must(t, err)
		for _, d := range some.Data {
			got = append(got, d.Ref)
		}
		if p.Cursor = some.Next; p.Cursor == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"4", "3", "2", "1", "0"}, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	left := func() (deliveries, events int) {
		t.Helper()
		must(t, w.db.SQL().QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM webhook_delivery), (SELECT count(*) FROM webhook_event)`).Scan(&deliveries, &events))
		return deliveries, events
	}
	for _, step := range []struct {
		at                 time.Time
		deliveries, events int
	}{
		{pgtest.Noon.Add(webhook.KeptDeliveries), 5, 5},
		{pgtest.Noon.Add(webhook.KeptDeliveries + 2*time.Second), 3, 5},
		{pgtest.Noon.Add(webhook.KeptDeliveries + time.Hour), 0, 5},
		{pgtest.Noon.Add(webhook.KeptEvents + time.Hour), 0, 0},
	} {
		w.clock.Set(step.at)
		for n := 2; n == 2; {
			var err error
			n, err = w.Forget(t.Context(), 2)
			must(t, err)
		}
		if deliveries, events := left(); deliveries != step.deliveries || events != step.events {
			t.Errorf("%v after noon there are %d deliveries and %d events, want %d and %d", step.at.Sub(pgtest.Noon), deliveries, events, step.deliveries, step.events)
		}
	}
}

func TestSecretsAreShownOnceAndWrittenNowhereElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	e, secret := w.create(t)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	must(t, err)
	if len(raw) != 32 {
		t.Errorf("the secret has %d bytes", len(raw))
	}
	js, err := json.Marshal(w.endpoint(t, e.ID))
	must(t, err)
	if strings.Contains(string(js), secret[6:20]) {
		t.Errorf("the list tells: %s", js)
	}
	var n int
	must(t, w.db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM trail_entry e WHERE e::text LIKE '%' || $1 || '%' OR e::text LIKE '%/hook%'`, secret[6:20]).Scan(&n))
	if n != 0 {
		t.Errorf("the trail tells the secret or the whole address %d times", n)
	}
}

func TestOverTLSTheCertificateCounts(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{true, false} {
		r := &receiver{}
		r.Server = httptest.NewUnstartedServer(r)
		r.Config.ErrorLog = log.New(io.Discard, "", 0)
		r.StartTLS()
		t.Cleanup(r.Close)
		via := r.way()
		if trusted {
			via.TLSClientConfig.RootCAs = x509.NewCertPool()
			via.TLSClientConfig.RootCAs.AddCert(r.Certificate())
		}
		w := newWorld(t, via)
		e, _, err := w.Create(t.Context(), ann, mill, "https://example.com/hook", []webhook.Type{webhook.OrderPaid})
		must(t, err)
		must(t, w.Tell(t.Context(), w.sold("a")))
		w.deliver(t)
		d := w.only(t, e.ID)
		if trusted && d.State != webhook.Delivered || !trusted && d.Error != "tls" {
			t.Errorf("with a certificate that is trusted: %t: %+v", trusted, d)
		}
	}
}

// silent is a way on which no answer ever comes.
type silent struct{ limit chan time.Duration }

// RoundTrip says what net/http says when a deadline has passed.
func (s silent) RoundTrip(r *http.Request) (*http.Response, error) {
	end, _ := r.Context().Deadline()
	s.limit <- time.Until(end)
	return nil, context.DeadlineExceeded
}

func TestAnEndpointHasTenSecondsToAnswer(t *testing.T) {
	t.Parallel()
	via := silent{make(chan time.Duration, 1)}
	w := newWorld(t, via)
	e, _ := w.create(t)
	must(t, w.Tell(t.Context(), w.sold("a")))
	w.deliver(t)
	if limit := <-via.limit; limit > 10*time.Second || limit < 5*time.Second {
		t.Errorf("it has %v", limit)
	}
	if d := w.only(t, e.ID); d.State != webhook.Pending || d.Error != "timeout" {
		t.Errorf("delivery %+v", d)
	}
}

func TestWhereNobodyListensTheConnectionIsWhatFailed(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	r.Close()
	w := newWorld(t, r.way())
	e, _ := w.create(t)
	must(t, w.Tell(t.Context(), w.sold("a")))
	w.deliver(t)
	if d := w.only(t, e.ID); d.State != webhook.Pending || d.Status != 0 || d.Error != "connection" || d.Response != "" {
		t.Errorf("delivery %+v", d)
	}
}
