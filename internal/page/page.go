// Package page cuts long lists into pages by key, never by offset: a page
// begins after the last row of the one before, however many rows came between.
package page

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/google/uuid"
)

// Sizes of a page, in rows.
const (
	DefaultSize = 20
	MaxSize     = 100
)

// maxKey bounds what a cursor may carry, in bytes.
const maxKey = 200

// ErrCursor says that a cursor was not made by Encode.
var ErrCursor = errors.New("page: not a cursor of ours")

// Request is what a caller asks for: at most Limit rows (0 is DefaultSize)
// after Cursor ("" is the beginning).
type Request struct {
	Cursor string
	Limit  int
}

// Size is the number of rows asked for, between 1 and MaxSize.
func (r Request) Size() int {
	switch {
	case r.Limit <= 0:
		return DefaultSize
	case r.Limit > MaxSize:
		return MaxSize
	}
	return r.Limit
}

// After is the sort key and id of the last row that the caller has seen, or
// ("", uuid.Nil) at the beginning. A cursor not of ours is ErrCursor.
func (r Request) After() (key string, last uuid.UUID, err error) {
	if r.Cursor == "" {
		return "", uuid.Nil, nil
	}
	return Decode(r.Cursor)
}

// Of is one page. Next is the cursor of the following one, "" at the end.
type Of[T any] struct {
	Data []T
	Next string
}

// Encode makes the opaque cursor that stands after a row with this sort key
// and id.
func Encode(key string, last uuid.UUID) string {
	return base64.RawURLEncoding.EncodeToString(append(last[:], key...))
}

// Decode reads a cursor. Anything that Encode did not write is ErrCursor.
func Decode(cursor string) (key string, last uuid.UUID, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// The decoder skips line breaks, even a strict one: what is not what Encode writes is refused.
	if err != nil || strings.ContainsAny(cursor, "\r\n") || len(raw) < len(last) || len(raw) > len(last)+maxKey {
		return "", uuid.Nil, ErrCursor
	}
	key = string(raw[copy(last[:], raw):])
	if strings.ToValidUTF8(key, "") != key || strings.ContainsRune(key, 0) {
		return "", uuid.Nil, ErrCursor
	}
	return key, last, nil
}

// Cut makes a page of at most size rows from rows, which were fetched with one
// more than that to learn whether there is a next page.
func Cut[T any](rows []T, size int, key func(T) (string, uuid.UUID)) Of[T] {
	if len(rows) <= size {
		return Of[T]{Data: rows}
	}
	rows = rows[:size]
	return Of[T]{Data: rows, Next: Encode(key(rows[size-1]))}
}
