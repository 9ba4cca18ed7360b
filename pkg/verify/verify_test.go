package verify_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/pkg/verify"
)

const (
	origin   = "shiyi.example/log"
	merchant = "0190d6a0-0000-7000-8000-000000000001"
)

// publicLog is a log in memory, made with the Go project's code alone, so that
// the walker is checked by something other than itself.
type publicLog struct {
	files  map[string][]byte
	leaves [][]byte
	hashes []tlog.Hash
	signer note.Signer
	signed map[int64][]byte // checkpoints by size
	log    verify.Log
}

func newLog(tb testing.TB, leaves ...[]byte) *publicLog {
	tb.Helper()
	secret, vkey, err := note.GenerateKey(&counter{}, origin)
	if err != nil {
		tb.Fatal(err)
	}
	p := &publicLog{files: map[string][]byte{}, signed: map[int64][]byte{}}
	if p.signer, err = note.NewSigner(secret); err != nil {
		tb.Fatal(err)
	}
	if p.log, err = verify.NewLog(vkey); err != nil {
		tb.Fatal(err)
	}
	p.add(tb, leaves...)
	return p
}

// counter is a source of bytes that are not random at all.
type counter struct{ n byte }

func (c *counter) Read(b []byte) (int, error) {
	for i := range b {
		c.n++
		b[i] = c.n
	}
	return len(b), nil
}

func (p *publicLog) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		out[i] = p.hashes[at]
	}
	return out, nil
}

func (p *publicLog) add(tb testing.TB, leaves ...[]byte) {
	tb.Helper()
	old := int64(len(p.leaves))
	for _, l := range leaves {
		h, err := tlog.StoredHashes(int64(len(p.leaves)), l, p)
		if err != nil {
			tb.Fatal(err)
		}
		p.leaves, p.hashes = append(p.leaves, l), append(p.hashes, h...)
	}
	size := int64(len(p.leaves))
	for _, tile := range tlog.NewTiles(8, old, size) {
		data, err := tlog.ReadTileData(tile, p)
		if err != nil {
			tb.Fatal(err)
		}
		p.files[strings.Replace(tile.Path(), "tile/8/", "tile/", 1)] = data
		if tile.L == 0 {
			bundle, err := verify.Bundle(p.leaves[tile.N*256:][:tile.W])
			if err != nil {
				tb.Fatal(err)
			}
			p.files[strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)] = bundle
		}
	}
	p.files["checkpoint"] = p.sign(tb, size)
}

func (p *publicLog) at(tb testing.TB, size int64) verify.Checkpoint {
	tb.Helper()
	root, err := tlog.TreeHash(size, p)
	if err != nil {
		tb.Fatal(err)
	}
	return verify.Checkpoint{Origin: origin, Size: size, Root: root}
}

func (p *publicLog) sign(tb testing.TB, size int64) []byte {
	tb.Helper()
	if signed, ok := p.signed[size]; ok {
		return signed
	}
	signed, err := note.Sign(&note.Note{Text: p.at(tb, size).Text()}, p.signer)
	if err != nil {
		tb.Fatal(err)
	}
	p.signed[size] = signed
	return signed
}

func (p *publicLog) prove(tb testing.TB, size, index int64) string {
	tb.Helper()
	path, err := tlog.ProveRecord(size, index, p)
	if err != nil {
		tb.Fatal(err)
	}
	return verify.FormatProof(index, path, p.sign(tb, size))
}

