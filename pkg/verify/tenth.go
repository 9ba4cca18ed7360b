package verify

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// The kinds of transfer that the rules below know. A new public kind that
// touches the fund must be taught here first: until then CheckTenth refuses it.
const (
	KindSale        = "sale"
	KindRefund      = "refund"
	KindMature      = "mature"       // the goods of a sale can come back no more
	KindDispute     = "dispute"      // the buyer's bank takes a payment back for the time being
	KindDisputeWon  = "dispute_won"  // the bank returns it
	KindDisputeLost = "dispute_lost" // the bank keeps it

	KindGrant        = "grant"         // free money is promised to a programme
	KindGrantRelease = "grant_release" // what was promised and is not needed is free again
	KindGrantPayment = "grant_payment" // what was promised is paid
	KindGrantReturn  = "grant_return"  // what was paid and not used comes back

	// A correction takes back what was booked wrongly and books what is right, outside the fund alone.
	KindCorrection = "correction"
)

// What the moves of a sale and of a refund are for.
const (
	WhatGoods    = "goods"    // what the buyer paid for goods: the base of the levy
	WhatShipping = "shipping" // what the buyer paid for shipping: never levied
	WhatTenth    = "tenth"    // the fund's share
	WhatGrant    = "grant"    // what the fund gives to a programme
)

// The accounts of the education fund.
const (
	FundAccount = "fund:education"
	FundPending = FundAccount + ":pending" // levied, the goods may still come back
	FundFree    = FundAccount + ":free"    // levied, and the return window is over
	FundHeld    = FundAccount + ":held"    // levied, and the payment is disputed
)

// World is how the names of accounts outside the book begin.
const World = "world:"

// Committed and Programme are how the names of accounts begin that hold what is promised
// by a grant, and what a programme was paid.
const (
	Committed = "fund:committed:"
	Programme = World + "programme:"
)

// Disputed is how the names of accounts begin that hold a payment which the buyer's
// bank has taken back for the time being.
const Disputed = "disputed:"

// ErrTenth says that a leaf breaks the promise that exactly one tenth of every
// sale goes to the education fund.
var ErrTenth = errors.New("verify: not exactly one tenth")

// Payable is the account that holds what a merchant is owed.
func Payable(merchant string) string { return "merchant:" + merchant + ":payable" }

// Amounts are what a leaf of goods amounts to, in li and positive for all kinds.
type Amounts struct {
	Goods, Shipping, Tenth int64
	Fund                   string // the fund's account that gained, or gave back, the tenth
}

// CheckTenth holds a leaf against the rule of the shop. A sale moves goods (once)
// and shipping (at most once) from outside to its merchant, and exactly one
// tenth of the goods from there to the fund's pending account; a refund is the
// mirror image, from whichever account the tenth is in, or of shipping alone. A
// dispute sets a payment aside in the same way, and its tenth in the fund's held
// account; won, both go back, and lost, the payment leaves and the tenth returns to
// the merchant. No other kind may move goods or tenths, but for a maturing, which moves
// tenths from pending to free and does nothing else. Grants alone take out of the fund: from
// free to what is committed, and from there to a programme, each way back included. Nothing
// else touches the fund or what programmes were paid: a correction, too, may move neither goods
// nor tenths nor grants, nor touch an account of either. Sealed leaves and documents pass.
// Breaches are ErrTenth.
func CheckTenth(l Leaf) error {
	if l.Sealed != "" {
		return nil
	}
	if _, ofGoods := ways(l.Kind, ""); ofGoods {
		_, err := SaleAmounts(l)
		return err
	}
	for _, m := range l.Moves {
		if l.Home == FundHome && granted(l.Kind, m) || l.Kind == KindMature && m.What == WhatTenth && m.Source == FundPending && m.Target == FundFree {
			continue
		}
		if m.What == WhatGoods || m.What == WhatShipping || m.What == WhatTenth || m.What == WhatGrant {
			return fmt.Errorf("%w: a %s moves %s from %s to %s", ErrTenth, l.Kind, m.What, m.Source, m.Target)
		}
		if isFund(m.Source) || isFund(m.Target) {
			return fmt.Errorf("%w: a %s moves %d li from %s to %s", ErrTenth, l.Kind, m.Li, m.Source, m.Target)
		}
	}
	return nil
}

