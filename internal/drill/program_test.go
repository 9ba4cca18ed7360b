package drill_test

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/drill"
	"github.com/shiyi-market/shiyi/pkg/client"
)

// TestOneSaleGoesThroughTheWholeHouse buys of two enterprises from the built
// program, and checks the receipt with the other one, which sees no network.
func TestOneSaleGoesThroughTheWholeHouse(t *testing.T) {
	t.Parallel()
	p, stock := program(t, drill.Wish{Merchants: 2, Products: 2, Pieces: 10, Buyers: 1}, nil)
	start(t, p)
	b := newBuyer(t, p.URL, stock.Tokens[0], transport(t), 3)
	c, err := b.buy(t.Context(), client.NewKey(), placing(2, stock.SKUs[0][0], stock.SKUs[1][1]))
	if err != nil {
		t.Fatal(err, p.Log())
	}
	goods := 2 * int64(drill.Price(0)+drill.Price(1))
	if len(c.Orders) != 2 || c.GoodsFen != goods || c.LevyLi != goods {
		t.Errorf("%d orders, %d fen of goods, a levy of %d li; want 2, %d, %d", len(c.Orders), c.GoodsFen, c.LevyLi, goods, goods)
	}
	fund, err := b.shop.API.GetFundWithResponse(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if f := fund.JSON200; f.Orders != 2 || f.SoldFen != goods || f.LeviedLi != goods || f.PendingLi != goods {
		t.Errorf("the fund says %+v; want 2 orders, and %d fen and li", *f, goods)
	}
	out, err := p.Run(t.Context(), "verify")
	if err != nil || !strings.Contains(out, "all agrees") {
		t.Errorf("shiyi verify: %v\n%s", err, out)
	}
	key := regexp.MustCompile(`(?m)^key +(\S+)$`).FindStringSubmatch(out)
	if key == nil {
		t.Fatalf("shiyi verify does not name the log's key:\n%s", out)
	}
	path := proven(t, b, c.Id)
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(p.State, "postgres", "data", "postmaster.pid")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its PostgreSQL did not stop with it: %v", err)
	}
	said, err := offline(t, binary(t, "shiyi-verify"), "receipt", "--key", key[1], path).CombinedOutput()
	if err != nil || !strings.Contains(string(said), "It holds") {
		t.Errorf("shiyi-verify: %v\n%s", err, said)
	}
}

// proven is a file with the receipt, once all of its orders are in a signed
// checkpoint of the log.
func proven(t *testing.T, b buyer, checkout uuid.UUID) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "receipt.json")
	err := drill.Until(t.Context(), "each order has its proof", func() bool {
		answer, err := b.shop.API.GetReceiptWithResponse(t.Context(), checkout)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, answer.Body, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, o := range answer.JSON200.Orders {
			if o.Entry.Proof == "" {
				return false
			}
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// offline is a program in a namespace without network, where the system lets us
// make one.
func offline(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	if exec.CommandContext(t.Context(), "unshare", "-n", "true").Run() == nil {
		return exec.CommandContext(t.Context(), "unshare", append([]string{"-n", name}, args...)...)
	}
	t.Log("the network cannot be taken away here: the receipt is checked beside it")
	return exec.CommandContext(t.Context(), name, args...)
}

// TestManyAtOnce lets a hundred buyers want the same five pieces at once, and one
// buyer say the same thing a hundred times at once.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const buyers, pieces = 100, 5
	p, stock := program(t, drill.Wish{Merchants: 2, Products: 1, Pieces: pieces, Buyers: buyers}, nil)
	start(t, p)
	over := transport(t)

	t.Run("a hundred buyers for five pieces", func(t *testing.T) {
		t.Parallel()
		errs := make([]error, buyers)
		together(buyers, func(i int) {
			b := newBuyer(t, p.URL, stock.Tokens[i], over, 1)
			_, errs[i] = b.buy(t.Context(), client.NewKey(), placing(1, stock.SKUs[0][0]))
		})
		won := 0
		for _, err := range errs {
			var refusal *client.Error
			switch {
			case err == nil:
				won++
			case !errors.As(err, &refusal) || refusal.Code != "inventory.out_of_stock":
				t.Errorf("got %v, want inventory.out_of_stock", err)
			}
		}
		if won != pieces {
			t.Errorf("%d of %d buyers have one of %d pieces", won, buyers, pieces)
		}
	})

	t.Run("a key a hundred times", func(t *testing.T) {
		t.Parallel()
		key := client.NewKey()
		got, errs := make([]client.Checkout, buyers), make([]error, buyers)
		together(buyers, func(i int) {
			b := newBuyer(t, p.URL, stock.Tokens[0], over, 50)
			got[i], errs[i] = b.place(t.Context(), key, placing(1, stock.SKUs[1][0]))
		})
		for i := range got {
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			if got[i].Id != got[0].Id {
				t.Errorf("two checkouts of one key: %s and %s", got[0].Id, got[i].Id)
			}
		}
		list, err := newBuyer(t, p.URL, stock.Tokens[0], over, 1).shop.API.ListOrdersWithResponse(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, o := range list.JSON200.Data {
			if o.Lines[0].SkuId == stock.SKUs[1][0] {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d orders of one key", n)
		}
	})
	if out, err := p.Run(t.Context(), "verify"); err != nil {
		t.Errorf("shiyi verify: %v\n%s", err, out)
	}
}

// together calls f with 0 to n-1 as near to the same moment as it can.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-gate
			f(i)
		})
	}
	close(gate)
	wg.Wait()
}

func TestStripeWithoutItsWebhookSecretDoesNotStart(t *testing.T) {
	t.Parallel()
	p, err := drill.New(t.Context(), binary(t, "shiyi"), filepath.Join(t.TempDir(), "state"), map[string]string{"STRIPE_SECRET_KEY": "sk_test_1"})
	if err != nil {
		t.Fatal(err)
	}
	err = p.Start(t.Context())
	if err == nil {
		_ = p.Kill()
		t.Fatal("it started")
	}
	if !strings.Contains(err.Error(), "STRIPE_WEBHOOK_SECRET") {
		t.Errorf("got %v, want an error that names STRIPE_WEBHOOK_SECRET", err)
	}
	if _, err := os.Stat(p.State); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it made its state before it looked at its settings: %v", err)
	}
}

// TestASecondStartNamesWhoHoldsTheFolder starts the program twice on one folder.
func TestASecondStartNamesWhoHoldsTheFolder(t *testing.T) {
	t.Parallel()
	p, _ := program(t, drill.Wish{}, nil)
	start(t, p)
	second, err := drill.New(t.Context(), binary(t, "shiyi"), p.State, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "process ") {
		t.Errorf("got %v, want an error that names the first process", err)
		_ = second.Kill()
	}
	c := transport(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatalf("the first is disturbed: %v", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the first is disturbed: %s", answer.Status)
	}
}
