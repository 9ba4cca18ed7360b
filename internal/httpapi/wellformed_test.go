package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/internal/httpapi"
)

func TestWellFormedFindsWhatASchemaDoesNotSee(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, pointer, keyword string }{
		{"two of a name", `{"a":1,"b":{"c":1,"c":2}}`, "/b/c", "duplicate"},
		{"a fraction", `{"a":[1,2.5]}`, "/a/1", "integer"},
		{"an exponent", `{"a":1e3}`, "/a", "integer"},
		{"a number of 400 digits", `{"a":` + strings.Repeat("9", 400) + `}`, "/a", "integer"},
		{"one beyond 64 bits", `{"a":9223372036854775808}`, "/a", "integer"},
		{"broken UTF-8", "{\"a\":\"\xff\"}", "", "utf8"},
		{"NUL", `{"a":"x\u0000"}`, "/a", "text"},
		{"half a surrogate pair", `{"a":"\ud800"}`, "/a", "text"},
		{"NUL in a name", `{"\u0000":1}`, "", "text"},
		{"nested too deep", strings.Repeat("[", 17) + strings.Repeat("]", 17), strings.Repeat("/0", 16), "depth"},
		{"ends early", `{"a":`, "/a", "json"},
		{"an open object", `{"a":1`, "", "json"},
		{"two values", `{} {}`, "", "json"},
		{"nothing", ``, "", "json"},
		{"a slash in a name", `{"a/b~c":1.5}`, "/a~1b~0c", "integer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pointer, keyword, ok := httpapi.WellFormed([]byte(tt.body))
			if ok || pointer != tt.pointer || keyword != tt.keyword {
				t.Errorf("flaw at %q: %q (ok %v), want %q: %q", pointer, keyword, ok, tt.pointer, tt.keyword)
			}
		})
	}
}

func FuzzWellFormed(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":"c"}],"d":null}`, `{"a":1,"a":2}`, `[[[[1.5]]]]`, "\"\\ud800\"", `{"ü":true}`, ` 12 `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, _, ok := httpapi.WellFormed(body); ok && !json.Valid(body) {
			t.Errorf("%q is taken and is no JSON", body)
		}
	})
}

func TestEnglishIsSpokenToWhoPrefersIt(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"": false, "en": true, "en-GB,en;q=0.9": true, "zh-CN,zh;q=0.9,en;q=0.8": false, "en;q=0.5,zh;q=0.7": false,
		"de,en;q=0.3": true, "fr": false, "zh;q=0,en;q=0.1": true, "en;q=broken": true, strings.Repeat("en,", 100): false,
	} {
		if got := httpapi.PrefersEnglish(accept); got != want {
			t.Errorf("%q prefers English: %v, want %v", accept, got, want)
		}
	}
}
