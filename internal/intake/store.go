package intake

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// importRow is a row of the table import.
type importRow struct {
	MerchantID    uuid.UUID `gorm:"primaryKey"`
	ID            uuid.UUID `gorm:"primaryKey"`
	AccountID     uuid.UUID
	Format        string
	Body          []byte
	Basis         []byte
	State         string
	RowsNew       int
	RowsChanged   int
	RowsUnchanged int
	RowsBad       int
	BadCells      int
	CreatedAt     time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt     time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is import.
func (importRow) TableName() string { return "import" }

// progressRow is a row of the table import_progress.
type progressRow struct {
	MerchantID uuid.UUID `gorm:"primaryKey"`
	ImportID   uuid.UUID `gorm:"primaryKey"`
	Done       int
}

// TableName is import_progress.
func (progressRow) TableName() string { return "import_progress" }

// badRow is a row of the table import_bad_cell.
type badRow struct {
	MerchantID  uuid.UUID `gorm:"primaryKey"`
	ImportID    uuid.UUID `gorm:"primaryKey"`
	N           int       `gorm:"primaryKey"`
	SheetRow    int
	SheetColumn int
	Key         string
	Code        string
	Value       string
	MessageZH   string `gorm:"column:message_zh"`
	MessageEN   string `gorm:"column:message_en"`
}

// TableName is import_bad_cell.
func (badRow) TableName() string { return "import_bad_cell" }

// stored is an import with its sheet.
type stored struct {
	imp   Import
	body  []byte // empty when it is kept no longer
	basis []byte
}

func (r importRow) imp(done int) Import {
	i := Import{
		ID: id.From[Import](r.ID), Merchant: id.From[merchant.Merchant](r.MerchantID), Account: id.From[identity.Account](r.AccountID),
		Format: sheet.Format(r.Format), State: State(r.State),
		Rows:     Counts{New: r.RowsNew, Changed: r.RowsChanged, Unchanged: r.RowsUnchanged, Bad: r.RowsBad},
		BadCells: r.BadCells, CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	switch i.State {
	case Committed:
		i.Done = i.All()
	case Committing:
		i.Done = done
	case Checked, Failed:
	}
	return i
}

func (r badRow) badCell() BadCell {
	return BadCell{
		Place: sheet.Place{Row: r.SheetRow, Column: r.SheetColumn}, N: r.N, Key: r.Key, Code: r.Code, Value: r.Value,
		MessageZH: r.MessageZH, MessageEN: r.MessageEN,
	}
}

// bare is a row of import without what is large.
const bare = `i.merchant_id, i.id, i.account_id, i.format, i.state, i.rows_new, i.rows_changed, i.rows_unchanged, i.rows_bad, i.bad_cells,
	i.created_at, i.updated_at`

func insert(ctx context.Context, tx *postgres.Tx, i Import, body, basis []byte, bad []BadCell) error {
	if basis == nil {
		basis = []byte{}
	}
	err := postgres.On[importRow](tx).Create(ctx, importRow{
		MerchantID: i.Merchant.UUID(), ID: i.ID.UUID(), AccountID: i.Account.UUID(), Format: string(i.Format), Body: body, Basis: basis,
		State: string(i.State), RowsNew: i.Rows.New, RowsChanged: i.Rows.Changed, RowsUnchanged: i.Rows.Unchanged, RowsBad: i.Rows.Bad,
		BadCells: i.BadCells, CreatedAt: i.CreatedAt, UpdatedAt: i.UpdatedAt,
	})
	if err != nil {
		return fmt.Errorf("keep an import: %w", err)
	}
	err = postgres.On[progressRow](tx).Create(ctx, progressRow{MerchantID: i.Merchant.UUID(), ImportID: i.ID.UUID()})
	if err != nil {
		return fmt.Errorf("begin the progress of an import: %w", err)
	}
	return insertBad(ctx, tx, i, bad)
}

func insertBad(ctx context.Context, tx *postgres.Tx, i Import, bad []BadCell) error {
	rows := make([]badRow, min(len(bad), maxListed))
	for n := range rows {
		b := bad[n]
		rows[n] = badRow{
			MerchantID: i.Merchant.UUID(), ImportID: i.ID.UUID(), N: b.N, SheetRow: b.Row, SheetColumn: b.Column, Key: b.Key, Code: b.Code,
			Value: storable(b.Value), MessageZH: storable(b.MessageZH), MessageEN: storable(b.MessageEN),
		}
	}
	if err := postgres.CreateAll(ctx, tx, rows); err != nil {
		return fmt.Errorf("keep the bad cells of an import: %w", err)
	}
	return nil
}

func one(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, i ID) (Import, error) {
	r, err := postgres.Row[struct {
		Row  importRow `gorm:"embedded"`
		Done int
	}](ctx, tx, `SELECT `+bare+`, p.done FROM import i JOIN import_progress p ON p.merchant_id = i.merchant_id AND p.import_id = i.id
		WHERE i.merchant_id = ANY(?::uuid[]) AND i.id = ?`, postgres.Array(merchants), i)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Import{}, ErrImport
	case err != nil:
		return Import{}, fmt.Errorf("read import %s: %w", i, err)
	}
	return r.Row.imp(r.Done), nil
}

// list are the imports of these enterprises, the newest first.
func list(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, p page.Request) (page.Of[Import], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Import]{}, err
	}
	if last == uuid.Nil {
		last = uuid.Max
	}
	rows, err := postgres.Rows[struct {
		Row  importRow `gorm:"embedded"`
		Done int
	}](ctx, tx, `SELECT `+bare+`, p.done FROM import i JOIN import_progress p ON p.merchant_id = i.merchant_id AND p.import_id = i.id
		WHERE i.merchant_id = ANY(?::uuid[]) AND i.id < ? ORDER BY i.id DESC LIMIT ?`, postgres.Array(merchants), last, p.Size()+1)
	if err != nil {
		return page.Of[Import]{}, fmt.Errorf("list imports: %w", err)
	}
	out := make([]Import, len(rows))
	for n, r := range rows {
		out[n] = r.Row.imp(r.Done)
	}
	return page.Cut(out, p.Size(), func(i Import) (string, uuid.UUID) { return "", i.ID.UUID() }), nil
}

