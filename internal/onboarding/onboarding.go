// Package onboarding is the door by which enterprises come in: they apply, the
// county recommends them, the platform approves them, and they promise the tenth.
// Entry is free and the commission is zero. What it lets in, merchant keeps.
package onboarding

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/dossier"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
)

// Faults of applications.
var (
	// ErrUnknown says that there is no such application, or none that the caller may see.
	ErrUnknown = fault.New(fault.NotFound, "onboarding.not_found", "No such application", "入驻申请不存在")
	// ErrState says that the application is not in a state in which this is done.
	ErrState = fault.New(fault.Conflict, "onboarding.wrong_state", "The application's state does not allow this", "申请当前状态不允许此操作")
	// ErrStale says that the application was edited since the caller read it.
	ErrStale = fault.New(fault.Conflict, "onboarding.stale", "The application was edited in the meantime", "申请内容已被更新，请刷新后再编辑")
	// ErrTaken says that the enterprise is enrolled, or that another application for it is open.
	ErrTaken = fault.New(fault.Conflict, "onboarding.enterprise_taken", "The enterprise is enrolled, or another application for it is open", "该企业已入驻，或已有进行中的申请")
	// ErrFourEyes says that who applied, who recommends and who approves are three people.
	ErrFourEyes = fault.New(fault.Refused, "onboarding.four_eyes", "Applicant, recommender and approver must be different people", "申请人、推荐人与审批人不能是同一人")
	// ErrItems says that an application is returned for something that can be named.
	ErrItems = fault.New(fault.Invalid, "onboarding.items_required", "Say for what the application is returned, place by place", "退回时须逐项说明需要修改的内容")
	// ErrPaper says that a county recommends by a paper that has a number.
	ErrPaper = fault.New(fault.Invalid, "onboarding.recommendation_required", "The number of the county's recommendation is needed", "请填写县级推荐文号")
	// ErrAgreement says that the agreement that was sent is not the one in force.
	ErrAgreement = fault.New(fault.Conflict, "onboarding.stale_agreement", "This is not the agreement in force", "所签协议不是现行版本，请重新阅读")
	// ErrSignatory says that an agreement is accepted by a person with a name and a position.
	ErrSignatory = fault.New(fault.Invalid, "onboarding.signatory_required", "Name and position of who signs are needed", "请填写签署人姓名和职务")
	// ErrTooLarge says that an application holds more than can be kept.
	ErrTooLarge = fault.New(fault.Invalid, "onboarding.too_large", "The application is too large", "申请内容过大")
)

// ID names an application.
type ID = id.Of[Application]

// Application is an enterprise that wants to come in.
type Application struct {
	ID        ID
	Applicant identity.ID
	State     State
	Version   int // how often it was edited; an edit names the one that it changes
	Round     int // how often it was submitted
	dossier.Draft
	Given            // what it will be called
	RecommendationNo string
	RecommendedBy    identity.ID // zero: not recommended
	RecommendedAt    time.Time
	ApprovedBy       identity.ID // zero: not approved
	ApprovedAt       time.Time
	SubmittedAt      time.Time // the last time
	CreatedAt        time.Time
	UpdatedAt        time.Time
	Items            []Item  // for what it was returned, the oldest round first; only where one is read
	Events           []Event // what was done, the oldest first; only where one is read
}

// Given is what an enterprise is called by who brings it in. From outside it is
// empty, and the program gives it when the agreement is signed.
type Given struct {
	Merchant    merchant.ID
	Code        string // "E01"
	AgreementNo string
}

// Problem says what is wrong in a place.
type Problem string

// The problems.
const (
	Missing       Problem = "missing"
	Wrong         Problem = "wrong"
	Unreadable    Problem = "unreadable"
	Expired       Problem = "expired"
	Contradictory Problem = "contradictory"
	Other         Problem = "other"
)

// Item is one thing for which an application was returned.
type Item struct {
	Round    int     // in which it was found
	N        int     // from 1 in each round
	Side     Side    // who found it
	Pointer  string  // JSON pointer into the draft: "/licences/0/no"
	Problem  Problem // for programs
	Message  string  // the same for the applicant, in Chinese
	Answered bool    // the application was submitted again since
}

// Event is something that was done with an application.
type Event struct {
	N      int
	At     time.Time
	Actor  uuid.UUID
	Side   Side
	Action Action
	State  State // that it led to
	Round  int
	Reason string // "" where none is given
}

// Agreement is the text by which an enterprise promises the tenth (charity law,
// article 37). A new version does not touch what was signed before.
type Agreement struct {
	Version       int
	EffectiveFrom merchant.Date
	Title         string
	Body          string // Chinese
	SHA256        [32]byte
	Sample        bool   // not reviewed by a lawyer
	LevyBP        int    // hundredths of a percent: 1000
	Region        string // whose education fund it is for
	EntryFeeFen   int64  // 0
	CommissionBP  int    // 0
}

// Acceptance is how somebody signs: the text that he has read, and who he is.
type Acceptance struct {
	Version  int
	SHA256   [32]byte
	Name     string // 1 to 64 characters
	Position string // 1 to 64 characters
}

// items numbers what an application is returned for, or says what an item lacks.
func items(side Side, round int, given []Item) ([]Item, error) {
	bad := ErrItems
	if len(given) == 0 || len(given) > maxItems {
		bad = bad.At("/items", "minItems", "1 to 100 items")
	}
	out := slices.Clone(given)
	for i := range out {
		it := &out[i]
		at := fmt.Sprintf("/items/%d", i)
		if !lengthIn(it.Pointer, 1, 200) || it.Pointer[0] != '/' {
			bad = bad.At(at+"/pointer", "format", "a JSON pointer into the application")
		}
		if !slices.Contains([]Problem{Missing, Wrong, Unreadable, Expired, Contradictory, Other}, it.Problem) {
			bad = bad.At(at+"/problem", "enum", "no such problem")
		}
		if !lengthIn(it.Message, 2, 500) {
			bad = bad.At(at+"/message", "length", "2 to 500 characters")
		}
		it.Round, it.N, it.Side, it.Answered = round, i+1, side, false
	}
	if len(bad.Fields) > 0 {
		return nil, bad
	}
	return out, nil
}

// maxItems bounds for how much at once an application is returned.
const maxItems = 100

// lengthIn reports whether s is text of so many characters.
func lengthIn(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return n >= least && n <= most && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}
