// Package notice tells people what concerns them: in their inbox on the site, and,
// where they have an address for it, by e-mail, SMS and WeChat. A notice is posted
// in the transaction of what it tells of, once for each recipient, and sent later,
// outside any transaction. It does not know what the events mean.
package notice

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/courier"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
)

// Faults of notices.
var (
	// ErrUnknown says that there is no such notice of the caller's.
	ErrUnknown = fault.New(fault.NotFound, "notice.not_found", "No such notice", "消息不存在")
	// ErrFixed says that notices of this topic are always told in this way.
	ErrFixed = fault.New(fault.Refused, "notice.cannot_be_switched_off", "These notices cannot be switched off in this way", "此类通知不能以该方式关闭")
	// ErrPreference names a topic or a channel that there is not.
	ErrPreference = fault.New(fault.Invalid, "notice.invalid_preference", "There is no such topic or channel", "通知主题或方式有误")
)

// Kept is how long a notice is in its recipient's inbox. What is posted again later
// is told again: who posts must look back less.
const Kept = 400 * 24 * time.Hour

// maxParam bounds a parameter of a notice, in characters.
const maxParam = 200

// Channel is a way to tell somebody.
type Channel = courier.Channel

// The channels.
const (
	Inbox  Channel = "inbox" // on the site; each notice is in it
	Email          = courier.Email
	SMS            = courier.SMS
	WeChat         = courier.WeChat // for those who asked for it: WeChat wants their consent
)

// Channels are all channels.
func Channels() []Channel { return []Channel{Inbox, Email, SMS, WeChat} }

// ID names a notice. It is no secret.
type ID = id.Of[Notice]

// Notice is what one account is told.
type Notice struct {
	ID        ID
	Account   identity.ID
	Kind      Kind
	Params    map[string]string
	CreatedAt time.Time
	ReadAt    time.Time // zero: unread
}

// Title is the notice in a line.
func (n Notice) Title(english bool) string { return n.render(wordsOf(n.Kind, english).title) }

// Body is the whole notice.
func (n Notice) Body(english bool) string { return n.render(wordsOf(n.Kind, english).body) }

func (n Notice) render(template string) string {
	pairs := make([]string, 0, 2*len(n.Params))
	for name, value := range n.Params {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(template)
}

func (n Notice) message(c Channel, to string) courier.Message {
	return courier.Message{
		ID: n.ID.String() + "." + string(c), Channel: c, Kind: string(n.Kind), Account: n.Account.UUID(), To: to,
		Title: n.Title(false), Body: n.Body(false), TitleEN: n.Title(true), BodyEN: n.Body(true), Params: n.Params, At: n.CreatedAt,
	}
}

func wordsOf(k Kind, english bool) words {
	d := kinds()[k]
	if english {
		return d.en
	}
	return d.zh
}

// To is whom a notice is for: an account, all who sell for an enterprise, or all operators.
type To struct {
	account  uuid.UUID
	merchant uuid.UUID
}

// Person is the account.
func Person(account identity.ID) To { return To{account: account.UUID()} }

// Sellers are the accounts that sell for the enterprise when the notice is posted.
func Sellers(merchant uuid.UUID) To { return To{merchant: merchant} }

// Operators are all operators when the notice is posted.
func Operators() To { return To{merchant: platform} }

// platform stands for the operators where an enterprise does for its sellers; no
// enterprise has this id.
var platform = uuid.Max //nolint:gochecknoglobals // never changed

// Event is a notice to be posted. Kind and Ref name the event: the same recipient is
// told of it once.
type Event struct {
	To     To
	Kind   Kind
	Ref    string            // what it is about among those of its kind, as an order's id; ASCII
	Params map[string]string // all that the kind's texts name, and nothing that the recipient does not know
}

// key names the event.
func (n Event) key() string { return string(n.Kind) + ":" + n.Ref }

// errPost says that whoever posts is mistaken; it is no fault of the caller's.
var errPost = errors.New("notice: not as its kind wants it")

// check refuses what could not be rendered, and gives the parameters as JSON.
func (n Event) check() (params string, err error) {
	d, ok := kinds()[n.Kind]
	if !ok || n.Ref == "" || len(n.key()) > maxParam {
		return "", fmt.Errorf("%w: %s", errPost, n.key())
	}
	if len(n.Params) != len(d.params) {
		return "", fmt.Errorf("%w: %s has %d parameters, and not %v", errPost, n.key(), len(n.Params), d.params)
	}
	clean := make(map[string]string, len(n.Params))
	for _, name := range d.params {
		value := oneLine(n.Params[name])
		if value == "" {
			return "", fmt.Errorf("%w: %s has no %s", errPost, n.key(), name)
		}
		clean[name] = value
	}
	js, err := json.Marshal(clean)
	if err != nil {
		return "", fmt.Errorf("write the parameters of %s: %w", n.key(), err)
	}
	return string(js), nil
}

// oneLine is a text without control characters and braces, at most maxParam long: it
// goes into subjects and cannot become a template.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '{' || r == '}' || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if runes := []rune(s); len(runes) > maxParam {
		s = string(runes[:maxParam])
	}
	return strings.TrimSpace(s)
}

// Preference says whether an account hears of a topic by a channel.
type Preference struct {
	Topic   Topic
	Channel Channel
	Enabled bool
	Fixed   bool // it cannot be switched off
}

// preset is what holds before anybody has chosen.
func preset(t Topic, c Channel) Preference {
	return Preference{Topic: t, Channel: c, Enabled: c != WeChat, Fixed: c == Inbox || c != WeChat && t.Transactional()}
}

// checkPreference refuses a choice that there is not: ErrPreference, or ErrFixed.
func checkPreference(p Preference) error {
	if !slices.Contains(Topics(), p.Topic) {
		return ErrPreference.At("/topic", "enum", "no such topic")
	}
	if !slices.Contains(Channels(), p.Channel) {
		return ErrPreference.At("/channel", "enum", "no such channel")
	}
	if preset(p.Topic, p.Channel).Fixed && !p.Enabled {
		return ErrFixed
	}
	return nil
}

// State says how far a message has come.
type State string

// The states of a message.
const (
	Pending State = "pending"
	Sent    State = "sent"
	Failed  State = "failed" // it is not tried again
)

// waits are how long after each failed attempt the next one is made.
func waits() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour}
}

// errNoAddress says that an account has no address for a channel any more.
var errNoAddress = fmt.Errorf("%w: no address", courier.ErrRejected)

// wordFor says in a word why a message was not sent.
func wordFor(err error) string {
	if errors.Is(err, errNoAddress) {
		return "no_address"
	}
	return courier.WordFor(err)
}

// outcome is what becomes of a message after an attempt.
type outcome struct {
	state State
	next  time.Time // zero unless it is pending
	word  string    // what was wrong; "" when nothing was
}

// after is the outcome of the attempt with this number, from 1. jitter, from 0 to
// 1, keeps those that failed together from coming again together.
func after(err error, attempt int, at time.Time, jitter float64) outcome {
	steps := waits()
	switch {
	case err == nil:
		return outcome{state: Sent}
	case errors.Is(err, courier.ErrRejected), attempt > len(steps):
		return outcome{state: Failed, word: wordFor(err)}
	}
	wait := steps[attempt-1]
	return outcome{state: Pending, next: at.Add(wait + time.Duration(jitter*float64(wait)/10)), word: wordFor(err)}
}
