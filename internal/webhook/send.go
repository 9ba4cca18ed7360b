package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Bounds of an attempt. A lease outlives it, so that nobody else begins it anew.
const (
	limit       = 10 * time.Second
	lease       = 30 * time.Second
	readBytes   = 4 << 10
	keptBytes   = 1 << 10
	headerBytes = 16 << 10
	agent       = "Shiyi-Webhooks/1 (+https://github.com/shiyi-market/shiyi)"
)

// answer is what came of an attempt.
type answer struct {
	status     int
	text       string
	retryAfter time.Duration
	// err says in a word what went wrong, as the contract lists them. It does not
	// say what a name stood for: that would be a look into our network.
	err string
}

func (a answer) ok() bool   { return a.status >= 200 && a.status < 300 }
func (a answer) gone() bool { return a.status == http.StatusGone }

// signature is the value of Webhook-Signature: one signature for each secret
// (Standard Webhooks 1.0, symmetric).
func signature(secrets [][]byte, eid EventID, at time.Time, body string) string {
	var all []string
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		_, _ = fmt.Fprintf(mac, "%s.%d.%s", eid, at.Unix(), body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}

// post sends one message. What the endpoint does wrong is in the answer; an error
// is only that ctx ended before one came.
func post(ctx context.Context, via http.RoundTripper, a attempt, at time.Time) (answer, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := http.NewRequestWithContext(limited, http.MethodPost, a.endpoint.URL, strings.NewReader(a.body))
	if err != nil {
		return answer{err: "address"}, nil //nolint:nilerr // an address that was taken once and is none: the endpoint's fault
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", agent)
	r.Header.Set("Webhook-Id", a.event.String())
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("Webhook-Signature", signature(a.endpoint.secrets(at), a.event, at, a.body))
	// A RoundTripper follows no redirects, and keeps no cookies.
	w, err := via.RoundTrip(r)
	if err != nil {
		return answer{err: wordFor(err)}, ctx.Err()
	}
	defer func() { _ = w.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(w.Body, readBytes)) // its status counts, however much of the rest comes
	got := answer{status: w.StatusCode, text: plain(body), retryAfter: retryAfter(w.Header, at)}
	switch {
	case got.ok():
	case got.status >= 300 && got.status < 400:
		got.err = "redirect"
	default:
		got.err = "status"
	}
	return got, nil
}

// wordFor says in a word why no answer came.
func wordFor(err error) string {
	var dns *net.DNSError
	var bad *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.Is(err, errNotPublic):
		return "address"
	case errors.As(err, &dns):
		return "name"
	case errors.As(err, &bad), errors.As(err, &record):
		return "tls"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "connection"
}

// plain is the beginning of a body as text that can be kept and shown.
func plain(body []byte) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(body), ""))
	if len(text) > keptBytes {
		text = strings.ToValidUTF8(text[:keptBytes], "")
	}
	return text
}

// retryAfter reads the header of that name (RFC 9110 §10.2.3), 0 if it says nothing.
func retryAfter(h http.Header, at time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int(maxWait/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil && t.After(at) {
		return t.Sub(at)
	}
	return 0
}

// checkURL refuses an address that nothing is ever sent to. What a name stands for
// is looked at when it is dialled, each time.
func (c Config) checkURL(text string) error {
	refuse := func(why string) error { return ErrURL.At("/url", "url", why) }
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return refuse("an address of at most 500 ASCII characters")
	}
	port := "443"
	switch {
	case u.Scheme == "http" && c.PlainHTTP:
		port = "80"
	case u.Scheme != "https":
		return refuse("https:// only")
	}
	switch {
	case u.User != nil:
		return refuse("no user and no password in the address")
	case u.Hostname() == "" || u.Opaque != "":
		return refuse("a host is needed")
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return refuse("no fragment")
	case u.Port() != "" && u.Port() != port || strings.HasSuffix(u.Host, ":"):
		return refuse("port " + port + " only")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !public(ip) {
		return refuse("public addresses only")
	}
	return nil
}

// errNotPublic says that a name stands for an address that we do not call.
var errNotPublic = errors.New("webhook: not a public address")

// way is how messages leave: no proxy, no redirect, no connection kept, and no
// address that allow does not allow, whatever a name stood for a moment ago:
// it is the address that is being dialled which is looked at. names is nil for the
// system's own.
func way(allow func(netip.AddrPort) bool, names *net.Resolver) *http.Transport {
	dialer := &net.Dialer{
		Timeout: limit, Resolver: names,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !allow(to) {
				return errNotPublic
			}
			return nil
		},
	}
	return &http.Transport{
		DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: limit,
		ResponseHeaderTimeout: limit, MaxResponseHeaderBytes: headerBytes,
	}
}

// allowed is who may be called.
func (c Config) allowed(to netip.AddrPort) bool {
	return (to.Port() == 443 || to.Port() == 80 && c.PlainHTTP) && public(to.Addr())
}

// public reports whether an address is one of the open Internet: none of the
// special-purpose registries (RFC 6890 and the IANA's since), and none that
// carries another address in it, as the mapped, translated and 6to4 ones do.
func public(ip netip.Addr) bool {
	if !ip.IsValid() || ip.Zone() != "" || ip.Is4In6() {
		return false
	}
	good, bad := "0.0.0.0/0", special4()
	if ip.Is6() {
		good, bad = "2000::/3", special6()
	}
	if !netip.MustParsePrefix(good).Contains(ip) {
		return false
	}
	for _, p := range bad {
		if netip.MustParsePrefix(p).Contains(ip) {
			return false
		}
	}
	return true
}

func special4() []string {
	return []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	}
}

// special6 are those within 2000::/3: Teredo and other protocols, documentation,
// 6to4, AS112.
func special6() []string {
	return []string{"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"}
}
