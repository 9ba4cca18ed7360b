// Package web renders the pages of the house that people open in a browser: what
// the shop is and how to buy in it, the contract to read, and what a problem means. They need
// no script (but the reader of the contract), in Chinese and in English.
package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

//go:embed templates/*.html
var templates embed.FS

// assets are our own files; dist is what the build fetches and what is not committed.
//
//go:embed assets all:dist
var files embed.FS

// reader is Redoc, as .ci/redoc puts it into dist.
const reader = "redoc.standalone.js"

// Policies of pages (Content-Security-Policy): nothing is fetched from elsewhere.
const (
	strictPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	// readerPolicy lets Redoc write its own styles and search in a worker.
	readerPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)

// Page is a document ready to send.
type Page struct {
	Type    string // media type
	Policy  string // Content-Security-Policy; "" keeps the API's, which allows nothing
	Private bool   // nobody but the one who asked may keep it
	Body    []byte
}

// SetHeader sets what the page says about itself.
func (p Page) SetHeader(h http.Header) {
	kind := p.Type
	if strings.HasPrefix(kind, "text/") {
		kind += "; charset=utf-8"
	}
	h.Set("Content-Type", kind)
	if p.Policy != "" {
		h.Set("Content-Security-Policy", p.Policy)
	}
	h.Set("Cache-Control", "no-cache")
	if p.Private {
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Vary", "Accept-Language")
}

// Operation is an operation of the contract, for the list that can be read
// without a script.
type Operation struct {
	Tag, Method, Path, ID, Summary string
	Who                            string // may call
}

// Problem is a problem of api/problems.md.
type Problem struct {
	Code, Status                         string
	MeaningZH, RemedyZH, Meaning, Remedy string
}

// Figures are the fund's, for the front page.
type Figures struct {
	Orders  int64
	Sold    money.Fen
	Levied  money.Li
	Pending money.Li
	Free    money.Li
	// Held is in dispute, Promised granted and not paid, Paid with programmes: with Pending and Free they are Levied.
	Held, Promised, Paid money.Li
}

// Site renders the pages.
type Site struct {
	templates  *template.Template
	operations []Operation
	problems   []Problem
	byCode     map[string]Problem
	reader     []byte // Redoc, if it is built in
}

// New makes the pages of a contract and its problems (api/problems.md).
func New(operations []Operation, problems []byte) (*Site, error) {
	t, err := template.New("").Funcs(template.FuncMap{"grouped": money.Grouped, "count": money.GroupedCount, "fen": fen, "li": li, "when": when, "shown": shown}).ParseFS(templates, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("read the pages: %w", err)
	}
	s := &Site{templates: t, operations: operations, problems: ReadProblems(problems), byCode: make(map[string]Problem)}
	for _, p := range s.problems {
		s.byCode[p.Code] = p
	}
	if s.reader, err = files.ReadFile("dist/" + reader); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", reader, err)
	}
	// Redoc shows its maker's logo from the maker's host; no page of ours asks another host.
	s.reader = bytes.ReplaceAll(s.reader, []byte("https://cdn.redoc.ly/redoc/logo-mini.svg"), []byte("/assets/icon.svg"))
	return s, nil
}

// view is what every template gets.
type view struct {
	English    bool
	Visit      Visit
	Figures    Figures
	Reader     bool
	Operations []Operation
	Problems   []Problem
	Problem    Problem
	Receipt    verify.Receipt
	Traced     trace.Traced
	JSON       string // the receipt, whole
	Report     Report
}

// Visit is how somebody comes to the front page.
type Visit struct {
	Base    string // the shop's address: http://localhost:8080
	English bool
	// Paid and Unpaid are the checkout that he comes from, on his way back from the payment provider.
	Paid, Unpaid string
}

// Home is the front page.
func (s *Site) Home(visit Visit, figures Figures) (Page, error) {
	return s.page("home.html", strictPolicy, view{Visit: visit, English: visit.English, Figures: figures})
}

// Docs is the contract to read: by Redoc where it is built in, and as a plain list.
func (s *Site) Docs(english bool) (Page, error) {
	policy := strictPolicy
	if len(s.reader) > 0 {
		policy = readerPolicy
	}
	return s.page("docs.html", policy, view{English: english, Reader: len(s.reader) > 0, Operations: s.operations, Problems: s.problems})
}

// Problem explains a problem's code, or reports that there is none.
func (s *Site) Problem(code string, english bool) (Page, bool, error) {
	p, ok := s.byCode[code]
	if !ok {
		return Page{}, false, nil
	}
	page, err := s.page("problem.html", strictPolicy, view{English: english, Problem: p})
	return page, true, err
}

// Asset is a file that the pages need, or reports that there is none.
func (s *Site) Asset(name string) (Page, bool) {
	name = path.Clean("/" + name)
	if name == "/"+reader {
		return Page{Type: "text/javascript", Body: s.reader}, len(s.reader) > 0
	}
	body, err := files.ReadFile("assets" + name)
	if err != nil {
		return Page{}, false
	}
	kind, _, _ := strings.Cut(mime.TypeByExtension(path.Ext(name)), ";")
	return Page{Type: kind, Body: body}, true
}

func (s *Site) page(name, policy string, v view) (Page, error) {
	var body bytes.Buffer
	if err := s.templates.ExecuteTemplate(&body, name, v); err != nil {
		return Page{}, fmt.Errorf("render %s: %w", name, err)
	}
	return Page{Type: "text/html", Policy: policy, Body: body.Bytes()}, nil
}

// ReadProblems reads the tables of api/problems.md: one row for each code, with
// its status, meaning and remedy in Chinese, and both in English.
func ReadProblems(text []byte) []Problem {
	const columns = 6
	var out []Problem
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != columns || !strings.HasPrefix(strings.TrimSpace(cells[0]), "`") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		out = append(out, Problem{
			Code: strings.Trim(cells[0], "`"), Status: cells[1],
			MeaningZH: cells[2], RemedyZH: cells[3], Meaning: cells[4], Remedy: cells[5],
		})
	}
	return out
}
