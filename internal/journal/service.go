package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// Service writes the book down. It keeps nothing.
type Service struct {
	db     *postgres.DB
	awards Awards
}

// New makes the service; awards may be nil.
func New(db *postgres.DB, awards Awards) *Service { return &Service{db, awards} }

// pens are how each format is written.
func pens(f Format) (func(io.Writer) pen, bool) {
	p, ok := map[Format]func(io.Writer) pen{
		Hledger: newHledger, Beancount: newBeancount, XLSX: newTable(sheet.XLSX), CSV: newTable(sheet.CSV),
	}[f]
	return p, ok
}

// Write writes the book of a period, of one moment: what the accounts held, one transaction
// for each transfer, and what the accounts hold at the end of each day on which they moved
// and at the end of all. Memory grows with the accounts and not with the transfers: the file
// waits on disk until it is whole, so that no transaction waits for a reader.
// statement.ErrPeriod, ErrTooLong.
func (s *Service) Write(ctx context.Context, f Format, p Period, out io.Writer) error {
	newPen, ok := pens(f)
	if !ok {
		return fmt.Errorf("journal: no format %q", f)
	}
	if err := p.Check(); err != nil {
		return err
	}
	return spooled(out, func(file *os.File) error {
		_, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) (struct{}, error) {
			if err := rewind(file); err != nil {
				return struct{}{}, err
			}
			return struct{}{}, write(ctx, tx, p, newPen(file))
		})
		return err
	})
}

func rewind(file *os.File) error {
	_, err := file.Seek(0, io.SeekStart)
	return errors.Join(err, file.Truncate(0))
}

// spooled gives out what f writes into a file of the moment.
func spooled(out io.Writer, f func(*os.File) error) (err error) {
	file, err := os.CreateTemp("", "shiyi-journal-")
	if err != nil {
		return fmt.Errorf("make a file for a journal: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	if err := f(file); err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.Copy(out, file)
	return err
}

// day is what moved on the day that is being written.
type running struct {
	held    map[ledger.Account]money.Li
	day     merchant.Date
	touched map[ledger.Account]bool
	pen     pen
}

func write(ctx context.Context, tx *postgres.Tx, p Period, out pen) error {
	from, until := p.Bounds()
	accounts, err := ledger.Trial(ctx, tx, from, until)
	if err != nil {
		return err
	}
	if err := out.open(p, accounts); err != nil {
		return err
	}
	r := running{held: make(map[ledger.Account]money.Li, len(accounts)), touched: map[ledger.Account]bool{}, pen: out}
	for _, a := range accounts {
		r.held[a.Account] = a.Opening
	}
	if err := ledger.Every(ctx, tx, ledger.Span{From: from, Until: until}, r.transfer); err != nil {
		return err
	}
	if err := r.over(); err != nil {
		return err
	}
	for _, a := range accounts {
		if a.Closing() != r.held[a.Account] {
			return fmt.Errorf("journal: %s holds %d li, and its moves lead to %d", a.Account, a.Closing(), r.held[a.Account])
		}
	}
	if err := out.holds(p.Until, accounts); err != nil {
		return err
	}
	return out.close()
}

func (r *running) transfer(n ledger.Numbered) error {
	day := merchant.DateOf(n.At)
	if day != r.day {
		if err := r.over(); err != nil {
			return err
		}
		r.day = day
	}
	for _, m := range n.Moves {
		r.held[m.From] -= m.Amount
		r.held[m.To] += m.Amount
		r.touched[m.From], r.touched[m.To] = true, true
	}
	return r.pen.transfer(day, n)
}

// over asserts what the accounts that moved on the day hold at its end.
func (r *running) over() error {
	if len(r.touched) == 0 {
		return nil
	}
	balances := make([]ledger.Turnover, 0, len(r.touched))
	for _, a := range slices.Sorted(maps.Keys(r.touched)) {
		balances = append(balances, ledger.Turnover{Account: a, Opening: r.held[a]})
	}
	clear(r.touched)
	return r.pen.holds(r.day, balances)
}
