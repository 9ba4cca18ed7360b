// Package grant promises the fund's money to programmes. One administrator of the fund proposes
// exactly what is paid to whom, another approves exactly that: then the money is committed, and
// anybody may object before any of it is paid. Nobody approves what he proposed, or what goes to
// himself; never is more promised than is free.
package grant

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/programme"
)

// Faults of grants.
var (
	// ErrUnknown says that there is no such grant.
	ErrUnknown = fault.New(fault.NotFound, "grant.not_found", "There is no such grant", "没有这笔资助")
	// ErrState says that its state does not allow this.
	ErrState = fault.New(fault.Conflict, "grant.wrong_state", "The state of the grant does not allow this", "资助当前状态不允许此操作")
	// ErrOwn says that nobody approves what he proposed, pays what he proposed or approved, or has a
	// hand in what goes to himself.
	ErrOwn = fault.New(fault.Refused, "grant.four_eyes", "Somebody else must do this: neither who proposed or approved it nor who gets it", "须由提议人、复核人和受益人以外的人员办理")
	// ErrDigest says that what is approved is not what was proposed.
	ErrDigest = fault.New(fault.Conflict, "grant.other_than_proposed", "What is approved is not what was proposed", "复核内容与提议内容不一致")
	// ErrSignIn says that the caller signed in too long ago for this.
	ErrSignIn = fault.New(fault.Forbidden, "grant.sign_in_again", "Sign in again before you do this", "请重新登录后再办理")
	// ErrExpired says that it was proposed or approved too long ago.
	ErrExpired = fault.New(fault.Conflict, "grant.expired", "It was proposed or approved too long ago", "提议或复核已过有效期")
	// ErrFree says that more is to be promised than is free.
	ErrFree = fault.New(fault.Refused, "grant.exceeds_free", "The fund has not so much free money", "超出基金可用余额")
	// ErrBudget says that more is to be promised than the programme was accepted with.
	ErrBudget = fault.New(fault.Refused, "grant.exceeds_budget", "The programme was not accepted with so much of the fund's money", "超出项目核定的基金预算")
	// ErrTerms names what is missing or wrong in what is to be paid.
	ErrTerms = fault.New(fault.Invalid, "grant.invalid", "The grant is not described as it must be", "资助信息不完整或有误")
	// ErrRelated says that the payee is a related party, and a second administrator has not approved.
	ErrRelated = fault.New(fault.Conflict, "grant.second_approval_needed", "The payee is a related party: a second approval is needed", "收款方为关联方，须经第二人复核")
	// ErrPurpose says that the kind or the purpose of the programme has changed since.
	ErrPurpose = fault.New(fault.Conflict, "grant.purpose_changed", "The programme has another purpose by now: release the rest and award anew", "项目用途已变更，请释放余额后重新资助")
)

// Config says how long things take and hold.
type Config struct {
	// Period is how long anybody may object to a grant before any of it is paid.
	Period time.Duration `env:"GRANT_OBJECTION_PERIOD, default=120h"`
	// Approval is how long a proposal may be approved, and an approval acted upon.
	Approval time.Duration `env:"GRANT_APPROVAL_TTL, default=168h"`
	// SignIn is how long ago the caller may have signed in to approve or to pay.
	SignIn time.Duration `env:"GRANT_SIGN_IN_AGE, default=15m"`

	selfApproval bool // of tests: what happens if four eyes are not asked for
	unguarded    bool // of tests: what happens if free money is not looked at
}

// Apart is ErrOwn if who acts is one of the others.
func (c Config) Apart(who identity.ID, others ...identity.ID) error {
	if slices.Contains(others, who) && !c.selfApproval {
		return ErrOwn
	}
	return nil
}

// ID names a grant.
type ID = id.Of[Grant]

// State is where a grant is in its life: lifecycle.Grant.
type State string

// The states.
const (
	Proposed  State = "proposed"
	Committed State = "committed" // promised; some of it may be paid
	Closed    State = "closed"    // all of it was paid or released
	Struck    State = "struck"    // an objection was upheld
	Refused   State = "refused"
	Withdrawn State = "withdrawn"
)

// Payee is who is paid.
type Payee struct {
	Name    string // 2 to 120 characters
	USCC    string // GB 32100, or ""
	Account string // at a bank, 4 to 64 characters; never public
}

// Instalment is a part of a grant. The first may be paid in advance; each other one is for a
// milestone of the programme.
type Instalment struct {
	Amount    money.Fen
	Milestone int    // from 1; 0 is none: only of the first
	Title     string // of the milestone, as the programme has it
}

// Terms are what is proposed.
type Terms struct {
	Programme   programme.ID
	Amount      money.Fen
	Payee       Payee
	Instalments []Instalment // 1 to 20; their amounts are Amount
	Attachments []file.ID    // of who proposes
}

// Approval is one administrator's word.
type Approval struct {
	By        identity.ID
	At        time.Time
	ExpiresAt time.Time // it does not commit anything from then on
}

