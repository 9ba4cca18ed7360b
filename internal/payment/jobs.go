package payment

import "github.com/google/uuid"

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
