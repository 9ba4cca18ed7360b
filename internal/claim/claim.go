// Package claim keeps the evidence that goods are cheaper here than elsewhere
// (明码标价和禁止价格欺诈规定, articles 16 and 17). Whether a claim holds is computed
// whenever it is shown; it is never a gate, a rank or an automatic price.
package claim

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
)

// Faults of claims.
var (
	// ErrUnknown says that there is no such claim, or that it is another enterprise's.
	ErrUnknown = fault.New(fault.NotFound, "claim.not_found", "No such price claim", "比价声明不存在")
	// ErrInvalid names what is wrong with a claim or a report.
	ErrInvalid = fault.New(fault.Invalid, "claim.invalid", "The price claim is not written properly", "比价声明有误")
	// ErrStale says that the evidence is older than a claim lives.
	ErrStale = fault.New(fault.Refused, "claim.stale", "The evidence is too old", "价格采集时间已过有效期")
	// ErrFiled says that another claim of the same platform and moment is there.
	ErrFiled = fault.New(fault.Conflict, "claim.filed_already", "A claim of this platform and moment was filed already", "同一平台同一时刻的比价声明已提交")
	// ErrDecided says that a claim was confirmed or rejected already.
	ErrDecided = fault.New(fault.Conflict, "claim.decided", "The price claim was decided on already", "该比价声明已处理")
	// ErrWithdrawn says that a claim is withdrawn or rejected already.
	ErrWithdrawn = fault.New(fault.Conflict, "claim.withdrawn", "The claim is withdrawn or rejected already", "该比价声明已撤回或驳回")
	// ErrOwnClaim says that nobody decides on a claim that he filed, or on what is of an
	// enterprise for which he sells.
	ErrOwnClaim = fault.New(fault.Refused, "claim.own_claim", "Nobody decides on a claim of his own", "不能审核本人或本企业的比价声明")
	// ErrReport says that there is no such report.
	ErrReport = fault.New(fault.NotFound, "claim.report_not_found", "No such report", "反馈不存在")
	// ErrReported says that the caller's report on the product is open.
	ErrReported = fault.New(fault.Conflict, "claim.reported_already", "Your report on this product is open", "您对该商品的反馈正在处理")
	// ErrResolved says that a report was resolved already.
	ErrResolved = fault.New(fault.Conflict, "claim.resolved", "The report was resolved already", "该反馈已处理")
	// ErrNone says that the product has no claim that could be withdrawn.
	ErrNone = fault.New(fault.Refused, "claim.none_to_withdraw", "The product has no claim to withdraw", "该商品没有可撤回的比价声明")
)

// Config says how long a claim lives.
type Config struct {
	// Months is how many months evidence is good for, from its capture; 0 is twelve.
	Months int `env:"PRICE_CLAIM_MONTHS, default=12"`
}

// ID names a claim.
type ID = id.Of[Claim]

// Basis says what was compared.
type Basis string

// What may be compared.
const (
	SameSKU  Basis = "SAME_SKU"                // the very same goods
	SameSpec Basis = "SAME_SPEC_SIMILAR_GRADE" // the same specification, of a similar grade
)

// State says what became of a claim.
type State string

// The states of a claim. Only a confirmed one can be shown.
const (
	Filed     State = "filed"
	Confirmed State = "confirmed"
	Rejected  State = "rejected"
	Withdrawn State = "withdrawn"
)

// maxFiles bounds the files of a claim or a report.
const maxFiles = 10

// Filter chooses claims; its zero value chooses all.
type Filter struct {
	State State
	// ExpiringWithinDays chooses the confirmed ones that end within so many days, whatever State says.
	ExpiringWithinDays int
}

// Filing is what is claimed: that a SKU costs more elsewhere.
type Filing struct {
	SKU        catalog.SKUID
	Platform   string    // where; an anonymous name will do: "PLATFORM_A"
	Reference  money.Fen // what it costs there
	Basis      Basis
	NetContent int64 // of what was compared, in NetUnit; the product's own, or it is no comparison
	NetUnit    string
	CapturedAt time.Time // when the price was seen
	Evidence   string    // where the evidence is kept; or Files
	Files      []file.ID // the filer's own
}

// Claim is a Filing with what became of it.
type Claim struct {
	ID       ID
	Merchant merchant.ID
	Product  catalog.ProductID
	Filing
	ExpiresAt time.Time // from then on it is stale
	FiledBy   identity.ID
	FiledAt   time.Time
	State     State
	Reason    string    // of the last decision
	DecidedAt time.Time // the last decision; zero: none yet
}

// Live is a claim that holds at this moment.
type Live struct {
	Claim
	Saving money.Fen // above zero
}

// Share is how much of what is on sale has a live claim.
type Share struct{ Live, OnSale int64 }

// BasisPoints is the share in 1/10,000, rounded down; 0 when nothing is on sale.
func (s Share) BasisPoints() int64 {
	if s.OnSale == 0 {
		return 0
	}
	return s.Live * 10_000 / s.OnSale
}

