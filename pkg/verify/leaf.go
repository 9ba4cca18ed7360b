// Package verify checks what Shiyi publishes, with published data alone: the
// leaves of its public log, the tree over them, signed checkpoints, proofs of
// inclusion and of consistency, the tenth in every sale, and receipts. It needs
// no server, no database and nothing else of Shiyi's, so that a stranger can
// read it in an hour and trust it.
//
// The server writes its leaves with the same code. Tree and signatures are the
// Go project's (golang.org/x/mod/sumdb), the file formats are those of
// https://c2sp.org: tlog-tiles, tlog-checkpoint, tlog-proof and signed-note.
package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// LeafFormat is the first line of every leaf.
const LeafFormat = "shiyi.leaf/v1"

// FundHome is the home of leaves that belong to the fund and to no merchant.
const FundHome = "fund"

// Limits of a leaf.
const (
	MaxLeaf = 1<<16 - 1 // bytes: the C2SP entry bundle prefixes an entry with a uint16
	MaxLi   = 1e15      // li in one move: ten times what one payment may be
)

// leafTime is RFC 3339 in UTC with always six digits of a second.
const leafTime = "2006-01-02T15:04:05.000000Z"

// ErrLeaf says that bytes are not a leaf, or that a leaf cannot be written in
// the one form that leaves have.
var ErrLeaf = errors.New("verify: not a leaf")

// Move is an amount that one account gives to another, in li (1 fen = 10 li).
type Move struct {
	What   string // what it is for: WhatGoods, WhatShipping, WhatTenth, …
	Source string // the account that gives, "merchant:…:payable"
	Target string // the account that receives
	Li     int64  // > 0
}

// Leaf is one transfer of the book, as the public log holds it. It names no
// person: Ref is a commitment to the name of what was paid for (see
// Commitment), and only who was given the salt can tell which leaf is theirs.
//
// A leaf of a document has no moves, and the digest of what was published instead: a
// policy, a report, the sealing of a period. A sealed leaf has only Sealed, and commits to
// a transfer that the public does not see (see Leaf.Seal).
type Leaf struct {
	Kind  string    // KindSale, KindRefund, …
	At    time.Time // UTC, to the microsecond
	Home  string    // the merchant's UUID, or "fund"
	Ref   string    // 64 hexadecimal digits, see Commitment
	Moves []Move

	Document string // SHA-256 of a published document in hexadecimal, or "" for a transfer
	Sealed   string // 64 hexadecimal digits, or "" for a leaf in clear
}

// Commitment hides the name of a transfer's cause (for a sale, the order's
// id): SHA-256 over the kind, the name and a random salt, so that even a name
// that can be guessed is hidden. kind must hold no line feed.
func Commitment(kind, name string, salt []byte) string {
	sum := sha256.Sum256([]byte("shiyi.ref/v1\n" + kind + "\n" + name + "\n" + hex.EncodeToString(salt) + "\n"))
	return hex.EncodeToString(sum[:])
}

// Seal hides the leaf: the result is a sealed leaf's bytes, which commit to l and
// salt and show neither. The digest is SHA-256 over l's bytes and the line
// "salt <hex>".
func (l Leaf) Seal(salt []byte) ([]byte, error) {
	b, err := l.Bytes()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(fmt.Appendf(b, "salt %x\n", salt))
	return Leaf{Sealed: hex.EncodeToString(sum[:])}.Bytes()
}

// Bytes is the leaf in its one canonical form: lines that end in "\n", fields
// parted by one space. What cannot be written so that it reads back the same is
// ErrLeaf.
func (l Leaf) Bytes() ([]byte, error) {
	if l.Sealed != "" {
		if !isDigest(l.Sealed) || l.Kind != "" || l.Home != "" || l.Ref != "" || len(l.Moves) != 0 || l.Document != "" || !l.At.IsZero() {
			return nil, fmt.Errorf("%w: a sealed leaf has a digest and nothing else", ErrLeaf)
		}
		return []byte(LeafFormat + "\nsealed " + l.Sealed + "\n"), nil
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 200+150*len(l.Moves))
	b = fmt.Appendf(b, "%s\nkind %s\nat %s\nhome %s\nref %s\n", LeafFormat, l.Kind, l.At.Format(leafTime), l.Home, l.Ref)
	if l.Document != "" {
		b = append(b, "document "+l.Document+"\n"...)
	}
	for _, m := range l.Moves {
		b = append(b, "move "...)
		b = append(b, m.What+" "+m.Source+" "+m.Target+" "...)
		b = strconv.AppendInt(b, m.Li, 10)
		b = append(b, '\n')
	}
	if len(b) > MaxLeaf {
		return nil, fmt.Errorf("%w: %d bytes are more than %d", ErrLeaf, len(b), MaxLeaf)
	}
	return b, nil
}

