package httpapi

import (
	"context"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/publication"
)

// publications answers the operations tagged "publications".
type publications struct{ publications *publication.Service }

// ListDocuments answers GET /v1/public/documents.
func (h publications) ListDocuments(ctx context.Context, r oas.ListDocumentsRequestObject) (oas.ListDocumentsResponseObject, error) {
	p, err := h.publications.Documents(ctx, publication.Kind(value(r.Params.Kind)), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireDocument)
	return oas.ListDocuments200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetDocument answers GET /v1/public/documents/{document_id}.
func (h publications) GetDocument(ctx context.Context, r oas.GetDocumentRequestObject) (oas.GetDocumentResponseObject, error) {
	p, err := h.publications.Proof(ctx, id.From[publication.Document](r.DocumentId))
	if err != nil {
		return nil, err
	}
	d, digest := wireDocument(p.Document), p.Digest()
	w := oas.ProvenDocument{
		Id: d.Id, Kind: d.Kind, TitleZh: d.TitleZh, TitleEn: d.TitleEn, MediaType: d.MediaType, PublishedAt: d.PublishedAt,
		Digest: hex.EncodeToString(digest[:]), Size: int64(len(p.Body)), State: oas.ProvenDocumentStateProven,
		Leaf: string(p.Proof.Leaf), Proof: p.Proof.TlogProof,
	}
	if p.Proof.Pending {
		w.State = oas.ProvenDocumentStatePending
	}
	return oas.GetDocument200JSONResponse(w), nil
}

// GetDocumentContent answers GET /v1/public/documents/{document_id}/content.
func (h publications) GetDocumentContent(ctx context.Context, r oas.GetDocumentContentRequestObject) (oas.GetDocumentContentResponseObject, error) {
	d, err := h.publications.Document(ctx, id.From[publication.Document](r.DocumentId))
	return published{d}, err
}

// published is a document as it was published.
type published struct{ publication.Document }

// VisitGetDocumentContentResponse sends the bytes.
func (c published) VisitGetDocumentContentResponse(w http.ResponseWriter) error {
	kind := c.MediaType
	if strings.HasPrefix(kind, "text/") || kind == "application/json" {
		kind += "; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "public, max-age=86400, immutable")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(c.Body)
	return err
}

func wireDocument(d publication.Document) oas.Document {
	return oas.Document{
		Id: d.ID.UUID(), Kind: oas.DocumentKind(d.Kind), TitleZh: d.TitleZH, TitleEn: d.TitleEN,
		MediaType: d.MediaType, PublishedAt: d.At,
	}
}
