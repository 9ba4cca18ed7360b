package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/shiyi-market/shiyi/internal/drill"
)

// shop is the built program under load.
type shop struct {
	*drill.Program
	drill.Stock
	addr  string
	watch *watch
}

// work is what one client does again and again.
type work = func(client int) (do func(ctx context.Context) error, end func(), err error)

// reading fetches one path after another.
func (s *shop) reading(paths []string) work {
	requests := make([][]byte, len(paths))
	for i, path := range paths {
		requests[i] = fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, s.addr)
	}
	return func(client int) (func(context.Context) error, func(), error) {
		l, err := dial(context.Background(), s.addr)
		if err != nil {
			return nil, nil, err
		}
		n := client
		return func(context.Context) error {
			n++
			return expect(l, requests[n%len(requests)], http.StatusOK)
		}, l.close, nil
	}
}

func expect(l *line, request []byte, want int) error {
	status, body, err := l.ask(request)
	if err == nil && status != want {
		err = fmt.Errorf("%d: %s", status, body)
	}
	return err
}

// placing is the request of a checkout of two things of two enterprises. It
// varies from one to the next, and its Idempotency-Key is used once.
func (s *shop) placing(client int) func() []byte {
	head := fmt.Sprintf("POST /v1/checkouts HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n",
		s.addr, s.Tokens[client%len(s.Tokens)])
	run, n := rand.Uint64(), 0
	var request []byte
	return func() []byte {
		n++
		a := rand.IntN(len(s.SKUs) - 1)
		b := a + 1 + rand.IntN(len(s.SKUs)-a-1)
		body := fmt.Sprintf(`{"lines":[{"sku_id":"%s","quantity":1},{"sku_id":"%s","quantity":1}],"ship_to":{"recipient":"李梅","phone":"13812345678","province":"北京市","city":"北京市","district":"朝阳区","detail":"建国路1号"}}`,
			s.SKUs[a][rand.IntN(len(s.SKUs[a]))], s.SKUs[b][rand.IntN(len(s.SKUs[b]))])
		request = fmt.Appendf(request[:0], "%sIdempotency-Key: bench-%016x-%d\r\nContent-Length: %d\r\n\r\n%s", head, run, n, len(body), body)
		return request
	}
}

// checkouts places checkouts.
func (s *shop) checkouts(client int) (func(context.Context) error, func(), error) {
	l, err := dial(context.Background(), s.addr)
	if err != nil {
		return nil, nil, err
	}
	request := s.placing(client)
	return func(context.Context) error { return expect(l, request(), http.StatusCreated) }, l.close, nil
}

// sales places a checkout, pays it on the sandbox's page, and waits until the
// webhook has come and the sale is in the book.
func (s *shop) sales(client int) (func(context.Context) error, func(), error) {
	l, err := dial(context.Background(), s.addr)
	if err != nil {
		return nil, nil, err
	}
	request := s.placing(client)
	const form = "action=pay&method=card"
	return func(ctx context.Context) error {
		status, body, err := l.ask(request())
		if err == nil && status != http.StatusCreated {
			err = fmt.Errorf("%d: %s", status, body)
		}
		if err != nil {
			return err
		}
		id, err := between(body, `"id":"`, `"`)
		if err != nil {
			return err
		}
		page, err := between(body, `"pay_url":"`, `"`)
		if err != nil {
			return err
		}
		path := strings.TrimPrefix(page, s.URL)
		pay := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
			path, s.addr, len(form), form)
		paid := s.watch.tell(id)
		if err := expect(l, pay, http.StatusSeeOther); err != nil {
			return err
		}
		select {
		case <-paid:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(answerLimit):
			return fmt.Errorf("the checkout %s is not paid after %s", id, answerLimit)
		}
	}, l.close, nil
}

// watch looks into the database for sales that are captured, so that hundreds of
// waiting buyers need not ask the shop, which would be another load.
type watch struct {
	conn *pgx.Conn
	mu   sync.Mutex
	who  map[string]chan struct{}
}

// often is how often the watch looks: as exactly are sales measured.
const often = 10 * time.Millisecond

func newWatch(ctx context.Context, url string) (*watch, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	return &watch{conn: conn, who: map[string]chan struct{}{}}, nil
}

// tell gives a channel that is closed when the checkout is paid.
func (w *watch) tell(checkout string) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := make(chan struct{})
	w.who[checkout] = c
	return c
}

func (w *watch) run(ctx context.Context) error {
	tick := time.NewTicker(often)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func (w *watch) look(ctx context.Context) error {
	w.mu.Lock()
	waiting := make([]string, 0, len(w.who))
	for id := range w.who {
		waiting = append(waiting, id)
	}
	w.mu.Unlock()
	if len(waiting) == 0 {
		return nil
	}
	rows, err := w.conn.Query(ctx, `SELECT id::text FROM checkout WHERE id = ANY($1::text[]::uuid[]) AND state = 'paid'`, waiting)
	if err != nil {
		return err
	}
	paid, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range paid {
		close(w.who[id])
		delete(w.who, id)
	}
	return nil
}
