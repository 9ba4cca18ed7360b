package httpapi

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net/http"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/audit"
	"github.com/shiyi-market/shiyi/internal/correction"
	"github.com/shiyi-market/shiyi/internal/finding"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/journal"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/sheet"
	"github.com/shiyi-market/shiyi/internal/statement"
)

// audits answers the operations tagged "audit".
type audits struct {
	desk        *audit.Service
	corrections *correction.Service
	findings    *finding.Service
	journals    *journal.Service
}

// GetAuditState answers GET /v1/public/audit.
func (h audits) GetAuditState(ctx context.Context, _ oas.GetAuditStateRequestObject) (oas.GetAuditStateResponseObject, error) {
	c, err := h.findings.Unclosed(ctx)
	if err != nil {
		return nil, err
	}
	all, err := h.desk.Seals(ctx)
	if err != nil {
		return nil, err
	}
	w := oas.GetAuditState200JSONResponse{OpenFindings: oas.FindingCount{Low: c.Low, Medium: c.Medium, High: c.High}}
	if len(all) > 0 {
		w.SealedThrough = &all[0].Month
	}
	return w, nil
}

// GetLevyAudit answers GET /v1/audit/levy.
func (h audits) GetLevyAudit(ctx context.Context, r oas.GetLevyAuditRequestObject) (oas.GetLevyAuditResponseObject, error) {
	s, err := h.desk.Summary(ctx, fromPeriod(r.Params.From, r.Params.Until))
	if err != nil {
		return nil, err
	}
	return oas.GetLevyAudit200JSONResponse{
		From: wireDay(s.Period.From), Until: wireDay(s.Period.Until), Sums: wireLevy(s.Levy), Checkouts: s.Checkouts,
		PaidFen: int64(s.Paid), ProviderFen: int64(s.Provider), Differences: s.Differences, OpenBreaks: s.OpenBreaks,
	}, nil
}

