// Package correction mends the book without changing it: what was booked wrongly outside the
// fund is taken back and booked right by one new entry, which one person proposes, an auditor
// approves, and a published note explains.
package correction

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Faults of corrections.
var (
	// ErrUnknown says that there is no such correction.
	ErrUnknown = fault.New(fault.NotFound, "correction.not_found", "There is no such correction", "没有这笔更正")
	// ErrState says that it is decided already.
	ErrState = fault.New(fault.Conflict, "correction.wrong_state", "The correction is decided already", "该更正已有结论")
	// ErrOwn says that nobody decides on what he proposed himself.
	ErrOwn = fault.New(fault.Refused, "correction.four_eyes", "Somebody else than who proposed it decides", "须由提议人以外的人员复核")
	// ErrDigest says that what is approved is not what was proposed.
	ErrDigest = fault.New(fault.Conflict, "correction.other_than_proposed", "What is approved is not what was proposed", "复核内容与提议内容不一致")
	// ErrCorrected says that the transfer is corrected already, or about to be.
	ErrCorrected = fault.New(fault.Conflict, "correction.corrected_before", "The transfer is corrected already, or somebody has proposed to", "该分录已更正或已有更正提议")
	// ErrNarrow says that the transfer, or what is to be booked instead, is beyond what a correction may touch.
	ErrNarrow = fault.New(fault.Refused, "correction.not_correctable", "A correction touches neither the fund nor goods, shipping, tenths or grants", "更正分录不得涉及基金、货款、运费、什一或资助")
)

// ID names a correction.
type ID = id.Of[Correction]

// State is where a correction is in its life: lifecycle.Correction.
type State string

// The states.
const (
	Proposed  State = "proposed"
	Approved  State = "approved"
	Refused   State = "refused"
	Withdrawn State = "withdrawn"
)

// Correction says which transfer was wrong, what is to be booked instead, and why. It is one new
// transfer of the kind verify.KindCorrection: the wrong moves back, and the right ones. Narrow
// as it is, it can neither take from the fund nor give to it, and it moves no goods, shipping,
// tenths or grants: for those there are refunds and returns, which everybody can recompute.
type Correction struct {
	ID       ID
	Home     uuid.UUID // of the wrong transfer
	Wrong    uuid.UUID // its id
	Right    []ledger.Move
	ReasonZH string // 2 to 2,000 characters; published, so without personal data
	ReasonEN string
	Digest   [32]byte // of all of that: what an approval is bound to
	State    State

	ProposedBy identity.ID
	ProposedAt time.Time
	DecidedBy  identity.ID // zero while Proposed
	DecidedAt  time.Time
	Note       string         // why it was refused
	Document   publication.ID // zero until it is approved
}

// digest is SHA-256 over what would be booked and published.
func (c *Correction) digest() [32]byte {
	var b strings.Builder
	fmt.Fprintf(&b, "shiyi.correction/v1\n%s\n%q\n%q\n", c.Wrong, c.ReasonZH, c.ReasonEN)
	for _, m := range c.Right {
		fmt.Fprintf(&b, "%s|%s|%s|%d\n", m.What, m.From, m.To, m.Amount)
	}
	return sha256.Sum256([]byte(b.String()))
}

// decide ends a proposal. Who proposed it may only withdraw it, and nobody else may.
func (c *Correction) decide(to State, by identity.ID, note string, at time.Time) error {
	switch {
	case !lifecycle.Correction().Allowed(string(c.State), string(to)):
		return ErrState.With("it is %s", c.State)
	case (by == c.ProposedBy) != (to == Withdrawn):
		return ErrOwn
	}
	c.State, c.DecidedBy, c.DecidedAt, c.Note = to, by, at, note
	return nil
}

// transfer is what is booked: what was wrong goes back, and what is right goes. It is as public
// as the wrong one was.
func (c *Correction) transfer(wrong ledger.Numbered) ledger.Transfer {
	t := ledger.Transfer{Home: wrong.Home, Kind: verify.KindCorrection, Ref: wrong.ID.String(), Public: wrong.Public}
	for _, m := range wrong.Moves {
		t.Moves = append(t.Moves, ledger.Move{What: m.What, From: m.To, To: m.From, Amount: m.Amount})
	}
	t.Moves = append(t.Moves, c.Right...)
	return t
}

