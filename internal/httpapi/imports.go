package httpapi

import (
	"context"
	"io"
	"mime"
	"net/http"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/intake"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// imports answers the operations tagged "imports".
type imports struct{ intake *intake.Service }

// GetProductTemplate answers GET /v1/merchant/products/template.xlsx.
func (h imports) GetProductTemplate(ctx context.Context, _ oas.GetProductTemplateRequestObject) (oas.GetProductTemplateResponseObject, error) {
	return download{"products-template.xlsx", sheet.XLSX, func(out io.Writer) error { return h.intake.Template(ctx, out) }}, nil
}

// ExportProductsXlsx answers GET /v1/merchant/products/export.xlsx.
func (h imports) ExportProductsXlsx(ctx context.Context, r oas.ExportProductsXlsxRequestObject) (oas.ExportProductsXlsxResponseObject, error) {
	return h.export(ctx, r.Params.Merchant, sheet.XLSX), nil
}

// ExportProductsCsv answers GET /v1/merchant/products/export.csv.
func (h imports) ExportProductsCsv(ctx context.Context, r oas.ExportProductsCsvRequestObject) (oas.ExportProductsCsvResponseObject, error) {
	return h.export(ctx, r.Params.Merchant, sheet.CSV), nil
}

func (h imports) export(ctx context.Context, m *oas.OwnMerchant, f sheet.Format) download {
	return download{"products." + string(f), f, func(out io.Writer) error {
		return h.intake.Export(ctx, callerOf(ctx), id.From[merchant.Merchant](value(m)), f, out)
	}}
}

// ListImports answers GET /v1/merchant/imports.
func (h imports) ListImports(ctx context.Context, r oas.ListImportsRequestObject) (oas.ListImportsResponseObject, error) {
	p, err := h.intake.Imports(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireImport)
	return oas.ListImports200JSONResponse{Data: data, NextCursor: next}, nil
}

// CheckImport answers POST /v1/merchant/imports. The body is the file as it came.
func (h imports) CheckImport(ctx context.Context, r oas.CheckImportRequestObject) (oas.CheckImportResponseObject, error) {
	x := exchangeOf(ctx)
	kind, _, _ := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	i, err := h.intake.Check(ctx, callerOf(ctx), id.From[merchant.Merchant](value(r.Params.Merchant)), sheet.FormatOf(kind), x.body)
	if err != nil {
		return nil, err
	}
	cells, err := h.intake.BadCells(ctx, callerOf(ctx), i.ID, page.Request{})
	if err != nil {
		return nil, err
	}
	return oas.CheckImport201JSONResponse{Import: wireImport(i), Cells: wireBadCells(cells, x.english())}, nil
}

// GetImport answers GET /v1/merchant/imports/{import_id}.
func (h imports) GetImport(ctx context.Context, r oas.GetImportRequestObject) (oas.GetImportResponseObject, error) {
	i, err := h.intake.Import(ctx, callerOf(ctx), id.From[intake.Import](r.ImportId))
	if err != nil {
		return nil, err
	}
	return oas.GetImport200JSONResponse(wireImport(i)), nil
}

// ListBadCells answers GET /v1/merchant/imports/{import_id}/cells.
func (h imports) ListBadCells(ctx context.Context, r oas.ListBadCellsRequestObject) (oas.ListBadCellsResponseObject, error) {
	cells, err := h.intake.BadCells(ctx, callerOf(ctx), id.From[intake.Import](r.ImportId), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	return oas.ListBadCells200JSONResponse(wireBadCells(cells, exchangeOf(ctx).english())), nil
}

// GetReturnedSheet answers GET /v1/merchant/imports/{import_id}/sheet.xlsx.
func (h imports) GetReturnedSheet(ctx context.Context, r oas.GetReturnedSheetRequestObject) (oas.GetReturnedSheetResponseObject, error) {
	return download{"returned.xlsx", sheet.XLSX, func(out io.Writer) error {
		return h.intake.Returned(ctx, callerOf(ctx), id.From[intake.Import](r.ImportId), out)
	}}, nil
}

// CommitImport answers POST /v1/merchant/imports/{import_id}/commit.
func (h imports) CommitImport(ctx context.Context, r oas.CommitImportRequestObject) (oas.CommitImportResponseObject, error) {
	i, err := h.intake.Commit(ctx, callerOf(ctx), id.From[intake.Import](r.ImportId))
	if err != nil {
		return nil, err
	}
	return oas.CommitImport202JSONResponse(wireImport(i)), nil
}

// download is a sheet that is written as it is made. What goes wrong before its first
// byte is a problem like any other.
type download struct {
	name   string
	format sheet.Format
	write  func(io.Writer) error
}

func (d download) send(w http.ResponseWriter) error {
	kind := d.format.MediaType()
	if d.format == sheet.CSV {
		kind += "; charset=utf-8"
	}
	late := &lateWriter{w: w, name: d.name, kind: kind}
	return late.finish(d.write(late))
}

// lateWriter writes the headers before the first byte.
type lateWriter struct {
	w     http.ResponseWriter
	name  string
	kind  string
	begun bool
}

// finish is the error of what was written, unless some of it was sent already.
func (l *lateWriter) finish(err error) error {
	if err != nil && l.begun {
		panic(http.ErrAbortHandler) // the client must not take half a file for a whole one
	}
	return err
}

// Write writes b.
func (l *lateWriter) Write(b []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", l.kind)
		l.w.Header().Set("Content-Disposition", `attachment; filename="`+l.name+`"`)
		l.w.WriteHeader(http.StatusOK)
	}
	return l.w.Write(b)
}

// VisitGetProductTemplateResponse sends the sheet.
func (d download) VisitGetProductTemplateResponse(w http.ResponseWriter) error { return d.send(w) }

// VisitExportProductsXlsxResponse sends the sheet.
func (d download) VisitExportProductsXlsxResponse(w http.ResponseWriter) error { return d.send(w) }

// VisitExportProductsCsvResponse sends the sheet.
func (d download) VisitExportProductsCsvResponse(w http.ResponseWriter) error { return d.send(w) }

// VisitGetReturnedSheetResponse sends the sheet.
func (d download) VisitGetReturnedSheetResponse(w http.ResponseWriter) error { return d.send(w) }

func wireImport(i intake.Import) oas.Import {
	return oas.Import{
		Id: i.ID.UUID(), MerchantId: i.Merchant.UUID(), Format: oas.ImportFormat(i.Format), State: oas.ImportState(i.State),
		Rows:     oas.ImportRows{New: i.Rows.New, Changed: i.Rows.Changed, Unchanged: i.Rows.Unchanged, Bad: i.Rows.Bad},
		BadCells: i.BadCells, Done: i.Done, All: i.All(), CreatedAt: i.CreatedAt, UpdatedAt: i.UpdatedAt,
	}
}

func wireBadCells(p page.Of[intake.BadCell], english bool) oas.BadCellPage {
	data, next := wirePage(p, func(b intake.BadCell) oas.BadCell {
		w := oas.BadCell{Cell: b.String(), Row: b.Row, Column: b.Column, Field: b.Key, Code: b.Code, Value: b.Value, Message: b.MessageZH}
		if english {
			w.Message = b.MessageEN
		}
		return w
	})
	return oas.BadCellPage{Data: data, NextCursor: next}
}
