package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"gorm.io/gorm/schema"
)

// CreateAll adds any number of rows in one statement and with one parameter;
// what gorm makes of many rows has a parameter for each field, of which
// PostgreSQL takes 65,535. Rows with bytes in them are not for it.
func CreateAll[R schema.Tabler](ctx context.Context, tx *Tx, rows []R) error {
	if len(rows) == 0 {
		return nil
	}
	s, records, err := recordsOf(ctx, tx, rows)
	if err != nil {
		return err
	}
	columns := `"` + strings.Join(s.DBNames, `", "`) + `"`
	_, err = tx.Exec(ctx, fmt.Sprintf(`INSERT INTO "%s" (%s) SELECT %s FROM jsonb_populate_recordset(NULL::"%s", ?::jsonb)`,
		s.Table, columns, columns, s.Table), records)
	return err
}

// UpdateAll writes rows over those with the same primary key, in one statement,
// and returns how many there were. The columns named are left as they are.
func UpdateAll[R schema.Tabler](ctx context.Context, tx *Tx, rows []R, except ...string) (int64, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	s, records, err := recordsOf(ctx, tx, rows)
	if err != nil {
		return 0, err
	}
	var set, same []string
	for _, c := range s.DBNames {
		switch {
		case slices.Contains(s.PrimaryFieldDBNames, c):
			same = append(same, fmt.Sprintf(`t."%s" = x."%s"`, c, c))
		case !slices.Contains(except, c):
			set = append(set, fmt.Sprintf(`"%s" = x."%s"`, c, c))
		}
	}
	return tx.Exec(ctx, fmt.Sprintf(`UPDATE "%s" t SET %s FROM jsonb_populate_recordset(NULL::"%s", ?::jsonb) x WHERE %s`,
		s.Table, strings.Join(set, ", "), s.Table, strings.Join(same, " AND ")), records)
}

// recordsOf writes rows as a JSON array of objects by column name.
func recordsOf[R schema.Tabler](ctx context.Context, tx *Tx, rows []R) (*schema.Schema, string, error) {
	s, err := schema.Parse(rows[0], &sync.Map{}, tx.gorm.NamingStrategy)
	if err != nil {
		return nil, "", fmt.Errorf("the columns of %T: %w", rows[0], err)
	}
	records := make([]map[string]any, len(rows))
	for i := range rows {
		records[i] = make(map[string]any, len(s.DBNames))
		of := reflect.ValueOf(&rows[i]).Elem()
		for _, c := range s.DBNames {
			value, _ := s.FieldsByDBName[c].ValueOf(ctx, of)
			if _, isBytes := value.([]byte); isBytes {
				return nil, "", fmt.Errorf("%T.%s: bytes are no JSON", rows[i], c)
			}
			records[i][c] = value
		}
	}
	raw, err := json.Marshal(records)
	return s, string(raw), err
}
