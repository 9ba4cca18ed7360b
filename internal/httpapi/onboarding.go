package httpapi

import (
	"context"
	"encoding/hex"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/shiyi-market/shiyi/internal/dossier"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/onboarding"
)

// onboardings answers the operations tagged "onboarding".
type onboardings struct{ onboarding *onboarding.Service }

// GetLevyAgreement answers GET /v1/public/levy-agreement.
func (h onboardings) GetLevyAgreement(ctx context.Context, _ oas.GetLevyAgreementRequestObject) (oas.GetLevyAgreementResponseObject, error) {
	a, err := h.onboarding.Agreement(ctx)
	if err != nil {
		return nil, err
	}
	return oas.GetLevyAgreement200JSONResponse{
		Version: a.Version, EffectiveFrom: openapi_types.Date{Time: a.EffectiveFrom.Time()}, Title: a.Title, Body: a.Body,
		Sha256: hex.EncodeToString(a.SHA256[:]), Sample: a.Sample, LevyBp: a.LevyBP, BeneficiaryRegion: a.Region,
		EntryFeeFen: a.EntryFeeFen, CommissionBp: a.CommissionBP,
	}, nil
}

// ListApplications answers GET /v1/applications.
func (h onboardings) ListApplications(ctx context.Context, r oas.ListApplicationsRequestObject) (oas.ListApplicationsResponseObject, error) {
	caller := callerOf(ctx)
	p, err := h.onboarding.Mine(ctx, caller, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireApplication(caller, onboarding.Applicant))
	return oas.ListApplications200JSONResponse{Data: data, NextCursor: next}, nil
}

// StartApplication answers POST /v1/applications.
func (h onboardings) StartApplication(ctx context.Context, r oas.StartApplicationRequestObject) (oas.StartApplicationResponseObject, error) {
	caller := callerOf(ctx)
	a, err := h.onboarding.Start(ctx, caller, fromDraft(r.Body.Draft))
	if err != nil {
		return nil, err
	}
	return oas.StartApplication201JSONResponse(wireApplication(caller, onboarding.Applicant)(a)), nil
}

// GetApplication answers GET /v1/applications/{application_id}.
func (h onboardings) GetApplication(ctx context.Context, r oas.GetApplicationRequestObject) (oas.GetApplicationResponseObject, error) {
	a, err := h.one(ctx, onboarding.Applicant, r.ApplicationId)
	return oas.GetApplication200JSONResponse(a), err
}

// EditApplication answers POST /v1/applications/{application_id}.
func (h onboardings) EditApplication(ctx context.Context, r oas.EditApplicationRequestObject) (oas.EditApplicationResponseObject, error) {
	caller := callerOf(ctx)
	a, err := h.onboarding.Edit(ctx, caller, fromID(r.ApplicationId), r.Body.Version, fromDraft(r.Body.Draft))
	return oas.EditApplication200JSONResponse(wireApplication(caller, onboarding.Applicant)(a)), err
}

// SubmitApplication answers POST /v1/applications/{application_id}/submit.
func (h onboardings) SubmitApplication(ctx context.Context, r oas.SubmitApplicationRequestObject) (oas.SubmitApplicationResponseObject, error) {
	caller := callerOf(ctx)
	a, err := h.onboarding.Submit(ctx, caller, fromID(r.ApplicationId))
	return oas.SubmitApplication200JSONResponse(wireApplication(caller, onboarding.Applicant)(a)), err
}

// AcceptLevyAgreement answers POST /v1/applications/{application_id}/agreement.
func (h onboardings) AcceptLevyAgreement(ctx context.Context, r oas.AcceptLevyAgreementRequestObject) (oas.AcceptLevyAgreementResponseObject, error) {
	caller := callerOf(ctx)
	by := onboarding.Acceptance{Version: r.Body.Version, Name: r.Body.Name, Position: r.Body.Position}
	if _, err := hex.Decode(by.SHA256[:], []byte(r.Body.Sha256)); err != nil {
		return nil, onboarding.ErrAgreement
	}
	a, err := h.onboarding.Accept(ctx, caller, fromID(r.ApplicationId), by)
	return oas.AcceptLevyAgreement200JSONResponse(wireApplication(caller, onboarding.Applicant)(a)), err
}

// LinkApplicationFile answers POST /v1/applications/{application_id}/files/{file_id}/link.
func (h onboardings) LinkApplicationFile(ctx context.Context, r oas.LinkApplicationFileRequestObject) (oas.LinkApplicationFileResponseObject, error) {
	l, err := h.onboarding.Link(ctx, callerOf(ctx), onboarding.Applicant, fromID(r.ApplicationId), id.From[file.File](r.FileId))
	return oas.LinkApplicationFile201JSONResponse(wireFileLink(l)), err
}

