package httpapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
)

// claims answers what the contract says of price claims and of what is cheaper elsewhere.
type claims struct{ claims *claim.Service }

// ListMerchantPriceClaims answers GET /v1/merchant/price-claims.
func (h claims) ListMerchantPriceClaims(ctx context.Context, r oas.ListMerchantPriceClaimsRequestObject) (oas.ListMerchantPriceClaimsResponseObject, error) {
	p, err := h.claims.Own(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireClaim)
	return oas.ListMerchantPriceClaims200JSONResponse{Data: data, NextCursor: next}, nil
}

// FilePriceClaim answers POST /v1/merchant/price-claims.
func (h claims) FilePriceClaim(ctx context.Context, r oas.FilePriceClaimRequestObject) (oas.FilePriceClaimResponseObject, error) {
	c, err := h.claims.File(ctx, asSeller(callerOf(ctx)), fromClaim(*r.Body))
	if err != nil {
		return nil, err
	}
	return oas.FilePriceClaim201JSONResponse(wireClaim(c)), nil
}

// WithdrawPriceClaim answers POST /v1/merchant/price-claims/{claim_id}/withdraw.
func (h claims) WithdrawPriceClaim(ctx context.Context, r oas.WithdrawPriceClaimRequestObject) (oas.WithdrawPriceClaimResponseObject, error) {
	c, err := h.claims.Withdraw(ctx, asSeller(callerOf(ctx)), id.From[claim.Claim](r.ClaimId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.WithdrawPriceClaim200JSONResponse(wireClaim(c)), nil
}

// ListPriceClaims answers GET /v1/ops/price-claims.
func (h claims) ListPriceClaims(ctx context.Context, r oas.ListPriceClaimsRequestObject) (oas.ListPriceClaimsResponseObject, error) {
	p, err := h.claims.All(ctx, callerOf(ctx), claim.Filter{
		State: claim.State(value(r.Params.State)), ExpiringWithinDays: value(r.Params.ExpiringWithinDays),
	}, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireClaim)
	return oas.ListPriceClaims200JSONResponse{Data: data, NextCursor: next}, nil
}

// FileOpsPriceClaim answers POST /v1/ops/price-claims.
func (h claims) FileOpsPriceClaim(ctx context.Context, r oas.FileOpsPriceClaimRequestObject) (oas.FileOpsPriceClaimResponseObject, error) {
	c, err := h.claims.File(ctx, callerOf(ctx), fromClaim(*r.Body))
	if err != nil {
		return nil, err
	}
	return oas.FileOpsPriceClaim201JSONResponse(wireClaim(c)), nil
}

// ConfirmPriceClaim answers POST /v1/ops/price-claims/{claim_id}/confirm.
func (h claims) ConfirmPriceClaim(ctx context.Context, r oas.ConfirmPriceClaimRequestObject) (oas.ConfirmPriceClaimResponseObject, error) {
	c, err := h.claims.Confirm(ctx, callerOf(ctx), id.From[claim.Claim](r.ClaimId))
	if err != nil {
		return nil, err
	}
	return oas.ConfirmPriceClaim200JSONResponse(wireClaim(c)), nil
}

// RejectPriceClaim answers POST /v1/ops/price-claims/{claim_id}/reject.
func (h claims) RejectPriceClaim(ctx context.Context, r oas.RejectPriceClaimRequestObject) (oas.RejectPriceClaimResponseObject, error) {
	c, err := h.claims.Reject(ctx, callerOf(ctx), id.From[claim.Claim](r.ClaimId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.RejectPriceClaim200JSONResponse(wireClaim(c)), nil
}

// WithdrawOpsPriceClaim answers POST /v1/ops/price-claims/{claim_id}/withdraw.
func (h claims) WithdrawOpsPriceClaim(ctx context.Context, r oas.WithdrawOpsPriceClaimRequestObject) (oas.WithdrawOpsPriceClaimResponseObject, error) {
	c, err := h.claims.Withdraw(ctx, callerOf(ctx), id.From[claim.Claim](r.ClaimId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.WithdrawOpsPriceClaim200JSONResponse(wireClaim(c)), nil
}

// GetPriceClaimShare answers GET /v1/public/price-claims.
func (h claims) GetPriceClaimShare(ctx context.Context, _ oas.GetPriceClaimShareRequestObject) (oas.GetPriceClaimShareResponseObject, error) {
	s, err := h.claims.Share(ctx)
	if err != nil {
		return nil, err
	}
	return oas.GetPriceClaimShare200JSONResponse{Live: s.Live, OnSale: s.OnSale, ShareBp: s.BasisPoints()}, nil
}

// ReportCheaper answers POST /v1/products/{product_id}/cheaper-reports.
func (h claims) ReportCheaper(ctx context.Context, r oas.ReportCheaperRequestObject) (oas.ReportCheaperResponseObject, error) {
	made, err := h.claims.Report(ctx, callerOf(ctx), id.From[catalog.Product](r.ProductId), claim.Finding{
		Place: r.Body.Place, Price: money.Fen(r.Body.PriceFen), URL: value(r.Body.Url), Files: fromFiles(r.Body.FileIds), Note: value(r.Body.Note),
	})
	if err != nil {
		return nil, err
	}
	return oas.ReportCheaper201JSONResponse(wireReport(made)), nil
}

// ListCheaperReports answers GET /v1/cheaper-reports.
func (h claims) ListCheaperReports(ctx context.Context, r oas.ListCheaperReportsRequestObject) (oas.ListCheaperReportsResponseObject, error) {
	p, err := h.claims.OwnReports(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireReport)
	return oas.ListCheaperReports200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListOpsCheaperReports answers GET /v1/ops/cheaper-reports.
func (h claims) ListOpsCheaperReports(ctx context.Context, r oas.ListOpsCheaperReportsRequestObject) (oas.ListOpsCheaperReportsResponseObject, error) {
	p, err := h.claims.Reports(ctx, callerOf(ctx), value(r.Params.Open), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireReport)
	return oas.ListOpsCheaperReports200JSONResponse{Data: data, NextCursor: next}, nil
}

// ResolveCheaperReport answers POST /v1/ops/cheaper-reports/{report_id}/resolve.
func (h claims) ResolveCheaperReport(ctx context.Context, r oas.ResolveCheaperReportRequestObject) (oas.ResolveCheaperReportResponseObject, error) {
	done, err := h.claims.Resolve(ctx, callerOf(ctx), id.From[claim.Report](r.ReportId), claim.Outcome(r.Body.Outcome), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.ResolveCheaperReport200JSONResponse(wireReport(done)), nil
}

func fromClaim(b oas.NewPriceClaim) claim.Filing {
	return claim.Filing{
		SKU: id.From[catalog.SKU](b.SkuId), Platform: b.Platform, Reference: money.Fen(b.ReferenceFen), Basis: claim.Basis(b.Basis),
		NetContent: b.NetContent, NetUnit: string(b.NetUnit), CapturedAt: b.CapturedAt, Evidence: value(b.Evidence), Files: fromFiles(b.FileIds),
	}
}

func wireClaim(c claim.Claim) oas.PriceClaim {
	return oas.PriceClaim{
		Id: c.ID.UUID(), MerchantId: c.Merchant.UUID(), ProductId: c.Product.UUID(), SkuId: c.SKU.UUID(), Platform: c.Platform,
		ReferenceFen: int64(c.Reference), Basis: oas.PriceClaimBasis(c.Basis), NetContent: c.NetContent, NetUnit: c.NetUnit,
		CapturedAt: c.CapturedAt.UTC(), ExpiresAt: c.ExpiresAt.UTC(), Evidence: optional(c.Evidence), FileIds: wireFiles(c.Files),
		State: oas.PriceClaimState(c.State), FiledAt: c.FiledAt.UTC(), Reason: optional(c.Reason), DecidedAt: wireTime(c.DecidedAt),
	}
}

func wireReport(r claim.Report) oas.CheaperReport {
	w := oas.CheaperReport{
		Id: r.ID.UUID(), ProductId: r.Product.UUID(), Place: r.Place, PriceFen: int64(r.Price), Url: optional(r.URL), FileIds: wireFiles(r.Files),
		Note: optional(r.Note), State: oas.CheaperReportStateOpen, ReportedAt: r.At.UTC(), Outcome: optional(oas.CheaperOutcome(r.Outcome)),
		Reason: optional(r.Reason), ResolvedAt: wireTime(r.ResolvedAt),
	}
	if r.Outcome != "" {
		w.State = oas.CheaperReportStateResolved
	}
	return w
}

// wireShown is a product as the public sees it: with the price claim of the first of
// its SKUs that has one which holds.
func wireShown(p catalog.Product, inStock map[uuid.UUID]bool, live map[catalog.SKUID]claim.Live) oas.Product {
	w := wireProduct(p, inStock)
	for _, k := range p.SKUs {
		if l, ok := live[k.ID]; ok {
			w.PriceClaim = &oas.LivePriceClaim{
				SkuId: k.ID.UUID(), Platform: l.Platform, Basis: oas.PriceClaimBasis(l.Basis), ReferenceFen: int64(l.Reference),
				SavingFen: int64(l.Saving), CapturedAt: l.CapturedAt.UTC(), ExpiresAt: l.ExpiresAt.UTC(), Evidence: optional(l.Evidence),
			}
			return w
		}
	}
	return w
}
