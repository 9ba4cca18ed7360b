package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/apikey"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// cookieName is the cookie in which a browser keeps its token. The prefix makes
// browsers refuse it from anywhere but this very host over TLS.
const cookieName = "__Host-session"

// errCrossOrigin says that a page of another site has sent the request.
var errCrossOrigin = fault.New(fault.Forbidden, "request.cross_origin", "The request comes from another site", "不接受来自其他网站的请求")

// authenticate finds out who is calling and whether the contract lets him:
// strangers are sent to sign in, and who lacks the role is refused. Whose objects
// the caller may see is for the services.
func (e *edge) authenticate(c *gin.Context) {
	x := exchangeOf(c.Request.Context())
	if x.op == nil {
		return
	}
	if err := e.fromOurPages(c.Request, x.op); err != nil {
		e.fail(c, err)
		return
	}
	if x.op.authz.Public {
		return
	}
	caller, err := e.resolve(c.Request.Context(), x.op, c.Request)
	if err != nil {
		e.fail(c, err)
		return
	}
	x.caller = caller
	if !slices.ContainsFunc(x.op.authz.Roles, func(r string) bool { return caller.Is(identity.Role(r)) }) {
		e.fail(c, identity.ErrForbidden)
		return
	}
	ctx := identity.WithCaller(c.Request.Context(), caller)
	if caller.Key != uuid.Nil {
		ctx = trail.ByKey(ctx, caller.Key)
	}
	c.Request = c.Request.WithContext(ctx)
}

// resolve says who holds the credential of a request. An API key comes in the
// header and reaches what the contract opens to its scopes: it is turned away
// here from all else, whatever its enterprise may do.
func (e *edge) resolve(ctx context.Context, op *operation, r *http.Request) (identity.Caller, error) {
	key := bearerOf(r)
	if !apikey.Looks(key) {
		return e.deps.Identity.Resolve(ctx, tokenOf(r))
	}
	caller, scopes, err := e.deps.Keys.Resolve(ctx, key)
	if err != nil {
		return identity.Caller{}, err
	}
	if op.scope == "" || !slices.Contains(scopes, op.scope) {
		exchangeOf(ctx).caller = caller // for the log
		return identity.Caller{}, apikey.ErrScope
	}
	return caller, nil
}

// fromOurPages refuses a change that a page of another site makes a browser send
// (CSRF). It matters where a browser adds the credential by itself; a token that
// is sent on purpose, and programs that are no browsers, pass.
func (e *edge) fromOurPages(r *http.Request, op *operation) error {
	if op.raw || r.Header.Get("Authorization") != "" || e.csrf.Check(r) == nil {
		return nil
	}
	return errCrossOrigin
}

// tokenOf is the session token of a request, or "". A bearer token goes before the cookie.
func tokenOf(r *http.Request) string {
	if token := bearerOf(r); token != "" {
		return token
	}
	if cookie, err := r.Cookie(cookieName); err == nil {
		return cookie.Value
	}
	return ""
}

// bearerOf is the bearer token of a request, or "".
func bearerOf(r *http.Request) string {
	if kind, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(kind, "Bearer") {
		return strings.TrimSpace(token)
	}
	return ""
}

// sessionCookie keeps a token in the browser until it expires; no token makes the
// browser forget.
func sessionCookie(token string, expires time.Time) *http.Cookie {
	c := &http.Cookie{
		Name: cookieName, Value: token, Path: "/", Expires: expires,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

// callerOf is who calls an operation that is not public.
func callerOf(ctx context.Context) identity.Caller { return exchangeOf(ctx).caller }
