// Package intake is goods by Excel: an enterprise brings its products as a sheet,
// is told of every cell that will not do, and takes the whole of it over at once
// or not at all. It writes no goods itself: the catalogue and the stock do.
package intake

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/assortment"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// KeptBody is how long the sheet of an import and its bad cells are kept.
const KeptBody = 30 * 24 * time.Hour

// keptSheets is how many sheets of one enterprise are kept at most; those of its
// older imports are emptied when it brings another.
const keptSheets = 20

// Faults of imports.
var (
	// ErrImport says that there is no such import, or that it is another enterprise's.
	ErrImport = fault.New(fault.NotFound, "intake.import_not_found", "No such import", "导入记录不存在")
	// ErrMerchant says that the caller sells for no such enterprise, or for several and names none.
	ErrMerchant = fault.New(fault.NotFound, "intake.merchant_not_found", "Say for which of your enterprises", "请指明您所属的企业")
	// ErrFormat says that the body is of no format that is read.
	ErrFormat = fault.New(fault.Invalid, "intake.wrong_format", "Send an XLSX or a CSV", "请上传 XLSX 或 CSV 文件")
	// ErrState says that the import is not in a state to be committed.
	ErrState = fault.New(fault.Conflict, "intake.wrong_state", "The import has bad cells or was overtaken; mend the sheet and bring it again", "导入有错误或已过时，请修改表格后重新上传")
	// ErrGone says that the sheet is kept no longer.
	ErrGone = fault.New(fault.NotFound, "intake.sheet_gone", "The sheet is kept no longer", "表格已不再保存")
)

// State says how far an import is.
type State string

// The states of an import.
const (
	Checked    State = "checked"    // every cell will do; nothing is written yet
	Failed     State = "failed"     // cells will not do, or goods changed since they were checked; nothing was written
	Committing State = "committing" // a job writes it
	Committed  State = "committed"  // all of it is written
)

// ID names an import.
type ID = id.Of[Import]

// Import is a sheet that was brought.
type Import struct {
	ID        ID
	Merchant  merchant.ID
	Account   identity.ID // who brought it
	Format    sheet.Format
	State     State
	Rows      Counts
	BadCells  int // how many there are; the first maxListed of them are listed
	Done      int // rows written, of Rows.New + Rows.Changed
	CreatedAt time.Time
	UpdatedAt time.Time
}

// All is how many rows are to be written.
func (i Import) All() int { return i.Rows.New + i.Rows.Changed }

// begin lets the import be written. It says whether anything is to be done: what is
// being written, or was, is asked for twice in vain.
func (i *Import) begin(at time.Time) (bool, error) {
	switch i.State {
	case Checked:
		i.State, i.UpdatedAt = Committing, at
		return true, nil
	case Committing:
		return false, nil
	case Committed:
		return false, nil
	case Failed:
		return false, ErrState
	}
	return false, ErrState.With("no such state: %s", i.State)
}

// end says that all of it is written.
func (i *Import) end(at time.Time) error {
	if i.State != Committing {
		return ErrState.With("the import is %s: only what is being written ends", i.State)
	}
	i.State, i.Done, i.UpdatedAt = Committed, i.All(), at
	return nil
}

// fail says that nothing of it was written.
func (i *Import) fail(at time.Time) error {
	if i.State != Committing {
		return ErrState.With("the import is %s: only what is being written fails", i.State)
	}
	i.State, i.UpdatedAt = Failed, at
	return nil
}

// maxListed bounds how many bad cells of an import are kept one by one.
const maxListed = 5000

// Counts are rows of a sheet by what becomes of them.
type Counts = assortment.Counts

// BadCell is a cell that will not do.
type BadCell = assortment.BadCell

// keyOf is what lists of bad cells are sorted by.
func keyOf(b BadCell) (string, uuid.UUID) { return strconv.Itoa(b.N), uuid.Nil }