// live is the claim as it holds at a time and a price, if it does: confirmed, not
// stale, of the same specification, and dearer elsewhere.
func (c Claim) live(p catalog.Product, price money.Fen, at time.Time) (Live, bool) {
	holds := c.State == Confirmed && !c.CapturedAt.After(at) && at.Before(c.ExpiresAt) &&
		c.NetContent == p.NetContent && c.NetUnit == p.NetUnit && price < c.Reference
	return Live{c, c.Reference - price}, holds
}

// decide refuses those who may not decide, and a claim that waits for nobody.
func (c *Claim) decide(caller identity.Caller, verdict State) error {
	switch {
	case caller.Account == c.FiledBy || caller.SellsFor(c.Merchant.UUID()):
		return ErrOwnClaim
	case c.State != Filed:
		return ErrDecided.With("the claim is %s: only a filed one is decided on", c.State)
	}
	c.State = verdict
	return nil
}

// withdraw ends a claim that could be shown, now or later.
func (c *Claim) withdraw() error {
	if c.State != Filed && c.State != Confirmed {
		return ErrWithdrawn.With("the claim is %s", c.State)
	}
	c.State = Withdrawn
	return nil
}

// repeats reports whether a claim says what is filed once more.
func (c Claim) repeats(f Filing) bool {
	return c.Reference == f.Reference && c.Basis == f.Basis && c.NetContent == f.NetContent && c.NetUnit == f.NetUnit &&
		c.Evidence == f.Evidence && slices.Equal(c.Files, f.Files)
}

func (f Filing) check(now time.Time) error {
	bad := ErrInvalid
	if !text(f.Platform, 1, 60) || blank(f.Platform) {
		bad = bad.At("/platform", "length", "1 to 60 characters")
	}
	if f.Reference < 1 || f.Reference > money.Max {
		bad = bad.At("/reference_fen", "range", "1 fen or more")
	}
	if f.Basis != SameSKU && f.Basis != SameSpec {
		bad = bad.At("/basis", "enum", "SAME_SKU or SAME_SPEC_SIMILAR_GRADE")
	}
	if f.CapturedAt.IsZero() || f.CapturedAt.After(now) {
		bad = bad.At("/captured_at", "range", "not in the future")
	}
	if !text(f.Evidence, 0, 200) || blank(f.Evidence) && len(f.Files) == 0 {
		bad = bad.At("/evidence", "required", "a reference of at most 200 characters, or files")
	}
	return checkFiles(bad, f.Files).OrNil()
}

func checkFiles(bad *fault.Error, files []file.ID) *fault.Error {
	for i, f := range files {
		if len(files) > maxFiles || slices.Contains(files[:i], f) {
			return bad.At("/file_ids", "length", "at most 10 files, each once")
		}
	}
	return bad
}

// text reports whether s is so long, and has no control characters.
func text(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return n >= least && n <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// blank reports whether nothing can be read in s.
func blank(s string) bool { return strings.TrimSpace(s) == "" }

// ReportID names a report.
type ReportID = id.Of[Report]

// Outcome is what a report led to.
type Outcome string

// The outcomes of reports.
const (
	ClaimWithdrawn Outcome = "claim_withdrawn" // the product's claim does not hold
	NotComparable  Outcome = "not_comparable"  // other goods, or other conditions
	Noted          Outcome = "noted"
)

// Finding is where somebody found a product cheaper.
type Finding struct {
	Place string    // 1 to 120 characters
	Price money.Fen // there
	URL   string    // a text that nobody opens for him; or Files
	Files []file.ID // the reporter's own
	Note  string    // at most 500 characters
}

// Report is a Finding with what became of it.
type Report struct {
	ID       ReportID
	Reporter identity.ID
	Merchant merchant.ID
	Product  catalog.ProductID
	Finding
	At         time.Time
	Outcome    Outcome // "": open
	Reason     string
	ResolvedAt time.Time // zero: open
}

func (f Finding) check() error {
	bad := ErrInvalid
	if !text(f.Place, 1, 120) || blank(f.Place) {
		bad = bad.At("/place", "length", "1 to 120 characters")
	}
	if f.Price < 1 || f.Price > money.Max {
		bad = bad.At("/price_fen", "range", "1 fen or more")
	}
	if !text(f.URL, 0, 500) {
		bad = bad.At("/url", "length", "at most 500 characters")
	}
	if !text(strings.ReplaceAll(f.Note, "\n", ""), 0, 500) {
		bad = bad.At("/note", "length", "at most 500 characters")
	}
	return checkFiles(bad, f.Files).OrNil()
}

// resolve ends a report.
func (r *Report) resolve(caller identity.Caller, o Outcome, reason string, at time.Time) error {
	switch {
	case !slices.Contains([]Outcome{ClaimWithdrawn, NotComparable, Noted}, o):
		return ErrInvalid.At("/outcome", "enum", "claim_withdrawn, not_comparable or noted")
	case caller.Account == r.Reporter || caller.SellsFor(r.Merchant.UUID()):
		return ErrOwnClaim
	case r.Outcome != "":
		return ErrResolved
	}
	r.Outcome, r.Reason, r.ResolvedAt = o, reason, at
	return nil
}

func (c Claim) key() (string, uuid.UUID)  { return "", c.ID.UUID() }
func (r Report) key() (string, uuid.UUID) { return "", r.ID.UUID() }
