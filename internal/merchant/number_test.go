package merchant_test

import (
	"encoding/csv"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/internal/merchant"
)

// recorded are two columns of the recorded year's enterprises.
func recorded(t testing.TB, columns ...string) [][]string {
	t.Helper()
	raw, err := os.ReadFile("../replay/data/enterprises.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(raw), "\ufeff"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]string, len(rows)-1)
	for _, column := range columns {
		for i, name := range rows[0] {
			if name != column {
				continue
			}
			for n, row := range rows[1:] {
				out[n] = append(out[n], row[i])
			}
		}
	}
	return out
}

func TestTheRecordedNumbersAreRight(t *testing.T) {
	t.Parallel()
	rows := recorded(t, "uscc_placeholder", "food_licence_kind", "food_licence_no_placeholder")
	if len(rows) != 13 {
		t.Fatalf("%d enterprises, want 13", len(rows))
	}
	for _, row := range rows {
		if err := merchant.CheckUSCC(row[0]); err != nil {
			t.Errorf("%s: %v", row[0], err)
		}
		if row[1] != "SC" {
			continue
		}
		if err := merchant.CheckSC(row[2]); err != nil {
			t.Errorf("%s: %v", row[2], err)
		}
	}
}

// wrong is every string that differs from a number in one character of an alphabet.
func wrong(number, alphabet string, yield func(string)) {
	for i := range len(number) {
		for _, c := range alphabet {
			if number[i] != byte(c) {
				yield(number[:i] + string(c) + number[i+1:])
			}
		}
	}
}

func TestOneWrongCharacterIsAlwaysFound(t *testing.T) {
	t.Parallel()
	for _, row := range recorded(t, "uscc_placeholder", "food_licence_no_placeholder") {
		wrong(row[0], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", func(s string) {
			if merchant.CheckUSCC(s) == nil {
				t.Errorf("%s passes for %s", s, row[0])
			}
		})
		wrong(row[1], "0123456789", func(s string) {
			if merchant.CheckSC(s) == nil {
				t.Errorf("%s passes for %s", s, row[1])
			}
		})
	}
}

func TestLicenceNumbersLookLikeTheirKind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ kind, no, keyword string }{
		{"SC", "SC10115252799011", ""},
		{"SC", "SC10115252799012", "check_digit"},
		{"SC", "sc10115252799011", "format"},
		{"SC", "SC1011525279901", "length"},
		{"SC", "SC1011525279901１"[:16], "format"},
		{"CCC", "2019010000099001", ""},
		{"CCC", "1919010000099001", "format"},
		{"CCC", "201901000009900", "format"},
		{"CCC", "", "format"},
		{"TRAVEL", "L-NMG-99001", ""},
		{"TRAVEL", "L-BJ-CJ00013", ""},
		{"TRAVEL", "L-NMG-1", "format"},
		{"TRAVEL", "L--99001", "format"},
		{"TRAVEL", "L-NMG-ABC99001", "format"},
		{"TRAVEL", "NMG-99001", "format"},
		{"TRAVEL", "L-NMG-99001-1", "format"},
		{"TRAVEL", "L-NMG-", "format"},
		{"OTHER", "anything", ""},
		{"OTHER", "", "length"},
		{"OTHER", strings.Repeat("x", 65), "length"},
	} {
		err := merchant.CheckLicenceNo(tt.kind, tt.no)
		var number *merchant.NumberError
		if errors.As(err, &number) != (tt.keyword != "") || number != nil && number.Keyword != tt.keyword {
			t.Errorf("%s %q: %v, want %q", tt.kind, tt.no, err, tt.keyword)
		}
	}
}

func FuzzUSCC(f *testing.F) {
	for _, row := range recorded(f, "uscc_placeholder") {
		f.Add(row[0])
	}
	f.Add("91152527ＸＸ0192")
	well := regexp.MustCompile(`^[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}$`)
	f.Fuzz(func(t *testing.T, s string) {
		if err := merchant.CheckUSCC(s); err == nil && !well.MatchString(s) {
			t.Errorf("%q passes", s)
		}
	})
}

func FuzzSC(f *testing.F) {
	for _, row := range recorded(f, "food_licence_no_placeholder") {
		f.Add(row[0])
	}
	well := regexp.MustCompile(`^SC[0-9]{14}$`)
	f.Fuzz(func(t *testing.T, s string) {
		if err := merchant.CheckSC(s); err == nil && !well.MatchString(s) {
			t.Errorf("%q passes", s)
		}
	})
}
