package payment

import (
	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/gateway"
)

// jobOf is the job that an event is the reason of, or nil.
func jobOf(e gateway.Event) river.JobArgs {
	switch e.Kind {
	case gateway.Paid:
		return Received{Event: e.ID}
	case gateway.RefundUpdated:
		return RefundMoved{Event: e.ID}
	case gateway.DisputeMoved, gateway.RefundSeen:
		return Moved{Payment: e.Payment}
	case gateway.TransferMoved:
		return TransferMoved{Row: e.Row}
	case gateway.AccountMoved:
		return AccountMoved{Owner: e.Row}
	case gateway.SessionExpired, gateway.Unconcerned: // an intent ends by our clock, not by its page's
	}
	return nil
}

// Moved is the job of an event about a dispute of a payment, or a refund that somebody
// made on the provider's own pages: whoever looks across follows the payment. It may be
// another program's.
type Moved struct {
	Payment string `json:"payment"`
}

// Kind names the job.
func (Moved) Kind() string { return "payment_moved" }

// TransferMoved is the job of an event about a transfer: whoever made it as its row
// looks what became of it.
type TransferMoved struct {
	Row uuid.UUID `json:"row"`
}

// Kind names the job.
func (TransferMoved) Kind() string { return "payment_transfer_moved" }

// AccountMoved is the job of an event about the connected account of an owner.
type AccountMoved struct {
	Owner uuid.UUID `json:"owner"`
}

// Kind names the job.
func (AccountMoved) Kind() string { return "payment_account_moved" }

// Received is the job of an event that says an intent was paid: whoever sold
// something captures the sale.
type Received struct {
	Event string `json:"event"`
}

// Kind names the job.
func (Received) Kind() string { return "payment_received" }

// RefundMoved is the job of an event that tells the state of a refund:
// Service.SettleRefund.
type RefundMoved struct {
	Event string `json:"event"`
}

// Kind names the job.
func (RefundMoved) Kind() string { return "payment_refund_moved" }

// PerformRefund is the job of a refund that was asked for: Service.PerformRefund.
type PerformRefund struct {
	Buyer  uuid.UUID `json:"buyer"`
	Refund RefundID  `json:"refund"`
}

// Kind names the job.
func (PerformRefund) Kind() string { return "payment_perform_refund" }

// Close is the job of an intent that was canceled while its page was open:
// Service.Close.
type Close struct {
	Buyer  uuid.UUID `json:"buyer"`
	Intent ID        `json:"intent"`
}

// Kind names the job.
func (Close) Kind() string { return "payment_close" }
