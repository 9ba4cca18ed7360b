package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/reconcile"
)

// reconciliations answers the operations tagged "reconciliation".
type reconciliations struct{ reconciler *reconcile.Service }

// ListReconciliations answers GET /v1/ops/reconciliations.
func (h reconciliations) ListReconciliations(ctx context.Context, r oas.ListReconciliationsRequestObject) (oas.ListReconciliationsResponseObject, error) {
	p, err := h.reconciler.Days(ctx, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireReconciliation)
	return oas.ListReconciliations200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListBreaks answers GET /v1/ops/breaks.
func (h reconciliations) ListBreaks(ctx context.Context, r oas.ListBreaksRequestObject) (oas.ListBreaksResponseObject, error) {
	p, err := h.reconciler.Breaks(ctx, reconcile.BreakState(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireBreak)
	return oas.ListBreaks200JSONResponse{Data: data, NextCursor: next}, nil
}

// TakeBreak answers POST /v1/ops/breaks/{break_id}/take.
func (h reconciliations) TakeBreak(ctx context.Context, r oas.TakeBreakRequestObject) (oas.TakeBreakResponseObject, error) {
	b, err := h.reconciler.Take(ctx, callerOf(ctx), id.From[reconcile.Break](r.BreakId))
	if err != nil {
		return nil, err
	}
	return oas.TakeBreak200JSONResponse(wireBreak(b)), nil
}

// ResolveBreak answers POST /v1/ops/breaks/{break_id}/resolve.
func (h reconciliations) ResolveBreak(ctx context.Context, r oas.ResolveBreakRequestObject) (oas.ResolveBreakResponseObject, error) {
	b, err := h.reconciler.Resolve(ctx, callerOf(ctx), id.From[reconcile.Break](r.BreakId), r.Body.Resolution)
	if err != nil {
		return nil, err
	}
	return oas.ResolveBreak200JSONResponse(wireBreak(b)), nil
}

func wireReconciliation(d reconcile.Day) oas.Reconciliation {
	return oas.Reconciliation{
		Day: wireDay(d.Day), RanAt: d.RanAt, Entries: d.Entries, AmountFen: int64(d.Amount), FeeFen: int64(d.Fees), OpenBreaks: d.Open,
	}
}

func wireBreak(b reconcile.Break) oas.Break {
	return oas.Break{
		Id: b.ID.UUID(), Day: wireDay(b.Day), Kind: b.Kind, Object: b.Object, ExpectedLi: int64(b.Expected), FoundLi: int64(b.Found),
		State: oas.BreakState(b.State), OwnerId: optional(b.Owner.UUID()), Resolution: optional(b.Resolution), FoundAt: b.FoundAt, ResolvedAt: wireTime(b.ResolvedAt),
	}
}
