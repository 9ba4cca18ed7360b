// Package courier carries messages to people out of the program: e-mail by SMTP, what
// the operator's own gateways send, and files. It does not know what messages say.
package courier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	netmail "net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/wneessen/go-mail"

	"github.com/shiyi-market/shiyi/internal/config"
	"github.com/shiyi-market/shiyi/internal/outbound"
)

// Config says by what messages leave. A channel without an address of its own writes
// its messages into files.
type Config struct {
	// Folder is where messages of such channels are written, and kept for 30 days. Empty: `notices` in STATE_DIR.
	Folder string `env:"NOTICE_FOLDER"`
	// SMTPURL is the mail server: smtps://user@host:465 (TLS), smtp://user@host:587 (STARTTLS, demanded), or
	// smtp+plain://host:25 (neither, for a server on the same machine).
	SMTPURL string `env:"SMTP_URL"`
	// SMTPPassword belongs to the user in SMTPURL.
	SMTPPassword config.Secret `env:"SMTP_PASSWORD"`
	// SMTPFrom is the sender of e-mail, needed with SMTPURL.
	SMTPFrom string `env:"SMTP_FROM"`
	// SMSURL is the operator's gateway for SMS, https:// or http://; it is sent JSON by POST.
	SMSURL string `env:"SMS_URL"`
	// SMSSecret signs what is sent there, in the Standard Webhooks format.
	SMSSecret config.Secret `env:"SMS_SECRET"`
	// WeChatURL is the operator's gateway for WeChat messages, alike.
	WeChatURL string `env:"WECHAT_URL"`
	// WeChatSecret signs what is sent there.
	WeChatSecret config.Secret `env:"WECHAT_SECRET"`
}

// Channel is a way to tell somebody.
type Channel string

// The channels.
const (
	Email  Channel = "email"
	SMS    Channel = "sms"
	WeChat Channel = "wechat"
)

// ErrRejected says that the other side will never take a message: it is not tried
// again.
var ErrRejected = errors.New("courier: rejected")

// WordFor says in a word why a message was not sent: "rejected", "timeout" or "unsent";
// "" for nil. It tells nothing of anybody.
func WordFor(err error) string {
	var timeout net.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrRejected):
		return "rejected"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "unsent"
}

// Limit bounds an attempt to send one message.
const Limit = 30 * time.Second

// Message is what is sent by one channel.
type Message struct {
	ID      string            `json:"id"` // the same at each attempt
	Channel Channel           `json:"channel"`
	Kind    string            `json:"kind"`
	Account uuid.UUID         `json:"account_id"`
	To      string            `json:"to"` // an e-mail address, a phone number (E.164), or the account for WeChat
	Title   string            `json:"title"`
	Body    string            `json:"body"`
	TitleEN string            `json:"title_en"`
	BodyEN  string            `json:"body_en"`
	Params  map[string]string `json:"params"`
	At      time.Time         `json:"at"` // when it was written; the same at each attempt
}

// Notifier sends messages by one channel. The same message may be given to it more
// than once, when a process died between sending and writing that down. Then Files
// refuses the second; a gateway of the operator's can, by the Idempotency-Key; a mail
// server cannot be relied on to: the second mail has the same Message-ID, by which
// many a mailbox, but not every one, shows it once.
type Notifier interface {
	Channel() Channel
	// Send sends one message, or says why not. ErrRejected: it is of no use to try again.
	Send(ctx context.Context, m Message) error
}

// Open makes the notifiers of all channels, as the configuration says.
func Open(cfg Config) ([]Notifier, error) {
	var out []Notifier
	if cfg.SMTPURL == "" {
		out = append(out, Files{Email, cfg.Folder})
	} else {
		smtp, err := newSMTP(cfg)
		if err != nil {
			return nil, err
		}
		out = append(out, smtp)
	}
	for _, g := range []gateway{{SMS, cfg.SMSURL, cfg.SMSSecret}, {WeChat, cfg.WeChatURL, cfg.WeChatSecret}} {
		if g.url == "" {
			out = append(out, Files{g.channel, cfg.Folder})
			continue
		}
		if u, err := url.Parse(g.url); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, fmt.Errorf("the address of the gateway for %s is no https:// address", g.channel)
		}
		out = append(out, g)
	}
	return out, nil
}

// FilesKept is how long messages that were written into files stay there: far longer
// than a message is tried again.
const FilesKept = 30 * 24 * time.Hour

// Files writes each message into a file of its own, Folder/YYYY-MM-DD/ID.json, for
// other programs, or for nobody. It never writes a message twice.
type Files struct {
	Of     Channel
	Folder string
}

// Channel is the channel whose messages are written.
func (f Files) Channel() Channel { return f.Of }

