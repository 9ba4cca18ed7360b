package correction

import (
	"testing"

	"github.com/shiyi-market/shiyi/internal/pgtest"
)

func TestRowsAreWhatTheirTablesHold(t *testing.T) {
	t.Parallel()
	pgtest.Columns(t, pgtest.New(t), row{})
}
