package aftersale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/returns"
)

// caseRow is a row of the table aftersale_case.
type caseRow struct {
	MerchantID, ID, OrderID, BuyerID uuid.UUID
	Kind, Reason, Body               string
	Pictures, Lines                  string // jsonb
	State                            string
	OpenedAt                         time.Time
	DueAt                            *time.Time
	Carrier, TrackingNo              string
	RefundID                         *uuid.UUID
	ClosedAt                         *time.Time
}

// TableName is aftersale_case.
func (caseRow) TableName() string { return "aftersale_case" }

// eventRow is a row of the table aftersale_event.
type eventRow struct {
	MerchantID, CaseID  uuid.UUID
	N                   int
	Action, State, Role string
	ActorID             uuid.UUID
	Note                string
	At                  time.Time
}

// TableName is aftersale_event.
func (eventRow) TableName() string { return "aftersale_event" }

func (r caseRow) value() (returns.Case, error) {
	c := returns.Case{
		ID: id.From[returns.Case](r.ID), Merchant: id.From[merchant.Merchant](r.MerchantID), Order: id.From[order.Order](r.OrderID),
		Buyer: id.From[identity.Account](r.BuyerID), Asking: returns.Asking{Kind: returns.Kind(r.Kind), Reason: returns.Reason(r.Reason), Text: r.Body},
		State: returns.State(r.State), OpenedAt: r.OpenedAt.UTC(), DueAt: postgres.OrZero(r.DueAt), Carrier: r.Carrier, Tracking: r.TrackingNo, ClosedAt: postgres.OrZero(r.ClosedAt),
	}
	c.Refund = id.FromNull[order.Refund](r.RefundID)
	if err := errors.Join(json.Unmarshal([]byte(r.Pictures), &c.Pictures), json.Unmarshal([]byte(r.Lines), &c.Lines)); err != nil {
		return c, fmt.Errorf("read case %s: %w", r.ID, err)
	}
	return c, nil
}

// insertCase writes a new case. returns.ErrOpen when the order has an open one.
func insertCase(ctx context.Context, tx *postgres.Tx, c returns.Case) error {
	pictures := []byte("[]")
	lines, err := json.Marshal(c.Lines)
	if err == nil && len(c.Pictures) > 0 {
		pictures, err = json.Marshal(c.Pictures)
	}
	if err != nil {
		return fmt.Errorf("write a case: %w", err)
	}
	err = postgres.On[caseRow](tx).Create(ctx, caseRow{
		MerchantID: c.Merchant.UUID(), ID: c.ID.UUID(), OrderID: c.Order.UUID(), BuyerID: c.Buyer.UUID(), Kind: string(c.Kind), Reason: string(c.Reason),
		Body: c.Text, Pictures: string(pictures), Lines: string(lines), State: string(c.State), OpenedAt: c.OpenedAt, DueAt: postgres.OrNull(c.DueAt),
	})
	switch {
	case postgres.Violates(err, "aftersale_case_one_open"):
		return returns.ErrOpen
	case err != nil:
		return fmt.Errorf("open a case of order %s: %w", c.Order, err)
	}
	return nil
}

// saveCase writes what was done about a locked case.
func saveCase(ctx context.Context, tx *postgres.Tx, c returns.Case, fresh []returns.Event) error {
	_, err := tx.Exec(ctx, `UPDATE aftersale_case SET state = ?, due_at = ?, carrier = ?, tracking_no = ?, refund_id = ?, closed_at = ?
		WHERE merchant_id = ? AND id = ?`,
		string(c.State), postgres.OrNull(c.DueAt), c.Carrier, c.Tracking, c.Refund, postgres.OrNull(c.ClosedAt), c.Merchant, c.ID)
	if err != nil {
		return fmt.Errorf("save case %s: %w", c.ID, err)
	}
	for _, e := range fresh {
		err := postgres.On[eventRow](tx).Create(ctx, eventRow{
			MerchantID: c.Merchant.UUID(), CaseID: c.ID.UUID(), N: e.N, Action: e.Action, State: string(e.State), Role: string(e.Role),
			ActorID: e.Actor.UUID(), Note: e.Note, At: e.At,
		})
		if err != nil {
			return fmt.Errorf("write what was done about case %s: %w", c.ID, err)
		}
	}
	return nil
}

