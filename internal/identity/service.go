package identity

import (
	"context"
	"errors"
	"strings"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service registers people and knows them again.
type Service struct {
	db     *postgres.DB
	hasher *hasher
}

// New returns a Service on db.
func New(db *postgres.DB, c Config) (*Service, error) {
	h, err := newHasher(c)
	if err != nil {
		return nil, err
	}
	return &Service{db: db, hasher: h}, nil
}

// Register makes an account. ErrInvalid, ErrWeak, or ErrTaken when the phone
// number or the e-mail address has an account.
func (s *Service) Register(ctx context.Context, r Registration) (Account, error) {
	r, err := r.normal()
	if err != nil {
		return Account{}, err
	}
	hash, err := s.hasher.hash(ctx, r.Password)
	if err != nil {
		return Account{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Account, error) {
		a := Account{
			ID: id.New[Account](tx.Now), Phone: r.Phone, Email: r.Email, Name: r.Name,
			State: Active, CreatedAt: tx.Now,
		}
		return a, insertAccount(ctx, tx, a, hash)
	})
}

// Credentials are what somebody signs in with.
type Credentials struct {
	Login     string // phone number or e-mail address
	Password  string
	UserAgent string // what the list of sessions shows; cut to 256 bytes
}

// SignIn makes a session, whose token is in this answer only. ErrCredentials
// says nothing about which of the two was wrong; ErrSuspended comes only to
// those who know the password.
func (s *Service) SignIn(ctx context.Context, c Credentials) (Session, Account, error) {
	found, err := s.login(ctx, c.Login)
	if err != nil {
		return Session{}, Account{}, err
	}
	same, err := s.hasher.matches(ctx, c.Password, found.hash)
	switch {
	case err != nil:
		return Session{}, Account{}, err
	case !same:
		return Session{}, Account{}, ErrCredentials
	case found.State == Suspended:
		return Session{}, Account{}, ErrSuspended
	}
	token, err := newToken()
	if err != nil {
		return Session{}, Account{}, err
	}
	made, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Session, error) {
		made := Session{
			ID: id.New[Session](tx.Now), Account: found.ID, Token: token, UserAgent: shownAgent(c.UserAgent),
			CreatedAt: tx.Now, ExpiresAt: tx.Now.Add(SessionTTL),
		}
		return made, insertSession(ctx, tx, made, found.hash)
	})
	if err != nil {
		return Session{}, Account{}, err
	}
	return made, found.Account, nil
}

// login finds the account and its password's hash; the zero value when there
// is none.
func (s *Service) login(ctx context.Context, login string) (known, error) {
	normal, ok := NormalLogin(login)
	if !ok {
		return known{}, nil
	}
	found, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (known, error) { return byLogin(ctx, tx, normal) })
	if errors.Is(err, postgres.ErrNoRows) {
		return known{}, nil
	}
	return found, err
}

// maxAgent bounds what is kept of a user agent, in bytes.
const maxAgent = 256

func shownAgent(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(clean) > maxAgent {
		clean = strings.ToValidUTF8(clean[:maxAgent], "")
	}
	return clean
}

// Resolve says who holds the token, in one statement. ErrUnauthenticated when
// it is unknown, expired or revoked; ErrSuspended when its account is suspended.
func (s *Service) Resolve(ctx context.Context, token string) (Caller, error) {
	hash, ok := tokenHash(token)
	if !ok {
		return Caller{}, ErrUnauthenticated
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Caller, error) { return resolve(ctx, tx, hash) })
}

// SignOut ends one of the caller's own sessions; the token stops working with
// the answer. Somebody else's session is ErrSession.
func (s *Service) SignOut(ctx context.Context, caller Caller, session SessionID) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		return revoke(ctx, tx, caller.Account, session)
	})
}

// Sessions lists the caller's sessions that are in force, the newest first.
func (s *Service) Sessions(ctx context.Context, caller Caller, p page.Request) (page.Of[Session], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Session], error) {
		return sessions(ctx, tx, caller.Account, p)
	})
}

// ChangePassword sets a new password and ends all other sessions of the
// caller. ErrPassword when old is wrong.
func (s *Service) ChangePassword(ctx context.Context, caller Caller, old, fresh string) error {
	found, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (known, error) { return byID(ctx, tx, caller.Account) })
	if err != nil {
		return err
	}
	if err := checkPassword(fresh, "/new_password", found.Phone, found.Email); err != nil {
		return err
	}
	same, err := s.hasher.matches(ctx, old, found.hash)
	if err != nil {
		return err
	}
	if !same {
		return ErrPassword.At("/old_password", "mismatch", "not the present password")
	}
	hash, err := s.hasher.hash(ctx, fresh)
	if err != nil {
		return err
	}
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		if err := updatePassword(ctx, tx, caller.Account, found.hash, hash); err != nil {
			return err
		}
		return revokeOthers(ctx, tx, caller.Account, caller.Session)
	})
}

// Account is the caller's own account, or anybody's for an operator; for
// everybody else there is no such account.
func (s *Service) Account(ctx context.Context, caller Caller, account ID) (Account, error) {
	if caller.Account != account && !caller.Is(Operator) {
		return Account{}, ErrAccount
	}
	found, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (known, error) { return byID(ctx, tx, account) })
	return found.Account, err
}

// Accounts lists all accounts, the newest first. For operators.
func (s *Service) Accounts(ctx context.Context, caller Caller, p page.Request) (page.Of[Account], error) {
	if err := caller.Must(Operator); err != nil {
		return page.Of[Account]{}, err
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Account], error) {
		return accounts(ctx, tx, p)
	})
}

