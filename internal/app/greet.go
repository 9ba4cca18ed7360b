package app

import (
	"fmt"
	"io"
	"net"
	"strings"
)

// greet tells the person at the terminal what there is to open. Programs read
// the log and the private port instead.
func (a *App) greet(out io.Writer, addr net.Addr) {
	base := a.publicURL(addr)
	fmt.Fprintf(out, "\n什一 Shiyi · %s\n\n", base)
	for _, link := range []struct{ zh, en, path string }{
		{"商店", "the shop", "/"},
		{"基金", "the education fund", "/v1/public/fund"},
		{"接口文档", "the API, to read", "/docs"},
		{"公开日志", "the public log", "/log/checkpoint"},
	} {
		fmt.Fprintf(out, "  %s%s   %s · %s\n", base, link.path, link.zh, link.en)
	}
	fmt.Fprintf(out, "\n  database  %s\n  payments  %s\n  log key   %s\n", a.place.kind(), a.till.says, a.services.Transparency.VerifierKey())
	if a.cfg.Operator.Login != "" {
		fmt.Fprintf(out, "  operator  %s\n", a.cfg.Operator.Login)
	}
	for _, d := range a.demo {
		fmt.Fprintf(out, "  %-14s %s / %s\n", d.Role, d.Login, d.Password)
	}
	fmt.Fprintln(out)
}

// publicURL is how the shop is reached: as configured, else on this machine.
func (a *App) publicURL(addr net.Addr) string {
	if a.cfg.Server.PublicURL != "" {
		return strings.TrimRight(a.cfg.Server.PublicURL, "/")
	}
	address := a.cfg.Server.Addr
	if addr != nil {
		address = addr.String()
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "http://" + address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
