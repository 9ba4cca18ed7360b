// Package strictjson finds what is wrong with a JSON text that a schema does not see.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep a text may be nested.
const MaxDepth = 16

// Flaw is the first thing that is wrong with a text.
type Flaw struct {
	Pointer string // the JSON pointer of its place; "" is the whole
	Keyword string // utf8, json, integer, text, depth or duplicate
}

// Check reads a JSON text as strictly as the contract means it: one value,
// in UTF-8, no name twice in an object, whole numbers only (the API has no
// other), no character that cannot be stored. It returns
// the first place that is not so, or nil.
func Check(body []byte) *Flaw {
	if !utf8.Valid(body) {
		return &Flaw{"", "utf8"}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if f := readValue(d, "", 0); f != nil {
		return f
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &Flaw{"", "json"}
	}
	return nil
}

func readValue(d *json.Decoder, at string, depth int) *Flaw {
	token, err := d.Token()
	if err != nil {
		return &Flaw{at, "json"}
	}
	switch v := token.(type) {
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 64); err != nil {
			return &Flaw{at, "integer"}
		}
	case string:
		if !Storable(v) {
			return &Flaw{at, "text"}
		}
	case json.Delim:
		if depth == MaxDepth {
			return &Flaw{at, "depth"}
		}
		if v == '{' {
			return readObject(d, at, depth+1)
		}
		return readArray(d, at, depth+1)
	}
	return nil
}

func readObject(d *json.Decoder, at string, depth int) *Flaw {
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return &Flaw{at, "json"}
		}
		here := at + "/" + Escape(name)
		switch {
		case !Storable(name):
			return &Flaw{at, "text"}
		case seen[name]:
			return &Flaw{here, "duplicate"}
		}
		seen[name] = true
		if f := readValue(d, here, depth); f != nil {
			return f
		}
	}
	return closing(d, at)
}

func readArray(d *json.Decoder, at string, depth int) *Flaw {
	for i := 0; d.More(); i++ {
		if f := readValue(d, at+"/"+strconv.Itoa(i), depth); f != nil {
			return f
		}
	}
	return closing(d, at)
}

func closing(d *json.Decoder, at string) *Flaw {
	if _, err := d.Token(); err != nil {
		return &Flaw{at, "json"}
	}
	return nil
}

// Storable reports whether a text can be kept as it is: PostgreSQL has no NUL,
// and U+FFFD is what half a surrogate pair has become by now.
func Storable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsAny(s, "\x00\ufffd")
}

// Escape writes a name as a part of a JSON pointer (RFC 6901 §3).
func Escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
