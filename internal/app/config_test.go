package app_test

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/app"
	"github.com/shiyi-market/shiyi/internal/config"
)

// environment is a lookup in a map.
func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	}
}

func TestExampleEnvironmentNamesEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	example := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if _, twice := example[name]; !ok || twice {
			t.Errorf("line %q: not a setting, or one that stood before", line)
		}
		example[name] = value
	}
	settings := map[string]string{}
	for _, s := range config.Settings(app.Config{}) {
		settings[s.Name] = s.Default
	}
	if diff := cmp.Diff(settings, example); diff != "" {
		t.Errorf(".env.example (-program +file):\n%s", diff)
	}
}

func TestConfigurationThatIsNotSafeIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		vars map[string]string
		want string
	}{
		{"Stripe without its webhook secret", map[string]string{"STRIPE_SECRET_KEY": "sk_test_1"}, "STRIPE_WEBHOOK_SECRET"},
		{"an operator without a password", map[string]string{"OPERATOR_LOGIN": "op@shiyi.example"}, "OPERATOR_PASSWORD"},
		{"an owner of no database", map[string]string{"DATABASE_OWNER_URL": "postgres://o@h/d"}, "DATABASE_URL"},
		{"a time that is none", map[string]string{"HTTP_DRAIN": "soon"}, "Drain"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := app.Load(t.Context(), environment(tt.vars))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error that names %s", err, tt.want)
			}
		})
	}
}
