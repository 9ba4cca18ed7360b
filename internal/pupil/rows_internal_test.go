package pupil

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/pgtest"
)

func TestRowsAreWhatTheirTablesHold(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	pgtest.Columns(t, db, pupilRow{})
	pgtest.Columns(t, db, recordRow{})
	pgtest.Columns(t, db, requestRow{})
	pgtest.Columns(t, db, readingRow{})
	pgtest.Columns(t, db, aidRow{})
}

// TestNoSmallGroupCanBeToldFromTheSums shows any groups: whoever takes what is shown from the
// total is left with nothing, or with two groups and five pupils at least.
func TestNoSmallGroupCanBeToldFromTheSums(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var groups []Group
		for _, n := range rapid.SliceOfN(rapid.Int64Range(1, 12), 0, 8).Draw(t, "groups") {
			groups = append(groups, Group{Pupils: n, Amount: money.Fen(n * 100)})
		}
		a := aggregate(groups)
		var rest int64
		hidden := 0
		for i, g := range a.Groups {
			switch {
			case g.Hidden && (g.Pupils != 0 || g.Amount != 0):
				t.Fatalf("a hidden group shows %+v", g)
			case g.Hidden:
				rest, hidden = rest+groups[i].Pupils, hidden+1
			case g.Pupils < Smallest || g.Pupils != groups[i].Pupils:
				t.Fatalf("group %+v is shown", g)
			}
		}
		if a.Hidden {
			if a.Pupils != 0 || a.Amount != 0 || rest >= Smallest {
				t.Fatalf("hidden as a whole: %+v", a)
			}
			return
		}
		if hidden > 0 && (hidden == 1 || rest < Smallest) {
			t.Fatalf("%d hidden groups of %d pupils can be told from the total %d", hidden, rest, a.Pupils)
		}
	})
}

func TestNumbersOfIdentityCardsHaveACheckCharacter(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]bool{
		"11010519491231002X": true, // the standard's own example
		"440524188001010014": true, // and its other one
		"110105194912310021": false,
		"11010519491231002x": false, // check makes it large first
		"":                   false, "123": false, "11010519491231A02X": false, "１１010519491231002X": false,
	} {
		if got := validNumber(number); got != want {
			t.Errorf("%q: %v", number, got)
		}
	}
}
