package term

import (
	"strings"

	"github.com/mozillazg/go-pinyin"
)

// unit is what is written as one: a Han character with its readings, the most
// likely first, or a word.
type unit struct{ readings, initials []string }

// maxReadings bounds the readings of one character.
const maxReadings = 3

// unitsOf are the units of a text.
func unitsOf(all []Run) []unit {
	var out []unit
	for _, r := range all {
		if !r.Han {
			out = append(out, unit{[]string{r.Text}, []string{r.Text}})
			continue
		}
		for _, c := range r.Text {
			if u := unitOf(c); len(u.readings) > 0 {
				out = append(out, u)
			}
		}
	}
	return out
}

// unitOf is a character without tones; ü is v, as keyboards have it. One that the
// table does not know has no readings.
func unitOf(c rune) unit {
	var u unit
	seen := make(map[string]bool)
	for _, s := range pinyin.SinglePinyin(c, pinyin.Args{Style: pinyin.Normal, Heteronym: true}) {
		s = strings.ReplaceAll(s, "ü", "v")
		if seen[s] || s == "" || len(u.readings) == maxReadings {
			continue
		}
		seen[s] = true
		u.readings = append(u.readings, s)
		if first := s[:1]; !seen["^"+first] {
			seen["^"+first] = true
			u.initials = append(u.initials, first)
		}
	}
	return u
}

// Spelling is a text in pinyin, each character as it is read most often.
func Spelling(all []Run) string {
	var b strings.Builder
	for _, u := range unitsOf(all) {
		b.WriteString(u.readings[0])
	}
	return b.String()
}
