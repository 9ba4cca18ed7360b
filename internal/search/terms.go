package search

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
	maxPrefix   = 24  // characters of a Latin word of which each prefix is a term
	maxSpelled  = 120 // bytes of a spelling
	nameKeySize = 48  // characters of a name that decide the first two ranks
)

// run is a stretch of text of one kind: Han characters, or a word of letters and
// digits.
type run struct {
	text string
	han  bool
}

// runs parts a text into its runs. Full-width forms and capitals are made plain;
// spaces, signs and pictures part runs and belong to none.
func runs(text string) []run {
	var out []run
	text = strings.ReplaceAll(strings.ToLower(norm.NFKC.String(text)), "ü", "v")
	open := false // whether the last run may grow
	for i, r := range text {
		han := unicode.Is(unicode.Han, r)
		switch {
		case han || unicode.IsLetter(r) || unicode.IsNumber(r):
			if !open || out[len(out)-1].han != han {
				out = append(out, run{han: han})
			}
			out[len(out)-1].text += string(r)
			open = true
		case r == '.' && open && pointed(text, i): // 2.5L is one word
			out[len(out)-1].text += "."
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

// key is a text without anything that parts it: what names begin with, or are.
func key(all []run) string {
	var b strings.Builder
	for _, r := range all {
		b.WriteString(r.text)
	}
	return b.String()
}

// terms collects what a product is found by, each once.
type terms struct {
	mark string // before each term: "" in the name, elsewhere it is elsewhere
	seen map[string]bool
	all  []string
}

func (t *terms) add(term string) {
	if term == "" || len(term) > maxSpelled || len(t.all) >= maxTerms {
		return
	}
	if term = t.mark + term; !t.seen[term] {
		t.seen[term] = true
		t.all = append(t.all, term)
	}
}

// pieces are the terms that a run of Han characters is looked for by: itself if
// it is one character, else each two that stand together. A word is looked for by
// itself.
func (r run) pieces() []string {
	all := []rune(r.text)
	if !r.han || len(all) == 1 {
		return []string{r.text}
	}
	var out []string
	for i := range all[1:] {
		if pair := string(all[i : i+2]); !slices.Contains(out, pair) {
			out = append(out, pair)
		}
	}
	return out
}

// text adds the terms of a text: of Han characters each one (unless only pairs
// are wanted) and each two that stand together, of words each prefix; of those in
// a name also each letter and each two that stand together.
func (t *terms) text(all []run, onlyPairs bool) {
	for _, r := range all {
		if !r.han {
			t.word(r.text)
			continue
		}
		if !onlyPairs {
			for _, c := range r.text {
				t.add(string(c))
			}
		}
		if utf8.RuneCountInString(r.text) > 1 {
			for _, p := range r.pieces() {
				t.add(p)
			}
		}
	}
}

func (t *terms) word(w string) {
	t.add(w)
	letters := []rune(w)
	for i := range letters {
		if i < maxPrefix {
			t.add(string(letters[:i+1]))
		}
		if t.mark == "" {
			t.add(string(letters[max(i-1, 0) : i+1]))
			t.add(string(letters[i : i+1]))
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

// spelled adds how a text is written in pinyin, and its initials: whatever stands
// together up to maxTogether characters, and the beginnings up to the whole.
func (t *terms) spelled(all []run) {
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
				t.add(s)
			}
			if n == 0 {
				continue
			}
			for _, s := range initials {
				t.add(s)
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
