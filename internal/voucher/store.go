package voucher

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// voucherRow is a row of the table voucher.
type voucherRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	ID         uuid.UUID `gorm:"primaryKey"`
	OrderID    uuid.UUID
	Line       int
	N          int
	BuyerID    uuid.UUID
	Merchant   string
	Name       string
	Spec       string
	Code       string
	State      string
	ValidUntil time.Time
	IssuedAt   time.Time
	EndedAt    *time.Time
	EndedBy    *uuid.UUID
}

// TableName is voucher.
func (voucherRow) TableName() string { return "voucher" }

// appointmentRow is a row of the table voucher_appointment, with what its voucher says.
type appointmentRow struct {
	MerchantID uuid.UUID
	ID         uuid.UUID
	VoucherID  uuid.UUID
	Day        time.Time
	People     int
	State      string
	Reason     string
	AskedAt    time.Time
	DecidedAt  *time.Time
	OrderID    uuid.UUID
	Name       string
}

const shown = `SELECT a.*, v.order_id, v.name FROM voucher_appointment a JOIN voucher v ON v.merchant_id = a.merchant_id AND v.id = a.voucher_id `

func (r voucherRow) voucher() Voucher {
	return Voucher{
		ID: id.From[Voucher](r.ID), Order: id.From[order.Order](r.OrderID), Line: r.Line, N: r.N,
		Merchant: id.From[merchant.Merchant](r.MerchantID), MerchantName: r.Merchant, Buyer: id.From[identity.Account](r.BuyerID),
		Name: r.Name, Spec: r.Spec, Code: Code(r.Code), State: State(r.State), ValidUntil: merchant.Date(r.ValidUntil.Format(time.DateOnly)),
		IssuedAt: r.IssuedAt.UTC(), EndedAt: postgres.OrZero(r.EndedAt),
	}
}

func (r appointmentRow) appointment() Appointment {
	return Appointment{
		ID: id.From[Appointment](r.ID), Voucher: id.From[Voucher](r.VoucherID), Merchant: id.From[merchant.Merchant](r.MerchantID),
		Order: id.From[order.Order](r.OrderID), Name: r.Name, Day: merchant.Date(r.Day.Format(time.DateOnly)), People: r.People,
		State: AppointmentState(r.State), Reason: r.Reason, AskedAt: r.AskedAt.UTC(), DecidedAt: postgres.OrZero(r.DecidedAt),
	}
}

// made is the n-th voucher of a line.
func made(o order.Order, l order.Line, n int, now time.Time) Voucher {
	return Voucher{
		ID: id.New[Voucher](now), Order: o.ID, Line: l.N, N: n, Merchant: o.Merchant, MerchantName: o.MerchantName, Buyer: o.Buyer,
		Name: l.Name, Spec: l.Spec, Code: NewCode(), State: Issued, ValidUntil: Until(o.PaidAt, l.VoucherDays), IssuedAt: now,
	}
}

func insert(ctx context.Context, tx *postgres.Tx, all []Voucher) error {
	const most = 1000 // in one statement
	rows := make([]voucherRow, 0, min(len(all), most))
	for i, v := range all {
		rows = append(rows, voucherRow{
			MerchantID: v.Merchant.UUID(), ID: v.ID.UUID(), OrderID: v.Order.UUID(), Line: v.Line, N: v.N, BuyerID: v.Buyer.UUID(), Merchant: v.MerchantName,
			Name: v.Name, Spec: v.Spec, Code: string(v.Code), State: string(v.State), ValidUntil: v.ValidUntil.Time(), IssuedAt: v.IssuedAt,
		})
		if len(rows) < most && i < len(all)-1 {
			continue
		}
		if err := postgres.CreateAll(ctx, tx, rows); err != nil {
			return fmt.Errorf("issue vouchers of order %s: %w", v.Order, err)
		}
		rows = rows[:0]
	}
	return nil
}

// counted is how many vouchers an order has.
type counted struct{ All, Open int64 }

func count(ctx context.Context, tx *postgres.Tx, o order.Order) (counted, error) {
	c, err := postgres.Row[counted](ctx, tx, `SELECT count(*) AS "all", count(*) FILTER (WHERE state = 'issued') AS open
		FROM voucher WHERE merchant_id = ? AND order_id = ?`, o.Merchant, o.ID)
	if err != nil {
		return c, fmt.Errorf("count the vouchers of order %s: %w", o.ID, err)
	}
	return c, nil
}

// usedRow is how many vouchers of a line were used.
type usedRow struct {
	Line int
	N    int64
}

// used counts the vouchers of an order that were taken or have expired, by line.
func used(ctx context.Context, tx *postgres.Tx, o order.Order) (map[int]int64, error) {
	rows, err := postgres.Rows[usedRow](ctx, tx, `SELECT line, count(*) AS n FROM voucher
		WHERE merchant_id = ? AND order_id = ? AND state IN ('redeemed', 'expired') GROUP BY line`, o.Merchant, o.ID)
	if err != nil {
		return nil, fmt.Errorf("count the used vouchers of order %s: %w", o.ID, err)
	}
	all := make(map[int]int64, len(rows))
	for _, r := range rows {
		all[r.Line] = r.N
	}
	return all, nil
}

