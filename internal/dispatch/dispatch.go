// Package dispatch is what an enterprise does on a day of many orders: it sees what is
// to be shipped, takes that with it as a sheet, and brings the sheet back with who
// carries what. What a parcel may hold is told by fulfilment.
package dispatch

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/quote"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// Faults of sheets of parcels.
var (
	// ErrBatch says that there is no such batch, or that it is another enterprise's.
	ErrBatch = fault.New(fault.NotFound, "dispatch.batch_not_found", "No such batch of shipments", "批量发货记录不存在")
	// ErrMerchant says that the caller sells for no such enterprise, or for several and names none.
	ErrMerchant = fault.New(fault.NotFound, "dispatch.merchant_not_found", "Say for which of your enterprises", "请指明您所属的企业")
	// ErrFormat says that the body is of no format that is read.
	ErrFormat = fault.New(fault.Invalid, "dispatch.wrong_format", "Send an XLSX or a CSV", "请上传 XLSX 或 CSV 文件")
	// ErrColumns says that a column is missing, or there twice.
	ErrColumns = fault.New(fault.Invalid, "dispatch.wrong_columns", "The sheet needs one column each of order, carrier and tracking number", "表格须包含订单编号、承运商、运单号各一列")
	// ErrState says that the batch has bad cells, so that nothing of it is shipped.
	ErrState = fault.New(fault.Conflict, "dispatch.wrong_state", "The batch has bad cells; mend the sheet and bring it again", "表格有错误，请修改后重新上传")
)

// State says how far a batch is.
type State string

// The states of a batch.
const (
	Checked  State = "checked"  // every row will do; nothing is shipped yet
	Failed   State = "failed"   // cells will not do; nothing was shipped
	Shipping State = "shipping" // a job ships it, order by order
	Shipped  State = "shipped"  // all of it was seen to
)

// ID names a batch.
type ID = id.Of[Batch]

// Batch is a sheet of parcels that was brought.
type Batch struct {
	ID        ID
	Merchant  merchant.ID
	Account   identity.ID // who brought it
	Format    sheet.Format
	State     State
	Orders    int // that it ships
	Done      int // of Orders, how many were seen to
	BadCells  int // of the check; later, orders that could not be shipped any more
	CreatedAt time.Time
	UpdatedAt time.Time
}

// row is a row of a sheet.
type row struct {
	N     int // in the sheet
	Order order.ID
	fulfilment.Shipping
}

// BadCell is a cell that will not do.
type BadCell struct {
	sheet.Place
	N         int // from 1, in the order of the sheet
	Key       string
	Code      string // what is wrong, for programs
	Value     string
	MessageZH string
	MessageEN string
}

func (b BadCell) key() (string, uuid.UUID) { return strconv.Itoa(b.N), uuid.Nil }

// Pick is an order that is to be shipped.
type Pick struct {
	fulfilment.Fulfilment
	Of      order.Order
	ShipTo  *quote.Address // nil when it was sold without any
	Overdue bool
}

// Sum is how many pieces of a SKU are to be shipped.
type Sum struct {
	SKU      uuid.UUID
	Code     string
	Name     string
	Spec     string
	Unit     string
	Quantity int64
	Orders   int64
	ShipBy   time.Time // of the first of them
}

// Ship is the job of a batch that is to be shipped: Service.Ship.
type Ship struct {
	Merchant merchant.ID `json:"merchant"`
	Batch    ID          `json:"batch"`
}

// Kind names the job.
func (Ship) Kind() string { return "dispatch_ship" }

// begin lets the batch be shipped. It says whether anything is to be done: what is being
// shipped, or was, is asked for twice in vain.
func (b *Batch) begin(at time.Time) (bool, error) {
	switch b.State {
	case Checked:
		b.State, b.UpdatedAt = Shipping, at
		return true, nil
	case Shipping, Shipped:
		return false, nil
	case Failed:
		return false, ErrState
	}
	return false, ErrState.With("no such state: %s", b.State)
}

// end says that all orders were seen to.
func (b *Batch) end(at time.Time) error {
	if b.State != Shipping || b.Done != b.Orders {
		return ErrState.With("the batch is %s, with %d of %d orders seen to", b.State, b.Done, b.Orders)
	}
	b.State, b.UpdatedAt = Shipped, at
	return nil
}