// lock reads an import of one of these enterprises and keeps it from changing until
// the end of tx.
func lock(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID, i ID) (Import, error) {
	r, err := postgres.Row[importRow](ctx, tx, `SELECT `+bare+` FROM import i
		WHERE i.merchant_id = ANY(?::uuid[]) AND i.id = ? FOR UPDATE`, postgres.Array(merchants), i)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Import{}, ErrImport
	case err != nil:
		return Import{}, fmt.Errorf("lock import %s: %w", i, err)
	}
	return r.imp(0), nil
}

func lockOf(ctx context.Context, tx *postgres.Tx, m merchant.ID, i ID) (Import, error) {
	return lock(ctx, tx, []uuid.UUID{m.UUID()}, i)
}

// readWhole reads an import whole.
func readWhole(ctx context.Context, tx *postgres.Tx, m merchant.ID, i ID) (stored, error) {
	r, err := postgres.On[importRow](tx).Where("merchant_id = ? AND id = ?", m, i).Take(ctx)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return stored{}, ErrImport
	case err != nil:
		return stored{}, fmt.Errorf("read import %s: %w", i, err)
	}
	return stored{r.imp(0), r.Body, r.Basis}, nil
}

func hasBody(ctx context.Context, tx *postgres.Tx, i Import) (bool, error) {
	n, err := postgres.On[importRow](tx).Where("merchant_id = ? AND id = ? AND length(body) > 0", i.Merchant, i.ID).Count(ctx)
	if err != nil {
		return false, fmt.Errorf("look for the sheet of import %s: %w", i.ID, err)
	}
	return n == 1, nil
}

func update(ctx context.Context, tx *postgres.Tx, i Import) error {
	_, err := postgres.On[importRow](tx).Where("merchant_id = ? AND id = ?", i.Merchant, i.ID).
		Select("State", "RowsBad", "BadCells", "UpdatedAt").
		Updates(ctx, importRow{State: string(i.State), RowsBad: i.Rows.Bad, BadCells: i.BadCells, UpdatedAt: i.UpdatedAt})
	if err != nil {
		return fmt.Errorf("update import %s: %w", i.ID, err)
	}
	return nil
}

