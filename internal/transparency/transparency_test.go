package transparency_test

import (
	"context"
	crand "crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/note"

	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

const origin = "shiyi.example/test"

// bench is a log in a database of its own.
type bench struct {
	db      *postgres.DB
	log     *transparency.Service
	checker verify.Log
	folder  string
	follow  *follower
	made    int // leaves
}

// follower remembers what it was told, and can be made to fail.
type follower struct {
	mu   sync.Mutex
	told []transparency.Entry
	fail error
}

func (f *follower) Integrated(_ context.Context, _ *postgres.Tx, entries []transparency.Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	f.told = append(f.told, entries...)
	return nil
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	return benchIn(tb, pgtest.New(tb), tb.TempDir())
}

func benchIn(tb testing.TB, db *postgres.DB, folder string) *bench {
	tb.Helper()
	b := &bench{db: db, folder: folder, follow: &follower{}}
	var err error
	if b.log, err = transparency.New(db, transparency.Config{Origin: origin, Folder: folder}, b.follow); err != nil {
		tb.Fatal(err)
	}
	if b.checker, err = verify.NewLog(b.log.VerifierKey()); err != nil {
		tb.Fatal(err)
	}
	return b
}

// leaf is a sale, made from a number alone.
func leaf(tb testing.TB, n int) transparency.Pending {
	tb.Helper()
	home := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, "merchant", n%13))
	transfer := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, "transfer", n))
	goods := int64(n%1000+1) * 10
	text, err := verify.Leaf{
		Kind: verify.KindSale, At: pgtest.Noon, Home: home.String(), Ref: verify.Commitment(verify.KindSale, transfer.String(), transfer[:]),
		Moves: []verify.Move{
			{What: verify.WhatGoods, Source: "world:stripe", Target: verify.Payable(home.String()), Li: goods},
			{What: verify.WhatTenth, Source: verify.Payable(home.String()), Target: verify.FundPending, Li: goods / 10},
		},
	}.Bytes()
	if err != nil {
		tb.Fatal(err)
	}
	return transparency.Pending{Home: home, Transfer: transfer, Leaf: text}
}

func leaves(tb testing.TB, from, n int) []transparency.Pending {
	tb.Helper()
	all := make([]transparency.Pending, n)
	for i := range all {
		all[i] = leaf(tb, from+i)
	}
	return all
}

func (b *bench) queue(tb testing.TB, n int) {
	tb.Helper()
	queue(tb, b.db, leaves(tb, b.made, n))
	b.made += n
}

func queue(tb testing.TB, db *postgres.DB, all []transparency.Pending) {
	tb.Helper()
	err := postgres.Do(tb.Context(), db, func(tx *postgres.Tx) error { return transparency.Append(tb.Context(), tx, all) })
	if err != nil {
		tb.Fatal(err)
	}
}

