package listing

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Verdict is what follows from a word.
type Verdict string

// The verdicts.
const (
	Refuse Verdict = "refuse" // the listing is not taken
	Review Verdict = "review" // an operator decides
)

// Rule is a rule that words may break, and the law that it comes from.
type Rule struct {
	Code    string // "superlative"
	TitleZH string
	TitleEN string
	LawZH   string
	LawEN   string
}

// Hit is a word that breaks a rule, and its place.
type Hit struct {
	Field   string // "/name"; "" when a bare text was looked at
	Start   int    // in characters of the field, from 0
	End     int    // the character after its last
	Text    string // as it is written there
	Word    string // as the list has it
	Rule    Rule
	Verdict Verdict
}

// Lint looks for words that a listing may not use, in the order of their places.
// Texts are compared without blanks, invisible characters, full-width and
// traditional forms and the marks that are put between the characters of a word.
// What ends a clause ends a word, too. Of words that lie in one another the longest
// counts, and a word within one of the listed exceptions does not.
func Lint(text string) []Hit {
	l := lexicon()
	t := normal(text, l.variants)
	var spared []span
	for at := range t.runes {
		for _, w := range l.exceptions[t.runes[at]] {
			if t.has(w, at) {
				spared = append(spared, span{at, at + len(w)})
			}
		}
	}
	var found []match
	for at := range t.runes {
		for _, w := range l.words[t.runes[at]] {
			s := span{at, at + len(w.runes)}
			if !t.has(w.runes, at) || w.counted && !t.counts(at) || w.latin && !t.alone(s) || slices.ContainsFunc(spared, s.in) {
				continue
			}
			found = append(found, match{s, w})
		}
	}
	original := []rune(text)
	var hits []Hit
	for i, m := range found {
		inside := slices.ContainsFunc(found, func(o match) bool { return m.in(o.span) && m.span != o.span })
		again := slices.ContainsFunc(found[:i], func(o match) bool { return m.span == o.span })
		if inside || again {
			continue
		}
		start, end := t.places[m.from], t.places[m.to-1]+1
		hits = append(hits, Hit{
			Start: start, End: end, Text: string(original[start:end]), Word: string(m.word.runes), Rule: l.rules[m.word.rule], Verdict: m.word.verdict,
		})
	}
	slices.SortStableFunc(hits, func(a, b Hit) int { return cmp.Compare(a.Start, b.Start) })
	return hits
}

// Lint looks through the texts of a listing, field by field.
func (d Description) Lint() []Hit {
	var out []Hit
	for _, f := range []struct{ pointer, text string }{
		{"/name", d.Name},
		{"/brand", d.Brand},
		{"/spec", d.Spec},
		{"/details", d.Details},
		{"/storage", d.Storage},
		{"/ingredients", d.Ingredients},
		{"/allergens", d.Allergens},
		{"/certifications", d.Certifications},
		{"/made_on_rule", d.MadeOnRule},
	} {
		for _, h := range Lint(f.text) {
			h.Field = f.pointer
			out = append(out, h)
		}
	}
	return out
}

// Refused are the hits that forbid a listing.
func Refused(hits []Hit) []Hit {
	return slices.DeleteFunc(slices.Clone(hits), func(h Hit) bool { return h.Verdict != Refuse })
}

// word is an entry of words.txt.
type word struct {
	runes   []rune
	rule    string
	verdict Verdict
	counted bool // only after a number
	latin   bool // not within a longer word
}

// match is a word where it stands in a normal text.
type match struct {
	span
	word word
}

// span is a stretch of a normal text.
type span struct{ from, to int }

// in reports whether s lies within o.
func (s span) in(o span) bool { return o.from <= s.from && s.to <= o.to }

// lexicon is the word lists, each word under its first character, read once.
var lexicon = sync.OnceValue(func() (l struct { //nolint:gochecknoglobals // read once, and never changed
	rules      map[string]Rule
	words      map[rune][]word
	exceptions map[rune][][]rune
	variants   map[rune]rune
},
) {
	l.rules, l.words = make(map[string]Rule), make(map[rune][]word)
	l.exceptions, l.variants = make(map[rune][][]rune), make(map[rune]rune)
	for f := range rows("rules.tsv", 5) {
		l.rules[f[0]] = Rule{f[0], f[1], f[2], f[3], f[4]}
	}
	for f := range rows("variants.txt", 1) {
		for pair := range strings.FieldsSeq(f[0]) {
			if both := []rune(pair); both[0] != both[1] {
				l.variants[both[0]] = both[1]
			}
		}
	}
	for f := range rows("exceptions.txt", 1) {
		for w := range strings.FieldsSeq(f[0]) {
			rs := normal(w, l.variants).runes
			l.exceptions[rs[0]] = append(l.exceptions[rs[0]], rs)
		}
	}
	for f := range rows("words.txt", 1) {
		entry := strings.Fields(f[0])
		if _, ok := l.rules[entry[0]]; !ok || entry[1] != string(Refuse) && entry[1] != string(Review) {
			panic("listing: words.txt: " + f[0])
		}
		for _, text := range entry[2:] {
			text, counted := strings.CutPrefix(text, "<n>")
			rs := normal(text, l.variants).runes
			l.words[rs[0]] = append(l.words[rs[0]], word{rs, entry[0], Verdict(entry[1]), counted, rs[0] <= unicode.MaxASCII})
		}
	}
	return l
})

// text is a text as it is compared: each character, and where the original has it.
type text struct {
	runes  []rune
	places []int // in characters of the original
}

// normal writes a text as the lists are written.
func normal(s string, variants map[rune]rune) text {
	var t text
	place := 0
	for _, r := range s {
		for _, r := range norm.NFKC.String(string(r)) {
			if r = unicode.ToLower(r); unseen(r) {
				continue
			}
			if simple, ok := variants[r]; ok {
				r = simple
			}
			t.runes, t.places = append(t.runes, r), append(t.places, place)
		}
		place++
	}
	return t
}

// unseen reports whether r may stand between the characters of a word without
// ending it: blanks, what is not printed, and marks, but not those of sentences.
func unseen(r rune) bool {
	if strings.ContainsRune(",;:!?、。！？；：，%\n", r) {
		return false
	}
	return unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsSymbol(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.C, r) ||
		unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r)
}

// has reports whether w stands at a place.
func (t text) has(w []rune, at int) bool {
	return at+len(w) <= len(t.runes) && slices.Equal(t.runes[at:at+len(w)], w)
}

// counts reports whether a number stands right before a place.
func (t text) counts(at int) bool {
	return at > 0 && (unicode.IsDigit(t.runes[at-1]) || strings.ContainsRune("一二三四五六七八九十百千半几数两每", t.runes[at-1]))
}

// alone reports whether no Latin letter touches a word's ends.
func (t text) alone(s span) bool {
	letter := func(at int) bool {
		return at >= 0 && at < len(t.runes) && t.runes[at] <= unicode.MaxASCII && unicode.IsLetter(t.runes[at])
	}
	return !letter(s.from-1) && !letter(s.to)
}
