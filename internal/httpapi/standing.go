package httpapi

import (
	"context"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/standing"
)

// standings answers the operations tagged "standing".
type standings struct {
	standing  *standing.Service
	merchants *merchant.Service
	catalog   *catalog.Service
	files     *file.Service
	clock     func() time.Time
}

// ListOwnLicences answers GET /v1/merchant/licences.
func (h standings) ListOwnLicences(ctx context.Context, r oas.ListOwnLicencesRequestObject) (oas.ListOwnLicencesResponseObject, error) {
	f := standing.LicenceFilter{State: standing.LicenceState(value(r.Params.State))}
	p, err := h.standing.OwnLicences(ctx, callerOf(ctx), f, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireOwnFiling)
	return oas.ListOwnLicences200JSONResponse{Data: data, NextCursor: next}, nil
}

// FileLicence answers POST /v1/merchant/licences.
func (h standings) FileLicence(ctx context.Context, r oas.FileLicenceRequestObject) (oas.FileLicenceResponseObject, error) {
	f, err := h.standing.FileLicence(ctx, callerOf(ctx), id.From[merchant.Merchant](r.Body.MerchantId), fromLicence(r.Body))
	if err != nil {
		return nil, err
	}
	return oas.FileLicence201JSONResponse(wireOwnFiling(f)), nil
}

// ListOwnAlerts answers GET /v1/merchant/alerts.
func (h standings) ListOwnAlerts(ctx context.Context, r oas.ListOwnAlertsRequestObject) (oas.ListOwnAlertsResponseObject, error) {
	f := standing.AlertFilter{State: alertState(r.Params.State)}
	p, err := h.standing.OwnAlerts(ctx, callerOf(ctx), f, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireAlert)
	return oas.ListOwnAlerts200JSONResponse{Data: data, NextCursor: next}, nil
}

// AcknowledgeAlert answers POST /v1/merchant/alerts/{alert_id}/acknowledge.
func (h standings) AcknowledgeAlert(ctx context.Context, r oas.AcknowledgeAlertRequestObject) (oas.AcknowledgeAlertResponseObject, error) {
	a, err := h.standing.Acknowledge(ctx, callerOf(ctx), id.From[standing.Alert](r.AlertId))
	if err != nil {
		return nil, err
	}
	return oas.AcknowledgeAlert200JSONResponse(wireAlert(a)), nil
}

