package carriage

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/shiyi-market/shiyi/internal/listing"
)

//go:embed data
var files embed.FS

// Region is some provinces that shipping to costs the same. Regions are data.
type Region struct {
	Code   string // "NORTH"
	NameZH string
	NameEN string
}

// Province is where an address is: a province, an autonomous region or a municipality.
type Province struct {
	Code   string // of GB/T 2260: "11"
	NameZH string // in full, as addresses have it: "北京市"
	NameEN string
	Region string // a Region's code; "" is beyond the customs, where nothing is shipped
}

// Zone is how far some goods are shipped: a set of provinces. Zones are data, and their
// names are those of package listing.
type Zone struct {
	listing.Zone
	Provinces []Province // none: nothing is shipped
}

// tables are the data, read once.
var tables = sync.OnceValue(func() (t struct { //nolint:gochecknoglobals // read once, and never changed
	regions   []Region
	provinces []Province
	zones     []Zone
},
) {
	for _, f := range rows("regions.tsv", 3) {
		t.regions = append(t.regions, Region{f[0], f[1], f[2]})
	}
	for _, f := range rows("provinces.tsv", 4) {
		t.provinces = append(t.provinces, Province{f[0], f[1], f[2], strings.TrimPrefix(f[3], "-")})
	}
	reach := map[string]string{}
	for _, f := range rows("zones.tsv", 2) {
		reach[f[0]] = f[1]
	}
	for _, z := range listing.Zones() {
		zone := Zone{Zone: z}
		for _, p := range t.provinces {
			if reach[z.Code] == "*" && p.Region != "" || slices.Contains(strings.Split(reach[z.Code], ";"), p.Code) {
				zone.Provinces = append(zone.Provinces, p)
			}
		}
		t.zones = append(t.zones, zone)
	}
	return t
})

// Regions are all regions. Nobody writes into what this and the next two return.
func Regions() []Region { return tables().regions }

// Provinces are all provinces that an address can name.
func Provinces() []Province { return tables().provinces }

// Zones are all zones, in the order of package listing.
func Zones() []Zone { return tables().zones }

// rows are the lines of an embedded table, comments left out. A table that is not
// what it should be does not pass the tests, so it panics.
func rows(name string, columns int) (out [][]string) {
	raw, err := files.ReadFile("data/" + name)
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != columns {
			panic(fmt.Sprintf("carriage: %s: %d fields in %q, want %d", name, len(fields), line, columns))
		}
		out = append(out, fields)
	}
	return out
}
