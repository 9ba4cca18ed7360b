package merchant

import "strings"

// NumberError says why a number is not of the kind that it is meant to be.
type NumberError struct {
	Keyword string // "length", "alphabet", "region", "check_digit" or "format"
	Message string // for people
}

// Error is the message.
func (e *NumberError) Error() string { return "merchant: " + e.Message }

// usccLength is the length of a unified social credit code.
const usccLength = 18

// usccAlphabet is what a unified social credit code is written in: digits and
// capitals, without I, O, S, V and Z, which are mistaken for others. A character's
// value is its place (GB 32100-2015, table 2).
const usccAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// CheckUSCC is nil for a unified social credit code (GB 32100-2015): 18 characters
// of its alphabet, the third to the eighth a region in digits (GB/T 2260), the last
// a check character over the others, weighted with the powers of 3 modulo 31.
// Otherwise it is a *NumberError. The organisation's number within is not checked
// against its own check digit: placeholders have none.
func CheckUSCC(code string) error {
	if len(code) != usccLength {
		return &NumberError{"length", "a unified social credit code has 18 characters"}
	}
	sum, weight := 0, 1
	for i := range usccLength - 1 {
		value := strings.IndexByte(usccAlphabet, code[i])
		if value < 0 {
			return &NumberError{"alphabet", "digits and capitals without I, O, S, V and Z"}
		}
		sum, weight = sum+value*weight, weight*3%len(usccAlphabet)
	}
	if !digits(code[2:8]) {
		return &NumberError{"region", "the third to the eighth character are a region's six digits"}
	}
	if want := usccAlphabet[(len(usccAlphabet)-sum%len(usccAlphabet))%len(usccAlphabet)]; code[usccLength-1] != want {
		return &NumberError{"check_digit", "the last character does not fit the others"}
	}
	return nil
}

// scLength is the length of a food production licence's number.
const scLength = 16

// CheckSC is nil for the number of a food production licence: "SC" and 14 digits,
// of which the last is a check digit over the others (食品生产许可管理办法,
// article 29; ISO 7064, MOD 11,10). Otherwise it is a *NumberError.
func CheckSC(no string) error {
	switch {
	case len(no) != scLength:
		return &NumberError{"length", "a food production licence has SC and 14 digits"}
	case no[:2] != "SC" || !digits(no[2:]):
		return &NumberError{"format", "a food production licence has SC and 14 digits"}
	}
	const modulus = 10
	product := modulus
	for _, d := range no[2 : scLength-1] {
		sum := (product + int(d-'0')) % modulus
		if sum == 0 {
			sum = modulus
		}
		product = sum * 2 % (modulus + 1)
	}
	if want := (modulus + 1 - product) % modulus; int(no[scLength-1]-'0') != want {
		return &NumberError{"check_digit", "the last digit does not fit the others"}
	}
	return nil
}

// CheckLicenceNo is nil for a number that a licence of this kind may have, and
// otherwise a *NumberError. It is exact for SC (CheckSC), looks at the form of a CCC
// certificate (16 digits that begin with the year) and of a travel agency's licence
// (L-, a province, a number: L-NMG-00123, L-BJ-CJ00013), and at the length of others.
func CheckLicenceNo(kind, no string) error {
	switch kind {
	case "SC":
		return CheckSC(no)
	case "CCC":
		if len(no) != 16 || !digits(no) || no[:2] != "20" {
			return &NumberError{"format", "a CCC certificate has 16 digits and begins with its year"}
		}
	case "TRAVEL":
		if !travel(no) {
			return &NumberError{"format", "a travel agency's licence is like L-NMG-00123"}
		}
	default:
		if !text(no, 1, 64) {
			return &NumberError{"length", "1 to 64 characters, none of them a control character"}
		}
	}
	return nil
}

// travel reports whether a travel agency's licence can have this number.
func travel(no string) bool {
	parts := strings.Split(no, "-")
	if len(parts) != 3 || parts[0] != "L" || len(parts[1]) < 2 || len(parts[1]) > 4 || !capitals(parts[1]) {
		return false
	}
	last := strings.TrimLeft(parts[2], "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	return len(parts[2])-len(last) <= 2 && len(last) >= 3 && len(last) <= 6 && digits(last)
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func capitals(s string) bool { return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" }
