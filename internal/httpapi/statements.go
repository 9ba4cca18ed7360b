package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/sheet"
	"github.com/shiyi-market/shiyi/internal/statement"
)

// statements answers the operations tagged "statements".
type statements struct{ statements *statement.Service }

// GetStatement answers GET /v1/merchant/statements.
func (h statements) GetStatement(ctx context.Context, r oas.GetStatementRequestObject) (oas.GetStatementResponseObject, error) {
	st, err := h.statements.Statement(ctx, callerOf(ctx), fromMerchant(r.Params.Merchant), fromPeriod(r.Params.From, r.Params.Until))
	if err != nil {
		return nil, err
	}
	return oas.GetStatement200JSONResponse(wireStatement(st)), nil
}

// ListStatementLines answers GET /v1/merchant/statement-lines.
func (h statements) ListStatementLines(ctx context.Context, r oas.ListStatementLinesRequestObject) (oas.ListStatementLinesResponseObject, error) {
	p, err := h.statements.Lines(ctx, callerOf(ctx), fromMerchant(r.Params.Merchant), fromPeriod(r.Params.From, r.Params.Until), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireStatementLine)
	return oas.ListStatementLines200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetStatementXlsx answers GET /v1/merchant/statements.xlsx.
func (h statements) GetStatementXlsx(ctx context.Context, r oas.GetStatementXlsxRequestObject) (oas.GetStatementXlsxResponseObject, error) {
	p := fromPeriod(r.Params.From, r.Params.Until)
	return download{"statement-" + string(p.From) + "-" + string(p.Until) + ".xlsx", sheet.XLSX, func(out io.Writer) error {
		return h.statements.Sheet(ctx, callerOf(ctx), fromMerchant(r.Params.Merchant), p, out)
	}}, nil
}

// GetStatementPdf answers GET /v1/merchant/statements.pdf.
func (h statements) GetStatementPdf(ctx context.Context, r oas.GetStatementPdfRequestObject) (oas.GetStatementPdfResponseObject, error) {
	p := fromPeriod(r.Params.From, r.Params.Until)
	var out bytes.Buffer
	missing, err := h.statements.Paper(ctx, callerOf(ctx), fromMerchant(r.Params.Merchant), p, &out)
	return paper{"statement-" + string(p.From) + "-" + string(p.Until) + ".pdf", out.Bytes(), len(missing)}, err
}

// ListStatements answers GET /v1/ops/statements.
func (h statements) ListStatements(ctx context.Context, r oas.ListStatementsRequestObject) (oas.ListStatementsResponseObject, error) {
	o, err := h.statements.Overview(ctx, fromPeriod(r.Params.From, r.Params.Until))
	if err != nil {
		return nil, err
	}
	return oas.ListStatements200JSONResponse{
		From: wireDay(o.Period.From), Until: wireDay(o.Period.Until), Data: wireAll(o.Statements, wireStatement),
		Total: wireFigures(o.Total), FundLeviedLi: int64(o.FundLevied),
	}, nil
}

// GetIncomeReport answers GET /v1/ops/income-report.
func (h statements) GetIncomeReport(ctx context.Context, r oas.GetIncomeReportRequestObject) (oas.GetIncomeReportResponseObject, error) {
	name := "income-" + strconv.Itoa(r.Params.Year) + "Q" + strconv.Itoa(r.Params.Quarter) + ".xlsx"
	return download{name, sheet.XLSX, func(out io.Writer) error {
		return h.statements.IncomeSheet(ctx, statement.Quarter(r.Params.Year, r.Params.Quarter), out)
	}}, nil
}

// VisitGetStatementXlsxResponse sends the sheet.
func (d download) VisitGetStatementXlsxResponse(w http.ResponseWriter) error { return d.send(w) }

// VisitGetIncomeReportResponse sends the sheet.
func (d download) VisitGetIncomeReportResponse(w http.ResponseWriter) error { return d.send(w) }

// paper is a PDF, with how many letters its font lacks.
type paper struct {
	name    string
	raw     []byte
	missing int
}

// VisitGetStatementPdfResponse sends the PDF.
func (p paper) VisitGetStatementPdfResponse(w http.ResponseWriter) error { return p.send(w) }

func (p paper) send(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", `attachment; filename="`+p.name+`"`)
	if p.missing > 0 {
		w.Header().Set("Missing-Glyphs", strconv.Itoa(p.missing))
	}
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(p.raw)
	return err
}

func fromMerchant(m *oas.OwnMerchant) merchant.ID { return id.From[merchant.Merchant](value(m)) }

func fromPeriod(from, until openapi_types.Date) statement.Period {
	return statement.Period{From: merchant.Date(from.Format(time.DateOnly)), Until: merchant.Date(until.Format(time.DateOnly))}
}

func wireDay(d merchant.Date) openapi_types.Date { return openapi_types.Date{Time: d.Time()} }

func wireStatement(st statement.Statement) oas.Statement {
	e := st.Enterprise
	return oas.Statement{
		Enterprise: oas.StatementEnterprise{Id: e.ID.UUID(), Code: e.Code, Name: e.Name, LegalName: e.LegalName, Uscc: e.USCC},
		From:       wireDay(st.Period.From), Until: wireDay(st.Period.Until), Figures: wireFigures(st),
	}
}

func wireFigures(st statement.Statement) oas.StatementFigures {
	return oas.StatementFigures{
		Orders: st.Sums.Orders, Refunds: st.Sums.Refunds, OpeningLi: int64(st.Opening), Sums: wireSums(st.Sums), ClosingLi: int64(st.Closing),
	}
}

func wireSums(s statement.Sums) oas.StatementSums {
	return oas.StatementSums{
		GoodsLi: int64(s.Goods), ShippingLi: int64(s.Shipping), TenthLi: int64(s.Tenth), RefundedGoodsLi: int64(s.RefundedGoods),
		RefundedShippingLi: int64(s.RefundedShipping), ReturnedTenthLi: int64(s.ReturnedTenth), DisputesLi: int64(s.Disputes),
		PayoutsLi: int64(s.Payouts), ReversalsLi: int64(s.Reversals), OtherLi: int64(s.Other), NetLi: int64(s.Net()),
	}
}

func wireStatementLine(l statement.Line) oas.StatementLine {
	return oas.StatementLine{Id: l.ID, At: l.At, Kind: l.Kind, Ref: l.Ref, OrderId: optional(l.Order), Sums: wireSums(l.Sums)}
}
