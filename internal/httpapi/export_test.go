package httpapi

import "time"

// MaxHeld is how many bytes of answers are remembered at most.
const MaxHeld = maxHeld

// Answers is the memory of answers, for tests.
type Answers struct{ *answers }

// NewAnswers remembers for a minute.
func NewAnswers() Answers { return Answers{newAnswers(time.Minute)} }

// Remember remembers a body of so many bytes.
func (a Answers) Remember(url string, bytes int, now time.Time) {
	a.remember(url, newAnswer(make([]byte, bytes), now))
}

// Knows reports whether the answer to a URL is remembered.
func (a Answers) Knows(url string, now time.Time) bool { return a.fresh(url, now) != nil }

// Held is how many answers are remembered, and how many bytes.
func (a Answers) Held() (n, bytes int) {
	for url, one := range a.byURL {
		n, bytes = n+1, bytes+len(url)+len(one.body)
	}
	return n, bytes
}

// PrefersEnglish lets tests read an Accept-Language.
func PrefersEnglish(accept string) bool { return prefersEnglish(accept) }

// NetworkOf tells tests what an address is counted as.
func NetworkOf(address string) string { return networkOf(address) }