func caseByID(ctx context.Context, tx *postgres.Tx, cid returns.ID, lock string) (returns.Case, error) {
	rows, err := postgres.Rows[caseRow](ctx, tx, `SELECT * FROM aftersale_case WHERE id = ?`+lock, cid)
	if err != nil {
		return returns.Case{}, fmt.Errorf("read case %s: %w", cid, err)
	}
	if len(rows) == 0 {
		return returns.Case{}, returns.ErrUnknown
	}
	all, err := withEvents(ctx, tx, rows)
	if err != nil {
		return returns.Case{}, err
	}
	return all[0], nil
}

// withEvents gives cases with what was done about them, in the order of the rows.
func withEvents(ctx context.Context, tx *postgres.Tx, rows []caseRow) ([]returns.Case, error) {
	cases := make([]returns.Case, len(rows))
	merchants, ids, place := make([]uuid.UUID, len(rows)), make([]uuid.UUID, len(rows)), make(map[uuid.UUID]int, len(rows))
	var err error
	for i, r := range rows {
		if cases[i], err = r.value(); err != nil {
			return nil, err
		}
		merchants[i], ids[i], place[r.ID] = r.MerchantID, r.ID, i
	}
	events, err := postgres.Rows[eventRow](ctx, tx, `SELECT e.* FROM unnest(?::uuid[], ?::uuid[]) AS x(m, c)
		JOIN aftersale_event e ON e.merchant_id = x.m AND e.case_id = x.c ORDER BY e.case_id, e.n`,
		postgres.Array(merchants), postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read what was done about cases: %w", err)
	}
	for _, e := range events {
		c := &cases[place[e.CaseID]]
		c.Events = append(c.Events, returns.Event{
			N: e.N, Action: e.Action, State: returns.State(e.State), Role: lifecycle.Role(e.Role), Actor: id.From[identity.Account](e.ActorID), Note: e.Note, At: e.At.UTC(),
		})
	}
	return cases, nil
}

// listCases gives a page of cases, newest first.
func listCases(ctx context.Context, tx *postgres.Tx, p page.Request, where string, arg any) (page.Of[returns.Case], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[returns.Case]{}, err
	}
	if last == uuid.Nil {
		last = uuid.Max
	}
	rows, err := postgres.Rows[caseRow](ctx, tx, `SELECT * FROM aftersale_case WHERE `+where+` AND id < ? ORDER BY id DESC LIMIT ?`, arg, last, p.Size()+1)
	if err != nil {
		return page.Of[returns.Case]{}, fmt.Errorf("list cases: %w", err)
	}
	cases, err := withEvents(ctx, tx, rows)
	if err != nil {
		return page.Of[returns.Case]{}, err
	}
	return page.Cut(cases, p.Size(), func(c returns.Case) (string, uuid.UUID) { return "", c.ID.UUID() }), nil
}

// dueCases are up to limit cases whose deadline has passed, the oldest first, after one of them.
func dueCases(ctx context.Context, tx *postgres.Tx, after caseRow, limit int) ([]caseRow, error) {
	var last time.Time
	if after.DueAt != nil {
		last = *after.DueAt
	}
	rows, err := postgres.Rows[caseRow](ctx, tx, `SELECT id, due_at FROM aftersale_case
		WHERE due_at <= ? AND (due_at, id) > (?, ?) ORDER BY due_at, id LIMIT ?`, tx.Now, last, after.ID, limit)
	if err != nil {
		return nil, fmt.Errorf("find cases that are due: %w", err)
	}
	return rows, nil
}

func openOf(ctx context.Context, tx *postgres.Tx, orders []order.Order) (map[order.ID]bool, error) {
	merchants, ids := homes(orders)
	rows, err := postgres.Rows[caseRow](ctx, tx, `SELECT c.order_id FROM unnest(?::uuid[], ?::uuid[]) AS x(m, o)
		JOIN aftersale_case c ON c.merchant_id = x.m AND c.order_id = x.o AND c.closed_at IS NULL`,
		postgres.Array(merchants), postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("look for open cases: %w", err)
	}
	open := make(map[order.ID]bool, len(rows))
	for _, r := range rows {
		open[id.From[order.Order](r.OrderID)] = true
	}
	return open, nil
}
