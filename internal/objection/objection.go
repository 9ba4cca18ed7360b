// Package objection lets anybody object to what the fund is about to do. Something is published
// with the end of the time for objections; who objects stops it; a fund administrator who has no
// part in it answers. What an objection is about, and what becomes of it, other contexts know.
package objection

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/publication"
)

// Faults of objections.
var (
	// ErrUnknown says that there is no such objection.
	ErrUnknown = fault.New(fault.NotFound, "objection.not_found", "There is no such objection", "没有这项异议")
	// ErrNoPeriod says that nothing of this name is open, or was.
	ErrNoPeriod = fault.New(fault.NotFound, "objection.period_not_found", "There is no such time for objections", "没有这项公示")
	// ErrOver says that the time for objections has ended.
	ErrOver = fault.New(fault.Conflict, "objection.period_over", "The time for objections is over", "公示期已结束")
	// ErrRunning says that the time for objections has not ended yet.
	ErrRunning = fault.New(fault.Conflict, "objection.period_running", "The time for objections is not over yet", "公示期尚未结束")
	// ErrOpen says that somebody has objected, and has no answer yet.
	ErrOpen = fault.New(fault.Conflict, "objection.open", "An objection has not been answered yet", "尚有异议未答复")
	// ErrUpheld says that an objection was upheld.
	ErrUpheld = fault.New(fault.Conflict, "objection.upheld", "An objection was upheld", "异议成立")
	// ErrState says that the objection is answered already.
	ErrState = fault.New(fault.Conflict, "objection.wrong_state", "The objection is answered already", "该异议已答复")
	// ErrInvolved says that who has a part in the matter does not answer an objection to it.
	ErrInvolved = fault.New(fault.Refused, "objection.involved", "Who has a part in the matter answers no objection to it", "经办人不得答复该项异议")
	// ErrText says that an objection is of 2 to 2,000 characters.
	ErrText = fault.New(fault.Invalid, "objection.text_required", "Say what is wrong", "请写明异议内容")
)

// ID names an objection.
type ID = id.Of[Objection]

// PeriodID names a time for objections.
type PeriodID = id.Of[Period]

// Subject is what kind of thing may be objected to.
type Subject string

// The subjects.
const (
	Application Subject = "application" // a school's application
	Change      Subject = "change"      // a change of what a programme is for
	Grant       Subject = "grant"
)

// State is where an objection is in its life: lifecycle.Objection.
type State string

// The states.
const (
	Open      State = "open"
	Upheld    State = "upheld"
	Dismissed State = "dismissed"
)

// Opening is what is published, for how long anybody may object, and who has a part in it.
type Opening struct {
	Subject          Subject
	ID               uuid.UUID // of the subject
	TitleZH, TitleEN string    // 1 to 200 characters
	Detail           any       // what is shown, as JSON: nothing personal
	For              time.Duration
	Involved         []identity.ID
}

// Period is a time for objections.
type Period struct {
	ID        PeriodID
	Subject   Subject
	SubjectID uuid.UUID
	Document  publication.ID // the notice
	TitleZH   string
	TitleEN   string
	Involved  []identity.ID
	OpenedAt  time.Time
	EndsAt    time.Time // from then on nobody objects any more
	Counts    Counts
}

// Counts are how many objections were filed, by their states.
type Counts struct{ Open, Upheld, Dismissed int64 }

// Running reports whether anybody may object.
func (p Period) Running(at time.Time) bool { return at.Before(p.EndsAt) }

// clear refuses while anybody may object, or has and was not answered, or was right.
func (p Period) clear(at time.Time) error {
	switch {
	case p.Counts.Upheld > 0:
		return ErrUpheld
	case p.Counts.Open > 0:
		return ErrOpen
	case p.Running(at):
		return ErrRunning.With("it ends at %s", p.EndsAt.Format(time.RFC3339))
	}
	return nil
}

// Objection is what somebody said. Who it was is not asked.
type Objection struct {
	ID         ID
	Period     PeriodID
	Body       string // not published: it may tell of people
	FiledAt    time.Time
	State      State
	AnsweredBy identity.ID // zero while Open
	AnsweredAt time.Time
	Answer     string // published
}

// Next are the actions that the caller may take: none if he is no fund administrator.
func (o Objection) Next(caller identity.Caller) []string {
	if !caller.Is(identity.FundAdmin) {
		return []string{}
	}
	return lifecycle.Objection().Next(string(o.State), lifecycle.FundAdmin)
}

// answer ends an objection.
func (o *Objection) answer(p Period, upheld bool, by identity.ID, text string, at time.Time) error {
	to := Dismissed
	if upheld {
		to = Upheld
	}
	switch {
	case !lifecycle.Objection().Allowed(string(o.State), string(to)):
		return ErrState.With("it is %s", o.State)
	case slices.Contains(p.Involved, by):
		return ErrInvolved
	}
	o.State, o.AnsweredBy, o.AnsweredAt, o.Answer = to, by, at, strings.TrimSpace(text)
	return nil
}

const maxBody = 2000 // characters

func checkBody(s string) error {
	if n := utf8.RuneCountInString(strings.TrimSpace(s)); n < 2 || n > maxBody || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return ErrText.At("/text", "length", "2 to 2000 characters")
	}
	return nil
}

// told is the notice: what is published of an opening.
type told struct {
	Subject Subject         `json:"subject"`
	ID      uuid.UUID       `json:"id"`
	Period  PeriodID        `json:"objection_period_id"`
	TitleZH string          `json:"title_zh"`
	TitleEN string          `json:"title_en"`
	Until   time.Time       `json:"objections_until"`
	Detail  json.RawMessage `json:"detail"`
}

// notice is what is published of an opening.
func (o Opening) notice(p PeriodID, ends time.Time) (publication.Document, error) {
	detail, err := json.Marshal(o.Detail)
	var body []byte
	if err == nil {
		body, err = json.MarshalIndent(told{o.Subject, o.ID, p, o.TitleZH, o.TitleEN, ends, detail}, "", "  ")
	}
	if err != nil {
		return publication.Document{}, fmt.Errorf("write the notice of %s %s: %w", o.Subject, o.ID, err)
	}
	return publication.Document{
		Kind: publication.Notice, TitleZH: o.TitleZH, TitleEN: o.TitleEN, MediaType: "application/json", Body: append(body, '\n'),
	}, nil
}
