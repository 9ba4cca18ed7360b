package httpapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
)

// files answers the operations tagged "files".
type files struct{ files *file.Service }

// UploadFile answers POST /v1/files.
func (h files) UploadFile(ctx context.Context, r oas.UploadFileRequestObject) (oas.UploadFileResponseObject, error) {
	n := file.New{Owner: callerOf(ctx).Account.UUID(), Private: true, Kind: file.Paper}
	part, err := fromForm(r.Body, &n)
	if err != nil {
		return nil, err
	}
	f, err := h.files.Put(ctx, n, part)
	if err != nil {
		return nil, err
	}
	return oas.UploadFile201JSONResponse(wireFile(f)), nil
}

// ReadFile answers GET /v1/files/{file_id}.
func (h files) ReadFile(ctx context.Context, r oas.ReadFileRequestObject) (oas.ReadFileResponseObject, error) {
	c, err := h.files.Open(ctx, id.From[file.File](r.FileId), value(r.Params.Token), int(value(r.Params.Size)))
	if err != nil {
		return nil, err
	}
	return content{c, exchangeOf(ctx).r.Header.Get("If-None-Match")}, nil
}

// LinkFile answers POST /v1/files/{file_id}/link.
func (h files) LinkFile(ctx context.Context, r oas.LinkFileRequestObject) (oas.LinkFileResponseObject, error) {
	l, err := h.files.OwnLink(ctx, callerOf(ctx).Account.UUID(), id.From[file.File](r.FileId))
	if err != nil {
		return nil, err
	}
	return oas.LinkFile201JSONResponse(wireFileLink(l)), nil
}

// formRoom is what a form may have around its file, in bytes.
const formRoom = 64 << 10

// uploadTimes is how much longer an upload may take than another request: it comes
// over a farm's telephone.
const uploadTimes = 4

// timeout is how long a request may take, its body included.
func (e *edge) timeout(c *gin.Context, x *exchange) time.Duration {
	if x.op == nil || !x.op.upload {
		return e.cfg.Timeout
	}
	limit := uploadTimes * e.cfg.Timeout
	// The server's own limits are for other requests. Where there is no connection, in
	// tests, there is none to prolong.
	conn := http.NewResponseController(c.Writer)
	_ = conn.SetReadDeadline(e.deps.Clock().Add(limit))
	_ = conn.SetWriteDeadline(e.deps.Clock().Add(limit + e.cfg.Timeout))
	return limit
}

// boundUpload lets the body of an upload be read by its handler, as a form and no
// further than a file may be long.
func (e *edge) boundUpload(c *gin.Context) error {
	kind, params, err := mime.ParseMediaType(c.Request.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return errMediaType.With("Content-Type must be multipart/form-data with a boundary")
	}
	most := e.deps.Files.MaxBytes() + formRoom
	if c.Request.ContentLength > most {
		return file.ErrTooLarge.With("at most %d bytes", e.deps.Files.MaxBytes())
	}
	if c.Request.Body != nil {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, most)
	}
	return nil
}

// fromForm reads a form up to its file, which is given back unread.
func fromForm(form *multipart.Reader, n *file.New) (io.Reader, error) {
	for {
		part, err := form.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil, misplaced("/file", "required")
		case err != nil:
			return nil, broken(err)
		}
		switch part.FormName() {
		case "file":
			n.Name = part.FileName()
			return formFile{part}, nil
		case "private":
			const longest = 8
			text, err := io.ReadAll(io.LimitReader(part, longest))
			if err != nil {
				return nil, broken(err)
			}
			if n.Private, err = strconv.ParseBool(string(text)); err != nil {
				return nil, misplaced("/private", "type")
			}
		default:
			return nil, misplaced("", "unknown")
		}
	}
}

func misplaced(pointer, keyword string) error {
	return &misfit{errInvalid, []place{{pointer, keyword, ""}}}
}

// formFile is the file in a form. What goes wrong while it comes is the caller's
// doing, and said so.
type formFile struct{ part *multipart.Part }

// Read reads on.
func (f formFile) Read(p []byte) (int, error) {
	n, err := f.part.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = broken(err)
	}
	return n, err
}

// broken is a form that is too long, ends early, or is none.
func broken(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return file.ErrTooLarge
	}
	return misplaced("", "form")
}

// content is a file's bytes, sent so that no browser makes more of them than they are.
type content struct {
	file.Content

	ifNoneMatch string
}

// VisitReadFileResponse sends the bytes.
func (c content) VisitReadFileResponse(w http.ResponseWriter) (err error) {
	defer func() { err = errors.Join(err, c.Close()) }()
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
	if c.File.Private {
		h.Set("Cache-Control", "private, no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
	} else {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("Etag", c.ETag)
		if matches(c.ifNoneMatch, c.ETag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	kind := "inline"
	if c.MediaType == file.PDF {
		kind = "attachment"
	}
	h.Set("Content-Type", c.MediaType)
	h.Set("Content-Disposition", mime.FormatMediaType(kind, map[string]string{"filename": c.File.Name}))
	w.WriteHeader(http.StatusOK)
	_, err = io.Copy(w, c)
	return err
}

func wireFile(f file.File) oas.File {
	return oas.File{
		Id: f.ID.UUID(), Name: f.Name, MediaType: oas.FileMediaType(f.MediaType), Size: f.Size,
		Width: optional(f.Width), Height: optional(f.Height), Private: f.Private, CreatedAt: f.CreatedAt.UTC(),
	}
}

func wireFileLink(l file.Link) oas.FileLink {
	return oas.FileLink{Path: l.Path(), ExpiresAt: l.ExpiresAt.UTC()}
}
