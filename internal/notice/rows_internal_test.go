package notice

import (
	"regexp"
	"slices"
	"testing"

	"github.com/shiyi-market/shiyi/internal/pgtest"
)

func TestRowsAreWhatTheirTablesHold(t *testing.T) {
	t.Parallel()
	pgtest.Columns(t, pgtest.New(t), noticeRow{}, deliveryRow{}, preferenceRow{})
}

// Each text names only parameters that are given, and each parameter stands in the
// body of both languages.
func TestTextsNameTheParametersThatTheirKindsHave(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`\{([^}]*)\}`)
	for k, d := range kinds() {
		if d.topic == "" || !slices.Contains(Topics(), d.topic) {
			t.Errorf("%s is of no topic", k)
		}
		for _, w := range []words{d.zh, d.en} {
			if w.title == "" || w.body == "" {
				t.Errorf("%s lacks a text", k)
			}
			for _, m := range named.FindAllStringSubmatch(w.title+w.body, -1) {
				if !slices.Contains(d.params, m[1]) {
					t.Errorf("%s names {%s}, which it has not", k, m[1])
				}
			}
			for _, p := range d.params {
				if !regexp.MustCompile(`\{` + p + `\}`).MatchString(w.body) {
					t.Errorf("%s does not say {%s} in %q", k, p, w.body)
				}
			}
		}
	}
}
