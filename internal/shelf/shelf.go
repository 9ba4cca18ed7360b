// Package shelf is the shelves of the shop: the categories in which goods lie.
package shelf

// Category is a shelf of the shop. Categories are data, not code.
type Category struct {
	Code     string // "MEAT"
	NameZH   string
	NameEN   string
	Position int // from 1
}
