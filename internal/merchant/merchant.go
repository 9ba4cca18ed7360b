// Package merchant knows the vetted enterprises: who they are, what licences
// they hold, and by which agreement one tenth of their sales goes to the fund.
// It decides who may sell. It does not know what they sell.
package merchant

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
)

// Faults of enterprises.
var (
	// ErrUnknown says that there is no such enterprise.
	ErrUnknown = fault.New(fault.NotFound, "merchant.not_found", "No such enterprise", "企业不存在")
	// ErrInvalid names what is wrong with an enrolment or a licence.
	ErrInvalid = fault.New(fault.Invalid, "merchant.invalid", "The enterprise's papers are not in order", "企业资料有误")
	// ErrEnrolled says that the code, the id or the credit code is another enterprise's.
	ErrEnrolled = fault.New(fault.Conflict, "merchant.already_enrolled", "The enterprise is enrolled already", "该企业已入驻")
	// ErrState says that the enterprise is not in the state that the change needs.
	ErrState = fault.New(fault.Conflict, "merchant.wrong_state", "The enterprise's state does not allow this", "企业当前状态不允许此操作")
	// ErrOwn says that no operator judges an enterprise that he sells for.
	ErrOwn = fault.New(fault.Refused, "merchant.own_enterprise", "Nobody judges an enterprise of his own", "不能处理本人所属企业")
	// ErrNoAgreement says that no agreement for the tenth is in force: without
	// one nothing is on sale (charity law, article 37: it is a promised donation).
	ErrNoAgreement = fault.New(fault.Refused, "merchant.no_agreement", "The enterprise has no agreement for the tenth", "该企业尚未签订捐赠协议")
	// ErrSuspended says that the enterprise may not sell at present, or has left.
	ErrSuspended = fault.New(fault.Refused, "merchant.suspended", "The enterprise does not sell at present", "该企业已暂停销售")
	// ErrLicenceExpired says that a licence has run out. It stops sale and
	// nothing else: history stays.
	ErrLicenceExpired = fault.New(fault.Refused, "merchant.licence_expired", "A licence of the enterprise has expired", "该企业的许可证已过期")
	// ErrAccepted says that this very licence counts already.
	ErrAccepted = fault.New(fault.Conflict, "merchant.licence_accepted", "The licence was accepted already", "该许可证已通过核验")
	// ErrNoLicence says that the enterprise holds no licence of the kind.
	ErrNoLicence = fault.New(fault.Conflict, "merchant.no_such_licence", "The enterprise holds no licence of this kind", "该企业没有此类许可证")
	// ErrLastLicence says that an enterprise would be left without any licence.
	ErrLastLicence = fault.New(fault.Refused, "merchant.last_licence", "It is the only kind of licence that the enterprise holds", "这是该企业仅有的许可证类别")
)

// Date is a calendar day in the county, "2006-01-02"; "" is no day. Dates
// compare as strings.
type Date string

// DateOf is the day on which t falls in the county (Asia/Shanghai, UTC+8
// without summer time since 1991).
func DateOf(t time.Time) Date {
	return Date(t.In(time.FixedZone("Asia/Shanghai", 8*60*60)).Format(time.DateOnly))
}

// ParseDate reads "2006-01-02".
func ParseDate(s string) (Date, error) {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return "", fmt.Errorf("merchant: %q is not a date", s)
	}
	return Date(s), nil
}

// Time is the beginning of the day in UTC, for those who need a time.Time to
// write the date; zero for no day.
func (d Date) Time() time.Time {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return time.Time{}
	}
	return t
}

