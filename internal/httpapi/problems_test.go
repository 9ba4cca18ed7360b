package httpapi_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/api"
	"github.com/shiyi-market/shiyi/internal/web"
)

// statuses are those of the kinds of faults, and of the codes for which HTTP has a
// status of its own.
var statuses = map[string]string{
	"Invalid": "400", "Unauthenticated": "401", "Forbidden": "403", "NotFound": "404",
	"Conflict": "409", "Refused": "422", "TooMany": "429", "Unavailable": "503",
	"internal": "500", "request.wrong_method": "405", "request.too_large": "413", "request.wrong_media_type": "415", "file.too_large": "413",
	"request.stale": "412", "request.unconditional": "428",
}

// declaredFaults reads every fault.New of the code: code → the columns that
// api/problems.md must have of it.
func declaredFaults(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isSelector(call.Fun, "fault", "New") {
				return true
			}
			kind, code, en, zh := declared(call)
			if known, ok := found[code]; ok {
				t.Errorf("%s declares %s, which is declared already: %s", path, code, known)
			}
			status := statuses[kind]
			if own, ok := statuses[code]; ok {
				status = own
			}
			found[code] = fmt.Sprintf("%s | %s | %s", status, zh, en)
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatalf("read the faults: %v", err)
	}
	return found
}

func isSelector(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}

func declared(call *ast.CallExpr) (kind, code, en, zh string) {
	if s, ok := call.Args[0].(*ast.SelectorExpr); ok {
		kind = s.Sel.Name
	}
	text := func(i int) string {
		literal, ok := call.Args[i].(*ast.BasicLit)
		if !ok {
			return ""
		}
		s, _ := strconv.Unquote(literal.Value)
		return s
	}
	return kind, text(1), text(2), text(3)
}

func TestEveryProblemIsListedWithItsMeaningAndRemedy(t *testing.T) {
	t.Parallel()
	faults := declaredFaults(t)
	listed := make(map[string]bool)
	for _, p := range web.ReadProblems(api.Problems) {
		listed[p.Code] = true
		want, ok := faults[p.Code]
		if got := fmt.Sprintf("%s | %s | %s", p.Status, p.MeaningZH, p.Meaning); !ok || got != want {
			t.Errorf("problems.md says of %s: %s\nthe code says: %s", p.Code, got, want)
		}
		if p.Remedy == "" || p.RemedyZH == "" {
			t.Errorf("problems.md does not say what to do about %s", p.Code)
		}
	}
	for code, columns := range faults {
		if !listed[code] {
			t.Errorf("problems.md lacks %s: %s", code, columns)
		}
	}
}
