package outbound_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/outbound"
)

func TestOnlyPublicAddressesAreCalled(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, ip string
		want     bool
	}{
		{"this network", "0.0.0.0", false},
		{"this host", "0.1.2.3", false},
		{"private 10", "10.0.0.1", false},
		{"the end of private 10", "10.255.255.255", false},
		{"CGNAT", "100.64.0.1", false},
		{"the end of CGNAT", "100.127.255.255", false},
		{"before CGNAT", "100.63.255.255", true},
		{"after CGNAT", "100.128.0.0", true},
		{"loopback", "127.0.0.1", false},
		{"other loopback", "127.255.0.9", false},
		{"link-local, the cloud's metadata", "169.254.169.254", false},
		{"private 172", "172.16.0.1", false},
		{"the end of private 172", "172.31.255.255", false},
		{"after private 172", "172.32.0.0", true},
		{"protocol assignments", "192.0.0.8", false},
		{"documentation", "192.0.2.1", false},
		{"6to4 relays", "192.88.99.1", false},
		{"private 192", "192.168.1.1", false},
		{"benchmarks", "198.19.0.1", false},
		{"documentation 2", "198.51.100.7", false},
		{"documentation 3", "203.0.113.9", false},
		{"multicast", "224.0.0.1", false},
		{"reserved", "240.0.0.1", false},
		{"broadcast", "255.255.255.255", false},
		{"Aliyun's metadata", "100.100.100.200", false},
		{"public", "93.184.215.14", true},
		{"public 2", "1.1.1.1", true},
		{"unspecified 6", "::", false},
		{"loopback 6", "::1", false},
		{"IPv4-compatible", "::7f00:1", false},
		{"IPv4-mapped private", "::ffff:10.0.0.1", false},
		{"IPv4-mapped public", "::ffff:93.184.215.14", false},
		{"NAT64", "64:ff9b::a00:1", false},
		{"local NAT64", "64:ff9b:1::a00:1", false},
		{"discard", "100::1", false},
		{"Teredo", "2001::1", false},
		{"ORCHID", "2001:20::1", false},
		{"documentation 6", "2001:db8::1", false},
		{"more documentation 6", "3fff::1", false},
		{"6to4 of a private one", "2002:a00:1::1", false},
		{"unique-local", "fd00::1", false},
		{"unique-local, reserved half", "fc00::1", false},
		{"link-local 6", "fe80::1", false},
		{"link-local with a zone", "fe80::1%eth0", false},
		{"a public one with a zone", "2606:4700::1111%eth0", false},
		{"site-local", "fec0::1", false},
		{"multicast 6", "ff02::1", false},
		{"not assigned", "4000::1", false},
		{"public 6", "2606:4700::1111", true},
		{"public 6, allocated", "2400:3200::1", true},
	}
	for _, tt := range tests {
		if got := outbound.Public(netip.MustParseAddr(tt.ip)); got != tt.want {
			t.Errorf("%s, %s: public is %t, want %t", tt.name, tt.ip, got, tt.want)
		}
		if ip := netip.MustParseAddr(tt.ip); tt.want || ip.Zone() != "" || ip.Is4In6() && outbound.Public(ip.Unmap()) {
			continue // these would be called in earnest: Go calls a mapped address as what it maps
		}
		// And it is the way out that asks.
		conn, err := outbound.Loosened(nil, nil, nil).DialContext(t.Context(), "tcp", net.JoinHostPort(tt.ip, "443"))
		if err == nil {
			_ = conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "not a public address") {
			t.Errorf("%s, %s is dialled: %v", tt.name, tt.ip, err)
		}
	}
	for _, port := range []string{"22", "25", "8080", "6379", "0"} {
		if _, err := outbound.Loosened(nil, nil, nil).DialContext(t.Context(), "tcp", "93.184.215.14:"+port); err == nil || !strings.Contains(err.Error(), "not a public address") {
			t.Errorf("port %s is dialled: %v", port, err)
		}
	}
}

// fickle is a name server that answers every question with the next of its
// addresses, and the last one again and again.
type fickle struct {
	mu      sync.Mutex
	answers []string
	asked   int
}

