package id_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/id"
)

type thing struct{}

func TestLaterIdsSortLater(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "start"))
		later := start.Add(time.Duration(rapid.Int64Range(1, 1e6).Draw(t, "after")) * time.Microsecond)
		a, b := id.New[thing](start), id.New[thing](later)
		if a.String() >= b.String() {
			t.Fatalf("%v made at %v sorts after %v made at %v", a, start, b, later)
		}
		if u := a.UUID(); u.Version() != 7 || u.Variant() != uuid.RFC4122 {
			t.Fatalf("%v: version %v variant %v", a, u.Version(), u.Variant())
		}
		if got, want := a.Time(), start.UTC().Truncate(time.Millisecond); !got.Equal(want) {
			t.Fatalf("%v was made at %v, want %v", a, got, want)
		}
	})
}

func TestIdsSurviveTextAndDatabase(t *testing.T) {
	t.Parallel()
	want := id.New[thing](time.UnixMilli(1))
	text, err := want.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var fromText, fromValue id.Of[thing]
	if err := fromText.UnmarshalText(text); err != nil || fromText != want {
		t.Errorf("text: %v, %v; want %v", fromText, err, want)
	}
	value, err := want.Value()
	if err != nil {
		t.Fatal(err)
	}
	if err := fromValue.Scan(value); err != nil || fromValue != want {
		t.Errorf("value: %v, %v; want %v", fromValue, err, want)
	}
	if v, err := (id.Of[thing]{}).Value(); v != nil || err != nil {
		t.Errorf("the zero id is stored as %v, %v; want NULL", v, err)
	}
}

func TestNamedIdsAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	first, again := id.FromName[thing]("order", "a"), id.FromName[thing]("order", "a")
	if first != again {
		t.Error("the same name gave two ids")
	}
	if id.FromName[thing]("order", "a") == id.FromName[thing]("sku", "a") {
		t.Error("two spaces gave one id")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0190a2b0-0000-7000-8000-000000000000")
	f.Add("{0190a2b0-0000-7000-8000-00000000000}")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := id.Parse[thing](s)
		if err != nil {
			return
		}
		again, err := id.Parse[thing](got.String())
		if err != nil || again != got {
			t.Fatalf("%q read as %v, which reads as %v, %v", s, got, again, err)
		}
	})
}
