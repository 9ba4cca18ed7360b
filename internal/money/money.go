// Package money counts yuan without ever rounding. Prices and payments are
// whole fen (0.01 yuan); the book is kept in li (厘, 0.001 yuan), because one
// tenth of n fen is exactly n li. There is no float anywhere near money.
package money

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Fen is an amount of hundredths of a yuan: what is priced and paid.
type Fen int64

// Li is an amount of thousandths of a yuan: what the book is kept in. 1 fen is
// 10 li.
type Li int64

// Max is the largest amount that may come from outside, 10¹³ fen (a hundred
// thousand million yuan), so that sums of many cannot overflow.
const Max Fen = 1e13

const liPerFen = 10

// ErrRange says that an amount is negative, above Max, or would overflow.
var ErrRange = errors.New("money: the amount is out of range")

// ErrSyntax says that a text is not an amount of yuan.
var ErrSyntax = errors.New("money: not an amount of yuan")

// Li is the same amount in li. It is exact.
func (f Fen) Li() Li { return Li(f) * liPerFen }

// Fen is the whole fen in l, rounded towards zero, and the remainder in li that
// stays owed: l == whole.Li() + rest.
func (l Li) Fen() (whole Fen, rest Li) { return Fen(l / liPerFen), l % liPerFen }

// Times is f, n times over, or ErrRange when either is negative or the product
// passes Max.
func (f Fen) Times(n int64) (Fen, error) {
	if f < 0 || n < 0 || (n > 0 && f > Max/Fen(n)) {
		return 0, ErrRange
	}
	return f * Fen(n), nil
}

// Plus is f and g together, or ErrRange when either is negative or the sum
// passes Max.
func (f Fen) Plus(g Fen) (Fen, error) {
	if f < 0 || g < 0 || f > Max-g {
		return 0, ErrRange
	}
	return f + g, nil
}

// Tenth is one tenth of f. It is exact: n fen give n li.
func (f Fen) Tenth() Li { return Li(f) }

// Split shares total out in proportion to the weights, in whole fen whose sum
// is exactly total (largest remainders first, ties to the earlier). It returns
// nil when no weight is positive, a weight is negative or total is out of range.
func Split(total Fen, weights []int64) []Fen {
	var sum int64
	for _, w := range weights {
		if w < 0 || w > math.MaxInt64-sum {
			return nil
		}
		sum += w
	}
	if sum == 0 || total < 0 || total > Max {
		return nil
	}
	shares, rests, left := make([]Fen, len(weights)), make([]uint64, len(weights)), total
	for i, w := range weights {
		share, rest := mulDiv(uint64(total), uint64(w), uint64(sum))
		shares[i], rests[i] = Fen(share), rest
		left -= shares[i]
	}
	for ; left > 0; left-- {
		best := -1
		for i := range rests {
			if rests[i] > 0 && (best < 0 || rests[i] > rests[best]) {
				best = i
			}
		}
		shares[best]++
		rests[best] = 0
	}
	return shares
}

// String is f in yuan with two decimals: "1234.50".
func (f Fen) String() string { return decimal(int64(f), 2) }

// String is l in yuan with three decimals: "29.760".
func (l Li) String() string { return decimal(int64(l), 3) }

func decimal(n int64, places int) string {
	sign, magnitude := "", uint64(n)
	if n < 0 {
		sign, magnitude = "-", -magnitude
	}
	digits := fmt.Sprintf("%0*d", places+1, magnitude)
	cut := len(digits) - places
	return sign + digits[:cut] + "." + digits[cut:]
}

// ParseYuan reads an amount such as "12", "12.5" or "12.50" yuan. More than two
// decimals, signs, exponents, separators and blanks are ErrSyntax; more than Max
// is ErrRange.
func ParseYuan(s string) (Fen, error) {
	yuan, cents, dotted := strings.Cut(s, ".")
	if yuan == "" || len(cents) > 2 || (dotted && cents == "") || !allDigits(yuan) || !allDigits(cents) {
		return 0, ErrSyntax
	}
	n, err := strconv.ParseInt(yuan+(cents + "00")[:2], 10, 64)
	if err != nil || Fen(n) > Max {
		return 0, ErrRange
	}
	return Fen(n), nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
