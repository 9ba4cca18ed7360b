package drill_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/shiyi-market/shiyi/internal/drill"
	"github.com/shiyi-market/shiyi/pkg/client"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := built(); err == nil && dir != "" {
		_ = os.RemoveAll(dir)
	}
	if code == 0 {
		if err := goleak.Find(
			// The Redis client's own redial looks once a second whether its pool was closed.
			goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"),
			// The server that tests share lives as long as the process.
			goleak.IgnoreAnyFunction("github.com/shiyi-market/shiyi/internal/pgserver.(*Server).supervise"),
			goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"),
		); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// built is the folder of the programs, compiled once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "shiyi-drill-bin-")
	if err != nil {
		return "", err
	}
	return dir, drill.Build(context.Background(), dir, "shiyi", "shiyi-verify")
})

func binary(t testing.TB, name string) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// program is a furnished shop on a private PostgreSQL that does not run yet.
func program(t testing.TB, w drill.Wish, settings map[string]string) (*drill.Program, drill.Stock) {
	t.Helper()
	room, err := drill.Room("shiyi-drill-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(room) })
	p, err := drill.New(t.Context(), binary(t, "shiyi"), filepath.Join(room, "state"), settings)
	if err != nil {
		t.Fatal(err)
	}
	stock, err := p.Furnish(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return p, stock
}

// start runs the program until the test ends.
func start(t testing.TB, p *drill.Program) {
	t.Helper()
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
}

// transport is a client's own connections, closed after the test.
func transport(t testing.TB) *http.Client {
	t.Helper()
	tr := &http.Transport{MaxIdleConnsPerHost: 128}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// buyer is somebody who buys by pkg/client.
type buyer struct {
	shop *client.Shop
	http *http.Client
}

func newBuyer(t testing.TB, base, token string, over *http.Client, attempts int) buyer {
	t.Helper()
	shop, err := client.Connect(base, client.Config{Token: token, HTTP: over, Attempts: attempts})
	if err != nil {
		t.Fatal(err)
	}
	return buyer{shop, over}
}

// placing asks for so many pieces of each SKU.
func placing(quantity int64, skus ...uuid.UUID) client.Placing {
	lines := make([]client.PlacingLine, len(skus))
	for i, sku := range skus {
		lines[i] = client.PlacingLine{SkuId: sku, Quantity: quantity}
	}
	return client.Placing{Lines: lines, ShipTo: &client.Address{
		Recipient: "李梅", Phone: "13812345678", Province: "北京市", City: "北京市", District: "朝阳区", Detail: "建国路1号",
	}}
}

func (b buyer) place(ctx context.Context, key string, p client.Placing) (client.Checkout, error) {
	answer, err := b.shop.API.PlaceCheckoutWithResponse(ctx, &client.PlaceCheckoutParams{IdempotencyKey: key}, p)
	if err != nil {
		return client.Checkout{}, err
	}
	return *answer.JSON201, nil
}

// pay pays on the sandbox's page, as a browser would.
func (b buyer) pay(ctx context.Context, c client.Checkout) error {
	if c.PayUrl == nil {
		return errors.New("the checkout has no page to pay on")
	}
	body := url.Values{"action": {"pay"}, "method": {"card"}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, *c.PayUrl, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := b.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusSeeOther {
		var text bytes.Buffer
		_, _ = text.ReadFrom(answer.Body)
		return fmt.Errorf("pay: %s: %s", answer.Status, text.String())
	}
	return nil
}

func (b buyer) state(ctx context.Context, id uuid.UUID) (client.Checkout, error) {
	answer, err := b.shop.API.GetCheckoutWithResponse(ctx, id)
	if err != nil {
		return client.Checkout{}, err
	}
	return *answer.JSON200, nil
}

// paid waits until the shop says that a checkout is paid.
func (b buyer) paid(ctx context.Context, id uuid.UUID) (c client.Checkout, err error) {
	var last error
	err = drill.Until(ctx, "the shop says that it is paid", func() bool {
		c, last = b.state(ctx, id)
		return last == nil && c.State == client.CheckoutStatePaid
	})
	return c, errors.Join(err, last)
}

// buy buys, pays and waits for the shop to say so.
func (b buyer) buy(ctx context.Context, key string, p client.Placing) (client.Checkout, error) {
	c, err := b.place(ctx, key, p)
	if err != nil {
		return c, fmt.Errorf("place: %w", err)
	}
	if err := b.pay(ctx, c); err != nil {
		return c, err
	}
	return b.paid(ctx, c.Id)
}
