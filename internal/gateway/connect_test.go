package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/sandbox"
)

func row() uuid.UUID { return id.New[gateway.Transfer](pgtest.Noon).UUID() }

// heard are the events that wait to be sent, read.
func (b bench) heard(t testing.TB) (all []gateway.Event) {
	t.Helper()
	err := b.bank.Flush(t.Context(), func(_ context.Context, body []byte, signature string) error {
		b.checked.complete(body)
		e, err := b.gateway.Event(body, signature, b.clock.Now())
		all = append(all, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// enabled is the connected account of an owner who has said who he is.
func (b bench) enabled(t testing.TB, owner uuid.UUID) gateway.Account {
	t.Helper()
	made, err := b.gateway.CreateAccount(t.Context(), owner, mark)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.bank.Onboard(made.Ref); err != nil {
		t.Fatal(err)
	}
	return made
}

func TestAnAccountIsMadeOnceAndOnboarded(t *testing.T) {
	t.Parallel()
	for name, open := range gateways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, owner := open(t), row()
			first, err := b.gateway.CreateAccount(t.Context(), owner, mark)
			if err != nil || first.Enabled || first.Submitted || len(first.Due) == 0 {
				t.Fatalf("a new account: %+v, %v", first, err)
			}
			if again, err := b.gateway.CreateAccount(t.Context(), owner, mark); err != nil || again.Ref != first.Ref {
				t.Errorf("the same owner's: %+v, %v, want %s", again, err, first.Ref)
			}
			b.clock.Advance(25 * time.Hour)
			if found, err := b.gateway.FindAccount(t.Context(), owner, mark); err != nil || found.Ref != first.Ref {
				t.Errorf("the same owner's, the next day: %+v, %v, want %s", found, err, first.Ref)
			}
			if found, err := b.gateway.FindAccount(t.Context(), owner, "other/shop"); err != nil || found.Ref != "" {
				t.Errorf("another shop's account of the same owner: %+v, %v", found, err)
			}
			page, err := b.gateway.OnboardingURL(t.Context(), first.Ref, "http://shop.test/back")
			if err != nil || !strings.HasSuffix(page, first.Ref) {
				t.Errorf("where its holder says who he is: %q, %v", page, err)
			}
			to := gateway.Transferring{Row: row(), Account: first.Ref, Amount: 1, Group: row(), Mark: mark}
			if _, err := b.gateway.Transfer(t.Context(), to); !errors.Is(err, gateway.ErrDeclined) {
				t.Errorf("a transfer to him before: %v, want %v", err, gateway.ErrDeclined)
			}
			if err := b.bank.Onboard(first.Ref); err != nil {
				t.Fatal(err)
			}
			now, err := b.gateway.Account(t.Context(), first.Ref)
			if err != nil || !now.Enabled || !now.Submitted || len(now.Due) != 0 {
				t.Errorf("afterwards: %+v, %v", now, err)
			}
			heard := b.heard(t)
			if len(heard) != 1 || heard[0].Kind != gateway.AccountMoved || heard[0].Row != owner || heard[0].Account != first.Ref || heard[0].Mark != mark {
				t.Errorf("events: %+v", heard)
			}
			if _, err := b.gateway.Account(t.Context(), "acct_unknown"); err == nil {
				t.Error("an unknown account: no error")
			}
		})
	}
}

func TestATransferIsMadeOnceAndTakenBackInParts(t *testing.T) {
	t.Parallel()
	for name, open := range gateways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			to := gateway.Transferring{Row: row(), Attempt: 1, Account: b.enabled(t, row()).Ref, Amount: 1000, Group: row(), Mark: mark}
			b.heard(t)
			first, err := b.gateway.Transfer(t.Context(), to)
			if err != nil || first.Row != to.Row || first.Attempt != 1 || first.Amount != 1000 || first.Account != to.Account || first.Mark != mark {
				t.Fatalf("a transfer: %+v, %v", first, err)
			}
			if again, err := b.gateway.Transfer(t.Context(), to); err != nil || again.Ref != first.Ref {
				t.Errorf("again: %+v, %v, want %s", again, err, first.Ref)
			}
			back := gateway.Reversing{Row: row(), Transfer: first.Ref, Amount: 300, Mark: mark}
			ref, err := b.gateway.Reverse(t.Context(), back)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := b.gateway.Reverse(t.Context(), back); err != nil || again != ref {
				t.Errorf("the same reversal: %q, %v, want %q", again, err, ref)
			}
			all, err := b.gateway.Transfers(t.Context(), to.Group)
			if err != nil || len(all) != 1 || all[0].Reversed != 300 || len(all[0].Reversals) != 1 || all[0].Reversals[0].Row != back.Row || all[0].Reversals[0].Ref != ref {
				t.Errorf("the group's transfers: %+v, %v", all, err)
			}
			for _, e := range b.heard(t) {
				if e.Kind != gateway.TransferMoved || e.Row != to.Row || e.Attempt != 1 {
					t.Errorf("event: %+v", e)
				}
			}
			if err := b.bank.Withdraw(to.Account); err != nil {
				t.Fatal(err)
			}
			back.Row = row()
			if _, err := b.gateway.Reverse(t.Context(), back); !errors.Is(err, gateway.ErrDeclined) {
				t.Errorf("take back what was withdrawn: %v, want %v", err, gateway.ErrDeclined)
			}
		})
	}
}

