package grant

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Signer is an administrator of the fund who acts in person.
type Signer struct {
	ID   identity.ID
	Name string
}

// Sign knows an administrator of the fund who acts in person, as part of tx, in which he stays
// one: whoever's account is suspended or whose role is taken meanwhile waits or is refused here.
// age is how long ago he may have signed in; 0 asks for no sign-in of late. ErrSignIn,
// identity.ErrSuspended, identity.ErrForbidden (also for API keys).
func Sign(ctx context.Context, tx *postgres.Tx, caller identity.Caller, age time.Duration) (Signer, error) {
	if caller.Key != uuid.Nil || !caller.Is(identity.FundAdmin) {
		return Signer{}, identity.ErrForbidden
	}
	r, err := signer(ctx, tx, caller)
	switch {
	case err != nil:
		return Signer{}, err
	case r == nil || !r.Admin:
		return Signer{}, identity.ErrForbidden
	case r.State != string(identity.Active):
		return Signer{}, identity.ErrSuspended
	case r.SignedInAt == nil:
		return Signer{}, identity.ErrUnauthenticated
	case age > 0 && tx.Now.Sub(*r.SignedInAt) > age:
		return Signer{}, ErrSignIn.With("signed in at %s", r.SignedInAt.UTC().Format(time.RFC3339))
	}
	return Signer{caller.Account, r.Name}, nil
}

// signerRow is what one statement says about who acts.
type signerRow struct {
	Name, State string
	Admin       bool
	SignedInAt  *time.Time // of a session that is in force
}

// signer locks in a statement of its own: one that waited for the lock would still see the role
// and the session of before.
func signer(ctx context.Context, tx *postgres.Tx, caller identity.Caller) (*signerRow, error) {
	if _, err := tx.Exec(ctx, `SELECT FROM account WHERE id = ? FOR SHARE`, caller.Account); err != nil {
		return nil, fmt.Errorf("lock who signs: %w", err)
	}
	rows, err := postgres.Rows[signerRow](ctx, tx, `SELECT a.name, a.state,
			EXISTS (SELECT FROM role_grant g WHERE g.account_id = a.id AND g.role = 'fund_admin') AS admin,
			(SELECT s.created_at FROM session s WHERE s.id = ? AND s.account_id = a.id AND s.revoked_at IS NULL AND s.expires_at > ?) AS signed_in_at
		FROM account a WHERE a.id = ?`, caller.Session, tx.Now, caller.Account)
	if err != nil {
		return nil, fmt.Errorf("know who signs: %w", err)
	}
	if len(rows) == 0 {
		return nil, nil //nolint:nilnil // nobody is no error: Sign refuses him
	}
	return &rows[0], nil
}
