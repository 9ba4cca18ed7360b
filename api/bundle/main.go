// Command bundle puts the contract together: openapi.yaml is the parts in
// contract/, in the order of their names. It is run by go generate in api/.
//
// A part holds what it adds under paths and under the kinds of components, and
// the first part also what stands before them. Lines are taken as they are, so
// that the whole is as readable as its parts.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// kinds are the kinds of components, in the order in which the whole has them.
func kinds() []string { return []string{"securitySchemes", "parameters", "responses", "schemas"} }

func main() {
	if err := run("contract", "openapi.yaml"); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(folder, whole string) error {
	parts, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return fmt.Errorf("there are no parts in %s", folder)
	}
	slices.Sort(parts)
	// Whoever edits the whole by hand loses that with the next generation.
	head := []string{"# Put together from api/contract/ by go generate: change the parts."}
	var paths []string
	components := map[string][]string{}
	for _, name := range parts {
		p, err := read(name)
		if err != nil {
			return err
		}
		head = append(head, p.head...)
		paths = append(paths, p.paths...)
		for kind, lines := range p.components {
			components[kind] = append(components[kind], lines...)
		}
	}
	out := append(head, "paths:")
	out = append(out, paths...)
	out = append(out, "components:")
	for _, kind := range kinds() {
		out = append(append(out, "  "+kind+":"), components[kind]...)
	}
	text := strings.Join(out, "\n") + "\n"
	return os.WriteFile(whole, []byte(text), 0o644) //nolint:gosec // it is published
}

// part is one file of the contract, its lines sorted by where they go.
type part struct {
	head, paths []string
	components  map[string][]string
}

func read(name string) (part, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return part{}, err
	}
	p := part{components: map[string][]string{}}
	top, kind := "", ""
	for i, line := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		switch indented := strings.HasPrefix(line, " ") || line == ""; {
		case !indented && (line == "paths:" || line == "components:"):
			top, kind = strings.TrimSuffix(line, ":"), ""
		case top == "":
			p.head = append(p.head, line)
		case !indented:
			return part{}, fmt.Errorf("%s:%d: %q stands behind paths or components", name, i+1, line)
		case top == "paths":
			p.paths = append(p.paths, line)
		case slices.Contains(kinds(), strings.Trim(line, " :")) && strings.HasPrefix(line, "  ") && line[2] != ' ':
			kind = strings.Trim(line, " :")
		case kind != "":
			p.components[kind] = append(p.components[kind], line)
		case line != "":
			return part{}, fmt.Errorf("%s:%d: %q is under no kind of component", name, i+1, line)
		}
	}
	return p, nil
}
