package app_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/internal/app"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/onboarding"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/replay"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

// TestDemoUsersLetAnEnterpriseIn signs each of them in by what the file says, and lets
// them do what they are there for.
func TestDemoUsersLetAnEnterpriseIn(t *testing.T) {
	t.Parallel()
	cfg := configured(t, nil)
	a, err := app.Open(t.Context(), cfg, pgtest.NewClock(pgtest.Noon).Now, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	for range 2 { // as on a later start
		if err := a.MakeDemo(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	who := signedIn(t, a, filepath.Join(cfg.StateDir, "demo.json"))
	consumer, county, operator := who[identity.Consumer], who[identity.County], who[identity.Operator]
	if len(who) != 6 || !county.ActsFor("152527") || !who[identity.Merchant].SellsFor(replay.MerchantID("E01").UUID()) {
		t.Fatalf("%d demo users: %+v", len(who), who)
	}
	s := a.Services()
	scan, err := s.Files.Put(t.Context(), file.New{Owner: consumer.Account.UUID(), Name: "papers.pdf", Private: true, Kind: file.Paper},
		strings.NewReader("%PDF-1.4\n%%EOF\n"))
	if err != nil {
		t.Fatal(err)
	}
	one, err := s.Onboarding.Start(t.Context(), consumer, shoptest.Draft(merchant.Enrolment{Code: "T1"}, scan.ID))
	if err == nil {
		one, err = s.Onboarding.Submit(t.Context(), consumer, one.ID)
	}
	if err == nil {
		one, err = s.Onboarding.Recommend(t.Context(), county, one.ID, "R-1", "情况属实")
	}
	if err == nil {
		one, err = s.Onboarding.Approve(t.Context(), operator, one.ID, "材料齐全")
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Onboarding.Agreement(t.Context())
	if err == nil {
		one, err = s.Onboarding.Accept(t.Context(), consumer, one.ID, onboarding.Acceptance{
			Version: text.Version, SHA256: text.SHA256, Name: "消费者（虚构示例）", Position: "理事长",
		})
	}
	if err != nil || one.State != onboarding.Active {
		t.Errorf("the application is %s, %v", one.State, err)
	}
}

// signedIn are the demo users of a file, each signed in.
func signedIn(t *testing.T, a *app.App, path string) map[identity.Role]identity.Caller {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var users []struct {
		Role            identity.Role
		Login, Password string
	}
	if err := json.Unmarshal(text, &users); err != nil {
		t.Fatal(err)
	}
	who := map[identity.Role]identity.Caller{}
	for _, u := range users {
		_, account, err := a.Services().Identity.SignIn(t.Context(), identity.Credentials{Login: u.Login, Password: u.Password})
		if err != nil {
			t.Fatalf("%s signs in: %v", u.Login, err)
		}
		who[u.Role] = identity.Caller{Account: account.ID, Roles: account.Roles}
	}
	return who
}
