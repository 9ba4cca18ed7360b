package merchant

import (
	"cmp"
	"time"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
)

// What an enterprise pays for being here: nothing. It gives the tenth to the fund,
// and no other part of a sale.
const (
	EntryFee     money.Fen = 0
	CommissionBP int       = 0 // of each sale, in basis points (1/10,000)
)

// Expired is not a state that an enterprise is put into: it is what the public sees
// of an active one of which a licence has run out.
const Expired State = "expired"

// ShownState is the enterprise's state as everybody sees it at that time.
func (m Merchant) ShownState(at time.Time) State {
	if m.State == Active && m.LicensedUntil < DateOf(at) {
		return Expired
	}
	return m.State
}

// reverifiedEvery is how long a verification is good for, in months (e-commerce
// law, article 27).
const reverifiedEvery = 6

// verify marks the enterprise as verified.
func (m *Merchant) verify(at time.Time) {
	m.VerifiedAt = at
	m.ReverificationDue = DateOf(at).after(reverifiedEvery)
}

// SanctionID names a sanction.
type SanctionID = id.Of[Sanction]

// SanctionKind says what was done about an enterprise.
type SanctionKind string

// The kinds of sanction.
const (
	Warning       SanctionKind = "warning"       // changes nothing
	Suspension    SanctionKind = "suspension"    // stops sale
	Reinstatement SanctionKind = "reinstatement" // ends a suspension
	Exclusion     SanctionKind = "exclusion"     // the enterprise leaves for good
)

// Sanction is what was done about an enterprise, on the public record.
type Sanction struct {
	ID       SanctionID
	Kind     SanctionKind
	NoticeZH string // for everybody
	NoticeEN string
	Reason   string      // for operators and auditors; "" where the public reads
	By       identity.ID // zero where the public reads
	Since    time.Time
}

// Sanctioning is a sanction to be imposed. Notices are for the public and in both
// languages, 2 to 500 characters, with no person named; without both, the kind's
// standing words are used.
type Sanctioning struct {
	Kind     SanctionKind
	Reason   string // internal, 2 to 500 characters
	NoticeZH string
	NoticeEN string
}

// measure is what a kind of sanction does, and the standing words for it.
type measure struct {
	operation, zh, en string
	act               func(*Merchant) error
}

// measure is the kind's; there is none of a kind that is not known.
func (k SanctionKind) measure() measure {
	switch k {
	case Warning:
		return measure{"merchant.warn", "平台对该企业作出警告。", "The platform has warned this enterprise.", (*Merchant).warn}
	case Suspension:
		return measure{"merchant.suspend", "平台暂停该企业销售。", "The platform has suspended this enterprise's sales.", (*Merchant).Suspend}
	case Reinstatement:
		return measure{"merchant.reinstate", "平台恢复该企业销售。", "The platform has lifted the suspension of this enterprise.", (*Merchant).Reinstate}
	case Exclusion:
		return measure{"merchant.exclude", "平台终止与该企业的合作。", "The platform has excluded this enterprise.", (*Merchant).Leave}
	}
	return measure{}
}

// warn changes nothing, and is of nobody who has left.
func (m *Merchant) warn() error {
	if m.State == Left {
		return ErrState.With("the enterprise has left")
	}
	return nil
}

func (g Sanctioning) check() error {
	if err := identity.CheckReason(g.Reason); err != nil {
		return err
	}
	bad := ErrInvalid
	if g.Kind.measure().act == nil {
		bad = bad.At("/kind", "enum", "no such sanction")
	}
	if (g.NoticeZH == "") != (g.NoticeEN == "") {
		bad = bad.At("/notice_zh", "whole", "a notice is in Chinese and in English")
	}
	for pointer, notice := range map[string]string{"/notice_zh": g.NoticeZH, "/notice_en": g.NoticeEN} {
		if notice != "" && !text(notice, 2, 500) {
			bad = bad.At(pointer, "length", "2 to 500 characters")
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// sanction does to the enterprise what g says, and adds it to its record.
func (m *Merchant) sanction(g Sanctioning, by identity.ID, at time.Time) (Sanction, error) {
	does := g.Kind.measure()
	if err := does.act(m); err != nil {
		return Sanction{}, err
	}
	s := Sanction{
		ID: id.New[Sanction](at), Kind: g.Kind, NoticeZH: cmp.Or(g.NoticeZH, does.zh), NoticeEN: cmp.Or(g.NoticeEN, does.en), Since: at,
	}
	m.Sanctions = append(m.Sanctions, s)
	s.Reason, s.By = g.Reason, by
	return s, nil
}
