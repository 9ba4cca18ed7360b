package money

import (
	"fmt"
	"strconv"
	"strings"
)

// Grouped writes an amount for people to read, with a comma at each thousand: 2,610,000.00.
func Grouped(amount fmt.Stringer) string { return group(amount.String()) }

// GroupedCount writes a count likewise: 17,986.
func GroupedCount(n int64) string { return group(strconv.FormatInt(n, 10)) }

func group(number string) string {
	whole, rest, parted := strings.Cut(number, ".")
	var b strings.Builder
	if strings.HasPrefix(whole, "-") {
		b.WriteByte('-')
		whole = whole[1:]
	}
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if parted {
		b.WriteString("." + rest)
	}
	return b.String()
}