// narrow refuses what a correction may not touch. ErrNarrow, ledger.ErrMove.
func (c *Correction) narrow(wrong ledger.Numbered) error {
	known := []ledger.Account{payout.Fees, payout.FundBank, "platform:losses", "platform:goodwill", ledger.World("stripe"), ledger.World("bank")}
	if wrong.Home != ledger.FundHome {
		known = append(known, ledger.Payable(wrong.Home), payout.World(wrong.Home))
	}
	for _, m := range wrong.Moves {
		known = append(known, m.From, m.To)
	}
	leaf := verify.Leaf{Kind: verify.KindCorrection, Home: verify.FundHome}
	for _, m := range c.transfer(wrong).Moves {
		leaf.Moves = append(leaf.Moves, verify.Move{What: m.What, Source: string(m.From), Target: string(m.To), Li: int64(m.Amount)})
		if !slices.Contains(known, m.From) || !slices.Contains(known, m.To) {
			return ErrNarrow.With("%s to %s has nothing to do with the transfer", m.From, m.To)
		}
		if m.Amount <= 0 || m.From == m.To {
			return ledger.ErrMove
		}
	}
	if wrong.Kind == verify.KindCorrection {
		return ErrNarrow.With("what is wrong in a correction is corrected by a transfer of its own kind")
	}
	if err := verify.CheckTenth(leaf); err != nil {
		return ErrNarrow.With("%v", err)
	}
	return nil
}

// document is the note that is published. What was not public in the book is not in it.
func (c *Correction) document(wrong ledger.Numbered) (publication.Document, error) {
	type move struct {
		What   string         `json:"what"`
		From   ledger.Account `json:"from"`
		To     ledger.Account `json:"to"`
		Amount int64          `json:"amount_li"`
	}
	var leaf *int64
	if wrong.Index >= 0 {
		leaf = &wrong.Index
	}
	told := struct {
		Format   string    `json:"format"`
		Wrong    uuid.UUID `json:"transfer"`
		Kind     string    `json:"kind"`
		At       time.Time `json:"booked_at"`
		Leaf     *int64    `json:"leaf,omitempty"` // none while it waits for the log
		ReasonZH string    `json:"reason_zh"`
		ReasonEN string    `json:"reason_en"`
		Moves    []move    `json:"moves"` // as they are booked now; none where the transfer was not public
	}{"shiyi.correction/v1", c.Wrong, wrong.Kind, wrong.At, leaf, c.ReasonZH, c.ReasonEN, []move{}}
	if wrong.Public {
		for _, m := range c.transfer(wrong).Moves {
			told.Moves = append(told.Moves, move{m.What, m.From, m.To, int64(m.Amount)})
		}
	}
	raw, err := json.Marshal(told)
	return publication.Document{
		Kind: publication.Correction, TitleZH: "更正分录：" + wrong.Kind, TitleEN: "Correction of an entry: " + wrong.Kind, MediaType: "application/json", Body: raw,
	}, err
}

// Service corrects.
type Service struct{ db *postgres.DB }

// New makes the service.
func New(db *postgres.DB) *Service { return &Service{db} }

// Propose proposes to correct a transfer: moves are those that would have been right, none if
// nothing should have been booked. For operators and fund administrators. ErrNarrow,
// ErrCorrected, ledger.ErrUnknown, identity.ErrReason.
func (s *Service) Propose(ctx context.Context, caller identity.Caller, wrong id.Of[ledger.Transfer], right []ledger.Move, zh, en string) (Correction, error) {
	if err := caller.Must(identity.Operator, identity.FundAdmin); err != nil {
		return Correction{}, err
	}
	zh, en = strings.TrimSpace(zh), strings.TrimSpace(en)
	for at, text := range map[string]string{"/reason_zh": zh, "/reason_en": en} {
		if n := utf8.RuneCountInString(text); n < 2 || n > 2000 {
			return Correction{}, identity.ErrReason.At(at, "length", "2 to 2,000 characters")
		}
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Correction, error) {
		was, err := ledger.ByID(ctx, tx, wrong)
		if err != nil {
			return Correction{}, err
		}
		c := Correction{
			ID: id.New[Correction](tx.Now), Home: was.Home, Wrong: was.ID.UUID(), Right: right, ReasonZH: zh, ReasonEN: en,
			State: Proposed, ProposedBy: caller.Account, ProposedAt: tx.Now,
		}
		c.Digest = c.digest()
		if err := c.narrow(was); err != nil {
			return c, err
		}
		if err := insert(ctx, tx, c); err != nil {
			return c, err
		}
		return c, note(ctx, tx, caller, "correction.propose", c)
	})
}

