package web

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Receipt is the page of a receipt: what was paid, the tenth of it and where that is, and the whole
// receipt, so that the page is proven with no server at hand.
func (s *Site) Receipt(r verify.Receipt, t trace.Traced, english bool) (Page, error) {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return Page{}, fmt.Errorf("write a receipt: %w", err)
	}
	page, err := s.page("receipt.html", strictPolicy, view{English: english, Receipt: r, Traced: t, JSON: string(text)})
	page.Private = true
	return page, err
}

// fen is an amount of fen in yuan: ¥1,234.50, −¥10.00.
func fen(n int64) string { return signed(money.Fen(n), n < 0) }

// li is an amount of li in yuan: ¥29.760.
func li(n any) string {
	amount, ok := n.(money.Li)
	if raw, is := n.(int64); is {
		amount, ok = money.Li(raw), true
	}
	if !ok {
		return fmt.Sprint(n)
	}
	return signed(amount, amount < 0)
}

func signed(amount fmt.Stringer, negative bool) string {
	text := money.Grouped(amount)
	if negative {
		return "−¥" + text[1:]
	}
	return "¥" + text
}

// when is a time in the county, to the minute.
func when(t time.Time, english bool) string {
	t = t.In(time.FixedZone("UTC+8", 8*60*60))
	if english {
		return t.Format("2 January 2006, 15:04 (UTC+8)")
	}
	return t.Format("2006年1月2日 15:04")
}

// shownParts is how many parts of a tenth the page shows.
const shownParts = 20

// shown are the first parts, and how many more there are.
func shown(parts []trace.Part) struct {
	Parts []trace.Part
	More  int
} {
	n := min(len(parts), shownParts)
	return struct {
		Parts []trace.Part
		More  int
	}{parts[:n], len(parts) - n}
}
