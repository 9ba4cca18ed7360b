// Command shiyi is the shop: one tenth of every sale goes to the education fund,
// and everybody can check it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// garbage is how much may pile up before it is collected, in percent of what is
// in use. The shop holds a few dozen megabytes and makes short-lived garbage: at Go's
// own 100 a tenth of the work of a sale is collecting. GOGC decides when it is set.
const garbage = 400

// ceiling is the heap in bytes above which garbage is collected more often than
// that, so that nobody can make the program five times as large by what he asks
// for. GOMEMLIMIT decides when it is set.
const ceiling = 512 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(garbage)
	}
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(ceiling)
	}
	err := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "shiyi:", err)
		os.Exit(1)
	}
}

// run is the program, with all that it takes from its surroundings.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) error {
	p := program{lookup: lookup, stdout: stdout, stderr: stderr}
	root := p.root() //nolint:contextcheck // cobra hands the context to the commands
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}
