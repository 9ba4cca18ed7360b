package page_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/page"
)

func TestCursorsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[a-z0-9肉酒油:.-]{0,40}`).Draw(t, "key")
		last := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		gotKey, gotID, err := page.Decode(page.Encode(key, last))
		if err != nil || gotKey != key || gotID != last {
			t.Fatalf("got %q %v %v, want %q %v", gotKey, gotID, err, key, last)
		}
	})
}

func TestPagesTogetherAreTheList(t *testing.T) {
	t.Parallel()
	type row struct{ id uuid.UUID }
	rapid.Check(t, func(t *rapid.T) {
		n, size := rapid.IntRange(0, 40).Draw(t, "rows"), rapid.IntRange(1, 10).Draw(t, "size")
		all := make([]row, n)
		for i := range all {
			all[i].id[15] = byte(i + 1)
		}
		var seen []row
		cursor := ""
		for {
			_, last, err := page.Request{Cursor: cursor}.After()
			if err != nil {
				t.Fatal(err)
			}
			fetched := all[last[15]:]
			fetched = fetched[:min(len(fetched), size+1)]
			p := page.Cut(fetched, size, func(r row) (string, uuid.UUID) { return "", r.id })
			seen = append(seen, p.Data...)
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		if len(seen) != n {
			t.Fatalf("the pages hold %d rows, want %d", len(seen), n)
		}
	})
}

func TestSizesAreBounded(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{-1: 20, 0: 20, 1: 1, 100: 100, 101: 100} {
		if got := (page.Request{Limit: limit}).Size(); got != want {
			t.Errorf("limit %d: %d rows, want %d", limit, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(page.Encode("k", uuid.Nil))
	f.Add("=")
	f.Add("0000000000\r00000000000A")
	f.Add("0000000000\n00000000000A")
	f.Fuzz(func(t *testing.T, s string) {
		key, last, err := page.Decode(s)
		if err != nil {
			if !errors.Is(err, page.ErrCursor) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if again := page.Encode(key, last); again != s {
			t.Fatalf("%q decodes to what encodes as %q", s, again)
		}
	})
}
