package notice_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/courier"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// world is a place where people are told things, into files.
type world struct {
	*notice.Service
	db     *postgres.DB
	clock  *pgtest.Clock
	folder string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{clock: pgtest.NewClock(pgtest.Noon), folder: t.TempDir()}
	w.db = pgtest.NewAt(t, w.clock.Now)
	w.Service = notice.New(w.db, w.files()...)
	return w
}

func (w *world) files() []courier.Notifier {
	all, _ := courier.Open(courier.Config{Folder: w.folder})
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// account makes somebody with these addresses, who sells for an enterprise or not.
func (w *world) account(t *testing.T, email, phone string, merchant uuid.UUID) identity.Caller {
	t.Helper()
	a := id.New[identity.Account](w.clock.Now())
	_, err := w.db.SQL().ExecContext(t.Context(), `INSERT INTO account (id, email, phone, name, password_hash, state, created_at, updated_at)
		VALUES ($1, nullif($2, ''), nullif($3, ''), 'x', '', 'active', now(), now())`, a.UUID(), email, phone)
	must(t, err)
	if merchant != uuid.Nil {
		_, err := w.db.SQL().ExecContext(t.Context(), `INSERT INTO role_grant (account_id, role, merchant_id, granted_at) VALUES ($1, 'merchant', $2, now())`, a.UUID(), merchant)
		must(t, err)
	}
	return identity.Caller{Account: a}
}

// sent are the messages that were written, by channel and account.
func (w *world) sent(t *testing.T) map[string]int {
	t.Helper()
	out := make(map[string]int)
	must(t, filepath.WalkDir(w.folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out[strings.TrimSuffix(filepath.Base(path), ".json")]++
		}
		return err
	}))
	return out
}

func (w *world) deliver(t *testing.T) int {
	t.Helper()
	n, err := w.Deliver(t.Context())
	must(t, err)
	return n
}

func (w *world) inbox(t *testing.T, who identity.Caller, unread bool) []notice.Notice {
	t.Helper()
	p, err := w.Notices(t.Context(), who, unread, page.Request{Limit: 100})
	must(t, err)
	return p.Data
}

func order(i int) uuid.UUID { return id.FromName[world]("order", strconv.Itoa(i)).UUID() }

func TestEachRecipientIsToldOnceOfEachEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mill := uuid.UUID{1}
	ann := w.account(t, "ann@example.org", "+8613800000001", uuid.Nil)
	one, two := w.account(t, "one@mill.example", "", mill), w.account(t, "", "+8613800000002", mill)
	stranger := w.account(t, "eve@example.org", "", uuid.UUID{2})
	paid := notice.OrderPaid(ann.Account, order(1), 3300, money.Fen(3300).Tenth())
	pgtest.AtOnce(t, 4, func(int) error {
		return w.Tell(t.Context(), paid, notice.LicenceExpiring(mill, "2027-01-01", 30), notice.OrderPaid(id.New[identity.Account](pgtest.Noon), order(2), 1, 1))
	})
	for who, want := range map[*identity.Caller]int{&ann: 1, &one: 1, &two: 1, &stranger: 0} {
		if got := w.inbox(t, *who, false); len(got) != want {
			t.Errorf("%d notices, want %d: %v", len(got), want, got)
		}
	}
	if n := w.deliver(t); n != 4 || len(w.sent(t)) != 4 {
		t.Errorf("%d attempts and %d messages, want e-mail and SMS to ann, and one to each seller", n, len(w.sent(t)))
	}
	got := w.inbox(t, ann, false)[0]
	if got.Title(false) != "已收到您的付款 33.00 元" || !strings.Contains(got.Body(true), "CNY 3.300 go into the education fund") {
		t.Errorf("it says %q, %q", got.Title(false), got.Body(true))
	}
}

func TestWhatIsPostedLivesAndDiesWithItsTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.account(t, "ann@example.org", "", uuid.Nil)
	stop := errors.New("stop")
	err := postgres.Do(t.Context(), w.db, func(tx *postgres.Tx) error {
		must(t, notice.Post(t.Context(), tx, notice.OrderCanceled(ann.Account, order(1))))
		return stop
	})
	if !errors.Is(err, stop) || len(w.inbox(t, ann, false)) != 0 || w.deliver(t) != 0 {
		t.Errorf("what was rolled back is told (%v)", err)
	}
	for _, bad := range []notice.Event{
		{To: notice.Person(ann.Account), Kind: "order.unknown", Ref: "1"},
		{To: notice.Person(ann.Account), Kind: notice.OrderCanceledKind, Ref: "1"},
		{To: notice.Person(ann.Account), Kind: notice.OrderCanceledKind, Params: map[string]string{"order": "1"}},
		{To: notice.Person(ann.Account), Kind: notice.OrderCanceledKind, Ref: "1", Params: map[string]string{"order": "1", "more": "x"}},
		{To: notice.Person(ann.Account), Kind: notice.OrderCanceledKind, Ref: "1", Params: map[string]string{"order": " \n"}},
	} {
		if err := w.Tell(t.Context(), bad); err == nil {
			t.Errorf("%+v is posted", bad)
		}
	}
	must(t, w.Tell(t.Context(), notice.OrderShipped(ann.Account, order(1), order(2), "{number}\r\nBcc: x", strings.Repeat("9", 400))))
	if got := w.inbox(t, ann, false)[0].Body(false); strings.ContainsAny(got, "\r\n{}") || len(got) > 400 {
		t.Errorf("what others have written is shown as %q", got)
	}
}

