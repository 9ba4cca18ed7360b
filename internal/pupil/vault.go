package pupil

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/config"
	"github.com/shiyi-market/shiyi/internal/id"
)

// Config says where the secret is that opens the records.
type Config struct {
	// Key wraps the key of each record: 32 bytes in base64. Empty: one is made in Folder
	// at the first start. It must not be where the database's backups are.
	Key config.Secret `env:"PUPIL_KEY"`
	// OldKeys opened records before Key did, separated by commas. What they wrap is wrapped
	// anew at the start; then they can go.
	OldKeys config.Secret `env:"PUPIL_OLD_KEYS"`
	// Access is how long an approved request to read a record is good.
	Access time.Duration `env:"PUPIL_ACCESS, default=1h"`
	// Folder keeps the key that was made, and which records were erased.
	Folder string
}

// Files in Config.Folder.
const (
	keyName    = "pupil.key"    // mode 0600
	erasedName = "pupil.erased" // an id a line: what stays erased, whatever backup is restored
)

const keyLength = 32 // bytes: AES-256

// secret is one that wraps the records' keys.
type secret struct {
	name  string // first digits of its digest: which secret a record needs
	wraps cipher.AEAD
	index []byte // makes the blind index
}

// vault seals and opens records.
type vault struct {
	now    secret
	all    map[string]secret
	erased string // path of the file
}

func openVault(c Config) (vault, error) {
	v := vault{all: map[string]secret{}, erased: filepath.Join(c.Folder, erasedName)}
	text := c.Key.Reveal()
	if text == "" {
		var err error
		if text, err = keyFile(filepath.Join(c.Folder, keyName)); err != nil {
			return v, err
		}
	}
	keys := []string{text}
	if old := c.OldKeys.Reveal(); old != "" {
		keys = append(keys, strings.Split(old, ",")...)
	}
	for i, k := range keys {
		s, err := newSecret(k)
		if err != nil {
			return v, fmt.Errorf("key %d of the pupils' records: %w", i+1, err)
		}
		if v.all[s.name] = s; i == 0 {
			v.now = s
		}
	}
	return v, nil
}

// keyFile reads the key, or makes it at the first start.
func keyFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return "", fmt.Errorf("keep the pupils' key: %w", err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return "", fmt.Errorf("read the pupils' key: %w", err)
	}
	return string(text), nil
}

// makeKey makes the file of a key, whole or not at all, unless somebody else has made it meanwhile.
func makeKey(path string) error {
	const private = 0o700
	if err := os.MkdirAll(filepath.Dir(path), private); err != nil {
		return err
	}
	half, err := os.CreateTemp(filepath.Dir(path), ".half-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(half.Name()) }()
	raw := make([]byte, keyLength)
	_, _ = rand.Read(raw) // never fails
	_, err = half.WriteString(base64.StdEncoding.EncodeToString(raw) + "\n")
	if err = errors.Join(err, half.Sync(), half.Close()); err != nil {
		return err
	}
	if err := os.Link(half.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// newSecret makes a secret of its text. No error quotes it.
func newSecret(text string) (secret, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != keyLength {
		return secret{}, errors.New("not 32 bytes in base64")
	}
	derive := func(what string) ([]byte, error) {
		return hkdf.Key(sha256.New, raw, nil, "shiyi.pupil/v1 "+what, keyLength)
	}
	wrapping, err := derive("wrap")
	if err != nil {
		return secret{}, err
	}
	s := secret{}
	if s.wraps, err = sealer(wrapping); err != nil {
		return secret{}, err
	}
	if s.index, err = derive("index"); err != nil {
		return secret{}, err
	}
	const shown = 4
	sum := sha256.Sum256(append([]byte("shiyi.pupil/v1 name "), raw...))
	s.name = hex.EncodeToString(sum[:shown])
	return s, nil
}

func sealer(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// blind is the index of an identity number: the same number under the same secret gives the same
// 32 bytes, which tell nothing to who lacks the secret.
func (s secret) blind(programme uuid.UUID, number string) []byte {
	mac := hmac.New(sha256.New, s.index)
	mac.Write(programme[:])
	mac.Write([]byte(number))
	return mac.Sum(nil)
}

// sealed is a record as the database has it. Without wrapped nothing opens it.
type sealed struct {
	secret  string // which secret wraps its key
	wrapped []byte
	record  []byte
	index   []byte
}

// seal encrypts a person under a new key, which it wraps. Both are bound to the pupil's id: a
// record cannot be put into another's place.
func (v vault) seal(of ID, programme uuid.UUID, p Person) (sealed, error) {
	plain, err := json.Marshal(p)
	if err != nil {
		return sealed{}, err
	}
	key := make([]byte, keyLength)
	_, _ = rand.Read(key) // never fails
	with, err := sealer(key)
	if err != nil {
		return sealed{}, err
	}
	bound := []byte(of.String())
	s := sealed{secret: v.now.name, index: v.now.blind(programme, p.IDNumber)}
	s.wrapped = v.now.wraps.Seal(nil, nil, key, bound) //nolint:gosec // it draws its nonce itself (NewGCMWithRandomNonce)
	s.record = with.Seal(nil, nil, plain, bound)       //nolint:gosec // the same
	return s, nil
}

// errVault says that a record does not open: its secret is not configured, or its bytes were
// altered.
var errVault = errors.New("pupil: the record does not open")

func (v vault) open(of ID, s sealed) (Person, error) {
	var p Person
	with, ok := v.all[s.secret]
	if !ok {
		return p, fmt.Errorf("%w: secret %s is not configured", errVault, s.secret)
	}
	bound := []byte(of.String())
	key, err := with.wraps.Open(nil, nil, s.wrapped, bound)
	if err != nil {
		return p, fmt.Errorf("%w: %w", errVault, err)
	}
	opener, err := sealer(key)
	if err != nil {
		return p, err
	}
	plain, err := opener.Open(nil, nil, s.record, bound)
	if err != nil {
		return p, fmt.Errorf("%w: %w", errVault, err)
	}
	if err := json.Unmarshal(plain, &p); err != nil {
		return p, fmt.Errorf("%w: %w", errVault, err)
	}
	return p, nil
}

// forgotten are the ids that the file says are erased.
func (v vault) forgotten() (map[ID]bool, error) {
	text, err := os.ReadFile(v.erased)
	if errors.Is(err, fs.ErrNotExist) {
		return map[ID]bool{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which pupils' records were erased: %w", err)
	}
	all := map[ID]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if u, err := uuid.Parse(strings.TrimSpace(lines.Text())); err == nil {
			all[id.From[Pupil](u)] = true
		}
	}
	return all, nil
}

// forget notes, on disk before it returns, that records are erased. A line begins with its break:
// so a note that was torn off spoils none after it.
func (v vault) forget(ids []ID) error {
	const private, ours = 0o700, 0o600
	if err := os.MkdirAll(filepath.Dir(v.erased), private); err != nil {
		return fmt.Errorf("note what was erased: %w", err)
	}
	f, err := os.OpenFile(v.erased, os.O_CREATE|os.O_APPEND|os.O_WRONLY, ours)
	if err != nil {
		return fmt.Errorf("note what was erased: %w", err)
	}
	var lines strings.Builder
	for _, i := range ids {
		lines.WriteString("\n" + i.String())
	}
	_, err = f.WriteString(lines.String())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("note what was erased: %w", err)
	}
	return nil
}
