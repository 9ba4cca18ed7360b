// Package search finds goods by words, in Chinese, in pinyin and by initials. It
// keeps a row for each product, made out of what the catalogue and the register of
// enterprises say; nothing is decided by it. How it ranks is said in docs/search.md.
package search

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/term"
)

// Faults of a search.
var (
	// ErrNoWords says that there is no letter, no digit and no character to look for.
	ErrNoWords = fault.New(fault.Invalid, "search.no_words", "There is nothing to look for", "请输入要搜索的文字")
	// ErrTooMuch says that a question is longer than MaxQuery, or has more than MaxWords words.
	ErrTooMuch = fault.New(fault.Invalid, "search.too_much", "The question is too long", "搜索内容过长")
)

// Bounds of a question.
const (
	MaxQuery   = 120 // characters
	MaxWords   = 8
	maxApart   = 4  // words that may stand in different places; each doubles what the index is asked
	maxVillage = 60 // characters

	nameKeySize = 48 // characters of a name that decide the first two ranks
)

// Marks before terms that do not stand in a name. No text has them, or a colon.
const (
	elsewhere  = "~"
	inCategory = "c:"
	ofMerchant = "m:"
	inVillage  = "v:"
	inBucket   = "b"
)

// Query is what somebody looks for; its zero fields ask for nothing. All that it
// says must be so.
type Query struct {
	Words    string // in Chinese, pinyin, initials or Latin letters, parted by spaces
	Category string // a category's code
	Merchant merchant.ID
	Village  string // part of the enterprise's township or village, or of the goods' origin
	InStock  bool   // some pieces can be ordered; may be minutes old
	Claimed  bool   // with a price claim that is in force
}

// Suggestion is what the box offers to somebody who types.
type Suggestion struct {
	Text     string
	Category string // the code, where the suggestion is a category
}

// question is a Query made ready: what the index is asked.
type question struct {
	column   string     // of the key that the first two ranks are decided by
	key      string     // "" when no name can begin so
	words    [][]string // of each word, the terms that must all be there
	filters  []string   // terms that must be there beside, the village's among them
	village  []string
	category string
	merchant merchant.ID
	inStock  bool
	claimed  bool
}

// ready reads a Query. ErrNoWords, ErrTooMuch, or catalog.ErrCategory.
func (v *vocabulary) ready(q Query) (question, error) {
	if utf8.RuneCountInString(q.Words) > MaxQuery || utf8.RuneCountInString(q.Village) > maxVillage {
		return question{}, ErrTooMuch.At("query:q", "maxLength", "at most 120 characters")
	}
	all := v.Plain(term.Runs(q.Words), true)
	if len(all) == 0 {
		return question{}, ErrNoWords.At("query:q", "words", "at least one letter, digit or character")
	}
	out := question{column: "pinyin_key", key: term.Key(all), inStock: q.InStock, claimed: q.Claimed}
	seen := make(map[string]bool)
	for _, r := range all {
		if r.Han {
			out.column = "name_key"
		}
		if seen[r.Text] {
			continue
		}
		if seen[r.Text] = true; len(seen) <= maxApart {
			out.words = append(out.words, r.Pieces())
		} else {
			out.words[maxApart-1] = append(out.words[maxApart-1], r.Pieces()...)
		}
	}
	if len(seen) > MaxWords {
		return question{}, ErrTooMuch.At("query:q", "words", "at most 8 words")
	}
	if utf8.RuneCountInString(out.key) > nameKeySize {
		out.key = "" // what keys are cut to does not tell whether a name is it
	}
	return out, out.narrow(q)
}

// narrow adds the filters.
func (s *question) narrow(q Query) error {
	if q.Category != "" {
		if len(q.Category) > 32 || !utf8.ValidString(q.Category) || strings.ContainsRune(q.Category, 0) {
			return catalog.ErrCategory.At("query:category", "length", "at most 32 characters")
		}
		s.category, s.filters = q.Category, append(s.filters, inCategory+q.Category)
	}
	if !q.Merchant.IsZero() {
		s.merchant, s.filters = q.Merchant, append(s.filters, ofMerchant+q.Merchant.String())
	}
	if strings.TrimSpace(q.Village) != "" {
		village := term.Runs(q.Village)
		if len(village) == 0 {
			return ErrNoWords.At("query:village", "words", "at least one letter, digit or character")
		}
		for _, r := range village {
			for _, p := range r.Pieces() {
				s.village = append(s.village, inVillage+p)
			}
		}
		s.filters = append(s.filters, s.village...)
	}
	return nil
}

