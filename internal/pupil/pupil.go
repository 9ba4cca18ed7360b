// Package pupil keeps what is known of the pupils whom the fund helps. Who they are is
// sensitive (personal information of minors: 个人信息保护法 arts 28 to 31): it is kept under
// a pseudonym, each record encrypted with a key of its own, read only upon a reasoned request
// that somebody else approved, and every reading is written down. The public sees sums over
// groups of five and more.
package pupil

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/money"
)

// Faults of pupil aid.
var (
	// ErrUnknown says that there is no such pupil or request.
	ErrUnknown = fault.New(fault.NotFound, "pupil.not_found", "No such pupil or request", "没有该学生或申请")
	// ErrPerson says that what is told of a pupil is incomplete or wrong.
	ErrPerson = fault.New(fault.Invalid, "pupil.invalid", "What is told of the pupil is not right", "学生资料有误")
	// ErrKnown says that the programme has this pupil already.
	ErrKnown = fault.New(fault.Conflict, "pupil.known", "The programme has this pupil already", "该项目已登记过这名学生")
	// ErrErased says that the record was erased: nobody can read it any more.
	ErrErased = fault.New(fault.Conflict, "pupil.erased", "The record was erased", "该学生的资料已删除")
	// ErrAccess says that the caller holds no approved request that is still good.
	ErrAccess = fault.New(fault.Forbidden, "pupil.no_access", "Ask for access first: somebody else approves it, for a while", "须先申请查阅并经他人批准，且在有效期内")
	// ErrDecided says that the request was decided already.
	ErrDecided = fault.New(fault.Conflict, "pupil.decided", "The request was decided already", "该申请已有结论")
	// ErrOwn says that nobody decides on his own request.
	ErrOwn = fault.New(fault.Refused, "pupil.four_eyes", "Somebody else decides on a request", "须由申请人以外的人员审批")
	// ErrBeyond says that more would be handed out than the programme was paid.
	ErrBeyond = fault.New(fault.Refused, "pupil.beyond_paid", "The programme was paid less than that", "发放合计超过项目已拨款项")
)

// ID names a pupil, and tells nothing of him.
type ID = id.Of[Pupil]

// RequestID names a request for access.
type RequestID = id.Of[Request]

// Stage is the kind of school that a pupil goes to.
type Stage string

// The stages.
const (
	Preschool Stage = "preschool"
	Primary   Stage = "primary"
	Junior    Stage = "junior"
	Senior    Stage = "senior"
	Higher    Stage = "higher"
)

// Person is who a pupil is. It is written and read whole, and stands nowhere in clear.
type Person struct {
	Name          string `json:"name"`           // 1 to 60 characters
	IDNumber      string `json:"id_number"`      // 18 characters, GB 11643
	School        string `json:"school"`         // 1 to 120 characters
	Guardian      string `json:"guardian"`       // who has consented; 1 to 60 characters
	GuardianPhone string `json:"guardian_phone"` // up to 24 characters, or ""
	Note          string `json:"note"`           // up to 500 characters, or ""
}

// check makes a person's texts clean, or says what is wrong with them.
func (p *Person) check() error {
	p.IDNumber = strings.ToUpper(strings.TrimSpace(p.IDNumber))
	err := ErrPerson
	bad := false
	for _, f := range []struct {
		at    string
		text  *string
		least int
		most  int
	}{
		{"/name", &p.Name, 1, 60},
		{"/school", &p.School, 1, 120},
		{"/guardian", &p.Guardian, 1, 60},
		{"/guardian_phone", &p.GuardianPhone, 0, 24},
		{"/note", &p.Note, 0, 500},
	} {
		*f.text = strings.TrimSpace(*f.text)
		if n := len([]rune(*f.text)); n < f.least || n > f.most || strings.ContainsRune(*f.text, 0) {
			err, bad = err.At(f.at, "length", "too short, or too long"), true
		}
	}
	if !validNumber(p.IDNumber) {
		err, bad = err.At("/id_number", "check_digit", "not a number of an identity card"), true
	}
	if bad {
		return err
	}
	return nil
}

// validNumber reports whether a number of an identity card has the length and the check
// character that GB 11643 gives it (ISO 7064, MOD 11-2).
func validNumber(number string) bool {
	const length, sure, modulus = 18, "10X98765432", 11
	if len(number) != length {
		return false
	}
	sum, weight := 0, 1
	for i := length - 2; i >= 0; i-- {
		weight = weight * 2 % modulus
		if number[i] < '0' || number[i] > '9' {
			return false
		}
		sum += int(number[i]-'0') * weight
	}
	return number[length-1] == sure[sum%modulus]
}

