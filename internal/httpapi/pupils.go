package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/pupil"
)

// pupils answers the operations tagged "pupils".
type pupils struct{ pupils *pupil.Service }

// ListPupils answers GET /v1/fund/pupils.
func (h pupils) ListPupils(ctx context.Context, r oas.ListPupilsRequestObject) (oas.ListPupilsResponseObject, error) {
	p, err := h.pupils.Pupils(ctx, value(r.Params.Programme), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wirePupil)
	return oas.ListPupils200JSONResponse{Data: data, NextCursor: next}, nil
}

// RecordPupil answers POST /v1/fund/pupils.
func (h pupils) RecordPupil(ctx context.Context, r oas.RecordPupilRequestObject) (oas.RecordPupilResponseObject, error) {
	b := r.Body
	p, err := h.pupils.Record(ctx, callerOf(ctx), pupil.New{
		Programme: b.ProgrammeId, Region: b.Region, Stage: pupil.Stage(b.Stage), ConsentOn: b.ConsentOn.Time,
		Person: pupil.Person{
			Name: b.Name, IDNumber: b.IdNumber, School: b.School, Guardian: b.Guardian,
			GuardianPhone: value(b.GuardianPhone), Note: value(b.Note),
		},
	})
	if err != nil {
		return nil, err
	}
	return oas.RecordPupil201JSONResponse(wirePupil(p)), nil
}

