package httpapi

import (
	"context"
	"net/http"

	"github.com/shiyi-market/shiyi/api"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/web"
)

// Faults of the system's own paths.
var (
	errNotReady  = fault.New(fault.Unavailable, "request.not_ready", "The service does not take requests now", "服务暂不可用")
	errNoProblem = fault.New(fault.NotFound, "request.no_such_problem", "There is no problem of this code", "没有这个问题代码")
)

// system answers the operations tagged "system".
type system struct {
	ready func(context.Context) error
	site  *web.Site
}

// GetHealth answers GET /healthz.
func (h system) GetHealth(context.Context, oas.GetHealthRequestObject) (oas.GetHealthResponseObject, error) {
	return oas.GetHealth200JSONResponse{Status: "ok"}, nil
}

// GetReadiness answers GET /readyz.
func (h system) GetReadiness(ctx context.Context, _ oas.GetReadinessRequestObject) (oas.GetReadinessResponseObject, error) {
	if err := h.ready(ctx); err != nil {
		return nil, errNotReady
	}
	return oas.GetReadiness200JSONResponse{Status: "ok"}, nil
}

// GetContract answers GET /openapi.yaml.
func (h system) GetContract(context.Context, oas.GetContractRequestObject) (oas.GetContractResponseObject, error) {
	return rendered{web.Page{Type: "application/yaml", Body: api.Contract}}, nil
}

// GetDocs answers GET /docs.
func (h system) GetDocs(ctx context.Context, _ oas.GetDocsRequestObject) (oas.GetDocsResponseObject, error) {
	page, err := h.site.Docs(exchangeOf(ctx).english())
	return rendered{page}, err
}

// GetProblem answers GET /problems/{code}.
func (h system) GetProblem(ctx context.Context, r oas.GetProblemRequestObject) (oas.GetProblemResponseObject, error) {
	page, ok, err := h.site.Problem(r.Code, exchangeOf(ctx).english())
	if err == nil && !ok {
		err = errNoProblem
	}
	return rendered{page}, err
}

// rendered is a document that is not JSON.
type rendered struct{ web.Page }

func (p rendered) send(w http.ResponseWriter) error {
	p.SetHeader(w.Header())
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(p.Body)
	return err
}

// VisitGetContractResponse sends the document.
func (p rendered) VisitGetContractResponse(w http.ResponseWriter) error { return p.send(w) }

// VisitGetDocsResponse sends the document.
func (p rendered) VisitGetDocsResponse(w http.ResponseWriter) error { return p.send(w) }

// VisitGetProblemResponse sends the document.
func (p rendered) VisitGetProblemResponse(w http.ResponseWriter) error { return p.send(w) }