// File implements verify.Source.
func (p *publicLog) File(_ context.Context, path string) ([]byte, error) {
	if b, ok := p.files[path]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func sale(goods, shipping, tenth int64) verify.Leaf {
	l := verify.Leaf{
		Kind: verify.KindSale, At: time.Date(2020, 1, 1, 1, 17, 38, 0, time.UTC), Home: merchant, Ref: digest("ref"),
		Moves: []verify.Move{{verify.WhatGoods, "world:stripe", verify.Payable(merchant), goods}},
	}
	if shipping > 0 {
		l.Moves = append(l.Moves, verify.Move{What: verify.WhatShipping, Source: "world:stripe", Target: verify.Payable(merchant), Li: shipping})
	}
	return with(l, verify.Move{What: verify.WhatTenth, Source: verify.Payable(merchant), Target: verify.FundPending, Li: tenth})
}

// mirrored is the refund of everything in a sale.
func mirrored(l verify.Leaf) verify.Leaf {
	moves := make([]verify.Move, len(l.Moves))
	for i, m := range l.Moves {
		m.Source, m.Target = m.Target, m.Source
		moves[i] = m
	}
	l.Kind, l.Moves = verify.KindRefund, moves
	return l
}

func with(l verify.Leaf, moves ...verify.Move) verify.Leaf {
	l.Moves = append(l.Moves[:len(l.Moves):len(l.Moves)], moves...)
	return l
}

func bytesOf(tb testing.TB, l verify.Leaf) []byte {
	tb.Helper()
	b, err := l.Bytes()
	if err != nil {
		tb.Fatalf("%+v: %v", l, err)
	}
	return b
}

func manyLeaves(n int) [][]byte {
	leaves := make([][]byte, n)
	for i := range leaves {
		leaves[i] = fmt.Appendf(nil, "leaf %d", i)
	}
	return leaves
}

func TestLeafHasTheFormThatIsDocumented(t *testing.T) {
	t.Parallel()
	want := "shiyi.leaf/v1\nkind sale\nat 2020-01-01T01:17:38.000000Z\nhome " + merchant + "\nref " + digest("ref") +
		"\nmove goods world:stripe merchant:" + merchant + ":payable 90000\nmove tenth merchant:" + merchant + ":payable fund:education:pending 9000\n"
	if diff := cmp.Diff(want, string(bytesOf(t, sale(90000, 0, 9000)))); diff != "" {
		t.Errorf("leaf (-want +got):\n%s", diff)
	}
	salt := []byte("0123456789abcdef")
	if got, want := verify.Commitment("sale", "order", salt), digest("shiyi.ref/v1\nsale\norder\n"+hex.EncodeToString(salt)+"\n"); got != want {
		t.Errorf("commitment %s, want %s", got, want)
	}
	sealed, err := sale(90000, 0, 9000).Seal(salt)
	if err != nil {
		t.Fatal(err)
	}
	if want := "shiyi.leaf/v1\nsealed " + digest(want+"salt "+hex.EncodeToString(salt)+"\n") + "\n"; string(sealed) != want {
		t.Errorf("sealed %q, want %q", sealed, want)
	}
	if l, err := verify.ParseLeaf(sealed); err != nil || l.Sealed == "" {
		t.Errorf("sealed leaf read as %+v, %v", l, err)
	}
}

func TestLeafReadsBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	token := rapid.StringMatching(`[!-~]{1,40}`)
	rapid.Check(t, func(t *rapid.T) {
		want := verify.Leaf{
			Kind: token.Draw(t, "kind"), Home: token.Draw(t, "home"), Ref: digest(token.Draw(t, "ref")),
			At: time.UnixMicro(rapid.Int64Range(-6e16, 2e17).Draw(t, "at")).UTC(),
		}
		for i := range rapid.IntRange(1, 20).Draw(t, "moves") {
			want.Moves = append(want.Moves, verify.Move{
				What: token.Draw(t, "what"), Source: fmt.Sprint("a", i), Target: fmt.Sprint("b", i),
				Li: rapid.Int64Range(1, verify.MaxLi).Draw(t, "li"),
			})
		}
		b, err := want.Bytes()
		if err != nil {
			t.Fatalf("%+v: %v", want, err)
		}
		got, err := verify.ParseLeaf(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("leaf (-want +got):\n%s", diff)
		}
	})
}

