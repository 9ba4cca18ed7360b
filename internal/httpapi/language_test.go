package httpapi_test

import (
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/internal/httpapi"
)

func TestEnglishIsSpokenToWhoPrefersIt(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"": false, "en": true, "en-GB,en;q=0.9": true, "zh-CN,zh;q=0.9,en;q=0.8": false, "en;q=0.5,zh;q=0.7": false,
		"de,en;q=0.3": true, "fr": false, "zh;q=0,en;q=0.1": true, "en;q=broken": true, strings.Repeat("en,", 100): false,
	} {
		if got := httpapi.PrefersEnglish(accept); got != want {
			t.Errorf("%q prefers English: %v, want %v", accept, got, want)
		}
	}
}
