package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/request"
)

// claimOf is the caller's key for the operation at hand, bound to what he asks.
func claimOf(ctx context.Context, key string) request.Claim {
	x := exchangeOf(ctx)
	h := sha256.New()
	_, _ = h.Write([]byte(x.r.Method + " " + x.r.URL.Path + "\n"))
	_, _ = h.Write(x.body)
	caller := x.caller.Account.UUID()
	if x.caller.Key != uuid.Nil { // a program's keys are not those of the person who let it in
		caller = x.caller.Key
	}
	claim := request.Claim{Caller: caller, Operation: x.op.id, Key: key}
	h.Sum(claim.Hash[:0])
	return claim
}

// remembered is the answer of an operation with an Idempotency-Key: the bytes that
// are kept are the bytes that are sent.
type remembered struct{ request.Answer }

// remember returns how to render the operation's result, and the answer that will
// hold it.
func remember[T, W any](status int, wire func(T) W) (func(T) (request.Answer, error), *remembered) {
	r := new(remembered)
	return func(result T) (request.Answer, error) {
		body, err := json.Marshal(wire(result))
		r.Answer = request.Answer{Status: status, Body: body}
		return r.Answer, err
	}, r
}

func (r *remembered) send(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.Status)
	_, err := w.Write(r.Body)
	return err
}

// VisitPlaceCheckoutResponse sends the answer.
func (r *remembered) VisitPlaceCheckoutResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitCancelCheckoutResponse sends the answer.
func (r *remembered) VisitCancelCheckoutResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitRedeemVoucherResponse sends the answer.
func (r *remembered) VisitRedeemVoucherResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitAdjustStockResponse sends the answer.
func (r *remembered) VisitAdjustStockResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitRefundOrderResponse sends the answer.
func (r *remembered) VisitRefundOrderResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitRetryRefundResponse sends the answer.
func (r *remembered) VisitRetryRefundResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitCancelOrderResponse sends the answer.
func (r *remembered) VisitCancelOrderResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitCancelMerchantOrderResponse sends the answer.
func (r *remembered) VisitCancelMerchantOrderResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitApproveCaseResponse sends the answer.
func (r *remembered) VisitApproveCaseResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitReceiveCaseGoodsResponse sends the answer.
func (r *remembered) VisitReceiveCaseGoodsResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitDecideCaseResponse sends the answer.
func (r *remembered) VisitDecideCaseResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitApproveCompensationResponse sends the answer.
func (r *remembered) VisitApproveCompensationResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitGivePupilResponse sends the answer.
func (r *remembered) VisitGivePupilResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitReportDutyResponse sends the answer.
func (r *remembered) VisitReportDutyResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitApproveCorrectionResponse sends the answer.
func (r *remembered) VisitApproveCorrectionResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitRetryPayoutResponse sends the answer.
func (r *remembered) VisitRetryPayoutResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitApproveGrantResponse sends the answer.
func (r *remembered) VisitApproveGrantResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitApproveDisbursementResponse sends the answer.
func (r *remembered) VisitApproveDisbursementResponse(w http.ResponseWriter) error { return r.send(w) }

// VisitExecuteDisbursementResponse sends the answer.
func (r *remembered) VisitExecuteDisbursementResponse(w http.ResponseWriter) error { return r.send(w) }
