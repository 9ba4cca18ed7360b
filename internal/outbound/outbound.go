// Package outbound is the door through which messages leave for addresses that
// strangers have named: signed in the Standard Webhooks format, to public addresses
// only, and with nothing taken back but the beginning of an answer.
package outbound

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

// Limit is how long the other side has to answer, from the first dial to the last
// byte that is read.
const Limit = 10 * time.Second

// Bounds of an answer, and of what Retry-After can ask for.
const (
	maxWait     = 24 * time.Hour
	maxURL      = 500
	readBytes   = 4 << 10
	keptBytes   = 1 << 10
	headerBytes = 16 << 10
	agent       = "Shiyi-Webhooks/1 (+https://github.com/shiyi-market/shiyi)"
)

// Message is what is sent.
type Message struct {
	URL     string
	ID      string // the same however often it is sent
	Body    string // JSON
	Secrets [][]byte
	At      time.Time
}

// Answer is what came of sending a message.
type Answer struct {
	Status     int           // of HTTP; 0: none came
	Text       string        // at most 1 KiB
	RetryAfter time.Duration // at most a day; 0: not said
	// Err says in a word what went wrong: address, name, connection, tls, timeout,
	// redirect or status; "" when nothing did. It does not say what a name stood for:
	// that would be a look into our network.
	Err string
}

// OK reports whether the message was taken.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// Gone reports whether the other side wants no more of them.
func (a Answer) Gone() bool { return a.Status == http.StatusGone }

// Signature is the value of Webhook-Signature: one signature for each secret
// (Standard Webhooks 1.0, symmetric).
func Signature(secrets [][]byte, messageID string, at time.Time, body string) string {
	var all []string
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		_, _ = fmt.Fprintf(mac, "%s.%d.%s", messageID, at.Unix(), body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}

// Post sends one message by way of via, which Way gives. What the other side does
// wrong is in the answer; an error is only that ctx ended before one came.
func Post(ctx context.Context, via http.RoundTripper, m Message) (Answer, error) {
	limited, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	r, err := http.NewRequestWithContext(limited, http.MethodPost, m.URL, strings.NewReader(m.Body))
	if err != nil {
		return Answer{Err: "address"}, nil // one that was taken once and is none: the endpoint's fault
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", agent)
	r.Header.Set("Webhook-Id", m.ID)
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(m.At.Unix(), 10))
	r.Header.Set("Webhook-Signature", Signature(m.Secrets, m.ID, m.At, m.Body))
	// A RoundTripper follows no redirects, and keeps no cookies.
	w, err := via.RoundTrip(r)
	if err != nil {
		return Answer{Err: wordFor(err)}, ctx.Err()
	}
	defer func() { _ = w.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(w.Body, readBytes)) // its status counts, however much of the rest comes
	got := Answer{Status: w.StatusCode, Text: plain(body), RetryAfter: retryAfter(w.Header, m.At)}
	switch {
	case got.OK():
	case got.Status >= 300 && got.Status < 400:
		got.Err = "redirect"
	default:
		got.Err = "status"
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
		return min(t.Sub(at), maxWait)
	}
	return 0
}

// CheckURL says why nothing is ever sent to an address, or "". plain lets http://
// pass, too, at port 80. What a name stands for is looked at when it is dialled,
// each time.
func CheckURL(text string, plain bool) (why string) {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "an address of at most 500 ASCII characters"
	}
	port := "443"
	switch {
	case u.Scheme == "http" && plain:
		port = "80"
	case u.Scheme != "https":
		return "https:// only"
	}
	switch {
	case u.User != nil:
		return "no user and no password in the address"
	case u.Hostname() == "" || u.Opaque != "":
		return "a host is needed"
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return "no fragment"
	case u.Port() != "" && u.Port() != port || strings.HasSuffix(u.Host, ":"):
		return "port " + port + " only"
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !Public(ip) {
		return "public addresses only"
	}
	return ""
}

// errNotPublic says that a name stands for an address that we do not call.
var errNotPublic = errors.New("outbound: not a public address")

// Way is how messages leave: to public addresses, at port 443 or, where plain HTTP
// is let pass, at port 80.
func Way(plain bool) *http.Transport { return way(allowed(plain), nil) }

// Own is how messages leave for an address that the operator has configured: it may
// be in his own network, at any port. Webhook-Id is sent as Idempotency-Key, too.
func Own() http.RoundTripper {
	return keyed{way(func(netip.AddrPort) bool { return true }, nil)}
}

// keyed adds an Idempotency-Key to what it sends.
type keyed struct{ via http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Idempotency-Key", r.Header.Get("Webhook-Id"))
	return k.via.RoundTrip(r)
}

// way is Way for whom allow allows: no proxy, no redirect, no connection kept, and no
// address that allow does not allow, whatever a name stood for a moment ago:
// it is the address that is being dialled which is looked at. names is nil for the
// system's own.
func way(allow func(netip.AddrPort) bool, names *net.Resolver) *http.Transport {
	dialer := &net.Dialer{
		Timeout: Limit, Resolver: names,
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
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: Limit,
		ResponseHeaderTimeout: Limit, MaxResponseHeaderBytes: headerBytes,
	}
}

// allowed says who may be called.
func allowed(plain bool) func(netip.AddrPort) bool {
	return func(to netip.AddrPort) bool {
		return (to.Port() == 443 || to.Port() == 80 && plain) && Public(to.Addr())
	}
}

// Public reports whether an address is one of the open Internet: none of the
// special-purpose registries (RFC 6890 and the IANA's since), and none that
// carries another address in it, as the mapped, translated and 6to4 ones do.
func Public(ip netip.Addr) bool {
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
