package app

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/replay"
)

// HalfReplayed reports whether the recorded year was begun and broken off. Such
// a shop may open only when Replay has finished it, whatever its owner prefers:
// the worker would end recorded checkouts today.
func (a *App) HalfReplayed(ctx context.Context) (bool, error) {
	return replay.Unfinished(ctx, a.db)
}
