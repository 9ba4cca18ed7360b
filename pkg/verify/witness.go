package verify

import (
	"errors"
	"fmt"
	"time"

	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// WitnessedPath is where the newest checkpoint that a witness has cosigned is published, under
// the log's prefix.
const WitnessedPath = "witnessed"

// Faults of witnessing.
var (
	ErrWitnessKey = errors.New("verify: not a witness's verifier key")
	ErrQuorum     = errors.New("verify: too few witnesses have cosigned the checkpoint")
)

// Witness is somebody who cosigns checkpoints of logs, each only where it extends what he
// cosigned before (https://c2sp.org/tlog-cosignature). Whoever demands the cosignatures of
// witnesses cannot be shown another history than they were.
type Witness struct{ verifier note.Verifier }

// NewWitness makes a Witness of his verifier key, whose algorithm is that of timestamped
// Ed25519 cosignatures or plain Ed25519. What is neither is ErrWitnessKey.
func NewWitness(vkey string) (Witness, error) {
	v, err := fnote.NewVerifierForCosignatureV1(vkey)
	if err != nil {
		return Witness{}, fmt.Errorf("%w: %w", ErrWitnessKey, err)
	}
	return Witness{v}, nil
}

// Name is what the witness calls himself.
func (w Witness) Name() string { return w.verifier.Name() }

// Cosignature is what a witness says of a checkpoint: at this time it was the largest tree of
// this log that he knew, and it extended all before.
type Cosignature struct {
	Line string    // as it stands below the checkpoint, without its line feed
	At   time.Time // by the witness's clock, in whole seconds UTC
}

// Cosigned finds the cosignature of a witness below a signed checkpoint and checks it; false
// where there is none that is his.
func (w Witness) Cosigned(signed []byte) (Cosignature, bool) {
	n, err := note.Open(signed, note.VerifierList(w.verifier))
	if err != nil {
		return Cosignature{}, false
	}
	at, err := fnote.CoSigV1Timestamp(n.Sigs[0])
	if err != nil || at.Unix() <= 0 {
		return Cosignature{}, false
	}
	return Cosignature{Line: "— " + n.Sigs[0].Name + " " + n.Sigs[0].Base64, At: at.UTC()}, true
}

// Quorum demands that at least so many of the witnesses have cosigned a signed checkpoint, each
// counted once. Else ErrQuorum, with who has.
func Quorum(signed []byte, witnesses []Witness, quorum int) error {
	names := map[string]bool{}
	for _, w := range witnesses {
		if _, ok := w.Cosigned(signed); ok {
			names[fmt.Sprintf("%s+%08x", w.verifier.Name(), w.verifier.KeyHash())] = true
		}
	}
	if len(names) < quorum {
		return fmt.Errorf("%w: %d of %d that are demanded", ErrQuorum, len(names), quorum)
	}
	return nil
}
