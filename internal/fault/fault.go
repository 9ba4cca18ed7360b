// Package fault is the vocabulary of refusals. A fault is an error that the
// caller may act on: it has a stable code, a kind that decides the HTTP status,
// and a title in Chinese and in English. Every other error is internal and is
// shown to nobody.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Kind says what sort of refusal a fault is.
type Kind int

// The kinds, with the status that the edge answers.
const (
	Invalid         Kind = iota + 1 // 400: the request is malformed
	Unauthenticated                 // 401: who is asking?
	Forbidden                       // 403: known, and not allowed to do such a thing at all
	NotFound                        // 404: no such thing, or not yours to see
	Conflict                        // 409: not in the state that things are in
	Refused                         // 422: understood, and against a rule
	TooMany                         // 429: later
	Unavailable                     // 503: something we need is out of reach
)

// Field is one bad place in the request.
type Field struct {
	Pointer string // JSON pointer (RFC 6901) into the body, or "query:name", "header:name", "path:name"
	Keyword string // the rule that is broken, for programs: "minimum", "required", "stock"
	Message string // the same for people
}

// Error is a fault. The declared ones are package-level variables named Err…;
// errors.Is compares by code, so a copy made by With or At is still the same fault.
type Error struct {
	Kind       Kind
	Code       string // stable, "context.snake_case"
	Title      string // English
	TitleZH    string
	Detail     string // about this occurrence; English
	Fields     []Field
	RetryAfter time.Duration // 0: not said
}

// New declares a fault.
func New(kind Kind, code, title, titleZH string) *Error {
	return &Error{Kind: kind, Code: code, Title: title, TitleZH: titleZH}
}

// Error is the code and the detail.
func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Code + ": " + e.Title
	}
	return e.Code + ": " + e.Detail
}

// Is reports whether target is the same fault: one with the same code.
func (e *Error) Is(target error) bool {
	var other *Error
	return errors.As(target, &other) && other.Code == e.Code
}

// With is a copy that says what happened this time.
func (e *Error) With(format string, args ...any) *Error {
	c := *e
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// At is a copy that names one more bad place of the request.
func (e *Error) At(pointer, keyword, message string) *Error {
	c := *e
	c.Fields = append(slices.Clone(e.Fields), Field{pointer, keyword, message})
	return &c
}

// All is At for each of the fields.
func (e *Error) All(fields []Field) *Error {
	for _, f := range fields {
		e = e.At(f.Pointer, f.Keyword, f.Message)
	}
	return e
}

// OrNil is nil for a fault that names no field: for checks that collect them.
func (e *Error) OrNil() error {
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}

// After is a copy that says when it is worth trying again.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Of is the fault in err's chain, or nil when err is none.
func Of(err error) *Error {
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	return nil
}
