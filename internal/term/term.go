// Package term makes terms of text: what a text in Chinese, pinyin or Latin letters
// is found by. It knows neither goods nor a database.
package term

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// What a term may be, in characters or bytes: a term that is longer than this is
// no term, and nobody is found by it.
const (
	maxPrefix  = 24   // characters of a Latin word of which each prefix is a term
	maxSpelled = 120  // bytes of a spelling
	maxTerms   = 3000 // that one Set has
)

// Run is a stretch of text of one kind: Han characters, or a word of letters and
// digits.
type Run struct {
	Text string // in small letters
	Han  bool   // whether it is of Han characters
}

// Runs parts a text into its runs. Full-width forms and capitals are made plain;
// spaces, signs and pictures part runs and belong to none.
func Runs(text string) []Run {
	var out []Run
	text = strings.ReplaceAll(strings.ToLower(norm.NFKC.String(text)), "ü", "v")
	open := false // whether the last run may grow
	for i, r := range text {
		han := unicode.Is(unicode.Han, r)
		switch {
		case han || unicode.IsLetter(r) || unicode.IsNumber(r):
			if !open || out[len(out)-1].Han != han {
				out = append(out, Run{Han: han})
			}
			out[len(out)-1].Text += string(r)
			open = true
		case r == '.' && open && pointed(text, i): // 2.5L is one word
			out[len(out)-1].Text += "."
		default:
			open = false
		}
	}
	return out
}

// pointed reports whether the point at i stands between two digits.
func pointed(text string, i int) bool {
	digit := func(b byte) bool { return '0' <= b && b <= '9' }
	return i > 0 && i+1 < len(text) && digit(text[i-1]) && digit(text[i+1])
}

// Key is a text without anything that parts it: what names begin with, or are.
func Key(all []Run) string {
	var b strings.Builder
	for _, r := range all {
		b.WriteString(r.Text)
	}
	return b.String()
}

// Set collects terms, each once. Its zero value is empty and ready for use.
type Set struct {
	Mark  string   // stands before each term that is added; "" for a name, in which single letters count
	Terms []string // in the order in which they were added
	seen  map[string]bool
}

// Add adds one term as it is. One that is too long, or more than fit, is left out.
func (t *Set) Add(term string) {
	if term == "" || len(term) > maxSpelled || len(t.Terms) >= maxTerms {
		return
	}
	if t.seen == nil {
		t.seen = make(map[string]bool)
	}
	if term = t.Mark + term; !t.seen[term] {
		t.seen[term] = true
		t.Terms = append(t.Terms, term)
	}
}

// Pieces are the terms that a run of Han characters is looked for by: itself if
// it is one character, else each two that stand together. A word is looked for by
// itself.
func (r Run) Pieces() []string {
	all := []rune(r.Text)
	if !r.Han || len(all) == 1 {
		return []string{r.Text}
	}
	var out []string
	for i := range all[1:] {
		if pair := string(all[i : i+2]); !slices.Contains(out, pair) {
			out = append(out, pair)
		}
	}
	return out
}

// Text adds the terms of a text: of Han characters each one (unless only pairs
// are wanted) and each two that stand together, of words each prefix; of those in
// a name also each letter and each two that stand together.
func (t *Set) Text(all []Run, onlyPairs bool) {
	for _, r := range all {
		if !r.Han {
			t.word(r.Text)
			continue
		}
		if !onlyPairs {
			for _, c := range r.Text {
				t.Add(string(c))
			}
		}
		if utf8.RuneCountInString(r.Text) > 1 {
			for _, p := range r.Pieces() {
				t.Add(p)
			}
		}
	}
}

func (t *Set) word(w string) {
	t.Add(w)
	letters := []rune(w)
	for i := range letters {
		if i < maxPrefix {
			t.Add(string(letters[:i+1]))
		}
		if t.Mark == "" {
			t.Add(string(letters[max(i-1, 0) : i+1]))
			t.Add(string(letters[i : i+1]))
		}
	}
}

// Spellings in pinyin: of how many characters that stand together, and how many
// of several readings are kept.
const (
	maxTogether = 6
	fewReadings = 2
	allReadings = 8
	shortEnough = 4 // characters of which all readings are kept
)

// Spelled adds how a text is written in pinyin, and its initials: whatever stands
// together up to maxTogether characters, and the beginnings up to the whole.
func (t *Set) Spelled(all []Run) {
	units := unitsOf(all)
	for from := range units {
		whole, initials := []string{""}, []string{""}
		for n, u := range units[from:] {
			if n >= maxTogether && from > 0 {
				break
			}
			most := fewReadings
			if n < shortEnough {
				most = allReadings
			}
			whole, initials = joined(whole, u.readings, most), joined(initials, u.initials, most)
			for _, s := range whole {
				t.Add(s)
			}
			if n == 0 {
				continue
			}
			for _, s := range initials {
				t.Add(s)
			}
		}
	}
}

// joined is each beginning with each ending, at most so many of them, the most
// likely first.
func joined(beginnings, endings []string, most int) []string {
	var out []string
	for _, e := range endings {
		for _, b := range beginnings {
			if s := b + e; len(out) < most && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}
