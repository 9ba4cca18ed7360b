package intake

import (
	"github.com/shiyi-market/shiyi/internal/merchant"
)

// Write is the job of an import that is to be committed: Service.Write.
type Write struct {
	Merchant merchant.ID `json:"merchant"`
	Import   ID          `json:"import"`
}

// Kind names the job.
func (Write) Kind() string { return "intake_write" }