// granted reports whether a move is one of a grant's.
func granted(kind string, m Move) bool {
	free, committed, programme := end{account: FundFree}, end{Committed, true}, end{Programme, true}
	between := func(from, to end) bool { return m.What == WhatGrant && from.is(m.Source) && to.is(m.Target) }
	switch kind {
	case KindGrant:
		return between(free, committed)
	case KindGrantRelease:
		return between(committed, free)
	case KindGrantPayment:
		return between(committed, programme)
	case KindGrantReturn:
		return between(programme, free)
	}
	return false
}

// end is one of a move's: an account that is named whole, or by how it begins.
type end struct {
	account string
	begins  bool
}

func (e end) is(account string) bool {
	return account == e.account || e.begins && strings.HasPrefix(account, e.account)
}

// way is how goods and tenths go in a kind of leaf.
type way struct{ payer, payee, levied, fund end }

// ways are those of a kind of leaf of one merchant's goods: money goes from payer to
// payee, its tenth from levied to fund. The fund's end may be in several accounts.
func ways(kind, payable string) (way, bool) {
	seller, outside, aside := end{account: payable}, end{World, true}, end{Disputed, true}
	pending, anywhere, held := end{account: FundPending}, end{FundAccount + ":", true}, end{account: FundHeld}
	switch kind {
	case KindSale:
		return way{outside, seller, seller, pending}, true
	case KindRefund:
		return way{seller, outside, anywhere, seller}, true
	case KindDispute:
		return way{seller, aside, anywhere, held}, true
	case KindDisputeWon:
		return way{aside, seller, held, anywhere}, true
	case KindDisputeLost:
		return way{aside, outside, held, seller}, true
	}
	return way{}, false
}

// SaleAmounts checks a sale, a refund or a dispute as CheckTenth does, and says what
// it amounts to. Any other leaf is ErrTenth.
func SaleAmounts(l Leaf) (Amounts, error) {
	var a Amounts
	w, ok := ways(l.Kind, Payable(l.Home))
	if l.Sealed != "" || !ok {
		return a, fmt.Errorf("%w: neither sale nor refund", ErrTenth)
	}
	for _, m := range l.Moves {
		paid := w.payer.is(m.Source) && w.payee.is(m.Target)
		var sum *int64
		switch {
		case m.What == WhatGoods && paid:
			sum = &a.Goods
		case m.What == WhatShipping && paid:
			sum = &a.Shipping
		case m.What == WhatTenth && w.levied.is(m.Source) && w.fund.is(m.Target):
			sum, a.Fund = &a.Tenth, m.Source
			if l.Kind == KindSale || l.Kind == KindDisputeWon {
				a.Fund = m.Target
			}
		}
		if sum == nil || *sum != 0 {
			return Amounts{}, fmt.Errorf("%w: a %s of %s moves %s twice or elsewhere: %s to %s", ErrTenth, l.Kind, l.Home, m.What, m.Source, m.Target)
		}
		*sum = m.Li
	}
	if a.Goods == 0 && (l.Kind == KindSale || a.Shipping == 0) {
		return Amounts{}, fmt.Errorf("%w: a %s of nothing", ErrTenth, l.Kind)
	}
	if a.Tenth > math.MaxInt64/10 || a.Tenth*10 != a.Goods {
		return Amounts{}, fmt.Errorf("%w: %d li of %d li", ErrTenth, a.Tenth, a.Goods)
	}
	if a.Shipping%10 != 0 {
		return Amounts{}, fmt.Errorf("%w: shipping of %d li is not whole fen", ErrTenth, a.Shipping)
	}
	return a, nil
}

// isFund reports whether an account is the fund's, or holds what the fund paid to a programme.
func isFund(account string) bool {
	return strings.HasPrefix(account, "fund:") || strings.HasPrefix(account, Programme)
}

// Totals are the sums over leaves, in li.
type Totals struct {
	Leaves, Sealed, Sales, Refunds int64 // numbers of leaves; a lost dispute is a refund

	SoldLi     int64 // goods of all sales
	RefundedLi int64 // goods of all refunds
	LeviedLi   int64 // tenths of all sales
	ReturnedLi int64 // tenths of all refunds
	PendingLi  int64 // what FundPending holds
	FreeLi     int64 // what FundFree holds
	HeldLi     int64 // what FundHeld holds

	CommittedLi int64 // what is promised by grants and not paid yet
	SpentLi     int64 // what programmes were paid, less what came back
	Documents   int64 // leaves of published documents
}

// ErrOverflow says that sums left the range of 64 bits: no honest log gets there.
var ErrOverflow = errors.New("verify: the sums overflow")

