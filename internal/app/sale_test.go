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
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

// stocked opens an app on a clock of the test's own, with ten bags of flour.
func stocked(t *testing.T, clock *pgtest.Clock) *app.App {
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
	s := shoptest.Services(a.Services())
	m, err := s.Enrol(t.Context(), merchant.Enrolment{Code: "E01"})
	if err != nil {
		t.Fatal(err)
	}
	bags := shoptest.Product(m.ID, "flour", 3300, catalog.Description{Category: "FLOUR_MIAN", Name: "莜面"})
	if _, err := s.Sell(t.Context(), bags, 10); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestWorkerExpiresWhatNobodyPaysAndGivesTheStockBack(t *testing.T) {
	t.Parallel()
	clock := pgtest.NewClock(pgtest.Noon)
	a := stocked(t, clock)
	s := a.Services()
	buyer := shoptest.Buyer("ann")
	placed, err := s.Orders.Place(t.Context(), buyer, shoptest.Choose("flour", 4), request.Claim{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	flour := shoptest.SKU("flour").UUID()
	available := func() int64 {
		levels, err := s.Inventory.Levels(t.Context(), []uuid.UUID{flour})
		if err != nil {
			t.Fatal(err)
		}
		return levels[flour].Available
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
	a := stocked(t, pgtest.NewClock(pgtest.Noon))
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

// Who spoils what a check reads does not keep the faults from being told that others find.
func TestWhatCannotBeReadHidesNoOtherFault(t *testing.T) {
	t.Parallel()
	a := sealedBook(t)
	super := pgtest.Tamper(t, a.DB())
	for _, statement := range []string{
		`ALTER TABLE account_rollup DISABLE TRIGGER ALL`,
		`UPDATE account_rollup SET in_li = in_li + 10 WHERE account = 'fund:education:pending'`,
		`INSERT INTO objection_period SELECT gen_random_uuid(), 'grant', gen_random_uuid(), id, title_zh, title_en, '5', at, at + interval '1 day' FROM publication LIMIT 1`,
		`INSERT INTO programme_application (id, region, kind, title, amount_fen, content, state, filed_by, filed_at)
		 VALUES (gen_random_uuid(), '152527', 'FACILITY', '图书角', 1, '5', 'filed', gen_random_uuid(), now())`,
	} {
		if _, err := super.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	var out strings.Builder
	err := a.Verify(t.Context(), &out)
	for _, want := range []string{"fund:education:pending", "read who has a part in ", "read application "} {
		if !errors.Is(err, app.ErrDiffers) || !strings.Contains(out.String(), want) {
			t.Errorf("%v, want %q:\n%s", err, want, out.String())
		}
	}
}