// AskToLeave answers POST /v1/merchant/leave.
func (h standings) AskToLeave(ctx context.Context, r oas.AskToLeaveRequestObject) (oas.AskToLeaveResponseObject, error) {
	a, err := h.standing.AskToLeave(ctx, callerOf(ctx), id.From[merchant.Merchant](r.Body.MerchantId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.AskToLeave200JSONResponse(wireAlert(a)), nil
}

// ListLicences answers GET /v1/ops/licences.
func (h standings) ListLicences(ctx context.Context, r oas.ListLicencesRequestObject) (oas.ListLicencesResponseObject, error) {
	f := standing.LicenceFilter{State: standing.Filed, Merchant: id.From[merchant.Merchant](value(r.Params.MerchantId))}
	if r.Params.State != nil {
		f.State = standing.LicenceState(*r.Params.State)
	}
	p, err := h.standing.Licences(ctx, f, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireFiling)
	return oas.ListLicences200JSONResponse{Data: data, NextCursor: next}, nil
}

// AcceptLicence answers POST /v1/ops/licences/{licence_id}/accept. It may be what lets
// the enterprise's goods be sold again.
func (h standings) AcceptLicence(ctx context.Context, r oas.AcceptLicenceRequestObject) (oas.AcceptLicenceResponseObject, error) {
	f, err := h.standing.AcceptLicence(ctx, callerOf(ctx), id.From[standing.Filing](r.LicenceId))
	if err != nil {
		return nil, err
	}
	h.catalog.Forget(ctx)
	return oas.AcceptLicence200JSONResponse(wireFiling(f)), nil
}

// DeclineLicence answers POST /v1/ops/licences/{licence_id}/decline.
func (h standings) DeclineLicence(ctx context.Context, r oas.DeclineLicenceRequestObject) (oas.DeclineLicenceResponseObject, error) {
	f, err := h.standing.DeclineLicence(ctx, callerOf(ctx), id.From[standing.Filing](r.LicenceId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.DeclineLicence200JSONResponse(wireFiling(f)), nil
}

// LinkLicenceFiles answers POST /v1/ops/licences/{licence_id}/links.
func (h standings) LinkLicenceFiles(ctx context.Context, r oas.LinkLicenceFilesRequestObject) (oas.LinkLicenceFilesResponseObject, error) {
	caller := callerOf(ctx)
	scans, err := h.standing.ReadScans(ctx, caller, id.From[standing.Filing](r.LicenceId), id.From[file.File](value(r.Params.FileId)))
	if err != nil {
		return nil, err
	}
	links := []oas.LicenceLink{}
	for _, scan := range scans {
		l, err := h.files.Link(ctx, scan, caller.Account.UUID())
		if err != nil {
			return nil, err
		}
		links = append(links, oas.LicenceLink{FileId: l.File.UUID(), Path: l.Path(), ExpiresAt: l.ExpiresAt.UTC()})
	}
	return oas.LinkLicenceFiles200JSONResponse{Data: links}, nil
}

// ListReverifications answers GET /v1/ops/reverifications.
func (h standings) ListReverifications(ctx context.Context, r oas.ListReverificationsRequestObject) (oas.ListReverificationsResponseObject, error) {
	late := value(r.Params.State) == oas.ListReverificationsParamsStateOverdue
	p, err := h.standing.Reverifications(ctx, late, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireReverification)
	return oas.ListReverifications200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListAlerts answers GET /v1/ops/alerts.
func (h standings) ListAlerts(ctx context.Context, r oas.ListAlertsRequestObject) (oas.ListAlertsResponseObject, error) {
	f := standing.AlertFilter{State: alertState(r.Params.State), Merchant: id.From[merchant.Merchant](value(r.Params.MerchantId))}
	p, err := h.standing.Alerts(ctx, f, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireAlert)
	return oas.ListAlerts200JSONResponse{Data: data, NextCursor: next}, nil
}

// ReverifyMerchant answers POST /v1/ops/merchants/{merchant_id}/reverify.
func (h standings) ReverifyMerchant(ctx context.Context, r oas.ReverifyMerchantRequestObject) (oas.ReverifyMerchantResponseObject, error) {
	m, err := h.standing.Reverify(ctx, callerOf(ctx), id.From[merchant.Merchant](r.MerchantId), r.Body.Checked)
	if err != nil {
		return nil, err
	}
	return oas.ReverifyMerchant200JSONResponse(wireMerchant(m, h.clock())), nil
}

// WithdrawLicences answers POST /v1/ops/merchants/{merchant_id}/licences/withdraw.
func (h standings) WithdrawLicences(ctx context.Context, r oas.WithdrawLicencesRequestObject) (oas.WithdrawLicencesResponseObject, error) {
	m, err := h.merchants.WithdrawLicences(ctx, callerOf(ctx), id.From[merchant.Merchant](r.MerchantId), r.Body.Kind, r.Body.Reason)
	if err != nil {
		return nil, err
	}
	h.catalog.Forget(ctx)
	return oas.WithdrawLicences200JSONResponse(wireMerchant(m, h.clock())), nil
}

// WarnMerchant answers POST /v1/ops/merchants/{merchant_id}/warn.
func (h standings) WarnMerchant(ctx context.Context, r oas.WarnMerchantRequestObject) (oas.WarnMerchantResponseObject, error) {
	m, err := h.merchants.Sanction(ctx, callerOf(ctx), id.From[merchant.Merchant](r.MerchantId), fromSanctioning(merchant.Warning, r.Body))
	if err != nil {
		return nil, err
	}
	return oas.WarnMerchant200JSONResponse(wireMerchant(m, h.clock())), nil
}

// ExcludeMerchant answers POST /v1/ops/merchants/{merchant_id}/exclude.
func (h standings) ExcludeMerchant(ctx context.Context, r oas.ExcludeMerchantRequestObject) (oas.ExcludeMerchantResponseObject, error) {
	m, err := h.merchants.Sanction(ctx, callerOf(ctx), id.From[merchant.Merchant](r.MerchantId), fromSanctioning(merchant.Exclusion, r.Body))
	if err != nil {
		return nil, err
	}
	h.catalog.Forget(ctx)
	return oas.ExcludeMerchant200JSONResponse(wireMerchant(m, h.clock())), nil
}

// ReleaseMerchant answers POST /v1/ops/merchants/{merchant_id}/leave.
func (h standings) ReleaseMerchant(ctx context.Context, r oas.ReleaseMerchantRequestObject) (oas.ReleaseMerchantResponseObject, error) {
	m, err := h.merchants.Leave(ctx, callerOf(ctx), id.From[merchant.Merchant](r.MerchantId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	h.catalog.Forget(ctx)
	return oas.ReleaseMerchant200JSONResponse(wireMerchant(m, h.clock())), nil
}

// ListSanctions answers GET /v1/ops/merchants/{merchant_id}/sanctions.
func (h standings) ListSanctions(ctx context.Context, r oas.ListSanctionsRequestObject) (oas.ListSanctionsResponseObject, error) {
	p, err := h.merchants.Sanctions(ctx, id.From[merchant.Merchant](r.MerchantId), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireSanctionEntry)
	return oas.ListSanctions200JSONResponse{Data: data, NextCursor: next}, nil
}

// alertState is the state that a list of alerts is asked for: open ones, where nothing
// is said.
func alertState[S ~string](s *S) standing.AlertState {
	if s == nil {
		return standing.Open
	}
	return standing.AlertState(*s)
}

func fromLicence(n *oas.NewLicence) merchant.Licence {
	l := merchant.Licence{
		Kind: n.Kind, No: n.No, IssuedOn: fromDay(n.IssuedOn), ExpiresOn: fromDay(n.ExpiresOn), ProductKinds: n.ProductKinds,
	}
	for _, f := range n.FileIds {
		l.Files = append(l.Files, id.From[file.File](f))
	}
	return l
}

func fromDay(d openapi_types.Date) merchant.Date { return merchant.Date(d.Format(time.DateOnly)) }

func fromSanctioning(kind merchant.SanctionKind, s *oas.Sanctioning) merchant.Sanctioning {
	return merchant.Sanctioning{Kind: kind, Reason: s.Reason, NoticeZH: value(s.NoticeZh), NoticeEN: value(s.NoticeEn)}
}

func wireFiling(f standing.Filing) oas.LicenceFiling {
	return oas.LicenceFiling{
		Id: f.ID.UUID(), Merchant: wireSeller(f.Merchant.UUID(), f.MerchantName), Kind: f.Kind, No: f.No,
		IssuedOn: wireDate(f.IssuedOn.Time()), ExpiresOn: openapi_types.Date{Time: f.ExpiresOn.Time()},
		ProductKinds: wireAll(f.ProductKinds, func(k string) string { return k }), FileIds: wireAll(f.Files, file.ID.UUID),
		State: oas.LicenceFilingState(f.State), FiledBy: optional(f.FiledBy.UUID()), FiledAt: f.FiledAt.UTC(), Reason: optional(f.Reason),
		DecidedBy: optional(f.DecidedBy.UUID()), DecidedAt: wireTime(f.DecidedAt),
	}
}

// wireOwnFiling is a licence as its enterprise sees it: who acted is nobody's business
// there.
func wireOwnFiling(f standing.Filing) oas.LicenceFiling {
	w := wireFiling(f)
	w.FiledBy, w.DecidedBy = nil, nil
	return w
}

func wireReverification(r standing.Reverification) oas.Reverification {
	return oas.Reverification{
		Merchant: wireSeller(r.Merchant.UUID(), r.ShortName), Code: r.Code, VerifiedAt: r.VerifiedAt.UTC(),
		DueOn: openapi_types.Date{Time: r.DueOn.Time()}, Overdue: r.Overdue,
	}
}

func wireAlert(a standing.Alert) oas.MerchantAlert {
	return oas.MerchantAlert{
		Id: a.ID.UUID(), Merchant: wireSeller(a.Merchant.UUID(), a.MerchantName), Subject: oas.MerchantAlertSubject(a.Subject),
		Kind: optional(a.Kind), No: optional(a.No), DueOn: openapi_types.Date{Time: a.DueOn.Time()}, Days: oas.MerchantAlertDays(a.Days),
		State: oas.MerchantAlertState(a.State), RaisedAt: a.RaisedAt.UTC(), AcknowledgedAt: wireTime(a.AcknowledgedAt),
	}
}

func wireSanctionEntry(s merchant.Sanction) oas.SanctionEntry {
	return oas.SanctionEntry{
		Id: s.ID.UUID(), Kind: oas.SanctionKind(s.Kind), NoticeZh: s.NoticeZH, NoticeEn: s.NoticeEN,
		Reason: s.Reason, ImposedBy: s.By.UUID(), Since: s.Since.UTC(),
	}
}