func TestLeafHasOneFormOnly(t *testing.T) {
	t.Parallel()
	good := string(bytesOf(t, sale(90000, 0, 9000)))
	for name, bad := range map[string]string{
		"empty":               "",
		"another version":     strings.Replace(good, "/v1", "/v2", 1),
		"no line feed at end": strings.TrimSuffix(good, "\n"),
		"an empty line":       good + "\n",
		"a carriage return":   strings.ReplaceAll(good, "\n", "\r\n"),
		"two spaces":          strings.Replace(good, "kind sale", "kind  sale", 1),
		"a leading zero":      strings.Replace(good, " 9000\n", " 09000\n", 1),
		"a plus":              strings.Replace(good, " 9000\n", " +9000\n", 1),
		"a negative amount":   strings.Replace(good, " 9000\n", " -9000\n", 1),
		"nothing moved":       strings.Replace(good, " 9000\n", " 0\n", 1),
		"too much":            strings.Replace(good, " 9000\n", " 1000000000000001\n", 1),
		"five digits":         strings.Replace(good, "38.000000Z", "38.00000Z", 1),
		"a comma":             strings.Replace(good, "38.000000Z", "38,000000Z", 1),
		"another zone":        strings.Replace(good, "38.000000Z", "38.000000+08:00", 1),
		"capital digits":      strings.Replace(good, digest("ref"), strings.ToUpper(digest("ref")), 1),
		"no move":             good[:strings.Index(good, "move")],
		"another word":        strings.Replace(good, "home ", "hame ", 1),
		"Chinese":             strings.Replace(good, "world:stripe", "world:银行", 1),
		"to itself":           strings.Replace(good, "world:stripe", verify.Payable(merchant), 1),
		"sealed and more":     "shiyi.leaf/v1\nsealed " + digest("x") + "\nkind sale\n",
		"sealed with little":  "shiyi.leaf/v1\nsealed abc\n",
	} {
		if l, err := verify.ParseLeaf([]byte(bad)); !errors.Is(err, verify.ErrLeaf) {
			t.Errorf("%s: read as %+v, %v", name, l, err)
		}
	}
}

func FuzzParseLeaf(f *testing.F) {
	b, _ := sale(90000, 0, 9000).Bytes()
	f.Add(b)
	f.Add([]byte("shiyi.leaf/v1\nsealed " + digest("x") + "\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		l, err := verify.ParseLeaf(in)
		if err != nil {
			return
		}
		if again, err := l.Bytes(); err != nil || string(again) != string(in) {
			t.Fatalf("%q is written as %q, %v", in, again, err)
		}
		var totals verify.Totals
		_ = totals.Add(l) // must not panic
	})
}

// disputed is what is moved of 1,000 li of goods, shipping and tenth on account of a dispute.
func disputed(kind string, shipping, tenth int64, payer, payee, levied, fund string) verify.Leaf {
	l := verify.Leaf{Kind: kind, Home: merchant, Moves: []verify.Move{{"goods", payer, payee, 1000}}}
	if shipping > 0 {
		l.Moves = append(l.Moves, verify.Move{What: "shipping", Source: payer, Target: payee, Li: shipping})
	}
	l.Moves = append(l.Moves, verify.Move{What: "tenth", Source: levied, Target: fund, Li: tenth})
	return l
}

