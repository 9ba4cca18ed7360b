// Package pdftest reads what package pdf has written, for tests.
package pdftest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"
)

// stream finds the streams of a file: what follows their dictionary.
var stream = regexp.MustCompile(`/Length (\d+)[^>]*>>\s*stream\r?\n`)

// Texts are the texts of a paper in the order in which they were written.
func Texts(tb testing.TB, raw []byte) []string {
	tb.Helper()
	var out []string
	for _, at := range stream.FindAllIndex(raw, -1) {
		z, err := zlib.NewReader(bytes.NewReader(raw[at[1]:]))
		if err != nil {
			continue
		}
		content, _ := io.ReadAll(z)
		if bytes.Contains(content, []byte("BT")) && bytes.Contains(content, []byte("Tj")) {
			out = append(out, shown(content)...)
		}
	}
	return out
}

// shown are the strings before each Tj, which are UTF-16 in parentheses.
func shown(content []byte) []string {
	var out []string
	var one []byte
	inside := false
	for i := 0; i < len(content); i++ {
		switch c := content[i]; {
		case !inside && c == '(':
			inside, one = true, nil
		case !inside && bytes.HasPrefix(content[i:], []byte("Tj")):
			out = append(out, decode(one))
		case !inside:
		case c == '\\' && i+1 < len(content):
			i++
			one = append(one, escaped(content[i]))
		case c == ')':
			inside = false
		default:
			one = append(one, c)
		}
	}
	return out
}

func escaped(c byte) byte {
	if i := strings.IndexByte("nrtbf", c); i >= 0 {
		return "\n\r\t\b\f"[i]
	}
	return c
}

func decode(raw []byte) string {
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(raw[2*i:])
	}
	return string(utf16.Decode(units))
}