// unissued are paid orders with voucher lines and without vouchers.
func unissued(ctx context.Context, tx *postgres.Tx, limit int) ([]order.ID, error) {
	return orders(ctx, tx, `SELECT DISTINCT l.order_id FROM order_line l JOIN orders o ON o.merchant_id = l.merchant_id AND o.id = l.order_id
		WHERE l.voucher_days > 0 AND l.order_id > ? AND o.state = 'paid' AND l.refunded_quantity < l.quantity AND l.refunded_fen < l.total_fen
			AND NOT EXISTS (SELECT FROM voucher v WHERE v.merchant_id = l.merchant_id AND v.order_id = l.order_id)
		ORDER BY l.order_id LIMIT ?`, id.New[order.Order](tx.Now.Add(-recent)), limit)
}

// overdue are orders with vouchers whose last day is over.
func overdue(ctx context.Context, tx *postgres.Tx, limit int) ([]order.ID, error) {
	return orders(ctx, tx, `SELECT DISTINCT order_id FROM voucher WHERE state = 'issued' AND valid_until < ?::date LIMIT ?`, string(merchant.DateOf(tx.Now)), limit)
}

func orders(ctx context.Context, tx *postgres.Tx, query string, args ...any) ([]order.ID, error) {
	rows, err := postgres.Rows[voucherRow](ctx, tx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("find orders with vouchers: %w", err)
	}
	out := make([]order.ID, len(rows))
	for i, r := range rows {
		out[i] = id.From[order.Order](r.OrderID)
	}
	return out, nil
}

func expire(ctx context.Context, tx *postgres.Tx, o order.Order) error {
	_, err := tx.Exec(ctx, `UPDATE voucher SET state = 'expired', ended_at = ? WHERE merchant_id = ? AND order_id = ? AND state = 'issued' AND valid_until < ?::date`,
		tx.Now, o.Merchant, o.ID, string(merchant.DateOf(tx.Now)))
	if err != nil {
		return fmt.Errorf("expire vouchers of order %s: %w", o.ID, err)
	}
	return nil
}

// void ends up to so many unused vouchers of a line, those without an appointment first,
// and gives up the appointments of the others. It returns how many they were.
func void(ctx context.Context, tx *postgres.Tx, o order.Order, line int, quantity int64) (int64, error) {
	n, err := tx.Exec(ctx, `UPDATE voucher SET state = 'void', ended_at = ? WHERE merchant_id = ? AND id IN (
		SELECT v.id FROM voucher v LEFT JOIN voucher_appointment a ON a.merchant_id = v.merchant_id AND a.voucher_id = v.id AND a.state IN ('asked', 'confirmed')
		WHERE v.merchant_id = ? AND v.order_id = ? AND v.line = ? AND v.state = 'issued' ORDER BY a.id IS NOT NULL, v.n DESC LIMIT ?)`,
		tx.Now, o.Merchant, o.Merchant, o.ID, line, quantity)
	if err != nil {
		return 0, fmt.Errorf("refund vouchers of order %s: %w", o.ID, err)
	}
	_, err = tx.Exec(ctx, `UPDATE voucher_appointment a SET state = 'canceled', decided_at = ? FROM voucher v
		WHERE v.merchant_id = ? AND v.order_id = ? AND v.state = 'void' AND a.merchant_id = v.merchant_id AND a.voucher_id = v.id AND a.state IN ('asked', 'confirmed')`,
		tx.Now, o.Merchant, o.ID)
	if err != nil {
		return 0, fmt.Errorf("cancel the appointments of order %s: %w", o.ID, err)
	}
	return n, nil
}

func byCode(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, code Code) (Voucher, error) {
	return one(ctx, tx, `SELECT * FROM voucher WHERE merchant_id = ANY(?::uuid[]) AND code = ?`, postgres.Array(merchants), string(code))
}

func lock(ctx context.Context, tx *postgres.Tx, vid ID) (Voucher, error) {
	return one(ctx, tx, `SELECT * FROM voucher WHERE id = ? FOR UPDATE`, vid)
}

func one(ctx context.Context, tx *postgres.Tx, query string, args ...any) (Voucher, error) {
	rows, err := postgres.Rows[voucherRow](ctx, tx, query, args...)
	switch {
	case err != nil:
		return Voucher{}, fmt.Errorf("read a voucher: %w", err)
	case len(rows) == 0:
		return Voucher{}, ErrUnknown
	}
	return rows[0].voucher(), nil
}

func saveRedeemed(ctx context.Context, tx *postgres.Tx, v Voucher, by identity.ID) error {
	_, err := tx.Exec(ctx, `UPDATE voucher SET state = ?, ended_at = ?, ended_by = ? WHERE merchant_id = ? AND id = ?`,
		string(v.State), v.EndedAt, by, v.Merchant, v.ID)
	if err != nil {
		return fmt.Errorf("redeem voucher %s: %w", v.ID, err)
	}
	return nil
}

