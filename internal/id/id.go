// Package id names things. An id is a UUID whose type says what it is the id
// of, so that passing a merchant's id where an order's is meant does not
// compile. Ids are not secrets: what must not be guessed is random elsewhere.
package id

import (
	"crypto/rand"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Of is the id of a T. Its zero value names nothing.
type Of[T any] struct{ u uuid.UUID }

// New makes a UUIDv7 (RFC 9562 §5.7) for a thing that is made at the given
// time: ids of later things sort later, to the microsecond.
func New[T any](at time.Time) Of[T] {
	var u uuid.UUID
	// crypto/rand.Read never returns an error (it aborts the program instead).
	_, _ = rand.Read(u[8:])
	micros := at.UnixMicro()
	binary.BigEndian.PutUint64(u[:8], uint64(micros/1000)<<16)
	// The 12 bits after the version hold the microseconds, RFC 9562 §6.2 method 3.
	fraction := uint16((micros % 1000) * 4096 / 1000)
	u[6] = 0x70 | byte(fraction>>8)
	u[7] = byte(fraction)
	u[8] = u[8]&0x3f | 0x80
	return Of[T]{u}
}

// FromName is the same id for the same name, always (UUIDv5): for recorded
// things that bring a name of their own.
func FromName[T any](space, name string) Of[T] {
	return Of[T]{uuid.NewSHA1(uuid.NameSpaceURL, []byte("shiyi:"+space+":"+name))}
}

// Parse reads the canonical text of an id, 36 lower- or upper-case characters.
func Parse[T any](s string) (Of[T], error) {
	if len(s) != 36 {
		return Of[T]{}, fmt.Errorf("id: %q is not a UUID", s)
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return Of[T]{}, fmt.Errorf("id: %w", err)
	}
	return Of[T]{u}, nil
}

// From gives a bare UUID its type.
func From[T any](u uuid.UUID) Of[T] { return Of[T]{u} }

// FromNull gives a UUID that may be lacking its type: without one the id names nothing.
func FromNull[T any](u *uuid.UUID) Of[T] {
	if u == nil {
		return Of[T]{}
	}
	return Of[T]{*u}
}

// OrNull is the bare UUID, or nil where the id names nothing.
func (i Of[T]) OrNull() *uuid.UUID {
	if i.IsZero() {
		return nil
	}
	return &i.u
}

// UUID is the bare UUID.
func (i Of[T]) UUID() uuid.UUID { return i.u }

// IsZero reports whether i names nothing.
func (i Of[T]) IsZero() bool { return i.u == uuid.Nil }

// Time is when the named thing was made, to the millisecond, in UTC. It is
// meaningful for ids made by New only.
func (i Of[T]) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(i.u[:8]) >> 16)).UTC()
}

// String is the canonical text.
func (i Of[T]) String() string { return i.u.String() }

// MarshalText writes the canonical text.
func (i Of[T]) MarshalText() ([]byte, error) { return i.u.MarshalText() }

// UnmarshalText reads the canonical text.
func (i *Of[T]) UnmarshalText(text []byte) error {
	parsed, err := Parse[T](string(text))
	if err != nil {
		return err
	}
	*i = parsed
	return nil
}

// Value stores the id as a uuid; the zero id is NULL.
func (i Of[T]) Value() (driver.Value, error) {
	if i.IsZero() {
		return nil, nil
	}
	return i.u.String(), nil
}

// Scan reads a uuid column; NULL gives the zero id.
func (i *Of[T]) Scan(src any) error {
	if src == nil {
		*i = Of[T]{}
		return nil
	}
	return i.u.Scan(src)
}
