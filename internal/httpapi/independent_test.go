package httpapi_test

import (
	"bytes"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	tessera "github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// served is our log over HTTP, as strangers' programs see it.
type served struct {
	t    *testing.T
	shop *shop
	root string // "http://127.0.0.1:…/log/"
}

func (s served) get(path string) []byte {
	s.t.Helper()
	w := s.shop.call(s.t, "GET", "/log/"+path, "", nil)
	if w.Code != 200 {
		s.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// grow books so many sales and signs.
func (s served) grow(from, n int) (signed []byte) {
	s.t.Helper()
	seller := names()["miller"]
	err := postgres.Do(s.t.Context(), s.shop.DB, func(tx *postgres.Tx) error {
		all := make([]ledger.Transfer, n)
		for i := range all {
			owed, fen := ledger.Payable(seller), money.Fen(100+from+i)
			all[i] = ledger.Transfer{Home: seller, Kind: "sale", Ref: "x" + strings.Repeat("i", from+i+1), Public: true, Moves: []ledger.Move{
				{What: "goods", From: ledger.World("stripe"), To: owed, Amount: fen.Li()},
				{What: "tenth", From: owed, To: verify.FundPending, Amount: fen.Tenth()},
			}}
		}
		return ledger.Book(s.t.Context(), tx, all)
	})
	must(s.t, err)
	s.shop.Sequence(s.t)
	return s.get("checkpoint")
}

func newServed(t *testing.T) served {
	t.Helper()
	s := newShop(t, options{})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return served{t, s, server.URL + "/log/"}
}

// goTiles lets the Go project's code read our tiles: it calls entries "data" and has a height
// in the path, and otherwise cuts them the same.
type goTiles struct{ served }

func (goTiles) Height() int                         { return 8 }
func (goTiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (g goTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, t := range tiles {
		data[i] = g.get("tile/" + strings.TrimPrefix(t.Path(), "tile/8/"))
	}
	return data, nil
}

// TestTheGoProjectsVerifiersAcceptOurLog reads the log with what go.sum is checked with.
func TestTheGoProjectsVerifiersAcceptOurLog(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	older, newer := s.grow(0, 100), s.grow(100, 250)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(s.get("key"))))
	must(t, err)
	trees := make([]tlog.Tree, 2)
	for i, signed := range [][]byte{older, newer} {
		n, err := note.Open(signed, note.VerifierList(verifier))
		must(t, err)
		// tlog's own format of a tree has another first line.
		_, rest, _ := strings.Cut(n.Text, "\n")
		trees[i], err = tlog.ParseTree([]byte("go.sum database tree\n" + rest))
		must(t, err)
	}
	now := trees[1]
	hashes := tlog.TileHashReader(now, goTiles{s})
	root, err := tlog.TreeHash(now.N, hashes)
	if err != nil || root != now.Hash {
		t.Fatalf("root of %d: %v, %v", now.N, root, err)
	}
	path, err := tlog.ProveTree(now.N, trees[0].N, hashes)
	must(t, err)
	must(t, tlog.CheckTree(path, now.N, now.Hash, trees[0].N, trees[0].Hash))
	bundle, err := verify.SplitBundle(s.get("tile/entries/000"))
	must(t, err)
	for _, i := range []int64{0, 1, 99, 100, 255} {
		proof, err := tlog.ProveRecord(now.N, i, hashes)
		must(t, err)
		must(t, tlog.CheckRecord(proof, now.N, now.Hash, i, tlog.RecordHash(bundle[i])))
		if err := tlog.CheckRecord(proof, now.N, now.Hash, i, tlog.RecordHash(bundle[i^1])); err == nil {
			t.Errorf("another record at %d is accepted", i)
		}
	}
}

// TestTesserasClientReadsOurLog follows the log with the client library of Tessera, unchanged.
func TestTesserasClientReadsOurLog(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(s.get("key"))))
	must(t, err)
	root, err := url.Parse(s.root)
	must(t, err)
	client, err := tessera.NewHTTPFetcher(root, nil)
	must(t, err)
	first := s.grow(0, 70)
	tracker, err := tessera.NewLogStateTracker(t.Context(), client.ReadTile, first, verifier, verifier.Name(), tessera.UnilateralConsensus(client.ReadCheckpoint))
	must(t, err)
	s.grow(70, 530)
	// Update fetches the newest checkpoint and proves to itself that it extends the first.
	was, proof, signed, err := tracker.Update(t.Context())
	must(t, err)
	if now := tracker.Latest(); now.Size != 600 || len(proof) == 0 || !bytes.Equal(was, first) || !bytes.Equal(signed, s.get("checkpoint")) {
		t.Errorf("it follows to %d leaves by %d hashes", now.Size, len(proof))
	}
	hashes, err := tessera.FetchLeafHashes(t.Context(), client.ReadTile, 0, 600, 600)
	must(t, err)
	for n := range uint64(3) {
		bundle, err := tessera.GetEntryBundle(t.Context(), client.ReadEntryBundle, n, 600)
		must(t, err)
		for i, leaf := range bundle.Entries {
			if h := tlog.RecordHash(leaf); !bytes.Equal(h[:], hashes[int(n)*256+i]) {
				t.Fatalf("entry %d of bundle %d is not that of the tile", i, n)
			}
		}
	}
	now := tracker.Latest()
	builder, err := tessera.NewProofBuilder(t.Context(), now.Size, client.ReadTile)
	must(t, err)
	inclusion, err := builder.InclusionProof(t.Context(), 300)
	must(t, err)
	path := make(tlog.RecordProof, len(inclusion))
	for i, h := range inclusion {
		path[i] = tlog.Hash(h)
	}
	must(t, tlog.CheckRecord(path, int64(now.Size), tlog.Hash(now.Hash), 300, tlog.Hash(hashes[300])))
}

func TestWhoWitnessesIsPublic(t *testing.T) {
	t.Parallel()
	s := newServed(t)
	if w := s.shop.call(t, "GET", "/v1/public/witnesses", "", nil); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"data":[]}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := s.shop.call(t, "GET", "/log/witnessed", "", nil); w.Code != 404 || !strings.Contains(w.Body.String(), "witness.none_yet") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
