// Package internal_test holds the plan of the house as tests: which context may know which, what each
// package owes its readers, and that the papers beside the code say what the code does.
package internal_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/shiyi-market/shiyi/"

// arrows is the plan of the house: for each context, the contexts it may
// import. What is not drawn here does not pass; what is drawn and not used
// is taken out.
var arrows = map[string][]string{
	"aftersale":    {"catalog", "fulfilment", "fund", "identity", "inventory", "ledger", "lifecycle", "merchant", "notice", "order", "payment", "returns", "trail"},
	"audit":        {"identity", "ledger", "merchant", "publication", "statement", "trail", "transparency"},
	"apikey":       {"identity", "trail"},
	"assistance":   {"identity", "trail"},
	"application":  {"identity", "lifecycle", "objection", "programme", "trail"},
	"assortment":   {"catalog", "inventory", "listing", "merchant", "origin"},
	"carrier":      {},
	"carriage":     {"identity", "listing", "merchant", "trail"},
	"cart":         {"catalog", "identity", "offer"},
	"catalog":      {"identity", "listing", "merchant", "price", "trail"},
	"claim":        {"catalog", "identity", "merchant", "offer", "trail"},
	"dispatch":     {"carrier", "fulfilment", "identity", "merchant", "order", "quote", "trail"},
	"compensation": {"fulfilment", "identity", "ledger", "lifecycle", "merchant", "notice", "order", "trail"},
	"disbursement": {"fund", "grant", "identity", "ledger", "lifecycle", "objection", "programme", "trail"},
	"disclosure":   {"assistance", "fund", "identity", "ledger", "publication", "report", "trail"},
	"correction":   {"identity", "ledger", "lifecycle", "payout", "publication", "trail"},
	"dispute":      {"aftersale", "fund", "identity", "ledger", "merchant", "notice", "order", "payment", "trail"},
	"dossier":      {"identity", "merchant"},
	"finding":      {"identity", "lifecycle", "trail"},
	"fulfilment":   {"identity", "merchant", "order", "shipment", "trail"},
	"fund":         {"ledger"},
	"gateway":      {},
	"grant":        {"fund", "identity", "ledger", "lifecycle", "merchant", "objection", "programme", "trail"},
	"identity":     {"trail"},
	"intake":       {"assortment", "catalog", "identity", "inventory", "merchant", "origin", "trail"},
	"inventory":    {},
	"journal":      {"fund", "ledger", "merchant", "statement"},
	"ledger":       {"transparency"},
	"lifecycle":    {},
	"listing":      {},
	"merchant":     {"identity", "trail"},
	"notary":       {},
	"notice":       {"identity"},
	"objection":    {"identity", "lifecycle", "publication", "trail"},
	"offer":        {"catalog", "merchant", "price"},
	"onboarding":   {"dossier", "identity", "merchant", "trail"},
	"order":        {"cart", "catalog", "fund", "identity", "inventory", "ledger", "lifecycle", "merchant", "payment", "quote"},
	"origin":       {},
	"payee":        {"gateway", "identity", "merchant", "payout", "trail"},
	"payment":      {"gateway"},
	"payout":       {"gateway", "ledger", "order"},
	"price":        {},
	"programme":    {"identity", "lifecycle", "objection", "origin", "trail"},
	"publication":  {"ledger", "transparency"},
	"pupil":        {"fund", "identity", "ledger", "lifecycle", "trail"},
	"quote":        {"carriage", "cart", "catalog", "identity", "merchant", "offer"},
	"recall":       {"identity", "inventory", "trail"},
	"reconcile":    {"aftersale", "dispute", "gateway", "identity", "ledger", "merchant", "order", "payment", "settlement", "trail"},
	"report":       {"assistance", "fund", "programme"},
	"receipt":      {"aftersale", "dispute", "fund", "identity", "ledger", "notice", "order", "trace", "transparency"},
	"repayment":    {"gateway", "identity", "order", "payment", "trail"},
	"returns":      {"catalog", "fulfilment", "identity", "lifecycle", "merchant", "order", "payment"},
	"review":       {"catalog", "identity", "merchant", "order", "trail"},
	"scrutiny":     {"catalog", "identity", "listing", "merchant", "webhook"},
	"settlement":   {"fulfilment", "fund", "gateway", "identity", "ledger", "merchant", "order", "payee", "payout", "trail"},
	"search":       {"catalog", "merchant", "origin", "term"},
	"shipment":     {"carrier", "merchant", "order"},
	"standing":     {"identity", "merchant", "notice", "trail"},
	"statement":    {"fund", "identity", "ledger", "merchant"},
	"term":         {},
	"tidings":      {"carrier", "fulfilment", "identity", "merchant", "notice"},
	"trace":        {"fund", "identity", "merchant", "order", "transparency"},
	"trail":        {},
	"transparency": {"notary"},
	"voucher":      {"fulfilment", "identity", "merchant", "notice", "order", "trail"},
	"webhook":      {"identity", "trail"},
	"witness":      {"transparency"},
}

