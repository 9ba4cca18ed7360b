package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/internal/witness"
)

// publicLog answers the operations tagged "log".
type publicLog struct {
	transparency *transparency.Service
	witnesses    *witness.Service
}

// GetLogCheckpoint answers GET /log/checkpoint.
func (h publicLog) GetLogCheckpoint(ctx context.Context, _ oas.GetLogCheckpointRequestObject) (oas.GetLogCheckpointResponseObject, error) {
	note, err := h.witnesses.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	return oas.GetLogCheckpoint200TextResponse(note), nil
}

// GetWitnessedCheckpoint answers GET /log/witnessed.
func (h publicLog) GetWitnessedCheckpoint(ctx context.Context, _ oas.GetWitnessedCheckpointRequestObject) (oas.GetWitnessedCheckpointResponseObject, error) {
	note, err := h.witnesses.Witnessed(ctx)
	if err != nil {
		return nil, err
	}
	return oas.GetWitnessedCheckpoint200TextResponse(note), nil
}

// ListWitnesses answers GET /v1/public/witnesses.
func (h publicLog) ListWitnesses(ctx context.Context, _ oas.ListWitnessesRequestObject) (oas.ListWitnessesResponseObject, error) {
	seen, err := h.witnesses.Witnesses(ctx)
	if err != nil {
		return nil, err
	}
	all := oas.WitnessList{Data: make([]oas.Witness, len(seen))}
	for i, w := range seen {
		all.Data[i] = oas.Witness{Name: w.Name, Key: w.VKey, Size: w.Size, CosignedAt: w.CosignedAt}
	}
	return oas.ListWitnesses200JSONResponse(all), nil
}

// GetLogKey answers GET /log/key.
func (h publicLog) GetLogKey(context.Context, oas.GetLogKeyRequestObject) (oas.GetLogKeyResponseObject, error) {
	return oas.GetLogKey200TextResponse(h.transparency.VerifierKey() + "\n"), nil
}

// tile answers GET /log/tile/{path}, whose path has several segments; the generated
// routes know no such paths.
func (e *edge) tile(c *gin.Context) {
	path := strings.TrimPrefix(c.Param("path"), "/")
	data, err := e.deps.Transparency.Tile(c.Copy(), "tile/"+path)
	if err != nil {
		e.fail(c, err)
		return
	}
	// A tile never changes, and a partial one is a beginning that stays true.
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	c.Data(http.StatusOK, "application/octet-stream", data)
}
