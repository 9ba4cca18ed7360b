package internal_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// plants are small wrongs, each of which one rule of .golangci.yml must stop.
// A rule that a rewritten glob no longer reaches looks like clean code.
var plants = []struct{ path, src, linter, says string }{
	{"internal/money/bad.go", `import _ "github.com/google/go-cmp/cmp"`, "depguard", "vocabulary"},
	{"internal/postgres/bad.go", `import _ "github.com/shiyi-market/shiyi/internal/order"`, "depguard", "platform knows no business"},
	{"internal/ledger/bad.go", `import _ "github.com/shiyi-market/shiyi/internal/httpapi"`, "depguard", "contexts do not know who calls them"},
	{"internal/catalog/bad.go", `import _ "github.com/shiyi-market/shiyi/pkg/client"`, "depguard", "the server is not its own client"},
	{"internal/order/service.go", `import _ "gorm.io/gorm"`, "depguard", "SQL lives in store files"},
	{"internal/cart/service.go", `import _ "net/http"`, "depguard", "HTTP lives in internal/httpapi"},
	{"internal/fund/bad.go", `import _ "github.com/gin-gonic/gin"`, "depguard", "HTTP lives in internal/httpapi"},
	{"internal/payment/service.go", `import _ "github.com/stripe/stripe-go/v76"`, "depguard", "only gateway/stripe.go knows Stripe"},
	{"internal/identity/service.go", `import _ "github.com/redis/go-redis/v9"`, "depguard", "Redis is for speed"},
	{"pkg/verify/bad.go", `import _ "github.com/shiyi-market/shiyi/internal/money"`, "depguard", "pkg is for people who have only pkg"},
	{"internal/trail/clock.go", "import \"time\"\n\n// Now is wrong.\nfunc Now() time.Time { return time.Now() }", "forbidigo", "take the time from"},
	{"internal/trail/context.go", "import \"context\"\n\n// Root is wrong.\nfunc Root() context.Context { return context.Background() }", "forbidigo", "pass the caller's context"},
	{"internal/trail/global.go", "var count int\n\n// Next is wrong.\nfunc Next() int { count++; return count }", "gochecknoglobals", "count is a global variable"},
	{"internal/trail/undocumented.go", "func Undocumented() {}", "revive", "exported function Undocumented should have comment"},
	{"internal/trail/log.go", "import (\n\t\"context\"\n\t\"log/slog\"\n)\n\n// Say is wrong.\nfunc Say(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, \"x\", \"k\", 1) }", "sloglint", ""},
	{"internal/trail/env.go", "import \"os\"\n\n// Home is wrong.\nfunc Home() string { return os.Getenv(\"HOME\") }", "forbidigo", "configuration is read once"},
}

// issue is one finding in golangci-lint's report.
type issue struct {
	FromLinter, Text string
	Pos              struct{ Filename string }
}

// linter is the golangci-lint that `make lint` built, or "".
func linter() string {
	if named := os.Getenv("GOLANGCI"); named != "" {
		return named
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		return ""
	}
	version := regexp.MustCompile(`GOLANGCI_VERSION\s*:=\s*(\S+)`).FindSubmatch(makefile)
	cache, err := os.UserCacheDir()
	if err != nil || version == nil {
		return ""
	}
	path := filepath.Join(cache, "shiyi", "tools", "golangci-lint-"+string(version[1]))
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func TestTheLinterStopsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	program := linter()
	if program == "" {
		t.Skip("golangci-lint is not built: `make lint` builds it, and `make test` runs that first")
	}
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", ".golangci.yml"} {
		copyFile(t, "../"+name, filepath.Join(dir, name))
	}
	// What the planted files import has to be there.
	for _, room := range []string{"internal/httpapi", "internal/order", "internal/money", "pkg/client"} {
		write(t, filepath.Join(dir, room, "doc.go"), "// Package "+filepath.Base(room)+" is a stand-in.\npackage "+filepath.Base(room)+"\n")
	}
	for _, p := range plants {
		room := filepath.Base(filepath.Dir(p.path))
		write(t, filepath.Join(dir, p.path), "package "+room+"\n\n"+p.src+"\n")
	}

	cmd := exec.CommandContext(t.Context(), program, "run", "--allow-parallel-runners", "--issues-exit-code=0", "--output.json.path=stdout", "--show-stats=false", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOLANGCI_LINT_CACHE="+t.TempDir(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -mod=mod") // with other flags all would be compiled anew
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("golangci-lint: %v\n%s", err, out)
	}
	var report struct{ Issues []issue }
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("golangci-lint's report: %v\n%s", err, out)
	}
	for _, p := range plants {
		found := slices.ContainsFunc(report.Issues, func(i issue) bool {
			return i.FromLinter == p.linter && filepath.ToSlash(i.Pos.Filename) == p.path && strings.Contains(i.Text, p.says)
		})
		if !found {
			t.Errorf("%s: %s does not say %q", p.path, p.linter, p.says)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	src, err := os.ReadFile(from)
	if err != nil {
		t.Fatalf("copy %s: %v", from, err)
	}
	write(t, to, string(src))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatalf("make the folder of %s: %v", path, err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("write %s: %v", path, err)
	}
}