// mortal is a courier that delivers, and whose process then dies before it can write
// that down, every third time.
type mortal struct {
	courier.Notifier
	die  context.CancelFunc
	sent *atomic.Int64
}

func (m mortal) Send(ctx context.Context, msg courier.Message) error {
	err := m.Notifier.Send(ctx, msg)
	if m.sent.Add(1)%3 == 0 {
		m.die()
	}
	return err
}

func TestThoughWorkersDieEachMessageIsWrittenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.account(t, "ann@example.org", "+8613800000001", uuid.Nil)
	ben := w.account(t, "ben@example.org", "", uuid.Nil)
	var all []notice.Event
	for i := range 100 {
		all = append(all, notice.OrderCanceled(ann.Account, order(i)), notice.OrderCanceled(ben.Account, order(i)))
	}
	must(t, w.Tell(t.Context(), all...))
	var sends atomic.Int64
	for range 5 { // two processes at once, which die on the way, and are started anew
		pgtest.AtOnce(t, 2, func(int) error {
			ctx, die := context.WithCancel(t.Context())
			defer die()
			var via []courier.Notifier
			for _, n := range w.files() {
				via = append(via, mortal{n, die, &sends})
			}
			_, _ = notice.New(w.db, via...).Deliver(ctx)
			return nil
		})
		w.clock.Advance(2 * courier.Limit)
	}
	before := len(w.sent(t))
	pgtest.AtOnce(t, 2, func(int) error {
		_, err := w.Deliver(t.Context())
		return err
	})
	got := w.sent(t)
	var pending, sent int
	must(t, w.db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'sent') FROM notice_delivery`).Scan(&pending, &sent))
	if before == 0 || len(got) != 300 || pending != 0 || sent != 300 {
		t.Errorf("%d messages were written (%d by those who died), %d are recorded, %d wait; want 300, 300 and none", len(got), before, sent, pending)
	}
	if int(sends.Load()) <= before {
		t.Errorf("%d were sent by those who died and %d written: none of them was sent again, which this test is about", sends.Load(), before)
	}
}

// moody fails until it is told not to.
type moody struct{ err error }

func (*moody) Channel() courier.Channel { return courier.Email }

func (m *moody) Send(context.Context, courier.Message) error { return m.err }

func TestWhatFailsIsTriedLaterAndWhatIsRejectedNever(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	via := &moody{errors.New("the line is cut")}
	w.Service = notice.New(w.db, via)
	ann := w.account(t, "ann@example.org", "+8613800000001", uuid.Nil)
	state := func() (state, word string, attempts int) {
		t.Helper()
		must(t, w.db.SQL().QueryRowContext(t.Context(), `SELECT state, error, attempts FROM notice_delivery WHERE channel = 'email' ORDER BY notice_id DESC LIMIT 1`).Scan(&state, &word, &attempts))
		return state, word, attempts
	}
	must(t, w.Tell(t.Context(), notice.OrderCanceled(ann.Account, order(1))))
	for i, wait := range []time.Duration{0, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour} {
		w.clock.Advance(wait - wait/100) // a little too early
		if wait > 0 && w.deliver(t) != 0 {
			t.Errorf("attempt %d comes too early", i+1)
		}
		w.clock.Advance(wait/100 + wait/10)
		if n := w.deliver(t); n != 1 {
			t.Errorf("attempt %d: %d were made", i+1, n)
		}
	}
	if s, word, n := state(); s != "failed" || word != "unsent" || n != 8 {
		t.Errorf("after all attempts it is %s (%s, %d)", s, word, n)
	}
	w.clock.Advance(time.Hour)
	must(t, w.Tell(t.Context(), notice.OrderCanceled(ann.Account, order(2))))
	via.err = fmt.Errorf("%w: no such mailbox", courier.ErrRejected)
	if n := w.deliver(t) + w.deliver(t); n != 1 {
		t.Errorf("what was rejected was sent %d times", n)
	}
	w.clock.Advance(time.Hour)
	must(t, w.Tell(t.Context(), notice.OrderCanceled(ann.Account, order(3))))
	_, err := w.db.SQL().ExecContext(t.Context(), `UPDATE account SET email = NULL`)
	must(t, err)
	w.deliver(t)
	if s, word, _ := state(); s != "failed" || word != "no_address" {
		t.Errorf("without an address it is %s (%s)", s, word)
	}
}

func TestOnlyRemindersAreSwitchedOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.account(t, "ann@example.org", "+8613800000001", uuid.Nil)
	prefer := func(topic notice.Topic, c notice.Channel, enabled bool) error {
		_, err := w.Prefer(t.Context(), ann, notice.Preference{Topic: topic, Channel: c, Enabled: enabled})
		return err
	}
	for _, topic := range notice.Topics() {
		for _, c := range notice.Channels() {
			err := prefer(topic, c, false)
			fixed := c == notice.Inbox || c != notice.WeChat && topic != notice.Reminders
			if fixed != errors.Is(err, notice.ErrFixed) || !fixed && err != nil {
				t.Errorf("%s by %s is switched off: %v", topic, c, err)
			}
		}
	}
	must(t, prefer(notice.Orders, notice.WeChat, true))
	must(t, prefer(notice.Orders, notice.Email, true))
	for _, bad := range []notice.Preference{{Topic: "x", Channel: notice.Email}, {Topic: notice.Orders, Channel: "x"}, {}} {
		if _, err := w.Prefer(t.Context(), ann, bad); !errors.Is(err, notice.ErrPreference) {
			t.Errorf("%+v: %v, want %v", bad, err, notice.ErrPreference)
		}
	}
	must(t, w.Tell(t.Context(), notice.OrderReceivedSoon(ann.Account, order(1), "2026-12-01"), notice.OrderCanceled(ann.Account, order(1))))
	w.deliver(t)
	var got []string
	for name := range w.sent(t) {
		_, channel, _ := strings.Cut(name, ".")
		got = append(got, channel)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"email", "sms", "wechat"}, got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if n := len(w.inbox(t, ann, true)); n != 2 {
		t.Errorf("%d notices are in the inbox, want 2", n)
	}
}

func TestAnInboxIsItsOwners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, ben := w.account(t, "ann@example.org", "", uuid.Nil), w.account(t, "ben@example.org", "", uuid.Nil)
	for i := range 3 {
		must(t, w.Tell(t.Context(), notice.OrderCanceled(ann.Account, order(i)), notice.OrderCanceled(ben.Account, order(i))))
		w.clock.Advance(time.Second)
	}
	all := w.inbox(t, ann, false)
	if _, err := w.Read(t.Context(), ben, all[0].ID); !errors.Is(err, notice.ErrUnknown) {
		t.Errorf("another reads it: %v, want %v", err, notice.ErrUnknown)
	}
	first, err := w.Read(t.Context(), ann, all[0].ID)
	must(t, err)
	w.clock.Advance(time.Hour)
	if again, err := w.Read(t.Context(), ann, all[0].ID); err != nil || !again.ReadAt.Equal(first.ReadAt) {
		t.Errorf("read again it was read at %v, want %v (%v)", again.ReadAt, first.ReadAt, err)
	}
	if n := len(w.inbox(t, ann, true)); n != 2 {
		t.Errorf("%d are unread, want 2", n)
	}
	p, err := w.Notices(t.Context(), ann, false, page.Request{Limit: 2})
	must(t, err)
	q, err := w.Notices(t.Context(), ann, false, page.Request{Limit: 2, Cursor: p.Next})
	must(t, err)
	if len(p.Data) != 2 || len(q.Data) != 1 || q.Data[0].ID != all[2].ID || q.Next != "" {
		t.Errorf("pages of %d and %d", len(p.Data), len(q.Data))
	}
	if n, err := w.ReadAll(t.Context(), ann); err != nil || n != 2 {
		t.Errorf("%d were read at once (%v), want 2", n, err)
	}
	if n := len(w.inbox(t, ben, true)); n != 3 {
		t.Errorf("the other has %d unread, want 3", n)
	}
	w.deliver(t)
	w.clock.Advance(courier.FilesKept)
	if n, err := w.ForgetFiles(t.Context()); err != nil || n != 0 || len(w.sent(t)) != 6 {
		t.Errorf("%d days of files are forgotten too early (%v), %d are left", n, err, len(w.sent(t)))
	}
	must(t, os.WriteFile(filepath.Join(w.folder, "README"), nil, 0o600))
	w.clock.Advance(24 * time.Hour)
	if n, err := w.ForgetFiles(t.Context()); err != nil || n != 1 || len(w.sent(t)) != 1 {
		t.Errorf("%d days of files are forgotten (%v), want one, and what is none of them to stay", n, err)
	}
	w.clock.Advance(notice.Kept)
	if n, err := w.Forget(t.Context(), 10); err != nil || n != 6 {
		t.Errorf("%d are forgotten (%v), want 6", n, err)
	}
}
