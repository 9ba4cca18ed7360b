package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// batchRow is a row of the table shipment_batch.
type batchRow struct {
	MerchantID uuid.UUID
	ID         uuid.UUID
	AccountID  uuid.UUID
	Format     string
	State      string
	Orders     int
	Done       int
	BadCells   int
	CreatedAt  time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt  time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is shipment_batch.
func (batchRow) TableName() string { return "shipment_batch" }

// sheetRow is a row of the table shipment_batch_row.
type sheetRow struct {
	MerchantID  uuid.UUID
	BatchID     uuid.UUID
	SheetRow    int
	OrderID     uuid.UUID
	Carrier     string
	Number      string
	Temperature string
	Done        bool
}

// TableName is shipment_batch_row.
func (sheetRow) TableName() string { return "shipment_batch_row" }

// badRow is a row of the table shipment_batch_bad_cell.
type badRow struct {
	MerchantID  uuid.UUID
	BatchID     uuid.UUID
	N           int
	SheetRow    int
	SheetColumn int
	Key         string
	Code        string
	Value       string
	MessageZH   string `gorm:"column:message_zh"`
	MessageEN   string `gorm:"column:message_en"`
}

// TableName is shipment_batch_bad_cell.
func (badRow) TableName() string { return "shipment_batch_bad_cell" }

func (r batchRow) batch() Batch {
	return Batch{
		ID: id.From[Batch](r.ID), Merchant: id.From[merchant.Merchant](r.MerchantID), Account: id.From[identity.Account](r.AccountID),
		Format: sheet.Format(r.Format), State: State(r.State), Orders: r.Orders, Done: r.Done, BadCells: r.BadCells,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

func insert(ctx context.Context, tx *postgres.Tx, b Batch, rows []row, bad []BadCell) error {
	err := postgres.On[batchRow](tx).Create(ctx, batchRow{
		MerchantID: b.Merchant.UUID(), ID: b.ID.UUID(), AccountID: b.Account.UUID(), Format: string(b.Format), State: string(b.State),
		Orders: b.Orders, BadCells: b.BadCells, CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt,
	})
	if err != nil {
		return fmt.Errorf("keep a batch of shipments: %w", err)
	}
	if b.State == Failed { // it ships nothing, ever
		return insertBad(ctx, tx, b, bad, 0)
	}
	kept := make([]sheetRow, len(rows))
	for i, r := range rows {
		kept[i] = sheetRow{
			MerchantID: b.Merchant.UUID(), BatchID: b.ID.UUID(), SheetRow: r.N, OrderID: r.Order.UUID(),
			Carrier: r.Carrier, Number: r.Number, Temperature: r.Temperature,
		}
	}
	if err := postgres.CreateAll(ctx, tx, kept); err != nil {
		return fmt.Errorf("keep the rows of a batch of shipments: %w", err)
	}
	return nil
}

// insertBad writes bad cells, counted on after those that there are.
func insertBad(ctx context.Context, tx *postgres.Tx, b Batch, bad []BadCell, after int) error {
	rows := make([]badRow, len(bad))
	for i, c := range bad {
		rows[i] = badRow{
			MerchantID: b.Merchant.UUID(), BatchID: b.ID.UUID(), N: after + i + 1, SheetRow: c.Row, SheetColumn: c.Column,
			Key: c.Key, Code: c.Code, Value: c.Value, MessageZH: c.MessageZH, MessageEN: c.MessageEN,
		}
	}
	if err := postgres.CreateAll(ctx, tx, rows); err != nil {
		return fmt.Errorf("keep the bad cells of a batch of shipments: %w", err)
	}
	return nil
}

// one reads a batch of one of these enterprises, and may lock it.
func one(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, b ID, lock string) (Batch, error) {
	r, err := postgres.Row[batchRow](ctx, tx, `SELECT * FROM shipment_batch WHERE merchant_id = ANY(?::uuid[]) AND id = ?`+lock, postgres.Array(merchants), b)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Batch{}, ErrBatch
	case err != nil:
		return Batch{}, fmt.Errorf("read batch %s: %w", b, err)
	}
	return r.batch(), nil
}

func update(ctx context.Context, tx *postgres.Tx, b Batch) error {
	_, err := tx.Exec(ctx, `UPDATE shipment_batch SET state = ?, done = ?, bad_cells = ?, updated_at = ? WHERE merchant_id = ? AND id = ?`,
		string(b.State), b.Done, b.BadCells, b.UpdatedAt, b.Merchant, b.ID)
	if err != nil {
		return fmt.Errorf("update batch %s: %w", b.ID, err)
	}
	return nil
}

// waiting are the next rows of a batch that nobody has seen to.
func waiting(ctx context.Context, tx *postgres.Tx, b Batch, limit int) ([]row, error) {
	rows, err := postgres.On[sheetRow](tx).Where("merchant_id = ? AND batch_id = ? AND NOT done", b.Merchant, b.ID).Order("sheet_row").Limit(limit).Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the rows of batch %s: %w", b.ID, err)
	}
	out := make([]row, len(rows))
	for i, r := range rows {
		out[i] = row{r.SheetRow, id.From[order.Order](r.OrderID), fulfilment.Shipping{Carrier: r.Carrier, Number: r.Number, Temperature: r.Temperature}}
	}
	return out, nil
}

// finish says of rows that they were seen to.
func finish(ctx context.Context, tx *postgres.Tx, b Batch, rows []row) error {
	_, err := tx.Exec(ctx, `UPDATE shipment_batch_row SET done = true WHERE merchant_id = ? AND batch_id = ? AND sheet_row BETWEEN ? AND ?`,
		b.Merchant, b.ID, rows[0].N, rows[len(rows)-1].N)
	if err != nil {
		return fmt.Errorf("finish rows of batch %s: %w", b.ID, err)
	}
	return nil
}

func badCells(ctx context.Context, tx *postgres.Tx, b Batch, p page.Request) (page.Of[BadCell], error) {
	key, _, err := p.After()
	if err != nil {
		return page.Of[BadCell]{}, err
	}
	last := 0
	if key != "" {
		if last, err = strconv.Atoi(key); err != nil || last < 0 || last > 1<<20 {
			return page.Of[BadCell]{}, page.ErrCursor
		}
	}
	rows, err := postgres.On[badRow](tx).Where("merchant_id = ? AND batch_id = ? AND n > ?", b.Merchant, b.ID, last).Order("n").Limit(p.Size() + 1).Find(ctx)
	if err != nil {
		return page.Of[BadCell]{}, fmt.Errorf("list the bad cells of batch %s: %w", b.ID, err)
	}
	out := make([]BadCell, len(rows))
	for i, r := range rows {
		out[i] = BadCell{
			Place: sheet.Place{Row: r.SheetRow, Column: r.SheetColumn}, N: r.N, Key: r.Key, Code: r.Code, Value: r.Value,
			MessageZH: r.MessageZH, MessageEN: r.MessageEN,
		}
	}
	return page.Cut(out, p.Size(), BadCell.key), nil
}

// pickedRow is an order that is to be shipped.
type pickedRow struct {
	OrderID uuid.UUID
	ShipBy  time.Time
}

func (r pickedRow) key() (string, uuid.UUID) {
	return strconv.FormatInt(r.ShipBy.UnixMicro(), 10), r.OrderID
}

// urgency reads where a page of the pick list begins.
func urgency(p page.Request) (pickedRow, error) {
	key, last, err := p.After()
	if err != nil || key == "" {
		return pickedRow{OrderID: last}, err
	}
	at, err := strconv.ParseInt(key, 10, 64)
	if err != nil || at < 0 || at > 1<<52 {
		return pickedRow{}, page.ErrCursor
	}
	return pickedRow{last, time.UnixMicro(at).UTC()}, nil
}

// toShip are the lines of enterprises that are still to be shipped.
const toShip = `orders o LEFT JOIN fulfilment f ON f.merchant_id = o.merchant_id AND f.order_id = o.id
	JOIN line_course c ON c.merchant_id = o.merchant_id AND c.order_id = o.id
	WHERE o.merchant_id = ANY(?::uuid[]) AND o.state = 'paid' AND (f.state IS NULL OR f.state IN ('unfulfilled', 'packed', 'partly_shipped')) AND c.unshipped > 0`

// picked are the next orders that are to be shipped, the most urgent first.
func picked(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, after pickedRow, limit int) ([]uuid.UUID, error) {
	rows, err := postgres.Rows[pickedRow](ctx, tx, `SELECT o.id AS order_id, min(c.ship_by) AS ship_by FROM `+toShip+`
		GROUP BY o.merchant_id, o.id HAVING (min(c.ship_by), o.id) > (?, ?) ORDER BY min(c.ship_by), o.id LIMIT ?`,
		postgres.Array(merchants), after.ShipBy, after.OrderID, limit)
	if err != nil {
		return nil, fmt.Errorf("list what is to be shipped: %w", err)
	}
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		ids[i] = r.OrderID
	}
	return ids, nil
}

