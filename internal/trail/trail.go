// Package trail writes down who changed what, and why. It is only ever added
// to, in the transaction of the change itself: a change exists if and only if
// its entry does. Buyers' own doings are told by their orders and are not here.
package trail

import (
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
)

// ID names an entry.
type ID = id.Of[Entry]

// Entry is one change.
type Entry struct {
	ID        ID        // given by Note
	At        time.Time // given by Note
	Actor     uuid.UUID // the account that did it; zero is the program itself
	Operation string    // "context.verb": "merchant.suspend"
	Object    string    // "kind:id": "merchant:0195…"
	// Detail is what changed, and the reason that was given. No secrets and
	// nothing about buyers belong here.
	Detail map[string]any
}

// Filter chooses entries; its zero fields choose all.
type Filter struct {
	Actor  uuid.UUID
	Object string
}
