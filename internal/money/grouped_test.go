package money_test

import (
	"testing"

	"github.com/shiyi-market/shiyi/internal/money"
)

func TestAmountsAreGroupedByThousands(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		money.Grouped(money.Fen(261_000_000)):    "2,610,000.00",
		money.Grouped(money.Li(-261_000_001)):    "-261,000.001",
		money.Grouped(money.Li(999_999)):         "999.999",
		money.Grouped(money.Fen(0)):              "0.00",
		money.GroupedCount(17_986):               "17,986",
		money.GroupedCount(999):                  "999",
		money.GroupedCount(-1_000):               "-1,000",
		money.GroupedCount(-9223372036854775808): "-9,223,372,036,854,775,808",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
