package file

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/pgtest"
)

// TestBothStoresKeepWhatTheyAreGiven holds the folder and the bucket to the same.
func TestBothStoresKeepWhatTheyAreGiven(t *testing.T) {
	t.Parallel()
	local, err := openFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&cloud{objects: map[string][]byte{}})
	t.Cleanup(server.Close)
	remote, err := openBucket(S3{Endpoint: strings.TrimPrefix(server.URL, "http://"), Bucket: "files", Region: "us-east-1", Key: "key", Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]objects{"folder": local, "bucket": remote} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conforms(t, s)
		})
	}
}

func conforms(t *testing.T, s objects) {
	t.Helper()
	ctx := t.Context()
	one, two := id.New[File](pgtest.Noon).String(), id.New[File](pgtest.Noon).String()+"-320"
	if _, err := s.open(ctx, one); !errors.Is(err, errNoObject) {
		t.Errorf("open what is not there: %v, want %v", err, errNoObject)
	}
	if err := s.remove(ctx, one); err != nil {
		t.Errorf("remove what is not there: %v", err)
	}
	bodies := map[string][]byte{one: []byte("short"), two: bytes.Repeat([]byte("long "), 300_000)}
	for range 2 { // a second time changes nothing
		for name, body := range bodies {
			if err := s.put(ctx, name, body); err != nil {
				t.Fatalf("put: %v", err)
			}
		}
	}
	for name, want := range bodies {
		r, err := s.open(ctx, name)
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes are read (%v), want %d", name, len(got), err, len(want))
		}
	}
	if got, want := listed(t, s), slices.Sorted(maps.Keys(bodies)); !slices.Equal(got, want) {
		t.Errorf("there are %v, want %v", got, want)
	}
	stop := errors.New("enough")
	if err := s.each(ctx, func(string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a visit that fails: %v, want %v", err, stop)
	}
	if err := s.remove(ctx, two); err != nil {
		t.Errorf("remove: %v", err)
	}
	if got := listed(t, s); !slices.Equal(got, []string{one}) {
		t.Errorf("there are %v, want %v", got, one)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.each(gone, func(string) error { return nil }); err == nil {
		t.Error("a listing that nobody waits for goes on")
	}
}

func listed(t *testing.T, s objects) []string {
	t.Helper()
	var all []string
	if err := s.each(t.Context(), func(name string) error {
		all = append(all, name)
		return nil
	}); err != nil {
		t.Fatalf("list: %v", err)
	}
	slices.Sort(all)
	return all
}

// cloud is the part of S3 that we use. It takes no request without a signature.
type cloud struct {
	mu      sync.Mutex
	objects map[string][]byte
}

// ServeHTTP answers as S3 does.
func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	signature := r.Header.Get("Authorization")
	if !strings.HasPrefix(signature, "AWS4-HMAC-SHA256 Credential=key/") || !strings.Contains(signature, "/us-east-1/s3/aws4_request") || !strings.Contains(signature, "Signature=") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch body, known := c.objects[key]; {
	case bucket != "files":
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPut:
		body, err := unsigned(r)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.objects[key] = body
		w.Header().Set("ETag", `"0"`)
	case r.Method == http.MethodDelete:
		delete(c.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case key == "":
		c.list(w)
	case !known:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>")
	default:
		w.Header().Set("ETag", `"0"`)
		w.Header().Set("Last-Modified", pgtest.Noon.Format(http.TimeFormat))
		_, _ = w.Write(body)
	}
}

func (c *cloud) list(w io.Writer) {
	type contents struct{ Key string }
	var out struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Name     string
		Contents []contents
	}
	out.Name = "files"
	for _, key := range slices.Sorted(maps.Keys(c.objects)) {
		out.Contents = append(out.Contents, contents{key})
	}
	_ = xml.NewEncoder(w).Encode(out)
}

// unsigned is the body of a request, also where it comes in signed pieces.
func unsigned(r *http.Request) ([]byte, error) {
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return io.ReadAll(r.Body)
	}
	b := bufio.NewReader(r.Body)
	var out []byte
	for {
		line, err := b.ReadString('\n')
		if err != nil {
			return nil, err
		}
		var n int
		if _, err := fmt.Sscanf(line, "%x;", &n); err != nil || n == 0 {
			return out, err
		}
		piece := make([]byte, n+2)
		if _, err := io.ReadFull(b, piece); err != nil {
			return nil, err
		}
		out = append(out, piece[:n]...)
	}
}