// Add checks a leaf by CheckTenth and adds it. A breach (ErrTenth) leaves t as
// it was, except that the leaf is counted.
func (t *Totals) Add(l Leaf) error {
	t.Leaves++
	if l.Sealed != "" {
		t.Sealed++
		return nil
	}
	if l.Document != "" {
		t.Documents++
		return nil
	}
	if err := CheckTenth(l); err != nil {
		return err
	}
	switch l.Kind {
	case KindSale, KindRefund, KindDisputeLost:
		a, err := SaleAmounts(l)
		if err != nil {
			return err
		}
		count, goods, tenths := &t.Sales, &t.SoldLi, &t.LeviedLi
		if l.Kind != KindSale {
			count, goods, tenths = &t.Refunds, &t.RefundedLi, &t.ReturnedLi
		}
		*count++
		*goods += a.Goods
		*tenths += a.Tenth
	}
	for _, m := range l.Moves {
		t.move(m.Source, -m.Li)
		t.move(m.Target, m.Li)
	}
	// A leaf has room for fewer than 2,000 moves to the fund, of MaxLi at most, so
	// an overflow shows itself as a sum past half the range before it can wrap.
	const edge = math.MaxInt64 / 2
	for _, sum := range []int64{t.SoldLi, t.RefundedLi, t.LeviedLi, t.ReturnedLi, t.PendingLi, t.FreeLi, t.HeldLi, t.CommittedLi, t.SpentLi} {
		if sum > edge || sum < -edge {
			return ErrOverflow
		}
	}
	return nil
}

func (t *Totals) move(account string, li int64) {
	switch account {
	case FundPending:
		t.PendingLi += li
	case FundFree:
		t.FreeLi += li
	case FundHeld:
		t.HeldLi += li
	}
	switch {
	case strings.HasPrefix(account, Committed):
		t.CommittedLi += li
	case strings.HasPrefix(account, Programme):
		t.SpentLi += li
	}
}

// Statement is what the fund publishes of itself (GET /v1/public/fund), as far as
// the leaves tell it. A figure that is absent is not compared.
type Statement struct {
	LogSize     *int64 `json:"log_size"`     // the statement tells of the first so many leaves
	Orders      *int64 `json:"orders"`       // sales
	SoldFen     *int64 `json:"sold_fen"`     // goods sold, less goods refunded
	RefundedFen *int64 `json:"refunded_fen"` // goods refunded
	LeviedLi    *int64 `json:"levied_li"`    // tenths of sales, less those returned
	ReturnedLi  *int64 `json:"returned_li"`  // tenths returned with refunds
	PendingLi   *int64 `json:"pending_li"`
	FreeLi      *int64 `json:"free_li"`
	HeldLi      *int64 `json:"held_li"`
	CommittedLi *int64 `json:"committed_li"` // promised by grants, not paid yet
	SpentLi     *int64 `json:"spent_li"`     // paid to programmes, less what came back
}

// ErrStatement says that a published figure is not what the leaves sum to.
var ErrStatement = errors.New("verify: the published figures are not those of the log")

// Compare holds what is published against the sums of the leaves that it tells
// of. Each figure that differs is named in the error (ErrStatement); a statement
// without any figure is one too.
func (t Totals) Compare(s Statement) error {
	var differences []error
	compared := 0
	for _, f := range []struct {
		name      string
		published *int64
		summed    int64
	}{
		{"orders", s.Orders, t.Sales},
		{"sold_fen", s.SoldFen, (t.SoldLi - t.RefundedLi) / 10},
		{"refunded_fen", s.RefundedFen, t.RefundedLi / 10},
		{"levied_li", s.LeviedLi, t.LeviedLi - t.ReturnedLi},
		{"returned_li", s.ReturnedLi, t.ReturnedLi},
		{"pending_li", s.PendingLi, t.PendingLi},
		{"free_li", s.FreeLi, t.FreeLi},
		{"held_li", s.HeldLi, t.HeldLi},
		{"committed_li", s.CommittedLi, t.CommittedLi},
		{"spent_li", s.SpentLi, t.SpentLi},
	} {
		if f.published == nil {
			continue
		}
		compared++
		if *f.published != f.summed {
			differences = append(differences, fmt.Errorf("%w: %s: published %d, the leaves sum to %d", ErrStatement, f.name, *f.published, f.summed))
		}
	}
	if compared == 0 {
		return fmt.Errorf("%w: there are none", ErrStatement)
	}
	return errors.Join(differences...)
}
