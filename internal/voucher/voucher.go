// Package voucher is what a buyer of a service holds: one code for each unit of a paid
// voucher line, the day for which he asks to come, and the moment when the enterprise's
// people take the code. When all vouchers of an order have ended, its services have.
package voucher

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
)

// Faults of vouchers.
var (
	// ErrUnknown says that there is no such voucher, or that it is none of the caller's.
	ErrUnknown = fault.New(fault.NotFound, "voucher.not_found", "There is no such voucher", "没有这张券")
	// ErrMistyped says that no code reads like this: its check character does not fit.
	ErrMistyped = fault.New(fault.Refused, "voucher.mistyped", "The code is mistyped", "券码输入有误")
	// ErrRedeemed says that the voucher was taken before.
	ErrRedeemed = fault.New(fault.Conflict, "voucher.already_redeemed", "The voucher was redeemed already", "该券已核销")
	// ErrExpired says that the voucher's last day is over.
	ErrExpired = fault.New(fault.Conflict, "voucher.expired", "The voucher has expired", "该券已过期")
	// ErrVoid says that the voucher was refunded.
	ErrVoid = fault.New(fault.Conflict, "voucher.refunded", "The voucher was refunded", "该券已退款")
	// ErrTooFew says that fewer vouchers of a line can be refunded than was asked.
	ErrTooFew = fault.New(fault.Conflict, "voucher.too_few_left", "Not so many vouchers are unused", "未使用的券不足")
	// ErrInvalid names what is wrong with an appointment.
	ErrInvalid = fault.New(fault.Invalid, "voucher.invalid_appointment", "The appointment is not described rightly", "预约信息有误")
	// ErrOpen says that the voucher has an appointment already.
	ErrOpen = fault.New(fault.Conflict, "voucher.appointment_open", "The voucher has an appointment already", "该券已有预约")
	// ErrAppointment says that there is no such appointment.
	ErrAppointment = fault.New(fault.NotFound, "voucher.appointment_not_found", "There is no such appointment", "没有这个预约")
	// ErrState says that the appointment is not in a state that allows this.
	ErrState = fault.New(fault.Conflict, "voucher.wrong_appointment_state", "The appointment's state does not allow this", "预约当前状态不允许此操作")
	// ErrLate says that the day has come, or is over.
	ErrLate = fault.New(fault.Conflict, "voucher.too_late", "It is too late for this", "已超过可操作的时间")
)

type (
	// ID names a voucher.
	ID = id.Of[Voucher]
	// AppointmentID names an appointment.
	AppointmentID = id.Of[Appointment]
)

// State says what has become of a voucher.
type State string

// The states of a voucher.
const (
	Issued   State = "issued"
	Redeemed State = "redeemed"
	Expired  State = "expired"
	Voided   State = "void" // refunded
)

// Voucher is the right to one unit of a service.
type Voucher struct {
	ID           ID
	Order        order.ID
	Line, N      int // the n-th unit of that line, both from 1
	Merchant     merchant.ID
	MerchantName string
	Buyer        identity.ID
	Name         string // of the service, as it was sold
	Spec         string
	Code         Code // the buyer's alone: it appears in no trail and no log
	State        State
	ValidUntil   merchant.Date // its last day, in the county
	IssuedAt     time.Time
	EndedAt      time.Time // zero while Issued
	Appointment  *Appointment
}

// maxDays bounds how long a voucher is good for: a hundred years.
const maxDays = 36_500

// Until is the last day of a voucher that was bought then and is good for so many days.
func Until(bought time.Time, days int) merchant.Date {
	return merchant.DateOf(bought.AddDate(0, 0, min(days, maxDays)))
}

// usable is nil while the voucher can be used.
func (v *Voucher) usable(at time.Time) error {
	switch {
	case v.State == Redeemed:
		return ErrRedeemed
	case v.State == Voided:
		return ErrVoid
	case v.State == Expired || merchant.DateOf(at) > v.ValidUntil:
		return ErrExpired
	}
	return nil
}

// Redeem takes the voucher, once and through its last day: ErrRedeemed, ErrExpired, ErrVoid.
func (v *Voucher) Redeem(at time.Time) error {
	if err := v.usable(at); err != nil {
		return err
	}
	v.State, v.EndedAt = Redeemed, at
	return nil
}

// AppointmentState says what has become of an appointment.
type AppointmentState string

// The states of an appointment.
const (
	Asked     AppointmentState = "asked"
	Confirmed AppointmentState = "confirmed"
	Declined  AppointmentState = "declined"
	Canceled  AppointmentState = "canceled"
)

// Appointment is the day on which a buyer wants to use a voucher. An enterprise sees it
// without the code and without who the buyer is.
type Appointment struct {
	ID        AppointmentID
	Voucher   ID
	Merchant  merchant.ID
	Order     order.ID
	Name      string
	Day       merchant.Date // in the county
	People    int
	State     AppointmentState
	Reason    string // why it was declined
	AskedAt   time.Time
	DecidedAt time.Time // zero while Asked
}

// maxPeople is how many may come with one voucher, at most.
const maxPeople = 99

// Ask is an appointment for a later day on which the voucher is still good.
func (v *Voucher) Ask(day merchant.Date, people int, at time.Time) (Appointment, error) {
	if err := v.usable(at); err != nil {
		return Appointment{}, err
	}
	bad := ErrInvalid
	if _, err := merchant.ParseDate(string(day)); err != nil || day <= merchant.DateOf(at) || day > v.ValidUntil {
		bad = bad.At("/day", "range", "a day from tomorrow to "+string(v.ValidUntil))
	}
	if people < 1 || people > maxPeople {
		bad = bad.At("/people", "range", "1 to 99")
	}
	if len(bad.Fields) > 0 {
		return Appointment{}, bad
	}
	return Appointment{
		ID: id.New[Appointment](at), Voucher: v.ID, Merchant: v.Merchant, Order: v.Order, Name: v.Name, Day: day, People: people, State: Asked, AskedAt: at,
	}, nil
}

// Confirm says that the buyer may come; ErrLate when the day is over.
func (a *Appointment) Confirm(at time.Time) error {
	if a.State != Asked {
		return ErrState.With("the appointment is %s", a.State)
	}
	if a.Day < merchant.DateOf(at) {
		return ErrLate.With("it was for %s", a.Day)
	}
	a.State, a.DecidedAt = Confirmed, at
	return nil
}

// Decline says that the buyer cannot come on that day, and why.
func (a *Appointment) Decline(reason string, at time.Time) error {
	if a.State != Asked {
		return ErrState.With("the appointment is %s", a.State)
	}
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n < 2 || n > 500 {
		return ErrInvalid.At("/reason", "length", "2 to 500 characters")
	}
	a.State, a.Reason, a.DecidedAt = Declined, reason, at
	return nil
}

// Cancel gives the day up: a confirmed one until the day before, ErrLate after that; one
// that nobody has confirmed at any time.
func (a *Appointment) Cancel(at time.Time) error {
	switch {
	case a.State != Asked && a.State != Confirmed:
		return ErrState.With("the appointment is %s", a.State)
	case a.State == Confirmed && a.Day <= merchant.DateOf(at):
		return ErrLate.With("it is for %s; the day before was the last to cancel", a.Day)
	}
	a.State, a.DecidedAt = Canceled, at
	return nil
}
