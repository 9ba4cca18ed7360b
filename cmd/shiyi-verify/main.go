// Shiyi-verify checks receipts and the public log of Shiyi with published data
// alone. It trusts one thing: the log's verifier key, which its user brings.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Exit codes.
const (
	holds    = 0
	fails    = 1 // something is not as published
	misused  = 2 // wrong arguments, or a file or address that cannot be read
	tooEarly = 3 // all holds, but some leaf is not yet in a signed checkpoint
)

const usage = `shiyi-verify checks what Shiyi publishes. It needs no server's word.

  shiyi-verify receipt --key KEY RECEIPT
        Checks a receipt: its JSON, or the page of it as a browser saved it. Uses
        no network.

  shiyi-verify trace --key KEY (--url http://localhost:8080/log | --dir DIR)
                     [--answer TRACE.json] RECEIPT
        Checks a receipt, and follows its tenths through the whole log: to which
        payments of the fund they went, and what of them is left.
        --answer a file with what the shop says (GET /v1/checkouts/{id}/trace):
                 it must be what the log says

  shiyi-verify log --key KEY (--url http://localhost:8080/log | --dir DIR)
                   [--fund FUND.json] [--since OLD [--since-key KEY]] [--save NEW]
                   [--witness WITNESS]… [--quorum N]
        Reads the whole public log, computes its tree anew, checks the tenth in
        every leaf, and sums the leaves.
        --fund   a file or address with the fund's published figures (GET
                 /v1/public/fund): they must be the sums of the leaves
        --since  a checkpoint that was saved before: the log must extend it
        --since-key  the key that signed OLD, where the log has changed its key
        --witness  the verifier key of a witness whom you trust; may be repeated.
                 The checkpoint must then be cosigned, by all of them or by
        --quorum so many: nobody is shown another log than they were
        --save   keeps the checkpoint that was checked, for the next time

KEY is the log's verifier key (https://c2sp.org/signed-note), or a file that
holds it. Get it from a place other than the answer that you check.

Exit: 0 it holds; 1 it does not; 2 wrong use or unreadable; 3 a leaf of the
receipt is not yet in a signed checkpoint: get the receipt again in a minute.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program. A first argument that names no command is a receipt.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	command := receipt
	switch {
	case len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help":
		fmt.Fprint(stderr, usage)
		return misused
	case args[0] == "log":
		command, args = log, args[1:]
	case args[0] == "trace":
		command, args = trace, args[1:]
	case args[0] == "receipt":
		args = args[1:]
	}
	err := command(ctx, args, stdout)
	switch {
	case err == nil:
		return holds
	case errors.Is(err, verify.ErrPending):
		fmt.Fprintln(stderr, "shiyi-verify: NOT YET:", err)
		return tooEarly
	case errors.Is(err, errUse) && !errors.Is(err, verify.ErrTampered):
		fmt.Fprintln(stderr, "shiyi-verify:", err)
		return misused
	}
	fmt.Fprintln(stderr, "shiyi-verify: IT DOES NOT HOLD:", err)
	return fails
}

// errUse says that arguments, files or addresses are not such that anything can
// be said of them.
var errUse = errors.New("this cannot be checked")

// parse reads flags wherever they stand among the arguments.
func parse(flags *flag.FlagSet, args []string) (rest []string, err error) {
	flags.SetOutput(io.Discard)
	for {
		if err := flags.Parse(args); err != nil {
			return nil, fmt.Errorf("%w: %w; see shiyi-verify --help", errUse, err)
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
}

// known is the log with the given verifier key, or with the one in a file of this
// name.
func known(key string) (verify.Log, error) {
	if key == "" {
		return verify.Log{}, fmt.Errorf("%w: --key is missing; see shiyi-verify --help", errUse)
	}
	if !strings.Contains(key, "+") {
		text, err := os.ReadFile(key)
		if err != nil {
			return verify.Log{}, fmt.Errorf("%w: %w", errUse, err)
		}
		key = strings.TrimSpace(string(text))
	}
	l, err := verify.NewLog(key)
	if err != nil {
		return verify.Log{}, fmt.Errorf("%w: %w", errUse, err)
	}
	return l, nil
}

// receipt checks a receipt.
func receipt(_ context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("receipt", flag.ContinueOnError)
	key := flags.String("key", "", "")
	files, err := parse(flags, args)
	if err != nil {
		return err
	}
	l, r, err := given(*key, files)
	if err != nil {
		return err
	}
	findings, err := verify.CheckReceipt(r, l)
	if err == nil || errors.Is(err, verify.ErrPending) {
		report(out, r, findings)
	}
	if err == nil {
		fmt.Fprintln(out, "It holds: signed by", l.Origin())
	}
	return err
}

// given is the log with the given key and the one receipt among the arguments: its JSON, or
// the page of it.
func given(key string, files []string) (l verify.Log, r verify.Receipt, err error) {
	if len(files) != 1 {
		return l, r, fmt.Errorf("%w: give one receipt; see shiyi-verify --help", errUse)
	}
	if l, err = known(key); err != nil {
		return l, r, err
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return l, r, fmt.Errorf("%w: %w", errUse, err)
	}
	if bytes.HasPrefix(bytes.TrimLeft(text, "\ufeff \t\r\n"), []byte("<")) {
		r, err = verify.ReceiptOfPage(text)
		return l, r, err
	}
	r, err = verify.ParseReceipt(text)
	return l, r, err
}

// report says what a receipt amounts to, when it holds.
func report(out io.Writer, r verify.Receipt, findings []verify.Finding) {
	fmt.Fprintf(out, "Checkout %s: paid %s yuan\n", r.CheckoutID, yuan(r.TotalFen*10))
	for _, f := range findings {
		what := "order  " + f.OrderID
		switch {
		case f.RefundID != "":
			what = "refund " + f.RefundID
		case f.DisputeID != "":
			what = "dispute " + f.Dispute + " " + f.DisputeID
		case f.Maturing:
			what = "free   " + f.OrderID
		}
		where := "not yet in a signed checkpoint"
		if f.Proven {
			where = fmt.Sprintf("entry %d of %d", f.Index, f.Under.Size)
		}
		fmt.Fprintf(out, "  %s  goods %s  tenth %s  %s  (%s)\n", what, yuan(f.Amounts.Goods), yuan(f.Amounts.Tenth), where, f.Merchant)
	}
	fmt.Fprintf(out, "Of this the education fund has %s yuan.\n", yuan(r.NetLevyLi))
}

// yuan is an amount of li in yuan, with three decimals.
func yuan(li int64) string {
	sign := ""
	if li < 0 {
		sign, li = "-", -li
	}
	const perYuan = 1000
	return fmt.Sprintf("%s%d.%03d", sign, li/perYuan, li%perYuan)
}
