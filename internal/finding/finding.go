// Package finding is what an auditor found: of which thing, how grave it is, who is asked, what
// was answered, and whether the answer was good enough. All that is said of it stays.
package finding

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
)

// Faults of findings.
var (
	// ErrUnknown says that there is no such finding.
	ErrUnknown = fault.New(fault.NotFound, "finding.not_found", "There is no such finding", "没有这条审计发现")
	// ErrState says that the finding is not where this can be done.
	ErrState = fault.New(fault.Conflict, "finding.wrong_state", "The finding does not allow this now", "该审计发现当前状态不允许此操作")
	// ErrAsked says that somebody else is asked: another role, or another person than who found it.
	ErrAsked = fault.New(fault.Refused, "finding.not_asked", "Somebody else is asked to answer", "应由被询问的一方答复")
	// ErrOwn says that who is asked does not judge what is answered, though he be an auditor.
	ErrOwn = fault.New(fault.Refused, "finding.four_eyes", "Who is asked judges no answer", "被询问的一方不得自行认定")
	// ErrInvalid says that what a finding or a note needs is missing or too long.
	ErrInvalid = fault.New(fault.Invalid, "finding.invalid", "The finding is not complete", "审计发现内容不完整")
)

// ID names a finding.
type ID = id.Of[Finding]

// State is where a finding is in its life: lifecycle.Finding.
type State string

// The states.
const (
	Open     State = "open"     // somebody is asked
	Answered State = "answered" // and has answered
	Accepted State = "accepted" // what was answered is good enough, and to be done
	Closed   State = "closed"   // it is done, or it was no finding
)

// Severity is how grave a finding is.
type Severity string

// The severities.
const (
	Low    Severity = "low"
	Medium Severity = "medium"
	High   Severity = "high"
)

// Object is what a finding is about: "order", "transfer", "grant", "day", "account", … and its
// id or name.
type Object struct {
	Kind string // a word of at most 32 letters
	ID   string // at most 100 printable characters without blanks
}

// Finding is what was found. Everything said of it is in its notes, the first of which is the
// finding itself.
type Finding struct {
	ID        ID
	Object    Object
	Severity  Severity
	Title     string        // 2 to 200 characters
	Asked     identity.Role // who is to answer: Operator or FundAdmin
	State     State
	OpenedBy  identity.ID
	OpenedAt  time.Time
	ChangedAt time.Time
	Notes     int
}

// Note is one thing that was said of a finding. It has no personal data of buyers.
type Note struct {
	N      int
	Action string // of the lifecycle, or "open"
	Role   identity.Role
	Author identity.ID
	Text   string // 2 to 4,000 characters
	At     time.Time
}

// Count is how many findings are not closed, by severity: what anybody may know.
type Count struct {
	Low, Medium, High int64
}

// Opening is what an auditor tells to open a finding.
type Opening struct {
	Object   Object
	Severity Severity
	Title    string
	Asked    identity.Role
	Text     string
}

const (
	minText  = 2
	maxTitle = 200
	maxText  = 4000
)

var (
	kindForm   = regexp.MustCompile(`^[a-z][a-z_]{0,31}$`)
	objectForm = regexp.MustCompile(`^[!-~]{1,100}$`)
)

func (n *Opening) check() error {
	n.Title, n.Text = strings.TrimSpace(n.Title), strings.TrimSpace(n.Text)
	e := ErrInvalid
	if !kindForm.MatchString(n.Object.Kind) {
		e = e.At("/object_kind", "pattern", "a word of small letters")
	}
	if !objectForm.MatchString(n.Object.ID) {
		e = e.At("/object", "pattern", "1 to 100 printable characters without blanks")
	}
	if n.Severity != Low && n.Severity != Medium && n.Severity != High {
		e = e.At("/severity", "enum", "low, medium or high")
	}
	if n.Asked != identity.Operator && n.Asked != identity.FundAdmin {
		e = e.At("/asked", "enum", "operator or fund_admin")
	}
	if c := utf8.RuneCountInString(n.Title); c < minText || c > maxTitle {
		e = e.At("/title", "length", "2 to 200 characters")
	}
	if !said(n.Text) {
		e = e.At("/text", "length", "2 to 4,000 characters")
	}
	return e.OrNil()
}

func said(text string) bool {
	c := utf8.RuneCountInString(text)
	return c >= minText && c <= maxText
}

// role is in which the caller takes an action: who is asked answers, an auditor does the rest.
// Who is both does the one or the other: he answers what others found, and judges what he found.
func (f *Finding) role(caller identity.Caller, action string) (identity.Role, error) {
	asked := caller.Is(f.Asked) && caller.Account != f.OpenedBy
	switch {
	case action == answer && !asked:
		return "", ErrAsked
	case action == answer:
		return f.Asked, nil
	case asked && caller.Is(identity.Auditor):
		return "", ErrOwn
	}
	return identity.Auditor, caller.Must(identity.Auditor)
}

const answer = "answer"

// Next are the actions that the caller may take.
func (f *Finding) Next(caller identity.Caller) []string {
	next := []string{}
	m := lifecycle.Finding()
	for _, v := range m.Moves {
		role, err := f.role(caller, v.Action)
		if err == nil && v.From == string(f.State) && m.May(v.From, v.Action, lifecycle.Role(role)) && !slices.Contains(next, v.Action) {
			next = append(next, v.Action)
		}
	}
	return next
}

// take is the note of an action, which brings the finding to where the action leads.
func (f *Finding) take(action string, caller identity.Caller, text string, at time.Time) (Note, error) {
	role, err := f.role(caller, action)
	if err != nil {
		return Note{}, err
	}
	m := lifecycle.Finding()
	if !m.May(string(f.State), action, lifecycle.Role(role)) {
		return Note{}, ErrState.With("it is %s", f.State)
	}
	if text = strings.TrimSpace(text); !said(text) {
		return Note{}, ErrInvalid.At("/text", "length", "2 to 4,000 characters")
	}
	for _, v := range m.Moves {
		if v.From == string(f.State) && v.Action == action {
			f.State = State(v.To)
			break
		}
	}
	f.Notes++
	f.ChangedAt = at
	return Note{f.Notes, action, role, caller.Account, text, at}, nil
}
