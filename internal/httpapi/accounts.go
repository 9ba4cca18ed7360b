package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
)

// accounts answers the operations tagged "accounts".
type accounts struct{ identity *identity.Service }

// RegisterAccount answers POST /v1/accounts.
func (h accounts) RegisterAccount(ctx context.Context, r oas.RegisterAccountRequestObject) (oas.RegisterAccountResponseObject, error) {
	a, err := h.identity.Register(ctx, identity.Registration{
		Phone: value(r.Body.Phone), Email: value(r.Body.Email), Password: r.Body.Password, Name: r.Body.Name,
	})
	if err != nil {
		return nil, err
	}
	return oas.RegisterAccount201JSONResponse(wireAccount(a)), nil
}

// SignIn answers POST /v1/sessions.
func (h accounts) SignIn(ctx context.Context, r oas.SignInRequestObject) (oas.SignInResponseObject, error) {
	s, a, err := h.identity.SignIn(ctx, identity.Credentials{
		Login: r.Body.Login, Password: r.Body.Password, UserAgent: exchangeOf(ctx).r.UserAgent(),
	})
	if err != nil {
		return nil, err
	}
	answer := signedIn{session: oas.NewSession{Id: s.ID.UUID(), Token: &s.Token, ExpiresAt: s.ExpiresAt.UTC(), Account: wireAccount(a)}}
	if value(r.Body.Transport) == oas.Cookie {
		answer.cookie, answer.session.Token = sessionCookie(s.Token, s.ExpiresAt), nil
	}
	return answer, nil
}

// ListSessions answers GET /v1/sessions.
func (h accounts) ListSessions(ctx context.Context, r oas.ListSessionsRequestObject) (oas.ListSessionsResponseObject, error) {
	caller := callerOf(ctx)
	p, err := h.identity.Sessions(ctx, caller, fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, func(s identity.Session) oas.Session { return wireSession(s, caller.Session) })
	return oas.ListSessions200JSONResponse{Data: data, NextCursor: next}, nil
}

// SignOut answers DELETE /v1/sessions/{session_id}.
func (h accounts) SignOut(ctx context.Context, r oas.SignOutRequestObject) (oas.SignOutResponseObject, error) {
	caller := callerOf(ctx)
	session := caller.Session
	if r.SessionId != "current" {
		var err error
		if session, err = id.Parse[identity.Session](r.SessionId); err != nil {
			return nil, identity.ErrSession
		}
	}
	if err := h.identity.SignOut(ctx, caller, session); err != nil {
		return nil, err
	}
	return signedOut{forget: session == caller.Session}, nil
}

// Me answers GET /v1/me.
func (h accounts) Me(ctx context.Context, _ oas.MeRequestObject) (oas.MeResponseObject, error) {
	caller := callerOf(ctx)
	a, err := h.identity.Account(ctx, caller, caller.Account)
	if err != nil {
		return nil, err
	}
	return oas.Me200JSONResponse(wireAccount(a)), nil
}

// ChangePassword answers POST /v1/me/password.
func (h accounts) ChangePassword(ctx context.Context, r oas.ChangePasswordRequestObject) (oas.ChangePasswordResponseObject, error) {
	if err := h.identity.ChangePassword(ctx, callerOf(ctx), r.Body.OldPassword, r.Body.NewPassword); err != nil {
		return nil, err
	}
	return oas.ChangePassword204Response{}, nil
}

// signedIn is a new session; its token is in the body or in the cookie.
type signedIn struct {
	session oas.NewSession
	cookie  *http.Cookie
}

// VisitSignInResponse sends the answer.
func (s signedIn) VisitSignInResponse(w http.ResponseWriter) error {
	body, err := json.Marshal(s.session)
	if err != nil {
		return err
	}
	if s.cookie != nil {
		http.SetCookie(w, s.cookie)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, err = w.Write(body)
	return err
}

// signedOut is the end of a session. A browser forgets the token of its own.
type signedOut struct{ forget bool }

// VisitSignOutResponse sends the answer.
func (s signedOut) VisitSignOutResponse(w http.ResponseWriter) error {
	if s.forget {
		http.SetCookie(w, sessionCookie("", time.Time{}))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func wireAccount(a identity.Account) oas.Account {
	return oas.Account{
		Id: a.ID.UUID(), Phone: optional(a.Phone), Email: optional(a.Email), Name: a.Name,
		State: oas.AccountState(a.State), Roles: wireAll(a.Roles, wireGrant), CreatedAt: a.CreatedAt.UTC(),
	}
}

func wireGrant(g identity.Grant) oas.RoleGrant {
	w := oas.RoleGrant{Role: oas.Role(g.Role), Region: optional(g.Region)}
	if g.Merchant != uuid.Nil {
		w.MerchantId = &g.Merchant
	}
	return w
}

func wireSession(s identity.Session, current identity.SessionID) oas.Session {
	return oas.Session{
		Id: s.ID.UUID(), CreatedAt: s.CreatedAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
		UserAgent: s.UserAgent, Current: s.ID == current,
	}
}
