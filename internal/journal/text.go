package journal

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
)

// home names a transfer's home as the public log does.
func home(n ledger.Numbered) string {
	if n.Home == ledger.FundHome {
		return "fund"
	}
	return n.Home.String()
}

// at is a time as the journals write it.
func at(n ledger.Numbered) string { return n.At.Format("2006-01-02T15:04:05.000000Z") }

// hledger writes for hledger 1.25 and later: `hledger check --strict` passes. Account names
// are ours.
type hledger struct{ w *bufio.Writer }

func newHledger(out io.Writer) pen { return hledger{bufio.NewWriter(out)} }

func (h hledger) open(p Period, accounts []ledger.Turnover) error {
	fmt.Fprintf(h.w, "; 拾一 · Shiyi: the book from %s to %s (Asia/Shanghai), in yuan; the last decimal is a li.\n", p.From, p.Until)
	fmt.Fprintf(h.w, "; A positive balance is what went in less what went out. Tags: leaf is the index in the public log.\n")
	fmt.Fprintf(h.w, "decimal-mark .\ncommodity 1000.000 %s\n\n", commodity)
	for _, a := range accounts {
		fmt.Fprintf(h.w, "account %s\n", a.Account)
	}
	fmt.Fprintf(h.w, "\n%s opening balances\n", p.From)
	for _, a := range accounts {
		if a.Opening != 0 {
			fmt.Fprintf(h.w, "    %s  %s %s\n", a.Account, a.Opening, commodity)
		}
	}
	_, err := h.w.WriteString("\n")
	return err
}

func (h hledger) transfer(day merchant.Date, n ledger.Numbered) error {
	fmt.Fprintf(h.w, "%s (%s) %s  ; at:%s, home:%s, ref:%s", day, n.ID, n.Kind, at(n), home(n), url.QueryEscape(n.Ref))
	if n.Index >= 0 {
		fmt.Fprintf(h.w, ", leaf:%d", n.Index)
	}
	_ = h.w.WriteByte('\n')
	for _, m := range n.Moves {
		fmt.Fprintf(h.w, "    %s  %s %s  ; what:%s\n    %s  %s %s  ; what:%s\n",
			m.From, -m.Amount, commodity, m.What, m.To, m.Amount, commodity, m.What)
	}
	return h.w.WriteByte('\n')
}

func (h hledger) holds(day merchant.Date, balances []ledger.Turnover) error {
	fmt.Fprintf(h.w, "%s balances at the end of the day\n", day)
	for _, b := range balances {
		fmt.Fprintf(h.w, "    %s  0.000 %s = %s %s\n", b.Account, commodity, b.Closing(), commodity)
	}
	return h.w.WriteByte('\n')
}

func (h hledger) close() error { return h.w.Flush() }

// beancount writes for beancount 2. A balance is asserted at the beginning of the day after.
type beancount struct{ w *bufio.Writer }

func newBeancount(out io.Writer) pen { return beancount{bufio.NewWriter(out)} }

func (b beancount) open(p Period, accounts []ledger.Turnover) error {
	fmt.Fprintf(b.w, "; 拾一 · Shiyi: the book from %s to %s (Asia/Shanghai), in yuan; the last decimal is a li.\n", p.From, p.Until)
	fmt.Fprintf(b.w, "option \"title\" \"Shiyi %s to %s\"\noption \"operating_currency\" \"%s\"\n\n", p.From, p.Until, commodity)
	for _, a := range accounts {
		fmt.Fprintf(b.w, "%s open %s %s\n", p.From, BeancountName(a.Account), commodity)
	}
	fmt.Fprintf(b.w, "\n%s * \"opening balances\"\n", p.From)
	for _, a := range accounts {
		if a.Opening != 0 {
			fmt.Fprintf(b.w, "  %s  %s %s\n", BeancountName(a.Account), a.Opening, commodity)
		}
	}
	return b.w.WriteByte('\n')
}

func (b beancount) transfer(day merchant.Date, n ledger.Numbered) error {
	fmt.Fprintf(b.w, "%s * \"%s\"\n  id: \"%s\"\n  at: \"%s\"\n  home: \"%s\"\n  ref: \"%s\"\n", day, n.Kind, n.ID, at(n), home(n), url.QueryEscape(n.Ref))
	if n.Index >= 0 {
		fmt.Fprintf(b.w, "  leaf: %d\n", n.Index)
	}
	for _, m := range n.Moves {
		fmt.Fprintf(b.w, "  %s  %s %s\n    what: \"%s\"\n  %s  %s %s\n    what: \"%s\"\n",
			BeancountName(m.From), -m.Amount, commodity, m.What, BeancountName(m.To), m.Amount, commodity, m.What)
	}
	return b.w.WriteByte('\n')
}

// holds says that nothing may be off: beancount's own tolerance would be a li.
func (b beancount) holds(day merchant.Date, balances []ledger.Turnover) error {
	next := day.Time().Add(24 * time.Hour).Format(time.DateOnly)
	for _, a := range balances {
		fmt.Fprintf(b.w, "%s balance %s  %s ~ 0.000 %s\n", next, BeancountName(a.Account), a.Closing(), commodity)
	}
	return b.w.WriteByte('\n')
}

func (b beancount) close() error { return b.w.Flush() }
