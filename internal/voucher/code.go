package voucher

import (
	"crypto/rand"
	"strings"
)

// Code is what the buyer shows: twelve random characters, which are 59 bits, and one that
// checks them. It is kept as it is read, and not as a hash: the buyer looks it up again
// as often as he likes, so whatever is kept must give the code back. What it opens is
// narrow: only people of the one enterprise can redeem it, signed in and each time
// written down, and they owe the service for it in person.
type Code string

// alphabet has no character that is taken for another: no 0 and O, no 1, I and L. It
// has 31, a prime, so that the check finds every wrong character and every two that
// changed places.
const alphabet = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"

// random is how many characters of a code are.
const random = 12

// NewCode draws a code.
func NewCode() Code {
	const fair = 256 - 256%len(alphabet) // above it the first characters would be likelier
	var b strings.Builder
	for one := make([]byte, 1); b.Len() < random; {
		_, _ = rand.Read(one) // never fails
		if int(one[0]) < fair {
			b.WriteByte(alphabet[int(one[0])%len(alphabet)])
		}
	}
	sum, _ := check(b.String())
	b.WriteByte(alphabet[sum])
	return Code(b.String())
}

// ParseCode reads what somebody typed: small letters, hyphens and blanks do no harm.
// ErrMistyped.
func ParseCode(typed string) (Code, error) {
	s := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(typed))
	if len(s) != random+1 {
		return "", ErrMistyped
	}
	if sum, ok := check(s[:random]); !ok || s[random] != alphabet[sum] {
		return "", ErrMistyped
	}
	return Code(s), nil
}

// String is the code in groups that can be read out: "ABCD-EFGH-JKMN-P".
func (c Code) String() string {
	if len(c) != random+1 {
		return string(c)
	}
	return string(c[:4] + "-" + c[4:8] + "-" + c[8:12] + "-" + c[12:])
}

// check is the sum of the characters' places, each times its own weight from 2 on, by
// the size of the alphabet; ok is false for a character that codes do not have.
func check(s string) (sum int, ok bool) {
	for i := range len(s) {
		v := strings.IndexByte(alphabet, s[i])
		if v < 0 {
			return 0, false
		}
		sum += (i + 2) * v
	}
	return sum % len(alphabet), true
}