func TestAllThatMovedOurBalanceIsListed(t *testing.T) {
	t.Parallel()
	for name, open := range gateways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			account := b.enabled(t, row()).Ref
			opened, err := b.gateway.Open(t.Context(), opening(10050))
			if err != nil {
				t.Fatal(err)
			}
			paid := b.event(t, b.pay(t, opened.Session, "")).Payment
			back := gateway.Refunding{Refund: row(), Buyer: buyer, Payment: paid, Amount: 50, Mark: mark}
			b.bank.SetRefunds(sandbox.RefundsWait)
			asked, err := b.gateway.Refund(t.Context(), back)
			if err != nil || asked.State != gateway.RefundPending {
				t.Fatalf("a refund that waits: %+v, %v", asked, err)
			}
			if err := b.bank.SettleRefund(asked.Ref, false); err != nil {
				t.Fatal(err)
			}
			refunds, err := b.gateway.Refunds(t.Context(), paid)
			if err != nil || len(refunds) != 1 || refunds[0].State != gateway.RefundFailed || refunds[0].Row != back.Refund || refunds[0].Mark != mark {
				t.Errorf("refunds: %+v, %v", refunds, err)
			}
			made, err := b.gateway.Transfer(t.Context(), gateway.Transferring{Row: row(), Account: account, Amount: 900, Group: row()})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.gateway.Reverse(t.Context(), gateway.Reversing{Row: row(), Transfer: made.Ref, Amount: 100}); err != nil {
				t.Fatal(err)
			}
			b.disputed(t, paid)
			b.sums(t, map[string]money.Fen{"charge": 10050, "refund": -50, "refund_failure": 50, "transfer": -900, "transfer_refund": 100, "adjustment": 0}, 60+1500)
		})
	}
}

// disputed disputes a payment of 10050 fen, and the shop wins.
func (b bench) disputed(t *testing.T, paid string) {
	t.Helper()
	dispute, err := b.bank.Dispute(paid, 10050, "fraudulent")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []gateway.DisputeState{gateway.DisputeOpen, gateway.DisputeWon} {
		all, err := b.gateway.Disputes(t.Context(), paid)
		if err != nil || len(all) != 1 || all[0].State != want || all[0].Ref != dispute || all[0].Amount != 10050 || all[0].Fee != 1500 {
			t.Errorf("disputes: %+v, %v, want one that is %s", all, err, want)
		}
		if want == gateway.DisputeOpen {
			if err := b.bank.CloseDispute(dispute, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	var moved int
	for _, e := range b.heard(t) {
		if e.Kind == gateway.DisputeMoved && e.Dispute == dispute && e.Payment == paid {
			moved++
		}
	}
	if moved != 2 {
		t.Errorf("%d events of the dispute, want 2", moved)
	}
}

// sums compares what moved our balance, by type, and the fees.
func (b bench) sums(t *testing.T, want map[string]money.Fen, fees money.Fen) {
	t.Helper()
	got := map[string]money.Fen{}
	for e, err := range b.gateway.Entries(t.Context(), pgtest.Noon, b.clock.Now().Add(time.Second)) {
		if err != nil {
			t.Fatal(err)
		}
		got[e.Type] += e.Amount
		fees -= e.Fee
	}
	for kind, sum := range want {
		if got[kind] != sum {
			t.Errorf("%s: %d, want %d", kind, got[kind], sum)
		}
	}
	if len(got) != len(want) || fees != 0 {
		t.Errorf("sums %v, %d fen of fees missing", got, fees)
	}
	for e, err := range b.gateway.Entries(t.Context(), b.clock.Now().Add(time.Second), b.clock.Now().Add(time.Hour)) {
		t.Errorf("an entry of later: %+v, %v", e, err)
	}
}

func TestAllEventsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	for name, open := range gateways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			sent := map[string]bool{}
			for range 120 {
				opened, err := b.gateway.Open(t.Context(), opening(1))
				if err != nil {
					t.Fatal(err)
				}
				sent[b.pay(t, opened.Session, "")] = true
			}
			told := 0
			for e, err := range b.gateway.Events(t.Context(), pgtest.Noon, pgtest.Noon.Add(24*time.Hour)) {
				if err != nil {
					t.Fatal(err)
				}
				if !sent[e.Event.ID] || e.Event.Kind != gateway.Paid || e.Event.Buyer != buyer {
					t.Errorf("event %+v", e.Event)
				}
				delete(sent, e.Event.ID)
				if told++; told == 1 { // what a list tells is what a webhook tells
					again, err := b.gateway.Event(e.Body, sandbox.Sign(e.Body, b.bank.Secret(), pgtest.Noon), pgtest.Noon)
					if err != nil || again != e.Event {
						t.Errorf("%+v, %v, want %+v", again, err, e.Event)
					}
				}
			}
			if told != 120 || len(sent) != 0 {
				t.Errorf("%d events told, %d not", told, len(sent))
			}
		})
	}
}

