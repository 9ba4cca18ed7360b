// Package scrutiny is what operators decide about listings: approved, returned with
// what is to be mended, or taken off sale; and never by whoever listed the goods.
package scrutiny

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/listing"
)

// Faults of a decision.
var (
	// ErrLicence says that the enterprise holds no valid licence of the kind that the goods need.
	ErrLicence = fault.New(fault.Refused, "scrutiny.licence_needed", "The enterprise lacks a licence for such goods", "企业缺少销售此类商品所需的有效许可")
	// ErrReasons says that reasons are missing or too long.
	ErrReasons = fault.New(fault.Invalid, "scrutiny.invalid_reasons", "The reasons are missing or too long", "请逐条填写理由")
)

// Verdict is what an operator decided.
type Verdict string

// The verdicts.
const (
	Approved Verdict = "approved"
	Returned Verdict = "returned"
	Delisted Verdict = "delisted"
)

// Reason is one thing that stands against a listing.
type Reason struct {
	Pointer string `json:"pointer"` // the field, as in a problem's errors; "" is the whole
	Message string `json:"message"` // 2 to 500 characters
}

// Decision is what an operator decided about a listing.
type Decision struct {
	ID      id.Of[Decision]
	Verdict Verdict
	Version int64    // of the product that he had before him
	Reasons []Reason // none when it was approved
	By      uuid.UUID
	At      time.Time
}

// maxReasons bounds the reasons of one decision.
const maxReasons = 50

func checkReasons(all []Reason) error {
	bad := ErrReasons
	if len(all) < 1 || len(all) > maxReasons {
		bad = bad.At("/reasons", "length", fmt.Sprintf("1 to %d reasons", maxReasons))
	}
	for i, r := range all {
		if identity.CheckReason(r.Message) != nil || !listing.Text(r.Pointer, 0, 60) {
			bad = bad.At(fmt.Sprintf("/reasons/%d", i), "length", "2 to 500 characters, and a field of at most 60")
		}
	}
	return bad.OrNil()
}

// Case is a product with what was decided about it.
type Case struct {
	catalog.Product
	Decisions []Decision // the newest first, at most 20
}

// Next is what an enterprise may do with a product in this state.
func Next(s catalog.State) []string {
	return map[catalog.State][]string{
		catalog.Draft: {"edit", "add_sku", "submit"}, catalog.OnSale: {"edit", "add_sku", "withdraw"}, catalog.Withdrawn: {"edit", "add_sku", "submit"},
	}[s]
}

// Open is what an operator may decide about a product in this state.
func Open(s catalog.State) []string {
	return map[catalog.State][]string{catalog.InReview: {"approve", "return"}, catalog.OnSale: {"delist"}}[s]
}
