// Package standing keeps enterprises in order after they were let in: it takes the
// licences that they renew, has each verified again in time, and tells them and the
// operators of what ends. What follows from it for sale, merchant decides.
package standing

import (
	"slices"
	"time"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
)

// Faults of standing.
var (
	// ErrLicence says that no such licence was filed, or that it is another enterprise's.
	ErrLicence = fault.New(fault.NotFound, "standing.licence_not_found", "No such licence", "许可证不存在")
	// ErrDecided says that a licence was accepted or declined already.
	ErrDecided = fault.New(fault.Conflict, "standing.licence_decided", "The licence was decided on already", "该许可证已处理")
	// ErrOwnFiling says that nobody decides on a licence that he filed, or that is of
	// an enterprise for which he sells.
	ErrOwnFiling = fault.New(fault.Refused, "standing.own_filing", "Nobody decides on a licence of his own", "不能核验本人或本企业提交的许可证")
	// ErrNotInForce says that a licence is over, or not issued yet.
	ErrNotInForce = fault.New(fault.Refused, "standing.licence_not_in_force", "The licence is not in force today", "该许可证目前未生效或已过期")
	// ErrChecked says that a re-verification does not say what was checked.
	ErrChecked = fault.New(fault.Invalid, "standing.checked_required", "Say what was checked", "请填写核验内容")
	// ErrAlert says that there is no such alert, or that it is another enterprise's.
	ErrAlert = fault.New(fault.NotFound, "standing.alert_not_found", "No such alert", "提醒不存在")
)

// LicenceID names a licence as it was filed once.
type LicenceID = id.Of[Filing]

// LicenceState says what became of a licence that was filed.
type LicenceState string

// The states of a licence that was filed. Only an accepted one counts.
const (
	Filed    LicenceState = "filed"
	Accepted LicenceState = "accepted"
	Declined LicenceState = "declined"
)

// Filing is a licence that an enterprise filed, with what became of it.
type Filing struct {
	ID           LicenceID
	Merchant     merchant.ID
	MerchantName string
	merchant.Licence
	State     LicenceState
	FiledBy   identity.ID
	FiledAt   time.Time
	Reason    string      // of the decision; "" where none was needed
	DecidedBy identity.ID // zero: nobody yet
	DecidedAt time.Time   // zero: not yet
}

// LicenceFilter chooses licences; its zero fields choose all.
type LicenceFilter struct {
	State    LicenceState
	Merchant merchant.ID
}

// inForce refuses a licence that does not allow anything at that time: an expired one
// would only stop sale, and one of the future leaves a gap.
func inForce(l merchant.Licence, at time.Time) error {
	if l.IssuedOn > merchant.DateOf(at) || !l.ValidAt(at) {
		return ErrNotInForce.With("from %s to %s", l.IssuedOn, l.ExpiresOn)
	}
	return nil
}

// Accept lets the licence count.
func (f *Filing) Accept(caller identity.Caller, at time.Time) error {
	if err := f.decide(caller, Accepted); err != nil {
		return err
	}
	return inForce(f.Licence, at)
}

// Decline leaves the licence without effect.
func (f *Filing) Decline(caller identity.Caller, _ time.Time) error {
	return f.decide(caller, Declined)
}

// decide refuses those who may not decide, and a licence that waits for nobody.
func (f *Filing) decide(caller identity.Caller, verdict LicenceState) error {
	switch {
	case caller.Account == f.FiledBy || caller.SellsFor(f.Merchant.UUID()):
		return ErrOwnFiling
	case f.State != Filed:
		return ErrDecided.With("the licence is %s: only a filed one is decided on", f.State)
	}
	f.State = verdict
	return nil
}

// repeats reports whether l is what was filed before, in everything.
func (f Filing) repeats(l merchant.Licence) bool {
	return f.State == Filed && f.Same(l) && f.IssuedOn == l.IssuedOn && slices.Equal(f.ProductKinds, l.ProductKinds) && slices.Equal(f.Files, l.Files)
}

// detail is what the trail tells of a licence.
func (f Filing) detail() map[string]any {
	return map[string]any{"licence": f.ID.String(), "kind": f.Kind, "number": f.No, "expires_on": string(f.ExpiresOn)}
}

// soon is how many days ahead a re-verification is listed as due.
const soon = 30

// Reverification is when an enterprise must be verified again (e-commerce law,
// article 27: at least every six months). Overdue alarms and stops nothing.
type Reverification struct {
	Merchant   merchant.ID
	Code       string
	ShortName  string
	VerifiedAt time.Time
	DueOn      merchant.Date // the last day on which it is in time
	Overdue    bool
}

// AlertID names an alert.
type AlertID = id.Of[Alert]

// Subject says what an alert is about.
type Subject string

// The subjects of alerts.
const (
	OfLicence        Subject = "licence"        // a licence ends
	OfReverification Subject = "reverification" // the enterprise must be verified again
	OfLeaving        Subject = "leaving"        // the enterprise wishes to leave
)

// AlertState says whether somebody should look at an alert.
type AlertState string

// The states of an alert.
const (
	Open         AlertState = "open"
	Acknowledged AlertState = "acknowledged" // the enterprise has seen it
	Superseded   AlertState = "superseded"   // what it warned of was renewed or is no longer needed
)

// Alert tells in time that something of an enterprise ends.
type Alert struct {
	ID             AlertID
	Merchant       merchant.ID
	MerchantName   string
	Subject        Subject
	Kind           string // the licence's kind and number, or ""
	No             string
	DueOn          merchant.Date // the last day
	Days           int           // raised 90, 30 or 7 days before; 0: the last day is over
	State          AlertState
	RaisedAt       time.Time
	AcknowledgedAt time.Time // zero: not yet
}

// AlertFilter chooses alerts; its zero fields choose all.
type AlertFilter struct {
	State    AlertState
	Merchant merchant.ID
}
