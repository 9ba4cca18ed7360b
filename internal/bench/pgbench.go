package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed checkout.sql
var checkoutScript string

//go:embed capture.sql
var captureScript string

//go:embed yardstick.sql
var yardstickSetup string

// yardstick is the same sale done by pgbench, in the same database.
type yardstick struct {
	bin  string // pgbench
	url  string // of the application's role
	dir  string
	wish size
	runs int
}

// newYardstick prepares the database. Its folder is where the scripts are put.
func newYardstick(ctx context.Context, s *shop, dir string, wish size) (*yardstick, error) {
	place, err := s.Database()
	if err != nil {
		return nil, err
	}
	y := &yardstick{url: place.URL, dir: dir, wish: wish}
	if y.bin, err = pgbench(); err != nil {
		return nil, err
	}
	owner, err := pgx.Connect(ctx, place.OwnerURL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = owner.Close(ctx) }()
	if _, err := owner.Exec(ctx, yardstickSetup); err != nil {
		return nil, err
	}
	for client, token := range s.Tokens {
		sum := sha256.Sum256([]byte(token))
		if _, err := owner.Exec(ctx, "INSERT INTO yardstick (client, token_hash) VALUES ($1, $2)", client, sum[:]); err != nil {
			return nil, err
		}
	}
	for name, script := range map[string]string{"checkout": checkoutScript, "sale": checkoutScript + captureScript} {
		if err := os.WriteFile(y.script(name), []byte(script), 0o600); err != nil {
			return nil, err
		}
	}
	return y, nil
}

func (y *yardstick) script(name string) string { return filepath.Join(y.dir, name+".sql") }

// pgbench is the newest one, beside the server's programs or in PATH.
func pgbench() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench") // the pattern is well formed
	newest, best := "", -1
	for _, path := range found {
		major, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err == nil && major > best {
			newest, best = path, major
		}
	}
	if newest != "" {
		return newest, nil
	}
	path, err := exec.LookPath("pgbench")
	if err != nil {
		return "", fmt.Errorf("pgbench comes with the package postgresql: %w", err)
	}
	return path, nil
}

var (
	tps     = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)
	latency = regexp.MustCompile(`(?m)^latency average = ([0-9.]+) ms`)
	failed  = regexp.MustCompile(`(?m)^number of failed transactions: ([1-9]\d*)`)
)

// run runs one script with so many clients, and gives how often it was run a
// second and how long it took on average.
func (y *yardstick) run(ctx context.Context, name string, clients int, length time.Duration) (rate float64, mean time.Duration, err error) {
	y.runs++
	place, err := url.Parse(y.url)
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.CommandContext(ctx, y.bin, "--no-vacuum", "--protocol=prepared", "--file="+y.script(name),
		"--client="+strconv.Itoa(clients), "--jobs="+strconv.Itoa(min(clients, 2)), "--time="+strconv.Itoa(int(length.Seconds())),
		"--define=n=0", "--define=run="+strconv.Itoa(y.runs), "--define=merchants="+strconv.Itoa(y.wish.merchants), "--define=products="+strconv.Itoa(y.wish.products),
		"--host="+place.Query().Get("host"), "--port="+place.Query().Get("port"), "--username="+place.User.Username(), place.Path[1:])
	var says, complains bytes.Buffer
	cmd.Stdout, cmd.Stderr = &says, &complains
	if err := cmd.Run(); err != nil {
		return 0, 0, fmt.Errorf("pgbench: %w: %s", err, bytes.TrimSpace(complains.Bytes()))
	}
	rates, means := tps.FindSubmatch(says.Bytes()), latency.FindSubmatch(says.Bytes())
	if rates == nil || means == nil || failed.Match(says.Bytes()) {
		return 0, 0, fmt.Errorf("pgbench says: %s %s", says.Bytes(), complains.Bytes())
	}
	if rate, err = strconv.ParseFloat(string(rates[1]), 64); err != nil {
		return 0, 0, err
	}
	ms, err := strconv.ParseFloat(string(means[1]), 64)
	return rate, time.Duration(ms * float64(time.Millisecond)), err
}
