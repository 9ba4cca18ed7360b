package httpapi

// WellFormed tells tests the pointer and the rule of the first flaw of a JSON text.
func WellFormed(body []byte) (pointer, keyword string, ok bool) {
	p := wellFormed(body)
	if p == nil {
		return "", "", true
	}
	return p.pointer, p.keyword, false
}

// PrefersEnglish lets tests read an Accept-Language.
func PrefersEnglish(accept string) bool { return prefersEnglish(accept) }

// NetworkOf tells tests what an address is counted as.
func NetworkOf(address string) string { return networkOf(address) }
