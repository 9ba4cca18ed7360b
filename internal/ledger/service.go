package ledger

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// saltLength is in bytes: what hides an order behind its commitment.
const saltLength = 16

// Book writes the transfers into the book and queues their leaves, as part of
// the caller's transaction. A transfer that was booked before is ErrBooked.
func Book(ctx context.Context, tx *postgres.Tx, transfers []Transfer) error {
	entries := make([]Entry, len(transfers))
	leaves := make([]transparency.Pending, len(transfers))
	salts := make([]byte, saltLength*len(transfers))
	// crypto/rand.Read never returns an error (it aborts the program instead).
	_, _ = rand.Read(salts)
	for i, t := range transfers {
		if err := t.check(); err != nil {
			return err
		}
		e := Entry{ID: id.New[Transfer](tx.Now), Transfer: t, At: tx.Now, Salt: salts[i*saltLength : (i+1)*saltLength]}
		leaf, err := e.Leaf()
		if err != nil {
			return fmt.Errorf("make the leaf of a %s: %w", t.Kind, err)
		}
		entries[i], leaves[i] = e, transparency.Pending{Home: t.Home, Transfer: e.ID.UUID(), Leaf: leaf}
	}
	if err := insert(ctx, tx, entries); err != nil {
		return err
	}
	return transparency.Append(ctx, tx, leaves)
}

// Entries are the transfers with these names that there are, oldest first.
func Entries(ctx context.Context, tx *postgres.Tx, refs []Reference) ([]Entry, error) {
	return entries(ctx, tx, refs)
}

// Of is what the account holds now.
func Of(ctx context.Context, tx *postgres.Tx, account Account) (Balance, error) {
	all, err := balances(ctx, tx, string(account), string(account), false)
	if err != nil || len(all) == 0 {
		return Balance{Account: account}, err
	}
	return all[0], nil
}

// Guard lets one transaction at a time spend from an account: until the end of tx nobody else
// gets past it. It comes before the statement that sums the account, and after every other lock.
// An account without a row in account_guard is an error.
func Guard(ctx context.Context, tx *postgres.Tx, account Account) error {
	return guard(ctx, tx, account)
}

// last sorts behind whatever a name goes on with.
const last = "\U0010FFFF"

// Below are the balances of all accounts whose name begins with the prefix, by
// name.
func Below(ctx context.Context, tx *postgres.Tx, prefix Account) ([]Balance, error) {
	return balances(ctx, tx, string(prefix), string(prefix)+last, false)
}

// Flows are the sums of all moves by kind and what.
func Flows(ctx context.Context, tx *postgres.Tx) ([]Flow, error) { return flows(ctx, tx, false) }

// Logged are the flows, and the balances below the prefix, of what the log has numbered, and how many leaves
// that are: who reads as many can add the same up. They belong together where tx is a View.
func Logged(ctx context.Context, tx *postgres.Tx, prefix Account) ([]Flow, []Balance, int64, error) {
	size, err := transparency.Size(ctx, tx)
	if err != nil {
		return nil, nil, 0, err
	}
	sums, err := flows(ctx, tx, true)
	if err != nil {
		return nil, nil, 0, err
	}
	held, err := balances(ctx, tx, string(prefix), string(prefix)+last, true)
	return sums, held, size, err
}

// Roller rolls balances up as the log numbers transfers: it follows the log's
// sequencer, in the sequencer's transaction.
type Roller struct{}

// Integrated adds the numbered transfers to the sums by account and by flow.
func (Roller) Integrated(ctx context.Context, tx *postgres.Tx, numbered []transparency.Entry) error {
	return rollUp(ctx, tx, numbered)
}
