package internal_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// papers are the paths of all documents, below the repository's root.
func papers(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{"../docs", "../api"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".md") {
				found = append(found, path)
			}
			return err
		})
		if err != nil {
			t.Fatalf("read the documents: %v", err)
		}
	}
	return found
}

func TestLinksBetweenDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, path := range papers(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), target)); err != nil {
				t.Errorf("%s links to %s: %v", path, m[1], err)
			}
		}
	}
}

func TestDecisionsAreNumberedAndWhole(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../docs/adr/0*.md")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	list := read(t, "docs/adr/README.md")
	for i, path := range files {
		name := filepath.Base(path)
		if want := fmt.Sprintf("%04d-", i+1); !strings.HasPrefix(name, want) {
			t.Errorf("%s: the next number is %s", name, want)
		}
		if !strings.Contains(list, "("+name+")") {
			t.Errorf("%s is not in the list of decisions", name)
		}
		text := read(t, "docs/adr/"+name)
		for _, part := range []string{"\nStatus: ", "\n## Context\n", "\n## Decision\n", "\n## Consequences\n"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s lacks %q", name, strings.TrimSpace(part))
			}
		}
	}
}

// TestGuardsOfTheBookAreThoseOfTheDocument holds docs/ledger.md against the
// schema: a constraint that is renamed is renamed there, too.
func TestGuardsOfTheBookAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	migrations, err := filepath.Glob("../internal/schema/migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var schema strings.Builder
	for _, path := range migrations {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		schema.Write(text)
	}
	_, guards, _ := strings.Cut(read(t, "docs/ledger.md"), "## What guards it")
	for _, m := range regexp.MustCompile("`((?:move|transfer)_[a-z_]+)`").FindAllStringSubmatch(guards, -1) {
		if !strings.Contains(schema.String(), m[1]) {
			t.Errorf("docs/ledger.md names %s, which the schema does not have", m[1])
		}
	}
}