// resolver asks f.
func (f *fickle) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(f.reply(buf[:n]), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// reply answers a question of one name (RFC 1035 §4.1): an A with an address, all
// others with nothing.
func (f *fickle) reply(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5
	out := append([]byte(nil), question[:end]...)
	out[2], out[3] = 0x84, 0x00 // an answer, with authority
	copy(out[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0})
	if binary.BigEndian.Uint16(question[end-4:]) != 1 {
		return out
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	ip := netip.MustParseAddr(f.answers[min(f.asked, len(f.answers)-1)]).As4()
	f.asked++
	out[7] = 1
	out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
	return append(out, ip[:]...)
}

// heard is a server that counts who comes.
func heard(t *testing.T) (port string, n *atomic.Int64) {
	t.Helper()
	n = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n.Add(1) }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	must(t, err)
	return port, n
}

// Whoever looks a name up first and calls it afterwards has looked at another
// answer. It is the address that is dialled which counts.
func TestANameThatChangesItsMindReachesNothing(t *testing.T) {
	t.Parallel()
	for _, guarded := range []bool{true, false} {
		port, n := heard(t)
		names := (&fickle{answers: []string{"93.184.215.14", "127.0.0.1"}}).resolver(t)
		via := outbound.Loosened(func(to netip.AddrPort) bool { return !guarded || outbound.Public(to.Addr()) }, names, func(address string) string {
			host, _, _ := net.SplitHostPort(address)
			return net.JoinHostPort(host, port) // the name stays, and is asked for when it is dialled
		})
		first, err := names.LookupNetIP(t.Context(), "ip4", "rebind.example")
		must(t, err)
		if !outbound.Public(first[0]) {
			t.Fatalf("at first the name stands for %v", first)
		}
		a, err := outbound.Post(t.Context(), via, outbound.Message{URL: "http://rebind.example/", ID: "1"})
		must(t, err)
		if guarded && (n.Load() != 0 || a.Err != "address") {
			t.Errorf("it was called %d times: %+v", n.Load(), a)
		}
		if !guarded && (n.Load() != 1 || !a.OK()) {
			t.Errorf("without the guard it was called %d times: the test would see nothing (%+v)", n.Load(), a)
		}
	}
}

func TestANameThatIsNoneIsTheName(t *testing.T) {
	t.Parallel()
	names := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, os.ErrDeadlineExceeded }}
	a, err := outbound.Post(t.Context(), outbound.Loosened(nil, names, nil), outbound.Message{URL: "http://erp.example/"})
	if must(t, err); a.Err != "name" || a.Status != 0 {
		t.Errorf("answer %+v", a)
	}
}

func TestTheEnvironmentsProxyIsNotAsked(t *testing.T) {
	t.Parallel()
	if outbound.Way(true).Proxy != nil {
		t.Error("a proxy would call whom it likes")
	}
}

func TestAnAddressIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url         string
		plain, good bool
	}{
		{"http://erp.example/", false, false},
		{"http://erp.example/", true, true},
		{"http://erp.example:80/", true, true},
		{"http://erp.example:443/", true, false},
		{"https://erp.example:80/", true, false},
		{"https://erp.example/", true, true},
		{"http://127.0.0.1/", true, false},
	} {
		if why := outbound.CheckURL(tt.url, tt.plain); (why == "") != tt.good {
			t.Errorf("%s, plain %t: %q", tt.url, tt.plain, why)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The example of docs/webhooks.md is what receivers test their code with.
func TestTheTestVectorOfTheDocumentHolds(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/webhooks.md")
	must(t, err)
	vector := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| `(.*)` \\|$").FindAllStringSubmatch(string(text), -1) {
		vector[m[1]] = m[2]
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(vector["secret"], "whsec_"))
	must(t, err)
	at, err := strconv.ParseInt(vector["timestamp"], 10, 64)
	must(t, err)
	if got := outbound.Signature([][]byte{secret}, vector["id"], time.Unix(at, 0), vector["body"]); got != vector["signature"] || len(secret) != 32 {
		t.Errorf("the signature of the example is %s, and docs/webhooks.md says %s", got, vector["signature"])
	}
	if time.Unix(at, 0).Year() != 2026 {
		t.Errorf("the example is of %v", time.Unix(at, 0))
	}
}