func TestTenthIsExact(t *testing.T) {
	t.Parallel()
	elsewhere := verify.Payable("0190d6a0-0000-7000-8000-000000000002")
	tests := []struct {
		name string
		leaf verify.Leaf
		good bool
	}{
		{"a sale", sale(90000, 0, 9000), true},
		{"a sale with shipping", sale(90000, 8000, 9000), true},
		{"the smallest sale", sale(10, 0, 1), true},
		{"its refund", mirrored(sale(90000, 8000, 9000)), true},
		{"a refund of shipping", verify.Leaf{Kind: "refund", Home: merchant, Moves: mirrored(sale(10, 8000, 1)).Moves[1:2]}, true},
		{"a refund after maturity", mirrored(with(verify.Leaf{Home: merchant, Moves: sale(10, 0, 1).Moves[:1]}, verify.Move{What: "tenth", Source: verify.Payable(merchant), Target: verify.FundFree, Li: 1})), true},
		{"sealed", verify.Leaf{Sealed: digest("x")}, true},
		{"a maturing", verify.Leaf{Kind: "mature", Home: "fund", Moves: []verify.Move{{"tenth", verify.FundPending, verify.FundFree, 5}}}, true},
		{"a dispute", disputed("dispute", 80, 100, verify.Payable(merchant), "disputed:1", verify.FundFree, verify.FundHeld), true},
		{"a dispute won", disputed("dispute_won", 80, 100, "disputed:1", verify.Payable(merchant), verify.FundHeld, verify.FundPending), true},
		{"a dispute lost", disputed("dispute_lost", 80, 100, "disputed:1", "world:stripe", verify.FundHeld, verify.Payable(merchant)), true},
		{"a payout", verify.Leaf{Kind: "payout", Home: merchant, Moves: []verify.Move{{"payout", verify.Payable(merchant), "world:bank", 5}}}, true},

		{"a correction of a fee", verify.Leaf{Kind: "correction", Home: "fund", Moves: []verify.Move{{"fee", "world:stripe", "platform:fees", 5}, {"fee", "platform:fees", "world:stripe", 4}}}, true},

		{"a correction that takes from the fund", verify.Leaf{Kind: "correction", Home: "fund", Moves: []verify.Move{{"fee", verify.FundPending, verify.Payable(merchant), 5}}}, false},
		{"a correction that gives to the fund", verify.Leaf{Kind: "correction", Home: "fund", Moves: []verify.Move{{"fee", "platform:fees", verify.FundFree, 5}}}, false},
		{"a correction of goods", verify.Leaf{Kind: "correction", Home: merchant, Moves: []verify.Move{{"goods", "world:stripe", verify.Payable(merchant), 5}}}, false},
		{"a correction of a tenth", verify.Leaf{Kind: "correction", Home: merchant, Moves: []verify.Move{{"tenth", "world:stripe", "platform:fees", 5}}}, false},
		{"a correction of what a programme was paid", verify.Leaf{Kind: "correction", Home: "fund", Moves: []verify.Move{{"fee", verify.Programme + "1", "world:bank", 5}}}, false},
		{"an account of the fund that is none", verify.Leaf{Kind: "fee", Home: "fund", Moves: []verify.Move{{"fee", "fund:elsewhere", "world:bank", 5}}}, false},
		{"a dispute that holds less than a tenth", disputed("dispute", 0, 99, verify.Payable(merchant), "disputed:1", verify.FundPending, verify.FundHeld), false},
		{"a dispute lost whose tenth is kept", disputed("dispute_lost", 0, 100, "disputed:1", "world:stripe", verify.FundHeld, verify.FundFree), false},
		{"a dispute lost to the merchant", disputed("dispute_lost", 0, 100, "disputed:1", verify.Payable(merchant), verify.FundHeld, verify.Payable(merchant)), false},
		{"one li too little", sale(90000, 0, 8999), false},
		{"one li too much", sale(90000, 0, 9001), false},
		{"a tenth of shipping too", sale(90000, 10000, 10000), false},
		{"shipping below a fen", sale(90000, 8005, 9000), false},
		{"no tenth", verify.Leaf{Kind: "sale", Home: merchant, Moves: sale(90000, 0, 9000).Moves[:1]}, false},
		{"no goods", verify.Leaf{Kind: "sale", Home: merchant, Moves: sale(90000, 0, 9000).Moves[1:]}, false},
		{"two tenths", with(sale(90000, 0, 4500), sale(90000, 0, 4500).Moves[1]), false},
		{"goods twice", with(sale(90000, 0, 18000), sale(90000, 0, 9000).Moves[0]), false},
		{"another merchant's", verify.Leaf{Kind: "sale", Home: "0190d6a0-0000-7000-8000-000000000002", Moves: sale(90000, 0, 9000).Moves}, false},
		{"to another merchant", with(verify.Leaf{Kind: "sale", Home: merchant}, verify.Move{What: "goods", Source: "world:stripe", Target: elsewhere, Li: 10}, sale(10, 0, 1).Moves[1]), false},
		{"a move beside it", with(sale(90000, 0, 9000), verify.Move{What: "fee", Source: verify.FundPending, Target: "world:bank", Li: 1}), false},
		{"a sale free at once", with(verify.Leaf{Kind: "sale", Home: merchant, Moves: sale(10, 0, 1).Moves[:1]}, verify.Move{What: "tenth", Source: verify.Payable(merchant), Target: verify.FundFree, Li: 1}), false},
		{"a refund of nothing", verify.Leaf{Kind: "refund", Home: merchant}, false},
		{"a refund that keeps the tenth", verify.Leaf{Kind: "refund", Home: merchant, Moves: mirrored(sale(10, 0, 1)).Moves[:1]}, false},
		{"a refund the wrong way", func() verify.Leaf { l := sale(10, 0, 1); l.Kind = "refund"; return l }(), false},
		{"goods under another name", func() verify.Leaf { l := sale(10, 0, 1); l.Kind = "gift"; return l }(), false},
		{"the fund pays out", verify.Leaf{Kind: "fee", Home: "fund", Moves: []verify.Move{{"fee", verify.FundFree, "world:bank", 5}}}, false},
		{"a maturing backwards", verify.Leaf{Kind: "mature", Home: "fund", Moves: []verify.Move{{"tenth", verify.FundFree, verify.FundPending, 5}}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := verify.CheckTenth(tt.leaf)
			if tt.good && err != nil {
				t.Errorf("refused: %v", err)
			}
			if !tt.good && !errors.Is(err, verify.ErrTenth) {
				t.Errorf("got %v, want %v", err, verify.ErrTenth)
			}
			var totals verify.Totals
			if addErr := totals.Add(tt.leaf); (addErr == nil) != tt.good {
				t.Errorf("Add: %v", addErr)
			}
		})
	}
}

