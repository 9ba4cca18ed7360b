package internal_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestREADMEsNameEverySetting holds the READMEs' tables against the program: each
// setting stands there once, with its default.
func TestREADMEsNameEverySetting(t *testing.T) {
	t.Parallel()
	program := map[string]string{}
	for _, m := range regexp.MustCompile("`env:\"([A-Z0-9_]+)(?:, *default=([^\"]*))?\"`").FindAllStringSubmatch(code(t), -1) {
		program[m[1]] = m[2]
	}
	delete(program, "PATH") // everybody has it; nobody sets it for us
	row := regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)` \\| (.*?) \\|")
	for _, name := range readmes {
		table := map[string]string{}
		for _, m := range row.FindAllStringSubmatch(read(t, name), -1) {
			if _, twice := table[m[1]]; twice {
				t.Errorf("%s names %s twice", name, m[1])
			}
			preset := strings.Trim(m[2], "`")
			if program[m[1]] == "" {
				preset = "" // what holds instead is said in words
			}
			table[m[1]] = preset
		}
		if diff := cmp.Diff(program, table); diff != "" {
			t.Errorf("%s (-program +table):\n%s", name, diff)
		}
	}
}