// ListCountyApplications answers GET /v1/county/applications.
func (h onboardings) ListCountyApplications(ctx context.Context, r oas.ListCountyApplicationsRequestObject) (oas.ListCountyApplicationsResponseObject, error) {
	caller := callerOf(ctx)
	p, err := h.onboarding.CountyQueue(ctx, caller, onboarding.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireApplication(caller, onboarding.County))
	return oas.ListCountyApplications200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetCountyApplication answers GET /v1/county/applications/{application_id}.
func (h onboardings) GetCountyApplication(ctx context.Context, r oas.GetCountyApplicationRequestObject) (oas.GetCountyApplicationResponseObject, error) {
	a, err := h.one(ctx, onboarding.County, r.ApplicationId)
	return oas.GetCountyApplication200JSONResponse(a), err
}

// ReadCountyApplicationContacts answers POST /v1/county/applications/{application_id}/contacts.
func (h onboardings) ReadCountyApplicationContacts(ctx context.Context, r oas.ReadCountyApplicationContactsRequestObject) (oas.ReadCountyApplicationContactsResponseObject, error) {
	all, err := h.onboarding.Contacts(ctx, callerOf(ctx), onboarding.County, fromID(r.ApplicationId))
	return oas.ReadCountyApplicationContacts200JSONResponse{Contacts: wireAll(all, wireContact)}, err
}

// LinkCountyApplicationFile answers POST /v1/county/applications/{application_id}/files/{file_id}/link.
func (h onboardings) LinkCountyApplicationFile(ctx context.Context, r oas.LinkCountyApplicationFileRequestObject) (oas.LinkCountyApplicationFileResponseObject, error) {
	l, err := h.onboarding.Link(ctx, callerOf(ctx), onboarding.County, fromID(r.ApplicationId), id.From[file.File](r.FileId))
	return oas.LinkCountyApplicationFile201JSONResponse(wireFileLink(l)), err
}

// RecommendApplication answers POST /v1/county/applications/{application_id}/recommend.
func (h onboardings) RecommendApplication(ctx context.Context, r oas.RecommendApplicationRequestObject) (oas.RecommendApplicationResponseObject, error) {
	caller := callerOf(ctx)
	a, err := h.onboarding.Recommend(ctx, caller, fromID(r.ApplicationId), r.Body.RecommendationNo, r.Body.Reason)
	return oas.RecommendApplication200JSONResponse(wireApplication(caller, onboarding.County)(a)), err
}

// ReturnCountyApplication answers POST /v1/county/applications/{application_id}/return.
func (h onboardings) ReturnCountyApplication(ctx context.Context, r oas.ReturnCountyApplicationRequestObject) (oas.ReturnCountyApplicationResponseObject, error) {
	a, err := h.giveBack(ctx, onboarding.County, r.ApplicationId, r.Body)
	return oas.ReturnCountyApplication200JSONResponse(a), err
}

// ListOpsApplications answers GET /v1/ops/applications.
func (h onboardings) ListOpsApplications(ctx context.Context, r oas.ListOpsApplicationsRequestObject) (oas.ListOpsApplicationsResponseObject, error) {
	caller := callerOf(ctx)
	p, err := h.onboarding.Queue(ctx, caller, onboarding.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireApplication(caller, onboarding.Platform))
	return oas.ListOpsApplications200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetOpsApplication answers GET /v1/ops/applications/{application_id}.
func (h onboardings) GetOpsApplication(ctx context.Context, r oas.GetOpsApplicationRequestObject) (oas.GetOpsApplicationResponseObject, error) {
	a, err := h.one(ctx, onboarding.Platform, r.ApplicationId)
	return oas.GetOpsApplication200JSONResponse(a), err
}

// ReadOpsApplicationContacts answers POST /v1/ops/applications/{application_id}/contacts.
func (h onboardings) ReadOpsApplicationContacts(ctx context.Context, r oas.ReadOpsApplicationContactsRequestObject) (oas.ReadOpsApplicationContactsResponseObject, error) {
	all, err := h.onboarding.Contacts(ctx, callerOf(ctx), onboarding.Platform, fromID(r.ApplicationId))
	return oas.ReadOpsApplicationContacts200JSONResponse{Contacts: wireAll(all, wireContact)}, err
}

// LinkOpsApplicationFile answers POST /v1/ops/applications/{application_id}/files/{file_id}/link.
func (h onboardings) LinkOpsApplicationFile(ctx context.Context, r oas.LinkOpsApplicationFileRequestObject) (oas.LinkOpsApplicationFileResponseObject, error) {
	l, err := h.onboarding.Link(ctx, callerOf(ctx), onboarding.Platform, fromID(r.ApplicationId), id.From[file.File](r.FileId))
	return oas.LinkOpsApplicationFile201JSONResponse(wireFileLink(l)), err
}

// ApproveApplication answers POST /v1/ops/applications/{application_id}/approve.
func (h onboardings) ApproveApplication(ctx context.Context, r oas.ApproveApplicationRequestObject) (oas.ApproveApplicationResponseObject, error) {
	caller := callerOf(ctx)
	a, err := h.onboarding.Approve(ctx, caller, fromID(r.ApplicationId), r.Body.Reason)
	return oas.ApproveApplication200JSONResponse(wireApplication(caller, onboarding.Platform)(a)), err
}

// RefuseApplication answers POST /v1/ops/applications/{application_id}/refuse.
func (h onboardings) RefuseApplication(ctx context.Context, r oas.RefuseApplicationRequestObject) (oas.RefuseApplicationResponseObject, error) {
	caller := callerOf(ctx)
	a, err := h.onboarding.Refuse(ctx, caller, fromID(r.ApplicationId), r.Body.Reason)
	return oas.RefuseApplication200JSONResponse(wireApplication(caller, onboarding.Platform)(a)), err
}

// ReturnOpsApplication answers POST /v1/ops/applications/{application_id}/return.
func (h onboardings) ReturnOpsApplication(ctx context.Context, r oas.ReturnOpsApplicationRequestObject) (oas.ReturnOpsApplicationResponseObject, error) {
	a, err := h.giveBack(ctx, onboarding.Platform, r.ApplicationId, r.Body)
	return oas.ReturnOpsApplication200JSONResponse(a), err
}

// one reads an application as a side sees it.
func (h onboardings) one(ctx context.Context, side onboarding.Side, a uuid.UUID) (oas.Application, error) {
	caller := callerOf(ctx)
	found, err := h.onboarding.Application(ctx, caller, side, fromID(a))
	return wireApplication(caller, side)(found), err
}

// giveBack returns an application for a side.
func (h onboardings) giveBack(ctx context.Context, side onboarding.Side, a uuid.UUID, r *oas.ApplicationReturn) (oas.Application, error) {
	caller := callerOf(ctx)
	back, err := h.onboarding.Return(ctx, caller, side, fromID(a), wireAll(r.Items, fromPlace), r.Reason)
	return wireApplication(caller, side)(back), err
}

// wireApplication writes applications as a side sees them: who did what by account is
// for operators.
func wireApplication(caller identity.Caller, side onboarding.Side) func(onboarding.Application) oas.Application {
	return func(a onboarding.Application) oas.Application {
		w := oas.Application{
			Id: a.ID.UUID(), State: oas.ApplicationState(a.State), Version: a.Version, Round: a.Round, Draft: wireDraft(a.Draft),
			Items: wireAll(a.Items, wireItem), History: wireAll(a.Events, wireEvent(side)),
			NextActions: wireAll(a.NextActions(caller), func(n onboarding.Action) oas.ApplicationNextActions {
				return oas.ApplicationNextActions(n)
			}),
			RecommendationNo: optional(a.RecommendationNo), RecommendedAt: wireTime(a.RecommendedAt), ApprovedAt: wireTime(a.ApprovedAt),
			SubmittedAt: wireTime(a.SubmittedAt), CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
		}
		if side == onboarding.Platform {
			w.ApplicantId = optional(a.Applicant.UUID())
		}
		if a.State == onboarding.Active {
			w.MerchantId, w.MerchantCode, w.AgreementNo = optional(a.Merchant.UUID()), &a.Code, &a.AgreementNo
		}
		return w
	}
}

func wireItem(i onboarding.Item) oas.ApplicationItem {
	w := oas.ApplicationItem{
		Round: i.Round, N: i.N, Side: oas.ApplicationSide(i.Side), Pointer: i.Pointer, Problem: oas.ApplicationItemProblem(i.Problem),
		Message: i.Message, State: oas.ApplicationItemStateOpen,
	}
	if i.Answered {
		w.State = oas.ApplicationItemStateAnswered
	}
	return w
}

func wireEvent(side onboarding.Side) func(onboarding.Event) oas.ApplicationEvent {
	return func(e onboarding.Event) oas.ApplicationEvent {
		w := oas.ApplicationEvent{
			N: e.N, At: e.At, Side: oas.ApplicationSide(e.Side), Action: oas.ApplicationEventAction(e.Action),
			State: oas.ApplicationState(e.State), Round: e.Round, Reason: optional(e.Reason),
		}
		if side == onboarding.Platform {
			w.ActorId = optional(e.Actor)
		}
		return w
	}
}

func wireDraft(d dossier.Draft) oas.ApplicationDraft {
	e := d.Entity
	return oas.ApplicationDraft{
		Entity: &oas.ApplicationEntity{
			LegalName: optional(e.LegalName), ShortName: optional(e.ShortName), EntityType: optional(e.EntityType), Uscc: optional(e.USCC),
			Region: optional(e.Region), Township: optional(e.Township), Village: optional(e.Village), Brands: e.Brands, Fictional: optional(e.Fictional),
		},
		Contacts: wireAll(d.Contacts, wireContact), Licences: wireAll(d.Licences, wireApplicationLicence),
		Linkage: &oas.ApplicationLinkage{
			Households: &d.Linkage.Households, PoorHouseholds: &d.Linkage.PoorHouseholds, Evidence: d.Linkage.Evidence,
			Ways: wireAll(d.Linkage.Ways, wireWay),
		},
	}
}

func wireContact(c dossier.Contact) oas.ApplicationContact {
	return oas.ApplicationContact{
		Role: oas.ApplicationContactRole(c.Role), Name: c.Name, Phone: c.Phone, Email: optional(c.Email), FileIds: wireAll(c.Files, file.ID.UUID),
	}
}

func wireApplicationLicence(l dossier.Licence) oas.ApplicationLicence {
	return oas.ApplicationLicence{
		Kind: l.Kind, No: optional(l.No), IssuedOn: wireDate(l.IssuedOn.Time()), ExpiresOn: wireDate(l.ExpiresOn.Time()),
		ProductKinds: l.For, FileIds: wireAll(l.Files, file.ID.UUID),
	}
}

func wireWay(w dossier.Way) oas.ApplicationWay {
	return oas.ApplicationWay{
		Mode: oas.ApplicationWayMode(w.Mode), Label: optional(w.Label), Villages: w.Villages, Households: &w.Households,
		PoorHouseholds: &w.PoorHouseholds, Persons: optional(w.Persons), LandMu: optional(w.LandMu), AmountFen: optional(w.AmountFen),
		From: wireDate(w.From.Time()), To: wireDate(w.To.Time()), FileIds: wireAll(w.Files, file.ID.UUID),
	}
}

func fromID(a uuid.UUID) onboarding.ID { return id.From[onboarding.Application](a) }

func fromPlace(p oas.ReturnedPlace) onboarding.Item {
	return onboarding.Item{Pointer: p.Pointer, Problem: onboarding.Problem(p.Problem), Message: p.Message}
}

func fromDraft(d oas.ApplicationDraft) dossier.Draft {
	e, l := value(d.Entity), value(d.Linkage)
	return dossier.Draft{
		Entity: dossier.Entity{
			LegalName: value(e.LegalName), ShortName: value(e.ShortName), EntityType: value(e.EntityType), USCC: value(e.Uscc),
			Region: value(e.Region), Township: value(e.Township), Village: value(e.Village), Brands: e.Brands, Fictional: value(e.Fictional),
		},
		Contacts: wireAll(d.Contacts, fromContact), Licences: wireAll(d.Licences, fromApplicationLicence),
		Linkage: dossier.Linkage{
			Households: value(l.Households), PoorHouseholds: value(l.PoorHouseholds), Evidence: l.Evidence, Ways: wireAll(l.Ways, fromWay),
		},
	}
}

func fromContact(c oas.ApplicationContact) dossier.Contact {
	return dossier.Contact{
		Role: dossier.ContactRole(c.Role), Name: c.Name, Phone: c.Phone, Email: value(c.Email), Files: wireAll(c.FileIds, id.From[file.File]),
	}
}

func fromApplicationLicence(l oas.ApplicationLicence) dossier.Licence {
	return dossier.Licence{
		Kind: l.Kind, No: value(l.No), IssuedOn: fromDate(l.IssuedOn), ExpiresOn: fromDate(l.ExpiresOn),
		For: l.ProductKinds, Files: wireAll(l.FileIds, id.From[file.File]),
	}
}

func fromWay(w oas.ApplicationWay) dossier.Way {
	return dossier.Way{
		Mode: dossier.Mode(w.Mode), Label: value(w.Label), Villages: w.Villages, Households: value(w.Households),
		PoorHouseholds: value(w.PoorHouseholds), Persons: value(w.Persons), LandMu: value(w.LandMu), AmountFen: value(w.AmountFen),
		From: fromDate(w.From), To: fromDate(w.To), Files: wireAll(w.FileIds, id.From[file.File]),
	}
}

// fromDate is no day for a day that is not set.
func fromDate(d *openapi_types.Date) merchant.Date {
	if d == nil {
		return ""
	}
	return merchant.Date(d.String())
}
