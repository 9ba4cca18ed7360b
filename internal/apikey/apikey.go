// Package apikey lets an enterprise's own systems call in its name. A key
// belongs to one enterprise and reaches only the operations whose scope it has;
// it acts for the person who made it, and is worth nothing while that person may
// not sell for the enterprise. Only a key's hash is kept.
package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"hash/crc32"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
)

// Faults of API keys.
var (
	// ErrScope says that a key does not reach the operation that it was used for.
	ErrScope = fault.New(fault.Forbidden, "apikey.scope", "The API key does not reach this operation", "该接口密钥无权调用此操作")
	// ErrUnknown says that there is no such key of an enterprise that the caller sells for.
	ErrUnknown = fault.New(fault.NotFound, "apikey.not_found", "No such API key", "接口密钥不存在")
	// ErrMerchant says that the caller sells for no such enterprise.
	ErrMerchant = fault.New(fault.NotFound, "apikey.merchant_not_found", "No such enterprise", "企业不存在")
	// ErrInvalid names what is wrong with a key that is asked for.
	ErrInvalid = fault.New(fault.Invalid, "apikey.invalid", "The API key cannot be made like this", "接口密钥的参数有误")
	// ErrTooMany says that the enterprise has MaxLive keys in force already.
	ErrTooMany = fault.New(fault.Refused, "apikey.too_many", "The enterprise has too many API keys in force", "该企业有效的接口密钥数量已达上限")
	// ErrRevoked says that the key was revoked before.
	ErrRevoked = fault.New(fault.Conflict, "apikey.revoked", "The API key is revoked already", "该接口密钥已被吊销")
)

// MaxLive is how many keys of one enterprise are in force at most, and Longest
// how long one may be good for: who forgets a key is reminded by its end.
const (
	MaxLive = 20
	Longest = 365 * 24 * time.Hour
)

// Scope is a kind of operation that a key may be made for. An operation of the
// contract names its own in x-scope; one that names none takes no keys.
type Scope string

// The scopes. Whoever lets keys call a new kind of operation adds one here and
// in the contract's schema ApiKeyScope.
const (
	OrdersRead     Scope = "orders:read"     // paid orders, without buyers' names
	ProductsRead   Scope = "products:read"   // the enterprise's goods, on sale or not
	ProductsWrite  Scope = "products:write"  // their prices
	ShipmentsRead  Scope = "shipments:read"  // what is to be shipped, with the names and addresses that parcels bear
	ShipmentsWrite Scope = "shipments:write" // parcels, one by one or by sheet
	StockWrite     Scope = "stock:write"     // pieces on the shelf
	WebhooksManage Scope = "webhooks:manage" // where events are sent, and what became of them
)

// Scopes are all of them, by name.
func Scopes() []Scope {
	return []Scope{OrdersRead, ProductsRead, ProductsWrite, ShipmentsRead, ShipmentsWrite, StockWrite, WebhooksManage}
}

// ID names a key. It is no secret: the key is.
type ID = id.Of[Key]

// State says what a key is worth.
type State string

// The states of a key. Live is the only one that lets anybody in.
const (
	Live    State = "live"
	Dormant State = "dormant" // who made it may not sell for the enterprise at present
	Expired State = "expired"
	Revoked State = "revoked"
)

// Key is a key without its secret.
type Key struct {
	ID         ID
	Merchant   uuid.UUID
	Name       string
	Prefix     string // its first 17 characters, by which people know it again
	Scopes     []Scope
	MadeBy     identity.ID
	State      State // as of the time of reading
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt time.Time // to the minute; zero: never
	RevokedAt  time.Time // zero: it was not
}

// state is what k is worth at a time; sells says whether its maker may sell for
// its enterprise.
func (k Key) state(at time.Time, sells bool) State {
	switch {
	case !k.RevokedAt.IsZero():
		return Revoked
	case !at.Before(k.ExpiresAt):
		return Expired
	case !sells:
		return Dormant
	}
	return Live
}

// Revoke ends k for ever. ErrRevoked when it has been.
func (k *Key) Revoke(at time.Time) error {
	if !k.RevokedAt.IsZero() {
		return ErrRevoked
	}
	k.State, k.RevokedAt = Revoked, at
	return nil
}

// Making is a key that somebody asks for.
type Making struct {
	Merchant  uuid.UUID
	Name      string // 1 to 64 characters
	Scopes    []Scope
	ExpiresAt time.Time // at most Longest from now
}

// maxName bounds a name, in characters.
const maxName = 64

// check gives m as it is kept, or ErrInvalid naming what is wrong.
func (m Making) check(now time.Time) (Making, error) {
	bad := ErrInvalid
	m.Name = strings.TrimSpace(m.Name)
	if n := utf8.RuneCountInString(m.Name); n < 1 || n > maxName || strings.ContainsFunc(m.Name, unicode.IsControl) {
		bad = bad.At("/name", "length", "1 to 64 characters")
	}
	m.Scopes = slices.Compact(slices.Sorted(slices.Values(m.Scopes)))
	if len(m.Scopes) == 0 {
		bad = bad.At("/scopes", "minItems", "at least one scope")
	}
	for _, s := range m.Scopes {
		if !slices.Contains(Scopes(), s) {
			bad = bad.At("/scopes", "enum", "no such scope")
			break
		}
	}
	m.ExpiresAt = m.ExpiresAt.UTC().Truncate(time.Microsecond)
	if !m.ExpiresAt.After(now) || m.ExpiresAt.After(now.Add(Longest)) {
		bad = bad.At("/expires_at", "range", "later than now, and at most 365 days from now")
	}
	if len(bad.Fields) > 0 {
		return m, bad
	}
	return m, nil
}

// A key is mark, then 32 random bytes in base64url, then six characters that
// follow from all of it: a scanner that finds one in a public place can tell it
// from other text, and a slip of the pen is told without asking the database.
const (
	mark        = "shy_live_"
	randomBytes = 32
	sumLength   = 6
	keyLength   = len(mark) + 43 + sumLength
	shownLength = len(mark) + 8
)

// newKey makes a key.
func newKey() string {
	var b [randomBytes]byte
	// crypto/rand.Read never returns an error (it aborts the program instead).
	_, _ = rand.Read(b[:])
	body := mark + base64.RawURLEncoding.EncodeToString(b[:])
	return body + checksum(body)
}

// checksum is the CRC-32 (IEEE) of body in base 62, digits first, six long.
func checksum(body string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := crc32.ChecksumIEEE([]byte(body))
	var out [sumLength]byte
	for i := range out {
		out[sumLength-1-i] = digits[sum%62]
		sum /= 62
	}
	return string(out[:])
}

// Looks reports whether a bearer token is meant to be an API key, good or not.
func Looks(token string) bool { return strings.HasPrefix(token, mark) }

// hashOf is what is kept of a key, or false when it cannot be one of ours.
func hashOf(key string) ([]byte, bool) {
	if len(key) != keyLength || !Looks(key) {
		return nil, false
	}
	body, sum := key[:keyLength-sumLength], key[keyLength-sumLength:]
	if checksum(body) != sum {
		return nil, false
	}
	hash := sha256.Sum256([]byte(key))
	return hash[:], true
}
