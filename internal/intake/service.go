package intake

import (
	"context"
	"time"

	"github.com/shiyi-market/shiyi/internal/assortment"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sheet"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service takes sheets of goods and gives them out.
type Service struct {
	db      *postgres.DB
	catalog *catalog.Service
	desk    sheet.Desk
}

// New returns a Service on db. The catalogue is told when goods have changed.
func New(db *postgres.DB, goods *catalog.Service) *Service {
	return &Service{db: db, catalog: goods, desk: sheet.NewDesk()}
}

// Check reads a sheet of an enterprise that the caller sells for (the zero id means
// the only one) and says what it would do. Nothing of it is written: it is kept to be
// committed, or with its bad cells. ErrMerchant, ErrFormat,
// assortment.ErrColumns, or the faults of package sheet.
func (s *Service) Check(ctx context.Context, caller identity.Caller, m merchant.ID, f sheet.Format, body []byte) (Import, error) {
	m, err := sellsFor(caller, m)
	if err != nil {
		return Import{}, err
	}
	if f != sheet.XLSX && f != sheet.CSV {
		return Import{}, sheet.Placed(ErrFormat)
	}
	table, err := s.desk.Read(ctx, f, body)
	if err != nil {
		return Import{}, sheet.Placed(err)
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Import, error) {
		r, p, err := planned(ctx, tx, m, table)
		if err != nil {
			return Import{}, err
		}
		i := Import{
			ID: id.New[Import](tx.Now), Merchant: m, Account: caller.Account, Format: f, State: Checked,
			Rows: p.Rows, BadCells: len(p.Bad), CreatedAt: tx.Now, UpdatedAt: tx.Now,
		}
		if len(p.Bad) > 0 {
			i.State = Failed
		}
		if err := insert(ctx, tx, i, body, p.Basis, p.Bad); err != nil {
			return Import{}, err
		}
		if err := forgetAllBut(ctx, tx, m, keptSheets); err != nil {
			return Import{}, err
		}
		return i, note(ctx, tx, i, "intake.check", map[string]any{"rows": r.Rows(), "bad_cells": i.BadCells})
	})
}

// planned compares a sheet with the goods that there are.
func planned(ctx context.Context, tx *postgres.Tx, m merchant.ID, t sheet.Table) (*assortment.Reading, *assortment.Plan, error) {
	goods, err := shape(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	r, err := goods.Read(t)
	if err != nil {
		return nil, nil, err
	}
	now := assortment.Present{Merchant: m}
	codes, skus := r.Codes()
	if now.Products, err = catalog.Known(ctx, tx, m, codes, skus); err != nil {
		return nil, nil, err
	}
	if now.Openings, err = inventory.Openings(ctx, tx, m.UUID(), skusOf(now.Products)); err != nil {
		return nil, nil, err
	}
	return r, r.Plan(now), nil
}

// Import is an import of an enterprise that the caller sells for, with how far it
// has come. ErrImport.
func (s *Service) Import(ctx context.Context, caller identity.Caller, i ID) (Import, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Import, error) { return one(ctx, tx, caller.Merchants(), i) })
}

// Imports lists the imports of the enterprises that the caller sells for, the newest
// first.
func (s *Service) Imports(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Import], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Import], error) { return list(ctx, tx, caller.Merchants(), p) })
}

// BadCells lists the cells of an import that will not do, by row and column; at most
// the first 5,000. ErrImport.
func (s *Service) BadCells(ctx context.Context, caller identity.Caller, i ID, p page.Request) (page.Of[BadCell], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[BadCell], error) {
		found, err := one(ctx, tx, caller.Merchants(), i)
		if err != nil {
			return page.Of[BadCell]{}, err
		}
		return badCells(ctx, tx, found, p)
	})
}

// Commit lets a job write an import that was checked: all of it, or nothing. What is
// being written or was written stays as it is, so that it may be asked for again.
// ErrImport, ErrGone, or ErrState.
func (s *Service) Commit(ctx context.Context, caller identity.Caller, i ID) (Import, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Import, error) {
		held, err := lock(ctx, tx, caller.Merchants(), i)
		if err != nil {
			return Import{}, err
		}
		begins, err := held.begin(tx.Now)
		if err != nil || !begins {
			return held, err
		}
		if kept, err := hasBody(ctx, tx, held); err != nil || !kept {
			if err == nil {
				err = ErrGone
			}
			return Import{}, err
		}
		if err := update(ctx, tx, held); err != nil {
			return Import{}, err
		}
		if err := tx.Enqueue(ctx, Write{Merchant: held.Merchant, Import: held.ID}); err != nil {
			return Import{}, err
		}
		return held, note(ctx, tx, held, "intake.commit", map[string]any{"new": held.Rows.New, "changed": held.Rows.Changed})
	})
}

// Write does the job of the same name: it compares the sheet anew and writes it in
// one transaction. Goods that changed since the check make the import Failed. One
// that is not being committed is left alone, so the job may be done again.
func (s *Service) Write(ctx context.Context, w Write) error {
	kept, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (stored, error) { return readWhole(ctx, tx, w.Merchant, w.Import) })
	if err != nil || kept.imp.State != Committing {
		return err
	}
	table, err := s.desk.Read(ctx, kept.imp.Format, kept.body)
	if err != nil {
		return err
	}
	err = postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return s.write(ctx, tx, kept, table) })
	if err == nil {
		s.catalog.Forget(ctx)
	}
	return err
}