// Relation is why the payee is a related party (慈善法 art. 14: what may harm the fund is disclosed).
type Relation struct {
	Kind       string // "enterprise": it sells in this shop; "declared": by an administrator
	Note       string
	Own        bool        // who declared it is himself related, and has no hand in the grant
	DeclaredBy identity.ID // zero for what was found
	At         time.Time
}

// Grant is so many whole fen for a programme.
type Grant struct {
	ID          ID
	Programme   programme.ID
	Amount      money.Fen
	Payee       Payee
	Kind        string // of the programme when it was proposed; "" of a grant of before kinds were bound
	Purpose     string // likewise
	Instalments []Instalment
	Attachments []file.Digest
	Digest      [32]byte // of all that: what an approval is bound to
	State       State
	ProposedBy  identity.ID
	ProposedAt  time.Time
	ExpiresAt   time.Time // it is not approved from then on
	Approvals   []Approval
	Relations   []Relation
	CommittedAt time.Time
	Period      objection.PeriodID // zero before it is committed
	DecidedBy   identity.ID        // who refused or withdrew it
	DecidedAt   time.Time
	Note        string // why

	kept int // of the relations: those that are written down
}

// Sum is SHA-256 over a thing as compact JSON, nothing in it escaped that need not be.
func Sum(v any) ([32]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return [32]byte{}, fmt.Errorf("sum what is approved: %w", err)
	}
	return sha256.Sum256(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// Hashes are digests in hexadecimal.
func Hashes(all []file.Digest) []string {
	out := make([]string, len(all))
	for i, d := range all {
		out[i] = hex.EncodeToString(d.SHA256[:])
	}
	return out
}

// digest is over exactly what is paid, to whom, for what, in which parts, on which papers.
func (g *Grant) digest() ([32]byte, error) {
	type part struct {
		Amount    money.Fen `json:"amount_fen"`
		Milestone int       `json:"milestone"`
		Title     string    `json:"title"`
	}
	parts := make([]part, len(g.Instalments))
	for i, p := range g.Instalments {
		parts[i] = part(p)
	}
	form := "shiyi.grant/v2"
	if g.Kind == "" {
		form = "shiyi.grant/v1"
	}
	return Sum(struct {
		Form        string    `json:"form"`
		Grant       string    `json:"grant_id"`
		Programme   string    `json:"programme_id"`
		Amount      money.Fen `json:"amount_fen"`
		Name        string    `json:"payee_name"`
		USCC        string    `json:"payee_uscc"`
		Account     string    `json:"payee_account"`
		Kind        string    `json:"kind,omitempty"`
		Purpose     string    `json:"purpose"`
		Instalments []part    `json:"instalments"`
		Attachments []string  `json:"attachments"`
	}{form, g.ID.String(), g.Programme.String(), g.Amount, g.Payee.Name, g.Payee.USCC, g.Payee.Account, g.Kind, g.Purpose, parts, Hashes(g.Attachments)})
}

// Altered reports whether a grant is not what was proposed and approved any more.
func (g *Grant) Altered() (bool, error) {
	now, err := g.digest()
	return now != g.Digest, err
}

func line(s string, least, most int) bool {
	n := utf8.RuneCountInString(strings.TrimSpace(s))
	return n >= least && n <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

const (
	maxInstalments = 20
	maxAttachments = 20
)

// check names what is missing or wrong in terms for a programme.
func (t Terms) check(p programme.Programme) error {
	bad := ErrTerms
	if t.Amount <= 0 || t.Amount > money.Max {
		bad = bad.At("/amount_fen", "range", "above zero, and not beyond measure")
	}
	if !line(t.Payee.Name, 2, 120) {
		bad = bad.At("/payee/name", "length", "2 to 120 characters")
	}
	if t.Payee.USCC != "" && merchant.CheckUSCC(t.Payee.USCC) != nil {
		bad = bad.At("/payee/uscc", "check", "no unified social credit code")
	}
	if !line(t.Payee.Account, 4, 64) {
		bad = bad.At("/payee/account", "length", "4 to 64 characters")
	}
	if n := len(t.Instalments); n == 0 || n > maxInstalments || len(t.Attachments) > maxAttachments {
		bad = bad.At("/instalments", "maxItems", "1 to 20")
	}
	var sum money.Fen
	for i, part := range t.Instalments {
		var err error
		if sum, err = sum.Plus(part.Amount); err != nil || part.Amount == 0 {
			bad = bad.At(fmt.Sprintf("/instalments/%d/amount_fen", i), "range", "above zero, and not beyond measure")
		}
		if part.Milestone < 0 || part.Milestone > len(p.Milestones) || part.Milestone == 0 && i > 0 {
			bad = bad.At(fmt.Sprintf("/instalments/%d/milestone", i), "enum", "no such milestone of the programme")
		}
	}
	if sum != t.Amount {
		bad = bad.At("/instalments", "sum", "together they are not the amount")
	}
	return bad.OrNil()
}

// Fits is ErrPurpose if the programme is for something else by now.
func (g *Grant) Fits(p programme.Programme) error {
	if g.Kind != "" && p.Kind != g.Kind || p.Purpose != g.Purpose {
		return ErrPurpose
	}
	return nil
}

// related reports whether the payee is a related party.
func (g *Grant) related() bool { return len(g.Relations) > 0 }

// relate adds what the payee has become since the grant was proposed.
func (g *Grant) relate(now []Relation) {
	for _, r := range now {
		if !slices.ContainsFunc(g.Relations, func(o Relation) bool { return o.Kind == r.Kind && o.Note == r.Note }) {
			g.Relations = append(g.Relations, r)
		}
	}
}

// needed is how many different administrators must approve.
func (g *Grant) needed() int {
	if g.related() {
		return 2
	}
	return 1
}

// gains reports whether somebody said that he is related to the payee himself.
func (g *Grant) gains(who identity.ID) bool {
	return slices.ContainsFunc(g.Relations, func(r Relation) bool { return r.Own && r.DeclaredBy == who })
}

// backed reports whether enough administrators have approved whose word holds at that time, and
// who are not related to the payee themselves.
func (g *Grant) backed(at time.Time) bool {
	var who []identity.ID
	for _, a := range g.Approvals {
		if a.ExpiresAt.After(at) && !slices.Contains(who, a.By) && !g.gains(a.By) {
			who = append(who, a.By)
		}
	}
	return len(who) >= g.needed()
}

// Backed is ErrRelated if a relation became known after the grant was committed, and the second
// approval is missing.
func (g *Grant) Backed() error {
	if !g.backed(g.CommittedAt) {
		return ErrRelated
	}
	return nil
}

// Involved are who proposed a grant, who approved it, and who said that he is related to the payee himself.
func (g *Grant) Involved() []identity.ID {
	all := []identity.ID{g.ProposedBy}
	for _, a := range g.Approvals {
		all = append(all, a.By)
	}
	for _, r := range g.Relations {
		if r.Own {
			all = append(all, r.DeclaredBy)
		}
	}
	return all
}

// Gain is ErrOwn for who gets the money himself, or said that he is related to who does.
func (g *Grant) Gain(s Signer) error {
	if g.gains(s.ID) || strings.TrimSpace(g.Payee.Name) == strings.TrimSpace(s.Name) {
		return ErrOwn.With("it goes to who would act")
	}
	return nil
}

// move brings a grant to another state.
func (g *Grant) move(to State) error {
	if !lifecycle.Grant().Allowed(string(g.State), string(to)) {
		return ErrState.With("it is %s", g.State)
	}
	g.State = to
	return nil
}

// approve takes an administrator's word for what he has read.
func (g *Grant) approve(cfg Config, s Signer, digest [32]byte, at time.Time) error {
	now, err := g.digest()
	if err != nil {
		return err
	}
	said := func(a Approval) bool { return a.By == s.ID && a.ExpiresAt.After(at) }
	switch {
	case g.State != Proposed && (g.State != Committed || g.Backed() == nil):
		return ErrState.With("it is %s", g.State)
	case g.Digest != digest || now != digest:
		return ErrDigest
	case g.State == Proposed && !at.Before(g.ExpiresAt):
		return ErrExpired
	case slices.ContainsFunc(g.Approvals, said):
		return ErrOwn.With("approved already by the same")
	}
	if err := cfg.Apart(s.ID, g.ProposedBy); err != nil {
		return err
	}
	if err := g.Gain(s); err != nil {
		return err
	}
	g.Approvals = append(g.Approvals, Approval{s.ID, at, at.Add(cfg.Approval)})
	return nil
}

// Next are the actions that the caller may take: none if he is no administrator of the fund.
func (g *Grant) Next(caller identity.Caller, at time.Time) []string {
	if !caller.Is(identity.FundAdmin) {
		return []string{}
	}
	who := caller.Account
	mine := who == g.ProposedBy
	said := slices.ContainsFunc(g.Approvals, func(a Approval) bool { return a.By == who && a.ExpiresAt.After(at) })
	return slices.DeleteFunc(lifecycle.Grant().Next(string(g.State), lifecycle.FundAdmin), func(a string) bool {
		switch a {
		case "approve":
			return mine || said || g.gains(who) || g.State == Proposed && !at.Before(g.ExpiresAt) || g.State == Committed && g.Backed() == nil
		case "withdraw":
			return !mine
		case "refuse":
			return mine
		}
		return false
	})
}

// notice is what is published of a grant that was committed. The payee's account is not.
func (g *Grant) notice() objection.Opening {
	return objection.Opening{
		Subject: objection.Grant, ID: g.ID.UUID(), TitleZH: "资助公示：" + g.Payee.Name, TitleEN: "A grant of the fund: " + g.Payee.Name,
		Detail: map[string]any{
			"programme_id": g.Programme.String(), "amount_fen": g.Amount, "payee_name": g.Payee.Name, "payee_uscc": g.Payee.USCC, "kind": g.Kind,
			"purpose": g.Purpose, "related_party": g.related(), "attachments": Hashes(g.Attachments), "digest": hex.EncodeToString(g.Digest[:]),
		},
		Involved: g.Involved(),
	}
}
