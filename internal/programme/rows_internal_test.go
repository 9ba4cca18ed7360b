package programme

import (
	"testing"

	"github.com/shiyi-market/shiyi/internal/pgtest"
)

func TestRowsAreWhatTheirTablesHold(t *testing.T) {
	t.Parallel()
	pgtest.Columns(t, pgtest.New(t), kindRow{}, row{}, milestoneRow{}, otherRow{}, shareRow{}, withdrawalRow{}, changeRow{})
}
