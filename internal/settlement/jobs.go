package settlement

import (
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/payout"
)

// Pay is the job of a payout that was decided: Service.Perform.
type Pay struct {
	Merchant uuid.UUID `json:"merchant"`
	Payout   payout.ID `json:"payout"`
}

// Kind names the job.
func (Pay) Kind() string { return "settlement_pay" }

// TakeBack is the job of a reversal that was decided: Service.TakeBack.
type TakeBack struct {
	Merchant uuid.UUID              `json:"merchant"`
	Reversal id.Of[payout.Reversal] `json:"reversal"`
}

// Kind names the job.
func (TakeBack) Kind() string { return "settlement_take_back" }
