// Package witness has the checkpoints of the log cosigned by others: witnesses, who keep the
// newest checkpoint that they saw and cosign a newer one only where it is proven to extend it
// (https://c2sp.org/tlog-witness). Whoever demands their cosignatures is shown the same log as
// they are, and so as everybody.
package witness

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/outbound"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// ErrNone says that no witness has cosigned a checkpoint yet.
var ErrNone = fault.New(fault.NotFound, "witness.none_yet", "No witness has cosigned a checkpoint yet", "尚无见证方联署过检查点")

// Reasons for which a witness did not cosign. They are told to the operator, not to callers.
var (
	errRefused = errors.New("witness: it did not cosign")
	errAhead   = errors.New("witness: it has cosigned more of this log than we have signed: somebody else signs with our key, or what we signed is lost")
	errSplit   = errors.New("witness: it has cosigned another tree of this size, or our tree does not extend what it cosigned")
)

// Config names the witnesses.
type Config struct {
	// List names those who are asked: verifier key, a space and address of each, parted by commas.
	List string `env:"WITNESSES"`
}

// Peer is a witness whom we ask.
type Peer struct {
	VKey string // as https://c2sp.org/signed-note writes it
	URL  string // the submission prefix, without "/add-checkpoint"

	known verify.Witness
}

// Peers reads the list. A key or an address that cannot be used is an error that names it.
func (c Config) Peers() ([]Peer, error) {
	var all []Peer
	for _, text := range strings.Split(c.List, ",") {
		f := strings.Fields(text)
		if len(f) == 0 {
			continue
		}
		if len(f) != 2 {
			return nil, fmt.Errorf("WITNESSES: %q is not a verifier key and an address", text)
		}
		known, err := verify.NewWitness(f[0])
		if err != nil {
			return nil, fmt.Errorf("WITNESSES: %q: %w", f[0], err)
		}
		if why := outbound.CheckURL(f[1], false); why != "" {
			return nil, fmt.Errorf("WITNESSES: %q: %s", f[1], why)
		}
		all = append(all, Peer{f[0], strings.TrimSuffix(f[1], "/"), known})
	}
	return all, nil
}

// Seen is what a witness has cosigned last.
type Seen struct {
	Name, VKey string
	Size       *int64     // leaves; nil: nothing yet
	CosignedAt *time.Time // by its own clock
}

// request is the body that asks for a cosignature.
func request(old int64, proof tlog.TreeProof, signed []byte) []byte {
	b := fmt.Appendf(nil, "old %d\n", old)
	for _, h := range proof {
		b = append(b, h.String()+"\n"...)
	}
	return append(append(b, '\n'), signed...)
}

// skew is how far a witness's clock may run ahead of ours.
const skew = 5 * time.Minute

// accept takes the peer's cosignature out of its answer.
func (p Peer) accept(signed, answer []byte, now time.Time) (verify.Cosignature, error) {
	c, ok := p.known.Cosigned(append(append([]byte(nil), signed...), answer...))
	switch {
	case !ok:
		return c, fmt.Errorf("%w: its answer has no cosignature of its key", errRefused)
	case c.At.After(now.Add(skew)):
		return c, fmt.Errorf("%w: its clock says %s", errRefused, c.At.Format(time.RFC3339))
	}
	return c, nil
}
