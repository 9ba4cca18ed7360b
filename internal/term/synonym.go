package term

import (
	"cmp"
	"slices"
	"strings"
)

// Synonym is a term that means the same as a word.
type Synonym struct{ Word, Term string }

// Thesaurus knows which terms mean the same.
type Thesaurus struct {
	synonyms []Synonym         // the longest terms first
	latin    map[string]string // pinyin or Latin letters → the word
}

// NewThesaurus makes a Thesaurus of synonyms in any order.
func NewThesaurus(synonyms []Synonym) *Thesaurus {
	d := &Thesaurus{latin: make(map[string]string)}
	d.synonyms = slices.SortedFunc(slices.Values(synonyms), func(a, b Synonym) int {
		return cmp.Or(cmp.Compare(len(b.Term), len(a.Term)), cmp.Compare(a.Term, b.Term))
	})
	for _, s := range d.synonyms {
		for _, text := range []string{s.Term, s.Word} {
			t := new(Set)
			t.latin(Runs(text))
			for _, spelled := range t.Terms {
				d.latin[spelled] = s.Word
			}
		}
	}
	return d
}

// latin adds how a whole text is written in Latin letters.
func (t *Set) latin(all []Run) {
	whole := []string{""}
	for _, u := range unitsOf(all) {
		whole = joined(whole, u.readings, fewReadings)
	}
	for _, w := range whole {
		t.Add(w)
	}
}

// Plain is a text with each synonym's term as its word. Where somebody asks, a
// word in Latin letters that is a synonym is its word, too.
func (d *Thesaurus) Plain(all []Run, asked bool) []Run {
	out := make([]Run, 0, len(all))
	for _, r := range all {
		if word, ok := d.latin[r.Text]; ok && asked && !r.Han {
			r = Run{word, true}
		}
		if r.Han {
			r.Text = d.replaced(r.Text)
		}
		out = append(out, r)
	}
	return out
}

// replaced is a text of Han characters with words for terms, from its beginning
// on, the longest term first.
func (d *Thesaurus) replaced(text string) string {
	var b strings.Builder
next:
	for text != "" {
		for _, s := range d.synonyms {
			if rest, ok := strings.CutPrefix(text, s.Term); ok {
				b.WriteString(s.Word)
				text = rest
				continue next
			}
		}
		i := 1
		for i < len(text) && text[i]&0xC0 == 0x80 {
			i++
		}
		b.WriteString(text[:i])
		text = text[i:]
	}
	return b.String()
}

// Within are the words of all terms that stand in a text, also of those that
// overlap others.
func (d *Thesaurus) Within(all []Run) []string {
	var out []string
	for _, r := range all {
		for _, s := range d.synonyms {
			if strings.Contains(r.Text, s.Term) && !slices.Contains(out, s.Word) && (r.Han || r.Text == s.Term) {
				out = append(out, s.Word)
			}
		}
	}
	return out
}