func TestTotalsAreTheFund(t *testing.T) {
	t.Parallel()
	var totals verify.Totals
	for _, l := range []verify.Leaf{
		sale(90000, 8000, 9000),
		sale(330, 0, 33),
		mirrored(sale(330, 0, 33)),
		{Sealed: digest("x")},
		{Kind: "mature", Home: "fund", Moves: []verify.Move{{"tenth", verify.FundPending, verify.FundFree, 4000}}},
	} {
		if err := totals.Add(l); err != nil {
			t.Fatal(err)
		}
	}
	want := verify.Totals{Leaves: 5, Sealed: 1, Sales: 2, Refunds: 1, SoldLi: 90330, RefundedLi: 330, LeviedLi: 9033, ReturnedLi: 33, PendingLi: 5000, FreeLi: 4000}
	if diff := cmp.Diff(want, totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	n := func(i int64) *int64 { return &i }
	if err := totals.Compare(verify.Statement{Orders: n(2), SoldFen: n(9000), RefundedFen: n(33), LeviedLi: n(9000), ReturnedLi: n(33), PendingLi: n(5000), FreeLi: n(4000)}); err != nil {
		t.Error(err)
	}
	if err := totals.Compare(verify.Statement{LeviedLi: n(9001)}); !errors.Is(err, verify.ErrStatement) {
		t.Errorf("one li more: %v", err)
	}
	if err := totals.Compare(verify.Statement{}); !errors.Is(err, verify.ErrStatement) {
		t.Errorf("no figures: %v", err)
	}
}

func TestEveryLeafIsProvenInEveryTree(t *testing.T) {
	t.Parallel()
	const size = 40
	p := newLog(t, manyLeaves(size)...)
	for n := int64(1); n <= size; n++ {
		for i := range n {
			text := p.prove(t, n, i)
			index, under, err := p.log.Included(p.leaves[i], text)
			if err != nil || index != i || under != p.at(t, n) {
				t.Fatalf("leaf %d of %d: %d, %+v, %v", i, n, index, under, err)
			}
			if _, _, err := p.log.Included(p.leaves[(i+1)%size], text); !errors.Is(err, verify.ErrProof) {
				t.Fatalf("another leaf at %d of %d: %v", i, n, err)
			}
		}
	}
}

func TestProofAndCheckpointBearNoChange(t *testing.T) {
	t.Parallel()
	p := newLog(t, manyLeaves(20)...)
	text := p.prove(t, 20, 7)
	for i := range len(text) {
		bad := []byte(text)
		bad[i] ^= 1
		if _, _, err := p.log.Included(p.leaves[7], string(bad)); err == nil {
			t.Fatalf("accepted with byte %d changed: %q", i, bad)
		}
	}
	for _, bad := range []string{"", text + "x", strings.ReplaceAll(text, "\n", "\r\n"), strings.Replace(text, "index 7", "index 07", 1)} {
		if _, _, err := p.log.Included(p.leaves[7], bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
	_, other, err := note.GenerateKey(&counter{100}, origin)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := verify.NewLog(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Checkpoint(p.files["checkpoint"]); !errors.Is(err, verify.ErrCheckpoint) {
		t.Errorf("another key: %v", err)
	}
	if _, err := verify.NewLog("shiyi.example/log+00000000+AAAA"); !errors.Is(err, verify.ErrKey) {
		t.Errorf("no key: %v", err)
	}
	if again, err := verify.ParseCheckpoint([]byte(p.at(t, 20).Text())); err != nil || again != p.at(t, 20) {
		t.Errorf("text of a checkpoint read as %+v, %v", again, err)
	}
}

func TestTreesOfAllSizesAreConsistent(t *testing.T) {
	t.Parallel()
	const size = 70
	p, q := newLog(t, manyLeaves(size)...), newLog(t, append([][]byte{[]byte("another")}, manyLeaves(size-1)...)...)
	for newer := range int64(size + 1) {
		for older := range newer + 1 {
			var path tlog.TreeProof
			if older > 0 {
				var err error
				if path, err = tlog.ProveTree(newer, older, p); err != nil {
					t.Fatal(err)
				}
			}
			if err := verify.Consistent(p.at(t, older), p.at(t, newer), path); err != nil {
				t.Fatalf("%d to %d: %v", older, newer, err)
			}
			if older == 0 {
				continue
			}
			if err := verify.Consistent(q.at(t, older), p.at(t, newer), path); !errors.Is(err, verify.ErrConsistency) {
				t.Fatalf("%d of another log to %d: %v", older, newer, err)
			}
		}
	}
	if err := verify.Consistent(p.at(t, 5), p.at(t, 4), nil); !errors.Is(err, verify.ErrConsistency) {
		t.Errorf("a shrunken log: %v", err)
	}
}

func TestWalkAcceptsWhatIsWhole(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 2, 255, 256, 257, 700, 65537} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			p := newLog(t, manyLeaves(size)...)
			c, err := p.log.Checkpoint(p.files["checkpoint"])
			if err != nil {
				t.Fatal(err)
			}
			var seen int64
			err = verify.Walk(t.Context(), p, c, func(index int64, leaf []byte) error {
				if index != seen || string(leaf) != string(p.leaves[index]) {
					t.Fatalf("visited %d %q", index, leaf)
				}
				seen++
				return nil
			})
			if err != nil || seen != int64(size) {
				t.Errorf("%d of %d leaves: %v", seen, size, err)
			}
		})
	}
}

