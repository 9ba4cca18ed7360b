// Package notary holds the key that the public log signs with, and the file outside the
// database that says what was signed last: the guard against a second history.
package notary

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/shiyi-market/shiyi/pkg/verify"
)

// Config says how the log is called, and where what must outlive the database is
// kept.
type Config struct {
	// Origin is the log's name for ever, by custom its address without "https://".
	Origin string `env:"LOG_ORIGIN, default=shiyi.example/log"`
	// KeyFile holds the signing key as https://pkg.go.dev/golang.org/x/mod/sumdb/note
	// writes it. Empty: a key is made in Folder at the first start.
	KeyFile string `env:"LOG_KEY_FILE"`
	// Folder keeps the key and the last signed root. It must not be restored
	// together with a backup of the database.
	Folder string
}

// Files in Config.Folder.
const (
	keyName  = "log.key"  // mode 0600
	headName = "log.head" // the checkpoint's text that was signed last, without signature
)

// Signer is the key that the log signs with.
type Signer struct {
	note.Signer
	VKey string // its public half, as https://c2sp.org/signed-note writes it
}

// Open reads the key, or makes one at the first start.
func Open(c Config) (Signer, error) {
	path := c.KeyFile
	if path == "" {
		path = filepath.Join(c.Folder, keyName)
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && c.KeyFile == "" {
		secret, _, gerr := note.GenerateKey(rand.Reader, c.Origin)
		if gerr != nil {
			return Signer{}, fmt.Errorf("make the log's key for %q: %w", c.Origin, gerr)
		}
		if err = writeFile(path, []byte(secret+"\n"), os.Link); err == nil || errors.Is(err, fs.ErrExist) {
			text, err = os.ReadFile(path) // ours, or that of who started at the same time
		}
	}
	if err != nil {
		return Signer{}, fmt.Errorf("read the log's key: %w", err)
	}
	s, err := parseKey(strings.TrimSpace(string(text)))
	if err != nil {
		return Signer{}, fmt.Errorf("the log's key in %s: %w", path, err)
	}
	if s.Name() != c.Origin {
		return Signer{}, fmt.Errorf("the log's key in %s is of %q, the log is called %q", path, s.Name(), c.Origin)
	}
	return s, nil
}

// parseKey reads "PRIVATE+KEY+<name>+<id>+<algorithm and seed>". Package note
// does the same but keeps the public half to itself.
func parseKey(text string) (Signer, error) {
	s, err := note.NewSigner(text)
	if err != nil {
		return Signer{}, errors.New("not a key as package note writes it") // without err: it may quote the key
	}
	const prefixed = 1 + ed25519.SeedSize
	raw, err := base64.StdEncoding.DecodeString(text[strings.LastIndexByte(text[:len(text)-base64.StdEncoding.EncodedLen(prefixed)+1], '+')+1:])
	if err != nil || len(raw) != prefixed {
		return Signer{}, errors.New("not an Ed25519 key")
	}
	public, ok := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return Signer{}, errors.New("not an Ed25519 key")
	}
	vkey, err := note.NewEd25519VerifierKey(s.Name(), public)
	if err != nil {
		return Signer{}, fmt.Errorf("its public half: %w", err)
	}
	return Signer{s, vkey}, nil
}

// Checkpoint makes the signed checkpoint.
func (s Signer) Checkpoint(c verify.Checkpoint) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: c.Text()}, s)
	if err != nil {
		return nil, fmt.Errorf("sign %d leaves: %w", c.Size, err)
	}
	return signed, nil
}

// Head is the file outside the database that holds what was signed last.
type Head struct{ path, origin string }

// HeadOf is that of a log.
func HeadOf(c Config) Head { return Head{filepath.Join(c.Folder, headName), c.Origin} }

// Read is what was signed last; false when nothing is known, or was signed
// under another name.
func (h Head) Read() (verify.Checkpoint, bool, error) {
	text, err := os.ReadFile(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return verify.Checkpoint{}, false, nil
	}
	if err != nil {
		return verify.Checkpoint{}, false, fmt.Errorf("read what was signed last: %w", err)
	}
	c, err := verify.ParseCheckpoint(text)
	if err != nil {
		return verify.Checkpoint{}, false, fmt.Errorf("read what was signed last in %s: %w", h.path, err)
	}
	return c, c.Origin == h.origin, nil
}

// Write notes, on disk before it returns, what is about to be signed.
func (h Head) Write(c verify.Checkpoint) error {
	text := []byte(c.Text())
	if have, err := os.ReadFile(h.path); err == nil && bytes.Equal(have, text) {
		return nil
	}
	if err := writeFile(h.path, text, os.Rename); err != nil {
		return fmt.Errorf("note what is signed: %w", err)
	}
	return nil
}

// writeFile puts a file in its place whole, and on disk, or not at all. What puts it there is os.Rename, or
// os.Link where there must be none yet.
func writeFile(path string, data []byte, put func(from, to string) error) error {
	folder := filepath.Dir(path)
	const private = 0o700
	if err := os.MkdirAll(folder, private); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = put(f.Name(), path)
	}
	if gone := os.Remove(f.Name()); !errors.Is(gone, fs.ErrNotExist) { // renamed
		err = errors.Join(err, gone)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