// Send writes the file: whole or not at all. A message whose file is there was sent.
func (f Files) Send(_ context.Context, m Message) error {
	day := filepath.Join(f.Folder, m.At.UTC().Format(time.DateOnly))
	if err := os.MkdirAll(day, 0o700); err != nil {
		return fmt.Errorf("make the folder of messages: %w", err)
	}
	js, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write message %s: %w", m.ID, err)
	}
	half, err := os.CreateTemp(day, ".half-*")
	if err != nil {
		return fmt.Errorf("write message %s: %w", m.ID, err)
	}
	defer func() { _ = os.Remove(half.Name()) }()
	_, err = half.Write(append(js, '\n'))
	if err = errors.Join(err, half.Sync(), half.Close()); err != nil {
		return fmt.Errorf("write message %s: %w", m.ID, err)
	}
	// A link is made at once and only where there is none, as O_EXCL does, but of a whole file.
	if err := os.Link(half.Name(), filepath.Join(day, m.ID+".json")); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write message %s: %w", m.ID, err)
	}
	return nil
}

// Forget drops the folders of days that were kept long enough, and returns how many. What
// is no folder of a day stays.
func (f Files) Forget(now time.Time) (int, error) {
	days, err := os.ReadDir(f.Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // nothing was written yet
	}
	if err != nil {
		return 0, fmt.Errorf("read the folder of messages: %w", err)
	}
	n := 0
	for _, d := range days {
		day, err := time.Parse(time.DateOnly, d.Name())
		if err != nil || !d.IsDir() || now.Sub(day) < FilesKept+24*time.Hour {
			continue
		}
		if err := os.RemoveAll(filepath.Join(f.Folder, d.Name())); err != nil {
			return n, fmt.Errorf("forget the messages of %s: %w", d.Name(), err)
		}
		n++
	}
	return n, nil
}

// gateway is a service of the operator's that takes messages as JSON by POST, with
// the message's ID as Idempotency-Key and Webhook-Id.
type gateway struct {
	channel Channel
	url     string
	secret  config.Secret
}

// Channel is what the gateway sends by.
func (g gateway) Channel() Channel { return g.channel }

// Send posts one message. 2xx is sent; 400, 404, 410 and 422 are of no use again.
func (g gateway) Send(ctx context.Context, m Message) error {
	js, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write message %s: %w", m.ID, err)
	}
	got, err := outbound.Post(ctx, outbound.Own(), outbound.Message{
		URL: g.url, ID: m.ID, Body: string(js), Secrets: [][]byte{[]byte(g.secret.Reveal())}, At: m.At,
	})
	switch {
	case err != nil:
		return err
	case got.OK():
		return nil
	case got.Status == 400 || got.Status == 404 || got.Status == 410 || got.Status == 422:
		return fmt.Errorf("%w: the gateway answered %d", ErrRejected, got.Status)
	}
	return fmt.Errorf("courier: the gateway for %s: %d %s", g.channel, got.Status, got.Err)
}

// smtp sends e-mail.
type smtp struct {
	from    string
	host    string
	options []mail.Option
}

func newSMTP(cfg Config) (smtp, error) {
	u, err := url.Parse(cfg.SMTPURL)
	if err != nil || u.Hostname() == "" {
		return smtp{}, errors.New("SMTP_URL is no address of a mail server")
	}
	from, err := netmail.ParseAddress(cfg.SMTPFrom)
	if err != nil {
		return smtp{}, errors.New("SMTP_URL is set, but SMTP_FROM is no e-mail address")
	}
	s := smtp{from: from.Address, host: u.Hostname(), options: []mail.Option{mail.WithTimeout(Limit)}}
	switch u.Scheme {
	case "smtps":
		s.options = append(s.options, mail.WithSSLPort(false))
	case "smtp":
		s.options = append(s.options, mail.WithTLSPortPolicy(mail.TLSMandatory))
	case "smtp+plain":
		s.options = append(s.options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		return smtp{}, errors.New("SMTP_URL begins with smtps://, smtp:// or smtp+plain://")
	}
	if u.Port() != "" {
		port, err := strconv.Atoi(u.Port())
		if err != nil {
			return smtp{}, fmt.Errorf("SMTP_URL: %w", err)
		}
		s.options = append(s.options, mail.WithPort(port))
	}
	if user := u.User.Username(); user != "" {
		s.options = append(s.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(user), mail.WithPassword(cfg.SMTPPassword.Reveal()))
	}
	return s, nil
}

// Channel is e-mail.
func (smtp) Channel() Channel { return Email }

// Send sends one mail. What the server refuses for good (5yz, RFC 5321 §4.2.1) is ErrRejected.
func (s smtp) Send(ctx context.Context, m Message) error {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(msg.From(s.from), msg.To(m.To)); err != nil {
		return fmt.Errorf("%w: %w", ErrRejected, err)
	}
	_, domain, _ := strings.Cut(s.from, "@")
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	msg.SetDateWithValue(m.At)
	msg.Subject(m.Title)
	msg.SetBodyString(mail.TypeTextPlain, m.Body+"\n\n"+m.TitleEN+"\n"+m.BodyEN+"\n")
	client, err := mail.NewClient(s.host, s.options...)
	if err != nil {
		return fmt.Errorf("make a client of the mail server: %w", err)
	}
	err = client.DialAndSendWithContext(ctx, msg)
	var refused *mail.SendError
	if errors.As(err, &refused) && refused.ErrorCode() >= 500 {
		return fmt.Errorf("%w: the mail server answered %d", ErrRejected, refused.ErrorCode())
	}
	if err != nil {
		return fmt.Errorf("send a mail: %w", err)
	}
	return nil
}
