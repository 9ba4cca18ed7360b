package webhook

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Way is the program's way out with its guard loosened: which addresses are allowed
// (nil: as in the program), who is asked for names, and where a dial goes.
func Way(allow func(netip.AddrPort) bool, names *net.Resolver, to func(address string) string) *http.Transport {
	if allow == nil {
		allow = Config{PlainHTTP: true}.allowed
	}
	tr := way(allow, names)
	if dial := tr.DialContext; to != nil {
		tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return dial(ctx, network, to(address))
		}
	}
	return tr
}

// Public tells tests whether an address is called.
func Public(ip netip.Addr) bool { return public(ip) }

// Signature lets tests sign.
func Signature(secrets [][]byte, eid EventID, unix int64, body string) string {
	return signature(secrets, eid, time.Unix(unix, 0), body)
}
