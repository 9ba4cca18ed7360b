package strictjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/internal/strictjson"
)

func TestWhatASchemaDoesNotSeeIsFound(t *testing.T) {
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
			want := strictjson.Flaw{Pointer: tt.pointer, Keyword: tt.keyword}
			if got := strictjson.Check([]byte(tt.body)); got == nil || *got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":"c"}],"d":null}`, `{"a":1,"a":2}`, `[[[[1.5]]]]`, "\"\\ud800\"", `{"ü":true}`, ` 12 `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if strictjson.Check(body) == nil && !json.Valid(body) {
			t.Errorf("%q is taken and is no JSON", body)
		}
	})
}