// Suspend takes the use of an account away. For operators, not on themselves.
func (s *Service) Suspend(ctx context.Context, caller Caller, account ID, reason string) (Account, error) {
	return s.change(ctx, caller, account, "identity.suspend", map[string]any{"reason": reason}, CheckReason(reason), (*Account).Suspend)
}

// Reinstate gives the use of an account back. For operators, not on themselves.
func (s *Service) Reinstate(ctx context.Context, caller Caller, account ID, reason string) (Account, error) {
	return s.change(ctx, caller, account, "identity.reinstate", map[string]any{"reason": reason}, CheckReason(reason), (*Account).Reinstate)
}

// change lets an operator change the state of somebody else's account, and
// writes it into the trail. invalid is what is wrong with the request, if anything.
func (s *Service) change(ctx context.Context, caller Caller, account ID, operation string, detail map[string]any,
	invalid error, act func(*Account) error,
) (Account, error) {
	if err := mayManage(caller, account); err != nil {
		return Account{}, err
	}
	if invalid != nil {
		return Account{}, invalid
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Account, error) {
		a, err := lock(ctx, tx, account)
		if err != nil {
			return Account{}, err
		}
		if err := act(&a); err != nil {
			return Account{}, err
		}
		if err := updateState(ctx, tx, a); err != nil {
			return Account{}, err
		}
		return a, note(ctx, tx, caller, operation, account, detail)
	})
}

// Grant gives somebody else a role. For operators. A role that he has already
// is given again without effect. Whether the enterprise exists is the edge's
// to ask: identity knows no enterprises.
func (s *Service) Grant(ctx context.Context, caller Caller, account ID, g Grant) (Account, error) {
	return s.regrant(ctx, caller, account, g, "identity.grant_role", func(ctx context.Context, tx *postgres.Tx) error {
		return insertGrant(ctx, tx, account, g, caller.Account)
	})
}

// Revoke takes a role away from somebody else, at once. For operators. A role
// that he does not have is taken without effect.
func (s *Service) Revoke(ctx context.Context, caller Caller, account ID, g Grant) (Account, error) {
	return s.regrant(ctx, caller, account, g, "identity.revoke_role", func(ctx context.Context, tx *postgres.Tx) error {
		return deleteGrant(ctx, tx, account, g)
	})
}

func (s *Service) regrant(ctx context.Context, caller Caller, account ID, g Grant, operation string,
	act func(context.Context, *postgres.Tx) error,
) (Account, error) {
	if err := mayManage(caller, account); err != nil {
		return Account{}, err
	}
	if err := g.check(); err != nil {
		return Account{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Account, error) {
		if _, err := lock(ctx, tx, account); err != nil {
			return Account{}, err
		}
		if err := act(ctx, tx); err != nil {
			return Account{}, err
		}
		if err := note(ctx, tx, caller, operation, account, g.detail()); err != nil {
			return Account{}, err
		}
		changed, err := byID(ctx, tx, account)
		return changed.Account, err
	})
}

// mayManage says that only operators manage accounts, and nobody his own: so
// the last operator cannot lock himself out, nor anybody raise himself.
func mayManage(caller Caller, account ID) error {
	if err := caller.Must(Operator); err != nil {
		return err
	}
	if caller.Account == account {
		return ErrOwn
	}
	return nil
}

func note(ctx context.Context, tx *postgres.Tx, caller Caller, operation string, account ID, detail map[string]any) error {
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: operation, Object: "account:" + account.String(), Detail: detail,
	})
}

// EnsureOperator makes sure that an operator with this login exists: the first
// one, who comes from the configuration. An account that exists becomes an
// operator only if the password is its own, for anybody may have registered
// the address before; otherwise ErrCredentials.
func (s *Service) EnsureOperator(ctx context.Context, login, password string) (Account, error) {
	found, err := s.login(ctx, login)
	if err != nil {
		return Account{}, err
	}
	if (Caller{Roles: found.Roles}).Is(Operator) {
		return found.Account, nil
	}
	a := found.Account
	if a.ID.IsZero() {
		r := Registration{Name: "operator", Phone: login, Password: password}
		if strings.Contains(login, "@") {
			r.Phone, r.Email = "", login
		}
		if a, err = s.Register(ctx, r); err != nil {
			return Account{}, err
		}
	} else if same, err := s.hasher.matches(ctx, password, found.hash); err != nil || !same {
		return Account{}, errors.Join(err, ErrCredentials.With("the operator's login exists with another password"))
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Account, error) {
		a.Roles = append(a.Roles, Grant{Role: Operator})
		return a, Give(ctx, tx, Caller{}, a.ID, Grant{Role: Operator})
	})
}

// Give gives an account a role that follows from what tx does, and from no
// operator's decision about the account: the zero caller is the program.
func Give(ctx context.Context, tx *postgres.Tx, caller Caller, account ID, g Grant) error {
	if err := g.check(); err != nil {
		return err
	}
	if err := insertGrant(ctx, tx, account, g, caller.Account); err != nil {
		return err
	}
	return note(ctx, tx, caller, "identity.grant_role", account, g.detail())
}

// Record makes the account of somebody who is told of and never signs in, with the
// id that he goes by. Again it changes nothing.
func (s *Service) Record(ctx context.Context, a Account) error {
	return postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return recordAccount(ctx, tx, a) })
}

// Sweep drops the sessions that ended more than SessionTTL ago and returns how
// many they were.
func (s *Service) Sweep(ctx context.Context) (int64, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int64, error) {
		return sweep(ctx, tx, tx.Now.Add(-SessionTTL))
	})
}