// add queues n leaves and numbers them.
func (b *bench) add(tb testing.TB, n int) verify.Checkpoint {
	tb.Helper()
	b.queue(tb, n)
	if _, err := b.log.Drain(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return b.checkpoint(tb)
}

func (b *bench) checkpoint(tb testing.TB) verify.Checkpoint {
	tb.Helper()
	signed, err := b.log.Checkpoint(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	c, err := b.checker.Checkpoint(signed)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// File implements verify.Source.
func (b *bench) File(ctx context.Context, path string) ([]byte, error) { return b.log.Tile(ctx, path) }

func exec(tb testing.TB, db *sql.DB, statement string) error {
	tb.Helper()
	_, err := db.ExecContext(tb.Context(), statement)
	return err
}

func TestEveryRecordIsProven(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if err := b.log.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := b.checkpoint(t); c.Size != 0 || c.Root != verify.EmptyRoot() {
		t.Errorf("the empty log is signed as %+v", c)
	}
	for _, n := range []int{1, 1, 1, 5, 120, 127, 1, 1, 250, 5} {
		c := b.add(t, n)
		if c.Size != int64(b.made) {
			t.Fatalf("%d leaves of %d are signed", c.Size, b.made)
		}
		keys := make([]transparency.Key, b.made)
		for i, p := range leaves(t, 0, b.made) {
			keys[i] = transparency.Key{Home: p.Home, Transfer: p.Transfer}
		}
		proofs, err := postgres.View(t.Context(), b.db, func(tx *postgres.Tx) ([]transparency.Proof, error) {
			return b.log.Prove(t.Context(), tx, keys)
		})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[int64]bool{}
		for i, p := range proofs {
			index, under, err := b.checker.Included(leaf(t, i).Leaf, p.TlogProof)
			if err != nil || index != p.Index || under != c || seen[index] {
				t.Fatalf("leaf %d of %d: at %d under %+v: %v", i, c.Size, index, under, err)
			}
			seen[index] = true
		}
		if a, err := b.log.Check(t.Context()); err != nil || a.Totals.Sales != c.Size || a.Waiting != 0 || a.Unsigned != 0 {
			t.Fatalf("check: %+v, %v", a, err)
		}
	}
}

func TestAllSizesAreConsistent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	signed := []verify.Checkpoint{}
	if err := b.log.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	signed = append(signed, b.checkpoint(t))
	for range 20 {
		signed = append(signed, b.add(t, 1))
	}
	for _, to := range []int{254, 255, 256, 257, 511, 512, 513, 600} {
		signed = append(signed, b.add(t, to-b.made))
	}
	for i, newer := range signed {
		for _, older := range signed[:i+1] {
			path, err := b.log.Consistency(t.Context(), older.Size, newer.Size)
			if err != nil {
				t.Fatal(err)
			}
			if err := verify.Consistent(older, newer, path); err != nil {
				t.Errorf("%d to %d: %v", older.Size, newer.Size, err)
			}
		}
		if err := verify.Extends(t.Context(), b, newer, signed[len(signed)-1]); err != nil {
			t.Errorf("%d by tiles: %v", newer.Size, err)
		}
	}
	if _, err := b.log.Consistency(t.Context(), 1, 601); !errors.Is(err, transparency.ErrNoCheckpoint) {
		t.Errorf("beyond what is signed: %v", err)
	}
}

func TestSequenceNumbersABatchAtATime(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.queue(t, transparency.Batch+70)
	for _, want := range []int{transparency.Batch, 70, 0} {
		if got, err := b.log.Sequence(t.Context()); got != want || err != nil {
			t.Fatalf("numbered %d, %v; want %d", got, err, want)
		}
	}
	if len(b.follow.told) != b.made {
		t.Fatalf("the follower was told of %d of %d", len(b.follow.told), b.made)
	}
	for i, e := range b.follow.told {
		if e.Index != int64(i) {
			t.Fatalf("entry %d came as number %d", e.Index, i)
		}
	}
	got, err := postgres.Read(t.Context(), b.db, func(tx *postgres.Tx) ([]transparency.Entry, error) {
		return transparency.Entries(t.Context(), tx, 5060, 100)
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.follow.told[5060:], got); diff != "" {
		t.Errorf("entries (-told +read):\n%s", diff)
	}
}

func TestAFollowerThatFailsKeepsAllWaiting(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.add(t, 3)
	b.follow.fail = errors.New("no")
	b.queue(t, 4)
	if n, err := b.log.Sequence(t.Context()); n != 0 || !errors.Is(err, b.follow.fail) {
		t.Fatalf("numbered %d, %v", n, err)
	}
	if a, err := b.log.Check(t.Context()); err != nil || a.Waiting != 4 || a.Unsigned != 0 || a.Checkpoint.Size != 3 {
		t.Errorf("check: %+v, %v", a, err)
	}
	b.follow.fail = nil
	if c := b.add(t, 0); c.Size != 7 || len(b.follow.told) != 7 {
		t.Errorf("%d leaves, %d told", c.Size, len(b.follow.told))
	}
}

func TestAProofWaitsForACheckpoint(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.add(t, 2)
	b.queue(t, 1)
	p := leaf(t, 2)
	key := transparency.Key{Home: p.Home, Transfer: p.Transfer}
	if _, err := b.log.Proof(t.Context(), key); !errors.Is(err, transparency.ErrPending) {
		t.Errorf("a waiting leaf: %v", err)
	}
	b.add(t, 0)
	got, err := b.log.Proof(t.Context(), key)
	if err != nil || got.Index != 2 || string(got.Leaf) != string(p.Leaf) {
		t.Errorf("a numbered leaf: %+v, %v", got, err)
	}
	key.Home = p.Transfer
	if _, err := b.log.Proof(t.Context(), key); !errors.Is(err, transparency.ErrNoLeaf) {
		t.Errorf("no leaf: %v", err)
	}
}

func TestTilesAreServedOnceTheyAreSigned(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.log.Checkpoint(t.Context()); !errors.Is(err, transparency.ErrNoCheckpoint) {
		t.Errorf("before the first: %v", err)
	}
	b.add(t, 100)
	b.add(t, 250)
	for path, size := range map[string]int{
		"tile/0/000": 8192, "tile/0/000.p/100": 3200, "tile/0/000.p/7": 224, "tile/0/001.p/94": 94 * 32, "tile/1/000.p/1": 32,
	} {
		if got, err := b.log.Tile(t.Context(), path); err != nil || len(got) != size {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
	got, err := b.log.Tile(t.Context(), "tile/entries/001.p/94")
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := verify.SplitBundle(got); err != nil || len(entries) != 94 || string(entries[93]) != string(b.follow.told[349].Leaf) {
		t.Errorf("entries: %d, %v", len(entries), err)
	}
	for _, path := range []string{"tile/0/001", "tile/0/001.p/95", "tile/entries/001.p/95", "tile/1/000.p/2", "tile/7/000", "tile/63/000", "checkpoint", "", "tile/0/000;"} {
		if _, err := b.log.Tile(t.Context(), path); !errors.Is(err, transparency.ErrNoTile) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestATamperedRowIsFound(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, statement, want string }{
		{"an amount in an entry", `UPDATE log_entry SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'goods', 'gifts'), 'UTF8') WHERE index = 7`, "entry 7 "},
		{"two entries exchanged", `UPDATE log_entry e SET leaf = o.leaf FROM log_entry o WHERE (e.index, o.index) IN ((300, 301), (301, 300))`, "entry 300 "},
		{"an entry gone", `DELETE FROM log_entry WHERE index = 320`, "entry 320 is not there"},
		{"a hash in a tile", `UPDATE log_tile SET data = set_byte(data, 33, 255 - get_byte(data, 33)) WHERE level = 0 AND n = 1`, "entry 257 "},
		{"a hash above", `UPDATE log_tile SET data = set_byte(data, 3, 255 - get_byte(data, 3)) WHERE level = 1`, "tile/1/000.p/1"},
		{"the root", `UPDATE log_state SET root = sha256('x')`, "extend"},
		{"the size", `UPDATE log_state SET size = 300`, "extend"},
		{"a checkpoint", `UPDATE log_checkpoint SET note = replace(note, '350', '351') WHERE size = 350`, "not a checkpoint"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.add(t, 200)
			b.add(t, 150)
			if err := exec(t, pgtest.Owner(t, b.db), tt.statement); err == nil {
				t.Error("the owner may change it with the triggers on")
			}
			super := pgtest.Super(t, b.db)
			for _, table := range []string{"log_entry", "log_tile", "log_state", "log_checkpoint"} {
				if err := exec(t, super, "ALTER TABLE "+table+" DISABLE TRIGGER USER"); err != nil {
					t.Fatal(err)
				}
			}
			if err := exec(t, super, tt.statement); err != nil {
				t.Fatal(err)
			}
			if _, err := b.log.Check(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%q is not in: %v", tt.want, err)
			}
		})
	}
}

func TestTheApplicationMayOnlyAdd(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.add(t, 3)
	b.queue(t, 1)
	for _, statement := range []string{
		`DELETE FROM log_pending`, `UPDATE log_pending SET leaf = 'x'`, `TRUNCATE log_pending`,
		`INSERT INTO log_entry SELECT 9, home, home, leaf FROM log_entry LIMIT 1`, `UPDATE log_entry SET index = 9`, `DELETE FROM log_entry`,
		`UPDATE log_tile SET data = data`, `UPDATE log_state SET size = 9`, `DELETE FROM log_checkpoint`,
	} {
		if err := exec(t, b.db.SQL(), statement); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestASecondTreeIsNeverSigned(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 5, 7, 20} {
		t.Run(fmt.Sprintf("restored with %d other leaves", n), func(t *testing.T) {
			t.Parallel()
			first := newBench(t)
			first.add(t, 7)
			// An older state comes back, and the world goes on from there otherwise.
			restored := benchIn(t, pgtest.New(t), t.TempDir())
			restored.made = 1000
			restored.add(t, n)
			again := benchIn(t, restored.db, first.folder)
			again.made = 2000
			again.queue(t, 3)
			for range 2 {
				if n, err := again.log.Sequence(t.Context()); n != 0 || !errors.Is(err, transparency.ErrFork) {
					t.Fatalf("numbered %d, %v; want %v", n, err, transparency.ErrFork)
				}
			}
			if _, err := again.log.Checkpoint(t.Context()); !errors.Is(err, transparency.ErrNoCheckpoint) {
				t.Errorf("a checkpoint was signed: %v", err)
			}
			if len(again.follow.told) != 0 {
				t.Errorf("%d leaves were numbered", len(again.follow.told))
			}
		})
	}
}

func TestARestartGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.add(t, 300)
	before := b.checkpoint(t)
	again := benchIn(t, b.db, b.folder)
	if again.log.VerifierKey() != b.log.VerifierKey() {
		t.Error("another key after a restart")
	}
	again.made = 300
	after := again.add(t, 300)
	path, err := again.log.Consistency(t.Context(), before.Size, after.Size)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify.Consistent(before, after, path); err != nil {
		t.Error(err)
	}
	if _, err := transparency.New(b.db, transparency.Config{Origin: "another.example", Folder: b.folder}); err == nil {
		t.Error("the key of one log signs another")
	}
}

func TestWhatACrashLeftUnsignedIsSignedNext(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.add(t, 2)
	// The file outside the database cannot be written: a folder stands in its place.
	path := filepath.Join(b.folder, "log.head")
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.queue(t, 3)
	if n, err := b.log.Sequence(t.Context()); n != 3 || err == nil {
		t.Fatalf("numbered %d, %v", n, err)
	}
	if c := b.checkpoint(t); c.Size != 2 {
		t.Fatalf("%d leaves are signed without a note of it", c.Size)
	}
	if err := errors.Join(os.RemoveAll(path), os.Rename(path+".away", path)); err != nil {
		t.Fatal(err)
	}
	if n, err := b.log.Sequence(t.Context()); n != 0 || err != nil {
		t.Fatalf("numbered %d, %v", n, err)
	}
	if c := b.checkpoint(t); c.Size != 5 {
		t.Errorf("%d leaves are signed", c.Size)
	}
}

// TestNothingIsLostUnderConcurrentCommits runs the sequencer beside writers whose
// transactions commit in another order than they began, and beside it the
// canary: a reader of "id greater than the last seen", which must lose rows here.
func TestNothingIsLostUnderConcurrentCommits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	owner := pgtest.Owner(t, b.db)
	if err := exec(t, owner, `CREATE TABLE canary (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	if err := exec(t, owner, `GRANT SELECT, INSERT ON canary TO shiyi_app`); err != nil {
		t.Fatal(err)
	}
	const writers, rounds = 5, 40
	var last, sung int64
	read := func() {
		if _, err := b.log.Sequence(t.Context()); err != nil {
			t.Error(err)
		}
		var n int64
		if err := b.db.SQL().QueryRowContext(t.Context(), `SELECT count(*), coalesce(max(id), $1) FROM canary WHERE id > $1`, last).Scan(&n, &last); err != nil {
			t.Error(err)
		}
		sung += n
	}
	order := rand.New(rand.NewPCG(1, 2))
	for round := range rounds {
		// All writers write; then they commit one by one, in an order of their own,
		// and the readers look in between.
		var wrote, done sync.WaitGroup
		commit := make([]chan struct{}, writers)
		for w := range writers {
			commit[w] = make(chan struct{})
			wrote.Add(1)
			done.Go(func() {
				err := postgres.Do(t.Context(), b.db, func(tx *postgres.Tx) error {
					err := transparency.Append(t.Context(), tx, leaves(t, round*writers+w, 1))
					if err == nil {
						_, err = tx.Exec(t.Context(), `INSERT INTO canary DEFAULT VALUES`)
					}
					wrote.Done()
					<-commit[w]
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wrote.Wait()
		for _, w := range order.Perm(writers) {
			close(commit[w])
			read()
		}
		done.Wait()
		read()
	}
	if c := b.checkpoint(t); c.Size != writers*rounds {
		t.Errorf("the log has %d of %d leaves", c.Size, writers*rounds)
	}
	if sung >= writers*rounds {
		t.Errorf("the canary saw all %d rows: this test would not notice a loss", sung)
	}
	if a, err := b.log.Check(t.Context()); err != nil || a.Waiting != 0 {
		t.Errorf("check: %+v, %v", a, err)
	}
}

func TestManySequencersMakeOneLog(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	other := benchIn(t, b.db, b.folder)
	const writers, each = 4, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				queue(t, b.db, leaves(t, (w*each+i)*3, 3))
				log := b.log
				if w%2 == 1 {
					log = other.log
				}
				if _, err := log.Sequence(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if c := b.add(t, 0); c.Size != writers*each*3 {
		t.Errorf("%d leaves of %d", c.Size, writers*each*3)
	}
	if a, err := b.log.Check(t.Context()); err != nil || a.Unsigned != 0 {
		t.Errorf("check: %+v, %v", a, err)
	}
}

func TestAppendIsOneStatement(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	before := b.db.Statements()
	b.queue(t, 50)
	const beginAndCommit = 2
	if got := b.db.Statements() - before - beginAndCommit; got != 1 {
		t.Errorf("%d statements", got)
	}
	if err := postgres.Do(t.Context(), b.db, func(tx *postgres.Tx) error { return transparency.Append(t.Context(), tx, nil) }); err != nil {
		t.Errorf("no leaves: %v", err)
	}
}

func BenchmarkSequence(b *testing.B) {
	l := newBench(b)
	for b.Loop() {
		b.StopTimer()
		l.queue(b, transparency.Batch)
		b.StartTimer()
		start := time.Now()
		if n, err := l.log.Sequence(b.Context()); err != nil || n != transparency.Batch {
			b.Fatalf("%d, %v", n, err)
		}
		b.ReportMetric(transparency.Batch/time.Since(start).Seconds(), "leaves/s")
	}
}

func TestANewKeyGoesOnWithTheSameHistory(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.add(t, 40)
	last := b.checkpoint(t)
	secret, _, err := note.GenerateKey(crand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "new.key")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := *b
	if changed.log, err = transparency.New(b.db, transparency.Config{Origin: origin, Folder: b.folder, KeyFile: file}, b.follow); err != nil {
		t.Fatal(err)
	}
	if changed.checker, err = verify.NewLog(changed.log.VerifierKey()); err != nil {
		t.Fatal(err)
	}
	if err := changed.log.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first := changed.checkpoint(t); first != last {
		t.Errorf("the new key begins with %+v, the old one ended with %+v", first, last)
	}
	now := changed.add(t, 300)
	if err := verify.Extends(t.Context(), &changed, last, now); err != nil {
		t.Error(err)
	}
	if a, err := changed.log.Check(t.Context()); err != nil || a.Checkpoint.Size != 340 {
		t.Errorf("check: %+v, %v", a, err)
	}
	// Another database cannot be signed with the new key either: what the old one signed counts.
	other := benchIn(t, pgtest.New(t), t.TempDir())
	other.made = 5000
	other.queue(t, 400)
	fork, err := transparency.New(other.db, transparency.Config{Origin: origin, Folder: b.folder, KeyFile: file})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := fork.Drain(t.Context()); n != 0 || !errors.Is(err, transparency.ErrFork) {
		t.Errorf("numbered %d, %v; want %v", n, err, transparency.ErrFork)
	}
}
