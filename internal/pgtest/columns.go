package pgtest

import (
	"context"
	"database/sql"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"

	"gorm.io/gorm/schema"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Columns compares row structs with the tables that they name, so that the two
// never drift apart: each column has its field and each field its column, and a
// column that may be NULL is read into a field that can hold it.
func Columns(tb testing.TB, db *postgres.DB, rows ...schema.Tabler) {
	tb.Helper()
	for _, row := range rows {
		fields, err := schema.Parse(row, &sync.Map{}, schema.NamingStrategy{})
		if err != nil {
			tb.Errorf("%T: %v", row, err)
			continue
		}
		have, err := columns(db, row.TableName())
		if err != nil {
			tb.Fatalf("read the columns of %s: %v", row.TableName(), err)
		}
		for _, name := range fields.DBNames {
			nullable, ok := have[name]
			if !ok {
				tb.Errorf("%T.%s: the table %s has no column %s", row, fields.FieldsByDBName[name].Name, row.TableName(), name)
			} else if nullable && !holdsNull(fields.FieldsByDBName[name].FieldType) {
				tb.Errorf("%T.%s cannot hold NULL, but %s.%s may be", row, fields.FieldsByDBName[name].Name, row.TableName(), name)
			}
			delete(have, name)
		}
		for _, name := range slices.Sorted(maps.Keys(have)) {
			tb.Errorf("%T has no field for the column %s.%s", row, row.TableName(), name)
		}
	}
}

// columns says of each column of a table whether it may be NULL.
func columns(db *postgres.DB, table string) (map[string]bool, error) {
	rows, err := db.SQL().QueryContext(context.Background(),
		`SELECT column_name, is_nullable = 'YES' FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1`, table)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	out := map[string]bool{}
	for rows.Next() {
		var name string
		var nullable bool
		if err := rows.Scan(&name, &nullable); err != nil {
			return nil, err
		}
		out[name] = nullable
	}
	return out, rows.Err()
}

func holdsNull(field reflect.Type) bool {
	return field.Kind() == reflect.Pointer || field.Kind() == reflect.Slice ||
		reflect.PointerTo(field).Implements(reflect.TypeFor[sql.Scanner]()) && field.Kind() == reflect.Struct
}
