package httpapi

import (
	"context"
	"time"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
)

// disclosures answers the operations tagged "public".
type disclosures struct {
	merchants *merchant.Service
	fund      *fund.Service
	clock     func() time.Time
}

// ListMerchants answers GET /v1/public/merchants.
func (h disclosures) ListMerchants(ctx context.Context, r oas.ListMerchantsRequestObject) (oas.ListMerchantsResponseObject, error) {
	p, err := h.merchants.Merchants(ctx, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	now := h.clock()
	data, next := wirePage(p, func(m merchant.Merchant) oas.Merchant { return wireMerchant(m, now) })
	return oas.ListMerchants200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetMerchant answers GET /v1/public/merchants/{merchant_id}.
func (h disclosures) GetMerchant(ctx context.Context, r oas.GetMerchantRequestObject) (oas.GetMerchantResponseObject, error) {
	m, err := h.merchants.Merchant(ctx, id.From[merchant.Merchant](r.MerchantId))
	if err != nil {
		return nil, err
	}
	return oas.GetMerchant200JSONResponse(wireMerchant(m, h.clock())), nil
}

// GetFund answers GET /v1/public/fund.
func (h disclosures) GetFund(ctx context.Context, r oas.GetFundRequestObject) (oas.GetFundResponseObject, error) {
	if value(r.Params.Logged) {
		s, leaves, err := h.fund.Logged(ctx)
		w := wireFund(s)
		w.LogSize = &leaves
		return oas.GetFund200JSONResponse(w), err
	}
	s, err := h.fund.Statement(ctx)
	return oas.GetFund200JSONResponse(wireFund(s)), err
}

func wireFund(s fund.Statement) oas.FundStatement {
	return oas.FundStatement{
		Orders: s.Orders, SoldFen: int64(s.SoldFen), RefundedFen: int64(s.RefundFen), LeviedLi: int64(s.LeviedLi),
		ReturnedLi: int64(s.ReturnedLi), PendingLi: int64(s.PendingLi), FreeLi: int64(s.FreeLi), HeldLi: int64(s.HeldLi),
		CommittedLi: int64(s.CommittedLi), SpentLi: int64(s.SpentLi),
	}
}

// wireMerchant is an enterprise as everybody may see it at this moment.
func wireMerchant(m merchant.Merchant, now time.Time) oas.Merchant {
	return oas.Merchant{
		Id: m.ID.UUID(), Code: m.Code, LegalName: m.LegalName, ShortName: m.ShortName, Fictional: m.Fictional,
		Township: m.Township, Region: m.Region, Uscc: m.USCC, State: oas.MerchantState(m.ShownState(now)),
		MaySell:     merchant.MaySell(m.Standing(), now) == nil,
		AgreementNo: m.AgreementNo, AgreementSignedOn: wireDate(m.AgreementSignedOn.Time()),
		EntryFeeFen: int64(merchant.EntryFee), CommissionBp: merchant.CommissionBP,
		Licences:  wireAll(m.Licences, func(l merchant.Licence) oas.Licence { return wireLicence(l, now) }),
		Sanctions: wireAll(m.Sanctions, wireSanction), Linkage: wireLinkage(m.Linkage),
		VerifiedAt: wireTime(m.VerifiedAt), NextVerificationDue: wireDate(m.ReverificationDue.Time()),
		ReviewedAt: wireTime(m.VerifiedAt), NextReviewDue: wireDate(m.ReverificationDue.Time()),
	}
}

func wireLicence(l merchant.Licence, now time.Time) oas.Licence {
	w := oas.Licence{
		Kind: l.Kind, No: l.No, IssuedOn: wireDate(l.IssuedOn.Time()), ExpiresOn: wireDate(l.ExpiresOn.Time()), State: oas.LicenceStateExpired,
	}
	if l.ValidAt(now) {
		w.State = oas.LicenceStateValid
	}
	if len(l.ProductKinds) > 0 {
		w.ProductKinds = l.ProductKinds
	}
	return w
}

func wireSanction(s merchant.Sanction) oas.Sanction {
	return oas.Sanction{Kind: oas.SanctionKind(s.Kind), NoticeZh: s.NoticeZH, NoticeEn: s.NoticeEN, Since: s.Since.UTC()}
}

func wireLinkage(l merchant.Linkage) oas.Linkage {
	return oas.Linkage{
		Households: l.Households, PoorHouseholds: l.PoorHouseholds, Employed: l.Employed, LandMu: l.LandMu,
		PurchaseAgreements: l.PurchaseAgreements, DividendsFen: int64(l.Dividends),
	}
}
