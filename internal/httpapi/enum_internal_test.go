package httpapi

import "testing"

func TestAllowedValuesAreToldApart(t *testing.T) {
	t.Parallel()
	for want, values := range map[string][]any{
		"licence.expiring, order.paid, null": {"licence.expiring", "order.paid", nil},
		"one":                                {"one"},
		"1, 2":                               {1.0, 2.0},
		"":                                   nil,
	} {
		if got := choices(values); got != want {
			t.Errorf("%v is written as %q, want %q", values, got, want)
		}
	}
}
