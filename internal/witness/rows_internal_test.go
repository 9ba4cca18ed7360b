package witness

import (
	"testing"

	"github.com/shiyi-market/shiyi/internal/pgtest"
)

func TestRowsAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	pgtest.Columns(t, pgtest.New(t), row{})
}
