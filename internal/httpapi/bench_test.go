package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/httpapi"
)

// BenchmarkPublicReads is what one request for a public page costs the edge, without
// a network: from memory, as 304, and made anew.
func BenchmarkPublicReads(b *testing.B) {
	for name, c := range map[string]struct {
		age   time.Duration
		known bool
	}{"remembered": {age: time.Hour}, "known": {age: time.Hour, known: true}, "made anew": {}} {
		b.Run(name, func(b *testing.B) {
			s := newShop(b, options{cfg: httpapi.Config{PublicAge: c.age}})
			request := func() *http.Request {
				return httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/products?limit=20", nil)
			}
			first := httptest.NewRecorder()
			s.ServeHTTP(first, request())
			b.ReportAllocs()
			for b.Loop() {
				r := request()
				if c.known {
					r.Header.Set("If-None-Match", first.Header().Get("Etag"))
				}
				s.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
