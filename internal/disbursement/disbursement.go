// Package disbursement moves the money of a grant. A payment takes three people: one asks for an
// instalment with evidence that its milestone was reached, another approves exactly that, a third
// pays and writes down the bank's reference. What is not needed is released, what was not used
// comes back, both under four eyes. What was promised is one figure, what was paid another.
package disbursement

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/money"
)

// Faults of disbursements.
var (
	// ErrUnknown says that there is no such disbursement.
	ErrUnknown = fault.New(fault.NotFound, "disbursement.not_found", "There is no such disbursement", "没有这笔拨付")
	// ErrState says that its state does not allow this, or that of its grant.
	ErrState = fault.New(fault.Conflict, "disbursement.wrong_state", "The state of the disbursement or its grant does not allow this", "拨付或资助当前状态不允许此操作")
	// ErrTwice says that the instalment is paid already, or about to be.
	ErrTwice = fault.New(fault.Conflict, "disbursement.instalment_taken", "The instalment is paid already, or about to be", "该期款项已支付或正在办理")
	// ErrReturned says that this is recorded already: one entry of the bank comes back once.
	ErrReturned = fault.New(fault.Conflict, "disbursement.returned_before", "The grant has a return with this reference of the bank already", "该银行流水号的退回已经登记")
	// ErrPaidBefore says that another payment was made with this reference: one entry of the bank pays once.
	ErrPaidBefore = fault.New(fault.Conflict, "disbursement.reference_taken", "Another payment has this reference of the bank", "该银行流水号已用于另一笔拨付")
	// ErrOrder says that an earlier instalment is not paid yet.
	ErrOrder = fault.New(fault.Conflict, "disbursement.earlier_unpaid", "An earlier instalment is not paid yet", "前一期款项尚未支付")
	// ErrInstalment says that the grant has no such instalment.
	ErrInstalment = fault.New(fault.Invalid, "disbursement.no_such_instalment", "The grant has no such instalment", "没有这一期款项")
	// ErrEvidence says that an instalment that waits for a milestone needs a file that shows that it was reached.
	ErrEvidence = fault.New(fault.Refused, "disbursement.evidence_required", "Evidence of the milestone is needed", "须提供里程碑佐证材料")
	// ErrCommitted says that more is to go than the grant has promised and not paid.
	ErrCommitted = fault.New(fault.Refused, "disbursement.exceeds_committed", "More than the grant has left", "超出该资助未付余额")
	// ErrPaid says that more is to come back than was paid.
	ErrPaid = fault.New(fault.Refused, "disbursement.exceeds_paid", "More than was paid", "超出已付金额")
	// ErrAmount says that some money is needed.
	ErrAmount = fault.New(fault.Invalid, "disbursement.invalid_amount", "Say how much", "请填写金额")
	// ErrReference says that a payment needs the bank's reference.
	ErrReference = fault.New(fault.Invalid, "disbursement.reference_required", "Give the bank's reference", "请填写银行流水号")
)

// ID names a disbursement.
type ID = id.Of[Disbursement]

// Kind is which way the money goes.
type Kind string

// The kinds.
const (
	Payment Kind = "payment" // of an instalment
	Release Kind = "release" // of what is not needed: it is free again
	Return  Kind = "return"  // of what was paid and not used
)

// State is where a disbursement is in its life: lifecycle.Disbursement.
type State string

// The states.
const (
	Requested State = "requested"
	Approved  State = "approved" // a payment that a third person may execute
	Done      State = "done"
	Refused   State = "refused"
	Withdrawn State = "withdrawn"
)

// Disbursement is money of a grant on its way.
type Disbursement struct {
	ID          ID
	Grant       grant.ID
	ProposedBy  identity.ID // of the grant: he approves no payment of it, and pays none
	Kind        Kind
	Instalment  int // from 1; 0 of what is no payment
	Amount      money.Fen
	Reason      string
	Reference   string // the bank's
	Evidence    []file.Digest
	Digest      [32]byte // what an approval is bound to
	State       State
	RequestedBy identity.ID
	RequestedAt time.Time
	ApprovedBy  identity.ID
	ApprovedAt  time.Time
	ExpiresAt   time.Time // of the approval: it is not executed from then on
	ExecutedBy  identity.ID
	ExecutedAt  time.Time
	DecidedBy   identity.ID // who refused or withdrew it
	Note        string      // why
}

