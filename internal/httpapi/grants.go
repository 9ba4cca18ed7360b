package httpapi

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/shiyi-market/shiyi/internal/disbursement"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/programme"
)

// grants answers the operations tagged "grants".
type grants struct {
	grants        *grant.Service
	disbursements *disbursement.Service
	clock         func() time.Time
}

// ListPublicGrants answers GET /v1/public/grants.
func (h grants) ListPublicGrants(ctx context.Context, r oas.ListPublicGrantsRequestObject) (oas.ListPublicGrantsResponseObject, error) {
	p, err := h.disbursements.Promised(ctx, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wirePublicGrant)
	return oas.ListPublicGrants200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListGrants answers GET /v1/fund/grants.
func (h grants) ListGrants(ctx context.Context, r oas.ListGrantsRequestObject) (oas.ListGrantsResponseObject, error) {
	p, err := h.disbursements.Accounts(ctx, callerOf(ctx), grant.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, h.wireAccount(ctx))
	return oas.ListGrants200JSONResponse{Data: data, NextCursor: next}, nil
}

// ProposeGrant answers POST /v1/fund/grants.
func (h grants) ProposeGrant(ctx context.Context, r oas.ProposeGrantRequestObject) (oas.ProposeGrantResponseObject, error) {
	g, err := h.grants.Propose(ctx, callerOf(ctx), fromNewGrant(r.Body))
	if err != nil {
		return nil, err
	}
	return oas.ProposeGrant201JSONResponse(h.wireGrant(ctx)(g)), nil
}

// GetGrant answers GET /v1/fund/grants/{grant_id}.
func (h grants) GetGrant(ctx context.Context, r oas.GetGrantRequestObject) (oas.GetGrantResponseObject, error) {
	a, err := h.disbursements.Account(ctx, callerOf(ctx), id.From[grant.Grant](r.GrantId))
	if err != nil {
		return nil, err
	}
	return oas.GetGrant200JSONResponse(h.wireAccount(ctx)(a)), nil
}

// ApproveGrant answers POST /v1/fund/grants/{grant_id}/approve.
func (h grants) ApproveGrant(ctx context.Context, r oas.ApproveGrantRequestObject) (oas.ApproveGrantResponseObject, error) {
	render, answer := remember(http.StatusOK, h.wireGrant(ctx))
	_, err := h.grants.Approve(ctx, callerOf(ctx), id.From[grant.Grant](r.GrantId), fromDigest(r.Body.Digest), claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// RefuseGrant answers POST /v1/fund/grants/{grant_id}/refuse.
func (h grants) RefuseGrant(ctx context.Context, r oas.RefuseGrantRequestObject) (oas.RefuseGrantResponseObject, error) {
	g, err := h.grants.Refuse(ctx, callerOf(ctx), id.From[grant.Grant](r.GrantId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.RefuseGrant200JSONResponse(h.wireGrant(ctx)(g)), nil
}

// DeclareRelation answers POST /v1/fund/grants/{grant_id}/relations.
func (h grants) DeclareRelation(ctx context.Context, r oas.DeclareRelationRequestObject) (oas.DeclareRelationResponseObject, error) {
	g, err := h.grants.Declare(ctx, callerOf(ctx), id.From[grant.Grant](r.GrantId), r.Body.Own, r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.DeclareRelation200JSONResponse(h.wireGrant(ctx)(g)), nil
}

// RequestPayment answers POST /v1/fund/grants/{grant_id}/payments.
func (h grants) RequestPayment(ctx context.Context, r oas.RequestPaymentRequestObject) (oas.RequestPaymentResponseObject, error) {
	d, err := h.disbursements.RequestPayment(ctx, callerOf(ctx), id.From[grant.Grant](r.GrantId), r.Body.Instalment, wireAll(r.Body.EvidenceIds, id.From[file.File]))
	if err != nil {
		return nil, err
	}
	return oas.RequestPayment201JSONResponse(h.wireDisbursement(ctx)(d)), nil
}

// RequestRelease answers POST /v1/fund/grants/{grant_id}/releases.
func (h grants) RequestRelease(ctx context.Context, r oas.RequestReleaseRequestObject) (oas.RequestReleaseResponseObject, error) {
	d, err := h.disbursements.RequestRelease(ctx, callerOf(ctx), id.From[grant.Grant](r.GrantId), money.Fen(r.Body.AmountFen), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.RequestRelease201JSONResponse(h.wireDisbursement(ctx)(d)), nil
}

// RecordReturn answers POST /v1/fund/grants/{grant_id}/returns.
func (h grants) RecordReturn(ctx context.Context, r oas.RecordReturnRequestObject) (oas.RecordReturnResponseObject, error) {
	d, err := h.disbursements.RecordReturn(ctx, callerOf(ctx), id.From[grant.Grant](r.GrantId), money.Fen(r.Body.AmountFen), r.Body.Reason, r.Body.BankReference)
	if err != nil {
		return nil, err
	}
	return oas.RecordReturn201JSONResponse(h.wireDisbursement(ctx)(d)), nil
}

// ListDisbursements answers GET /v1/fund/disbursements.
func (h grants) ListDisbursements(ctx context.Context, r oas.ListDisbursementsRequestObject) (oas.ListDisbursementsResponseObject, error) {
	p, err := h.disbursements.Disbursements(ctx, callerOf(ctx), disbursement.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, h.wireDisbursement(ctx))
	return oas.ListDisbursements200JSONResponse{Data: data, NextCursor: next}, nil
}

// ApproveDisbursement answers POST /v1/fund/disbursements/{disbursement_id}/approve.
func (h grants) ApproveDisbursement(ctx context.Context, r oas.ApproveDisbursementRequestObject) (oas.ApproveDisbursementResponseObject, error) {
	render, answer := remember(http.StatusOK, h.wireDisbursement(ctx))
	_, err := h.disbursements.Approve(ctx, callerOf(ctx), id.From[disbursement.Disbursement](r.DisbursementId), fromDigest(r.Body.Digest), claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// ExecuteDisbursement answers POST /v1/fund/disbursements/{disbursement_id}/execute.
func (h grants) ExecuteDisbursement(ctx context.Context, r oas.ExecuteDisbursementRequestObject) (oas.ExecuteDisbursementResponseObject, error) {
	render, answer := remember(http.StatusOK, h.wireDisbursement(ctx))
	_, err := h.disbursements.Execute(ctx, callerOf(ctx), id.From[disbursement.Disbursement](r.DisbursementId), r.Body.BankReference, claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// RefuseDisbursement answers POST /v1/fund/disbursements/{disbursement_id}/refuse.
func (h grants) RefuseDisbursement(ctx context.Context, r oas.RefuseDisbursementRequestObject) (oas.RefuseDisbursementResponseObject, error) {
	d, err := h.disbursements.Refuse(ctx, callerOf(ctx), id.From[disbursement.Disbursement](r.DisbursementId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.RefuseDisbursement200JSONResponse(h.wireDisbursement(ctx)(d)), nil
}

// wireGrant is a grant as the caller, an administrator or an auditor, sees it.
func (h grants) wireGrant(ctx context.Context) func(grant.Grant) oas.Grant {
	who, at := callerOf(ctx), h.clock()
	return func(g grant.Grant) oas.Grant {
		return oas.Grant{
			Id: g.ID.UUID(), ProgrammeId: g.Programme.UUID(), AmountFen: int64(g.Amount),
			Payee:   oas.Payee{Name: g.Payee.Name, Uscc: optional(g.Payee.USCC), Account: g.Payee.Account},
			Purpose: g.Purpose, Instalments: wireInstalments(g.Instalments), Attachments: wireAll(g.Attachments, wirePaperDigest),
			Digest: hex.EncodeToString(g.Digest[:]), State: oas.GrantState(g.State), ProposedBy: g.ProposedBy.UUID(), ProposedAt: g.ProposedAt, ExpiresAt: g.ExpiresAt,
			Approvals: wireAll(g.Approvals, func(a grant.Approval) oas.GrantApprovalGiven {
				return oas.GrantApprovalGiven{By: a.By.UUID(), At: a.At, ExpiresAt: a.ExpiresAt}
			}),
			RelatedParty: len(g.Relations) > 0, Relations: wireAll(g.Relations, wireRelation), CommittedAt: wireTime(g.CommittedAt), ObjectionPeriodId: wireID(g.Period),
			DecidedBy: wireID(g.DecidedBy), DecidedAt: wireTime(g.DecidedAt), Note: optional(g.Note),
			NextActions: wireAll(g.Next(who, at), func(s string) oas.GrantNextActions { return oas.GrantNextActions(s) }),
		}
	}
}

// wireAccount is a grant with where its money is.
func (h grants) wireAccount(ctx context.Context) func(disbursement.Account) oas.GrantAccount {
	grant, one := h.wireGrant(ctx), h.wireDisbursement(ctx)
	return func(a disbursement.Account) oas.GrantAccount {
		g := grant(a.Grant)
		w := oas.GrantAccount{
			PaidFen: int64(a.Paid), LeftFen: int64(a.Left), ReleasedFen: int64(a.Released), ReturnedFen: int64(a.Returned), Disbursements: wireAll(a.Disbursements, one),
			Id: g.Id, ProgrammeId: g.ProgrammeId, AmountFen: g.AmountFen, Payee: g.Payee, Purpose: g.Purpose, Instalments: g.Instalments, Attachments: g.Attachments,
			Digest: g.Digest, State: g.State, ProposedBy: g.ProposedBy, ProposedAt: g.ProposedAt, ExpiresAt: g.ExpiresAt, Approvals: g.Approvals,
			RelatedParty: g.RelatedParty, Relations: g.Relations, CommittedAt: g.CommittedAt, ObjectionPeriodId: g.ObjectionPeriodId, DecidedBy: g.DecidedBy,
			DecidedAt: g.DecidedAt, Note: g.Note,
		}
		w.NextActions = wireAll(g.NextActions, func(s oas.GrantNextActions) oas.GrantAccountNextActions { return oas.GrantAccountNextActions(s) })
		return w
	}
}

func wireInstalments(all []grant.Instalment) []oas.Instalment {
	out := make([]oas.Instalment, len(all))
	for i, p := range all {
		out[i] = oas.Instalment{N: i + 1, AmountFen: int64(p.Amount), Milestone: optional(p.Milestone), Title: p.Title}
	}
	return out
}

func wireRelation(r grant.Relation) oas.Relation {
	return oas.Relation{Kind: oas.RelationKind(r.Kind), Note: r.Note, Own: r.Own, At: r.At}
}

// wirePublicRelation leaves out what an administrator wrote: it may tell of people.
func wirePublicRelation(r grant.Relation) oas.Relation {
	w := wireRelation(r)
	if !r.DeclaredBy.IsZero() {
		w.Note = ""
	}
	return w
}

func (h grants) wireDisbursement(ctx context.Context) func(disbursement.Disbursement) oas.Disbursement {
	who, at := callerOf(ctx), h.clock()
	return func(d disbursement.Disbursement) oas.Disbursement {
		return oas.Disbursement{
			Id: d.ID.UUID(), GrantId: d.Grant.UUID(), Kind: oas.DisbursementKind(d.Kind), Instalment: optional(d.Instalment), AmountFen: int64(d.Amount),
			Reason: optional(d.Reason), BankReference: optional(d.Reference), Evidence: wireAll(d.Evidence, wirePaperDigest), Digest: hex.EncodeToString(d.Digest[:]),
			State: oas.DisbursementState(d.State), RequestedBy: d.RequestedBy.UUID(), RequestedAt: d.RequestedAt, ApprovedBy: wireID(d.ApprovedBy),
			ApprovedAt: wireTime(d.ApprovedAt), ExpiresAt: wireTime(d.ExpiresAt), ExecutedBy: wireID(d.ExecutedBy), ExecutedAt: wireTime(d.ExecutedAt),
			DecidedBy: wireID(d.DecidedBy), Note: optional(d.Note),
			NextActions: wireAll(d.Next(who, at), func(s string) oas.DisbursementNextActions { return oas.DisbursementNextActions(s) }),
		}
	}
}

// wirePublicGrant is a grant as anybody may see it: without the payee's account, without who did what, and
// with nothing that was not done.
func wirePublicGrant(a disbursement.Account) oas.PublicGrant {
	w := oas.PublicGrant{
		Id: a.ID.UUID(), ProgrammeId: a.Programme.UUID(), AmountFen: int64(a.Amount), PaidFen: int64(a.Paid), LeftFen: int64(a.Left), ReleasedFen: int64(a.Released),
		ReturnedFen: int64(a.Returned), PayeeName: a.Payee.Name, PayeeUscc: optional(a.Payee.USCC), Purpose: a.Purpose, Instalments: wireInstalments(a.Instalments),
		AttachmentsSha256: grant.Hashes(a.Attachments), Digest: hex.EncodeToString(a.Digest[:]), State: oas.GrantState(a.State), CommittedAt: a.CommittedAt,
		ObjectionPeriodId: wireID(a.Period), RelatedParty: len(a.Relations) > 0, Relations: wireAll(a.Relations, wirePublicRelation),
	}
	w.Disbursements = wireAll(a.Done(), func(d disbursement.Disbursement) oas.PublicDisbursement {
		return oas.PublicDisbursement{
			Kind: oas.DisbursementKind(d.Kind), Instalment: optional(d.Instalment), AmountFen: int64(d.Amount), At: d.ExecutedAt, EvidenceSha256: grant.Hashes(d.Evidence),
		}
	})
	return w
}

func fromNewGrant(b *oas.NewGrant) grant.Terms {
	return grant.Terms{
		Programme: id.From[programme.Programme](b.ProgrammeId), Amount: money.Fen(b.AmountFen),
		Payee: grant.Payee{Name: b.Payee.Name, USCC: value(b.Payee.Uscc), Account: b.Payee.Account},
		Instalments: wireAll(b.Instalments, func(i oas.NewInstalment) grant.Instalment {
			return grant.Instalment{Amount: money.Fen(i.AmountFen), Milestone: value(i.Milestone)}
		}),
		Attachments: wireAll(b.FileIds, id.From[file.File]),
	}
}
