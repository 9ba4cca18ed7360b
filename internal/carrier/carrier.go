// Package carrier is who carries parcels, and what their tracking numbers look like. It is data,
// and asks no database.
package carrier

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:embed carriers.tsv
var table string

// Carrier carries parcels.
type Carrier struct {
	Code   string // "SF"
	NameZH string
	NameEN string
	Cold   bool // it carries chilled and frozen goods
}

// carriers are the data, read once.
var carriers = sync.OnceValue(func() (all []Carrier) { //nolint:gochecknoglobals // read once, and never changed
	for line := range strings.Lines(table) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 4 {
			all = append(all, Carrier{f[0], f[1], f[2], f[3] == "cold"})
		}
	}
	return all
})

// All are all carriers that there are, in the order in which they are offered.
func All() []Carrier { return slices.Clone(carriers()) }

// Of is the carrier of a code; false: there is none.
func Of(code string) (Carrier, bool) {
	i := slices.IndexFunc(carriers(), func(c Carrier) bool { return c.Code == code })
	if i < 0 {
		return Carrier{}, false
	}
	return carriers()[i], true
}

// number is what the numbers of all carriers look like.
var number = regexp.MustCompile(`^[A-Z0-9-]{6,32}$`)

// Number is a tracking number as it is kept: 6 to 32 capital letters, digits and
// hyphens, at least one digit among them; blanks are left out. False: it is none.
func Number(s string) (string, bool) {
	s = strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	return s, number.MatchString(s) && strings.ContainsAny(s, "0123456789")
}
