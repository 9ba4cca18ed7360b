// Package application is how schools ask the fund: a county's official or an administrator of
// the fund files what a school wants, another administrator assesses it, it is published, and
// when nobody objects, or objects in vain, it becomes a programme.
package application

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/programme"
)

// Faults of applications.
var (
	// ErrUnknown says that there is no such application, or that it is another county's.
	ErrUnknown = fault.New(fault.NotFound, "application.not_found", "There is no such application", "没有这份项目申请")
	// ErrState says that its state does not allow this.
	ErrState = fault.New(fault.Conflict, "application.wrong_state", "The state of the application does not allow this", "项目申请当前状态不允许此操作")
	// ErrOwn says that nobody decides on what he filed, nor accepts what he assessed.
	ErrOwn = fault.New(fault.Refused, "application.four_eyes", "Somebody else decides than who filed it or assessed it", "须由申报人、评审人以外的人员办理")
	// ErrAmount says that an application is for some money of the fund.
	ErrAmount = fault.New(fault.Invalid, "application.invalid_amount", "Say how much is applied for", "请填写申请金额")
	// ErrScore says that a score is 0 to 100.
	ErrScore = fault.New(fault.Invalid, "application.invalid_score", "A score is 0 to 100", "评分须为 0 至 100")
)

// ID names an application.
type ID = id.Of[Application]

// State is where an application is in its life: lifecycle.Application.
type State string

// The states.
const (
	Filed     State = "filed"
	Assessed  State = "assessed"
	Published State = "published"
	Accepted  State = "accepted"
	Declined  State = "declined"
	Withdrawn State = "withdrawn"
)

// Asking is what is applied for.
type Asking struct {
	Plan   programme.Plan
	Amount money.Fen              // of the fund, above 0
	Other  []programme.OtherMoney // beside the fund's
	Files  []file.ID              // of who files it
}

// Application is what a school asks the fund for.
type Application struct {
	ID         ID
	Plan       programme.Plan
	Amount     money.Fen
	Other      []programme.OtherMoney
	Papers     []file.Digest
	State      State
	FiledBy    identity.ID
	FiledAt    time.Time
	Score      int // 0 to 100, once it is assessed
	Opinion    string
	AssessedBy identity.ID
	AssessedAt time.Time
	Period     objection.PeriodID // zero before it is published
	DecidedBy  identity.ID
	DecidedAt  time.Time
	Reason     string // why it was declined or withdrawn
	Programme  programme.ID
}

// county is whose official sees it.
func (a *Application) county() string {
	return a.Plan.Region[:min(len(a.Plan.Region), len(programme.County))]
}

// move brings an application to another state. Nobody decides on what he filed but to withdraw
// it; who assessed it may publish it, and does not accept it. The program itself is nobody.
func (a *Application) move(to State, by identity.ID) error {
	switch {
	case !lifecycle.Application().Allowed(string(a.State), string(to)):
		return ErrState.With("it is %s", a.State)
	case by.IsZero():
	case (by == a.FiledBy) != (to == Withdrawn), to == Accepted && by == a.AssessedBy:
		return ErrOwn
	}
	a.State = to
	return nil
}

// Next are the actions that the caller may take.
func (a *Application) Next(caller identity.Caller) []string {
	role := lifecycle.County
	if caller.Is(identity.FundAdmin) {
		role = lifecycle.FundAdmin
	}
	return slices.DeleteFunc(lifecycle.Application().Next(string(a.State), role), func(action string) bool {
		mine := caller.Account == a.FiledBy
		return (action == "withdraw") != mine || action == "accept" && caller.Account == a.AssessedBy
	})
}

// notice is what is published of an application.
func (a *Application) notice() objection.Opening {
	return objection.Opening{
		Subject: objection.Application, ID: a.ID.UUID(), TitleZH: "项目申请公示：" + a.Plan.Title, TitleEN: "An application to the fund: " + a.Plan.Title,
		Detail:   map[string]any{"plan": a.Plan, "amount_fen": a.Amount, "score": a.Score, "opinion": a.Opinion},
		Involved: []identity.ID{a.FiledBy, a.AssessedBy},
	}
}

// sees reports whether the caller may know of it.
func (a *Application) sees(caller identity.Caller) bool {
	return caller.Is(identity.FundAdmin) || caller.Is(identity.Auditor) || caller.ActsFor(a.county())
}

func sorted(a Application) (string, uuid.UUID) { return "", a.ID.UUID() }
