package lifecycle_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/pgtest"
)

var update = flag.Bool("update", false, "draw docs/lifecycle.md anew")

const document = "../../docs/lifecycle.md"

// drawn is the document as the data have it.
func drawn() string {
	var b strings.Builder
	b.WriteString(`# What may follow what

Drawn from ` + "`internal/lifecycle`" + `, where it is written once: change it there, then
` + "`go test ./internal/lifecycle -update`" + `. The triggers ` + "`state_moves`" + ` of the database say the same, and a test compares them.
In brackets stands who takes an action; ` + "`system`" + ` is the passing of time and the payment provider. An arrow that
leads back to its state is an action that changes something else. ` + "`next_actions`" + ` in the API are these actions, for
whoever looks.
`)
	for _, m := range lifecycle.All() {
		fmt.Fprintf(&b, "\n## %s（%s）\n\nTable `%s`.\n\n```mermaid\n%s```\n", strings.ToUpper(m.Name[:1])+m.Name[1:], m.Chinese, m.Table, m.Diagram())
	}
	return b.String()
}

func TestTheDocumentIsDrawnFromTheData(t *testing.T) {
	t.Parallel()
	if *update {
		if err := os.WriteFile(document, []byte(drawn()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(drawn(), string(got)); diff != "" {
		t.Errorf("docs/lifecycle.md is not what the data say (-data +document), run with -update:\n%s", diff)
	}
}

func TestTheDatabaseAllowsWhatTheDataAllowAndNothingElse(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for _, m := range lifecycle.All() {
		var moves, begins string // arguments, each ended by a zero byte; what a row must not begin as
		err := db.SQL().QueryRowContext(t.Context(), `
			SELECT coalesce(max(encode(tgargs, 'escape')) FILTER (WHERE proname = 'state_moves'), ''),
			       coalesce(max(pg_get_triggerdef(t.oid)) FILTER (WHERE proname = 'state_begins'), '')
			FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
			WHERE tgrelid = $1::regclass`, m.Table).Scan(&moves, &begins)
		if err != nil {
			t.Fatal(err)
		}
		rules := strings.Split(strings.TrimSuffix(moves, `\000`), `\000`)
		slices.Sort(rules)
		if diff := cmp.Diff(m.Rules(), rules); diff != "" {
			t.Errorf("%s: the trigger state_moves of %s differs from the data (-data +trigger):\n%s", m.Name, m.Table, diff)
		}
		if want := "<> '" + m.First + "'::text"; !strings.Contains(begins, want) {
			t.Errorf("%s: the trigger state_begins of %s does not say %s: %s", m.Name, m.Table, want, begins)
		}
	}
}

func TestMachinesAreWellFormed(t *testing.T) {
	t.Parallel()
	for _, m := range lifecycle.All() {
		reached := []string{m.First}
		for range m.Moves {
			for _, v := range m.Moves {
				if slices.Contains(reached, v.From) && !slices.Contains(reached, v.To) {
					reached = append(reached, v.To)
				}
			}
		}
		for _, s := range m.States() {
			if !slices.Contains(reached, s) {
				t.Errorf("%s: nothing leads to %s", m.Name, s)
			}
		}
		for i, v := range m.Moves {
			if v.Action == "" || len(v.By) == 0 {
				t.Errorf("%s: %s>%s is nobody's", m.Name, v.From, v.To)
			}
			if slices.ContainsFunc(m.Moves[:i], func(w lifecycle.Move) bool {
				return w.From == v.From && w.To == v.To && w.Action == v.Action
			}) {
				t.Errorf("%s: %s>%s by %s is written twice", m.Name, v.From, v.To, v.Action)
			}
		}
	}
}

func TestNextActionsAreThoseOfWhoLooks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		m     lifecycle.Machine
		state string
		who   lifecycle.Role
		want  []string
	}{
		{lifecycle.Checkout(), "placed", lifecycle.Buyer, []string{"pay", "cancel"}},
		{lifecycle.Checkout(), "expired", lifecycle.Buyer, []string{}},
		{lifecycle.Order(), "paid", lifecycle.Operator, []string{"refund"}}, // once, though it leads to two states
		{lifecycle.Case(), "requested", lifecycle.Merchant, []string{"approve", "refuse"}},
		{lifecycle.Case(), "refused", lifecycle.Buyer, []string{"escalate", "withdraw"}},
		{lifecycle.Case(), "refused", lifecycle.Merchant, []string{}},
		{lifecycle.Case(), "nowhere", lifecycle.Merchant, []string{}},
	} {
		if diff := cmp.Diff(tt.want, tt.m.Next(tt.state, tt.who)); diff != "" {
			t.Errorf("%s, %s, %s (-want +got):\n%s", tt.m.Name, tt.state, tt.who, diff)
		}
	}
}
