package postgres

import (
	"context"
	"errors"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Query is a query over the table of the rows R, made by gorm. It is a thin door
// that knows the type of the rows: behind gorm's own generic interface the
// compiler makes the whole of gorm anew for each of them (see ADR 0013).
type Query[R any] struct{ g *gorm.DB }

var errNoFields = errors.New("postgres: an update without Select")

// On starts a query over rows of type R inside tx. Only store files call it.
func On[R any](tx *Tx, clauses ...clause.Expression) Query[R] {
	return Query[R]{tx.gorm.Model(new(R)).Clauses(clauses...)}
}

// fork keeps what is added to a query out of the one that it is added to.
func (q Query[R]) fork() *gorm.DB { return q.g.Session(&gorm.Session{}) }

// Where adds a condition with `?` placeholders.
func (q Query[R]) Where(condition string, args ...any) Query[R] {
	return Query[R]{q.fork().Where(condition, bare(args)...)}
}

// Order sorts the rows.
func (q Query[R]) Order(by string) Query[R] { return Query[R]{q.fork().Order(by)} }

// Limit bounds the number of rows.
func (q Query[R]) Limit(n int) Query[R] { return Query[R]{q.fork().Limit(n)} }

// Select names the fields that are written.
func (q Query[R]) Select(fields ...string) Query[R] { return Query[R]{q.fork().Select(fields)} }

// Omit names a column that is not read.
func (q Query[R]) Omit(column string) Query[R] { return Query[R]{q.fork().Omit(column)} }

// Take reads one row; none is ErrNoRows.
func (q Query[R]) Take(ctx context.Context) (R, error) {
	var row R
	err := q.g.WithContext(ctx).Take(&row).Error
	return row, err
}

// Find reads all rows.
func (q Query[R]) Find(ctx context.Context) ([]R, error) {
	var rows []R
	err := q.g.WithContext(ctx).Find(&rows).Error
	return rows, err
}

// Count is how many rows there are.
func (q Query[R]) Count(ctx context.Context) (int64, error) {
	var n int64
	err := q.g.WithContext(ctx).Count(&n).Error
	return n, err
}

// Create adds a row, or the rows of a slice in one statement.
func (q Query[R]) Create(ctx context.Context, rows ...R) error {
	return q.g.WithContext(ctx).Create(&rows).Error
}

// Updates writes the fields that Select named and returns how many rows it touched.
func (q Query[R]) Updates(ctx context.Context, row R) (int64, error) {
	if len(q.g.Statement.Selects) == 0 {
		return 0, errNoFields // gorm would write what is not zero, and nothing else
	}
	done := q.g.WithContext(ctx).Updates(row)
	return done.RowsAffected, done.Error
}