// entry is what a product is found by, under the names of its columns.
type entry struct {
	Merchant  uuid.UUID `json:"merchant_id"`
	Product   uuid.UUID `json:"product_id"`
	Lot       int64     `json:"lot"`
	Category  string    `json:"category_code"`
	NameKey   string    `json:"name_key"`
	PinyinKey string    `json:"pinyin_key"`
	Terms     []string  `json:"terms"`
	Listed    bool      `json:"listed"`
	InStock   bool      `json:"in_stock"`
	Source    int64     `json:"source"`
}

// entryOf makes a product's entry. The place is its enterprise's.
func (v *vocabulary) entryOf(p catalog.Product, place string, inStock bool) entry {
	own := term.Runs(p.Name)
	name := v.Plain(own, false)
	t := new(term.Set)
	t.Add(inCategory + p.Category)
	t.Add(ofMerchant + p.Merchant.String())
	for level := range 3 {
		t.Add(bucketTerm(level, bucketOf(level, lotOf(p.ID.UUID()))))
	}
	t.Mark = inVillage
	for _, text := range []string{place, p.Origin} {
		t.Text(term.Runs(text), false)
	}
	v.addElsewhere(t, p, place)
	t.Mark = ""
	named := [][]term.Run{name}
	if term.Key(own) != term.Key(name) {
		named = append(named, own)
	}
	for _, word := range v.Within(own) {
		named = append(named, term.Runs(word))
	}
	for _, text := range named {
		t.Text(text, false)
	}
	for _, text := range named { // last: of a very long name it is spellings that are left out
		t.Spelled(text)
	}
	return entry{
		Merchant: p.Merchant.UUID(), Product: p.ID.UUID(), Lot: lotOf(p.ID.UUID()), Category: p.Category, Listed: p.State == catalog.OnSale, InStock: inStock,
		NameKey: cut(term.Key(name), nameKeySize), PinyinKey: cut(term.Spelling(name), nameKeySize), Terms: t.Terms, Source: v.source(p, place),
	}
}

// addElsewhere adds what stands beside the name.
func (v *vocabulary) addElsewhere(t *term.Set, p catalog.Product, place string) {
	t.Mark = elsewhere
	shelf := v.categories[p.Category]
	for _, text := range []string{p.Brand, p.MerchantName, shelf.NameZH} {
		r := v.Plain(term.Runs(text), false)
		t.Text(r, false)
		t.Spelled(r)
	}
	t.Text(term.Runs(shelf.NameEN+" "+p.Spec), false)
	for _, text := range []string{place, p.Origin, p.Certifications} {
		t.Text(term.Runs(text), true)
	}
}

// cut is the first n characters of a text.
func cut(text string, n int) string {
	all := []rune(text)
	return string(all[:min(n, len(all))])
}

// lotOf is the lot that a product draws once and for all. It decides between
// goods of one rank: neither an early alphabet nor an early listing is an
// advantage.
func lotOf(product uuid.UUID) int64 {
	sum := sha256.Sum256(product[:])
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

// shift is how many bits of a lot do not matter at a level: the lots are parted
// into 512 buckets, 64, 8, and one that holds all.
func shift(level int) int { return [...]int{54, 57, 60, 63}[level] }

// bucketOf is the bucket of a lot at a level: the higher, the later.
func bucketOf(level int, lot int64) int64 { return lot >> shift(level) }

// bucketTerm is what is in the entries of a bucket, "" for the one of all.
func bucketTerm(level int, bucket int64) string {
	if shift(level) == 63 {
		return ""
	}
	return fmt.Sprintf("%s%d:%d", inBucket, 63-shift(level), bucket)
}
