package httpapi

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/shiyi-market/shiyi/internal/application"
	"github.com/shiyi-market/shiyi/internal/disbursement"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/programme"
)

// programmes answers the operations tagged "programmes".
type programmes struct {
	programmes    *programme.Service
	applications  *application.Service
	objections    *objection.Service
	disbursements *disbursement.Service
}

// ListProgrammeKinds answers GET /v1/public/programme-kinds.
func (h programmes) ListProgrammeKinds(ctx context.Context, _ oas.ListProgrammeKindsRequestObject) (oas.ListProgrammeKindsResponseObject, error) {
	all, err := h.programmes.Kinds(ctx)
	if err != nil {
		return nil, err
	}
	return oas.ListProgrammeKinds200JSONResponse{Data: wireAll(all, func(k programme.Kind) oas.ProgrammeKind {
		return oas.ProgrammeKind{Code: k.Code, NameZh: k.NameZH, NameEn: k.NameEN, Education: k.Education}
	})}, nil
}

// ListProgrammes answers GET /v1/public/programmes.
func (h programmes) ListProgrammes(ctx context.Context, r oas.ListProgrammesRequestObject) (oas.ListProgrammesResponseObject, error) {
	p, err := h.programmes.Programmes(ctx, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireProgramme)
	return oas.ListProgrammes200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetProgramme answers GET /v1/public/programmes/{programme_id}.
func (h programmes) GetProgramme(ctx context.Context, r oas.GetProgrammeRequestObject) (oas.GetProgrammeResponseObject, error) {
	p, err := h.programmes.Programme(ctx, id.From[programme.Programme](r.ProgrammeId))
	if err != nil {
		return nil, err
	}
	subjects, err := h.programmes.Subjects(ctx, p)
	if err != nil {
		return nil, err
	}
	all, sum, err := h.disbursements.Programme(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	periods, err := h.objections.About(ctx, append(subjects, wireAll(all, func(a disbursement.Account) uuid.UUID { return a.ID.UUID() })...))
	if err != nil {
		return nil, err
	}
	return oas.GetProgramme200JSONResponse{
		Programme: wireProgramme(p), PromisedFen: int64(sum.Left), PaidFen: int64(sum.Paid), ReturnedFen: int64(sum.Returned),
		Grants: wireAll(all, wirePublicGrant), ObjectionPeriods: wireAll(periods, wireObjectionPeriod),
	}, nil
}

// ListObjectionPeriods answers GET /v1/public/objection-periods.
func (h programmes) ListObjectionPeriods(ctx context.Context, r oas.ListObjectionPeriodsRequestObject) (oas.ListObjectionPeriodsResponseObject, error) {
	p, err := h.objections.Periods(ctx, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireObjectionPeriod)
	return oas.ListObjectionPeriods200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListFiledObjections answers GET /v1/public/objection-periods/{objection_period_id}/objections.
func (h programmes) ListFiledObjections(ctx context.Context, r oas.ListFiledObjectionsRequestObject) (oas.ListFiledObjectionsResponseObject, error) {
	p, err := h.objections.Filed(ctx, id.From[objection.Period](r.ObjectionPeriodId), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireFiledObjection)
	return oas.ListFiledObjections200JSONResponse{Data: data, NextCursor: next}, nil
}

// FileObjection answers POST /v1/public/objection-periods/{objection_period_id}/objections.
func (h programmes) FileObjection(ctx context.Context, r oas.FileObjectionRequestObject) (oas.FileObjectionResponseObject, error) {
	o, err := h.objections.File(ctx, id.From[objection.Period](r.ObjectionPeriodId), r.Body.Text)
	if err != nil {
		return nil, err
	}
	return oas.FileObjection201JSONResponse(wireFiledObjection(o)), nil
}

// ListObjections answers GET /v1/fund/objections.
func (h programmes) ListObjections(ctx context.Context, r oas.ListObjectionsRequestObject) (oas.ListObjectionsResponseObject, error) {
	p, err := h.objections.Objections(ctx, callerOf(ctx), objection.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireObjection(callerOf(ctx)))
	return oas.ListObjections200JSONResponse{Data: data, NextCursor: next}, nil
}

// AnswerObjection answers POST /v1/fund/objections/{objection_id}/answer.
func (h programmes) AnswerObjection(ctx context.Context, r oas.AnswerObjectionRequestObject) (oas.AnswerObjectionResponseObject, error) {
	o, err := h.objections.Answer(ctx, callerOf(ctx), id.From[objection.Objection](r.ObjectionId), r.Body.Uphold, r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.AnswerObjection200JSONResponse(wireObjection(callerOf(ctx))(o)), nil
}

// ListProgrammeApplications answers GET /v1/fund/applications.
func (h programmes) ListProgrammeApplications(ctx context.Context, r oas.ListProgrammeApplicationsRequestObject) (oas.ListProgrammeApplicationsResponseObject, error) {
	p, err := h.applications.Applications(ctx, callerOf(ctx), application.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireProgrammeApplication(callerOf(ctx)))
	return oas.ListProgrammeApplications200JSONResponse{Data: data, NextCursor: next}, nil
}

// FileProgrammeApplication answers POST /v1/fund/applications.
func (h programmes) FileProgrammeApplication(ctx context.Context, r oas.FileProgrammeApplicationRequestObject) (oas.FileProgrammeApplicationResponseObject, error) {
	a, err := h.applications.File(ctx, callerOf(ctx), application.Asking{
		Plan: fromProgrammePlan(r.Body.Plan), Amount: money.Fen(r.Body.AmountFen), Other: wireAll(r.Body.OtherMoney, fromOtherMoney),
		Files: wireAll(r.Body.FileIds, id.From[file.File]),
	})
	if err != nil {
		return nil, err
	}
	return oas.FileProgrammeApplication201JSONResponse(wireProgrammeApplication(callerOf(ctx))(a)), nil
}

// GetProgrammeApplication answers GET /v1/fund/applications/{programme_application_id}.
func (h programmes) GetProgrammeApplication(ctx context.Context, r oas.GetProgrammeApplicationRequestObject) (oas.GetProgrammeApplicationResponseObject, error) {
	a, err := h.applications.Application(ctx, callerOf(ctx), id.From[application.Application](r.ProgrammeApplicationId))
	if err != nil {
		return nil, err
	}
	return oas.GetProgrammeApplication200JSONResponse(wireProgrammeApplication(callerOf(ctx))(a)), nil
}

// AssessProgrammeApplication answers POST /v1/fund/applications/{programme_application_id}/assess.
func (h programmes) AssessProgrammeApplication(ctx context.Context, r oas.AssessProgrammeApplicationRequestObject) (oas.AssessProgrammeApplicationResponseObject, error) {
	a, err := h.applications.Assess(ctx, callerOf(ctx), id.From[application.Application](r.ProgrammeApplicationId), r.Body.Score, r.Body.Opinion)
	if err != nil {
		return nil, err
	}
	return oas.AssessProgrammeApplication200JSONResponse(wireProgrammeApplication(callerOf(ctx))(a)), nil
}

// PublishProgrammeApplication answers POST /v1/fund/applications/{programme_application_id}/publish.
func (h programmes) PublishProgrammeApplication(ctx context.Context, r oas.PublishProgrammeApplicationRequestObject) (oas.PublishProgrammeApplicationResponseObject, error) {
	a, err := h.applications.Publish(ctx, callerOf(ctx), id.From[application.Application](r.ProgrammeApplicationId))
	if err != nil {
		return nil, err
	}
	return oas.PublishProgrammeApplication200JSONResponse(wireProgrammeApplication(callerOf(ctx))(a)), nil
}

// AcceptProgrammeApplication answers POST /v1/fund/applications/{programme_application_id}/accept.
func (h programmes) AcceptProgrammeApplication(ctx context.Context, r oas.AcceptProgrammeApplicationRequestObject) (oas.AcceptProgrammeApplicationResponseObject, error) {
	a, err := h.applications.Accept(ctx, callerOf(ctx), id.From[application.Application](r.ProgrammeApplicationId))
	if err != nil {
		return nil, err
	}
	return oas.AcceptProgrammeApplication200JSONResponse(wireProgrammeApplication(callerOf(ctx))(a)), nil
}

// DeclineProgrammeApplication answers POST /v1/fund/applications/{programme_application_id}/decline.
func (h programmes) DeclineProgrammeApplication(ctx context.Context, r oas.DeclineProgrammeApplicationRequestObject) (oas.DeclineProgrammeApplicationResponseObject, error) {
	a, err := h.applications.Decline(ctx, callerOf(ctx), id.From[application.Application](r.ProgrammeApplicationId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.DeclineProgrammeApplication200JSONResponse(wireProgrammeApplication(callerOf(ctx))(a)), nil
}

// RecordProgramme answers POST /v1/fund/programmes.
func (h programmes) RecordProgramme(ctx context.Context, r oas.RecordProgrammeRequestObject) (oas.RecordProgrammeResponseObject, error) {
	b := r.Body
	p, err := h.programmes.Record(ctx, callerOf(ctx), fromProgrammePlan(oas.ProgrammePlan{
		Kind: b.Kind, Title: b.Title, Region: b.Region, Place: b.Place, School: b.School, Purpose: b.Purpose, Fictional: b.Fictional, Milestones: b.Milestones,
	}), wireAll(b.OtherMoney, fromOtherMoney)...)
	if err != nil {
		return nil, err
	}
	return oas.RecordProgramme201JSONResponse(wireProgramme(p)), nil
}

// RecordOtherMoney answers POST /v1/fund/other-money.
func (h programmes) RecordOtherMoney(ctx context.Context, r oas.RecordOtherMoneyRequestObject) (oas.RecordOtherMoneyResponseObject, error) {
	o := fromOtherMoney(r.Body.Money)
	o.Shared = wireAll(r.Body.ProgrammeIds, id.From[programme.Programme])
	o, err := h.programmes.AddOther(ctx, callerOf(ctx), o)
	if err != nil {
		return nil, err
	}
	return oas.RecordOtherMoney201JSONResponse(wireOtherMoney(o)), nil
}

// WithdrawOtherMoney answers POST /v1/fund/other-money/{other_money_id}/withdraw.
func (h programmes) WithdrawOtherMoney(ctx context.Context, r oas.WithdrawOtherMoneyRequestObject) (oas.WithdrawOtherMoneyResponseObject, error) {
	o, err := h.programmes.WithdrawOther(ctx, callerOf(ctx), r.OtherMoneyId, r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.WithdrawOtherMoney200JSONResponse(wireOtherMoney(o)), nil
}

// ProposeProgrammeChange answers POST /v1/fund/programmes/{programme_id}/changes.
func (h programmes) ProposeProgrammeChange(ctx context.Context, r oas.ProposeProgrammeChangeRequestObject) (oas.ProposeProgrammeChangeResponseObject, error) {
	c, err := h.programmes.ProposeChange(ctx, callerOf(ctx), id.From[programme.Programme](r.ProgrammeId), r.Body.Kind, r.Body.Purpose, r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.ProposeProgrammeChange201JSONResponse(wireProgrammeChange(callerOf(ctx))(c)), nil
}

// ListProgrammeChanges answers GET /v1/fund/programme-changes.
func (h programmes) ListProgrammeChanges(ctx context.Context, r oas.ListProgrammeChangesRequestObject) (oas.ListProgrammeChangesResponseObject, error) {
	p, err := h.programmes.Changes(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireProgrammeChange(callerOf(ctx)))
	return oas.ListProgrammeChanges200JSONResponse{Data: data, NextCursor: next}, nil
}

// ApproveProgrammeChange answers POST /v1/fund/programme-changes/{programme_change_id}/approve.
func (h programmes) ApproveProgrammeChange(ctx context.Context, r oas.ApproveProgrammeChangeRequestObject) (oas.ApproveProgrammeChangeResponseObject, error) {
	c, err := h.programmes.ApproveChange(ctx, callerOf(ctx), id.From[programme.Change](r.ProgrammeChangeId))
	if err != nil {
		return nil, err
	}
	return oas.ApproveProgrammeChange200JSONResponse(wireProgrammeChange(callerOf(ctx))(c)), nil
}

// EnactProgrammeChange answers POST /v1/fund/programme-changes/{programme_change_id}/enact.
func (h programmes) EnactProgrammeChange(ctx context.Context, r oas.EnactProgrammeChangeRequestObject) (oas.EnactProgrammeChangeResponseObject, error) {
	c, err := h.programmes.EnactChange(ctx, callerOf(ctx), id.From[programme.Change](r.ProgrammeChangeId))
	if err != nil {
		return nil, err
	}
	return oas.EnactProgrammeChange200JSONResponse(wireProgrammeChange(callerOf(ctx))(c)), nil
}

// DeclineProgrammeChange answers POST /v1/fund/programme-changes/{programme_change_id}/decline.
func (h programmes) DeclineProgrammeChange(ctx context.Context, r oas.DeclineProgrammeChangeRequestObject) (oas.DeclineProgrammeChangeResponseObject, error) {
	c, err := h.programmes.DeclineChange(ctx, callerOf(ctx), id.From[programme.Change](r.ProgrammeChangeId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.DeclineProgrammeChange200JSONResponse(wireProgrammeChange(callerOf(ctx))(c)), nil
}

// wireID leaves out what names nothing.
func wireID[T any](i id.Of[T]) *uuid.UUID {
	if i.IsZero() {
		return nil
	}
	u := i.UUID()
	return &u
}

func wireMilestone(m programme.Milestone) oas.Milestone {
	w := oas.Milestone{Title: m.Title}
	if due, err := time.Parse(time.DateOnly, m.Due); err == nil {
		w.DueOn = &openapi_types.Date{Time: due}
	}
	return w
}

func wireProgramme(p programme.Programme) oas.Programme {
	return oas.Programme{
		Id: p.ID.UUID(), Kind: p.Kind, Title: p.Title, Region: p.Region, Place: p.Place, School: p.School, Purpose: p.Purpose, Fictional: p.Fictional,
		Milestones: wireAll(p.Milestones, wireMilestone), BudgetFen: int64(p.Budget), RecordedAt: p.RecordedAt, OtherMoney: wireAll(p.Other, wireOtherMoney),
	}
}

func wireOtherMoney(o programme.OtherMoney) oas.OtherMoney {
	return oas.OtherMoney{
		Id: o.ID, AmountFen: optional(int64(o.Amount)), Source: o.Source, Note: o.Note, SharedBy: wireAll(o.Shared, programme.ID.UUID),
		WithdrawnAt: wireTime(o.WithdrawnAt), WithdrawnReason: optional(o.Reason),
	}
}

func wireProgrammePlan(p programme.Plan) oas.ProgrammePlan {
	return oas.ProgrammePlan{
		Kind: p.Kind, Title: p.Title, Region: p.Region, Place: p.Place, School: p.School, Purpose: p.Purpose, Fictional: optional(p.Fictional),
		Milestones: wireAll(p.Milestones, wireMilestone),
	}
}

func wireProgrammeApplication(caller identity.Caller) func(application.Application) oas.ProgrammeApplication {
	return func(a application.Application) oas.ProgrammeApplication {
		w := oas.ProgrammeApplication{
			Id: a.ID.UUID(), Plan: wireProgrammePlan(a.Plan), AmountFen: int64(a.Amount), Papers: wireAll(a.Papers, wirePaperDigest),
			OtherMoney: wireAll(a.Other, func(o programme.OtherMoney) oas.NewOtherMoney {
				return oas.NewOtherMoney{AmountFen: optional(int64(o.Amount)), Source: o.Source, Note: optional(o.Note)}
			}),
			State: oas.ProgrammeApplicationState(a.State), FiledBy: a.FiledBy.UUID(), FiledAt: a.FiledAt, Opinion: optional(a.Opinion),
			AssessedBy: wireID(a.AssessedBy), AssessedAt: wireTime(a.AssessedAt), ObjectionPeriodId: wireID(a.Period), DecidedBy: wireID(a.DecidedBy),
			DecidedAt: wireTime(a.DecidedAt), Reason: optional(a.Reason), ProgrammeId: wireID(a.Programme),
			NextActions: wireAll(a.Next(caller), func(s string) oas.ProgrammeApplicationNextActions { return oas.ProgrammeApplicationNextActions(s) }),
		}
		if !a.AssessedBy.IsZero() {
			w.Score = &a.Score
		}
		return w
	}
}

func wirePaperDigest(d file.Digest) oas.PaperDigest {
	return oas.PaperDigest{FileId: d.File.UUID(), Sha256: hex.EncodeToString(d.SHA256[:])}
}

func wireProgrammeChange(caller identity.Caller) func(programme.Change) oas.ProgrammeChange {
	return func(c programme.Change) oas.ProgrammeChange {
		return oas.ProgrammeChange{
			Id: c.ID.UUID(), ProgrammeId: c.Programme.UUID(), Kind: c.Kind, Purpose: c.Purpose, OldKind: c.OldKind, OldPurpose: c.OldPurpose, Reason: c.Reason,
			State: oas.ProgrammeChangeState(c.State), ObjectionPeriodId: wireID(c.Period), ProposedBy: c.ProposedBy.UUID(), ProposedAt: c.ProposedAt,
			ApprovedBy: wireID(c.ApprovedBy), ApprovedAt: wireTime(c.ApprovedAt), DecidedBy: wireID(c.DecidedBy), DecidedAt: wireTime(c.DecidedAt),
			NextActions: wireAll(c.Next(caller), func(s string) oas.ProgrammeChangeNextActions { return oas.ProgrammeChangeNextActions(s) }),
		}
	}
}

func wireObjectionPeriod(p objection.Period) oas.ObjectionPeriod {
	out := oas.ObjectionPeriod{
		Id: p.ID.UUID(), Subject: oas.ObjectionPeriodSubject(p.Subject), SubjectId: p.SubjectID, DocumentId: p.Document.UUID(), TitleZh: p.TitleZH,
		TitleEn: p.TitleEN, OpenedAt: p.OpenedAt, EndsAt: p.EndsAt,
	}
	out.Objections.Open, out.Objections.Upheld, out.Objections.Dismissed = p.Counts.Open, p.Counts.Upheld, p.Counts.Dismissed
	return out
}

// wireFiledObjection is an objection as anybody may see it: without what it says, and without who answered.
func wireFiledObjection(o objection.Objection) oas.FiledObjection {
	return oas.FiledObjection{
		Id: o.ID.UUID(), State: oas.ObjectionState(o.State), FiledAt: o.FiledAt, Answer: optional(o.Answer), AnsweredAt: wireTime(o.AnsweredAt),
	}
}

func wireObjection(caller identity.Caller) func(objection.Objection) oas.Objection {
	return func(o objection.Objection) oas.Objection {
		return oas.Objection{
			Id: o.ID.UUID(), ObjectionPeriodId: o.Period.UUID(), Text: o.Body, State: oas.ObjectionState(o.State), FiledAt: o.FiledAt, Answer: optional(o.Answer),
			AnsweredBy: wireID(o.AnsweredBy), AnsweredAt: wireTime(o.AnsweredAt),
			NextActions: wireAll(o.Next(caller), func(s string) oas.ObjectionNextActions { return oas.ObjectionNextActions(s) }),
		}
	}
}

func fromProgrammePlan(b oas.ProgrammePlan) programme.Plan {
	return programme.Plan{
		Kind: b.Kind, Title: b.Title, Region: b.Region, Place: b.Place, School: b.School, Purpose: b.Purpose, Fictional: value(b.Fictional),
		Milestones: wireAll(b.Milestones, func(m oas.Milestone) programme.Milestone {
			p := programme.Milestone{Title: m.Title}
			if m.DueOn != nil {
				p.Due = m.DueOn.Format(time.DateOnly)
			}
			return p
		}),
	}
}

func fromOtherMoney(b oas.NewOtherMoney) programme.OtherMoney {
	return programme.OtherMoney{Amount: money.Fen(value(b.AmountFen)), Source: b.Source, Note: value(b.Note)}
}
