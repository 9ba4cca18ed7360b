package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep a body may be nested.
const maxDepth = 16

// wellFormed reads a JSON text as strictly as the contract means it: one value,
// in UTF-8, no name twice in an object, whole numbers only (the API has no
// other), no character that cannot be stored. It returns
// the first place that is not so, or nil.
func wellFormed(body []byte) *place {
	if !utf8.Valid(body) {
		return &place{"", "utf8", ""}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if f := readValue(d, "", 0); f != nil {
		return f
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &place{"", "json", ""}
	}
	return nil
}

func readValue(d *json.Decoder, at string, depth int) *place {
	token, err := d.Token()
	if err != nil {
		return &place{at, "json", ""}
	}
	switch v := token.(type) {
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 64); err != nil {
			return &place{at, "integer", ""}
		}
	case string:
		if !storable(v) {
			return &place{at, "text", ""}
		}
	case json.Delim:
		if depth == maxDepth {
			return &place{at, "depth", ""}
		}
		if v == '{' {
			return readObject(d, at, depth+1)
		}
		return readArray(d, at, depth+1)
	}
	return nil
}

func readObject(d *json.Decoder, at string, depth int) *place {
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return &place{at, "json", ""}
		}
		here := at + "/" + escapePointer(name)
		switch {
		case !storable(name):
			return &place{at, "text", ""}
		case seen[name]:
			return &place{here, "duplicate", ""}
		}
		seen[name] = true
		if f := readValue(d, here, depth); f != nil {
			return f
		}
	}
	return closing(d, at)
}

func readArray(d *json.Decoder, at string, depth int) *place {
	for i := 0; d.More(); i++ {
		if f := readValue(d, at+"/"+strconv.Itoa(i), depth); f != nil {
			return f
		}
	}
	return closing(d, at)
}

func closing(d *json.Decoder, at string) *place {
	if _, err := d.Token(); err != nil {
		return &place{at, "json", ""}
	}
	return nil
}

// storable reports whether a text can be kept as it is: PostgreSQL has no NUL,
// and U+FFFD is what half a surrogate pair has become by now.
func storable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsAny(s, "\x00\ufffd")
}

// escapePointer writes a name as a part of a JSON pointer (RFC 6901 §3).
func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
