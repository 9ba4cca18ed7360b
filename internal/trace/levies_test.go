package trace_test

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

// With more of them (10,000,000 take some minutes and 5 GB) the figures of docs/verify.md are made:
//
//	go test ./internal/trace -run ManyLevies -v -levies 10000000
var many = flag.Int("levies", 20_000, "how many levies TestATraceDoesNotGrowWithManyLevies has")

// fill writes a queue of so many levies of 1,000 li, all of which have left it: nine of ten
// outflows are payments.
func fill(t *testing.T, super *sql.DB, levies int) {
	t.Helper()
	const each, perOutflow = 1000, 100
	for _, statement := range []string{
		`ALTER TABLE fund_queue DISABLE TRIGGER USER`,
		fmt.Sprintf(`INSERT INTO fund_position (way, to_li, from_li, n, log_index, place, home, transfer_id, kind, account)
			SELECT 'in', (i + 1) * %d, i * %[1]d, i, i, 0, md5((i %% 13)::text)::uuid, md5(i::text)::uuid, 'mature', 'fund:education:pending' FROM generate_series(0::bigint, %d) i`, each, levies-1),
		fmt.Sprintf(`INSERT INTO fund_position (way, to_li, from_li, n, log_index, place, home, transfer_id, kind, account)
			SELECT 'out', (i + 1) * %d, i * %[1]d, i, i * 100, 0, md5('fund')::uuid, md5('out' || i)::uuid,
			       CASE WHEN i %% 10 = 0 THEN 'refund' ELSE 'grant_payment' END, 'world:programme:' || md5('p')::uuid FROM generate_series(0::bigint, %d) i`, each*perOutflow, levies/perOutflow-1),
		fmt.Sprintf(`UPDATE fund_queue SET in_li = %d, in_count = %d, out_li = %[1]d, out_count = %d`, levies*each, levies, levies/perOutflow),
		`ALTER TABLE fund_queue ENABLE ALWAYS TRIGGER fund_queue_grows`,
	} {
		if _, err := super.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// plans are the plans that PostgreSQL makes for what a trace reads.
func plans(t *testing.T, super *sql.DB) string {
	t.Helper()
	var all []string
	for _, query := range []string{
		`SELECT * FROM (VALUES (123456::bigint, 345678::bigint)) AS i(from_li, to_li) CROSS JOIN LATERAL (
			SELECT p.way, p.to_li, p.from_li, p.n, p.log_index, p.place, p.home, p.transfer_id, p.kind, p.account FROM fund_position p
			WHERE p.way = 'out' AND p.to_li > i.from_li
			AND p.to_li <= coalesce((SELECT min(l.to_li) FROM fund_position l WHERE l.way = 'out' AND l.to_li >= i.to_li), 9223372036854775807)) p`,
		`SELECT p.way, p.to_li, p.from_li, p.n, p.log_index, p.place, p.kind, p.account FROM fund_position p
			WHERE p.home = md5('1')::uuid AND p.transfer_id = md5('1')::uuid`,
		`SELECT p.to_li, p.from_li, p.n FROM fund_position p WHERE p.way = 'in' AND p.to_li > 123456 ORDER BY p.to_li LIMIT 20`,
	} {
		lines, err := explained(t, super, query)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, lines...)
	}
	return strings.Join(all, "\n")
}

func explained(t *testing.T, super *sql.DB, query string) (lines []string, err error) {
	t.Helper()
	rows, err := super.QueryContext(t.Context(), `EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) `+query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, rows.Err()
}

func TestATraceDoesNotGrowWithManyLevies(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	super := pgtest.Tamper(t, h.DB)
	fill(t, super, *many)
	c := h.sold(t, "li", "flour", 3)
	h.mature(t, c)
	h.book(t, fund.Grant(h.grant, 600))
	h.book(t, fund.PayGrant(h.grant, h.programme, h.other, 500))
	if _, err := super.ExecContext(t.Context(), `VACUUM ANALYZE fund_position`); err != nil {
		t.Fatal(err)
	}
	if got := h.trace(t, "li", c).Tenth; got.Granted != 5000 || got.Committed != 1000 || got.Free != 3900 {
		t.Errorf("behind %d others it is %+v", *many, got)
	}
	plan := plans(t, super)
	if strings.Contains(plan, "Seq Scan on fund_position") || strings.Contains(plan, "Bitmap") || strings.Count(plan, "Index Only Scan") < 4 {
		t.Errorf("the plans are no ranges of indexes:\n%s", plan)
	}
	t.Log("\n" + plan)
	for name, ask := range map[string]func() error{
		"of a checkout": func() error { _, err := h.Traces.Checkout(t.Context(), shoptest.Buyer("li"), c.ID); return err },
		"of a buyer":    func() error { _, err := h.Traces.Mine(t.Context(), shoptest.Buyer("li"), page.Request{}); return err },
		"of an outflow": func() error { _, err := h.Traces.Levies(t.Context(), int64(*many/200), page.Request{}); return err },
		"of outflows":   func() error { _, err := h.Traces.Outflows(t.Context(), page.Request{}); return err },
	} {
		var took []time.Duration
		for range 50 {
			start := time.Now()
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		t.Logf("%-14s median %v, 98 of 100 in %v", name, took[25], took[48])
	}
}
