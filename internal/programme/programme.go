// Package programme is what money is given for: schools built, teachers trained, pupils helped.
// A programme with a budget of the fund is education in the fund's county, and came in by an
// application that was published. Money beside the fund's is told of here, apart: it is never
// booked, and in no sum of the fund. A change of purpose is published before it is in force.
package programme

import (
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
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
)

// Faults of programmes.
var (
	// ErrUnknown says that there is no such programme.
	ErrUnknown = fault.New(fault.NotFound, "programme.not_found", "There is no such programme", "没有这个项目")
	// ErrNoChange says that there is no such change of purpose.
	ErrNoChange = fault.New(fault.NotFound, "programme.change_not_found", "There is no such change of purpose", "没有这项用途变更")
	// ErrPlan names what is missing or wrong in what a programme is to be.
	ErrPlan = fault.New(fault.Invalid, "programme.invalid", "The programme is not described as it must be", "项目信息不完整或有误")
	// ErrPurpose says that the fund pays for education alone (慈善法 art. 53: money is used for the
	// purposes for which it was given).
	ErrPurpose = fault.New(fault.Refused, "programme.outside_education", "The fund pays for education alone", "基金只能用于教育")
	// ErrRegion says that the fund pays in its own county alone.
	ErrRegion = fault.New(fault.Refused, "programme.outside_region", "The fund pays in its own county alone", "基金只能用于本旗县")
	// ErrState says that the change is decided already, or not published yet.
	ErrState = fault.New(fault.Conflict, "programme.wrong_state", "The state of the change does not allow this", "用途变更当前状态不允许此操作")
	// ErrOwn says that nobody decides on what he proposed himself.
	ErrOwn = fault.New(fault.Refused, "programme.four_eyes", "Somebody else decides than who proposed it", "须由提议人以外的人员复核")
	// ErrPending says that another change of the programme is not decided yet.
	ErrPending = fault.New(fault.Conflict, "programme.change_pending", "Another change of this programme is not decided yet", "该项目已有未决的用途变更")
	// ErrNoMoney says that nobody told of such other money.
	ErrNoMoney = fault.New(fault.NotFound, "programme.other_money_not_found", "There is no such other money", "没有这笔其他资金")
	// ErrMoneyGone says that the other money is withdrawn already.
	ErrMoneyGone = fault.New(fault.Conflict, "programme.other_money_withdrawn", "The other money is withdrawn already", "该笔其他资金已撤回")
	// ErrMoney names what is wrong with an amount of other money.
	ErrMoney = fault.New(fault.Invalid, "programme.invalid_other_money", "The other money is not described as it must be", "其他资金信息有误")
)

// County is where the fund pays: the county of the enterprises, GB/T 2260.
const County = "152527"

// Config says how long anybody may object.
type Config struct {
	// Period is how long anybody may object to an application or a change of purpose.
	Period time.Duration `env:"PROGRAMME_OBJECTION_PERIOD, default=168h"`
}

// ID names a programme.
type ID = id.Of[Programme]

// ChangeID names a change of purpose.
type ChangeID = id.Of[Change]

// Kind is what sort of programme it is. Kinds are data.
type Kind struct {
	Code           string // "TEACHER_TRAINING"
	NameZH, NameEN string
	Education      bool // what is none has no money of the fund
}

// Milestone is a step of a programme, which instalments wait for.
type Milestone struct {
	Title string `json:"title"`            // 2 to 200 characters
	Due   string `json:"due_on,omitempty"` // "2020-09-01", or ""
}

// Plan is what a programme is to be. Its JSON is how an application keeps it.
type Plan struct {
	Kind       string      `json:"kind"`
	Title      string      `json:"title"`     // 2 to 120 characters
	Region     string      `json:"region"`    // of who has the good of it: a county, township or village
	Place      string      `json:"place"`     // where it happens, in words; may be far away
	School     string      `json:"school"`    // who has the good of it, 1 to 120 characters: never a pupil's name
	Purpose    string      `json:"purpose"`   // 2 to 1,000 characters
	Fictional  bool        `json:"fictional"` // an invented example
	Milestones []Milestone `json:"milestones"`
}

// Programme is what money is given for.
type Programme struct {
	ID ID
	Plan
	Budget      money.Fen // of the fund; 0: none of its money
	Application uuid.UUID // by which it came in; zero without a budget
	RecordedBy  identity.ID
	RecordedAt  time.Time
	Other       []OtherMoney
}

