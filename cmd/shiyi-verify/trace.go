package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/shiyi-market/shiyi/pkg/verify"
)

// trace follows the tenths of a receipt through the whole log.
func trace(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("trace", flag.ContinueOnError)
	key, dir, url, answer := flags.String("key", "", ""), flags.String("dir", "", ""), flags.String("url", "", ""), flags.String("answer", "", "")
	files, err := parse(flags, args)
	if err != nil {
		return err
	}
	if (*dir == "") == (*url == "") {
		return fmt.Errorf("%w: give either --url or --dir; see shiyi-verify --help", errUse)
	}
	l, r, err := given(*key, files)
	if err != nil {
		return err
	}
	findings, err := verify.CheckReceipt(r, l)
	if err != nil && !errors.Is(err, verify.ErrPending) {
		return err
	}
	f := following{log: l, src: folder(*dir), receipt: r, findings: findings}
	if *url != "" {
		f.src = site(*url)
	}
	if *answer != "" {
		text, err := os.ReadFile(*answer)
		if err != nil {
			return fmt.Errorf("%w: %w", errUse, err)
		}
		told, err := verify.ParseTraceAnswer(text)
		if err != nil {
			return err
		}
		f.answer = &told
	}
	traced, err := f.walk(ctx)
	if err != nil {
		return err
	}
	f.report(out, traced)
	return nil
}

// following is one reading of a log after the tenths of a receipt.
type following struct {
	log      verify.Log
	src      verify.Source
	receipt  verify.Receipt
	findings []verify.Finding
	answer   *verify.TraceAnswer // what the shop says; nil when not asked for

	queue verify.Queue
}

// walk reads the whole log, and holds the shop's answer against it.
func (f *following) walk(ctx context.Context) ([]verify.Traced, error) {
	signed, err := f.src.File(ctx, verify.CheckpointPath)
	if err != nil {
		return nil, err
	}
	c, err := f.log.Checkpoint(signed)
	if err != nil {
		return nil, err
	}
	until := c.Size
	if f.answer != nil {
		if until = f.answer.Leaves; until > c.Size {
			return nil, fmt.Errorf("%w: the answer tells of %d leaves, %d are signed: try again", verify.ErrTrace, until, c.Size)
		}
	}
	for _, one := range f.findings {
		if one.Proven && one.Under.Size > c.Size {
			return nil, fmt.Errorf("%w: the receipt is of %d leaves, the log has %d", verify.ErrTampered, one.Under.Size, c.Size)
		}
	}
	t := verify.NewTracer(f.findings, until)
	err = verify.Walk(ctx, f.src, c, func(index int64, leaf []byte) error {
		l, err := verify.ParseLeaf(leaf)
		if err == nil {
			err = verify.CheckTenth(l)
		}
		if err != nil {
			return err
		}
		return t.Add(index, l)
	})
	if err != nil {
		return nil, err
	}
	f.queue = t.Queue
	traced := t.Traced()
	if f.answer != nil {
		err = f.answer.Compare(traced)
	}
	return traced, err
}

// report says where the tenths are.
func (f *following) report(out io.Writer, traced []verify.Traced) {
	fmt.Fprintf(out, "Checkout %s: one tenth is %s yuan, %s with what came back\n", f.receipt.CheckoutID, yuan(f.receipt.LevyLi), yuan(f.receipt.NetLevyLi))
	for _, o := range f.receipt.Orders {
		fmt.Fprintf(out, "  order %s (%s): tenth %s\n", o.OrderID, o.Merchant.Name, yuan(o.LevyLi))
		found := false
		for _, t := range traced {
			if t.OrderID != o.OrderID {
				continue
			}
			found = true
			fmt.Fprintf(out, "    free since entry %d, li %d to %d of all that came\n", t.Inflow.Index, t.Inflow.From, t.Inflow.To)
			for _, p := range t.Parts {
				to := "to " + strings.TrimPrefix(p.Of.Account, verify.World)
				if p.Of.Late() {
					to = "for a late return"
				}
				fmt.Fprintf(out, "      %s  %s  (entry %d)\n", yuan(p.Li()), to, p.Of.Index)
			}
			if li := t.Committed.Li(); li > 0 {
				fmt.Fprintf(out, "      %s  promised to programmes, not paid yet\n", yuan(li))
			}
			if li := t.Free.Li(); li > 0 {
				fmt.Fprintf(out, "      %s  free\n", yuan(li))
			}
		}
		if !found {
			fmt.Fprintln(out, "    by this receipt it is not free yet: get the receipt again later")
		}
		f.back(out, o)
	}
	if f.answer != nil {
		fmt.Fprintln(out, "The shop says the same.")
	}
	fmt.Fprintf(out, "It holds, by %d leaves of %s.\n", f.queue.Leaves, f.log.Origin())
}

// back says what came back of an order.
func (f *following) back(out io.Writer, o verify.ReceiptOrder) {
	for _, one := range f.findings {
		if one.OrderID != o.OrderID || one.RefundID == "" && one.Dispute != verify.DisputeLost {
			continue
		}
		when := "before it was free"
		switch one.Amounts.Fund {
		case verify.FundFree:
			when = "late: out of what was next to leave"
		case verify.FundHeld:
			when = "the buyer's bank took the payment back"
		}
		fmt.Fprintf(out, "    %s  returned, %s\n", yuan(-one.Amounts.Tenth), when)
	}
}
