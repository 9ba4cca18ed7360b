package compensation_test

import (
	"errors"
	"testing"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/compensation"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

var other = identity.Caller{Account: shoptest.Buyer("reviewer").Account, Roles: []identity.Grant{{Role: identity.Operator}}}

// late is an order of ann's, of a stay that ended now: nothing of it can be returned.
func late(t testing.TB, s *shoptest.Shop) order.Order {
	t.Helper()
	c := s.Place(t, "ann", shoptest.Choose("stay", 1))
	s.Pay(t, c.PayURL)
	o := s.Checkout(t, c).Orders[0]
	err := postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		locked, err := order.Lock(t.Context(), tx, o.ID)
		if err != nil {
			return err
		}
		return fulfilment.Receive(t.Context(), tx, locked, tx.Now, tx.Now)
	})
	if err != nil {
		t.Fatalf("end the stay: %v", err)
	}
	return o
}

func TestGoodwillTakesFourEyes(t *testing.T) {
	t.Parallel()
	s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
	s.StockUp(t, 10)
	o := late(t, s)
	const amount = 5000

	if _, err := s.Goodwill.Propose(ctx, shoptest.Buyer("ann"), o.ID, amount, "隔音太差"); !errors.Is(err, identity.ErrForbidden) {
		t.Errorf("the buyer proposes: %v", err)
	}
	for _, fen := range []money.Fen{-1, 0, 29901} {
		if _, err := s.Goodwill.Propose(ctx, shoptest.Operator, o.ID, fen, "隔音太差"); !errors.Is(err, compensation.ErrLimit) {
			t.Errorf("%d fen: %v, want %v", fen, err, compensation.ErrLimit)
		}
	}
	c, err := s.Goodwill.Propose(ctx, shoptest.Operator, o.ID, amount, "隔音太差")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Goodwill.Propose(ctx, other, o.ID, 29900-amount+1, "再补一点"); !errors.Is(err, compensation.ErrLimit) {
		t.Errorf("with what is proposed already it is too much: %v", err)
	}
	approve := func(who identity.Caller, digest [32]byte) error {
		_, err := s.Goodwill.Approve(ctx, who, c.ID, digest, request.Claim{}, nil)
		return err
	}
	if err := approve(shoptest.Operator, c.Digest); !errors.Is(err, compensation.ErrOwn) {
		t.Errorf("the proposer approves: %v", err)
	}
	ann := identity.Caller{Account: shoptest.Buyer("ann").Account, Roles: other.Roles}
	if err := approve(ann, c.Digest); !errors.Is(err, compensation.ErrOwn) {
		t.Errorf("who gets it approves: %v", err)
	}
	if err := approve(other, [32]byte{1}); !errors.Is(err, compensation.ErrDigest) {
		t.Errorf("another amount is approved: %v", err)
	}
	if got := s.Held(t, compensation.Goodwill); got != 0 {
		t.Fatalf("%d li were given before anybody approved", got)
	}
	if n := pgtest.AtOnce(t, 4, func(int) error { return approve(other, c.Digest) }, compensation.ErrState); n != 1 {
		t.Errorf("approved %d times", n)
	}
	if got, pending := s.Held(t, compensation.Goodwill), s.Held(t, fund.Pending); got != -amount*10 || pending != 29900 {
		t.Errorf("goodwill %d li, fund %d li", got, pending)
	}
	if got := s.Held(t, ledger.World("bank")); got != amount*10 {
		t.Errorf("the bank has %d li", got)
	}
}

func TestAProposalIsRefusedByAnotherAndWithdrawnByItsOwn(t *testing.T) {
	t.Parallel()
	s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
	s.StockUp(t, 10)
	o := late(t, s)
	for _, tt := range []struct {
		who  identity.Caller
		want compensation.State
	}{{other, compensation.Refused}, {shoptest.Operator, compensation.Withdrawn}} {
		c, err := s.Goodwill.Propose(ctx, shoptest.Operator, o.ID, 29900, "隔音太差")
		if err != nil {
			t.Fatal(err)
		}
		if c, err = s.Goodwill.Refuse(ctx, tt.who, c.ID, "证据不足"); err != nil || c.State != tt.want {
			t.Errorf("it is %s, %v, want %s", c.State, err, tt.want)
		}
		if _, err := s.Goodwill.Approve(ctx, other, c.ID, c.Digest, request.Claim{}, nil); !errors.Is(err, compensation.ErrState) {
			t.Errorf("approved what is %s: %v", c.State, err)
		}
	}
	c := s.Place(t, "ann", shoptest.Choose("flour", 1))
	s.Pay(t, c.PayURL)
	if _, err := s.Goodwill.Propose(ctx, shoptest.Operator, s.Checkout(t, c).Orders[0].ID, 1, "太早了"); !errors.Is(err, compensation.ErrOpen) {
		t.Errorf("while the goods can come back: %v", err)
	}
}

func TestABuyerDoesNotGetMoreThanHePaidByTwoWays(t *testing.T) {
	t.Parallel()
	s, ctx := shoptest.New(t, shoptest.Options{}), t.Context()
	s.StockUp(t, 10)
	o := late(t, s)
	c, err := s.Goodwill.Propose(ctx, shoptest.Operator, o.ID, 29900, "隔音太差")
	if err != nil {
		t.Fatal(err)
	}
	bank := func(to dispute.State) {
		said := dispute.Said{Provider: "sandbox", Ref: "dp_1", Payment: s.PaidAs(t, o.Checkout), Amount: 29900, Currency: "cny", State: to, OpenedAt: pgtest.Noon}
		if err := s.Disputes.Follow(ctx, o.Checkout, said); err != nil {
			t.Fatal(err)
		}
	}
	bank(dispute.Open)
	approve := func() error {
		_, err := s.Goodwill.Approve(ctx, other, c.ID, c.Digest, request.Claim{}, nil)
		return err
	}
	if err := approve(); !errors.Is(err, compensation.ErrOpen) {
		t.Errorf("while the bank decides: %v, want %v", err, compensation.ErrOpen)
	}
	if _, err := s.Goodwill.Propose(ctx, shoptest.Operator, o.ID, 1, "隔音太差"); !errors.Is(err, compensation.ErrOpen) {
		t.Errorf("proposed while the bank decides: %v, want %v", err, compensation.ErrOpen)
	}
	bank(dispute.Won)
	if err := approve(); err != nil {
		t.Fatal(err)
	}
	refund := func(who identity.Caller) error {
		_, err := s.Aftersales.Refund(ctx, who, o.ID, order.Refunding{Lines: []order.RefundLine{{N: 1, Amount: 1}}, Reason: "再退"}, request.Claim{}, nil)
		return err
	}
	if err := refund(other); !errors.Is(err, order.ErrRefundLimit) {
		t.Errorf("a refund beside goodwill for all that was paid: %v, want %v", err, order.ErrRefundLimit)
	}
	for _, own := range []identity.Caller{
		{Account: o.Buyer, Roles: other.Roles}, {Account: other.Account, Roles: append(shoptest.Seller(o.Merchant).Roles, other.Roles...)},
	} {
		if err := refund(own); !errors.Is(err, aftersale.ErrOwn) {
			t.Errorf("a side of the sale refunds it: %v, want %v", err, aftersale.ErrOwn)
		}
	}
}
