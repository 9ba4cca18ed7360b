package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/replay"
)

// demoUser is somebody to try a role with.
type demoUser struct {
	Role     identity.Role `json:"role"`
	Login    string        `json:"login"`
	Password string        `json:"password"`
}

// errNoDemo says that no demo users were made yet.
var errNoDemo = errors.New("no demo users")

// demoFile holds the demo users, with a password that nobody else has.
func (a *App) demoFile() string { return filepath.Join(a.cfg.StateDir, "demo.json") }

// MakeDemo makes somebody for each role to try the replayed shop with. It does
// nothing where real money moves, or where an operator is configured. Their
// password is made for this installation.
func (a *App) MakeDemo(ctx context.Context) error {
	if a.till.sandbox == nil || a.cfg.Operator.Login != "" {
		return nil
	}
	users, err := readDemo(a.demoFile())
	if errors.Is(err, errNoDemo) {
		users, err = writeDemo(a.demoFile())
	}
	if err != nil {
		return err
	}
	began := a.db.Now()
	operator, err := a.services.Identity.EnsureOperator(ctx, users[0].Login, users[0].Password)
	if err != nil {
		return fmt.Errorf("make the demo users: %w", err)
	}
	a.demo = users
	if operator.CreatedAt.Before(began) {
		return nil // they were all made then
	}
	as := identity.Caller{Account: operator.ID, Roles: operator.Roles}
	for _, u := range users[1:] {
		if err := a.employ(ctx, as, u); err != nil {
			return fmt.Errorf("make the demo user %s: %w", u.Login, err)
		}
	}
	return nil
}

// employ registers a demo user and gives him his role.
func (a *App) employ(ctx context.Context, operator identity.Caller, u demoUser) error {
	made, err := a.services.Identity.Register(ctx, identity.Registration{Email: u.Login, Password: u.Password, Name: "demo " + string(u.Role)})
	switch {
	case errors.Is(err, identity.ErrTaken):
		return nil
	case err != nil || u.Role == identity.Consumer:
		return err
	}
	grant := identity.Grant{Role: u.Role}
	if u.Role == identity.Merchant {
		grant.Merchant = replay.MerchantID("E01").UUID()
	}
	if u.Role == identity.County {
		grant.Region = replay.County
	}
	_, err = a.services.Identity.Grant(ctx, operator, made.ID, grant)
	return err
}

// readDemo reads the demo users of an earlier start, the operator first.
func readDemo(path string) ([]demoUser, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoDemo
	}
	if err != nil {
		return nil, err
	}
	var users []demoUser
	if err := json.Unmarshal(text, &users); err != nil || len(users) == 0 || users[0].Role != identity.Operator {
		return nil, fmt.Errorf("%s does not hold the demo users: remove it", path)
	}
	return users, nil
}

// writeDemo thinks of the demo users and keeps them.
func writeDemo(path string) ([]demoUser, error) {
	password := rand.Text()[:16]
	var users []demoUser
	for _, r := range []identity.Role{identity.Operator, identity.Auditor, identity.FundAdmin, identity.County, identity.Merchant, identity.Consumer} {
		users = append(users, demoUser{Role: r, Login: string(r) + "@demo.example", Password: password})
	}
	text, err := json.MarshalIndent(users, "", "  ") //nolint:gosec // the file is for whoever tries the shop, and for nobody else
	if err != nil {
		return nil, err
	}
	return users, os.WriteFile(path, append(text, '\n'), 0o600)
}