func TestWalkTakesAFullTileForALostPartialOne(t *testing.T) {
	t.Parallel()
	p := newLog(t, manyLeaves(300)...)
	old := p.at(t, 100)
	if err := verify.Walk(t.Context(), p, old, nil); err != nil {
		t.Error(err)
	}
	if err := verify.Extends(t.Context(), p, old, p.at(t, 300)); err != nil {
		t.Error(err)
	}
}

func TestWalkFindsWhatWasChanged(t *testing.T) {
	t.Parallel()
	whole := newLog(t, manyLeaves(700)...)
	for path := range whole.files {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			p := *whole
			p.files = maps.Clone(whole.files)
			p.files[path] = append([]byte(nil), p.files[path]...)
			p.files[path][len(p.files[path])-1] ^= 1
			c, err := p.log.Checkpoint(p.files["checkpoint"])
			if path == "checkpoint" {
				if !errors.Is(err, verify.ErrCheckpoint) {
					t.Errorf("checkpoint: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := verify.Walk(t.Context(), &p, c, nil); !errors.Is(err, verify.ErrTampered) {
				t.Errorf("not found: %v", err)
			}
		})
	}
}

func TestWalkNamesEveryChangedEntry(t *testing.T) {
	t.Parallel()
	p := newLog(t, manyLeaves(700)...)
	changed := append([][]byte(nil), p.leaves...)
	changed[5], changed[300] = []byte("leaf V"), []byte("leaf CCC")
	for _, n := range []int64{0, 1} {
		b, err := verify.Bundle(changed[n*256:][:256])
		if err != nil {
			t.Fatal(err)
		}
		p.files[verify.Tile{Level: verify.EntriesLevel, N: n, W: 256}.Path()] = b
	}
	err := verify.Walk(t.Context(), p, p.at(t, 700), nil)
	for _, want := range []string{"entry 5 ", "entry 300 ", "root"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestExtendsSeesARewrittenHistory(t *testing.T) {
	t.Parallel()
	p, q := newLog(t, manyLeaves(600)...), newLog(t, append([][]byte{[]byte("another")}, manyLeaves(999)...)...)
	if err := verify.Extends(t.Context(), p, p.at(t, 0), p.at(t, 600)); err != nil {
		t.Error(err)
	}
	if err := verify.Extends(t.Context(), p, p.at(t, 300), p.at(t, 600)); err != nil {
		t.Error(err)
	}
	if err := verify.Extends(t.Context(), q, p.at(t, 300), q.at(t, 1000)); !errors.Is(err, verify.ErrConsistency) {
		t.Errorf("another history: %v", err)
	}
}

func TestTilePaths(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]verify.Tile{
		"tile/0/x001/x234/067":     {0, 1234067, 256},
		"tile/0/000.p/5":           {0, 0, 5},
		"tile/entries/x001/067":    {verify.EntriesLevel, 1067, 256},
		"tile/entries/000.p/255":   {verify.EntriesLevel, 0, 255},
		"tile/2/000.p/1":           {2, 0, 1},
		"tile/63/999":              {63, 999, 256},
		"tile/1/x999/x999/999.p/7": {1, 999999999, 7},
	} {
		if got, err := verify.ParseTile(path); err != nil || got != want || got.Path() != path {
			t.Errorf("%s: %+v, %v; want %+v", path, got, err, want)
		}
	}
	for _, path := range []string{
		"", "tile", "tile/", "tile/0", "tile/0/0", "tile/0/000.p/0", "tile/0/000.p/256", "tile/64/000", "tile/-1/000", "tile/00/000",
		"tile/data/000", "tile/entries/", "tile/0/x000/001", "tile/0/000/", "tile/8/0/000", "checkpoint", "tile/0/../000", "tile/0/000.p/05", "/tile/0/000",
	} {
		if got, err := verify.ParseTile(path); !errors.Is(err, verify.ErrTile) {
			t.Errorf("%q: %+v, %v", path, got, err)
		}
	}
	for path, want := range map[string]int64{"tile/0/000": 256, "tile/0/001.p/3": 259, "tile/1/000.p/2": 512, "tile/entries/002": 768} {
		tile, err := verify.ParseTile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := tile.Needs(); !ok || got != want {
			t.Errorf("%s needs %d, want %d", path, got, want)
		}
	}
	if _, ok := (verify.Tile{Level: 63, N: 1, W: 1}).Needs(); ok {
		t.Error("a log of 2⁵¹² leaves")
	}
}

func FuzzSplitBundle(f *testing.F) {
	f.Add([]byte{0, 1, 'x', 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		entries, err := verify.SplitBundle(in)
		if err != nil {
			return
		}
		if again, err := verify.Bundle(entries); err != nil || string(again) != string(in) {
			t.Fatalf("%x is written as %x, %v", in, again, err)
		}
	})
}