// floors are the packages that are no contexts. They have no arrows here: the
// linter keeps them on their storeys.
var floors = map[string][]string{
	"vocabulary": {"fault", "id", "money", "page"},
	"platform":   {"config", "courier", "file", "outbound", "pdf", "pgserver", "postgres", "redisdb", "request", "schema", "sheet", "strictjson", "telemetry"},
	"edge":       {"afteryear", "app", "httpapi", "replay", "web", "worker"},
	"outside":    {"sandbox"}, // what Stripe is: it knows nothing of ours
	"tests":      {"bench", "drill", "nets", "pgtest", "shoptest"},
}

// imports maps each package directory below the repository's root (a slash
// path) to the packages of ours that its files, tests left out, import.
func imports(t *testing.T, root string) map[string]map[string][]string {
	t.Helper()
	found := make(map[string]map[string][]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if found[dir] == nil {
			found[dir] = make(map[string][]string)
		}
		for _, spec := range file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if ours, ok := strings.CutPrefix(name, module); ok {
				found[dir][ours] = append(found[dir][ours], filepath.ToSlash(path))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the imports below %s: %v", root, err)
	}
	return found
}

// breaches compares the arrows that the code has (used: context → context →
// files) with those that are drawn, and says each difference in a line.
func breaches(used map[string]map[string][]string, drawn map[string][]string, other []string) []string {
	var out []string
	for _, from := range slices.Sorted(maps.Keys(used)) {
		allowed, isContext := drawn[from]
		if !isContext {
			if !slices.Contains(other, from) {
				out = append(out, "internal/"+from+" is neither a context of the plan nor on one of its floors")
			}
			continue
		}
		for _, to := range slices.Sorted(maps.Keys(used[from])) {
			if _, isContext := drawn[to]; isContext && to != from && !slices.Contains(allowed, to) {
				out = append(out, from+" imports "+to+" in "+strings.Join(used[from][to], ", ")+": this arrow is not drawn")
			}
		}
	}
	for _, from := range slices.Sorted(maps.Keys(drawn)) {
		if used[from] == nil {
			out = append(out, from+" is drawn and does not exist")
			continue
		}
		for _, to := range drawn[from] {
			if len(used[from][to]) == 0 {
				out = append(out, "the arrow from "+from+" to "+to+" is drawn and no file needs it")
			}
		}
	}
	return out
}

func TestArrowsBetweenContextsAreThoseOfThePlan(t *testing.T) {
	t.Parallel()
	used := make(map[string]map[string][]string)
	for dir, targets := range imports(t, ".") {
		from, _, _ := strings.Cut(dir, "/")
		if used[from] == nil {
			used[from] = make(map[string][]string)
		}
		for target, files := range targets {
			if inner, ok := strings.CutPrefix(target, "internal/"); ok {
				to, _, _ := strings.Cut(inner, "/")
				used[from][to] = append(used[from][to], files...)
			}
		}
	}
	other := slices.Concat(slices.Collect(maps.Values(floors))...)
	for _, breach := range breaches(used, arrows, other) {
		t.Error(breach)
	}
}

// What is sold must not carry what tests it: neither package testing nor a shop of
// invented enterprises.
func TestNothingButTestsKnowsTheFloorOfTests(t *testing.T) {
	t.Parallel()
	room := func(path string) string {
		inner, _ := strings.CutPrefix(path, "internal/")
		name, _, _ := strings.Cut(inner, "/")
		return name
	}
	for dir, targets := range imports(t, "..") {
		if slices.Contains(floors["tests"], room(strings.TrimPrefix(dir, "../"))) {
			continue
		}
		for target, files := range targets {
			if strings.HasPrefix(target, "internal/") && slices.Contains(floors["tests"], room(target)) {
				t.Errorf("%s is imported in %s: it is for tests", target, strings.Join(files, ", "))
			}
		}
	}
}

func TestArrowsAreComparedBothWays(t *testing.T) {
	t.Parallel()
	used := map[string]map[string][]string{
		"order":  {"ledger": {"order/order.go"}, "money": {"order/price.go"}},
		"ledger": {"order": {"ledger/store.go"}},
		"money":  {},
		"util":   {},
	}
	drawn := map[string][]string{"order": {"ledger", "fund"}, "ledger": {}, "fund": {}}
	want := []string{
		"ledger imports order in ledger/store.go: this arrow is not drawn",
		"internal/util is neither a context of the plan nor on one of its floors",
		"fund is drawn and does not exist",
		"the arrow from order to fund is drawn and no file needs it",
	}
	if got := breaches(used, drawn, []string{"money"}); !slices.Equal(got, want) {
		t.Errorf("breaches:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestEveryContextStandsInThePlan(t *testing.T) {
	t.Parallel()
	for file, named := range map[string]string{"architecture.md": "`%s`", "architecture.svg": ">%s<"} {
		plan, err := os.ReadFile(filepath.Join("..", "docs", file))
		if err != nil {
			t.Fatal(err)
		}
		for context := range arrows {
			if !strings.Contains(string(plan), fmt.Sprintf(named, context)) {
				t.Errorf("docs/%s does not know %s", file, context)
			}
		}
	}
}
