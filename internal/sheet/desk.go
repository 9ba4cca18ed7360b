package sheet

import (
	"cmp"
	"context"

	"github.com/shiyi-market/shiyi/internal/fault"
)

// atOnce is how many sheets a desk reads at once: one may need a hundred MiB.
const atOnce = 2

// Desk reads the sheets that people bring, a few at once; who comes then waits.
type Desk chan struct{}

// NewDesk makes a desk.
func NewDesk() Desk { return make(Desk, atOnce) }

// Read reads a sheet within the usual limits, or gives ctx's error when it ends before the
// sheet's turn comes. ErrUnreadable or ErrTooLarge.
func (d Desk) Read(ctx context.Context, f Format, body []byte) (Table, error) {
	select {
	case d <- struct{}{}:
	case <-ctx.Done():
		return Table{}, ctx.Err()
	}
	defer func() { <-d }()
	return Read(body, f, Usual())
}

// Placed is a fault that names the whole body as its place, when it names none.
func Placed(err error) error {
	if f := fault.Of(err); f != nil && len(f.Fields) == 0 {
		return f.At("", "sheet", cmp.Or(f.Detail, f.Title))
	}
	return err
}