// RequestPupil answers POST /v1/fund/pupils/{pupil_id}/requests.
func (h pupils) RequestPupil(ctx context.Context, r oas.RequestPupilRequestObject) (oas.RequestPupilResponseObject, error) {
	q, err := h.pupils.Ask(ctx, callerOf(ctx), id.From[pupil.Pupil](r.PupilId), pupil.Purpose(r.Body.Purpose), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.RequestPupil201JSONResponse(wirePupilRequest(callerOf(ctx).Account.UUID())(q)), nil
}

// ListPupilRequests answers GET /v1/fund/pupil-requests.
func (h pupils) ListPupilRequests(ctx context.Context, r oas.ListPupilRequestsRequestObject) (oas.ListPupilRequestsResponseObject, error) {
	p, err := h.pupils.Requests(ctx, pupil.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wirePupilRequest(callerOf(ctx).Account.UUID()))
	return oas.ListPupilRequests200JSONResponse{Data: data, NextCursor: next}, nil
}

// ApprovePupilRequest answers POST /v1/fund/pupil-requests/{pupil_request_id}/approve.
func (h pupils) ApprovePupilRequest(ctx context.Context, r oas.ApprovePupilRequestRequestObject) (oas.ApprovePupilRequestResponseObject, error) {
	q, err := h.pupils.Decide(ctx, callerOf(ctx), id.From[pupil.Request](r.PupilRequestId), pupil.Approved)
	if err != nil {
		return nil, err
	}
	return oas.ApprovePupilRequest200JSONResponse(wirePupilRequest(callerOf(ctx).Account.UUID())(q)), nil
}

// RefusePupilRequest answers POST /v1/fund/pupil-requests/{pupil_request_id}/refuse.
func (h pupils) RefusePupilRequest(ctx context.Context, r oas.RefusePupilRequestRequestObject) (oas.RefusePupilRequestResponseObject, error) {
	q, err := h.pupils.Decide(ctx, callerOf(ctx), id.From[pupil.Request](r.PupilRequestId), pupil.Refused)
	if err != nil {
		return nil, err
	}
	return oas.RefusePupilRequest200JSONResponse(wirePupilRequest(callerOf(ctx).Account.UUID())(q)), nil
}

// ListPupilReadings answers GET /v1/fund/pupils/{pupil_id}/readings.
func (h pupils) ListPupilReadings(ctx context.Context, r oas.ListPupilReadingsRequestObject) (oas.ListPupilReadingsResponseObject, error) {
	p, err := h.pupils.Readings(ctx, id.From[pupil.Pupil](r.PupilId), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, func(r pupil.Reading) oas.PupilReading {
		return oas.PupilReading{RequestId: r.Request.UUID(), ReadBy: r.By.UUID(), At: r.At}
	})
	return oas.ListPupilReadings200JSONResponse{Data: data, NextCursor: next}, nil
}

// ReadPupil answers POST /v1/fund/pupils/{pupil_id}/readings.
func (h pupils) ReadPupil(ctx context.Context, r oas.ReadPupilRequestObject) (oas.ReadPupilResponseObject, error) {
	p, err := h.pupils.Read(ctx, callerOf(ctx), id.From[pupil.Pupil](r.PupilId))
	if err != nil {
		return nil, err
	}
	return oas.ReadPupil200JSONResponse{
		Name: p.Name, IdNumber: p.IDNumber, School: p.School, Guardian: p.Guardian, GuardianPhone: p.GuardianPhone, Note: p.Note,
	}, nil
}

// ListPupilAids answers GET /v1/fund/pupils/{pupil_id}/aids.
func (h pupils) ListPupilAids(ctx context.Context, r oas.ListPupilAidsRequestObject) (oas.ListPupilAidsResponseObject, error) {
	p, err := h.pupils.Aids(ctx, id.From[pupil.Pupil](r.PupilId), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wirePupilAid)
	return oas.ListPupilAids200JSONResponse{Data: data, NextCursor: next}, nil
}

// GivePupil answers POST /v1/fund/pupils/{pupil_id}/aids.
func (h pupils) GivePupil(ctx context.Context, r oas.GivePupilRequestObject) (oas.GivePupilResponseObject, error) {
	render, answer := remember(http.StatusCreated, wirePupilAid)
	_, err := h.pupils.Give(ctx, callerOf(ctx), id.From[pupil.Pupil](r.PupilId), money.Fen(r.Body.AmountFen), value(r.Body.Note),
		claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// GetPupilAggregate answers GET /v1/public/programmes/{programme_id}/pupils.
func (h pupils) GetPupilAggregate(ctx context.Context, r oas.GetPupilAggregateRequestObject) (oas.GetPupilAggregateResponseObject, error) {
	a, err := h.pupils.Aggregate(ctx, r.ProgrammeId)
	if err != nil {
		return nil, err
	}
	w := oas.PupilAggregate{Hidden: a.Hidden, Pupils: optional(a.Pupils), AmountFen: optional(int64(a.Amount))}
	w.Groups = wireAll(a.Groups, func(g pupil.Group) oas.PupilGroup {
		return oas.PupilGroup{
			Region: g.Region, Stage: oas.PupilStage(g.Stage), Hidden: g.Hidden, Pupils: optional(g.Pupils), AmountFen: optional(int64(g.Amount)),
		}
	})
	return oas.GetPupilAggregate200JSONResponse(w), nil
}

func wirePupil(p pupil.Pupil) oas.Pupil {
	return oas.Pupil{
		Id: p.ID.UUID(), Pseudonym: p.Pseudonym, ProgrammeId: p.Programme, Region: p.Region, Stage: oas.PupilStage(p.Stage),
		ConsentOn: openapi_types.Date{Time: p.ConsentOn}, RecordedBy: p.RecordedBy.UUID(), RecordedAt: p.RecordedAt, ErasedAt: wireTime(p.ErasedAt),
	}
}

// wirePupilRequest is a request as somebody sees it who may decide on it.
func wirePupilRequest(caller uuid.UUID) func(pupil.Request) oas.PupilRequest {
	return func(r pupil.Request) oas.PupilRequest {
		w := oas.PupilRequest{
			Id: r.ID.UUID(), PupilId: r.Pupil.UUID(), Purpose: oas.PupilPurpose(r.Purpose), Reason: r.Reason, State: oas.PupilRequestState(r.State),
			AskedBy: r.AskedBy.UUID(), AskedAt: r.AskedAt, DecidedAt: wireTime(r.DecidedAt), Until: wireTime(r.Until),
			NextActions: wireAll(r.Next(caller), func(a string) oas.PupilRequestNextActions { return oas.PupilRequestNextActions(a) }),
		}
		if !r.DecidedBy.IsZero() {
			by := r.DecidedBy.UUID()
			w.DecidedBy = &by
		}
		return w
	}
}

func wirePupilAid(a pupil.Aid) oas.PupilAid {
	return oas.PupilAid{Id: a.ID.UUID(), PupilId: a.Pupil.UUID(), AmountFen: int64(a.Amount), Note: a.Note, GivenBy: a.By.UUID(), At: a.At}
}