// sumRow is a Sum.
type sumRow struct {
	SKUID                  uuid.UUID `gorm:"column:sku_id"`
	Code, Name, Spec, Unit string
	Quantity, Orders       int64
	ShipBy                 time.Time
}

func sums(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, p page.Request) (page.Of[Sum], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Sum]{}, err
	}
	rows, err := postgres.Rows[sumRow](ctx, tx, `SELECT c.sku_id, max(c.code) AS code, max(c.name) AS name, max(c.spec) AS spec, max(c.unit) AS unit,
			sum(c.unshipped)::bigint AS quantity, count(*) AS orders, min(c.ship_by) AS ship_by
		FROM `+toShip+` AND c.sku_id > ? GROUP BY c.sku_id ORDER BY c.sku_id LIMIT ?`, postgres.Array(merchants), last, p.Size()+1)
	if err != nil {
		return page.Of[Sum]{}, fmt.Errorf("sum what is to be shipped: %w", err)
	}
	all := make([]Sum, len(rows))
	for i, r := range rows {
		all[i] = Sum{SKU: r.SKUID, Code: r.Code, Name: r.Name, Spec: r.Spec, Unit: r.Unit, Quantity: r.Quantity, Orders: r.Orders, ShipBy: r.ShipBy.UTC()}
	}
	return page.Cut(all, p.Size(), func(s Sum) (string, uuid.UUID) { return "", s.SKU }), nil
}
