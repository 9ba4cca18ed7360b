package onboarding

import (
	"slices"

	"github.com/shiyi-market/shiyi/internal/identity"
)

// State says how far an application has come.
type State string

// The states of an application.
const (
	Drafted     State = "draft"
	Submitted   State = "submitted"   // the county's turn
	Returned    State = "returned"    // the applicant's turn again
	Recommended State = "recommended" // the platform's turn
	Approved    State = "approved"    // the agreement is to be signed
	Refused     State = "refused"     // for good
	Signed      State = "signed"      // for the moment in which the enterprise is let in
	Active      State = "active"      // the enterprise is let in
)

// Side is in whose name somebody acts.
type Side string

// The sides.
const (
	Applicant Side = "applicant"
	County    Side = "county"
	Platform  Side = "platform"
	Program   Side = "program"
)

// Action is what is done with an application.
type Action string

// The actions.
const (
	Start     Action = "start" // makes it
	Edit      Action = "edit"
	Submit    Action = "submit"
	Recommend Action = "recommend"
	Return    Action = "return"
	Approve   Action = "approve"
	Refuse    Action = "refuse"
	Sign      Action = "sign"
	Activate  Action = "activate"
)

// Move is an action that a side may take in a state, and where it leads.
type Move struct {
	By       Side
	Do       Action
	From, To State
}

// Moves are all that there are. The table's trigger holds the same.
func Moves() []Move {
	return []Move{
		{Applicant, Edit, Drafted, Drafted},
		{Applicant, Edit, Returned, Returned},
		{Applicant, Submit, Drafted, Submitted},
		{Applicant, Submit, Returned, Submitted},
		{County, Recommend, Submitted, Recommended},
		{County, Return, Submitted, Returned},
		{Platform, Approve, Recommended, Approved},
		{Platform, Return, Recommended, Returned},
		{Platform, Refuse, Recommended, Refused},
		{Platform, Refuse, Returned, Refused}, // nothing more has come of it
		{Applicant, Sign, Approved, Signed},
		{Program, Activate, Signed, Active},
	}
}

// move is the action's move from this state, or ErrState.
func move(by Side, do Action, from State) (Move, error) {
	for _, m := range Moves() {
		if m.By == by && m.Do == do && m.From == from {
			return m, nil
		}
	}
	return Move{}, ErrState.With("the application is %s", from)
}

// may refuses an action that is not one of this state, or that needs another pair
// of eyes: nobody decides about his own application, and who recommended it does
// not decide for the platform.
func (a Application) may(by Side, do Action, caller identity.ID) (Move, error) {
	m, err := move(by, do, a.State)
	if err != nil {
		return m, err
	}
	decides := by == County || by == Platform
	if decides && caller == a.Applicant || by == Platform && caller == a.RecommendedBy {
		return m, ErrFourEyes
	}
	return m, nil
}

// act is may, and changes the state.
func (a *Application) act(by Side, do Action, caller identity.ID) error {
	m, err := a.may(by, do, caller)
	if err == nil {
		a.State = m.To
	}
	return err
}

// visible reports whether somebody who asks for a side sees the application: the
// applicant his own, the county those of its region, the platform all; drafts are
// nobody else's.
func (a Application) visible(caller identity.Caller, side Side) bool {
	switch side {
	case Applicant:
		return !caller.Account.IsZero() && caller.Account == a.Applicant
	case County:
		return a.State != Drafted && caller.ActsFor(a.Entity.Region)
	case Platform:
		return a.State != Drafted && caller.Is(identity.Operator)
	case Program:
	}
	return false
}

// NextActions are what the caller may do next.
func (a Application) NextActions(caller identity.Caller) []Action {
	next := []Action{}
	for _, m := range Moves() {
		if m.From != a.State || !a.visible(caller, m.By) || slices.Contains(next, m.Do) {
			continue
		}
		if _, err := a.may(m.By, m.Do, caller.Account); err == nil {
			next = append(next, m.Do)
		}
	}
	return next
}
