package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/shiyi-market/shiyi/pkg/verify"
)

// published is a small log on disk, a receipt of its last sale, and the fund's figures.
type published struct {
	dir, key, receipt, fund string
	signer                  note.Signer
}

const merchant = "0190d6a0-0000-7000-8000-000000000001"

func publish(t *testing.T, sales int, change func(n int, l *verify.Leaf)) published {
	t.Helper()
	secret, vkey, err := note.GenerateKey(rand.Reader, "shiyi.example/log")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	salt := []byte("0123456789abcdef")
	var leaves [][]byte
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, n := range at {
			out[i] = hashes[n]
		}
		return out, nil
	})
	for n := range sales {
		l := verify.Leaf{
			Kind: verify.KindSale, At: time.Unix(1577841458, 0).UTC(), Home: merchant, Ref: verify.Commitment(verify.KindSale, fmt.Sprint("order-", n), salt),
			Moves: []verify.Move{
				{What: verify.WhatGoods, Source: "world:stripe", Target: verify.Payable(merchant), Li: 1000},
				{What: verify.WhatTenth, Source: verify.Payable(merchant), Target: verify.FundPending, Li: 100},
			},
		}
		if change != nil {
			change(n, &l)
		}
		b, err := l.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		h, err := tlog.StoredHashes(int64(n), b, reader)
		if err != nil {
			t.Fatal(err)
		}
		leaves, hashes = append(leaves, b), append(hashes, h...)
	}
	p := published{dir: t.TempDir(), key: vkey, signer: signer}
	root, err := tlog.TreeHash(int64(sales), reader)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: verify.Checkpoint{Origin: "shiyi.example/log", Size: int64(sales), Root: root}.Text()}, signer)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "checkpoint", signed)
	for _, tile := range tlog.NewTiles(verify.TileHeight, 0, int64(sales)) {
		data, err := tlog.ReadTileData(tile, reader)
		if err != nil {
			t.Fatal(err)
		}
		p.write(t, verify.Tile{Level: tile.L, N: tile.N, W: tile.W}.Path(), data)
		if tile.L > 0 {
			continue
		}
		bundle, err := verify.Bundle(leaves[tile.N*verify.TileWidth:][:tile.W])
		if err != nil {
			t.Fatal(err)
		}
		p.write(t, verify.Tile{Level: verify.EntriesLevel, N: tile.N, W: tile.W}.Path(), bundle)
	}
	path, err := tlog.ProveRecord(int64(sales), int64(sales-1), reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(verify.Receipt{
		Format: verify.ReceiptFormat, CheckoutID: "checkout-1", PaidAt: time.Unix(1577841458, 0).UTC(), GoodsFen: 100, TotalFen: 100, LevyLi: 100, NetLevyLi: 100,
		Orders: []verify.ReceiptOrder{{
			OrderID: fmt.Sprint("order-", sales-1), Merchant: verify.ReceiptMerchant{ID: merchant, Name: "红喜"}, GoodsFen: 100, LevyLi: 100,
			Lines: []verify.ReceiptLine{{Line: 1, Name: "土豆", Quantity: 1, PriceFen: 100, GoodsFen: 100}},
			Entry: verify.Entry{
				State: verify.Proven, Name: fmt.Sprint("order-", sales-1), Salt: hex.EncodeToString(salt), Leaf: string(leaves[sales-1]),
				Proof: verify.FormatProof(int64(sales-1), path, signed),
			},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.receipt = p.write(t, "receipt.json", text)
	p.fund = p.write(t, "fund.json", fmt.Appendf(nil, `{"orders":%d,"sold_fen":%d,"levied_li":%d,"pending_li":%d,"free_li":0,"later":"x"}`, sales, sales*100, sales*100, sales*100))
	return p
}

func (p published) write(t *testing.T, path string, data []byte) string {
	t.Helper()
	path = filepath.Join(p.dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// check runs the program and compares its exit code and a part of its output.
func check(t *testing.T, code int, says string, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	got := run(t.Context(), args, &out, &errs)
	if all := out.String() + errs.String(); got != code || !strings.Contains(all, says) {
		t.Errorf("%v: exit %d, want %d and %q in:\n%s", args, got, code, says, all)
	}
}

func TestReceipt(t *testing.T) {
	t.Parallel()
	p := publish(t, 300, nil)
	check(t, holds, "fund has 0.100 yuan", "receipt", "--key", p.key, p.receipt)
	check(t, holds, "entry 299 of 300", p.receipt, "--key", p.key)
	check(t, holds, "It holds", p.receipt, "--key", p.write(t, "key", []byte(p.key+"\n")))
	check(t, fails, "DOES NOT HOLD", p.receipt, "--key", publish(t, 1, nil).key)
	check(t, misused, "--key is missing", p.receipt)
	check(t, misused, "no such file", "--key", p.key, filepath.Join(p.dir, "gone"))
	check(t, misused, "one receipt", "--key", p.key)
	check(t, misused, "not defined", "--kay", p.key)
	check(t, misused, "Exit:", "--help")
	check(t, misused, "verifier key", "--key", "a+b+c", p.receipt)

	text, err := os.ReadFile(p.receipt)
	if err != nil {
		t.Fatal(err)
	}
	check(t, fails, "DOES NOT HOLD", "--key", p.key, p.write(t, "dearer", bytes.ReplaceAll(text, []byte(`_fen":100`), []byte(`_fen":101`))))
	check(t, fails, "DOES NOT HOLD", "--key", p.key, p.write(t, "broken", text[1:]))
	var r verify.Receipt
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	r.Orders[0].Entry.State, r.Orders[0].Entry.Proof = verify.Pending, ""
	if text, err = json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	check(t, tooEarly, "NOT YET", "--key", p.key, p.write(t, "pending", text))
}

func TestLogOnDisk(t *testing.T) {
	t.Parallel()
	p := publish(t, 300, nil)
	saved := filepath.Join(p.dir, "saved")
	check(t, holds, "300 sales of 300.000 yuan", "log", "--key", p.key, "--dir", p.dir, "--fund", p.fund, "--save", saved)
	check(t, holds, "first 300 leaves", "log", "--key", p.key, "--dir", p.dir, "--since", saved)
	check(t, misused, "either", "log", "--key", p.key)
	check(t, misused, "either", "log", "--key", p.key, "--dir", "x", "--url", "y")

	less := p.write(t, "less.json", []byte(`{"levied_li":29990}`))
	check(t, fails, "published 29990, the leaves sum to 30000", "log", "--key", p.key, "--dir", p.dir, "--fund", less)
	early := p.write(t, "early.json", []byte(`{"log_size":200,"levied_li":20000,"sold_fen":20000}`))
	check(t, holds, "published figures are the sums", "log", "--key", p.key, "--dir", p.dir, "--fund", early)
	late := p.write(t, "late.json", []byte(`{"log_size":301,"levied_li":30100}`))
	check(t, fails, "try again", "log", "--key", p.key, "--dir", p.dir, "--fund", late)

	short := publish(t, 300, func(n int, l *verify.Leaf) {
		if n == 7 {
			l.Moves[1].Li = 90
		}
	})
	check(t, fails, "entry 7: verify: not exactly one tenth: 90 li of 1000 li", "log", "--key", short.key, "--dir", short.dir)

	bundle := filepath.Join(p.dir, "tile", "entries", "000")
	b, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	b[10] ^= 1
	p.write(t, "tile/entries/000", b)
	check(t, fails, "entry 0 does not have the hash", "log", "--key", p.key, "--dir", p.dir)
	if err := os.Remove(bundle); err != nil {
		t.Fatal(err)
	}
	check(t, misused, "no such file", "log", "--key", p.key, "--dir", p.dir)
}

// attestor is a witness: its verifier key, and what it cosigns with.
type attestor struct {
	key    string
	signer note.Signer
}

func newAttestor(t *testing.T, name string) attestor {
	t.Helper()
	secret, plain, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := fnote.NewSignerForCosignatureV1(secret)
	if err != nil {
		t.Fatal(err)
	}
	key, err := fnote.VKeyToCosignatureV1(plain)
	if err != nil {
		t.Fatal(err)
	}
	return attestor{key, signer}
}

// signed is the text of the checkpoint of a log on disk, signed by these.
func (p published) signed(t *testing.T, by ...note.Signer) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(b), "\n\n")
	if b, err = note.Sign(&note.Note{Text: text + "\n"}, by...); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLogOfWitnesses(t *testing.T) {
	t.Parallel()
	p := publish(t, 300, nil)
	one, two, three := newAttestor(t, "one.example"), newAttestor(t, "two.example"), newAttestor(t, "three.example")
	log := func(code int, says string, more ...string) {
		t.Helper()
		check(t, code, says, append([]string{"log", "--key", p.key, "--dir", p.dir}, more...)...)
	}
	log(misused, "no such file", "--witness", one.key)
	p.write(t, "witnessed", p.signed(t, p.signer, one.signer, two.signer))
	log(holds, "At least 2 of 2 witnesses have cosigned it", "--witness", one.key, "--witness", two.key)
	log(holds, "At least 2 of 3 witnesses", "--witness", one.key, "--witness", two.key, "--witness", three.key, "--quorum", "2")
	log(fails, "too few witnesses", "--witness", one.key, "--witness", three.key)
	log(fails, "too few witnesses", "--witness", one.key, "--witness", one.key)
	log(fails, "too few witnesses", "--witness", newAttestor(t, "one.example").key)
	log(misused, "a quorum of 3 of 2", "--witness", one.key, "--witness", two.key, "--quorum", "3")
	log(misused, "a quorum of -1 of 1", "--witness", one.key, "--quorum", "-1")
	log(misused, "a quorum of 1 of 0", "--quorum", "1")
	log(misused, "verifier key", "--witness", "one.example")
	p.write(t, "witnessed", p.signed(t, one.signer, two.signer))
	log(fails, "not a checkpoint of this log", "--witness", one.key)

	// The witnesses have not seen yet what was saved without them: it must go on from what they saw.
	behind, other := publish(t, 200, nil), publish(t, 200, func(n int, l *verify.Leaf) { l.Ref = verify.Commitment("x", strconv.Itoa(n), nil) })
	saved := p.write(t, "saved", p.signed(t, p.signer))
	p.write(t, "witnessed", behind.signed(t, p.signer, one.signer))
	for _, partial := range []string{"tile/0/000.p/200", "tile/entries/000.p/200"} {
		b, err := os.ReadFile(filepath.Join(behind.dir, filepath.FromSlash(partial)))
		if err != nil {
			t.Fatal(err)
		}
		p.write(t, partial, b)
	}
	log(holds, "The first 200 leaves are those of the checkpoint that was saved before", "--witness", one.key, "--since", saved)
	log(fails, "changed its history", "--witness", one.key, "--since", p.write(t, "forked", other.signed(t, p.signer)))
	fork := publish(t, 300, func(n int, l *verify.Leaf) { l.Ref = verify.Commitment("x", strconv.Itoa(n), nil) })
	log(fails, "changed its history", "--witness", one.key, "--since", p.write(t, "forked", fork.signed(t, p.signer)))
}

// A log that has changed its key is held against what the old key signed.
func TestLogOfANewKey(t *testing.T) {
	t.Parallel()
	p, old := publish(t, 300, nil), publish(t, 200, nil)
	since := filepath.Join(old.dir, "checkpoint")
	check(t, holds, "first 200 leaves", "log", "--key", p.key, "--dir", p.dir, "--since", since, "--since-key", old.key)
	check(t, holds, "first 200 leaves", "log", "--key", p.key, "--dir", p.dir, "--since", since, "--since-key", p.write(t, "old.key", []byte(old.key+"\n")))
	check(t, fails, "not a checkpoint of this log", "log", "--key", p.key, "--dir", p.dir, "--since", since)
	check(t, misused, "no such file", "log", "--key", p.key, "--dir", p.dir, "--since", since, "--since-key", "gone")
	other := publish(t, 200, func(n int, l *verify.Leaf) { l.Ref = verify.Commitment("x", strconv.Itoa(n), nil) })
	check(t, fails, "changed its history", "log", "--key", p.key, "--dir", p.dir, "--since", filepath.Join(other.dir, "checkpoint"), "--since-key", other.key)
	more := publish(t, 301, nil)
	check(t, fails, "300 leaves were 301", "log", "--key", p.key, "--dir", p.dir, "--since", filepath.Join(more.dir, "checkpoint"), "--since-key", more.key)
}

func TestLogOverHTTP(t *testing.T) {
	t.Parallel()
	p := publish(t, 300, nil)
	files := http.FileServer(http.Dir(p.dir))
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 3 { // once it is too much
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		http.StripPrefix("/log/", files).ServeHTTP(w, r)
	}))
	defer server.Close()
	check(t, holds, "300 leaves", "log", "--key", p.key, "--url", server.URL+"/log/", "--fund", server.URL+"/log/fund.json")
	check(t, misused, "404", "log", "--key", p.key, "--url", server.URL+"/nothing")
}

// A receipt is followed to a project by its JSON and by its page, and the shop's answer must be the log's.
func TestTrace(t *testing.T) {
	t.Parallel()
	salt := []byte("0123456789abcdef")
	ofFund := func(l *verify.Leaf, kind, source, target string, li int64) {
		*l = verify.Leaf{Kind: kind, At: l.At, Home: verify.FundHome, Ref: verify.Commitment(kind, "x", salt), Moves: []verify.Move{{What: verify.WhatGrant, Source: source, Target: target, Li: li}}}
	}
	mature := func(l *verify.Leaf, order string, li int64) {
		*l = verify.Leaf{Kind: verify.KindMature, At: l.At, Home: merchant, Ref: verify.Commitment(verify.KindMature, order, salt), Moves: []verify.Move{{What: verify.WhatTenth, Source: verify.FundPending, Target: verify.FundFree, Li: li}}}
	}
	// Of 300 leaves: another's tenth is free before the receipt's, and 130 li of both are paid to a programme.
	p := publish(t, 300, func(n int, l *verify.Leaf) {
		switch n {
		case 294:
			mature(l, "another", 100)
		case 295:
			mature(l, "order-299", 100)
		case 296:
			ofFund(l, verify.KindGrant, verify.FundFree, verify.Committed+"g", 150)
		case 297:
			ofFund(l, verify.KindGrantPayment, verify.Committed+"g", verify.Programme+"school", 130)
		}
	})
	const answer = `{"leaves":300,"orders":[{"order_id":"order-299","inflows":[{"position":{"n":1,"kind":"mature","index":295,"place":0,"from_li":100,"to_li":200},
		"committed_li":20,"free_li":50,"parts_left_out":0,"parts":[{"from_li":100,"to_li":130,"late":false,"outflow":{"n":0,"kind":"grant_payment","index":297,"place":0,"from_li":0,"to_li":130}}]}]}]}`
	same := p.write(t, "same.json", []byte(answer))
	check(t, fails, "entry 295 is not on the receipt", "trace", "--key", p.key, "--dir", p.dir, "--answer", same, p.receipt)
	p.matured(t, 295, "order-299")
	check(t, holds, "free since entry 295, li 100 to 200", "trace", "--key", p.key, "--dir", p.dir, p.receipt)
	check(t, holds, "0.030  to programme:school  (entry 297)", "trace", "--key", p.key, "--dir", p.dir, p.receipt)
	check(t, holds, "0.020  promised", "trace", "--key", p.key, "--dir", p.dir, p.receipt)
	check(t, holds, "0.050  free", "trace", "--key", p.key, "--dir", p.dir, p.receipt)
	check(t, holds, "holds 29.470 yuan, of which 29.400 may still be returned\n  programmes were promised 0.020 yuan of it, and were paid 0.130 yuan", "log", "--key", p.key, "--dir", p.dir)
	check(t, misused, "either", "trace", "--key", p.key, p.receipt)
	check(t, misused, "one receipt", "trace", "--key", p.key, "--dir", p.dir)
	text, err := os.ReadFile(p.receipt)
	if err != nil {
		t.Fatal(err)
	}
	page := p.write(t, "page.html", []byte(`<!doctype html><pre id="receipt">`+html.EscapeString(string(text))+`</pre>`))
	check(t, holds, "It holds", page, "--key", p.key)
	check(t, holds, "0.030  to programme:school", "trace", "--key", p.key, "--dir", p.dir, page)

	check(t, holds, "The shop says the same", "trace", "--key", p.key, "--dir", p.dir, "--answer", same, p.receipt)
	for from, to := range map[string]string{
		`"to_li":130,"late"`: `"to_li":131,"late"`, `"committed_li":20`: `"committed_li":10`, `"index":297`: `"index":296`, `"index":295`: `"index":294`,
		`"parts_left_out":0`: `"parts_left_out":1`, `"late":false`: `"late":true`, `"leaves":300`: `"leaves":301`, `"n":1`: `"n":2`, `"orders":`: `"order":`,
		`"order-299"`: `"order-298"`, `"inflows":[`: `"inflows":[{"position":{"n":0,"kind":"mature","index":294,"place":0,"from_li":0,"to_li":100}},`,
	} {
		other := p.write(t, "other.json", []byte(strings.Replace(answer, from, to, 1)))
		check(t, fails, "DOES NOT HOLD", "trace", "--key", p.key, "--dir", p.dir, "--answer", other, p.receipt)
	}
	early := p.write(t, "early.json", []byte(`{"leaves":297,"orders":[{"order_id":"order-299","inflows":[{"position":{"n":1,"kind":"mature","index":295,"place":0,"from_li":100,"to_li":200},"committed_li":50,"free_li":50,"parts":[]}]}]}`))
	check(t, holds, "by 297 leaves", "trace", "--key", p.key, "--dir", p.dir, "--answer", early, p.receipt)
}

// matured puts the maturing of an order, a leaf of the log, onto the receipt.
func (p published) matured(t *testing.T, index int64, order string) {
	t.Helper()
	text, err := os.ReadFile(p.receipt)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.ParseReceipt(text)
	if err != nil {
		t.Fatal(err)
	}
	l, err := verify.NewLog(p.key)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := os.ReadFile(filepath.Join(p.dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Checkpoint(signed)
	if err != nil {
		t.Fatal(err)
	}
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, n := range at {
			out[i] = hashes[n]
		}
		return out, nil
	})
	err = verify.Walk(t.Context(), folder(p.dir), c, func(n int64, leaf []byte) error {
		h, err := tlog.StoredHashes(n, leaf, reader)
		hashes = append(hashes, h...)
		if n == index {
			r.Orders[0].Maturing = &verify.Entry{State: verify.Proven, Name: order, Salt: r.Orders[0].Entry.Salt, Leaf: string(leaf)}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	path, err := tlog.ProveRecord(c.Size, index, reader)
	if err != nil {
		t.Fatal(err)
	}
	r.Orders[0].Maturing.Proof = verify.FormatProof(index, path, signed)
	if text, err = json.Marshal(r); err != nil {
		t.Fatal(err)
	}
	p.write(t, "receipt.json", text)
}
