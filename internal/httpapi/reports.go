package httpapi

import (
	"bytes"
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/disclosure"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/report"
	"github.com/shiyi-market/shiyi/internal/web"
)

// reports answers the operations tagged "reports".
type reports struct {
	register *assistance.Service
	reports  *report.Service
	calendar *disclosure.Service
	papers   *publication.Service
	site     *web.Site
	clock    func() time.Time
}

// ListAssistance answers GET /v1/public/assistance.
func (h reports) ListAssistance(ctx context.Context, r oas.ListAssistanceRequestObject) (oas.ListAssistanceResponseObject, error) {
	p, err := h.register.Entries(ctx, value(r.Params.Year), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireAssistance)
	return oas.ListAssistance200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListAssistanceTracks answers GET /v1/public/assistance-tracks.
func (h reports) ListAssistanceTracks(ctx context.Context, _ oas.ListAssistanceTracksRequestObject) (oas.ListAssistanceTracksResponseObject, error) {
	tracks, err := h.register.Tracks(ctx)
	if err != nil {
		return nil, err
	}
	return oas.ListAssistanceTracks200JSONResponse{Data: wireAll(tracks, func(t assistance.Track) oas.AssistanceTrack {
		return oas.AssistanceTrack{Code: t.Code, NameZh: t.NameZH, NameEn: t.NameEN}
	})}, nil
}

// RecordAssistance answers POST /v1/ops/assistance.
func (h reports) RecordAssistance(ctx context.Context, r oas.RecordAssistanceRequestObject) (oas.RecordAssistanceResponseObject, error) {
	b := r.Body
	e, err := h.register.Record(ctx, callerOf(ctx), assistance.New{
		Year: b.Year, Track: b.Track, TitleZH: b.TitleZh, TitleEN: b.TitleEn, Source: b.Source, Invented: value(b.Invented),
		Replaces: id.From[assistance.Entry](value(b.Replaces)), Reason: value(b.Reason),
		Figures: wireAll(b.Figures, func(f oas.AssistanceFigure) assistance.Figure {
			return assistance.Figure{Name: f.Name, ZH: f.Zh, EN: f.En, Value: f.Value, AtLeast: value(f.AtLeast)}
		}),
	})
	if err != nil {
		return nil, err
	}
	return oas.RecordAssistance201JSONResponse(wireAssistance(e)), nil
}

// GetImpact answers GET /v1/public/impact.
func (h reports) GetImpact(ctx context.Context, r oas.GetImpactRequestObject) (oas.GetImpactResponseObject, error) {
	i, err := h.reports.Impact(ctx, r.Params.Year)
	if err != nil {
		return nil, err
	}
	return oas.GetImpact200JSONResponse(wireImpact(i)), nil
}

// ListDuties answers GET /v1/public/duties.
func (h reports) ListDuties(ctx context.Context, r oas.ListDutiesRequestObject) (oas.ListDutiesResponseObject, error) {
	p, err := h.calendar.Duties(ctx, disclosure.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireDuty(h.clock()))
	return oas.ListDuties200JSONResponse{Data: data, NextCursor: next}, nil
}

// OpenDuty answers POST /v1/fund/duties.
func (h reports) OpenDuty(ctx context.Context, r oas.OpenDutyRequestObject) (oas.OpenDutyResponseObject, error) {
	d, err := h.calendar.Open(ctx, callerOf(ctx), disclosure.Event{Subject: r.Body.Subject, Title: r.Body.Title, HappenedOn: r.Body.HappenedOn.Time})
	if err != nil {
		return nil, err
	}
	return oas.OpenDuty201JSONResponse(wireDuty(h.clock())(d)), nil
}

// ReportDuty answers POST /v1/fund/duties/{duty_id}/report.
func (h reports) ReportDuty(ctx context.Context, r oas.ReportDutyRequestObject) (oas.ReportDutyResponseObject, error) {
	render, answer := remember(http.StatusOK, wireDuty(h.clock()))
	b := r.Body
	_, err := h.calendar.Report(ctx, callerOf(ctx), id.From[disclosure.Duty](r.DutyId),
		disclosure.Text{TitleZH: b.TitleZh, TitleEN: b.TitleEn, BodyZH: b.BodyZh, BodyEN: b.BodyEn}, claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// GetReportPage answers GET /reports/{document_id}.
func (h reports) GetReportPage(ctx context.Context, r oas.GetReportPageRequestObject) (oas.GetReportPageResponseObject, error) {
	snapshot, digest, err := h.snapshot(ctx, r.DocumentId)
	if err != nil {
		return nil, err
	}
	page, err := h.site.Report(web.Report{ID: r.DocumentId.String(), Digest: digest, Snapshot: snapshot}, exchangeOf(ctx).english())
	return rendered{page}, err
}

// GetReportPdf answers GET /v1/public/reports/{document_id}/pdf.
func (h reports) GetReportPdf(ctx context.Context, r oas.GetReportPdfRequestObject) (oas.GetReportPdfResponseObject, error) {
	snapshot, digest, err := h.snapshot(ctx, r.DocumentId)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	missing, err := snapshot.Paper(&out, digest)
	return paper{"report-" + r.DocumentId.String() + ".pdf", out.Bytes(), len(missing)}, err
}

// snapshot is a published report with the digest of its bytes.
func (h reports) snapshot(ctx context.Context, document uuid.UUID) (disclosure.Snapshot, string, error) {
	did := id.From[publication.Document](document)
	snapshot, err := h.calendar.Snapshot(ctx, did)
	if err != nil {
		return snapshot, "", err
	}
	d, err := h.papers.Document(ctx, did)
	digest := d.Digest()
	return snapshot, hex.EncodeToString(digest[:]), err
}

// VisitGetReportPageResponse sends the page.
func (p rendered) VisitGetReportPageResponse(w http.ResponseWriter) error { return p.send(w) }

// VisitGetReportPdfResponse sends the PDF.
func (p paper) VisitGetReportPdfResponse(w http.ResponseWriter) error {
	return p.VisitGetStatementPdfResponse(w)
}

// wireDuty is a duty as it stands at a moment.
func wireDuty(now time.Time) func(disclosure.Duty) oas.Duty {
	const east = 8 * time.Hour
	return func(d disclosure.Duty) oas.Duty {
		w := oas.Duty{
			Id: d.ID.UUID(), Kind: oas.DutyKind(d.Kind), Subject: d.Subject, Period: d.Period, Title: d.Title,
			DueOn: openapi_types.Date{Time: d.DueOn.Add(east)}, State: oas.DutyState(d.State(now)), Late: d.Late(), FulfilledAt: wireTime(d.FulfilledAt),
		}
		if !d.Document.IsZero() {
			document := d.Document.UUID()
			w.DocumentId = &document
		}
		return w
	}
}

func wireAssistance(e assistance.Entry) oas.Assistance {
	w := oas.Assistance{
		Id: e.ID.UUID(), Year: e.Year, Track: e.Track, TitleZh: e.TitleZH, TitleEn: e.TitleEN, Source: e.Source, Invented: e.Invented,
		Reason: optional(e.Reason), RecordedAt: e.At,
		Figures: wireAll(e.Figures, func(f assistance.Figure) oas.AssistanceFigure {
			return oas.AssistanceFigure{Name: f.Name, Zh: f.ZH, En: f.EN, Value: f.Value, AtLeast: optional(f.AtLeast)}
		}),
	}
	if !e.Replaces.IsZero() {
		old := e.Replaces.UUID()
		w.Replaces = &old
	}
	return w
}

func wireImpact(i report.Impact) oas.Impact {
	sold, _ := i.Sold.Fen()
	return oas.Impact{
		Year: i.Year, Enterprises: i.Enterprises, Categories: i.Categories, Products: i.Products, Orders: i.Orders,
		SoldFen: int64(sold), LevyLi: int64(i.Levy), PeopleTrained: i.Trained, Assistance: wireAll(i.Assistance, wireAssistance),
		Linkage: oas.ImpactLinkage{
			Households: i.Linkage.Households, PoorHouseholds: i.Linkage.PoorHouseholds, Employed: i.Linkage.Employed, DividendsFen: int64(i.Linkage.Dividends),
		},
		Purchases: oas.ImpactPurchases{AmountFen: int64(i.Purchases.Amount), Kg: i.Purchases.Kg, Entries: wireAll(i.Purchases.Entries, wireAssistance)},
		Fund: oas.ImpactFund{
			LeviedLi: int64(i.Fund.Levied), PaidLi: int64(i.Fund.Paid), ReturnedLi: int64(i.Fund.Returned),
			AdministrationLi: int64(i.Fund.Administration), AdministrationBp: i.Fund.AdministrationBP(),
		},
		OtherMoneyFen: int64(i.OtherMoney),
		Projects: wireAll(i.Projects, func(p report.Project) oas.ImpactProject {
			return oas.ImpactProject{ProgrammeId: p.ID, Title: p.Title, Kind: p.Kind, School: p.School, BudgetFen: int64(p.Budget), PaidLi: int64(p.Paid)}
		}),
	}
}
