package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// bought is a paid checkout of li's, whose tenth is free and partly in a project.
func bought(t *testing.T, s *shop) (checkout string, r verify.Receipt) {
	t.Helper()
	w := s.call(t, http.MethodPost, "/v1/checkouts", s.token(t, "li"), map[string]any{
		"lines":   []map[string]any{{"sku_id": shoptest.SKU("flour"), "quantity": 3}, {"sku_id": shoptest.SKU("liquor"), "quantity": 1}},
		"ship_to": map[string]any{"recipient": "李梅", "phone": "13800000000", "province": "北京市", "city": "北京市", "district": "朝阳区", "detail": "建国路1号"}, "adult_declared": true,
	}, "Idempotency-Key", uuid.NewString())
	var placed struct {
		ID, PayURL string
		Orders     []struct {
			ID       uuid.UUID
			GoodsFen int64 `json:"goods_fen"`
			Merchant struct{ ID uuid.UUID }
		}
	}
	must(t, json.Unmarshal(w.Body.Bytes(), &placed))
	s.Pay(t, (&conversation{shop: s}).page(t, placed.ID))
	s.Sequence(t)
	for _, o := range placed.Orders {
		book(t, s, fund.Mature(o.Merchant.ID, o.ID.String(), money.Fen(o.GoodsFen)))
	}
	grant := uuid.New()
	book(t, s, fund.Grant(grant, 1160), fund.PayGrant(grant, uuid.New(), uuid.New(), 1060))
	s.Sequence(t)
	return placed.ID, receiptOf(t, s, placed.ID)
}

func book(t *testing.T, s *shop, all ...ledger.Transfer) {
	t.Helper()
	for _, x := range all { // each in a transaction of its own, so that their order is theirs
		must(t, postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error { return ledger.Book(t.Context(), tx, []ledger.Transfer{x}) }))
		s.Sequence(t)
	}
}

func receiptOf(t *testing.T, s *shop, checkout string) verify.Receipt {
	t.Helper()
	w := s.call(t, http.MethodGet, "/v1/checkouts/"+checkout+"/receipt", s.token(t, "li"), nil)
	r, err := verify.ParseReceipt(w.Body.Bytes())
	must(t, err)
	return r
}

// files are the log's, over the API.
type files struct {
	t *testing.T
	s *shop
}

func (f files) File(_ context.Context, path string) ([]byte, error) {
	w := f.s.call(f.t, http.MethodGet, "/log/"+path, "", nil)
	if w.Code != http.StatusOK {
		return nil, os.ErrNotExist
	}
	return w.Body.Bytes(), nil
}

// A stranger with the log and a receipt finds the tenth where the shop says that it is.
func TestTheShopAndTheLogSayTheSameOfATenth(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{})
	checkout, r := bought(t, s)
	log, err := verify.NewLog(s.Transparency.VerifierKey())
	must(t, err)
	findings, err := verify.CheckReceipt(r, log)
	must(t, err)
	w := s.call(t, http.MethodGet, "/v1/checkouts/"+checkout+"/trace", s.token(t, "li"), nil)
	answer, err := verify.ParseTraceAnswer(w.Body.Bytes())
	must(t, err)
	signed, err := s.Transparency.Checkpoint(t.Context())
	must(t, err)
	c, err := log.Checkpoint(signed)
	must(t, err)
	tracer := verify.NewTracer(findings, answer.Leaves)
	must(t, verify.Walk(t.Context(), files{t, s}, c, func(index int64, leaf []byte) error {
		l, err := verify.ParseLeaf(leaf)
		if err != nil {
			return err
		}
		return tracer.Add(index, l)
	}))
	traced := tracer.Traced()
	must(t, answer.Compare(traced))
	if len(traced) != 2 || len(traced[0].Parts) != 1 || len(traced[1].Parts) != 1 || traced[1].Parts[0].Li() != 700 || traced[1].Committed.Li() != 1000 {
		t.Errorf("it is %+v", traced)
	}
}

func TestThePageOfAReceiptProvesItself(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{url: "https://shop.example"})
	checkout, r := bought(t, s)
	address, err := url.Parse(r.PageURL)
	must(t, err)
	log, err := verify.NewLog(s.Transparency.VerifierKey())
	must(t, err)
	for _, lang := range []string{"zh", "en"} {
		w := s.call(t, http.MethodGet, address.RequestURI()+"&lang="+lang, "", nil)
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Cache-Control") != "no-store" || h.Get("X-Robots-Tag") != "noindex" || h.Get("Referrer-Policy") != "no-referrer" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Fatalf("%d with %v", w.Code, h)
		}
		body := w.Body.String()
		for _, text := range []string{map[string]string{"zh": "您的 ¥222.45 使 ¥22.245 进入教育基金", "en": "Your ¥222.45 brought ¥22.245 to the education fund"}[lang], "莜面", "¥0.700", `content="noindex"`} {
			if !strings.Contains(body, text) {
				t.Errorf("the page lacks %q:\n%s", text, body)
			}
		}
		if strings.Contains(body, "<script") || strings.Contains(body, " style=") {
			t.Error("the page has what its policy forbids")
		}
		saved, err := verify.ReceiptOfPage(w.Body.Bytes())
		must(t, err)
		if _, err := verify.CheckReceipt(saved, log); err != nil {
			t.Errorf("what the page holds: %v", err)
		}
	}
	for _, path := range []string{"/receipts/" + checkout, "/receipts/" + checkout + "?key=", "/receipts/" + checkout + "?key=" + strings.Repeat("0", 32), "/receipts/x?key=y", "/receipts/" + uuid.NewString() + "?" + address.RawQuery} {
		problemOf(t, s.call(t, http.MethodGet, path, "", nil), http.StatusNotFound, "receipt.no_such_page")
	}
	w := s.call(t, http.MethodGet, "/v1/checkouts/"+checkout+"/receipt.pdf", s.token(t, "li"), nil)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/pdf" || !strings.HasPrefix(w.Body.String(), "%PDF-") || w.Header().Get("Missing-Glyphs") != "" {
		t.Errorf("the PDF is %d %v", w.Code, w.Header())
	}
	problemOf(t, s.call(t, http.MethodGet, "/v1/checkouts/"+checkout+"/receipt.pdf", s.token(t, "wang"), nil), http.StatusNotFound, "order.not_found")
}