func setDone(ctx context.Context, tx *postgres.Tx, i Import, done int) error {
	_, err := postgres.On[progressRow](tx).Where("merchant_id = ? AND import_id = ?", i.Merchant, i.ID).
		Select("Done").Updates(ctx, progressRow{Done: done})
	return err
}

func badCells(ctx context.Context, tx *postgres.Tx, i Import, p page.Request) (page.Of[BadCell], error) {
	key, _, err := p.After()
	if err != nil {
		return page.Of[BadCell]{}, err
	}
	last := 0
	if key != "" {
		if last, err = strconv.Atoi(key); err != nil || last < 0 || last > maxListed {
			return page.Of[BadCell]{}, page.ErrCursor
		}
	}
	rows, err := postgres.On[badRow](tx).Where("merchant_id = ? AND import_id = ? AND n > ?", i.Merchant, i.ID, last).
		Order("n").Limit(p.Size() + 1).Find(ctx)
	if err != nil {
		return page.Of[BadCell]{}, fmt.Errorf("list the bad cells of import %s: %w", i.ID, err)
	}
	out := make([]BadCell, len(rows))
	for n, r := range rows {
		out[n] = r.badCell()
	}
	return page.Cut(out, p.Size(), keyOf), nil
}

// allBad are the bad cells of an import by their row.
func allBad(ctx context.Context, tx *postgres.Tx, i Import) (map[int][]BadCell, error) {
	rows, err := postgres.On[badRow](tx).Where("merchant_id = ? AND import_id = ?", i.Merchant, i.ID).Order("n").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the bad cells of import %s: %w", i.ID, err)
	}
	out := make(map[int][]BadCell)
	for _, r := range rows {
		out[r.SheetRow] = append(out[r.SheetRow], r.badCell())
	}
	return out, nil
}

// forgetAllBut empties the sheets of an enterprise's imports but for its last ones and
// those that are being written.
func forgetAllBut(ctx context.Context, tx *postgres.Tx, m merchant.ID, kept int) error {
	_, err := tx.Exec(ctx, `UPDATE import SET body = '', basis = '' WHERE merchant_id = ? AND state <> 'committing' AND length(body) > 0
		AND id NOT IN (SELECT id FROM import WHERE merchant_id = ? ORDER BY id DESC LIMIT ?)`, m, m, kept)
	if err != nil {
		return fmt.Errorf("empty the older imports of %s: %w", m, err)
	}
	return nil
}

func forget(ctx context.Context, tx *postgres.Tx, before time.Time, limit int) (int, error) {
	rows, err := postgres.Rows[importRow](ctx, tx, `UPDATE import SET body = '', basis = '' WHERE (merchant_id, id) IN (
		  SELECT merchant_id, id FROM import WHERE created_at < ? AND length(body) > 0 AND state <> 'committing'
		  ORDER BY created_at LIMIT ? FOR UPDATE SKIP LOCKED)
		RETURNING merchant_id, id`, before, limit)
	if err != nil {
		return 0, fmt.Errorf("empty old imports: %w", err)
	}
	merchants, imports := make([]uuid.UUID, len(rows)), make([]uuid.UUID, len(rows))
	for i, r := range rows {
		merchants[i], imports[i] = r.MerchantID, r.ID
	}
	_, err = tx.Exec(ctx, `DELETE FROM import_bad_cell b USING unnest(?::uuid[], ?::uuid[]) AS x (merchant_id, id)
		WHERE b.merchant_id = x.merchant_id AND b.import_id = x.id`, postgres.Array(merchants), postgres.Array(imports))
	if err != nil {
		return 0, fmt.Errorf("forget the bad cells of old imports: %w", err)
	}
	return len(rows), nil
}

// replan lets PostgreSQL plan each statement of tx for the tables as they are by then,
// the checks of foreign keys among them. The plans that a connection keeps were made
// when the tables may have been empty, and read the whole of them for each row.
func replan(ctx context.Context, tx *postgres.Tx) error {
	if _, err := tx.Exec(ctx, `SET LOCAL plan_cache_mode = force_custom_plan`); err != nil {
		return fmt.Errorf("plan anew: %w", err)
	}
	return nil
}

// storable is a text without the one character that PostgreSQL cannot keep.
func storable(s string) string {
	out := []rune(s)
	for i, r := range out {
		if r == 0 {
			out[i] = '\ufffd'
		}
	}
	return string(out)
}