// check refuses a leaf in clear that has no canonical form.
func (l Leaf) check() error {
	switch {
	case !isToken(l.Kind):
		return fmt.Errorf("%w: kind %q", ErrLeaf, l.Kind)
	case !isToken(l.Home):
		return fmt.Errorf("%w: home %q", ErrLeaf, l.Home)
	case !isDigest(l.Ref):
		return fmt.Errorf("%w: ref %q", ErrLeaf, l.Ref)
	case l.At.Location() != time.UTC || l.At.Nanosecond()%1000 != 0 || l.At.Year() < 1 || l.At.Year() > 9999:
		return fmt.Errorf("%w: %s is not UTC in microseconds", ErrLeaf, l.At)
	case (len(l.Moves) == 0) != isDigest(l.Document) || l.Document != "" && !isDigest(l.Document):
		return fmt.Errorf("%w: either moves or one document", ErrLeaf)
	}
	for _, m := range l.Moves {
		if !isToken(m.What) || !isToken(m.Source) || !isToken(m.Target) || m.Source == m.Target || m.Li <= 0 || m.Li > MaxLi {
			return fmt.Errorf("%w: move %+v", ErrLeaf, m)
		}
	}
	return nil
}

// ParseLeaf reads the canonical form and no other: ParseLeaf(b).Bytes() is b.
// Anything else is ErrLeaf.
func ParseLeaf(b []byte) (Leaf, error) {
	text, whole := strings.CutSuffix(string(b), "\n")
	lines := strings.Split(text, "\n")
	if !whole || len(b) > MaxLeaf || lines[0] != LeafFormat || len(lines) < 2 {
		return Leaf{}, fmt.Errorf("%w: it does not begin with %q, or ends amid a line", ErrLeaf, LeafFormat)
	}
	var l Leaf
	if digest, sealed := strings.CutPrefix(lines[1], "sealed "); sealed {
		l.Sealed = digest
	} else if err := l.parse(lines[1:]); err != nil {
		return Leaf{}, err
	}
	again, err := l.Bytes()
	if err != nil {
		return Leaf{}, err
	}
	if !bytes.Equal(again, b) {
		return Leaf{}, fmt.Errorf("%w: not in canonical form", ErrLeaf)
	}
	return l, nil
}

// parse reads the lines after the first of a leaf in clear. That they are
// canonical is for the caller to see.
func (l *Leaf) parse(lines []string) error {
	const head = 4
	if len(lines) < head {
		return fmt.Errorf("%w: %d lines", ErrLeaf, len(lines)+1)
	}
	l.Kind = strings.TrimPrefix(lines[0], "kind ")
	at, err := time.Parse(leafTime, strings.TrimPrefix(lines[1], "at "))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLeaf, err)
	}
	l.At = at
	l.Home = strings.TrimPrefix(lines[2], "home ")
	l.Ref = strings.TrimPrefix(lines[3], "ref ")
	if digest, is := strings.CutPrefix(lines[len(lines)-1], "document "); is && len(lines) == head+1 {
		l.Document = digest
		return nil
	}
	for _, line := range lines[head:] {
		f := strings.Split(line, " ")
		if len(f) != 5 {
			return fmt.Errorf("%w: line %q", ErrLeaf, line)
		}
		li, err := strconv.ParseInt(f[4], 10, 64)
		if err != nil {
			return fmt.Errorf("%w: amount: %w", ErrLeaf, err)
		}
		l.Moves = append(l.Moves, Move{What: f[1], Source: f[2], Target: f[3], Li: li})
	}
	return nil
}

// isToken reports whether s is one field of a line: visible ASCII, no space.
func isToken(s string) bool {
	const longest = 200
	if s == "" || len(s) > longest {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isDigest reports whether s is a SHA-256 digest in lower-case hexadecimal.
func isDigest(s string) bool {
	if len(s) != hex.EncodedLen(sha256.Size) {
		return false
	}
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return true
}
