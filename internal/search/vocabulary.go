package search

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"

	"github.com/shiyi-market/shiyi/internal/catalog"
)

// algorithm is the version of how entries are made. Whoever changes that counts
// it up, and all entries are made anew.
const algorithm = 1

// synonym is a term that means the same as a word.
type synonym struct{ Word, Term string }

// vocabulary is what the shop knows of words.
type vocabulary struct {
	synonyms   []synonym         // the longest terms first
	latin      map[string]string // pinyin or Latin letters → the word
	categories map[string]catalog.Category
	digest     [sha256.Size]byte
}

func newVocabulary(synonyms []synonym, categories []catalog.Category) *vocabulary {
	v := &vocabulary{latin: make(map[string]string), categories: make(map[string]catalog.Category)}
	v.synonyms = slices.SortedFunc(slices.Values(synonyms), func(a, b synonym) int {
		return cmp.Or(cmp.Compare(len(b.Term), len(a.Term)), cmp.Compare(a.Term, b.Term))
	})
	for _, s := range v.synonyms {
		for _, text := range []string{s.Term, s.Word} {
			for _, spelled := range latin(runs(text)) {
				v.latin[spelled] = s.Word
			}
		}
	}
	for _, c := range categories {
		v.categories[c.Code] = c
	}
	js, err := json.Marshal([]any{algorithm, v.synonyms, categories})
	if err != nil {
		panic(err) // texts can always be written
	}
	v.digest = sha256.Sum256(js)
	return v
}

// latin is how a whole text may be written in Latin letters.
func latin(all []run) []string {
	whole := []string{""}
	for _, u := range unitsOf(all) {
		whole = joined(whole, u.readings, fewReadings)
	}
	return whole
}

// plain is a text with each synonym's term as its word. Where somebody asks, a
// word in Latin letters that is a synonym is its word, too.
func (v *vocabulary) plain(all []run, asked bool) []run {
	out := make([]run, 0, len(all))
	for _, r := range all {
		if word, ok := v.latin[r.text]; ok && asked && !r.han {
			r = run{word, true}
		}
		if r.han {
			r.text = v.replaced(r.text)
		}
		out = append(out, r)
	}
	return out
}

// replaced is a text of Han characters with words for terms, from its beginning
// on, the longest term first.
func (v *vocabulary) replaced(text string) string {
	var b strings.Builder
next:
	for text != "" {
		for _, s := range v.synonyms {
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

// within are the words of all terms that stand in a text, also of those that
// overlap others.
func (v *vocabulary) within(all []run) []string {
	var out []string
	for _, r := range all {
		for _, s := range v.synonyms {
			if strings.Contains(r.text, s.Term) && !slices.Contains(out, s.Word) && (r.han || r.text == s.Term) {
				out = append(out, s.Word)
			}
		}
	}
	return out
}

// source is a digest of all that a product's entry is made from.
func (v *vocabulary) source(p catalog.Product, place string) int64 {
	js, err := json.Marshal([]any{v.digest, p.Name, p.Brand, p.Spec, p.Category, p.MerchantName, p.Origin, p.Certifications, place, p.State == catalog.OnSale})
	if err != nil {
		panic(err) // texts can always be written
	}
	sum := sha256.Sum256(js)
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

// shelves are the categories whose names begin so, by their position.
func (v *vocabulary) shelves(typed []run) []Suggestion {
	var found []catalog.Category
	begin := key(typed)
	for _, c := range v.categories {
		zh := runs(c.NameZH)
		if strings.HasPrefix(key(zh), begin) || strings.HasPrefix(spelling(zh), begin) || strings.HasPrefix(key(runs(c.NameEN)), begin) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b catalog.Category) int { return cmp.Compare(a.Position, b.Position) })
	out := make([]Suggestion, len(found))
	for i, c := range found {
		out[i] = Suggestion{Text: c.NameZH, Category: c.Code}
	}
	return out
}
