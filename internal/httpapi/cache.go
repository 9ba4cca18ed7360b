package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// maxAnswers bounds how many answers are remembered, and maxHeld how many bytes they
	// and their URLs have together; what goes beyond makes all be forgotten.
	maxAnswers = 4096
	maxHeld    = 32 << 20
	// maxAnswer bounds one of them, in bytes.
	maxAnswer = 256 << 10
	// lateness is how long after its age an answer may still be given while one
	// request fetches the new one, so that a popular page is renewed by one and not by
	// all. What is not known yet, or is older than that, everybody who asks fetches.
	lateness = 2 * time.Second
)

// answer is what everybody gets who asks the same.
type answer struct {
	body    []byte
	etag    string
	made    time.Time
	renewed atomic.Bool // somebody is fetching the next one
}

// answers remembers the answers of operations that the contract marks x-cached,
// for age. Nothing in it is decided upon: a checkout reads prices and stock anew.
type answers struct {
	age     time.Duration
	control []string // Cache-Control
	mu      sync.RWMutex
	byURL   map[string]*answer
	held    int // bytes in byURL
}

func newAnswers(age time.Duration) *answers {
	return &answers{
		age:     age,
		control: []string{fmt.Sprintf("public, max-age=%d", int(age.Seconds()))},
		byURL:   make(map[string]*answer),
	}
}

// fresh is the remembered answer to a URL, or nil: then the caller must make it.
func (a *answers) fresh(url string, now time.Time) *answer {
	if a.age <= 0 {
		return nil
	}
	a.mu.RLock()
	found := a.byURL[url]
	a.mu.RUnlock()
	if found == nil {
		return nil
	}
	switch old := now.Sub(found.made); {
	case old < a.age:
		return found
	case old < a.age+lateness && !found.renewed.CompareAndSwap(false, true):
		return found
	}
	return nil
}

func (a *answers) remember(url string, made *answer) {
	if a.age <= 0 || len(made.body) > maxAnswer {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if old := a.byURL[url]; old != nil {
		a.held -= size(url, old)
	}
	if len(a.byURL) >= maxAnswers || a.held+size(url, made) > maxHeld {
		clear(a.byURL)
		a.held = 0
	}
	a.byURL[url] = made
	a.held += size(url, made)
}

// size is how many bytes an answer and its URL hold; a buffer is kept with the room
// that it grew to.
func size(url string, made *answer) int { return len(url) + cap(made.body) }

// answerFromMemory serves the operations that everybody gets the same answer of:
// from memory if it is young enough, by 304 if the caller has it already.
func (e *edge) answerFromMemory(c *gin.Context) {
	x := exchangeOf(c.Request.Context())
	if x.op == nil || !x.op.cached {
		return
	}
	url, now := c.Request.URL.RequestURI(), e.deps.Clock()
	if known := e.answers.fresh(url, now); known != nil {
		c.Abort()
		e.give(c, known)
		return
	}
	held := &heldWriter{ResponseWriter: c.Writer}
	c.Writer = held
	func() {
		defer func() { c.Writer = held.ResponseWriter }() // also when a handler panics
		c.Next()
	}()
	if held.Status() != http.StatusOK {
		held.pass()
		return
	}
	made := newAnswer(held.body.Bytes(), now)
	e.answers.remember(url, made)
	e.give(c, made)
}

func newAnswer(body []byte, now time.Time) *answer {
	sum := sha256.Sum256(body)
	return &answer{body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, made: now}
}

// give writes an answer, or only says that the caller has it.
func (e *edge) give(c *gin.Context, a *answer) {
	h := c.Writer.Header()
	h["Etag"] = []string{a.etag}
	h["Cache-Control"] = e.answers.control
	if matches(c.Request.Header.Get("If-None-Match"), a.etag) {
		h.Del("Content-Type")
		c.Writer.WriteHeader(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	h["Content-Type"] = []string{"application/json"}
	c.Writer.WriteHeader(http.StatusOK)
	_, _ = c.Writer.Write(a.body) // the caller may have left
}

// matches reports whether an If-None-Match names the tag (RFC 9110 §13.1.2).
func matches(header, etag string) bool {
	if header == "" {
		return false
	}
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
			return true
		}
	}
	return false
}

// heldWriter keeps an answer back until it is known whole.
type heldWriter struct {
	gin.ResponseWriter
	status int
	body   bytes.Buffer
}

// Write keeps b back.
func (w *heldWriter) Write(b []byte) (int, error) { return w.body.Write(b) }

// WriteString keeps s back.
func (w *heldWriter) WriteString(s string) (int, error) { return w.body.WriteString(s) }

// WriteHeader keeps the status back.
func (w *heldWriter) WriteHeader(status int) { w.status = status }

// WriteHeaderNow does nothing yet.
func (w *heldWriter) WriteHeaderNow() {}

// Status is the status kept back.
func (w *heldWriter) Status() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// Size is the number of bytes kept back.
func (w *heldWriter) Size() int { return w.body.Len() }

// Written reports whether there is anything to send.
func (w *heldWriter) Written() bool { return w.status != 0 || w.body.Len() > 0 }

// pass sends what was kept back, as it is.
func (w *heldWriter) pass() {
	w.ResponseWriter.WriteHeader(w.Status())
	_, _ = w.ResponseWriter.Write(w.body.Bytes()) // the caller may have left
}
