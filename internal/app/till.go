package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/payee"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/sandbox"
	"github.com/shiyi-market/shiyi/internal/settlement"
)

// sandboxPages is where the sandbox shows its pay pages.
const sandboxPages = "/sandbox/pay/"

// till is who takes the payments.
type till struct {
	provider gateway.Gateway
	sandbox  *sandbox.Sandbox // nil when Stripe does
	says     string           // for people
	shop     payment.Shop     // what its pages say of us
	pages    http.Handler     // of the sandbox, or nil
	base     string           // the shop's own address
}

// openTill chooses between Stripe and the sandbox. There is no third: with a key
// of Stripe's the sandbox does not exist.
func (a *App) openTill(ctx context.Context, looks bool) error {
	base, err := a.base(ctx)
	if err != nil {
		return err
	}
	var provider gateway.Gateway
	if a.cfg.Payment.StripeKey != "" {
		if provider, err = gateway.NewStripe(a.cfg.Payment, nil); err != nil {
			return err
		}
		a.till = till{says: "Stripe"}
	} else {
		journal := filepath.Join(a.cfg.StateDir, "sandbox.journal")
		if looks {
			journal = ""
		}
		box, err := sandbox.Open(sandbox.Config{Journal: journal, PageURL: base + sandboxPages, Clock: a.clock}, a.log)
		if err != nil {
			return err
		}
		a.onClose("sandbox", func(context.Context) error { return box.Close() })
		if provider, err = gateway.NewSandbox(box, box.Secret()); err != nil {
			return err
		}
		a.till = till{sandbox: box, says: "sandbox (no money moves)", pages: box.Page()}
	}
	a.till.shop = payment.Shop{
		Name: "什一 Shiyi", SuccessURL: base + "/?paid={checkout}", CancelURL: base + "/?unpaid={checkout}", Mark: a.cfg.Log.Origin,
	}
	a.till.provider, a.till.base = provider, base
	a.services.Payments = payment.New(a.db, provider, a.till.shop)
	a.services.Payees = payee.New(a.db, provider, payee.Shop{Mark: a.cfg.Log.Origin, ReturnURL: base + "/"})
	a.services.Settlements = settlement.New(a.db, provider, a.cfg.Settlement, settlement.Options{
		Mark: a.cfg.Log.Origin, Blocked: []settlement.Blocked{aftersale.Open, dispute.Unsettled},
	})
	return nil
}

// base is the shop's own address as others see it. A port that the system is to
// choose is chosen here.
func (a *App) base(ctx context.Context) (string, error) {
	if a.cfg.Server.PublicURL == "" && strings.HasSuffix(a.cfg.Server.Addr, ":0") {
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", a.cfg.Server.Addr)
		if err != nil {
			return "", fmt.Errorf("LISTEN_ADDR: %w", err)
		}
		a.listener = ln
		a.onClose("public port", func(context.Context) error {
			if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		})
		return a.publicURL(ln.Addr()), nil
	}
	return a.publicURL(nil), nil
}

// listen opens the public port.
func (a *App) listen(ctx context.Context) (net.Listener, error) {
	if a.listener != nil {
		return a.listener, nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", a.cfg.Server.Addr)
	if err != nil {
		return nil, fmt.Errorf("LISTEN_ADDR: %w", err)
	}
	return ln, nil
}

// examineTill says who takes the payments, and whether that can work.
func examineTill(cfg Config) finding {
	key := cfg.Payment.StripeKey.Reveal()
	switch {
	case key == "":
		return finding{fine, "payments: the sandbox; no money moves", ""}
	case cfg.Payment.StripeWebhookSecret == "":
		return finding{bad, "payments: " + errNoSecret.Error(), "create a webhook endpoint at Stripe with API version 2023-10-16, and copy its whsec_… into STRIPE_WEBHOOK_SECRET"}
	case strings.HasPrefix(key, "sk_live_") || strings.HasPrefix(key, "rk_live_"):
		return finding{fine, "payments: Stripe, live; the webhook secret is there", ""}
	case strings.HasPrefix(key, "sk_test_") || strings.HasPrefix(key, "rk_test_"):
		return finding{fine, "payments: Stripe's test mode; the webhook secret is there", ""}
	default:
		return finding{bad, "payments: STRIPE_SECRET_KEY is no secret key of Stripe's", "it begins with sk_ or rk_"}
	}
}

// examineFund asks, where payments are real, whether the fund's money has somewhere to go.
func examineFund(cfg Config) []finding {
	const remedy = "open a connected account for the fund at Stripe, and copy its acct_… into FUND_ACCOUNT"
	account := cfg.Settlement.FundAccount
	switch {
	case cfg.Payment.StripeKey.Reveal() == "":
		return nil
	case account == "":
		return []finding{{weak, "fund: FUND_ACCOUNT is not set; what is the fund's stays at the provider, and is owed", remedy}}
	case !strings.HasPrefix(account, "acct_"):
		return []finding{{bad, "fund: FUND_ACCOUNT is no account of Stripe's", remedy}}
	default:
		return []finding{{fine, "fund: paid to " + account + " each month", ""}}
	}
}
