package carrier_test

import (
	"testing"

	"github.com/shiyi-market/shiyi/internal/carrier"
)

func TestEveryCarrierHasItsCodeAndNamesAndSomeCarryCold(t *testing.T) {
	t.Parallel()
	cold, seen := 0, map[string]bool{}
	for _, c := range carrier.All() {
		if got, ok := carrier.Of(c.Code); !ok || got != c || c.NameZH == "" || c.NameEN == "" || seen[c.Code] {
			t.Errorf("%+v is found as %+v", c, got)
		}
		seen[c.Code] = true
		if c.Cold {
			cold++
		}
	}
	if len(seen) < 10 || cold == 0 || cold == len(seen) {
		t.Errorf("%d carriers, %d of them cold", len(seen), cold)
	}
	if _, ok := carrier.Of("sf"); ok {
		t.Error("a code is taken in small letters")
	}
}

func TestNumbersAreKeptInOneForm(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"SF1234567890": "SF1234567890", " sf 1234 5678 90": "SF1234567890", "123456": "123456", "12345": "", "ABCDEF": "", "SF１２３４５６": "",
		"123456789012345678901234567890123": "", "SF12345'": "",
	} {
		if got, ok := carrier.Number(given); ok != (want != "") || ok && got != want {
			t.Errorf("%q is %q, %t; want %q", given, got, ok, want)
		}
	}
}
