package courier_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/courier"
	"github.com/shiyi-market/shiyi/internal/pgtest"
)

func message(c courier.Channel, to string) courier.Message {
	return courier.Message{
		ID: "0195f3a2-7c11-7d7e-9a55-2f6c0a1b9e44." + string(c), Channel: c, Kind: "order.shipped", Account: uuid.Max, To: to,
		Title: "您的订单已发货", Body: "订单已由顺丰承运。", TitleEN: "Your order is on its way", BodyEN: "It was handed over.",
		Params: map[string]string{"order": "1"}, At: pgtest.Noon,
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open is the notifier of a channel, as configured.
func open(t *testing.T, cfg courier.Config, c courier.Channel) courier.Notifier {
	t.Helper()
	all, err := courier.Open(cfg)
	must(t, err)
	for _, n := range all {
		if n.Channel() == c {
			return n
		}
	}
	t.Fatalf("nothing sends by %s", c)
	return nil
}

func TestAFileIsWrittenOnceHoweverManyWriteIt(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	n := open(t, courier.Config{Folder: folder}, courier.SMS)
	pgtest.AtOnce(t, 8, func(i int) error {
		m := message(courier.SMS, "+8613800000000")
		m.Body += strings.Repeat("。", i) // who writes second changes nothing
		return n.Send(t.Context(), m)
	})
	var found []string
	must(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(folder, path)
			found = append(found, rel)
		}
		return err
	}))
	want := []string{"2026-11-23/0195f3a2-7c11-7d7e-9a55-2f6c0a1b9e44.sms.json"}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}
	js, err := os.ReadFile(filepath.Join(folder, want[0]))
	must(t, err)
	var got courier.Message
	must(t, json.Unmarshal(js, &got))
	if got.To != "+8613800000000" || got.Title != "您的订单已发货" {
		t.Errorf("the file says %+v", got)
	}
	must(t, n.Send(t.Context(), message(courier.SMS, "+8613900000000")))
	if again, err := os.ReadFile(filepath.Join(folder, want[0])); err != nil || string(again) != string(js) {
		t.Errorf("the file was written over (%v)", err)
	}
}

func TestAGatewayHearsWithAKeyAndASignature(t *testing.T) {
	t.Parallel()
	status := http.StatusNoContent
	var heard []*http.Request
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard = append(heard, r)
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	n := open(t, courier.Config{Folder: t.TempDir(), WeChatURL: s.URL + "/send", WeChatSecret: "s"}, courier.WeChat)
	m := message(courier.WeChat, uuid.Max.String())
	must(t, n.Send(t.Context(), m))
	r := heard[0]
	if r.Header.Get("Idempotency-Key") != m.ID || r.Header.Get("Webhook-Id") != m.ID || !strings.HasPrefix(r.Header.Get("Webhook-Signature"), "v1,") || !json.Valid(body) {
		t.Errorf("it heard %v %s", r.Header, body)
	}
	status = http.StatusUnprocessableEntity
	if err := n.Send(t.Context(), m); !errors.Is(err, courier.ErrRejected) {
		t.Errorf("422: %v, want %v", err, courier.ErrRejected)
	}
	status = http.StatusServiceUnavailable
	if err := n.Send(t.Context(), m); err == nil || errors.Is(err, courier.ErrRejected) || courier.WordFor(err) != "unsent" {
		t.Errorf("503: %v, want what is tried again", err)
	}
}

func TestWhatCannotBeReachedIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]courier.Config{
		"no sender":       {SMTPURL: "smtps://shop@mail.example"},
		"a wrong sender":  {SMTPURL: "smtps://shop@mail.example", SMTPFrom: "shop"},
		"another scheme":  {SMTPURL: "https://mail.example", SMTPFrom: "shop@shop.example"},
		"no host":         {SMTPURL: "smtps://", SMTPFrom: "shop@shop.example"},
		"a gateway's own": {SMSURL: "sms.example/send"},
		"no web address":  {WeChatURL: "ftp://wechat.example"},
	} {
		if _, err := courier.Open(cfg); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// mailServer is a mail server that says what SMTP wants said (RFC 5321) and keeps
// what it hears. Who is at refused.example is refused.
type mailServer struct {
	net.Listener
	mu    sync.Mutex
	mails []string
}

func newMailServer(t *testing.T) *mailServer {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	s := &mailServer{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.hear(c)
		}
	}()
	return s
}

func (s *mailServer) hear(c net.Conn) {
	defer func() { _ = c.Close() }()
	say := func(line string) { _, _ = io.WriteString(c, line+"\r\n") }
	say("220 mail.example ESMTP")
	in := bufio.NewScanner(c)
	for in.Scan() {
		switch line := strings.ToUpper(in.Text()); {
		case strings.HasPrefix(line, "RCPT") && strings.Contains(line, "@REFUSED.EXAMPLE"):
			say("550 5.1.1 no such mailbox")
		case strings.HasPrefix(line, "RCPT") && strings.Contains(line, "@FULL.EXAMPLE"):
			say("452 4.2.2 mailbox full")
		case line == "DATA":
			say("354 go on")
			var mail strings.Builder
			for in.Scan() && in.Text() != "." {
				mail.WriteString(strings.TrimPrefix(in.Text(), ".") + "\r\n")
			}
			s.mu.Lock()
			s.mails = append(s.mails, mail.String())
			s.mu.Unlock()
			say("250 2.0.0 taken")
		case line == "QUIT":
			say("221 bye")
			return
		default:
			say("250 fine")
		}
	}
}

func TestAMailIsSentWithItsMessageID(t *testing.T) {
	t.Parallel()
	s := newMailServer(t)
	n := open(t, courier.Config{SMTPURL: "smtp+plain://" + s.Addr().String(), SMTPFrom: "shop@shop.example", Folder: t.TempDir()}, courier.Email)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	must(t, n.Send(ctx, message(courier.Email, "ann@example.org")))
	if len(s.mails) != 1 {
		t.Fatalf("%d mails were taken", len(s.mails))
	}
	m, err := mail.ReadMessage(strings.NewReader(s.mails[0]))
	must(t, err)
	for name, want := range map[string]string{
		"Message-Id": "<0195f3a2-7c11-7d7e-9a55-2f6c0a1b9e44.email@shop.example>", "From": "<shop@shop.example>", "To": "<ann@example.org>",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if err := n.Send(ctx, message(courier.Email, "ann@refused.example")); !errors.Is(err, courier.ErrRejected) {
		t.Errorf("a mailbox that is not there: %v, want %v", err, courier.ErrRejected)
	}
	if err := n.Send(ctx, message(courier.Email, "ann@full.example")); err == nil || errors.Is(err, courier.ErrRejected) {
		t.Errorf("a full mailbox: %v, want what is tried again", err)
	}
	if err := n.Send(ctx, message(courier.Email, "ann@example.org\r\nBcc: eve@example.org")); !errors.Is(err, courier.ErrRejected) || len(s.mails) != 1 {
		t.Errorf("an address of two lines: %v", err)
	}
}
