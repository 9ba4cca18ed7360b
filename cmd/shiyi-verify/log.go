package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/shiyi-market/shiyi/pkg/verify"
)

// log checks the public log.
func log(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("log", flag.ContinueOnError)
	key, dir, url := flags.String("key", "", ""), flags.String("dir", "", ""), flags.String("url", "", "")
	quorum, witnesses := flags.Int("quorum", 0, ""), []verify.Witness(nil)
	flags.Func("witness", "", func(vkey string) error {
		w, err := verify.NewWitness(vkey)
		witnesses = append(witnesses, w)
		return err
	})
	fund, since, save := flags.String("fund", "", ""), flags.String("since", "", ""), flags.String("save", "", "")
	sinceKey := flags.String("since-key", "", "")
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	if len(rest) != 0 || (*dir == "") == (*url == "") {
		return fmt.Errorf("%w: give either --url or --dir; see shiyi-verify --help", errUse)
	}
	l, err := known(*key)
	if err != nil {
		return err
	}
	var src verify.Source = folder(*dir)
	if *url != "" {
		src = site(*url)
	}
	if *quorum == 0 {
		*quorum = len(witnesses)
	}
	if *quorum < 0 || *quorum > len(witnesses) {
		return fmt.Errorf("%w: a quorum of %d of %d witnesses; see shiyi-verify --help", errUse, *quorum, len(witnesses))
	}
	a := audit{log: l, src: src, witnesses: witnesses, quorum: *quorum}
	if a.statement, err = statement(ctx, *fund); err != nil {
		return err
	}
	if err := a.walk(ctx); err != nil {
		return err
	}
	older := l
	if *sinceKey != "" {
		if older, err = known(*sinceKey); err != nil {
			return err
		}
	}
	if err := a.since(ctx, *since, older); err != nil {
		return err
	}
	a.report(out)
	if *save != "" {
		const readable = 0o644
		if err := os.WriteFile(*save, a.signed, readable); err != nil {
			return fmt.Errorf("%w: %w", errUse, err)
		}
	}
	return nil
}

// audit is one reading of a log.
type audit struct {
	log       verify.Log
	src       verify.Source
	statement *verify.Statement // what the fund says; nil when not asked for
	witnesses []verify.Witness  // those who are trusted
	quorum    int               // how many of them must have cosigned

	signed     []byte
	checkpoint verify.Checkpoint
	totals     verify.Totals
	extended   int64 // leaves of the older checkpoint; -1 without one
}

// walk reads everything and checks it, and the fund's figures with it.
func (a *audit) walk(ctx context.Context) error {
	var err error
	path := verify.CheckpointPath
	if a.quorum > 0 {
		path = verify.WitnessedPath // the newest that has had time to be cosigned
	}
	if a.signed, err = a.src.File(ctx, path); err != nil {
		return err
	}
	if err := verify.Quorum(a.signed, a.witnesses, a.quorum); err != nil {
		return err
	}
	if a.checkpoint, err = a.log.Checkpoint(a.signed); err != nil {
		return err
	}
	told := a.checkpoint.Size // the figures tell of so many leaves
	if a.statement != nil && a.statement.LogSize != nil {
		if told = *a.statement.LogSize; told < 0 || told > a.checkpoint.Size {
			return fmt.Errorf("%w: the figures tell of %d leaves, %d are signed: try again", verify.ErrStatement, told, a.checkpoint.Size)
		}
	}
	var claims, broken error
	compare := func() {
		if a.statement != nil && a.totals.Leaves == told {
			claims = a.totals.Compare(*a.statement)
		}
	}
	compare()
	err = verify.Walk(ctx, a.src, a.checkpoint, func(index int64, leaf []byte) error {
		l, err := verify.ParseLeaf(leaf)
		if err == nil {
			err = a.totals.Add(l)
		}
		if err != nil {
			broken = errors.Join(broken, fmt.Errorf("entry %d: %w", index, err))
		}
		compare()
		return nil
	})
	return errors.Join(err, broken, claims)
}

// since holds the log against a checkpoint that was saved before.
func (a *audit) since(ctx context.Context, path string, by verify.Log) error {
	a.extended = -1
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: %w", errUse, err)
	}
	older, err := by.Checkpoint(text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	newer := a.checkpoint
	if a.quorum > 0 && older.Size > newer.Size {
		older, newer = newer, older // the witnesses have not seen yet what was saved without them
	}
	a.extended = older.Size
	return verify.Extends(ctx, a.src, older, newer)
}

