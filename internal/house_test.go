package internal_test

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxContext is how many lines a context may have, tests and generated code
// left out, before it is two contexts.
const maxContext = 1200

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// goFiles calls f with every Go file of ours below the repository's root.
func goFiles(t *testing.T, f func(path string, src []byte)) {
	t.Helper()
	for _, root := range []string{"../cmd", "../internal", "../pkg"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules") {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") {
				return nil
			}
			src, err := os.ReadFile(path)
			if err == nil {
				f(filepath.ToSlash(path), src)
			}
			return err
		})
		if err != nil {
			t.Fatalf("read the code below %s: %v", root, err)
		}
	}
}

func TestAContextStaysSmallEnoughToRead(t *testing.T) {
	t.Parallel()
	lines := make(map[string]int)
	goFiles(t, func(path string, src []byte) {
		if strings.HasSuffix(path, "_test.go") || generated.Match(src) {
			return
		}
		inner, ok := strings.CutPrefix(path, "../internal/")
		if !ok {
			return
		}
		name, _, _ := strings.Cut(inner, "/")
		lines[name] += bytes.Count(src, []byte("\n"))
	})
	for name := range arrows {
		if n := lines[name]; n > maxContext {
			t.Errorf("%s has %d lines, at most %d are one context", name, n, maxContext)
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	docs := make(map[string]string)
	goFiles(t, func(path string, src []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Errorf("%v", err)
			return
		}
		docs[filepath.Dir(path)] += file.Doc.Text()
	})
	for dir, doc := range docs {
		if strings.TrimSpace(doc) == "" {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

// A name in .PHONY without a rule is no error to make: it does nothing, and succeeds.
func TestEveryPhonyTargetHasARule(t *testing.T) {
	t.Parallel()
	makefile := read(t, "Makefile")
	names := regexp.MustCompile(`(?m)^\.PHONY:(.*)$`).FindStringSubmatch(makefile)
	if names == nil {
		t.Fatal("the Makefile names no targets")
	}
	for _, name := range strings.Fields(names[1]) {
		if !regexp.MustCompile(`(?m)^` + name + `:`).MatchString(makefile) {
			t.Errorf("make %s does nothing", name)
		}
	}
}
