package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/audit"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

func caller(name string, role identity.Role) identity.Caller {
	return identity.Caller{Account: id.FromName[identity.Account]("test", name), Roles: []identity.Grant{{Role: role}}}
}

var auditor = caller("auditor", identity.Auditor)

// december is after the month of the trade.
func december(t *testing.T, s *shoptest.Shop) {
	t.Helper()
	s.Clock.Set(time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC))
}

func fee(s *shoptest.Shop, ref string) error {
	ctx := context.Background()
	return postgres.Do(ctx, s.DB, func(tx *postgres.Tx) error { return ledger.Book(ctx, tx, charged(ref)) })
}

func charged(ref string) []ledger.Transfer {
	return []ledger.Transfer{{Home: ledger.FundHome, Kind: "provider_fee", Ref: ref, Public: true, Moves: []ledger.Move{{What: "fee", From: "platform:fees", To: "world:stripe", Amount: 60}}}}
}

func TestAMonthIsSealedOnceAndNothingIsBookedInItAnyMore(t *testing.T) {
	t.Parallel()
	s := trade(t)
	desk := audit.New(s.DB)
	seal := func(month string, want error) audit.Seal {
		t.Helper()
		got, err := desk.Seal(t.Context(), auditor, month)
		if !errors.Is(err, want) {
			t.Errorf("seal %s: %v, want %v", month, err, want)
		}
		return got
	}
	if _, err := desk.Seal(t.Context(), shoptest.Operator, "2026-11"); !errors.Is(err, identity.ErrForbidden) {
		t.Errorf("an operator: %v", err)
	}
	seal("2026-11", audit.ErrNotOver)
	must(t, fee(s, "late"))
	december(t, s)
	seal("2026-12", audit.ErrMonth)
	seal("2026-10", audit.ErrMonth)
	seal("x", audit.ErrMonth)
	seal("2026-11", audit.ErrUnnumbered)
	s.Sequence(t)
	var all [4]audit.Seal
	pgtest.AtOnce(t, len(all), func(i int) (err error) {
		all[i], err = desk.Seal(t.Context(), auditor, "2026-11")
		return err
	})
	got := seal("2026-11", nil)
	for _, other := range all {
		if other != got {
			t.Errorf("sealed at once: %+v, want %+v", other, got)
		}
	}
	if again := seal("2026-11", nil); again != got {
		t.Errorf("sealed again: %+v, want %+v", again, got)
	}
	seal("2026-12", audit.ErrNotOver)

	must(t, fee(s, "december"))
	s.Clock.Set(got.Until.Add(-time.Microsecond))
	if err := fee(s, "november"); !errors.Is(err, ledger.ErrSealed) {
		t.Errorf("booked in a sealed month: %v", err)
	}
	december(t, s)
	list, err := desk.Seals(t.Context())
	must(t, err)
	if len(list) != 1 || list[0] != got {
		t.Errorf("%+v, want %+v", list, got)
	}
	d, err := publication.New(s.DB, nil).Document(t.Context(), got.Document)
	must(t, err)
	var said struct {
		Accounts []struct {
			Account string `json:"account"`
			Closing int64  `json:"closing_li"`
		} `json:"trial_balance"`
		Levy map[string]int64 `json:"levy"`
	}
	must(t, json.Unmarshal(d.Body, &said))
	var names []string
	var sum int64
	for _, a := range said.Accounts {
		names, sum = append(names, a.Account), sum+a.Closing
	}
	if diff := cmp.Diff([]string{"fund:education:pending", "merchant:*:payable", "platform:fees", "world:stripe"}, names); diff != "" || sum != 0 || d.Digest() != got.Digest {
		t.Errorf("sum %d (-want +got):\n%s", sum, diff)
	}
	if said.Levy["tenth_li"] != said.Levy["book_tenth_li"] || said.Levy["tenth_li"] != said.Levy["goods_fen"]-said.Levy["refunded_fen"] || said.Levy["orders"] == 0 {
		t.Errorf("%v", said.Levy)
	}
}

// A seal is drafted before nobody can book any more: what happens until then is in it, or forbids it.
func TestASealKnowsWhatHappenedSinceItWasDrafted(t *testing.T) {
	t.Parallel()
	s := trade(t)
	desk, ctx := audit.New(s.DB), t.Context()
	december(t, s)
	super := pgtest.Super(t, s.DB)
	// meanwhile seals November while somebody books, who ends when the draft is made and something has been done.
	meanwhile := func(ref string, at time.Time, something func()) error {
		t.Helper()
		s.Clock.Set(at)
		begun, end, sealed, booked := make(chan bool), make(chan bool), make(chan error), make(chan error)
		go func() {
			booked <- postgres.Do(ctx, s.DB, func(tx *postgres.Tx) error {
				defer func() { <-end }()
				defer close(begun)
				return ledger.Book(ctx, tx, charged(ref))
			})
		}()
		<-begun
		december(t, s)
		go func() {
			_, err := desk.Seal(ctx, auditor, "2026-11")
			sealed <- err
		}()
		for waits := 0; waits == 0; {
			must(t, super.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waits))
		}
		something()
		close(end)
		must(t, <-booked)
		return <-sealed
	}
	broken := func(state string) {
		t.Helper()
		_, err := super.ExecContext(ctx, `INSERT INTO recon_break (id, day, kind, object, expected_li, found_li, state, found_at) VALUES ('01a2068f-8a00-7000-8d74-c920436c7176', '2026-11-30', 'refund_unknown', 'refund:re_1', 0, 1, 'open', now())
			ON CONFLICT (id) DO UPDATE SET state = '`+state+`', resolution = 'x', resolved_at = now()`)
		must(t, err)
	}
	after, before := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	if err := meanwhile("1", after, func() { broken("open") }); !errors.Is(err, audit.ErrUnreconciled) {
		t.Errorf("a break was found: %v", err)
	}
	broken("resolved")
	if err := meanwhile("2", before, func() {}); !errors.Is(err, audit.ErrUnnumbered) {
		t.Errorf("something was booked in the month: %v", err)
	}
	s.Sequence(t)
	must(t, meanwhile("3", after, func() {}))
	if found, err := audit.Check(ctx, s.DB); err != nil || len(found) != 0 {
		t.Errorf("%q, %v", found, err)
	}
}

