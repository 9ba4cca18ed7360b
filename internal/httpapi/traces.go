package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/trace"
)

// traces answers the operations tagged "trace".
type traces struct{ traces *trace.Service }

// TraceCheckout answers GET /v1/checkouts/{checkout_id}/trace.
func (h traces) TraceCheckout(ctx context.Context, r oas.TraceCheckoutRequestObject) (oas.TraceCheckoutResponseObject, error) {
	t, err := h.traces.Checkout(ctx, callerOf(ctx), id.From[order.Checkout](r.CheckoutId))
	if err != nil {
		return nil, err
	}
	return oas.TraceCheckout200JSONResponse{
		CheckoutId: r.CheckoutId, Leaves: t.Queue.Leaves, Tenth: wireTenth(t.Tenth), Orders: wireAll(t.Orders, wireOrderTrace),
	}, nil
}

// GetMyTenth answers GET /v1/me/tenth.
func (h traces) GetMyTenth(ctx context.Context, r oas.GetMyTenthRequestObject) (oas.GetMyTenthResponseObject, error) {
	m, err := h.traces.Mine(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	return oas.GetMyTenth200JSONResponse{
		Orders: m.Count, Leaves: m.Queue.Leaves, Total: wireTenth(m.Tenth), Data: wireAll(m.Orders, wireOrderTrace), NextCursor: optional(m.Next),
	}, nil
}

// GetQueue answers GET /v1/public/trace.
func (h traces) GetQueue(ctx context.Context, _ oas.GetQueueRequestObject) (oas.GetQueueResponseObject, error) {
	s, err := h.traces.Summary(ctx)
	if err != nil {
		return nil, err
	}
	return oas.GetQueue200JSONResponse{
		Leaves: s.Queue.Leaves, Inflows: s.Queue.In.Count, InLi: s.Queue.In.Li, Outflows: s.Queue.Out.Count, OutLi: s.Queue.Out.Li,
		BalanceLi: s.Queue.BalanceLi(), CommittedLi: s.Queue.CommittedLi, Payments: s.Payments, GrantedLi: int64(s.Granted), CoveredLi: int64(s.Covered),
	}, nil
}

// ListOutflows answers GET /v1/public/trace/outflows.
func (h traces) ListOutflows(ctx context.Context, r oas.ListOutflowsRequestObject) (oas.ListOutflowsResponseObject, error) {
	p, err := h.traces.Outflows(ctx, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireOutflow)
	return oas.ListOutflows200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListOutflowLevies answers GET /v1/public/trace/outflows/{outflow}/levies.
func (h traces) ListOutflowLevies(ctx context.Context, r oas.ListOutflowLeviesRequestObject) (oas.ListOutflowLeviesResponseObject, error) {
	p, err := h.traces.Levies(ctx, r.Outflow, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireLevyPart)
	return oas.ListOutflowLevies200JSONResponse{Data: data, NextCursor: next}, nil
}

func wireTenth(t trace.Tenth) oas.Tenth {
	return oas.Tenth{
		LeviedLi: int64(t.Levied), ReturnedLi: int64(t.Returned), NetLi: int64(t.Net()), PendingLi: int64(t.Pending), HeldLi: int64(t.Held),
		MaturedLi: int64(t.Matured), LateLi: int64(t.Late), GrantedLi: int64(t.Granted), CoveredLi: int64(t.Covered),
		CommittedLi: int64(t.Committed), FreeLi: int64(t.Free), WaitingLi: int64(t.Waiting),
	}
}

func wirePosition(p trace.Position) oas.QueuePosition {
	return oas.QueuePosition{N: p.N, Kind: p.Kind, Index: p.Index, Place: p.Place, FromLi: p.From, ToLi: p.To, Li: p.Li()}
}

func wireOrderTrace(o trace.Order) oas.OrderTrace {
	return oas.OrderTrace{
		OrderId: o.ID.UUID(), CheckoutId: o.Checkout.UUID(), Merchant: wireSeller(o.Merchant.UUID(), o.MerchantName), PaidAt: o.PaidAt,
		Tenth: wireTenth(o.Tenth), Inflows: wireAll(o.Inflows, wireInflow), LateReturns: wireAll(o.Returns, wirePosition),
	}
}

// shownParts is how many parts of an inflow are sent.
const shownParts = 200

func wireInflow(f trace.Inflow) oas.TraceInflow {
	shown := f.Parts[:min(len(f.Parts), shownParts)]
	return oas.TraceInflow{
		Position: wirePosition(f.Position), Parts: wireAll(shown, wirePart), PartsLeftOut: len(f.Parts) - len(shown),
		CommittedLi: f.Committed.Li(), FreeLi: f.Free.Li(),
	}
}

func wirePart(p trace.Part) oas.TracePart {
	return oas.TracePart{
		FromLi: p.From, ToLi: p.To, Li: p.Li(), Late: p.Of.Late(), ProgrammeId: optional(p.Of.Programme()), PaymentId: optional(p.Of.Payment),
		ProgrammeTitle: optional(p.Of.Title), School: optional(p.Of.School), Outflow: wirePosition(p.Of),
	}
}

func wireOutflow(o trace.Outflow) oas.Outflow {
	w := oas.Outflow{
		Position: wirePosition(o.Position), Late: o.Late(), ProgrammeId: optional(o.Programme()), PaymentId: optional(o.Payment),
		ProgrammeTitle: optional(o.Title), School: optional(o.School), Levies: o.Levies,
	}
	if o.Levies > 0 {
		first, last := wirePosition(o.First), wirePosition(o.Last)
		w.First, w.Last = &first, &last
	}
	return w
}

func wireLevyPart(p trace.Part) oas.LevyPart {
	return oas.LevyPart{FromLi: p.From, ToLi: p.To, Li: p.Li(), Inflow: wirePosition(p.Of)}
}
