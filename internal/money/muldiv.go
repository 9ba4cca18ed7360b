package money

import "math/bits"

// mulDiv is a·b/c and a·b mod c over 128 bits, for b ≤ c, so that the quotient
// always fits.
func mulDiv(a, b, c uint64) (quotient, remainder uint64) {
	hi, lo := bits.Mul64(a, b)
	return bits.Div64(hi, lo, c)
}
