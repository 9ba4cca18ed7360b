package disclosure

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/pgtest"
)

func TestRowsAreWhatTheirTablesHold(t *testing.T) {
	t.Parallel()
	pgtest.Columns(t, pgtest.New(t), row{})
}

// TestAProgrammeHasADutyForEachThreeMonthsOfItsLife counts what a programme owes the public.
func TestAProgrammeHasADutyForEachThreeMonthsOfItsLife(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		t.Helper()
		when, err := time.ParseInLocation("2006-01-02 15:04", text, zone())
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for name, tt := range map[string]struct {
		started, ended, now string
		due                 []string // days, in order
	}{
		"nothing was paid":               {"", "", "2021-06-01 00:00", nil},
		"the first day":                  {"2021-01-31 10:00", "", "2021-01-31 10:00", []string{"2021-04-30"}},
		"a day that not all months have": {"2021-01-31 10:00", "", "2021-08-01 00:00", []string{"2021-04-30", "2021-07-31", "2021-10-31"}},
		"a leap day":                     {"2019-11-29 00:00", "", "2020-02-28 23:59", []string{"2020-02-29"}},
		"it ends within a quarter":       {"2021-01-10 10:00", "2021-05-20 09:00", "2022-01-01 00:00", []string{"2021-04-10", "2021-07-10", "2021-08-20"}},
		"it ends on the day it began":    {"2021-01-10 10:00", "2021-01-10 11:00", "2022-01-01 00:00", []string{"2021-04-10", "2021-04-10"}},
	} {
		p := Programme{ID: uuid.New(), Name: "云支教（虚构示例）"}
		if tt.started != "" {
			p.Started = at(tt.started)
		}
		if tt.ended != "" {
			p.Ended = at(tt.ended)
		}
		got := p.duties(at(tt.now))
		if len(got) != len(tt.due) {
			t.Errorf("%s: %d duties %+v, want %v", name, len(got), got, tt.due)
			continue
		}
		for i, d := range got {
			if due := d.DueOn.In(zone()).Format(time.DateOnly); due != tt.due[i] {
				t.Errorf("%s: duty %d is due on %s, want %s", name, i, due, tt.due[i])
			}
		}
	}
}

func TestADutyIsInTimeUntilTheEndOfItsDay(t *testing.T) {
	t.Parallel()
	d := annual(2020)
	for text, want := range map[string]State{
		"2021-05-01T23:59:59+08:00": Upcoming, "2021-05-02T00:00:00+08:00": Due, "2021-05-31T23:59:59+08:00": Due, "2021-06-01T00:00:00+08:00": Overdue,
	} {
		now, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.State(now); got != want {
			t.Errorf("at %s it is %s, want %s", text, got, want)
		}
	}
}
