package payment_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/sandbox"
)

// deaf drops all that the provider sends.
func (s shop) deaf(t *testing.T) {
	t.Helper()
	s.bank.Inject(sandbox.Faults{Event: func(string) sandbox.Mishap { return sandbox.Dropped }})
	s.flush(t)
}

func TestWhatNoWebhookBroughtIsFoundInTheList(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	heard := s.paid(t, 300, "")
	missed := s.open(t, s.create(t, 700))
	if _, err := s.bank.Pay(missed.Session, ""); err != nil {
		t.Fatal(err)
	}
	s.deaf(t)
	if n := s.work(t); n != 0 {
		t.Errorf("%d jobs before anybody looked", n)
	}
	s.clock.Advance(2 * time.Hour)
	for _, want := range []int{1, 0} {
		if n, err := s.payments.CatchUp(t.Context()); n != want || err != nil {
			t.Errorf("%d events, %v, want %d", n, err, want)
		}
	}
	s.work(t)
	s.state(t, missed, payment.StateSucceeded)
	i := s.state(t, heard, payment.StateSucceeded)
	if found, err := s.payments.ByPayment(t.Context(), i.Payment); err != nil || found.ID != i.ID {
		t.Errorf("the intent of its payment: %+v, %v", found, err)
	}
	if _, err := s.payments.ByPayment(t.Context(), ""); !errors.Is(err, payment.ErrNotFound) {
		t.Errorf("the intent of no payment: %v, want %v", err, payment.ErrNotFound)
	}
	s.wire.cut.Store(true)
	if _, err := s.payments.CatchUp(t.Context()); !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("without a wire: %v, want %v", err, gateway.ErrUnavailable)
	}
}

func TestARefundOfWhichNoEventTellsIsFollowed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.paid(t, 1000, "")
	s.bank.SetRefunds(sandbox.RefundsWait)
	s.request(t, i, 400)
	s.request(t, i, 600)
	s.work(t)
	asked := s.refunds(t, i)
	for n, r := range asked {
		if r.State != gateway.RefundPending || r.Ref == "" {
			t.Fatalf("refund %d: %+v, want it pending at the provider", n, r)
		}
		if err := s.bank.SettleRefund(r.Ref, n == 0); err != nil {
			t.Fatal(err)
		}
	}
	s.deaf(t)
	if n, err := s.payments.FollowPending(t.Context(), time.Minute, 10); n != 0 || err != nil {
		t.Errorf("%d refunds followed at once, %v", n, err)
	}
	s.clock.Advance(time.Hour)
	if n, err := s.payments.FollowPending(t.Context(), time.Minute, 10); n != 2 || err != nil {
		t.Errorf("%d refunds followed, %v, want 2", n, err)
	}
	got := s.refunds(t, i)
	if got[0].State != gateway.RefundSucceeded || got[1].State != gateway.RefundFailed {
		t.Errorf("refunds %s and %s, want succeeded and failed", got[0].State, got[1].State)
	}
	if err := s.bank.SettleRefund(got[0].Ref, false); err != nil { // a bank sends back what had arrived
		t.Fatal(err)
	}
	if err := s.payments.Follow(t.Context(), i.Buyer, i.ID); err != nil {
		t.Fatal(err)
	}
	if got := s.refunds(t, i)[0]; got.State != gateway.RefundFailed {
		t.Errorf("the refund is %s, want it failed after all", got.State)
	}
}

// forgetful is a provider that does not know our keys any more.
type forgetful struct{ http.RoundTripper }

func (f forgetful) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		r.Header.Set("Idempotency-Key", key+" a day later")
	}
	return f.RoundTripper.RoundTrip(r)
}

// A provider forgets our keys after a day: what was asked before, and is still on its
// way, must be found and not be asked again.
func TestARefundWhoseAnswerWasLostIsNotMadeAgainWhenTheProviderHasForgottenItsKey(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(shop, payment.Intent, payment.RefundID) error{
		"by the sweep": func(s shop, _ payment.Intent, _ payment.RefundID) error {
			_, err := s.payments.FollowPending(t.Context(), time.Minute, 10)
			return err
		},
		"by its job": func(s shop, i payment.Intent, rid payment.RefundID) error {
			return s.payments.PerformRefund(t.Context(), i.Buyer, rid)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			i := s.paid(t, 1000, "")
			s.bank.SetRefunds(sandbox.RefundsWait)
			rid := s.request(t, i, 400)
			lost := false
			s.bank.Inject(sandbox.Faults{Request: func(method, path string) sandbox.Fault {
				if method == "POST" && path == "/v1/refunds" && !lost {
					lost = true
					return sandbox.LoseAnswer
				}
				return sandbox.Fine
			}, Event: func(string) sandbox.Mishap { return sandbox.Dropped }})
			if err := s.payments.PerformRefund(t.Context(), i.Buyer, rid); !errors.Is(err, gateway.ErrUnavailable) {
				t.Fatalf("the answer was lost: %v", err)
			}
			s.clock.Advance(30 * time.Hour)
			s.wire.RoundTripper = forgetful{s.wire.RoundTripper}
			if err := again(s, i, rid); err != nil {
				t.Fatal(err)
			}
			provider, err := gateway.NewSandbox(s.bank, s.bank.Secret())
			if err != nil {
				t.Fatal(err)
			}
			made, err := provider.Refunds(t.Context(), i.Payment)
			if err != nil || len(made) != 1 {
				t.Fatalf("the provider gives back %+v, %v: want one refund", made, err)
			}
			if got := s.refunds(t, i); len(got) != 1 || got[0].Ref != made[0].Ref || got[0].State != gateway.RefundPending {
				t.Errorf("our refund is %+v, want it pending as %s", got, made[0].Ref)
			}
		})
	}
}
