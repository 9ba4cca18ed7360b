// Package ledger is the book: moves of li between accounts, grouped into
// transfers that are added and never changed. A move takes from one account and
// gives to another, so an unbalanced transfer cannot be written down. Every
// transfer is one leaf of the public log.
package ledger

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Faults of the book.
var (
	ErrBooked = fault.New(fault.Conflict, "ledger.booked_before", "This was booked before", "该笔业务已入账")
	ErrMove   = fault.New(fault.Refused, "ledger.invalid_move", "A move needs an amount above zero and two accounts", "分录须有正金额和两个不同账户")
	// ErrSealed says that the time of a transfer is in a period whose figures were published for good.
	ErrSealed = fault.New(fault.Conflict, "ledger.period_sealed", "The period is sealed: nothing is booked in it any more", "该期间已封账，不能再入账")
)

// FundHome is the home of the transfers that belong to the education fund and
// to no merchant.
var FundHome = id.FromName[Transfer]("home", "fund").UUID() //nolint:gochecknoglobals // a constant that Go cannot write as one

// Account names a place where money can be: words and ids joined by colons,
// such as "fund:education:pending". World accounts stand for what lies outside
// the shop.
type Account string

// World is the outside that is reached through the named party.
func World(party string) Account { return Account("world:" + party) }

// Payable is what a merchant is owed.
func Payable(merchant uuid.UUID) Account {
	return Account("merchant:" + merchant.String() + ":payable")
}

// Move takes Amount from one account and gives it to another.
type Move struct {
	What   string // what is moved: "goods", "shipping", "tenth"
	From   Account
	To     Account
	Amount money.Li // > 0
}

// Transfer is a list of moves that happen together. Home, Kind and Ref say what
// it is about: a second one with the same is refused.
type Transfer struct {
	Home   uuid.UUID // the merchant's id, or FundHome
	Kind   string    // "sale", "refund", …
	Ref    string    // the order's, the refund's id
	Public bool      // whether the public log shows it in clear or as a salted digest
	Moves  []Move
}

// Entry is a transfer that stands in the book.
type Entry struct {
	ID id.Of[Transfer]
	Transfer
	At   time.Time // UTC, to the microsecond
	Salt []byte    // 16 random bytes: who knows them and the Ref can find the leaf
}

// Balance is what went into an account and out of it, in li.
type Balance struct {
	Account Account
	In, Out money.Li
}

// Li is what the account holds. It is below zero for the outside world.
func (b Balance) Li() money.Li { return b.In - b.Out }

// Flow is the sum of all moves of one thing in one kind of transfer.
type Flow struct {
	Kind, What string
	Sum        money.Li
	Count      int64
}

var (
	wordForm    = regexp.MustCompile(`^[a-z][a-z_]*$`)
	accountForm = regexp.MustCompile(`^[a-z0-9:_-]+$`)
	refForm     = regexp.MustCompile(`^[!-~]+$`)
)

// check refuses what the database would refuse, with a better word.
func (t Transfer) check() error {
	if !wordForm.MatchString(t.Kind) || !refForm.MatchString(t.Ref) || len(t.Moves) == 0 {
		return ErrMove.With("transfer %q %q of %d moves", t.Kind, t.Ref, len(t.Moves))
	}
	for _, m := range t.Moves {
		if m.Amount <= 0 || m.From == m.To || !wordForm.MatchString(m.What) ||
			!accountForm.MatchString(string(m.From)) || !accountForm.MatchString(string(m.To)) {
			return ErrMove.With("%s: %d li of %q from %q to %q", t.Kind, m.Amount, m.What, m.From, m.To)
		}
	}
	return nil
}

// digest is what the transfer's row says of its moves: SHA-256 over a line each.
// The database computes the same at commit.
func (t Transfer) digest() [32]byte {
	var lines strings.Builder
	for i, m := range t.Moves {
		fmt.Fprintf(&lines, "%d|%s|%s|%s|%d\n", i+1, m.What, m.From, m.To, m.Amount)
	}
	return sha256.Sum256([]byte(lines.String()))
}

// Leaf is what the public log holds of the entry: in clear, or sealed by a
// salted digest when it is not public. It bears no personal data: the order is
// a commitment that only who knows the salt can open.
func (e Entry) Leaf() ([]byte, error) {
	leaf := verify.Leaf{Kind: e.Kind, At: e.At, Home: verify.FundHome, Ref: verify.Commitment(e.Kind, e.Ref, e.Salt)}
	if e.Home != FundHome {
		leaf.Home = e.Home.String()
	}
	for _, m := range e.Moves {
		leaf.Moves = append(leaf.Moves, verify.Move{What: m.What, Source: string(m.From), Target: string(m.To), Li: int64(m.Amount)})
	}
	if e.Public {
		return leaf.Bytes()
	}
	return leaf.Seal(e.Salt)
}

// Turn is the sum of all moves of one thing in one kind of transfer that went into or
// out of what a merchant is owed.
type Turn struct {
	Home       uuid.UUID
	Kind, What string
	In         bool // into what the merchant is owed
	Before     bool // before the time from which it was asked for
	Sum        money.Li
	Count      int64 // of moves
}
