// Package lifecycle says what may follow what: for each thing that has states, by which action
// it goes from one to another and who may take it. It is written here once, as data. The
// contexts decide by it, next_actions are read off it, the triggers of the database must say
// the same, and docs/lifecycle.md is drawn from it.
package lifecycle

import (
	"fmt"
	"slices"
	"strings"
)

// Role is who takes an action.
type Role string

// The roles. What the passing of time or the payment provider brings about is the System's.
const (
	Buyer     Role = "buyer"
	Merchant  Role = "merchant"
	Operator  Role = "operator"
	County    Role = "county"
	FundAdmin Role = "fund_admin"
	Auditor   Role = "auditor"
	System    Role = "system"
)

// Move is an action: it takes a thing from one state to another, or leaves it where it is.
type Move struct {
	From, To string
	Action   string // a verb: "pay"
	By       []Role
}

// Machine is the life of one kind of thing.
type Machine struct {
	Name    string // "order"
	Chinese string // 订单
	Table   string // whose column state its triggers guard
	First   string // the state that a row begins in
	Moves   []Move
}

// Allowed reports whether anybody may bring a thing from one state to another.
func (m Machine) Allowed(from, to string) bool {
	return slices.ContainsFunc(m.Moves, func(v Move) bool { return v.From == from && v.To == to })
}

// Next are the actions that somebody may take in a state, each once, in the order in which
// they are written; none, not nil, where there are none.
func (m Machine) Next(from string, who Role) []string {
	next := []string{}
	for _, v := range m.Moves {
		if v.From == from && slices.Contains(v.By, who) && !slices.Contains(next, v.Action) {
			next = append(next, v.Action)
		}
	}
	return next
}

// May reports whether somebody may take an action in a state.
func (m Machine) May(from, action string, who Role) bool {
	return slices.Contains(m.Next(from, who), action)
}

// Knows reports whether the machine has an action at all.
func (m Machine) Knows(action string) bool {
	return slices.ContainsFunc(m.Moves, func(v Move) bool { return v.Action == action })
}

// States are all states, the first one first, then as they are reached.
func (m Machine) States() []string {
	states := []string{m.First}
	for _, v := range m.Moves {
		for _, s := range []string{v.From, v.To} {
			if !slices.Contains(states, s) {
				states = append(states, s)
			}
		}
	}
	return states
}

// Ends reports whether nothing ever leaves a state.
func (m Machine) Ends(state string) bool {
	return !slices.ContainsFunc(m.Moves, func(v Move) bool { return v.From == state && v.To != state })
}

// Rules are the changes of state, "from>to", sorted and each once: the arguments of the
// trigger state_moves of the machine's table.
func (m Machine) Rules() []string {
	var rules []string
	for _, v := range m.Moves {
		if v.From != v.To {
			rules = append(rules, v.From+">"+v.To)
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

// Diagram is the machine as a Mermaid state diagram.
func (m Machine) Diagram() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stateDiagram-v2\n  [*] --> %s\n", m.First)
	for _, v := range m.Moves {
		who := make([]string, len(v.By))
		for i, r := range v.By {
			who[i] = string(r)
		}
		fmt.Fprintf(&b, "  %s --> %s: %s (%s)\n", v.From, v.To, v.Action, strings.Join(who, ", "))
	}
	for _, s := range m.States() {
		if m.Ends(s) {
			fmt.Fprintf(&b, "  %s --> [*]\n", s)
		}
	}
	return b.String()
}
