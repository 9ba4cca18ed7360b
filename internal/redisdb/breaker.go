package redisdb

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// hook stands between callers and the network.
type hook struct{ d *DB }

// DialHook leaves connecting as it is: a failure to connect fails the command.
func (h hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook sends a command if the breaker is closed, and watches its outcome.
func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if h.d.open.Load() {
			h.d.refused.Add(1)
			cmd.SetErr(ErrOpen)
			return ErrOpen
		}
		h.d.sent.Add(1)
		err := next(ctx, cmd)
		h.d.judge(ctx, err)
		return err
	}
}

// ProcessPipelineHook does the same for several commands at once.
func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if h.d.open.Load() {
			h.d.refused.Add(int64(len(cmds)))
			for _, cmd := range cmds {
				cmd.SetErr(ErrOpen)
			}
			return ErrOpen
		}
		h.d.sent.Add(int64(len(cmds)))
		err := next(ctx, cmds)
		h.d.judge(ctx, err)
		return err
	}
}

// judge counts failures in a row.
func (d *DB) judge(ctx context.Context, err error) {
	if !failed(err) {
		d.failures.Store(0)
		return
	}
	if d.failures.Add(1) >= tolerance {
		d.trip(ctx, err)
	}
}

// failed reports whether err speaks against Redis itself. An answer of Redis,
// even a refusal, does not; nor does a caller who went away.
func failed(err error) bool {
	var answer redis.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &answer):
		return strings.HasPrefix(err.Error(), "LOADING ") || strings.HasPrefix(err.Error(), "CLUSTERDOWN ")
	default:
		return true
	}
}
