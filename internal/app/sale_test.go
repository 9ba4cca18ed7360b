package app_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/app"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/request"
)

// stocked opens an app on a clock of the test's own, with ten bags of flour.
func stocked(t *testing.T, clock *pgtest.Clock) (a *app.App, flour catalog.SKUID) {
	t.Helper()
	cfg := configured(t, map[string]string{"WORKER_SWEEP": "20ms", "WORKER_POLL": "20ms", "WORKER_SEQUENCE": "20ms"})
	a, err := app.Open(t.Context(), cfg, clock.Now, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	miller, s := id.FromName[merchant.Merchant]("test", "miller"), a.Services()
	flour = id.FromName[catalog.SKU]("test", "flour")
	if _, err := s.Merchants.Enrol(t.Context(), merchant.Enrolment{
		ID: miller, Code: "E01", LegalName: "E01（虚构示例）", ShortName: "E01", EntityType: "co-operative", Fictional: true, Region: "152527",
		Township: "红旗镇", USCC: "91152527XXXXXX0E01", RecommendationNo: "R-1", RecommendedOn: "2026-01-01",
		AgreementNo: "A-1", AgreementSignedOn: "2026-01-02", Licences: []merchant.Licence{{Kind: "SC", No: "SC10115252799011", ExpiresOn: "2027-01-01"}},
	}); err != nil {
		t.Fatal(err)
	}
	seller := identity.Caller{Roles: []identity.Grant{{Role: identity.Merchant, Merchant: miller.UUID()}}}
	if _, err := s.Catalog.Add(t.Context(), seller, catalog.NewProduct{
		Merchant: miller, Code: "flour", SKUs: []catalog.NewSKU{{ID: flour, Code: "flour", Price: 3300}},
		Description: catalog.Description{
			Category: "FLOUR_MIAN", Name: "flour", Spec: "500g", SaleUnit: "袋", Kind: "PACKAGED_FOOD", ColdChain: "N",
			VATTreatment: "STANDARD", ReturnRule: catalog.NoReason, ShipZone: "NATIONWIDE",
		},
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Inventory.Open(t.Context(), uuid.Nil, inventory.Line{Merchant: miller.UUID(), SKU: flour.UUID(), Qty: 10}); err != nil {
		t.Fatal(err)
	}
	return a, flour
}

func TestWorkerExpiresWhatNobodyPaysAndGivesTheStockBack(t *testing.T) {
	t.Parallel()
	clock := pgtest.NewClock(pgtest.Noon)
	a, flour := stocked(t, clock)
	s := a.Services()
	buyer := identity.Caller{Account: id.FromName[identity.Account]("test", "buyer")}
	placed, err := s.Orders.Place(t.Context(), buyer, order.Placing{
		Lines:  []order.Chosen{{SKU: flour, Quantity: 4}},
		ShipTo: &order.Address{Recipient: "测试", Phone: "+8610000000000", Province: "北京市", City: "北京市", District: "东城区", Detail: "1"},
	}, request.Claim{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	available := func() int64 {
		levels, err := s.Inventory.Levels(t.Context(), []uuid.UUID{flour.UUID()})
		if err != nil {
			t.Fatal(err)
		}
		return levels[flour.UUID()].Available
	}
	if got := available(); got != 6 {
		t.Fatalf("available while it is reserved: got %d, want 6", got)
	}

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, io.Discard) }()
	clock.Advance(31 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for state := placed.State; state != order.Expired; {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("after a minute it is %s", state)
		}
		c, err := s.Orders.Checkout(t.Context(), buyer, placed.ID)
		if err != nil {
			t.Fatal(err)
		}
		state = c.State
	}
	if got := available(); got != 10 {
		t.Errorf("available afterwards: got %d, want 10", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestVerifyNamesATransferThatWasTamperedWith(t *testing.T) {
	t.Parallel()
	a, _ := stocked(t, pgtest.NewClock(pgtest.Noon))
	if err := a.Services().Transparency.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := a.Verify(t.Context(), &out); err != nil {
		t.Fatalf("an untouched book: %v\n%s", err, out.String())
	}
	tamper := pgtest.Tamper(t, a.DB())
	for _, statement := range []string{
		"ALTER TABLE transfer DISABLE TRIGGER ALL", "ALTER TABLE move DISABLE TRIGGER ALL",
		`INSERT INTO transfer (home, id, kind, ref, at, public, salt, moves, digest)
		 VALUES (gen_random_uuid(), gen_random_uuid(), 'sale', 'forged', now(), true, '\x00000000000000000000000000000000', 1, sha256(''))`,
	} {
		if _, err := tamper.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	out.Reset()
	if err := a.Verify(t.Context(), &out); !errors.Is(err, app.ErrDiffers) || !strings.Contains(out.String(), "WRONG  transfer ") {
		t.Errorf("a forged transfer: %v\n%s", err, out.String())
	}
}