// ListLevyLines answers GET /v1/audit/levy-lines.
func (h audits) ListLevyLines(ctx context.Context, r oas.ListLevyLinesRequestObject) (oas.ListLevyLinesResponseObject, error) {
	p, err := h.desk.Lines(ctx, fromPeriod(r.Params.From, r.Params.Until), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireLevyLine)
	return oas.ListLevyLines200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListLevyOrders answers GET /v1/audit/levy-orders.
func (h audits) ListLevyOrders(ctx context.Context, r oas.ListLevyOrdersRequestObject) (oas.ListLevyOrdersResponseObject, error) {
	day := fromPeriod(r.Params.Day, r.Params.Day).From
	p, err := h.desk.Events(ctx, day, id.From[merchant.Merchant](r.Params.MerchantId), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireLevyOrder)
	return oas.ListLevyOrders200JSONResponse{Data: data, NextCursor: next}, nil
}

// ListLevyDifferences answers GET /v1/audit/levy-differences.
func (h audits) ListLevyDifferences(ctx context.Context, r oas.ListLevyDifferencesRequestObject) (oas.ListLevyDifferencesResponseObject, error) {
	p, err := h.desk.Differences(ctx, fromPeriod(r.Params.From, r.Params.Until), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireDifference)
	return oas.ListLevyDifferences200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetLevyXlsx answers GET /v1/audit/levy.xlsx.
func (h audits) GetLevyXlsx(ctx context.Context, r oas.GetLevyXlsxRequestObject) (oas.GetLevyXlsxResponseObject, error) {
	return h.levySheet(ctx, sheet.XLSX, fromPeriod(r.Params.From, r.Params.Until)), nil
}

// GetLevyCsv answers GET /v1/audit/levy.csv.
func (h audits) GetLevyCsv(ctx context.Context, r oas.GetLevyCsvRequestObject) (oas.GetLevyCsvResponseObject, error) {
	return h.levySheet(ctx, sheet.CSV, fromPeriod(r.Params.From, r.Params.Until)), nil
}

func (h audits) levySheet(ctx context.Context, f sheet.Format, p statement.Period) download {
	return download{"levy-" + string(p.From) + "-" + string(p.Until) + "." + string(f), f, func(out io.Writer) error { return h.desk.Sheet(ctx, f, p, out) }}
}

// GetTrialBalance answers GET /v1/audit/trial-balance.
func (h audits) GetTrialBalance(ctx context.Context, r oas.GetTrialBalanceRequestObject) (oas.GetTrialBalanceResponseObject, error) {
	b, err := h.desk.Trial(ctx, fromPeriod(r.Params.From, r.Params.Until))
	if err != nil {
		return nil, err
	}
	w := oas.GetTrialBalance200JSONResponse{From: wireDay(b.Period.From), Until: wireDay(b.Period.Until), Data: wireAll(b.Accounts, wireTurnover)}
	for _, a := range b.Accounts {
		w.OpeningLi, w.ClosingLi = w.OpeningLi+int64(a.Opening), w.ClosingLi+int64(a.Closing())
	}
	return w, nil
}

// ListTransfers answers GET /v1/audit/transfers.
func (h audits) ListTransfers(ctx context.Context, r oas.ListTransfersRequestObject) (oas.ListTransfersResponseObject, error) {
	p, err := h.desk.Transfers(ctx, fromPeriod(r.Params.From, r.Params.Until), ledger.Account(value(r.Params.Account)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireBooked)
	return oas.ListTransfers200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetJournalHledger answers GET /v1/audit/journal.hledger.
func (h audits) GetJournalHledger(ctx context.Context, r oas.GetJournalHledgerRequestObject) (oas.GetJournalHledgerResponseObject, error) {
	return h.journal(ctx, journal.Hledger, fromPeriod(r.Params.From, r.Params.Until)), nil
}

// GetJournalBeancount answers GET /v1/audit/journal.beancount.
func (h audits) GetJournalBeancount(ctx context.Context, r oas.GetJournalBeancountRequestObject) (oas.GetJournalBeancountResponseObject, error) {
	return h.journal(ctx, journal.Beancount, fromPeriod(r.Params.From, r.Params.Until)), nil
}

// GetJournalXlsx answers GET /v1/audit/journal.xlsx.
func (h audits) GetJournalXlsx(ctx context.Context, r oas.GetJournalXlsxRequestObject) (oas.GetJournalXlsxResponseObject, error) {
	return h.journal(ctx, journal.XLSX, fromPeriod(r.Params.From, r.Params.Until)), nil
}

// GetJournalCsv answers GET /v1/audit/journal.csv.
func (h audits) GetJournalCsv(ctx context.Context, r oas.GetJournalCsvRequestObject) (oas.GetJournalCsvResponseObject, error) {
	return h.journal(ctx, journal.CSV, fromPeriod(r.Params.From, r.Params.Until)), nil
}

// GetGivingGrants answers GET /v1/audit/grants.json.
func (h audits) GetGivingGrants(ctx context.Context, r oas.GetGivingGrantsRequestObject) (oas.GetGivingGrantsResponseObject, error) {
	var out bytes.Buffer
	err := h.journals.Grants(ctx, fromPeriod(r.Params.From, r.Params.Until), &out)
	return giving(out.Bytes()), err
}

// ListSeals answers GET /v1/audit/seals.
func (h audits) ListSeals(ctx context.Context, _ oas.ListSealsRequestObject) (oas.ListSealsResponseObject, error) {
	all, err := h.desk.Seals(ctx)
	if err != nil {
		return nil, err
	}
	return oas.ListSeals200JSONResponse{Data: wireAll(all, wireSeal)}, nil
}

// SealPeriod answers POST /v1/audit/seals.
func (h audits) SealPeriod(ctx context.Context, r oas.SealPeriodRequestObject) (oas.SealPeriodResponseObject, error) {
	s, err := h.desk.Seal(ctx, callerOf(ctx), r.Body.Month)
	if err != nil {
		return nil, err
	}
	return oas.SealPeriod200JSONResponse(wireSeal(s)), nil
}

// ListCorrections answers GET /v1/audit/corrections.
func (h audits) ListCorrections(ctx context.Context, r oas.ListCorrectionsRequestObject) (oas.ListCorrectionsResponseObject, error) {
	p, err := h.corrections.Corrections(ctx, correction.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireCorrection(callerOf(ctx)))
	return oas.ListCorrections200JSONResponse{Data: data, NextCursor: next}, nil
}

// ProposeCorrection answers POST /v1/audit/corrections.
func (h audits) ProposeCorrection(ctx context.Context, r oas.ProposeCorrectionRequestObject) (oas.ProposeCorrectionResponseObject, error) {
	c, err := h.corrections.Propose(ctx, callerOf(ctx), id.From[ledger.Transfer](r.Body.TransferId), wireAll(r.Body.Moves, fromMove), r.Body.ReasonZh, r.Body.ReasonEn)
	if err != nil {
		return nil, err
	}
	return oas.ProposeCorrection201JSONResponse(wireCorrection(callerOf(ctx))(c)), nil
}

// ApproveCorrection answers POST /v1/audit/corrections/{correction_id}/approve.
func (h audits) ApproveCorrection(ctx context.Context, r oas.ApproveCorrectionRequestObject) (oas.ApproveCorrectionResponseObject, error) {
	render, answer := remember(http.StatusOK, wireCorrection(callerOf(ctx)))
	_, err := h.corrections.Approve(ctx, callerOf(ctx), id.From[correction.Correction](r.CorrectionId), fromDigest(r.Body.Digest), claimOf(ctx, r.Params.IdempotencyKey), render)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// RefuseCorrection answers POST /v1/audit/corrections/{correction_id}/refuse.
func (h audits) RefuseCorrection(ctx context.Context, r oas.RefuseCorrectionRequestObject) (oas.RefuseCorrectionResponseObject, error) {
	c, err := h.corrections.Refuse(ctx, callerOf(ctx), id.From[correction.Correction](r.CorrectionId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.RefuseCorrection200JSONResponse(wireCorrection(callerOf(ctx))(c)), nil
}

// ListFindings answers GET /v1/audit/findings.
func (h audits) ListFindings(ctx context.Context, r oas.ListFindingsRequestObject) (oas.ListFindingsResponseObject, error) {
	p, err := h.findings.Findings(ctx, finding.State(value(r.Params.State)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireFinding(callerOf(ctx)))
	return oas.ListFindings200JSONResponse{Data: data, NextCursor: next}, nil
}

// OpenFinding answers POST /v1/audit/findings.
func (h audits) OpenFinding(ctx context.Context, r oas.OpenFindingRequestObject) (oas.OpenFindingResponseObject, error) {
	b := r.Body
	f, err := h.findings.Open(ctx, callerOf(ctx), finding.Opening{
		Object: finding.Object{Kind: b.ObjectKind, ID: b.Object}, Severity: finding.Severity(b.Severity), Title: b.Title, Asked: identity.Role(b.Asked), Text: b.Text,
	})
	if err != nil {
		return nil, err
	}
	return oas.OpenFinding201JSONResponse(wireFinding(callerOf(ctx))(f)), nil
}

// GetFinding answers GET /v1/audit/findings/{finding_id}.
func (h audits) GetFinding(ctx context.Context, r oas.GetFindingRequestObject) (oas.GetFindingResponseObject, error) {
	f, notes, err := h.findings.Finding(ctx, id.From[finding.Finding](r.FindingId))
	if err != nil {
		return nil, err
	}
	return oas.GetFinding200JSONResponse{Finding: wireFinding(callerOf(ctx))(f), Notes: wireAll(notes, wireFindingNote)}, nil
}

// AnswerFinding answers POST /v1/audit/findings/{finding_id}/answer.
func (h audits) AnswerFinding(ctx context.Context, r oas.AnswerFindingRequestObject) (oas.AnswerFindingResponseObject, error) {
	f, err := h.take(ctx, r.FindingId, "answer", r.Body.Text)
	return oas.AnswerFinding200JSONResponse(f), err
}

// InsistFinding answers POST /v1/audit/findings/{finding_id}/insist.
func (h audits) InsistFinding(ctx context.Context, r oas.InsistFindingRequestObject) (oas.InsistFindingResponseObject, error) {
	f, err := h.take(ctx, r.FindingId, "insist", r.Body.Text)
	return oas.InsistFinding200JSONResponse(f), err
}

// AcceptFinding answers POST /v1/audit/findings/{finding_id}/accept.
func (h audits) AcceptFinding(ctx context.Context, r oas.AcceptFindingRequestObject) (oas.AcceptFindingResponseObject, error) {
	f, err := h.take(ctx, r.FindingId, "accept", r.Body.Text)
	return oas.AcceptFinding200JSONResponse(f), err
}

// CloseFinding answers POST /v1/audit/findings/{finding_id}/close.
func (h audits) CloseFinding(ctx context.Context, r oas.CloseFindingRequestObject) (oas.CloseFindingResponseObject, error) {
	f, err := h.take(ctx, r.FindingId, "close", r.Body.Text)
	return oas.CloseFinding200JSONResponse(f), err
}

func (h audits) take(ctx context.Context, fid uuid.UUID, action, text string) (oas.Finding, error) {
	f, err := h.findings.Take(ctx, callerOf(ctx), id.From[finding.Finding](fid), action, text)
	return wireFinding(callerOf(ctx))(f), err
}

// VisitGetLevyXlsxResponse sends the sheet.
func (d download) VisitGetLevyXlsxResponse(w http.ResponseWriter) error { return d.send(w) }

// VisitGetLevyCsvResponse sends the sheet.
func (d download) VisitGetLevyCsvResponse(w http.ResponseWriter) error { return d.send(w) }

// book is a journal, which is written as it comes from its file.
type book struct {
	name   string
	format journal.Format
	write  func(io.Writer) error
}

func (h audits) journal(ctx context.Context, f journal.Format, p statement.Period) book {
	return book{"journal-" + string(p.From) + "-" + string(p.Until) + "." + string(f), f, func(out io.Writer) error { return h.journals.Write(ctx, f, p, out) }}
}

// VisitGetJournalHledgerResponse sends the journal.
func (b book) VisitGetJournalHledgerResponse(w http.ResponseWriter) error { return b.send(w) }

// VisitGetJournalBeancountResponse sends the journal.
func (b book) VisitGetJournalBeancountResponse(w http.ResponseWriter) error { return b.send(w) }

// VisitGetJournalXlsxResponse sends the journal.
func (b book) VisitGetJournalXlsxResponse(w http.ResponseWriter) error { return b.send(w) }

// VisitGetJournalCsvResponse sends the journal.
func (b book) VisitGetJournalCsvResponse(w http.ResponseWriter) error { return b.send(w) }

func (b book) send(w http.ResponseWriter) error {
	late := &lateWriter{w: w, name: b.name, kind: b.format.MediaType()}
	return late.finish(b.write(late))
}

// giving are grants as JSON.
type giving []byte

// VisitGetGivingGrantsResponse sends the grants.
func (g giving) VisitGetGivingGrantsResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(g)
	return err
}

func wireLevy(l audit.Levy) oas.LevySums {
	return oas.LevySums{
		Orders: l.Orders, GoodsFen: int64(l.Goods), RefundedFen: int64(l.Refunded), TenthLi: int64(l.Tenth()), Transfers: l.Transfers,
		BookGoodsLi: int64(l.BookGoods), BookTenthLi: int64(l.BookTenth), Agrees: l.Agrees(),
	}
}

func wireLevyLine(l audit.Line) oas.LevyLine {
	return oas.LevyLine{Day: wireDay(l.Day), MerchantId: l.Merchant.UUID(), Code: l.Code, Name: l.Name, Sums: wireLevy(l.Levy)}
}

func wireLevyOrder(e audit.Event) oas.LevyOrder {
	return oas.LevyOrder{
		Kind: oas.LevyOrderKind(e.Kind), Ref: e.Ref, OrderId: e.Order, At: e.At, GoodsFen: int64(e.Goods), TransferId: optional(e.Transfer), Leaf: wireLeaf(e.Index),
		BookedAt: wireTime(e.BookedAt), BookGoodsLi: int64(e.BookGoods), BookTenthLi: int64(e.BookTenth),
	}
}

func wireDifference(d audit.Difference) oas.LevyDifference {
	return oas.LevyDifference{
		Kind: d.Kind, Object: d.Object, MerchantId: optional(d.Merchant.UUID()), At: d.At, ExpectedLi: int64(d.Expected), FoundLi: int64(d.Found),
		TransferId: optional(d.Transfer), Leaf: wireLeaf(d.Index),
	}
}

// wireLeaf is the index of a leaf, if there is one.
func wireLeaf(index int64) *int64 {
	if index < 0 {
		return nil
	}
	return &index
}

func wireTurnover(t ledger.Turnover) oas.TrialAccount {
	return oas.TrialAccount{Account: string(t.Account), OpeningLi: int64(t.Opening), InLi: int64(t.In), OutLi: int64(t.Out), ClosingLi: int64(t.Closing())}
}

func wireBooked(n ledger.Numbered) oas.BookTransfer {
	home := "fund"
	if n.Home != ledger.FundHome {
		home = n.Home.String()
	}
	return oas.BookTransfer{Id: n.ID.UUID(), At: n.At, Home: home, Kind: n.Kind, Ref: n.Ref, Leaf: wireLeaf(n.Index), Moves: wireAll(n.Moves, wireMove)}
}

func wireMove(m ledger.Move) oas.BookMove {
	return oas.BookMove{What: m.What, From: string(m.From), To: string(m.To), AmountLi: int64(m.Amount)}
}

func fromMove(m oas.BookMove) ledger.Move {
	return ledger.Move{What: m.What, From: ledger.Account(m.From), To: ledger.Account(m.To), Amount: money.Li(m.AmountLi)}
}

func wireSeal(s audit.Seal) oas.Seal {
	return oas.Seal{
		Month: s.Month, Until: s.Until, DocumentId: s.Document.UUID(), Digest: hex.EncodeToString(s.Digest[:]), SealedBy: s.By.UUID(), SealedAt: s.At,
	}
}

func wireCorrection(caller identity.Caller) func(correction.Correction) oas.AuditCorrection {
	return func(c correction.Correction) oas.AuditCorrection {
		return oas.AuditCorrection{
			Id: c.ID.UUID(), TransferId: c.Wrong, Moves: wireAll(c.Right, wireMove), ReasonZh: c.ReasonZH, ReasonEn: c.ReasonEN,
			Digest: hex.EncodeToString(c.Digest[:]), State: oas.CorrectionState(c.State), ProposedBy: c.ProposedBy.UUID(), ProposedAt: c.ProposedAt,
			DecidedBy: optional(c.DecidedBy.UUID()), DecidedAt: wireTime(c.DecidedAt), Note: optional(c.Note), DocumentId: optional(c.Document.UUID()),
			NextActions: wireAll(c.Next(caller), func(a string) oas.AuditCorrectionNextActions { return oas.AuditCorrectionNextActions(a) }),
		}
	}
}

func wireFinding(caller identity.Caller) func(finding.Finding) oas.Finding {
	return func(f finding.Finding) oas.Finding {
		return oas.Finding{
			Id: f.ID.UUID(), ObjectKind: f.Object.Kind, Object: f.Object.ID, Severity: oas.FindingSeverity(f.Severity), Title: f.Title,
			Asked: oas.FindingAsked(f.Asked), State: oas.FindingState(f.State), OpenedBy: f.OpenedBy.UUID(), OpenedAt: f.OpenedAt, ChangedAt: f.ChangedAt, Notes: f.Notes,
			NextActions: wireAll(f.Next(caller), func(a string) oas.FindingNextActions { return oas.FindingNextActions(a) }),
		}
	}
}

func wireFindingNote(n finding.Note) oas.FindingNote {
	return oas.FindingNote{N: n.N, Action: oas.FindingNoteAction(n.Action), Role: oas.FindingNoteRole(n.Role), AuthorId: n.Author.UUID(), Text: n.Text, At: n.At}
}