// report says what was found, when all holds.
func (a *audit) report(out io.Writer) {
	t := a.totals
	fmt.Fprintf(out, "Log %s: %d leaves (%d sealed), root %s\n", a.checkpoint.Origin, t.Leaves, t.Sealed, a.checkpoint.Root)
	fmt.Fprintf(out, "  %d sales of %s yuan, exactly one tenth of each to the fund: %s yuan\n", t.Sales, yuan(t.SoldLi), yuan(t.LeviedLi))
	fmt.Fprintf(out, "  %d refunds of %s yuan, with their tenth: %s yuan\n", t.Refunds, yuan(t.RefundedLi), yuan(t.ReturnedLi))
	fmt.Fprintf(out, "  the education fund holds %s yuan, of which %s may still be returned\n", yuan(t.PendingLi+t.FreeLi+t.HeldLi+t.CommittedLi), yuan(t.PendingLi))
	if t.CommittedLi != 0 || t.SpentLi != 0 {
		fmt.Fprintf(out, "  programmes were promised %s yuan of it, and were paid %s yuan\n", yuan(t.CommittedLi), yuan(t.SpentLi))
	}
	if a.quorum > 0 {
		fmt.Fprintf(out, "At least %d of %d witnesses have cosigned it.\n", a.quorum, len(a.witnesses))
	}
	if a.statement != nil {
		fmt.Fprintln(out, "The published figures are the sums of the leaves.")
	}
	if a.extended >= 0 {
		fmt.Fprintf(out, "The first %d leaves are those of the checkpoint that was saved before.\n", a.extended)
	}
	fmt.Fprintln(out, "It holds.")
}

// statement reads the fund's published figures from a file or an address.
func statement(ctx context.Context, from string) (*verify.Statement, error) {
	if from == "" {
		return nil, nil
	}
	var text []byte
	var err error
	if strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://") {
		text, err = fetch(ctx, logged(from))
	} else if text, err = os.ReadFile(from); err != nil {
		err = fmt.Errorf("%w: %w", errUse, err)
	}
	if err != nil {
		return nil, err
	}
	var s verify.Statement
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errUse, from, err)
	}
	return &s, nil
}

// logged asks for the figures of what the log has numbered: while the shop sells, those of the book
// are ahead of it.
func logged(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	q.Set("logged", "true")
	u.RawQuery = q.Encode()
	return u.String()
}

// folder is a log that was copied to disk.
type folder string

// File implements verify.Source.
func (f folder) File(_ context.Context, path string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(string(f), filepath.FromSlash(path)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUse, err)
	}
	return b, nil
}

// site is a log that is served over HTTP under this address.
type site string

// File implements verify.Source.
func (s site) File(ctx context.Context, path string) ([]byte, error) {
	return fetch(ctx, strings.TrimSuffix(string(s), "/")+"/"+path)
}

// Limits of a download.
const (
	timeout  = 30 * time.Second
	largest  = verify.TileWidth * (verify.MaxLeaf + 2) // bytes: a full bundle of the longest entries
	attempts = 6
)

// fetch gets a file. When the server asks for patience it waits, as long as it
// is told to, a few times.
func fetch(ctx context.Context, address string) ([]byte, error) {
	client := http.Client{Timeout: timeout}
	for n := 1; ; n++ {
		body, wait, err := get(ctx, &client, address)
		if err == nil || wait == 0 || n == attempts {
			return body, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errUse, ctx.Err())
		}
	}
}

// get is one attempt. wait is how long to wait before the next, 0 when there is no
// point in one.
func get(ctx context.Context, client *http.Client, address string) (body []byte, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errUse, err)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", errUse, err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		seconds, perr := strconv.Atoi(res.Header.Get("Retry-After"))
		if perr != nil || seconds < 1 || seconds > int(timeout/time.Second) {
			seconds = 1
		}
		return nil, time.Duration(seconds) * time.Second, fmt.Errorf("%w: %s: %s", errUse, address, res.Status)
	default:
		return nil, 0, fmt.Errorf("%w: %s: %s", errUse, address, res.Status)
	}
	body, err = io.ReadAll(io.LimitReader(res.Body, largest+1))
	if err == nil && len(body) > largest {
		err = errors.New("more than a tile can hold")
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %s: %w", errUse, address, err)
	}
	return body, 0, nil
}
