package inventory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm/clause"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// stockRow is a row of the table stock.
type stockRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	SKUID      uuid.UUID `gorm:"column:sku_id;primaryKey"`
	Available  int64
	Reserved   int64
	UpdatedAt  time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is stock.
func (stockRow) TableName() string { return "stock" }

func (r stockRow) level() Level {
	return Level{Merchant: r.MerchantID, SKU: r.SKUID, Available: r.Available, Reserved: r.Reserved, UpdatedAt: r.UpdatedAt}
}

// moveRow is a row of the table stock_move.
type moveRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	ID         uuid.UUID `gorm:"primaryKey"`
	SKUID      uuid.UUID `gorm:"column:sku_id"`
	Delta      int64
	Available  int64
	Reason     string
	ActorID    *uuid.UUID
	At         time.Time
}

// TableName is stock_move.
func (moveRow) TableName() string { return "stock_move" }

func (r moveRow) move() Move {
	m := Move{
		ID: id.From[Move](r.ID), Merchant: r.MerchantID, SKU: r.SKUID, Delta: r.Delta, Available: r.Available,
		Reason: r.Reason, At: r.At,
	}
	if r.ActorID != nil {
		m.Actor = *r.ActorID
	}
	return m
}

// shifting is one of the four ways in which a sale moves stock: the signs with
// which a quantity enters the two numbers.
type shifting struct {
	name                string
	available, reserved int64
}

// shiftRow is a line that could not be shifted and what is free of it.
type shiftRow struct {
	MerchantID uuid.UUID
	SKUID      uuid.UUID `gorm:"column:sku_id"`
	Available  int64
}

// shift moves all lines or none in one statement and returns those that lack
// pieces, with what is free in Qty. First it locks the rows in their order,
// which also reads their newest state; then it writes if every row has enough.
// The lines must be merged.
func shift(ctx context.Context, tx *postgres.Tx, s shifting, lines []Line) ([]Line, error) {
	merchants, skus, qty := make([]uuid.UUID, len(lines)), make([]uuid.UUID, len(lines)), make([]int64, len(lines))
	for i, l := range lines {
		merchants[i], skus[i], qty[i] = l.Merchant, l.SKU, l.Qty
	}
	rows, err := postgres.Rows[shiftRow](ctx, tx, `
		WITH line AS (
		  SELECT * FROM unnest(?::uuid[], ?::uuid[], ?::bigint[]) AS l (merchant_id, sku_id, qty)
		), held AS MATERIALIZED (
		  SELECT s.merchant_id, s.sku_id, l.qty, s.available,
		         s.available + ?::bigint * l.qty >= 0 AND s.reserved + ?::bigint * l.qty >= 0 AS enough
		  FROM stock s JOIN line l USING (merchant_id, sku_id)
		  ORDER BY s.merchant_id, s.sku_id FOR UPDATE OF s
		), whole AS MATERIALIZED (
		  SELECT count(*) FILTER (WHERE enough) = ?::bigint AS yes FROM held
		), moved AS (
		  UPDATE stock s SET available = s.available + ?::bigint * h.qty, reserved = s.reserved + ?::bigint * h.qty, updated_at = ?
		  FROM held h, whole w
		  WHERE w.yes AND s.merchant_id = h.merchant_id AND s.sku_id = h.sku_id
		)
		SELECT l.merchant_id, l.sku_id, coalesce(h.available, 0) AS available
		FROM line l LEFT JOIN held h USING (merchant_id, sku_id)
		WHERE h.enough IS NOT TRUE`,
		postgres.Array(merchants), postgres.Array(skus), postgres.Array(qty), s.available, s.reserved, len(lines),
		s.available, s.reserved, tx.Now)
	if err != nil {
		return nil, fmt.Errorf("%s stock: %w", s.name, err)
	}
	var short []Line
	for _, r := range rows {
		short = append(short, Line{Merchant: r.MerchantID, SKU: r.SKUID, Qty: r.Available})
	}
	return short, nil
}

func insert(ctx context.Context, tx *postgres.Tx, l Line) error {
	err := postgres.On[stockRow](tx).Create(ctx, stockRow{
		MerchantID: l.Merchant, SKUID: l.SKU, Available: l.Qty, UpdatedAt: tx.Now,
	})
	switch {
	case postgres.Violates(err, "stock_pkey"):
		return ErrOpened
	case err != nil:
		return fmt.Errorf("open stock of %s: %w", l.SKU, err)
	}
	return nil
}

func insertMove(ctx context.Context, tx *postgres.Tx, m Move) error {
	r := moveRow{
		MerchantID: m.Merchant, ID: m.ID.UUID(), SKUID: m.SKU, Delta: m.Delta, Available: m.Available,
		Reason: m.Reason, At: m.At,
	}
	if m.Actor != uuid.Nil {
		r.ActorID = &m.Actor
	}
	if err := postgres.On[moveRow](tx).Create(ctx, r); err != nil {
		return fmt.Errorf("write down a move of %s: %w", m.SKU, err)
	}
	return nil
}

// lock reads the stock of a SKU that belongs to one of the enterprises, and
// keeps it from changing until the end of tx.
func lock(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, sku uuid.UUID) (Level, error) {
	r, err := postgres.On[stockRow](tx, clause.Locking{Strength: "UPDATE"}).
		Where("merchant_id = ANY(?::uuid[]) AND sku_id = ?", postgres.Array(merchants), sku).Take(ctx)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Level{}, ErrUnknown
	case err != nil:
		return Level{}, fmt.Errorf("lock the stock of %s: %w", sku, err)
	}
	return r.level(), nil
}

func update(ctx context.Context, tx *postgres.Tx, l Level) error {
	_, err := postgres.On[stockRow](tx).Where("merchant_id = ? AND sku_id = ?", l.Merchant, l.SKU).
		Select("Available", "UpdatedAt").Updates(ctx, stockRow{Available: l.Available, UpdatedAt: l.UpdatedAt})
	if err != nil {
		return fmt.Errorf("adjust the stock of %s: %w", l.SKU, err)
	}
	return nil
}

func levels(ctx context.Context, tx *postgres.Tx, skus []uuid.UUID) (map[uuid.UUID]Level, error) {
	rows, err := postgres.On[stockRow](tx).Where("sku_id = ANY(?::uuid[])", postgres.Array(skus)).Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	out := make(map[uuid.UUID]Level, len(rows))
	for _, r := range rows {
		out[r.SKUID] = r.level()
	}
	return out, nil
}

// Moves lists the adjustments of a SKU, the newest first. A SKU of none of the
// given enterprises has no moves.
func Moves(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, sku uuid.UUID, p page.Request) (page.Of[Move], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Move]{}, err
	}
	rows, err := postgres.Rows[moveRow](ctx, tx, `SELECT * FROM stock_move WHERE merchant_id = ANY(?::uuid[]) AND sku_id = ?
		AND (?::uuid IS NULL OR id < ?::uuid) ORDER BY id DESC LIMIT ?`, postgres.Array(merchants), sku, orNull(last), orNull(last), p.Size()+1)
	out := make([]Move, len(rows))
	for i, r := range rows {
		out[i] = r.move()
	}
	return page.Cut(out, p.Size(), func(m Move) (string, uuid.UUID) { return "", m.ID.UUID() }), err
}
