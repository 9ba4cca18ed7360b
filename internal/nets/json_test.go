package nets_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"
)

// node is a JSON text before it is written, which may say what no JSON library
// would write: the same name twice, bytes that are no UTF-8, numbers beyond all bounds.
type node struct {
	text    string // of a scalar, as it is written
	array   bool
	object  bool
	members []member
}

// member is an element of an array or of an object.
type member struct {
	name  string // as it is written, with its quotes; "" in an array
	value *node
}

func scalar(text string) *node { return &node{text: text} }

func quoted(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(raw)
}

// nodeOf is a value as encoding/json reads one.
func nodeOf(v any) *node {
	switch v := v.(type) {
	case []any:
		n := &node{array: true}
		for _, one := range v {
			n.members = append(n.members, member{value: nodeOf(one)})
		}
		return n
	case map[string]any:
		n := &node{object: true}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			n.members = append(n.members, member{quoted(name), nodeOf(v[name])})
		}
		return n
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return scalar("null")
	}
	return scalar(string(raw))
}

// write appends the text.
func (n *node) write(b []byte) []byte {
	if !n.array && !n.object {
		return append(b, n.text...)
	}
	open, end := byte('['), byte(']')
	if n.object {
		open, end = '{', '}'
	}
	b = append(b, open)
	for i, m := range n.members {
		if i > 0 {
			b = append(b, ',')
		}
		if n.object {
			b = append(append(b, m.name...), ':')
		}
		b = m.value.write(b)
	}
	return append(b, end)
}

// all are the node and those below it, in the order of the text.
func (n *node) all() []*node {
	out := []*node{n}
	for _, m := range n.members {
		out = append(out, m.value.all()...)
	}
	return out
}

// valid draws a text that keeps the schema. Names that mean something are given
// what is to be found in the shop.
func (f *fuzzer) valid(t *rapid.T, schema *openapi3.Schema, name string) *node {
	if known, ok := f.known(t, name); ok {
		return scalar(quoted(known))
	}
	if len(schema.Enum) > 0 {
		raw, err := json.Marshal(rapid.SampledFrom(schema.Enum).Draw(t, name))
		if err != nil {
			t.Fatalf("enum of %s: %v", name, err)
		}
		return scalar(string(raw))
	}
	switch {
	case schema.Type.Is("object"):
		return f.validObject(t, schema)
	case schema.Type.Is("array"):
		n := &node{array: true}
		most := int(schema.MinItems) + 3
		if schema.MaxItems != nil {
			most = min(most, int(*schema.MaxItems))
		}
		for range rapid.IntRange(int(schema.MinItems), most).Draw(t, name+" items") {
			n.members = append(n.members, member{value: f.valid(t, schema.Items.Value, "")})
		}
		return n
	case schema.Type.Is("boolean"):
		return scalar(strconv.FormatBool(rapid.Bool().Draw(t, name)))
	case schema.Type.Is("integer"):
		least, most := bound(schema.Min, math.MinInt64), bound(schema.Max, math.MaxInt64)
		n := rapid.OneOf(rapid.Int64Range(least, min(most, max(least, 0)+9)), rapid.Int64Range(least, most)).Draw(t, name)
		return scalar(strconv.FormatInt(n, 10))
	case schema.Type.Is("string"):
		return scalar(quoted(validString(t, schema, name)))
	}
	t.Fatalf("the fuzzer writes no %v (property %q): teach fuzzer.valid", schema.Type, name)
	return nil
}

// extend puts a field into an object that the contract does not name there.
func (f *fuzzer) extend(t *rapid.T, object *node) {
	name := rapid.SampledFrom(f.seen).Draw(t, "unknown field")
	value := rapid.SampledFrom([]string{"1", `"paid"`, "true", "null", "[]"}).Draw(t, "its value")
	object.members = append(object.members, member{quoted(name), scalar(value)})
}

func bound(b *float64, otherwise int64) int64 {
	if b == nil {
		return otherwise
	}
	return int64(*b)
}

func (f *fuzzer) validObject(t *rapid.T, schema *openapi3.Schema) *node {
	n := &node{object: true}
	for _, name := range sortedNames(schema) {
		if slices.Contains(schema.Required, name) || rapid.IntRange(0, 2).Draw(t, "has "+name) > 0 {
			n.members = append(n.members, member{quoted(name), f.valid(t, schema.Properties[name].Value, name)})
		}
	}
	return n
}

