package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Error is a refusal of the shop (RFC 9457). Decide by its Code, which is stable.
type Error struct {
	Problem
	// RetryAfter is how long to wait before another attempt; 0 when not said.
	RetryAfter time.Duration
}

// Error is the code with what happened.
func (e *Error) Error() string {
	parts := []string{e.Code, e.Title}
	if e.Detail != nil {
		parts = append(parts, *e.Detail)
	}
	fields := make([]string, len(e.Errors))
	for i, field := range e.Errors {
		fields[i] = field.Pointer + " " + field.Message
	}
	if len(fields) > 0 {
		parts = append(parts, strings.Join(fields, "; "))
	}
	return strings.Join(parts, ": ")
}

// maxProblem bounds a problem's body, in bytes; maxWait bounds one pause between attempts.
const (
	maxProblem = 1 << 20
	maxWait    = 10 * time.Second
	firstWait  = 100 * time.Millisecond
)

// caller makes requests with credentials, and again when that is safe.
type caller struct {
	http     *http.Client
	language string
	attempts int
	secret   atomic.Pointer[string]
}

func (c *caller) setToken(token string) { c.secret.Store(&token) }

func (c *caller) token() string { return *c.secret.Load() }

// Do sends a request of the generated client. A problem becomes an *Error.
func (c *caller) Do(r *http.Request) (*http.Response, error) {
	if token := c.token(); token != "" && r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if c.language != "" {
		r.Header.Set("Accept-Language", c.language)
	}
	for attempt := 1; ; attempt++ {
		answer, err := c.once(r)
		if err == nil || attempt >= c.attempts || !repeatable(r) || !passing(err) {
			return answer, err
		}
		if waitErr := pause(r.Context(), attempt, err); waitErr != nil {
			return nil, err
		}
		if r.GetBody != nil {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, fmt.Errorf("client: send the body again: %w", err)
			}
		}
	}
}

func (c *caller) once(r *http.Request) (*http.Response, error) {
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < http.StatusBadRequest {
		return answer, nil
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxProblem))
	if err != nil {
		return nil, fmt.Errorf("client: read a problem: %w", err)
	}
	refusal := &Error{RetryAfter: retryAfter(answer.Header)}
	if json.Unmarshal(body, &refusal.Problem) != nil || refusal.Code == "" {
		refusal.Problem = Problem{Code: "http." + strconv.Itoa(answer.StatusCode), Title: answer.Status, Status: answer.StatusCode}
		if text := string(bytes.TrimSpace(body)); text != "" {
			refusal.Detail = &text
		}
	}
	return nil, refusal
}

// repeatable reports whether sending r again has no second effect.
func repeatable(r *http.Request) bool {
	if r.Body != nil && r.Body != http.NoBody && r.GetBody == nil {
		return false
	}
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Header.Get("Idempotency-Key") != ""
}

// passing reports whether a failure may be over the next time.
func passing(err error) bool {
	refusal, ok := err.(*Error) //nolint:errorlint // once returns it bare
	if !ok {
		return true // the network's
	}
	switch refusal.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusConflict:
		return refusal.RetryAfter > 0 // the first request with this key is still running
	}
	return false
}

// pause waits before the next attempt: as long as the shop says, or twice as long as
// the last time, and a little more so that not everybody comes at once.
func pause(ctx context.Context, attempt int, err error) error {
	wait := firstWait << (attempt - 1)
	if refusal, ok := err.(*Error); ok && refusal.RetryAfter > 0 { //nolint:errorlint // once returns it bare
		wait = refusal.RetryAfter
	}
	wait = min(wait, maxWait)
	wait += rand.N(wait/4 + 1)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
