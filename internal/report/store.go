package report

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// sold counts what was paid for in a time: goods that came back later are sold nevertheless, the money tells.
func sold(ctx context.Context, tx *postgres.Tx, i *Impact, from, until time.Time) error {
	r, err := postgres.Row[struct{ Orders, Enterprises, Products, Categories int64 }](ctx, tx, `
		WITH o AS (SELECT merchant_id, id FROM orders WHERE paid_at >= ? AND paid_at < ?),
		l AS (SELECT DISTINCT l.merchant_id, l.product_id FROM o JOIN order_line l ON l.merchant_id = o.merchant_id AND l.order_id = o.id)
		SELECT (SELECT count(*) FROM o) AS orders, (SELECT count(DISTINCT merchant_id) FROM o) AS enterprises,
		       count(*) AS products, count(DISTINCT p.category_code) AS categories
		FROM l JOIN product p ON p.merchant_id = l.merchant_id AND p.id = l.product_id`, from, until)
	if err != nil {
		return fmt.Errorf("count what was sold in %d: %w", i.Year, err)
	}
	i.Orders, i.Enterprises, i.Products, i.Categories = r.Orders, r.Enterprises, r.Products, r.Categories
	return nil
}

// moved sums what the book says of a time.
func moved(ctx context.Context, tx *postgres.Tx, i *Impact, from, until time.Time) error {
	rows, err := postgres.Rows[struct {
		Kind, What, Source, Target string
		SumLi                      int64
	}](ctx, tx, `SELECT t.kind, m.what,
			CASE WHEN starts_with(m.source, 'fund:') THEN 'fund' ELSE '' END AS source,
			CASE WHEN starts_with(m.target, 'fund:') THEN 'fund' ELSE '' END AS target, sum(m.amount_li)::bigint AS sum_li
		FROM transfer t JOIN move m ON m.home = t.home AND m.transfer_id = t.id
		WHERE t.at >= ? AND t.at < ? AND (m.what = ? OR starts_with(m.source, 'fund:') OR starts_with(m.target, 'fund:'))
		GROUP BY 1, 2, 3, 4`, from, until, fund.Goods)
	if err != nil {
		return fmt.Errorf("sum what was moved in %d: %w", i.Year, err)
	}
	for _, r := range rows {
		sum, out, in := money.Li(r.SumLi), r.Source != "" && r.Target == "", r.Target != "" && r.Source == ""
		switch {
		case r.What == fund.Goods && r.Kind == fund.Sale:
			i.Sold += sum
		case r.What == fund.Goods && (r.Kind == fund.Refund || r.Kind == fund.DisputeLost):
			i.Sold -= sum
		case r.What == fund.Levy && in:
			i.Levy += sum
		case r.What == fund.Levy && out:
			i.Levy -= sum
		case r.Kind == fund.GrantPaying && out:
			i.Fund.Paid += sum
		case r.Kind == fund.GrantReturning && in:
			i.Fund.Returned += sum
		case out:
			i.Fund.Administration += sum
		}
	}
	i.Fund.Levied = i.Levy
	return nil
}

// linked sums what the enterprises that sold in a time declare.
func linked(ctx context.Context, tx *postgres.Tx, i *Impact, from, until time.Time) error {
	r, err := postgres.Row[struct{ Households, PoorHouseholds, Employed, DividendsFen int64 }](ctx, tx, `
		SELECT coalesce(sum(linked_households), 0)::bigint AS households, coalesce(sum(linked_poor_households), 0)::bigint AS poor_households,
		       coalesce(sum(employed_poor_persons), 0)::bigint AS employed, coalesce(sum(dividends_fen), 0)::bigint AS dividends_fen
		FROM merchant WHERE id IN (SELECT DISTINCT merchant_id FROM orders WHERE paid_at >= ? AND paid_at < ?)`, from, until)
	if err != nil {
		return fmt.Errorf("sum what the enterprises of %d declare: %w", i.Year, err)
	}
	i.Linkage = Linkage{r.Households, r.PoorHouseholds, r.Employed, money.Fen(r.DividendsFen)}
	return nil
}

// projects are the programmes that were there before a time was over, and what they were paid in it.
func projects(ctx context.Context, tx *postgres.Tx, i *Impact, from, until time.Time) error {
	rows, err := postgres.Rows[struct {
		ID                  uuid.UUID
		Title, Kind, School string
		BudgetFen, PaidLi   int64
	}](ctx, tx, `WITH paid AS (
			SELECT right(m.target, 36) AS id, sum(m.amount_li)::bigint AS li FROM transfer t JOIN move m ON m.home = t.home AND m.transfer_id = t.id
			WHERE t.kind = ? AND t.at >= ? AND t.at < ? GROUP BY 1)
		SELECT p.id, p.title, p.kind, p.school, p.budget_fen, coalesce(paid.li, 0) AS paid_li
		FROM programme p LEFT JOIN paid ON paid.id = p.id::text WHERE p.recorded_at < ? OR paid.li > 0 ORDER BY p.id LIMIT 1000`,
		fund.GrantPaying, from, until, until)
	if err != nil {
		return fmt.Errorf("list the programmes of %d: %w", i.Year, err)
	}
	for _, r := range rows {
		i.Projects = append(i.Projects, Project{r.ID, r.Title, r.Kind, r.School, money.Fen(r.BudgetFen), money.Li(r.PaidLi)})
	}
	return nil
}
