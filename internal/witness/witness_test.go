package witness_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/internal/witness"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// peer is a witness as https://c2sp.org/tlog-witness has it, of one log.
type peer struct {
	mu     sync.Mutex
	t      *testing.T
	signer note.Signer
	vkey   string
	log    verify.Log
	known  verify.Checkpoint
	asked  int
	answer func(w http.ResponseWriter) bool // in place of what it should say; nil: it behaves
}

func newPeer(t *testing.T, name string) *peer {
	t.Helper()
	secret, plain, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := fnote.NewSignerForCosignatureV1(secret)
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := fnote.VKeyToCosignatureV1(plain)
	if err != nil {
		t.Fatal(err)
	}
	return &peer{t: t, signer: signer, vkey: vkey, known: verify.Checkpoint{Root: verify.EmptyRoot()}}
}

// ServeHTTP implements add-checkpoint.
func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.answer != nil && p.answer(w) {
		return
	}
	body, err := io.ReadAll(r.Body)
	head, signed, whole := bytes.Cut(body, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	old, oerr := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/add-checkpoint") || err != nil || oerr != nil || !whole || len(lines) > 64 {
		http.Error(w, "malformed", http.StatusBadRequest)
		return
	}
	now, err := p.log.Checkpoint(signed)
	if err != nil {
		http.Error(w, "not signed by a log that I know", http.StatusForbidden)
		return
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		h, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(h) != tlog.HashSize {
			http.Error(w, "no hash", http.StatusBadRequest)
			return
		}
		proof = append(proof, tlog.Hash(h))
	}
	p.known.Origin = now.Origin
	switch {
	case old > now.Size:
		http.Error(w, "smaller", http.StatusBadRequest)
	case old != p.known.Size || old == now.Size && p.known.Root != now.Root:
		w.Header().Set("Content-Type", "text/x.tlog.size")
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintln(w, p.known.Size)
	case verify.Consistent(p.known, now, proof) != nil:
		http.Error(w, "not an extension", http.StatusUnprocessableEntity)
	default:
		p.known = now
		p.cosign(w, now)
	}
}

func (p *peer) cosign(w io.Writer, c verify.Checkpoint) {
	n, err := note.Sign(&note.Note{Text: c.Text()}, p.signer)
	if err != nil {
		p.t.Error(err)
	}
	_, lines, _ := bytes.Cut(n, []byte("\n\n"))
	_, _ = w.Write(lines)
}

// toPeers carries what is sent to https://<name>.example to the peer of this name.
type toPeers map[string]*peer

