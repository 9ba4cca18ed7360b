package term_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/term"
)

func TestATextIsPartedIntoRunsOfOneKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want []term.Run
	}{
		{"莜面 2.5KG", []term.Run{{Text: "莜面", Han: true}, {Text: "2.5kg"}}},
		{"ＰＯＴＡＴＯ土豆", []term.Run{{Text: "potato"}, {Text: "土豆", Han: true}}},
		{"亚麻（籽）油", []term.Run{{Text: "亚麻", Han: true}, {Text: "籽", Han: true}, {Text: "油", Han: true}}},
		{"lü.", []term.Run{{Text: "lv"}}},
		{"🥔！ %_\x00\xff", nil},
	} {
		if diff := cmp.Diff(c.want, term.Runs(c.text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.text, diff)
		}
	}
}

func TestWhatIsLookedForIsWhatASetHolds(t *testing.T) {
	t.Parallel()
	name := term.Runs("重庆莜面 Led")
	s := new(term.Set)
	s.Text(name, false)
	s.Spelled(name)
	for _, asked := range []string{"重", "重庆莜", "led", "le", "d", "chongqing", "zhongqing", "cqym", "youmian", "miani"} {
		for _, r := range term.Runs(asked) {
			for _, p := range r.Pieces() {
				if got, want := slices.Contains(s.Terms, p), asked != "miani"; got != want {
					t.Errorf("%q of %q is a term: %t, want %t", p, asked, got, want)
				}
			}
		}
	}
	if got := term.Spelling(term.Runs("莜面 2.5L")); got != "youmian2.5l" {
		t.Errorf("spelled %s", got)
	}
}

func TestASetIsBounded(t *testing.T) {
	t.Parallel()
	s := &term.Set{Mark: "~"}
	text := term.Runs(strings.Repeat("重庆长乐莜行朝着参差", 500))
	s.Text(text, false)
	s.Text(text, false)
	s.Add(strings.Repeat("a", 121))
	if len(s.Terms) != 20 { // ten characters, and ten that stand together
		t.Errorf("%d terms: %v", len(s.Terms), s.Terms)
	}
	s.Spelled(term.Runs("重庆长乐莜行朝着参差重庆长乐莜行朝着参差重庆长乐莜行朝着参差"))
	for r := range rune(5000) {
		s.Add(string('一' + r))
	}
	if len(s.Terms) != 3000 {
		t.Errorf("%d terms, want 3000", len(s.Terms))
	}
	for _, term := range s.Terms {
		if !strings.HasPrefix(term, "~") {
			t.Fatalf("%s is not marked", term)
		}
	}
}

func TestTermsThatMeanTheSameAreOneWord(t *testing.T) {
	t.Parallel()
	d := term.NewThesaurus([]term.Synonym{{Word: "亚麻籽油", Term: "胡油"}, {Word: "土豆", Term: "马铃薯"}, {Word: "土豆", Term: "potato"}, {Word: "亚麻籽油", Term: "胡麻油"}})
	for text, want := range map[string]string{
		"马铃薯粉": "土豆粉", "胡麻油": "亚麻籽油", "POTATO": "土豆", "malingshu": "土豆", "tudou": "土豆", "马铃": "马铃",
	} {
		if got := term.Key(d.Plain(term.Runs(text), true)); got != want {
			t.Errorf("%s asked is %s, want %s", text, got, want)
		}
	}
	if got := term.Key(d.Plain(term.Runs("potato"), false)); got != "potato" {
		t.Errorf("a name in Latin letters becomes %s", got)
	}
	if got := d.Within(term.Runs("新马铃薯与胡油")); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"亚麻籽油", "土豆"}) {
		t.Errorf("within: %v", got)
	}
}