func sortedNames(schema *openapi3.Schema) []string {
	all := make([]string, 0, len(schema.Properties))
	for name := range schema.Properties {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// validString draws a string of the schema's length and form.
func validString(t *rapid.T, schema *openapi3.Schema, name string) string {
	least, most := int(schema.MinLength), 200
	if schema.MaxLength != nil {
		most = int(*schema.MaxLength)
	}
	fits := func(s string) bool {
		n := len([]rune(s))
		return n >= least && n <= most && !strings.ContainsAny(s, "\x00\ufffd") // which no database keeps
	}
	if schema.Format == "date-time" {
		return rapid.SampledFrom([]string{"1999-12-31T23:59:59Z", "2020-02-29T08:00:00+08:00", "2026-11-20T04:00:00.5Z", "2099-12-31T00:00:00Z"}).Draw(t, name)
	}
	if schema.Format == "date" {
		return rapid.SampledFrom([]string{"1999-12-31", "2020-02-29", "2026-11-23", "2099-12-31"}).Draw(t, name)
	}
	if schema.Pattern != "" {
		return rapid.StringMatching(schema.Pattern).Filter(fits).Draw(t, name)
	}
	letters := rapid.RuneFrom([]rune("abcXYZ019 ,.-'\"\\/<>&%李梅土豆é😀\u200d\u202e"))
	return rapid.StringOfN(letters, least, min(most, least+30), -1).Draw(t, name)
}

// oddities are values that no property wants, as they are written.
var oddities = []string{
	`null`, `true`, `false`, `0`, `-0`, `-1`, `1.5`, `0.1`, `1e3`, `1E+2`, `1e400`, `-1e400`, `1e-400`,
	`2147483648`, `4294967296`, `9007199254740993`, `10000000000001`, `9223372036854775807`, `9223372036854775808`,
	`-9223372036854775808`, `-9223372036854775809`, `18446744073709551616`, `99999999999999999999999999999999999999`,
	`00`, `+1`, `.5`, `1.`, `0x10`, `NaN`, `Infinity`, `-`, `undefined`, `'x'`, ``,
	`""`, `" "`, `"\u0000"`, `"a\u0000b"`, `"\ud800"`, `"\udc00\ud800"`, "\"\xff\xfe\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"a\nb\"", "\"\x01\"",
	`"\ufffd"`, `"\ufeff"`, `"\u202e"`, `"\x41"`, `"unended`, `"1"`, `"NULL"`, `"true"`, `"' OR 1=1 --"`, `"%00"`, `"../../etc/passwd"`,
	`"<script>alert(1)</script>"`, `"{{7*7}}${7*7}"`, `"=1+1"`, `"2026-13-40T25:61:61Z"`, `"00000000-0000-0000-0000-000000000000"`,
	`"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"`, `"ffffffff-ffff-ffff-ffff-ffffffffffff"`,
	`[]`, `{}`, `[null]`, `[[]]`, `[{}]`, `{"":""}`, `{"__proto__":{}}`, `{"a":1,"a":2}`,
}

// odd draws a value that no property wants.
func odd(t *rapid.T) *node {
	switch rapid.IntRange(0, 9).Draw(t, "kind of oddity") {
	case 0:
		depth := rapid.SampledFrom([]int{2, 15, 16, 17, 100, 5000}).Draw(t, "depth")
		return scalar(strings.Repeat("[", depth) + strings.Repeat("]", depth))
	case 1:
		depth := rapid.SampledFrom([]int{2, 15, 16, 17, 100, 5000}).Draw(t, "depth")
		return scalar(strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth))
	case 2:
		letter := rapid.SampledFrom([]string{"a", "麦", "😀", " ", "0", "\\\""}).Draw(t, "letter")
		return scalar(`"` + strings.Repeat(letter, rapid.SampledFrom([]int{65, 129, 255, 501, 3000, 70000}).Draw(t, "length")) + `"`)
	case 3:
		return scalar(strconv.FormatInt(rapid.Int64().Draw(t, "number"), 10))
	case 4:
		return scalar(quoted(rapid.String().Draw(t, "string")))
	}
	return scalar(rapid.SampledFrom(oddities).Draw(t, "oddity"))
}

// spoil changes a text in one way or several, so that it may break the schema,
// and may not.
func (f *fuzzer) spoil(t *rapid.T, root *node) {
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		nodes := root.all()
		at := nodes[rapid.IntRange(0, len(nodes)-1).Draw(t, "where")]
		var objects []*node
		for _, n := range nodes {
			if n.object {
				objects = append(objects, n)
			}
		}
		change := rapid.SampledFrom([]string{"odd", "odd", "odd", "unknown", "unknown", "twice", "without", "wrapped", "renamed"}).Draw(t, "change")
		if len(objects) == 0 || change == "odd" {
			*at = *odd(t)
			continue
		}
		object := objects[rapid.IntRange(0, len(objects)-1).Draw(t, "which object")]
		if change == "unknown" || len(object.members) == 0 {
			f.extend(t, object)
			continue
		}
		i := rapid.IntRange(0, len(object.members)-1).Draw(t, "which member")
		switch change {
		case "twice":
			object.members = append(object.members, object.members[i])
		case "without":
			object.members = slices.Delete(slices.Clone(object.members), i, i+1)
		case "wrapped":
			object.members[i].value = &node{array: true, members: []member{{value: object.members[i].value}}}
		case "renamed":
			object.members[i].name = rapid.SampledFrom([]string{`""`, `"\u0000"`, `"Sku_ID"`, "\"\xff\"", `"lines[0]"`, quoted(strings.Repeat("n", 5000)), `"a/b~c"`}).Draw(t, "name")
		}
	}
}

// mangle changes the bytes of a text.
func mangle(t *rapid.T, body []byte) []byte {
	switch rapid.SampledFrom([]string{"cut", "tail", "bom", "empty", "byte", "twice", "array", "large", "not JSON"}).Draw(t, "bytes") {
	case "cut":
		return body[:rapid.IntRange(0, len(body)).Draw(t, "cut at")]
	case "tail":
		return append(body, rapid.SampledFrom([]string{"{}", "x", "]", "\x00", "//", " \n\t ", "\xff"}).Draw(t, "tail")...)
	case "bom":
		return append([]byte("\xef\xbb\xbf"), body...)
	case "empty":
		return nil
	case "byte":
		if len(body) > 0 {
			body[rapid.IntRange(0, len(body)-1).Draw(t, "byte")] = rapid.Byte().Draw(t, "to")
		}
		return body
	case "twice":
		return append(append([]byte{}, body...), body...)
	case "array":
		return fmt.Appendf(nil, "[%s]", body)
	case "large":
		return append(body, strings.Repeat(" ", 1<<20)...)
	}
	return rapid.SampledFrom([][]byte{[]byte("a=1&b=2"), []byte("<xml/>"), []byte("\x1f\x8b\x08\x00"), []byte("null"), []byte(`""`), []byte("0")}).Draw(t, "not JSON")
}
