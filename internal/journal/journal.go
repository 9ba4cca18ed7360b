// Package journal writes the book down for other programs: hledger and beancount, which add
// it up again and hold each balance against ours; sheets; and the grants as 360Giving has them.
package journal

import (
	"fmt"
	"strings"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/statement"
)

// ErrTooLong says that a period has more moves than a sheet has rows.
var ErrTooLong = fault.New(fault.Refused, "journal.too_long", "The period has more moves than a book has rows: take a shorter one, or CSV", "该期间的分录超过表格行数，请缩短期间或改用 CSV")

// Format is how the book is written down.
type Format string

// The formats.
const (
	Hledger   Format = "hledger"   // https://hledger.org/1.25/hledger.html
	Beancount Format = "beancount" // version 2: https://beancount.github.io/docs/beancount_language_syntax.html
	XLSX      Format = "xlsx"
	CSV       Format = "csv"
)

// MediaType is that of a file.
func (f Format) MediaType() string {
	switch f {
	case XLSX:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case CSV:
		return "text/csv; charset=utf-8"
	case Hledger, Beancount:
	}
	return "text/plain; charset=utf-8"
}

// commodity is what the journals count: yuan, with three decimals, so that a li is the last.
const commodity = "CNY"

// Period is whole days in the county, at most statement.MaxDays.
type Period = statement.Period

// pen writes a book down. The errors of its writer come out at the end.
type pen interface {
	// open begins with all accounts of the period, by name, and what they hold.
	open(p Period, accounts []ledger.Turnover) error
	transfer(day merchant.Date, n ledger.Numbered) error
	// holds asserts what accounts hold when the day is over, by name.
	holds(day merchant.Date, balances []ledger.Turnover) error
	close() error
}

// BeancountName is the name of an account in beancount: below Equity, for beancount wants one
// of five roots and the book has no such classes, each word begun with a capital. AccountName
// leads back. Capitals, which our names have none of, tell what beancount does not allow: U
// stands for _, and ZZ before a word that begins with neither letter nor digit.
func BeancountName(a ledger.Account) string {
	var b strings.Builder
	b.WriteString(root)
	for word := range strings.SplitSeq(string(a), ":") {
		b.WriteByte(':')
		switch {
		case word == "" || word[0] == '-' || word[0] == '_':
			b.WriteString("ZZ" + strings.ReplaceAll(word, "_", "U"))
		default:
			b.WriteString(strings.ToUpper(word[:1]) + strings.ReplaceAll(word[1:], "_", "U"))
		}
	}
	return b.String()
}

const root = "Equity"

// AccountName is the account that has this name in beancount.
func AccountName(name string) (ledger.Account, error) {
	rest, ok := strings.CutPrefix(name, root+":")
	if !ok {
		return "", fmt.Errorf("journal: %q is no account of ours", name)
	}
	words := strings.Split(rest, ":")
	for i, word := range words {
		if odd, ok := strings.CutPrefix(word, "ZZ"); ok {
			words[i] = strings.ReplaceAll(odd, "U", "_")
			continue
		}
		if word == "" {
			return "", fmt.Errorf("journal: %q is no account of ours", name)
		}
		words[i] = strings.ToLower(word[:1]) + strings.ReplaceAll(word[1:], "U", "_")
	}
	return ledger.Account(strings.Join(words, ":")), nil
}