// Approve books and publishes what another person proposed: digest is that of what the caller
// has read. For auditors. ErrOwn, ErrDigest, ErrState, ErrUnknown.
func (s *Service) Approve(ctx context.Context, caller identity.Caller, cid ID, digest [32]byte, claim request.Claim, render func(Correction) (request.Answer, error)) (Correction, error) {
	if err := caller.Must(identity.Auditor); err != nil {
		return Correction{}, err
	}
	return s.decide(ctx, caller, cid, claim, render, func(tx *postgres.Tx, c *Correction) error {
		if c.Digest != digest || c.Digest != c.digest() {
			return ErrDigest
		}
		if err := c.decide(Approved, caller.Account, "", tx.Now); err != nil {
			return err
		}
		was, err := ledger.ByID(ctx, tx, id.From[ledger.Transfer](c.Wrong))
		if err != nil {
			return err
		}
		if err := c.narrow(was); err != nil {
			return err
		}
		d, err := c.document(was)
		if err != nil {
			return err
		}
		if d, err = publication.Publish(ctx, tx, d); err != nil {
			return err
		}
		c.Document = d.ID
		return ledger.Book(ctx, tx, []ledger.Transfer{c.transfer(was)})
	})
}

// Refuse ends a proposal, with a reason: anybody of the three roles may say no, and who proposed
// it withdraws it so.
// ErrOwn, ErrState, ErrUnknown, identity.ErrReason.
func (s *Service) Refuse(ctx context.Context, caller identity.Caller, cid ID, reason string) (Correction, error) {
	if err := caller.Must(identity.Auditor, identity.Operator, identity.FundAdmin); err != nil {
		return Correction{}, err
	}
	if err := identity.CheckReason(reason); err != nil {
		return Correction{}, err
	}
	return s.decide(ctx, caller, cid, request.Claim{}, nil, func(tx *postgres.Tx, c *Correction) error {
		to := Refused
		if caller.Account == c.ProposedBy {
			to = Withdrawn
		}
		return c.decide(to, caller.Account, strings.TrimSpace(reason), tx.Now)
	})
}

// Corrections are those in a state ("" is any), the newest first.
func (s *Service) Corrections(ctx context.Context, state State, p page.Request) (page.Of[Correction], error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Correction], error) { return list(ctx, tx, state, p) })
}

// Next are the actions that the caller may take.
func (c *Correction) Next(caller identity.Caller) []string {
	role := lifecycle.Operator
	if caller.Is(identity.Auditor) {
		role = lifecycle.Auditor
	}
	if caller.Account == c.ProposedBy {
		role = lifecycle.Operator
	}
	return slices.DeleteFunc(lifecycle.Correction().Next(string(c.State), role), func(a string) bool {
		return (a == "withdraw") != (caller.Account == c.ProposedBy)
	})
}

// decide locks a correction and writes what was decided.
func (s *Service) decide(ctx context.Context, caller identity.Caller, cid ID, claim request.Claim, render func(Correction) (request.Answer, error), f func(*postgres.Tx, *Correction) error) (Correction, error) {
	return request.Do(ctx, s.db, claim, render, func(tx *postgres.Tx) (Correction, error) {
		c, err := lock(ctx, tx, cid)
		if err != nil {
			return c, err
		}
		if err := f(tx, &c); err != nil {
			return c, err
		}
		if err := save(ctx, tx, c); err != nil {
			return c, err
		}
		return c, note(ctx, tx, caller, "correction."+string(c.State), c)
	})
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, c Correction) error {
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: operation, Object: "correction:" + c.ID.String(), Detail: map[string]any{"transfer": c.Wrong.String()},
	})
}