func TestFaultsOfARequestHaveTheEffectThatTheyAreNamedFor(t *testing.T) {
	t.Parallel()
	b := gateways()["sandbox"](t)
	account := b.enabled(t, row()).Ref
	for fault, done := range map[sandbox.Fault]int{
		sandbox.LoseRequest: 0, sandbox.Conflict: 0, sandbox.TooMany: 0, sandbox.FailBefore: 0, sandbox.LoseAnswer: 1, sandbox.FailAfter: 1,
	} {
		b.bank.Inject(sandbox.Faults{Request: func(method, path string) sandbox.Fault {
			if method == http.MethodPost && path == "/v1/transfers" {
				return fault
			}
			return sandbox.Fine
		}})
		to := gateway.Transferring{Row: row(), Account: account, Amount: 1, Group: row(), Mark: mark}
		if _, err := b.gateway.Transfer(t.Context(), to); !errors.Is(err, gateway.ErrUnavailable) {
			t.Errorf("fault %d: %v, want %v", fault, err, gateway.ErrUnavailable)
		}
		if all, err := b.gateway.Transfers(t.Context(), to.Group); err != nil || len(all) != done {
			t.Errorf("fault %d: %d transfers, %v, want %d", fault, len(all), err, done)
		}
		b.bank.Inject(sandbox.Faults{})
		if _, err := b.gateway.Transfer(t.Context(), to); err != nil {
			t.Errorf("fault %d, again: %v", fault, err)
		}
		if all, err := b.gateway.Transfers(t.Context(), to.Group); err != nil || len(all) != 1 {
			t.Errorf("fault %d, again: %d transfers, %v, want 1", fault, len(all), err)
		}
	}
}

func TestWhatMovedOurBalanceIsNamed(t *testing.T) {
	t.Parallel()
	for name, open := range gateways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, owner := open(t), row()
			asked := opening(7)
			opened, err := b.gateway.Open(t.Context(), asked)
			if err != nil {
				t.Fatal(err)
			}
			b.pay(t, opened.Session, "")
			paid := b.heard(t)[0]
			looked, err := b.gateway.Payment(t.Context(), paid.Payment)
			if err != nil || looked.Kind != gateway.Paid || looked.Intent != asked.Intent || looked.Amount != asked.Amount || looked.Session != opened.Session || looked.Mark != mark {
				t.Errorf("the payment looked up is %+v, %v", looked, err)
			}
			if none, err := b.gateway.Payment(t.Context(), "pi_none"); err != nil || none.Kind != gateway.Unconcerned {
				t.Errorf("a payment that nobody knows is %+v, %v", none, err)
			}
			back, sent, taken := row(), row(), row()
			if _, err := b.gateway.Refund(t.Context(), gateway.Refunding{Refund: back, Buyer: buyer, Payment: paid.Payment, Amount: 1, Mark: mark}); err != nil {
				t.Fatal(err)
			}
			moved, err := b.gateway.Transfer(t.Context(), gateway.Transferring{Row: sent, Account: b.enabled(t, owner).Ref, Amount: 3, Group: asked.Intent, Mark: mark})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.gateway.Reverse(t.Context(), gateway.Reversing{Row: taken, Transfer: moved.Ref, Amount: 1, Mark: mark}); err != nil {
				t.Fatal(err)
			}
			if _, err := b.bank.Dispute(paid.Payment, 2, "fraudulent"); err != nil {
				t.Fatal(err)
			}
			want := map[string]gateway.Entry{
				"charge": {Payment: paid.Payment}, "refund": {Payment: paid.Payment, Row: back, Mark: mark}, "adjustment": {Payment: paid.Payment},
				"transfer": {Row: sent, Mark: mark}, "transfer_refund": {Row: taken, Mark: mark},
			}
			for e, err := range b.gateway.Entries(t.Context(), pgtest.Noon, b.clock.Now().Add(time.Second)) {
				if w := want[e.Type]; err != nil || e.Payment != w.Payment || e.Row != w.Row || e.Mark != w.Mark {
					t.Errorf("entry %+v, %v, want %+v", e, err, w)
				}
				delete(want, e.Type)
			}
			if len(want) != 0 {
				t.Errorf("no entries of %v", want)
			}
		})
	}
}
