package file

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Check is nil if every one of the files was uploaded by this account, and
// otherwise ErrUnknown: nobody refers to what another has brought.
func Check(ctx context.Context, tx *postgres.Tx, owner uuid.UUID, files ...ID) error {
	if len(files) == 0 {
		return nil
	}
	wanted := make([]uuid.UUID, len(files))
	for i, f := range files {
		wanted[i] = f.UUID()
	}
	slices.SortFunc(wanted, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	wanted = slices.Compact(wanted)
	found, err := postgres.Row[struct{ N int }](ctx, tx,
		`SELECT count(*) AS n FROM file WHERE owner_id = ? AND id = ANY(?::uuid[])`, owner, postgres.Array(wanted))
	switch {
	case err != nil:
		return fmt.Errorf("look for files: %w", err)
	case found.N != len(wanted):
		return ErrUnknown
	}
	return nil
}