// after is the same day so many months later, or the last of that month where it
// is shorter.
func (d Date) after(months int) Date {
	t := d.Time()
	first := time.Date(t.Year(), t.Month()+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return Date(first.AddDate(0, 0, min(t.Day(), last)-1).Format(time.DateOnly))
}

// ID names an enterprise.
type ID = id.Of[Merchant]

// State says whether an enterprise is with us.
type State string

// The states of an enterprise.
const (
	Active    State = "active"
	Suspended State = "suspended"
	Left      State = "left"
)

// Linkage is how households earn by the enterprise.
type Linkage struct {
	Modes              []string
	Households         int64
	PoorHouseholds     int64
	Employed           int64     // poor people on its payroll
	LandMu             int64     // land leased from households, in mu (1/15 hectare)
	PurchaseAgreements int64     // households with a purchase agreement
	Dividends          money.Fen // paid out in the year of the data
	Evidence           []string
}

// Merchant is an enterprise.
type Merchant struct {
	ID                ID
	Code              string // "E01"
	LegalName         string
	ShortName         string
	EntityType        string
	Fictional         bool   // an invented example
	Region            string // county, GB/T 2260: "152527"
	Township          string
	USCC              string // unified social credit code, GB 32100, 18 characters
	Brands            []string
	State             State
	RecommendationNo  string // the county's recommendation
	RecommendedOn     Date
	AgreementNo       string // the agreement for the tenth; "" is none
	AgreementSignedOn Date
	Licences          []Licence // that were accepted, in force or not, the newest of each kind first
	LicensedUntil     Date      // the last day on which every kind held is valid
	Linkage           Linkage
	Sanctions         []Sanction // oldest first, as the public sees them: without reasons and names
	EnrolledAt        time.Time
	VerifiedAt        time.Time // when it was let in, or last verified again
	ReverificationDue Date      // six months later (e-commerce law, article 27); overdue alarms and stops nothing
}

// Standing is all that decides whether an enterprise may sell.
type Standing struct {
	State             State
	AgreementSignedOn Date // "" is no agreement
	LicensedUntil     Date
}

// Standing is m's.
func (m Merchant) Standing() Standing {
	return Standing{State: m.State, AgreementSignedOn: m.AgreementSignedOn, LicensedUntil: m.LicensedUntil}
}

// MaySell is nil if an enterprise of this standing may sell at that time, and
// otherwise ErrSuspended, ErrNoAgreement or ErrLicenceExpired. A licence is
// valid through the end of its last day in the county.
func MaySell(s Standing, at time.Time) error {
	today := DateOf(at)
	switch {
	case s.State != Active:
		return ErrSuspended
	case s.AgreementSignedOn == "" || s.AgreementSignedOn > today:
		return ErrNoAgreement
	case s.LicensedUntil < today:
		return ErrLicenceExpired.With("valid until %s", s.LicensedUntil)
	}
	return nil
}

// Suspend stops the sale of everything that the enterprise lists.
func (m *Merchant) Suspend() error {
	if m.State != Active {
		return ErrState.With("the enterprise is %s: only an active one is suspended", m.State)
	}
	m.State = Suspended
	return nil
}

// Reinstate lets a suspended enterprise sell again, if its papers allow it.
func (m *Merchant) Reinstate() error {
	if m.State != Suspended {
		return ErrState.With("the enterprise is %s: only a suspended one is reinstated", m.State)
	}
	m.State = Active
	return nil
}

// Leave ends the enterprise's time with us for good. What it sold stays sold.
func (m *Merchant) Leave() error {
	if m.State == Left {
		return ErrState.With("the enterprise has left already")
	}
	m.State = Left
	return nil
}

// Enrolment is an enterprise that has been recommended, vetted and approved. A
// zero ID is given one.
type Enrolment struct {
	ID                ID
	Code              string
	LegalName         string
	ShortName         string
	EntityType        string
	Fictional         bool
	Region            string
	Township          string
	USCC              string
	Brands            []string
	RecommendationNo  string
	RecommendedOn     Date
	AgreementNo       string // "" until it is signed: then nothing is on sale
	AgreementSignedOn Date
	Licences          []Licence // at least one
	Linkage           Linkage
}

func (e Enrolment) check() error {
	bad := ErrInvalid
	for _, f := range []struct {
		pointer, text string
		most          int
	}{
		{"/code", e.Code, 32},
		{"/legal_name", e.LegalName, 120},
		{"/short_name", e.ShortName, 60},
		{"/entity_type", e.EntityType, 60},
		{"/township", e.Township, 60},
	} {
		if n := utf8.RuneCountInString(f.text); n < 1 || n > f.most {
			bad = bad.At(f.pointer, "length", fmt.Sprintf("1 to %d characters", f.most))
		}
	}
	if err := CheckUSCC(e.USCC); err != nil {
		bad = bad.At("/uscc", "uscc", err.Error())
	}
	if len(e.Region) != 6 || !digits(e.Region) {
		bad = bad.At("/region", "format", "six digits")
	}
	if (e.AgreementNo == "") != (e.AgreementSignedOn == "") {
		bad = bad.At("/agreement_no", "whole", "number and date of the agreement go together")
	}
	if len(e.Licences) == 0 {
		bad = bad.At("/licences", "minItems", "at least one licence")
	}
	for i, l := range e.Licences {
		if err := l.Check(); err != nil {
			bad = bad.At(fmt.Sprintf("/licences/%d", i), "licence", "kind, number and last day are needed, and what more is said must be in order")
		}
	}
	if l := e.Linkage; min(l.Households, l.PoorHouseholds, l.Employed, l.LandMu, l.PurchaseAgreements, int64(l.Dividends)) < 0 {
		bad = bad.At("/linkage", "minimum", "no figure is below zero")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// merchant is the enterprise that an enrolment makes.
func (e Enrolment) merchant(at time.Time) Merchant {
	m := Merchant{
		ID: e.ID, Code: e.Code, LegalName: e.LegalName, ShortName: e.ShortName, EntityType: e.EntityType,
		Fictional: e.Fictional, Region: e.Region, Township: e.Township, USCC: e.USCC, Brands: e.Brands, State: Active,
		RecommendationNo: e.RecommendationNo, RecommendedOn: e.RecommendedOn,
		AgreementNo: e.AgreementNo, AgreementSignedOn: e.AgreementSignedOn,
		Licences: slices.Clone(e.Licences), Linkage: e.Linkage, EnrolledAt: at,
	}
	if m.ID.IsZero() {
		m.ID = id.New[Merchant](at)
	}
	m.hold(m.Licences)
	m.verify(at)
	return m
}

// key is what a list of enterprises is sorted by.
func (m Merchant) key() (string, uuid.UUID) { return m.Code, m.ID.UUID() }
