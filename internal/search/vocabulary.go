package search

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/term"
)

// algorithm is the version of how entries are made. Whoever changes that counts
// it up, and all entries are made anew.
const algorithm = 1

// vocabulary is what the shop knows of words.
type vocabulary struct {
	*term.Thesaurus
	categories map[string]origin.Category
	digest     [sha256.Size]byte
}

func newVocabulary(synonyms []term.Synonym, categories []origin.Category) *vocabulary {
	v := &vocabulary{Thesaurus: term.NewThesaurus(synonyms), categories: make(map[string]origin.Category)}
	for _, c := range categories {
		v.categories[c.Code] = c
	}
	js, err := json.Marshal([]any{algorithm, synonyms, categories})
	if err != nil {
		panic(err) // texts can always be written
	}
	v.digest = sha256.Sum256(js)
	return v
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
func (v *vocabulary) shelves(typed []term.Run) []Suggestion {
	var found []origin.Category
	begin := term.Key(typed)
	for _, c := range v.categories {
		zh := term.Runs(c.NameZH)
		if strings.HasPrefix(term.Key(zh), begin) || strings.HasPrefix(term.Spelling(zh), begin) || strings.HasPrefix(term.Key(term.Runs(c.NameEN)), begin) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b origin.Category) int { return cmp.Compare(a.Position, b.Position) })
	out := make([]Suggestion, len(found))
	for i, c := range found {
		out[i] = Suggestion{Text: c.NameZH, Category: c.Code}
	}
	return out
}