// digest is over exactly what goes where, and what shows that it may.
func (d *Disbursement) digest(g grant.Grant) ([32]byte, error) {
	var reference string // of a return; that of a payment comes after its approval
	if d.Kind == Return {
		reference = d.Reference
	}
	return grant.Sum(struct {
		Form        string    `json:"form"`
		ID          string    `json:"disbursement_id"`
		Kind        Kind      `json:"kind"`
		Grant       string    `json:"grant_id"`
		GrantDigest string    `json:"grant_digest"`
		Instalment  int       `json:"instalment"`
		Amount      money.Fen `json:"amount_fen"`
		Reason      string    `json:"reason"`
		Evidence    []string  `json:"evidence"`
		Reference   string    `json:"bank_reference,omitempty"`
	}{"shiyi.disbursement/v1", d.ID.String(), d.Kind, d.Grant.String(), hex.EncodeToString(g.Digest[:]), d.Instalment, d.Amount, d.Reason, grant.Hashes(d.Evidence), reference})
}

// move brings a disbursement to another state.
func (d *Disbursement) move(to State) error {
	if !lifecycle.Disbursement().Allowed(string(d.State), string(to)) {
		return ErrState.With("it is %s", d.State)
	}
	d.State = to
	return nil
}

// approve takes another administrator's word for what he has read.
func (d *Disbursement) approve(cfg grant.Config, g grant.Grant, s grant.Signer, digest [32]byte, at time.Time) error {
	now, err := d.digest(g)
	if err != nil {
		return err
	}
	to := Done
	if d.Kind == Payment {
		to = Approved
	}
	switch {
	case d.State != Requested:
		return ErrState.With("it is %s", d.State)
	case d.Digest != digest || now != digest:
		return grant.ErrDigest
	case !at.Before(d.RequestedAt.Add(cfg.Approval)):
		return grant.ErrExpired
	}
	others := []identity.ID{d.RequestedBy}
	if d.Kind == Payment {
		others = append(others, g.ProposedBy)
	}
	if err := cfg.Apart(s.ID, others...); err != nil {
		return err
	}
	if err := g.Gain(s); err != nil {
		return err
	}
	d.ApprovedBy, d.ApprovedAt, d.ExpiresAt = s.ID, at, at.Add(cfg.Approval)
	return d.move(to)
}

// execute is the payment by a third person, who neither asked nor approved, here or when it was promised.
func (d *Disbursement) execute(cfg grant.Config, g grant.Grant, s grant.Signer, reference string, at time.Time) error {
	switch {
	case d.Kind != Payment || d.State != Approved:
		return ErrState.With("it is %s", d.State)
	case !at.Before(d.ExpiresAt):
		return grant.ErrExpired
	}
	if err := cfg.Apart(s.ID, append(g.Involved(), d.RequestedBy, d.ApprovedBy)...); err != nil {
		return err
	}
	if err := g.Gain(s); err != nil {
		return err
	}
	d.Reference, d.ExecutedBy, d.ExecutedAt = reference, s.ID, at
	return d.move(Done)
}

// Next are the actions that the caller may take, as far as the disbursement itself says: none if he
// is no administrator of the fund.
func (d *Disbursement) Next(caller identity.Caller, at time.Time) []string {
	if !caller.Is(identity.FundAdmin) {
		return []string{}
	}
	who := caller.Account
	mine, seen := who == d.RequestedBy, who == d.ApprovedBy || who == d.ProposedBy
	return slices.DeleteFunc(lifecycle.Disbursement().Next(string(d.State), lifecycle.FundAdmin), func(a string) bool {
		switch a {
		case "approve":
			return mine || d.Kind == Payment && who == d.ProposedBy
		case "execute":
			return mine || seen || !at.Before(d.ExpiresAt)
		case "withdraw":
			return !mine
		case "refuse":
			return mine
		}
		return false
	})
}

const maxEvidence = 20

func line(s string, least, most int) bool {
	n := utf8.RuneCountInString(strings.TrimSpace(s))
	return n >= least && n <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Position is where the money of a grant is: the four and what is left are what was granted.
type Position struct {
	Paid     money.Fen // less what came back
	Released money.Fen // was never paid
	Returned money.Fen // of what had been paid
	Left     money.Fen // promised, and neither paid nor released
}

// position sums what was done about a grant.
func position(g grant.Grant, all []Disbursement) Position {
	var p Position
	for _, d := range all {
		if d.State != Done {
			continue
		}
		switch d.Kind {
		case Payment:
			p.Paid += d.Amount
		case Release:
			p.Released += d.Amount
		case Return:
			p.Returned += d.Amount
			p.Paid -= d.Amount
		}
	}
	switch {
	case g.State == grant.Struck:
		p.Released = g.Amount - p.Paid - p.Returned
	case !g.CommittedAt.IsZero():
		p.Left = g.Amount - p.Paid - p.Returned - p.Released
	}
	return p
}

// Account is a grant, where its money is, and what was done about it.
type Account struct {
	grant.Grant
	Position
	Disbursements []Disbursement
}

// Done are those that happened.
func (a Account) Done() []Disbursement {
	return slices.DeleteFunc(slices.Clone(a.Disbursements), func(d Disbursement) bool { return d.State != Done })
}