// New is what is recorded of a pupil.
type New struct {
	Programme uuid.UUID
	Region    string    // township or county, as region has it
	Stage     Stage     // what kind of school
	ConsentOn time.Time // the day on which the guardian consented in writing (个人信息保护法 art. 31)
	Person
}

// Pupil is what may be shown of one to those who administer the fund: no name.
type Pupil struct {
	ID         ID
	Pseudonym  string // "学生-7F3A21C0"
	Programme  uuid.UUID
	Region     string
	Stage      Stage
	ConsentOn  time.Time
	RecordedBy identity.ID
	RecordedAt time.Time
	ErasedAt   time.Time // zero: the record can be read, by whom is allowed to
}

// pseudonym is what a pupil is called: random digits of his id.
func pseudonym(p ID) string {
	raw := p.UUID()
	const digits = 4
	return "学生-" + strings.ToUpper(hex.EncodeToString(raw[len(raw)-digits:]))
}

// Purpose is what access is asked for.
type Purpose string

// The purposes.
const (
	Read  Purpose = "read"  // to read the record, for a while
	Erase Purpose = "erase" // to destroy its key, for ever
)

// State is where a request is: lifecycle.PupilRequest.
type State string

// The states.
const (
	Asked    State = "asked"
	Approved State = "approved"
	Refused  State = "refused"
)

// Request is somebody's request to read a record or to have it erased.
type Request struct {
	ID        RequestID
	Pupil     ID
	Purpose   Purpose
	Reason    string
	State     State
	AskedBy   identity.ID
	AskedAt   time.Time
	DecidedBy identity.ID // zero while Asked
	DecidedAt time.Time
	Until     time.Time // how long an approved reading is good; zero else
}

// decide answers a request. Nobody decides on his own.
func (r *Request) decide(to State, by identity.ID, at time.Time, lasts time.Duration) error {
	switch {
	case !lifecycle.PupilRequest().Allowed(string(r.State), string(to)):
		return ErrDecided.With("it is %s", r.State)
	case by == r.AskedBy:
		return ErrOwn
	}
	r.State, r.DecidedBy, r.DecidedAt = to, by, at
	if to == Approved && r.Purpose == Read {
		r.Until = at.Add(lasts)
	}
	return nil
}

// Next are the actions that somebody may take: a request is decided by others.
func (r *Request) Next(who uuid.UUID) []string {
	if who == r.AskedBy.UUID() {
		return []string{}
	}
	return lifecycle.PupilRequest().Next(string(r.State), lifecycle.Auditor)
}

// Reading is that somebody read a record.
type Reading struct {
	Request RequestID
	By      identity.ID
	At      time.Time
}

// Aid is money that a pupil was given out of what a programme was paid.
type Aid struct {
	ID     id.Of[Aid]
	Pupil  ID
	Amount money.Fen // > 0
	Note   string    // what for; nothing of who he is
	By     identity.ID
	At     time.Time
}

// Smallest is how many pupils a group must have to be shown.
const Smallest = 5

// Group is pupils of a programme who go to the same kind of school in the same region.
type Group struct {
	Region string
	Stage  Stage
	Pupils int64
	Amount money.Fen
	Hidden bool // fewer than Smallest, or telling of those: Pupils and Amount are zero
}

// Aggregate is what donors and the public see of a programme's pupils.
type Aggregate struct {
	Groups []Group
	Pupils int64 // of all groups; 0 when there are fewer than Smallest
	Amount money.Fen
	Hidden bool // fewer than Smallest in all
}

// aggregate hides groups of fewer than Smallest pupils; and so many more, the smallest first, that
// what is hidden cannot be told from the sum: at least two groups, of Smallest together.
func aggregate(groups []Group) Aggregate {
	a := Aggregate{Groups: slices.Clone(groups)}
	var hidden, hiddenPupils int64
	hide := func(g *Group) {
		hidden, hiddenPupils, g.Hidden = hidden+1, hiddenPupils+g.Pupils, true
	}
	bySize := make([]*Group, len(a.Groups))
	for i := range a.Groups {
		g := &a.Groups[i]
		bySize[i] = g
		a.Pupils, a.Amount = a.Pupils+g.Pupils, a.Amount+g.Amount
		if g.Pupils < Smallest {
			hide(g)
		}
	}
	slices.SortStableFunc(bySize, func(x, y *Group) int { return cmp.Compare(x.Pupils, y.Pupils) })
	for _, g := range bySize {
		if hidden == 0 || hidden > 1 && hiddenPupils >= Smallest {
			break
		}
		if !g.Hidden {
			hide(g)
		}
	}
	for i := range a.Groups {
		if a.Groups[i].Hidden {
			a.Groups[i].Pupils, a.Groups[i].Amount = 0, 0
		}
	}
	if a.Pupils < Smallest {
		a.Pupils, a.Amount, a.Hidden = 0, 0, true
	}
	return a
}
