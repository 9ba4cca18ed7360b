package listing

import (
	"embed"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
)

//go:embed data
var files embed.FS

// Kind is a kind of goods and what a listing of it must say. Kinds are data.
type Kind struct {
	Code        string // "PACKAGED_FOOD"
	NameZH      string
	NameEN      string
	Licence     string   // the kind of licence that the enterprise must hold; "" is none
	Certificate string   // what ConformityDoc must name; "" is nothing
	ColdChain   string   // how it must be kept; "" is anyhow
	Required    []string // the fields that may not be empty, as the API calls them
}

// Unit is a legal unit of measure, or one by which goods are counted.
type Unit struct {
	Code     string // "kg", "袋"
	NameZH   string
	NameEN   string
	Measures string // "mass", "volume" or "count"
	Base     int64  // how many g, mL or pieces it is
}

// VATClass is how a sale is taxed.
type VATClass struct {
	Code    string
	Percent int // 0 is exempt
	NameZH  string
	NameEN  string
}

// Zone is where goods are shipped to.
type Zone struct {
	Code   string
	NameZH string
	NameEN string
}

// tables are the data, read once.
var tables = sync.OnceValue(func() (t struct { //nolint:gochecknoglobals // read once, and never changed
	kinds []Kind
	units []Unit
	vat   []VATClass
	zones []Zone
},
) {
	none := func(s string) string { return strings.TrimPrefix(s, "-") }
	for f := range rows("kinds.tsv", 7) {
		t.kinds = append(t.kinds, Kind{f[0], f[1], f[2], none(f[3]), none(f[4]), none(f[5]), strings.Split(f[6], ";")})
	}
	for f := range rows("units.tsv", 5) {
		t.units = append(t.units, Unit{f[0], f[1], f[2], f[3], int64(number(f[4]))})
	}
	for f := range rows("vat.tsv", 4) {
		t.vat = append(t.vat, VATClass{f[0], number(f[1]), f[2], f[3]})
	}
	for f := range rows("zones.tsv", 3) {
		t.zones = append(t.zones, Zone{f[0], f[1], f[2]})
	}
	return t
})

// Kinds are all kinds of goods, in their order. Nobody writes into what this and
// the next three return.
func Kinds() []Kind { return tables().kinds }

// Units are all units, those of measure first.
func Units() []Unit { return tables().units }

// VATClasses are all VAT classes.
func VATClasses() []VATClass { return tables().vat }

// Zones are all zones.
func Zones() []Zone { return tables().zones }

// KindOf is the kind of that code.
func KindOf(code string) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Code == code {
			return k, true
		}
	}
	return Kind{}, false
}

// rows are the lines of an embedded table, comments left out. A table that is not
// what it should be does not pass the tests, so it panics.
func rows(name string, columns int) iter.Seq[[]string] {
	raw, err := files.ReadFile("data/" + name)
	if err != nil {
		panic(err)
	}
	return func(yield func([]string) bool) {
		for line := range lines(string(raw)) {
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			fields := strings.Split(line, "\t")
			if len(fields) != columns {
				panic(fmt.Sprintf("listing: %s: %d fields in %q, want %d", name, len(fields), line, columns))
			}
			if !yield(fields) {
				return
			}
		}
	}
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func lines(s string) iter.Seq[string] { return strings.SplitSeq(s, "\n") }

func contains(s, part string) bool { return strings.Contains(s, part) }
