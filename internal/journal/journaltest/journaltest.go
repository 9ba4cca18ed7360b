// Package journaltest lets independent programs add the book up again, for tests: hledger and
// beancount, of Debian (.ci/setup test installs them).
package journaltest

import (
	"bytes"
	"encoding/csv"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/journal"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Agree fails the test unless `hledger check --strict` passes the journal of a period and its
// balances are, to the li, those of the book, and bean-check finds nothing in the other journal.
func Agree(tb testing.TB, db *postgres.DB, p journal.Period) {
	tb.Helper()
	file := Written(tb, db, journal.Hledger, p)
	Run(tb, "hledger", "check", "--strict", "ordereddates", "-f", file)
	raw := Run(tb, "hledger", "balance", "--flat", "--no-total", "--output-format=csv", "--layout=bare", "-f", file)
	rows, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range rows[1:] {
		got[r[0]] = r[len(r)-1]
	}
	from, until := p.Bounds()
	accounts, err := postgres.View(tb.Context(), db, func(tx *postgres.Tx) ([]ledger.Turnover, error) {
		return ledger.Trial(tb.Context(), tx, from, until)
	})
	if err != nil {
		tb.Fatal(err)
	}
	want := map[string]string{}
	for _, a := range accounts {
		if a.Closing() != 0 {
			want[string(a.Account)] = a.Closing().String()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		tb.Errorf("hledger's balances of %d accounts (-book +hledger):\n%s", len(want), diff)
	}
	beans := Written(tb, db, journal.Beancount, p)
	Run(tb, "bean-check", "--no-cache", beans)
	tb.Logf("hledger and beancount agree on %d accounts of %s to %s: %s", len(want), p.From, p.Until, strings.Join(slices.Sorted(maps.Keys(want))[:1], ""))
}

// Written is the file that a journal was written into.
func Written(tb testing.TB, db *postgres.DB, f journal.Format, p journal.Period) string {
	tb.Helper()
	var out bytes.Buffer
	if err := journal.New(db, nil).Write(tb.Context(), f, p, &out); err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "book."+string(f))
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Run is what a program says, which must succeed; the log has the time of the processor.
func Run(tb testing.TB, name string, args ...string) []byte {
	tb.Helper()
	out, spent, err := run(tb, name, args...)
	if err != nil {
		tb.Fatalf("%s %s: %v (.ci/setup test installs it)\n%s", name, strings.Join(args, " "), err, out[:min(len(out), 4000)])
	}
	tb.Logf("%s %s: %s", name, args[0], spent.Round(10*time.Millisecond))
	return out
}

// Refused is what a program says that must fail.
func Refused(tb testing.TB, name string, args ...string) []byte {
	tb.Helper()
	out, _, err := run(tb, name, args...)
	if err == nil {
		tb.Errorf("%s passes %s", name, strings.Join(args, " "))
	}
	return out
}

func run(tb testing.TB, name string, args ...string) ([]byte, time.Duration, error) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return out, 0, err
	}
	return out, cmd.ProcessState.UserTime(), err
}
