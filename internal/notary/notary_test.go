package notary_test

import (
	"os"
	"sync"
	"testing"

	"github.com/shiyi-market/shiyi/internal/notary"
)

// Two processes that start for the first time together must sign with one key: what the second signed
// would be the checkpoints of another log.
func TestTwoFirstStartsAtOnceMakeOneKey(t *testing.T) {
	t.Parallel()
	c := notary.Config{Origin: "shiyi.example/test", Folder: t.TempDir()}
	var keys [8]string
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			s, err := notary.Open(c)
			if err != nil {
				t.Error(err)
			}
			keys[i] = s.VKey
		})
	}
	all.Wait()
	for _, k := range keys {
		if k != keys[0] {
			t.Errorf("keys %q and %q", keys[0], k)
		}
	}
	if left, err := os.ReadDir(c.Folder); err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}
