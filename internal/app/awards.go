package app

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/journal"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// awards tells the journal what grants are for and who receives them: what is public of them.
func awards(ctx context.Context, tx *postgres.Tx, grants []uuid.UUID) (map[uuid.UUID]journal.Award, error) {
	known := make(map[uuid.UUID]journal.Award, len(grants))
	for _, g := range grants {
		found, err := grant.Read(ctx, tx, id.From[grant.Grant](g))
		switch {
		case errors.Is(err, grant.ErrUnknown):
			continue // the book has it, and the fund's desk does not: its number is all that is known
		case err != nil:
			return nil, err
		}
		recipient := journal.Organisation{ID: "shiyi-payee-" + g.String(), Name: found.Payee.Name}
		if found.Payee.USCC != "" {
			recipient.ID = "CN-USCC-" + found.Payee.USCC // its unified social credit code, GB 32100
		}
		known[g] = journal.Award{Title: found.Payee.Name + "：" + found.Purpose, Description: found.Purpose, Recipient: recipient}
	}
	return known, nil
}