// RoundTrip implements http.RoundTripper.
func (t toPeers) RoundTrip(r *http.Request) (*http.Response, error) {
	p, ok := t[r.URL.Host]
	if !ok {
		return nil, errors.New("nobody there")
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

type bench struct {
	db    *postgres.DB
	log   *transparency.Service
	peers toPeers
	svc   *witness.Service
	n     int
}

func newBench(t *testing.T, names ...string) *bench {
	t.Helper()
	b := &bench{db: pgtest.NewAt(t, time.Now), peers: toPeers{}}
	var err error
	if b.log, err = transparency.New(b.db, transparency.Config{Origin: "shiyi.example/test", Folder: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	known, err := verify.NewLog(b.log.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, name := range names {
		p := newPeer(t, name)
		p.log, b.peers[name] = known, p
		list = append(list, p.vkey+" https://"+name+"/witness/")
	}
	peers, err := witness.Config{List: strings.Join(list, ", ")}.Peers()
	if err != nil {
		t.Fatal(err)
	}
	if b.svc, err = witness.New(b.db, b.log, peers, b.peers); err != nil {
		t.Fatal(err)
	}
	return b
}

// grow numbers so many more leaves and signs.
func (b *bench) grow(t *testing.T, n int) {
	t.Helper()
	all := make([]transparency.Pending, n)
	for i := range all {
		b.n++
		leaf, err := verify.Leaf{Sealed: verify.Commitment("x", strconv.Itoa(b.n), nil)}.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		all[i] = transparency.Pending{Home: uuid.Max, Transfer: uuid.New(), Leaf: leaf}
	}
	if err := postgres.Do(t.Context(), b.db, func(tx *postgres.Tx) error { return transparency.Append(t.Context(), tx, all) }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.log.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) ask(t *testing.T, want int) {
	t.Helper()
	if got, err := b.svc.Ask(t.Context()); got != want || err != nil {
		t.Fatalf("%d cosigned, %v; want %d", got, err, want)
	}
}

func (b *bench) witnesses(t *testing.T) []verify.Witness {
	t.Helper()
	var all []verify.Witness
	for _, p := range b.peers {
		w, err := verify.NewWitness(p.vkey)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	return all
}

func TestEachNewCheckpointIsCosignedAndShown(t *testing.T) {
	t.Parallel()
	b := newBench(t, "one.example", "two.example")
	if _, err := b.svc.Witnessed(t.Context()); !errors.Is(err, witness.ErrNone) {
		t.Errorf("before the first: %v", err)
	}
	b.ask(t, 0) // nothing is signed yet
	for _, n := range []int{1, 5, 300} {
		b.grow(t, n)
		b.ask(t, 2)
		b.ask(t, 0) // nothing is new
	}
	signed, err := b.svc.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	known, err := verify.NewLog(b.log.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	if c, err := known.Checkpoint(signed); err != nil || c.Size != 306 {
		t.Errorf("who knows our key alone reads %+v, %v", c, err)
	}
	if err := verify.Quorum(signed, b.witnesses(t), 2); err != nil {
		t.Error(err)
	}
	if err := verify.Quorum(signed, append(b.witnesses(t), b.witnesses(t)...), 3); !errors.Is(err, verify.ErrQuorum) {
		t.Errorf("a witness counts twice: %v", err)
	}
	b.grow(t, 10)
	newest, err := b.svc.Checkpoint(t.Context())
	if err != nil || verify.Quorum(newest, b.witnesses(t), 1) == nil {
		t.Errorf("nobody has seen the newest: %v", err)
	}
	if again, err := b.svc.Witnessed(t.Context()); err != nil || !bytes.Equal(again, signed) {
		t.Errorf("the witnessed one: %v\n%s", err, again)
	}
	seen, err := b.svc.Witnesses(t.Context())
	if err != nil || len(seen) != 2 || seen[0].Name != "one.example" || *seen[0].Size != 306 || seen[0].CosignedAt.IsZero() {
		t.Errorf("seen: %+v, %v", seen, err)
	}
}

// Who demands two witnesses is not shown a checkpoint of which the second is still being asked.
func TestACheckpointIsShownWithAllWhoCosignedIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, "one.example", "two.example", "silent.example")
	b.peers["silent.example"].answer = func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusBadGateway); return true }
	for _, name := range []string{"one.example", "two.example"} {
		b.peers[name].answer = func(http.ResponseWriter) bool {
			signed, err := b.svc.Witnessed(t.Context())
			if err == nil {
				err = verify.Quorum(signed, b.witnesses(t), 2)
			}
			if err != nil && !errors.Is(err, witness.ErrNone) {
				t.Error(err)
			}
			return false
		}
	}
	for range 3 {
		b.grow(t, 2)
		if n, err := b.svc.Ask(t.Context()); n != 2 || err == nil {
			t.Errorf("%d cosigned, %v", n, err)
		}
	}
}

func TestAWitnessThatKnowsAnotherSizeIsAskedFromThere(t *testing.T) {
	t.Parallel()
	b := newBench(t, "one.example")
	b.grow(t, 7)
	b.ask(t, 1)
	p := b.peers["one.example"]
	// It cosigned, and we never got the answer.
	b.grow(t, 3)
	p.answer = func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusBadGateway); return true }
	if n, err := b.svc.Ask(t.Context()); n != 0 || err == nil {
		t.Fatalf("%d cosigned, %v", n, err)
	}
	signed, err := b.log.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.answer = nil
	if p.known, err = p.log.Checkpoint(signed); err != nil {
		t.Fatal(err)
	}
	b.grow(t, 20)
	p.asked = 0
	b.ask(t, 1)
	if p.asked != 2 {
		t.Errorf("asked %d times, want 2", p.asked)
	}
	// It lost its memory, and begins anew.
	p.known = verify.Checkpoint{Root: verify.EmptyRoot()}
	b.grow(t, 1)
	b.ask(t, 1)
}

// Two processes of the shop ask: the second has signed more, and the witness has cosigned that already.
func TestAWitnessWhoKnowsWhatWasSignedMeanwhileIsNotAhead(t *testing.T) {
	t.Parallel()
	b := newBench(t, "one.example")
	b.grow(t, 3)
	p := b.peers["one.example"]
	p.answer = func(w http.ResponseWriter) bool {
		b.grow(t, 2)
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintln(w, b.n)
		return true
	}
	b.ask(t, 0)
	p.answer = nil
	b.ask(t, 1)
}

func TestNoCosignatureIsKeptThatDoesNotHold(t *testing.T) {
	t.Parallel()
	said := func(status int, body string) func(http.ResponseWriter) bool {
		return func(w http.ResponseWriter) bool {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	other := newPeer(t, "one.example")
	tests := map[string]func(http.ResponseWriter) bool{
		"nothing": said(200, ""),
		"rubbish": said(200, "— one.example AAAA\n"),
		"of another key": func(w http.ResponseWriter) bool {
			other.cosign(w, verify.Checkpoint{Origin: "shiyi.example/test", Size: 4})
			return true
		},
		"a refusal":               said(403, ""),
		"not an extension":        said(422, ""),
		"more than we have":       said(409, "900\n"),
		"a size that is none":     said(409, "-1\n"),
		"the same size, for ever": said(409, "0\n"),
		"another size, for ever": func() func(http.ResponseWriter) bool {
			n := 0
			return func(w http.ResponseWriter) bool { n++; return said(409, strconv.Itoa(n%3+1)+"\n")(w) }
		}(),
		"somewhere else":          said(302, ""),
		"more than an answer has": said(200, strings.Repeat("— one.example AAAA\n", 10000)),
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "one.example", "two.example")
			b.grow(t, 4)
			b.peers["one.example"].answer = answer
			if n, err := b.svc.Ask(t.Context()); n != 1 || err == nil || !strings.Contains(err.Error(), "one.example") {
				t.Errorf("%d cosigned, %v; want that of the other one, and an error that names this", n, err)
			}
			seen, err := b.svc.Witnesses(t.Context())
			if err != nil || seen[0].Size != nil || seen[1].Size == nil {
				t.Errorf("seen: %+v, %v", seen, err)
			}
		})
	}
}

func TestACosignatureOfTomorrowIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, "one.example")
	clock := pgtest.NewAt(t, func() time.Time { return time.Now().Add(-time.Hour) })
	b.db = clock
	var err error
	if b.log, err = transparency.New(clock, transparency.Config{Origin: "shiyi.example/test", Folder: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	p := b.peers["one.example"]
	if p.log, err = verify.NewLog(b.log.VerifierKey()); err != nil {
		t.Fatal(err)
	}
	peers, err := witness.Config{List: p.vkey + " https://one.example"}.Peers()
	if err != nil {
		t.Fatal(err)
	}
	if b.svc, err = witness.New(clock, b.log, peers, b.peers); err != nil {
		t.Fatal(err)
	}
	b.grow(t, 1)
	if n, err := b.svc.Ask(t.Context()); n != 0 || err == nil || !strings.Contains(err.Error(), "clock") {
		t.Errorf("%d cosigned, %v", n, err)
	}
}

func TestTheListOfWitnessesIsRead(t *testing.T) {
	t.Parallel()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := note.NewEd25519VerifierKey("w.example", key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	if peers, err := (witness.Config{List: " , " + vkey + "  https://w.example/x/,"}).Peers(); err != nil || len(peers) != 1 || peers[0].URL != "https://w.example/x" {
		t.Errorf("%+v, %v", peers, err)
	}
	for _, bad := range []string{vkey, "x https://w.example", vkey + " http://w.example", vkey + " https://127.0.0.1", vkey + " https://w.example more"} {
		if peers, err := (witness.Config{List: bad}).Peers(); err == nil {
			t.Errorf("%q: %+v", bad, peers)
		}
	}
}

func TestWhatAWitnessSaidIsNeverChanged(t *testing.T) {
	t.Parallel()
	b := newBench(t, "one.example")
	b.grow(t, 2)
	b.ask(t, 1)
	for _, statement := range []string{`UPDATE cosignature SET size = size`, `DELETE FROM cosignature`, `TRUNCATE cosignature`} {
		if _, err := pgtest.Owner(t, b.db).ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s is let pass", statement)
		}
	}
}
