package merchant

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/shiyi-market/shiyi/internal/file"
)

// Licence is a paper by which somebody may trade.
type Licence struct {
	Kind         string    // "SC" (food production), "CCC" (product certification), "TRAVEL" (travel agency), …
	No           string    // 1 to 64 characters
	IssuedOn     Date      // "" is not known
	ExpiresOn    Date      // its last day, through whose end it is valid
	ProductKinds []string  // the kinds of goods that it is for, as listings name them: "PACKAGED_FOOD"; none is not said
	Files        []file.ID // its scans: to be read by the operators alone
}

// Bounds of what a licence says.
const (
	maxProductKinds = 20
	maxScans        = 10
)

// token is a word of the shop's data, such as "PACKAGED_FOOD".
var token = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,39}$`)

// Check is ErrInvalid, with each bad place, for what is no licence.
func (l Licence) Check() error {
	bad := ErrInvalid
	if !text(l.Kind, 1, 32) {
		bad = bad.At("/kind", "length", "1 to 32 characters")
	}
	if CheckLicenceNo(l.Kind, l.No) != nil {
		bad = bad.At("/no", "format", "a number as that kind of licence has it")
	}
	_, noIssue := ParseDate(string(l.IssuedOn))
	switch _, err := ParseDate(string(l.ExpiresOn)); {
	case err != nil:
		bad = bad.At("/expires_on", "date", "the last day is needed")
	case l.IssuedOn != "" && (noIssue != nil || l.IssuedOn > l.ExpiresOn):
		bad = bad.At("/issued_on", "date", "a day, and not after the last")
	}
	if len(l.ProductKinds) > maxProductKinds || slices.ContainsFunc(l.ProductKinds, func(k string) bool { return !token.MatchString(k) }) {
		bad = bad.At("/product_kinds", "format", "at most 20 words in capitals")
	}
	if len(l.Files) > maxScans {
		bad = bad.At("/files", "maxItems", "at most 10 files")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// ValidAt reports whether the licence is in force: through the end of its last day
// in the county.
func (l Licence) ValidAt(at time.Time) bool { return l.ExpiresOn >= DateOf(at) }

// Same reports whether two licences are one paper.
func (l Licence) Same(other Licence) bool {
	return l.Kind == other.Kind && l.No == other.No && l.ExpiresOn == other.ExpiresOn
}

// sortLicences puts the licences by kind, the newest of each first.
func sortLicences(ls []Licence) {
	slices.SortFunc(ls, func(a, b Licence) int {
		if c := strings.Compare(a.Kind, b.Kind); c != 0 {
			return c
		}
		if c := strings.Compare(string(b.ExpiresOn), string(a.ExpiresOn)); c != 0 {
			return c
		}
		return strings.Compare(a.No, b.No)
	})
}

// Holds reports whether this very paper counts for the enterprise already.
func (m Merchant) Holds(l Licence) bool { return slices.ContainsFunc(m.Licences, l.Same) }

// hold gives the enterprise its licences, and says until when they let it sell: of
// each kind the newest counts, and of the kinds the one that ends first.
func (m *Merchant) hold(ls []Licence) {
	sortLicences(ls)
	m.Licences, m.LicensedUntil = ls, ""
	newest := map[string]Date{}
	for _, l := range ls {
		newest[l.Kind] = max(newest[l.Kind], l.ExpiresOn)
	}
	for _, d := range newest {
		if m.LicensedUntil == "" || d < m.LicensedUntil {
			m.LicensedUntil = d
		}
	}
}

// text reports whether s is printable text of so many characters.
func text(s string, least, most int) bool {
	n := utf8.RuneCountInString(strings.TrimSpace(s))
	return n >= least && utf8.RuneCountInString(s) <= most && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' })
}
