// Package assistance is the register of help outside the shop: training, telemedicine, cadres, purchases of
// institutions that did not go through the shop. Each entry has figures and says where they
// come from. None of it is money of the fund, and none can be paid by the fund: what is education is a
// programme, and stands elsewhere.
package assistance

import (
	"regexp"
	"strings"
	"time"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
)

// Faults of the register.
var (
	// ErrUnknown says that there is no such entry.
	ErrUnknown = fault.New(fault.NotFound, "assistance.not_found", "No such entry of the register", "没有这条帮扶记录")
	// ErrEntry says that an entry is incomplete or wrong.
	ErrEntry = fault.New(fault.Invalid, "assistance.invalid", "The entry is not right", "帮扶记录有误")
	// ErrReplaced says that the entry was corrected before.
	ErrReplaced = fault.New(fault.Conflict, "assistance.replaced", "The entry was corrected before: correct its correction", "该记录已被更正，请更正最新的一条")
)

// ID names an entry.
type ID = id.Of[Entry]

// The names of figures that reports sum.
const (
	AmountFen = "amount_fen" // in fen
	Kilograms = "kg"         // in kilograms
	People    = "people"     // persons
)

// Track is one of the ways in which the county is helped.
type Track struct {
	Code   string // "training"
	NameZH string
	NameEN string
}

// InstitutionalPurchase is the code of the track of what institutions bought outside the shop.
const InstitutionalPurchase = "institutional_purchase"

// Figure is a number of an entry.
type Figure struct {
	Name    string `json:"name"`     // AmountFen, Kilograms, People, or another
	ZH      string `json:"zh"`       // what it is
	EN      string `json:"en"`       // what it is
	Value   int64  `json:"value"`    // not negative
	AtLeast bool   `json:"at_least"` // the source says "more than"
}

// New is what is put into the register.
type New struct {
	Year     int      `json:"year"`
	Track    string   `json:"track"`
	TitleZH  string   `json:"title_zh"`
	TitleEN  string   `json:"title_en"`
	Figures  []Figure `json:"figures"`
	Source   string   `json:"source"`   // where the figures come from
	Invented bool     `json:"invented"` // an example
	Replaces ID       `json:"-"`        // the entry that this one corrects; zero: none
	Reason   string   `json:"reason"`   // why it is corrected
}

// Entry is what the register says.
type Entry struct {
	ID ID `json:"id"`
	New
	By identity.ID `json:"-"`
	At time.Time   `json:"recorded_at"`
}

// Sum is that of one figure over the entry's figures.
func (e Entry) Sum(name string) int64 {
	var sum int64
	for _, f := range e.Figures {
		if f.Name == name {
			sum += f.Value
		}
	}
	return sum
}

var figureName = regexp.MustCompile(`^[a-z][a-z_]{0,31}$`)

// check makes texts clean, or says what is wrong.
func (n *New) check() error {
	err, bad := ErrEntry, false
	say := func(pointer, keyword, what string) { err, bad = err.At(pointer, keyword, what), true }
	text := func(s *string, pointer string, most int) {
		*s = strings.TrimSpace(*s)
		if length := len([]rune(*s)); length < 1 || length > most || strings.ContainsRune(*s, 0) {
			say(pointer, "length", "too short, or too long")
		}
	}
	text(&n.TitleZH, "/title_zh", 200)
	text(&n.TitleEN, "/title_en", 200)
	text(&n.Source, "/source", 500)
	if n.Reason = strings.TrimSpace(n.Reason); n.Replaces.IsZero() {
		n.Reason = ""
	} else {
		text(&n.Reason, "/reason", 500)
	}
	if n.Year < 2000 || n.Year > 2999 {
		say("/year", "minimum", "a year of four digits")
	}
	if len(n.Figures) > 20 {
		say("/figures", "maxItems", "at most 20")
	}
	seen := map[string]bool{}
	for i := range n.Figures {
		f := &n.Figures[i]
		text(&f.ZH, "/figures", 60)
		text(&f.EN, "/figures", 60)
		if !figureName.MatchString(f.Name) || seen[f.Name] || f.Value < 0 || f.Value > 1e15 {
			say("/figures", "pattern", "a name that comes once, and a number that is not negative")
		}
		seen[f.Name] = true
	}
	if bad {
		return err
	}
	return nil
}
