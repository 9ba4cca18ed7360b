package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/internal/web"
)

const problems = "# Problems\n\n| code | status | 含义 | 处理 | meaning | what to do |\n|---|---|---|---|---|---|\n" +
	"| `order.empty` | 422 | 没有可结算的商品 | 先选择商品 | There is nothing to check out | Choose something first |\n"

func site(t *testing.T) *web.Site {
	t.Helper()
	s, err := web.New([]web.Operation{{Method: "GET", Path: "/v1/products", ID: "listProducts", Summary: "Products <on sale>", Who: "–"}}, []byte(problems))
	if err != nil {
		t.Fatalf("make the site: %v", err)
	}
	return s
}

// contains checks that a page has each text, and that it needs no script of its own.
func contains(t *testing.T, page web.Page, texts ...string) {
	t.Helper()
	body := string(page.Body)
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("the page lacks %q:\n%s", text, body)
		}
	}
	for _, inline := range []string{" style=", "<style", "onclick", "javascript:"} {
		if strings.Contains(body, inline) {
			t.Errorf("the page has %q, which its policy forbids", inline)
		}
	}
}

func TestTheFrontPageShowsTheFundToTheLi(t *testing.T) {
	t.Parallel()
	figures := web.Figures{Orders: 17986, Sold: 261000000, Levied: 261000000, Pending: 25999999, Free: 1, Paid: 235000000}
	for english, lang := range map[bool]string{false: `lang="zh-CN"`, true: `lang="en"`} {
		page, err := site(t).Home(web.Visit{Base: "http://localhost:8080", English: english}, figures)
		if err != nil {
			t.Fatalf("render: %v", err)
		}
		contains(t, page, lang, "17,986", "¥2,610,000.00", "¥261,000.000", "¥25,999.999", "¥235,000.000", "¥0.001", "base=http://localhost:8080")
	}
}

func TestTheFrontPageEscapesTheAddressThatWasTyped(t *testing.T) {
	t.Parallel()
	page, err := site(t).Home(web.Visit{Base: "http://<script>alert(1)</script>", Paid: "<script>alert(2)</script>", English: true}, web.Figures{})
	if err != nil || strings.Contains(string(page.Body), "<script>alert") {
		t.Errorf("the page carries a script (%v):\n%s", err, page.Body)
	}
}

func TestDocsListOperationsAndProblemsWithoutAScript(t *testing.T) {
	t.Parallel()
	page, err := site(t).Docs(false)
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	contains(t, page, "listProducts", "GET /v1/products", "Products &lt;on sale&gt;", `href="/problems/order.empty"`, "没有可结算的商品")
}

func TestAProblemIsExplainedInBothLanguages(t *testing.T) {
	t.Parallel()
	s := site(t)
	for english, text := range map[bool]string{false: "先选择商品", true: "Choose something first"} {
		page, ok, err := s.Problem("order.empty", english)
		if err != nil || !ok {
			t.Fatalf("problem: %v, %v", ok, err)
		}
		contains(t, page, "order.empty", "422", text)
	}
	if _, ok, err := s.Problem("order.unheard_of", false); ok || err != nil {
		t.Errorf("an unknown code is explained: %v, %v", ok, err)
	}
}

func TestAssetsAreOursAndNothingElse(t *testing.T) {
	t.Parallel()
	s := site(t)
	page, ok := s.Asset("style.css")
	h := http.Header{}
	page.SetHeader(h)
	if !ok || h.Get("Content-Type") != "text/css; charset=utf-8" || len(page.Body) == 0 {
		t.Errorf("style.css: %v, %q, %d bytes", ok, h.Get("Content-Type"), len(page.Body))
	}
	if page, ok := s.Asset("redoc.standalone.js"); ok && strings.Contains(string(page.Body), "cdn.redoc.ly") {
		t.Error("the reader of the contract asks another host")
	}
	for _, name := range []string{"", "/", "web.go", "../web.go", "/../../api/openapi.yaml", ".gitkeep", "templates/home.html"} {
		if _, ok := s.Asset(name); ok {
			t.Errorf("%q is served", name)
		}
	}
}
