package statement

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Service makes statements. It keeps nothing: each is computed from the book when it is
// asked for.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db} }

// Statement is that of an enterprise that the caller sells for; zero is his only one.
// ErrMerchant, or ErrPeriod.
func (s *Service) Statement(ctx context.Context, caller identity.Caller, m merchant.ID, p Period) (Statement, error) {
	m, err := sellsFor(caller, m, p)
	if err != nil {
		return Statement{}, err
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Statement, error) { return statement(ctx, tx, m, p) })
}

// Lines are the transfers that make up a statement, oldest first. ErrMerchant, or
// ErrPeriod.
func (s *Service) Lines(ctx context.Context, caller identity.Caller, m merchant.ID, p Period, r page.Request) (page.Of[Line], error) {
	m, err := sellsFor(caller, m, p)
	if err != nil {
		return page.Of[Line]{}, err
	}
	_, last, err := r.After()
	if err != nil {
		return page.Of[Line]{}, err
	}
	all, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) ([]Line, error) { return lines(ctx, tx, m, p, last, r.Size()+1) })
	return page.Cut(all, r.Size(), func(l Line) (string, uuid.UUID) { return "", l.ID }), err
}

// Overview is every enterprise's account of a period, by code. ErrPeriod. For operators
// and auditors.
func (s *Service) Overview(ctx context.Context, p Period) (Overview, error) {
	if err := p.Check(); err != nil {
		return Overview{}, err
	}
	return postgres.View(ctx, s.db, func(tx *postgres.Tx) (Overview, error) { return overview(ctx, tx, p) })
}

// Incomes are what enterprises took in over a period, by code, without those that sold
// nothing in it and gave nothing back. ErrPeriod. For operators.
func (s *Service) Incomes(ctx context.Context, p Period) ([]Income, error) {
	o, err := s.Overview(ctx, p)
	var out []Income
	for _, st := range o.Statements {
		i := Income{st.Enterprise, st.Sums.Orders, st.Sums.Gross(), st.Sums.RefundedGoods + st.Sums.RefundedShipping}
		if i.Orders > 0 || i.Refunded > 0 {
			out = append(out, i)
		}
	}
	return out, err
}

// sellsFor is the enterprise that the caller means: the named one, or his only one.
func sellsFor(caller identity.Caller, m merchant.ID, p Period) (merchant.ID, error) {
	own := caller.Merchants()
	if m.IsZero() && len(own) == 1 {
		m = id.From[merchant.Merchant](own[0])
	}
	if !caller.SellsFor(m.UUID()) {
		return m, ErrMerchant
	}
	return m, p.Check()
}

func statement(ctx context.Context, tx *postgres.Tx, m merchant.ID, p Period) (Statement, error) {
	all, err := statements(ctx, tx, []uuid.UUID{m.UUID()}, p)
	if err != nil {
		return Statement{}, err
	}
	if len(all) == 0 {
		return Statement{}, ErrMerchant
	}
	return all[0], nil
}

// statements are those of enterprises, or of all for nil.
func statements(ctx context.Context, tx *postgres.Tx, ids []uuid.UUID, p Period) ([]Statement, error) {
	firms, err := enterprises(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	from, until := p.Bounds()
	turns, err := ledger.Turns(ctx, tx, ids, from, until)
	if err != nil {
		return nil, err
	}
	counts, err := refunds(ctx, tx, ids, from, until)
	if err != nil {
		return nil, err
	}
	of := make(map[uuid.UUID]*Statement, len(firms))
	all := make([]Statement, len(firms))
	for i, f := range firms {
		all[i] = Statement{Enterprise: f, Period: p}
		all[i].Sums.Refunds = counts[f.ID.UUID()]
		of[f.ID.UUID()] = &all[i]
	}
	for _, t := range turns {
		s, ok := of[t.Home]
		switch {
		case !ok: // a payable of nobody: Check of the book would tell
		case t.Before && t.In:
			s.Opening += t.Sum
		case t.Before:
			s.Opening -= t.Sum
		default:
			s.Sums.add(t.Kind, t.What, t.In, t.Sum, t.Count)
		}
	}
	for i := range all {
		all[i].Closing = all[i].Opening + all[i].Sums.Net()
	}
	return all, nil
}

func overview(ctx context.Context, tx *postgres.Tx, p Period) (Overview, error) {
	all, err := statements(ctx, tx, nil, p)
	if err != nil {
		return Overview{}, err
	}
	o := Overview{Period: p, Statements: all, Total: Statement{Period: p}}
	for _, s := range all {
		o.Total.Opening += s.Opening
		o.Total.Sums = o.Total.Sums.plus(s.Sums)
		o.Total.Closing += s.Closing
	}
	from, until := p.Bounds()
	o.FundLevied, err = ledger.Grown(ctx, tx, fund.All, fund.Levy, from, until)
	return o, err
}

// lines are up to limit lines after the transfer of that id.
func lines(ctx context.Context, tx *postgres.Tx, m merchant.ID, p Period, after uuid.UUID, limit int) ([]Line, error) {
	from, until := p.Bounds()
	entries, err := ledger.Touching(ctx, tx, m.UUID(), from, until, id.From[ledger.Transfer](after), limit)
	if err != nil {
		return nil, err
	}
	all := make([]Line, len(entries))
	var back []uuid.UUID
	for i, e := range entries {
		all[i] = lineOf(e)
		if ref, err := uuid.Parse(e.Ref); err == nil && e.Kind == fund.Refund {
			back = append(back, ref)
		}
	}
	orders, err := refunded(ctx, tx, m, back)
	if err != nil {
		return nil, err
	}
	for i := range all {
		ref, err := uuid.Parse(all[i].Ref)
		switch {
		case err != nil:
		case all[i].Kind == fund.Sale:
			all[i].Order = ref
		default:
			all[i].Order = orders[ref]
		}
	}
	return all, nil
}
