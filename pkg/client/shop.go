package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Config says who calls and how. Its zero value is a stranger who takes the defaults.
type Config struct {
	// Token signs the caller in with a session that exists; see also Shop.SignIn.
	Token string
	// HTTP makes the requests; http.DefaultClient if nil.
	HTTP *http.Client
	// Language is that of problems: "zh-CN" (the shop's own, if empty) or "en".
	Language string
	// Attempts is how often a request is tried that may be repeated: one that only
	// reads, or that has an Idempotency-Key. 3 if 0.
	Attempts int
}

// Shop is a Shiyi and a caller's credentials in it. Several goroutines may use it;
// they are the same caller.
type Shop struct {
	// API has a method …WithResponse for each operation of the contract. Its error is
	// an *Error when the shop refused; when it is nil, the answer's field for the
	// promised status (JSON200, JSON201) is not.
	API *ClientWithResponses

	caller *caller
}

// Connect prepares to call the shop at base, such as "http://localhost:8080".
// Nothing is sent yet.
func Connect(base string, cfg Config) (*Shop, error) {
	if u, err := url.Parse(base); err != nil || u.Host == "" {
		return nil, fmt.Errorf("client: %q is not the address of a shop", base)
	}
	c := &caller{http: cfg.HTTP, language: cfg.Language, attempts: cfg.Attempts}
	if c.http == nil {
		c.http = http.DefaultClient
	}
	if c.attempts <= 0 {
		c.attempts = 3
	}
	c.setToken(cfg.Token)
	api, err := NewClientWithResponses(strings.TrimSuffix(base, "/"), WithHTTPClient(c))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &Shop{API: api, caller: c}, nil
}

// SignIn signs the caller in; later calls bear the session's token.
func (s *Shop) SignIn(ctx context.Context, login, password string) (Account, error) {
	answer, err := s.API.SignInWithResponse(ctx, Credentials{Login: login, Password: password})
	if err != nil {
		return Account{}, err
	}
	if answer.JSON201 == nil || answer.JSON201.Token == nil {
		return Account{}, errors.New("client: the shop gave no token")
	}
	s.caller.setToken(*answer.JSON201.Token)
	return answer.JSON201.Account, nil
}

// SignOut ends the caller's session; later calls are a stranger's.
func (s *Shop) SignOut(ctx context.Context) error {
	if _, err := s.API.SignOutWithResponse(ctx, "current"); err != nil {
		return err
	}
	s.caller.setToken("")
	return nil
}

// Token is the session's token, to be used by another Connect, or "".
func (s *Shop) Token() string { return s.caller.token() }

// NewKey makes an Idempotency-Key: one for each thing that the caller means to do
// once, however often it is sent.
func NewKey() IdempotencyKey { return rand.Text() }
