package money_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/money"
)

func TestTenthIsExactAndAdditive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.Int64Range(0, 1e11), 1, 50).Draw(t, "parts")
		var whole money.Fen
		var tenths money.Li
		for _, p := range parts {
			whole += money.Fen(p)
			tenths += money.Fen(p).Tenth()
		}
		if tenths*10 != whole.Li() {
			t.Fatalf("tenths of the parts are %v of %v: not one tenth", tenths, whole)
		}
	})
}

func TestSplitSharesEveryFen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := money.Fen(rapid.Int64Range(0, int64(money.Max)).Draw(t, "total"))
		weights := rapid.SliceOfN(rapid.Int64Range(0, 1e15), 1, 20).Draw(t, "weights")
		var sum int64
		for _, w := range weights {
			sum += w
		}
		shares := money.Split(total, weights)
		if sum == 0 {
			if shares != nil {
				t.Fatalf("no weight, yet %v", shares)
			}
			return
		}
		var got money.Fen
		for i, s := range shares {
			if weights[i] == 0 && s != 0 {
				t.Fatalf("share %d has no weight, yet %v", i, s)
			}
			got += s
		}
		if got != total {
			t.Fatalf("shares sum to %v, want %v", got, total)
		}
	})
}

func TestLiKeepsTheRemainder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := money.Li(rapid.Int64().Draw(t, "li"))
		whole, rest := l.Fen()
		if whole.Li()+rest != l {
			t.Fatalf("%d li: %d fen and %d li", l, whole, rest)
		}
	})
}

func TestParseYuanReadsWhatStringWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := money.Fen(rapid.Int64Range(0, int64(money.Max)).Draw(t, "fen"))
		got, err := money.ParseYuan(want.String())
		if err != nil || got != want {
			t.Fatalf("ParseYuan(%q) = %v, %v; want %v", want.String(), got, err, want)
		}
	})
}

func TestParseYuanRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]error{
		"": money.ErrSyntax, ".5": money.ErrSyntax, "1.": money.ErrSyntax, "1.234": money.ErrSyntax,
		"-1": money.ErrSyntax, "+1": money.ErrSyntax, "1e3": money.ErrSyntax, "1,000": money.ErrSyntax, " 1": money.ErrSyntax,
		"１": money.ErrSyntax, "100000000000.01": money.ErrRange, "99999999999999999999": money.ErrRange,
	} {
		if _, err := money.ParseYuan(in); !errors.Is(err, want) {
			t.Errorf("ParseYuan(%q): %v, want %v", in, err, want)
		}
	}
}

func TestArithmeticRefusesWhatWouldOverflow(t *testing.T) {
	t.Parallel()
	if _, err := money.Max.Plus(1); !errors.Is(err, money.ErrRange) {
		t.Errorf("Max + 1: %v", err)
	}
	if _, err := money.Fen(-1).Plus(1); !errors.Is(err, money.ErrRange) {
		t.Errorf("-1 + 1: %v", err)
	}
	if _, err := money.Max.Times(2); !errors.Is(err, money.ErrRange) {
		t.Errorf("Max × 2: %v", err)
	}
	if got, err := money.Fen(33).Times(3); err != nil || got != 99 {
		t.Errorf("33 × 3 = %v, %v", got, err)
	}
}

func FuzzParseYuan(f *testing.F) {
	f.Add("12.50")
	f.Add("-0.1")
	f.Fuzz(func(t *testing.T, in string) {
		n, err := money.ParseYuan(in)
		if err == nil && (n < 0 || n > money.Max) {
			t.Fatalf("ParseYuan(%q) = %d", in, n)
		}
	})
}

func TestStringsAreYuan(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		money.Fen(123450).String(): "1234.50", money.Fen(5).String(): "0.05", money.Fen(-5).String(): "-0.05",
		money.Li(29760).String(): "29.760", money.Li(-1).String(): "-0.001",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