// list gives a page of vouchers, the newest first, each with its last appointment.
func list(ctx context.Context, tx *postgres.Tx, p page.Request, where string, args ...any) (page.Of[Voucher], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Voucher]{}, err
	}
	rows, err := postgres.Rows[voucherRow](ctx, tx, `SELECT * FROM voucher WHERE `+where+` AND (? OR id < ?) ORDER BY id DESC LIMIT ?`,
		append(args, last == uuid.Nil, last, p.Size()+1)...)
	if err != nil {
		return page.Of[Voucher]{}, fmt.Errorf("list vouchers: %w", err)
	}
	all, merchants, ids := make([]Voucher, len(rows)), make([]uuid.UUID, len(rows)), make([]uuid.UUID, len(rows))
	place := make(map[ID]int, len(rows))
	for i, r := range rows {
		all[i], merchants[i], ids[i] = r.voucher(), r.MerchantID, r.ID
		place[all[i].ID] = i
	}
	if len(all) > 0 {
		last, err := postgres.Rows[appointmentRow](ctx, tx, `SELECT DISTINCT ON (a.merchant_id, a.voucher_id) a.*, v.order_id, v.name
			FROM unnest(?::uuid[], ?::uuid[]) AS x(m, i) JOIN voucher v ON v.merchant_id = x.m AND v.id = x.i
			JOIN voucher_appointment a ON a.merchant_id = x.m AND a.voucher_id = x.i
			ORDER BY a.merchant_id, a.voucher_id, a.id DESC`, postgres.Array(merchants), postgres.Array(ids))
		if err != nil {
			return page.Of[Voucher]{}, fmt.Errorf("list the appointments of vouchers: %w", err)
		}
		for _, r := range last {
			a := r.appointment()
			all[place[a.Voucher]].Appointment = &a
		}
	}
	return page.Cut(all, p.Size(), func(v Voucher) (string, uuid.UUID) { return "", v.ID.UUID() }), nil
}

func insertAppointment(ctx context.Context, tx *postgres.Tx, a Appointment) error {
	_, err := tx.Exec(ctx, `INSERT INTO voucher_appointment (merchant_id, id, voucher_id, day, people, state, reason, asked_at)
		VALUES (?, ?, ?, ?::date, ?, ?, '', ?)`, a.Merchant, a.ID, a.Voucher, string(a.Day), a.People, string(a.State), a.AskedAt)
	switch {
	case postgres.Violates(err, "voucher_appointment_one_open"):
		return ErrOpen
	case err != nil:
		return fmt.Errorf("ask for an appointment: %w", err)
	}
	return nil
}

func lockOpen(ctx context.Context, tx *postgres.Tx, v Voucher) (Appointment, error) {
	return oneAppointment(ctx, tx, `WHERE a.merchant_id = ? AND a.voucher_id = ? AND a.state IN ('asked', 'confirmed') FOR UPDATE OF a`, v.Merchant, v.ID)
}

func lockAppointment(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, aid AppointmentID) (Appointment, error) {
	return oneAppointment(ctx, tx, `WHERE a.merchant_id = ANY(?::uuid[]) AND a.id = ? FOR UPDATE OF a`, postgres.Array(merchants), aid)
}

func oneAppointment(ctx context.Context, tx *postgres.Tx, where string, args ...any) (Appointment, error) {
	rows, err := postgres.Rows[appointmentRow](ctx, tx, shown+where, args...)
	switch {
	case err != nil:
		return Appointment{}, fmt.Errorf("read an appointment: %w", err)
	case len(rows) == 0:
		return Appointment{}, ErrAppointment
	}
	return rows[0].appointment(), nil
}

func saveAppointment(ctx context.Context, tx *postgres.Tx, a Appointment) error {
	_, err := tx.Exec(ctx, `UPDATE voucher_appointment SET state = ?, reason = ?, decided_at = ? WHERE merchant_id = ? AND id = ?`,
		string(a.State), a.Reason, a.DecidedAt, a.Merchant, a.ID)
	if err != nil {
		return fmt.Errorf("save appointment %s: %w", a.ID, err)
	}
	return nil
}

func appointments(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, state AppointmentState, p page.Request) (page.Of[Appointment], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Appointment]{}, err
	}
	rows, err := postgres.Rows[appointmentRow](ctx, tx, shown+`WHERE a.merchant_id = ANY(?::uuid[]) AND (? OR a.state = ?) AND (? OR a.id < ?) ORDER BY a.id DESC LIMIT ?`,
		postgres.Array(merchants), state == "", string(state), last == uuid.Nil, last, p.Size()+1)
	if err != nil {
		return page.Of[Appointment]{}, fmt.Errorf("list appointments: %w", err)
	}
	all := make([]Appointment, len(rows))
	for i, r := range rows {
		all[i] = r.appointment()
	}
	return page.Cut(all, p.Size(), func(a Appointment) (string, uuid.UUID) { return "", a.ID.UUID() }), nil
}