func (s *Service) write(ctx context.Context, tx *postgres.Tx, kept stored, t sheet.Table) error {
	held, err := lockOf(ctx, tx, kept.imp.Merchant, kept.imp.ID)
	if err != nil || held.State != Committing {
		return err
	}
	r, p, err := s.held(ctx, tx, held, t)
	if err != nil {
		return err
	}
	bad := append(r.Overtaken(kept.basis, p.Basis), p.Bad...)
	if len(bad) > 0 {
		return overtake(ctx, tx, held, bad)
	}
	if err := replan(ctx, tx); err != nil {
		return err
	}
	if err := s.goods(ctx, tx, held, p); err != nil {
		return err
	}
	if err := held.end(tx.Now); err != nil {
		return err
	}
	if err := update(ctx, tx, held); err != nil {
		return err
	}
	return note(ctx, tx, held, "intake.write", map[string]any{"new": held.Rows.New, "changed": held.Rows.Changed})
}

// held compares a sheet with goods that nobody else changes until the end of tx.
func (s *Service) held(ctx context.Context, tx *postgres.Tx, i Import, t sheet.Table) (*assortment.Reading, *assortment.Plan, error) {
	r, err := assortment.New(nil, nil).Read(t)
	if err != nil {
		return nil, nil, err
	}
	codes, _ := r.Codes()
	if err := catalog.Lock(ctx, tx, i.Merchant, codes); err != nil {
		return nil, nil, err
	}
	return planned(ctx, tx, i.Merchant, t)
}

func overtake(ctx context.Context, tx *postgres.Tx, i Import, bad []BadCell) error {
	if err := i.fail(tx.Now); err != nil {
		return err
	}
	for n := range bad {
		bad[n].N = n + 1
	}
	i.BadCells, i.Rows.Bad = len(bad), len(bad)
	if err := insertBad(ctx, tx, i, bad); err != nil {
		return err
	}
	if err := update(ctx, tx, i); err != nil {
		return err
	}
	return note(ctx, tx, i, "intake.overtaken", map[string]any{"bad_cells": i.BadCells})
}

// step is how many products are written between two words about the progress.
const step = 500

// goods writes the goods of a plan.
func (s *Service) goods(ctx context.Context, tx *postgres.Tx, i Import, p *assortment.Plan) error {
	actor, done := i.Account.UUID(), 0
	for len(p.Add) > 0 {
		n := min(step, len(p.Add))
		added, err := catalog.AddAll(ctx, tx, actor, p.Add[:n])
		if err != nil {
			return err
		}
		var lines []inventory.Line
		for _, product := range added {
			done += p.Lines[product.Code]
			for _, k := range product.SKUs {
				lines = append(lines, inventory.Line{Merchant: i.Merchant.UUID(), SKU: k.ID.UUID(), Qty: p.Open[k.Code]})
			}
		}
		if err := inventory.OpenAll(ctx, tx, actor, lines); err != nil {
			return err
		}
		p.Add = p.Add[n:]
		s.progress(ctx, i, done)
	}
	for len(p.Revise) > 0 {
		n := min(step, len(p.Revise))
		added, err := catalog.ReviseAll(ctx, tx, actor, p.Revise[:n])
		if err != nil {
			return err
		}
		var lines []inventory.Line
		for _, k := range added {
			lines = append(lines, inventory.Line{Merchant: i.Merchant.UUID(), SKU: k.ID.UUID(), Qty: p.Open[k.Code]})
		}
		for _, r := range p.Revise[:n] {
			done += p.Lines[r.Code]
			for _, k := range r.SKUs {
				if qty, ok := p.Open[k.Code]; ok {
					lines = append(lines, inventory.Line{Merchant: i.Merchant.UUID(), SKU: k.ID.UUID(), Qty: qty})
				}
			}
		}
		if err := inventory.OpenAll(ctx, tx, actor, lines); err != nil {
			return err
		}
		p.Revise = p.Revise[n:]
		s.progress(ctx, i, done)
	}
	return nil
}

// progress tells everybody how many rows are written, beside the transaction that
// writes them. Where that takes long it is left out: it is a word, and no fact.
func (s *Service) progress(ctx context.Context, i Import, done int) {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	_ = postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return setDone(ctx, tx, i, done) })
}

// Forget empties the sheets of imports that were kept long enough, at most limit of
// them, and says how many those were.
func (s *Service) Forget(ctx context.Context, limit int) (int, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int, error) { return forget(ctx, tx, tx.Now.Add(-KeptBody), limit) })
}

// sellsFor is the enterprise that the caller means: the named one, or his only one.
func sellsFor(caller identity.Caller, m merchant.ID) (merchant.ID, error) {
	own := caller.Merchants()
	if m.IsZero() && len(own) == 1 {
		m = id.From[merchant.Merchant](own[0])
	}
	if !caller.SellsFor(m.UUID()) {
		return m, ErrMerchant
	}
	return m, nil
}

func note(ctx context.Context, tx *postgres.Tx, i Import, operation string, detail map[string]any) error {
	detail["merchant"] = i.Merchant.String()
	return trail.Note(ctx, tx, trail.Entry{Actor: i.Account.UUID(), Operation: operation, Object: "import:" + i.ID.String(), Detail: detail})
}
