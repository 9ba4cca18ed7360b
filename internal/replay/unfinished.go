package replay

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Unfinished reports whether a replay was begun and not finished. Such a shop
// must not open: its worker would end what the replay has begun, today.
func Unfinished(ctx context.Context, db *postgres.DB) (bool, error) {
	noted, err := trail.New(db).Entries(ctx, page.Request{Limit: page.MaxSize}, trail.Filter{Object: year})
	if err != nil {
		return false, err
	}
	begun := false
	for _, e := range noted.Data {
		switch e.Operation {
		case finished:
			return false, nil
		case started:
			begun = true
		}
	}
	return begun, nil
}