// OtherMoney is money beside the fund's. Several programmes may share one amount that nobody
// has divided: it is one amount, however often it is shown.
type OtherMoney struct {
	ID     uuid.UUID
	Amount money.Fen // 0: nobody says how much
	Source string    // 2 to 200 characters
	Note   string    // at most 500 characters
	Shared []ID      // by these programmes
	// WithdrawnAt is when somebody said, with a Reason, that it is not so; zero: it is. From then on it is in no sum.
	WithdrawnAt time.Time
	Reason      string
}

// Check refuses other money that says too little: ErrMoney.
func (o OtherMoney) Check() error {
	bad := ErrMoney
	if o.Amount < 0 || o.Amount > money.Max {
		bad = bad.At("/amount_fen", "range", "not below zero, nor beyond measure")
	}
	if !text(o.Source, 2, 200) {
		bad = bad.At("/source", "length", "2 to 200 characters")
	}
	if !text(o.Note, 0, 500) {
		bad = bad.At("/note", "length", "at most 500 characters")
	}
	return bad.OrNil()
}

func text(s string, least, most int) bool {
	n := utf8.RuneCountInString(strings.TrimSpace(s))
	return n >= least && n <= most && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

const maxMilestones = 20

// check names what is missing or wrong.
func (p Plan) check() error {
	bad := ErrPlan
	for _, f := range []struct {
		at, s       string
		least, most int
	}{{"/title", p.Title, 2, 120}, {"/place", p.Place, 0, 120}, {"/school", p.School, 1, 120}, {"/purpose", p.Purpose, 2, 1000}} {
		if !text(f.s, f.least, f.most) {
			bad = bad.At(f.at, "length", fmt.Sprintf("%d to %d characters", f.least, f.most))
		}
	}
	if len(p.Milestones) > maxMilestones {
		bad = bad.At("/milestones", "maxItems", "at most 20")
	}
	for i, m := range p.Milestones {
		if !text(m.Title, 2, 200) {
			bad = bad.At(fmt.Sprintf("/milestones/%d/title", i), "length", "2 to 200 characters")
		}
		if _, err := time.Parse(time.DateOnly, m.Due); err != nil && m.Due != "" {
			bad = bad.At(fmt.Sprintf("/milestones/%d/due_on", i), "format", "no such day")
		}
	}
	return bad.OrNil()
}

// fits refuses what the fund may not pay, where it is to pay: 慈善法 art. 53 to 58.
func fits(kind Kind, region string, budget money.Fen) error {
	switch {
	case budget == 0:
		return nil
	case !kind.Education:
		return ErrPurpose.At("/kind", "education", "is no education")
	case !strings.HasPrefix(region, County):
		return ErrRegion.At("/region", "region", "is not in the fund's county")
	}
	return nil
}

// ChangeState is where a change of purpose is in its life: lifecycle.Change.
type ChangeState string

// The states of a change.
const (
	Proposed  ChangeState = "proposed"
	Published ChangeState = "published"
	InForce   ChangeState = "in_force"
	Declined  ChangeState = "declined"
	Withdrawn ChangeState = "withdrawn"
)

// Change is a change of what a programme is for. What was paid before stays what it was.
type Change struct {
	ID                    ChangeID
	Programme             ID
	Kind, Purpose         string
	OldKind, OldPurpose   string
	Reason                string
	State                 ChangeState
	Period                objection.PeriodID // zero before it is published
	ProposedBy            identity.ID
	ProposedAt            time.Time
	ApprovedBy, DecidedBy identity.ID
	ApprovedAt, DecidedAt time.Time
}

// move brings a change to another state. Who proposed it may only withdraw it, and nobody else may.
func (c *Change) move(to ChangeState, by identity.ID) error {
	switch {
	case !lifecycle.Change().Allowed(string(c.State), string(to)):
		return ErrState.With("it is %s", c.State)
	case !by.IsZero() && (by == c.ProposedBy) != (to == Withdrawn):
		return ErrOwn
	}
	c.State = to
	return nil
}

// Next are the actions that the caller may take: none if he is no fund administrator.
func (c *Change) Next(caller identity.Caller) []string {
	if !caller.Is(identity.FundAdmin) {
		return []string{}
	}
	return slices.DeleteFunc(lifecycle.Change().Next(string(c.State), lifecycle.FundAdmin), func(a string) bool {
		return (a == "withdraw") != (caller.Account == c.ProposedBy)
	})
}