func TestAMonthWithSomethingOpenIsNotSealed(t *testing.T) {
	t.Parallel()
	s := trade(t)
	december(t, s)
	for _, tt := range []struct {
		statement string
		want      error
	}{
		{`INSERT INTO recon_break (id, day, kind, object, expected_li, found_li, state, found_at) VALUES (gen_random_uuid(), '2026-11-30', 'refund_unknown', 'refund:re_1', 0, 1, 'open', now())`, audit.ErrUnreconciled},
		{`UPDATE recon_break SET state = 'resolved', resolution = 'x', resolved_at = now(); INSERT INTO reconciliation VALUES ('2026-11-28', now(), 0, 0, 0, 0)`, audit.ErrUnreconciled},
		{`INSERT INTO reconciliation VALUES ('2026-11-29', now(), 0, 0, 0, 0), ('2026-11-30', now(), 0, 0, 0, 0); UPDATE order_refund SET goods_fen = goods_fen + 1`, audit.ErrDifferent},
		{`UPDATE order_refund SET goods_fen = goods_fen - 1`, nil},
	} {
		tamper(t, s.DB, tt.statement)
		if _, err := audit.New(s.DB).Seal(t.Context(), auditor, "2026-11"); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.statement, err, tt.want)
		}
	}
}

// The trial balance of a month that follows a sealed one is made from that, and is the same as one made of the whole book.
func TestMonthsThatFollowOneAnotherAgreeWithTheWholeBook(t *testing.T) {
	t.Parallel()
	s := trade(t)
	desk := audit.New(s.DB)
	december(t, s)
	if _, err := desk.Seal(t.Context(), auditor, "2026-11"); err != nil {
		t.Fatal(err)
	}
	for _, month := range []string{"2026-12", "2027-01"} {
		must(t, fee(s, month))
		s.Sequence(t)
		s.Clock.Advance(31 * 24 * time.Hour)
		if _, err := desk.Seal(t.Context(), auditor, month); err != nil {
			t.Fatalf("seal %s: %v", month, err)
		}
	}
	if found, err := audit.Check(t.Context(), s.DB); err != nil || len(found) != 0 {
		t.Errorf("%q, %v", found, err)
	}
	tamper(t, s.DB, `UPDATE move SET amount_li = amount_li + 10 WHERE transfer_id = (SELECT id FROM transfer WHERE ref = '2027-01')`)
	if found, err := audit.Check(t.Context(), s.DB); err != nil || len(found) != 1 || !strings.Contains(found[0], "2027-01: account platform:fees") {
		t.Errorf("%q, %v", found, err)
	}
}

// Whatever is changed in a sealed month is found, and named.
func TestAChangeInASealedMonthIsFound(t *testing.T) {
	t.Parallel()
	s := trade(t)
	december(t, s)
	if _, err := audit.New(s.DB).Seal(t.Context(), auditor, "2026-11"); err != nil {
		t.Fatal(err)
	}
	check := func(statement, want string) {
		t.Helper()
		tamper(t, s.DB, statement)
		found, err := audit.Check(t.Context(), s.DB)
		if err != nil || (len(found) == 1) != (want != "") || len(found) == 1 && !strings.Contains(found[0], want) {
			t.Errorf("%s: %q, %v, want %q", statement, found, err, want)
		}
	}
	check(`SELECT 1`, "")
	check(`UPDATE move SET amount_li = amount_li + 10 WHERE n = 1 AND transfer_id = (SELECT min(id::text)::uuid FROM transfer)`, "account merchant:*:payable")
	check(`UPDATE move SET amount_li = amount_li - 10 WHERE n = 1 AND transfer_id = (SELECT min(id::text)::uuid FROM transfer)`, "")
	check(`UPDATE orders SET goods_fen = goods_fen + 1 WHERE id = (SELECT min(id::text)::uuid FROM orders)`, "levy")
	check(`UPDATE orders SET goods_fen = goods_fen - 1 WHERE id = (SELECT min(id::text)::uuid FROM orders)`, "")
	check(`UPDATE transfer SET at = at + interval '1 s' WHERE id = (SELECT min(id::text)::uuid FROM transfer)`, "digest of the transfers")
	check(`UPDATE transfer SET at = at - interval '1 s' WHERE id = (SELECT min(id::text)::uuid FROM transfer)`, "")
	check(`ALTER TABLE period_seal DROP CONSTRAINT period_seal_is_a_month; UPDATE period_seal SET until = until - interval '1 month'`, "until")
	check(`UPDATE period_seal SET until = until + interval '1 month'`, "")
	check(`CREATE TABLE kept AS TABLE period_seal; DELETE FROM period_seal`, "not among the seals")
	check(`INSERT INTO period_seal SELECT * FROM kept`, "")
	check(`UPDATE publication SET body = convert_to(replace(convert_from(body, 'UTF8'), '"orders":6', '"orders":7'), 'UTF8'), digest = sha256(convert_to(replace(convert_from(body, 'UTF8'), '"orders":6', '"orders":7'), 'UTF8')) WHERE kind = 'seal'`, "another than was sealed")
}
