package httpapi_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// form is a form of pairs of a name and a value; what is called "file" is one, and has
// the name that follows a colon.
func form(t testing.TB, pairs ...string) (body, contentType string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for i := 0; i < len(pairs); i += 2 {
		name, isFile := strings.CutPrefix(pairs[i], "file:")
		if !isFile {
			must(t, w.WriteField(pairs[i], pairs[i+1]))
			continue
		}
		part, err := w.CreateFormFile("file", name)
		must(t, err)
		_, err = io.WriteString(part, pairs[i+1])
		must(t, err)
	}
	must(t, w.Close())
	return out.String(), w.FormDataContentType()
}

// drawing is a small PNG, w pixels wide and three high.
func drawing(t testing.TB, w int) string {
	t.Helper()
	var out bytes.Buffer
	must(t, png.Encode(&out, image.NewRGBA(image.Rect(0, 0, w, 3))))
	return out.String()
}

// wicked are files that conversations upload, by name; the first is a good one.
func wicked(t testing.TB) map[string]string {
	t.Helper()
	good := drawing(t, 4)
	return map[string]string{
		"营业执照.png": good,
		"脚本.svg":   `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`,
		"压缩包.png":  "PK\x03\x04zip",
		"残缺.png":   good[:len(good)/2],
		"带脚本.pdf":  "%PDF-1.7\n1 0 obj\n<< /Type /Catalog /OpenAction << /S /JavaScript /JS (app.alert(1)) >> >>\nendobj\nstartxref\n9\n%%EOF\n",
		"空.png":    "",
	}
}

// upload uploads a form as somebody.
func (s *shop) upload(t testing.TB, who string, pairs ...string) *httptest.ResponseRecorder {
	t.Helper()
	body, kind := form(t, pairs...)
	return s.call(t, http.MethodPost, "/v1/files", s.token(t, who), body, "Content-Type", kind)
}

// uploaded is the id of what was uploaded.
func uploaded(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var f struct{ ID string }
	must(t, json.Unmarshal(w.Body.Bytes(), &f))
	if w.Code != http.StatusCreated || f.ID == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return f.ID
}

func TestAPublicFileIsReadByEverybodyAndKeptForEver(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{})
	fid := uploaded(t, s.upload(t, "li", "private", "false", "file:莜面.png", drawing(t, 4)))
	w := s.call(t, http.MethodGet, "/v1/files/"+fid, "", nil)
	got := map[string]string{}
	for _, name := range []string{
		"Content-Type", "Content-Disposition", "X-Content-Type-Options", "Content-Security-Policy",
		"Cross-Origin-Resource-Policy", "Cache-Control",
	} {
		got[name] = w.Header().Get(name)
	}
	want := map[string]string{
		"Content-Type": "image/png", "Content-Disposition": "inline; filename*=utf-8''%E8%8E%9C%E9%9D%A2.png",
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
		"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "public, max-age=31536000, immutable",
	}
	if diff := cmp.Diff(want, got); diff != "" || w.Code != http.StatusOK {
		t.Errorf("%d (-want +got):\n%s", w.Code, diff)
	}
	again := s.call(t, http.MethodGet, "/v1/files/"+fid, "", nil, "If-None-Match", w.Header().Get("Etag"))
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("who has it is answered %d and %d bytes", again.Code, again.Body.Len())
	}
}

func TestAPrivateFileNeedsItsLinkAndAPDFIsAnAttachment(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{})
	fid := uploaded(t, s.upload(t, "li", "file:执照.pdf", "%PDF-1.7\n%%EOF\n"))
	for _, path := range []string{"/v1/files/" + fid, "/v1/files/" + fid + "?token=" + strings.Repeat("A", 43)} {
		if w := s.call(t, http.MethodGet, path, s.token(t, "li"), nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, w.Code)
		}
	}
	if w := s.call(t, http.MethodPost, "/v1/files/"+fid+"/link", s.token(t, "wang"), nil); w.Code != http.StatusNotFound {
		t.Errorf("another's link: %d, want 404", w.Code)
	}
	var link struct{ Path string }
	must(t, json.Unmarshal(s.call(t, http.MethodPost, "/v1/files/"+fid+"/link", s.token(t, "li"), nil).Body.Bytes(), &link))
	w := s.call(t, http.MethodGet, link.Path, "", nil)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/pdf" ||
		!strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") || w.Header().Get("Cache-Control") != "private, no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	s.Clock.Advance(5 * time.Minute)
	if w := s.call(t, http.MethodGet, link.Path, "", nil); w.Code != http.StatusNotFound {
		t.Errorf("five minutes later: %d, want 404", w.Code)
	}
}

func TestAnUploadThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{})
	good, kind := form(t, "file:a.png", drawing(t, 4))
	large, largeKind := form(t, "file:a.png", drawing(t, 4)+strings.Repeat("x", 11<<20))
	named := func(pairs ...string) [2]string {
		body, kind := form(t, pairs...)
		return [2]string{body, kind}
	}
	for name, c := range map[string]struct {
		form   [2]string
		status int
		code   string
	}{
		"whole":             {[2]string{good, kind}, 201, ""},
		"JSON":              {[2]string{`{}`, "application/json"}, 415, "request.wrong_media_type"},
		"no boundary":       {[2]string{good, "multipart/form-data"}, 415, "request.wrong_media_type"},
		"another boundary":  {[2]string{good, "multipart/form-data; boundary=x"}, 400, "request.invalid"},
		"mixed":             {[2]string{good, strings.Replace(kind, "form-data", "mixed", 1)}, 415, "request.wrong_media_type"},
		"no body":           {[2]string{"", kind}, 400, "request.invalid"},
		"broken off":        {[2]string{good[:len(good)/2], kind}, 400, "request.invalid"},
		"no file":           {named("private", "true"), 400, "request.invalid"},
		"private is no yes": {named("private", "perhaps", "file:a.png", "x"), 400, "request.invalid"},
		"an unknown field":  {named("owner_id", "x", "file:a.png", "x"), 400, "request.invalid"},
		"an empty file":     {named("file:a.png", ""), 422, "file.empty"},
		"a script":          {named("file:a.png", "<script>alert(1)</script>"), 422, "file.unsupported_type"},
		"more than 10 MiB":  {[2]string{large, largeKind}, 413, "file.too_large"},
	} {
		w := s.call(t, http.MethodPost, "/v1/files", s.token(t, "li"), c.form[0], "Content-Type", c.form[1])
		var p struct{ Code string }
		_ = json.Unmarshal(w.Body.Bytes(), &p)
		if w.Code != c.status || p.Code != c.code {
			t.Errorf("%s: %d %q, want %d %q", name, w.Code, p.Code, c.status, c.code)
		}
	}
	// A body whose length nobody says is read no further than a file may be long.
	endless := &counted{r: io.MultiReader(strings.NewReader(large[:1<<20]), zeros{})}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/files", endless)
	r.ContentLength = -1
	r.Header.Set("Content-Type", largeKind)
	r.Header.Set("Authorization", "Bearer "+s.token(t, "li"))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge || endless.n > 11<<20 {
		t.Errorf("an endless body: %d after %d bytes", w.Code, endless.n)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
