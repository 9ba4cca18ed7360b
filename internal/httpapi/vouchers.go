package httpapi

import (
	"context"
	"net/http"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/voucher"
)

// vouchers answers the operations tagged "vouchers".
type vouchers struct{ vouchers *voucher.Service }

// ListVouchers answers GET /v1/vouchers.
func (h vouchers) ListVouchers(ctx context.Context, r oas.ListVouchersRequestObject) (oas.ListVouchersResponseObject, error) {
	p, err := h.vouchers.Own(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireVoucher)
	return oas.ListVouchers200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListOrderVouchers answers GET /v1/orders/{order_id}/vouchers.
func (h vouchers) ListOrderVouchers(ctx context.Context, r oas.ListOrderVouchersRequestObject) (oas.ListOrderVouchersResponseObject, error) {
	p, err := h.vouchers.OfOrder(ctx, callerOf(ctx), id.From[order.Order](r.OrderId), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireVoucher)
	return oas.ListOrderVouchers200JSONResponse{Data: data, NextCursor: next}, nil
}

// AskAppointment answers POST /v1/vouchers/{voucher_id}/appointment.
func (h vouchers) AskAppointment(ctx context.Context, r oas.AskAppointmentRequestObject) (oas.AskAppointmentResponseObject, error) {
	a, err := h.vouchers.Ask(ctx, callerOf(ctx), id.From[voucher.Voucher](r.VoucherId), fromDay(r.Body.Day), r.Body.People)
	if err != nil {
		return nil, err
	}
	return oas.AskAppointment201JSONResponse(wireAppointment(a)), nil
}

// CancelAppointment answers POST /v1/vouchers/{voucher_id}/appointment/cancel.
func (h vouchers) CancelAppointment(ctx context.Context, r oas.CancelAppointmentRequestObject) (oas.CancelAppointmentResponseObject, error) {
	a, err := h.vouchers.Cancel(ctx, callerOf(ctx), id.From[voucher.Voucher](r.VoucherId))
	if err != nil {
		return nil, err
	}
	return oas.CancelAppointment200JSONResponse(wireAppointment(a)), nil
}

// RedeemVoucher answers POST /v1/merchant/vouchers/redeem.
func (h vouchers) RedeemVoucher(ctx context.Context, r oas.RedeemVoucherRequestObject) (oas.RedeemVoucherResponseObject, error) {
	render, answer := remember(http.StatusOK, wireRedeemed)
	if _, err := h.vouchers.Redeem(ctx, callerOf(ctx), r.Body.Code, claimOf(ctx, r.Params.IdempotencyKey), render); err != nil {
		return nil, err
	}
	return answer, nil
}

// ListAppointments answers GET /v1/merchant/appointments.
func (h vouchers) ListAppointments(ctx context.Context, r oas.ListAppointmentsRequestObject) (oas.ListAppointmentsResponseObject, error) {
	p, err := h.vouchers.Appointments(ctx, callerOf(ctx), voucher.AppointmentState(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireAppointment)
	return oas.ListAppointments200JSONResponse{Data: data, NextCursor: next}, nil
}

// ConfirmAppointment answers POST /v1/merchant/appointments/{appointment_id}/confirm.
func (h vouchers) ConfirmAppointment(ctx context.Context, r oas.ConfirmAppointmentRequestObject) (oas.ConfirmAppointmentResponseObject, error) {
	a, err := h.vouchers.Confirm(ctx, callerOf(ctx), id.From[voucher.Appointment](r.AppointmentId))
	if err != nil {
		return nil, err
	}
	return oas.ConfirmAppointment200JSONResponse(wireAppointment(a)), nil
}

// DeclineAppointment answers POST /v1/merchant/appointments/{appointment_id}/decline.
func (h vouchers) DeclineAppointment(ctx context.Context, r oas.DeclineAppointmentRequestObject) (oas.DeclineAppointmentResponseObject, error) {
	a, err := h.vouchers.Decline(ctx, callerOf(ctx), id.From[voucher.Appointment](r.AppointmentId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.DeclineAppointment200JSONResponse(wireAppointment(a)), nil
}

func wireVoucher(v voucher.Voucher) oas.Voucher {
	w := oas.Voucher{
		Id: v.ID.UUID(), OrderId: v.Order.UUID(), Line: v.Line, Merchant: wireSeller(v.Merchant.UUID(), v.MerchantName), Name: v.Name, Spec: v.Spec,
		Code: v.Code.String(), State: oas.VoucherState(v.State), ValidUntil: wireDay(v.ValidUntil), IssuedAt: v.IssuedAt, EndedAt: wireTime(v.EndedAt),
	}
	if v.Appointment != nil {
		a := wireAppointment(*v.Appointment)
		w.Appointment = &a
	}
	return w
}

// wireRedeemed is a voucher as the enterprise sees that took it.
func wireRedeemed(v voucher.Voucher) oas.RedeemedVoucher {
	return oas.RedeemedVoucher{
		Id: v.ID.UUID(), OrderId: v.Order.UUID(), Line: v.Line, Name: v.Name, Spec: v.Spec,
		State: oas.VoucherState(v.State), ValidUntil: wireDay(v.ValidUntil), RedeemedAt: v.EndedAt,
	}
}

func wireAppointment(a voucher.Appointment) oas.Appointment {
	return oas.Appointment{
		Id: a.ID.UUID(), VoucherId: a.Voucher.UUID(), OrderId: a.Order.UUID(), Name: a.Name, Day: wireDay(a.Day), People: a.People,
		State: oas.AppointmentState(a.State), Reason: optional(a.Reason), AskedAt: a.AskedAt, DecidedAt: wireTime(a.DecidedAt),
	}
}
