package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/config"
)

type inner struct {
	Wait time.Duration `env:"WAIT, default=100ms"`
	Key  config.Secret `env:"KEY"`
}

type outer struct {
	Addr  string     `env:"ADDR, default=:8080"`
	Where string     `env:"WHERE"`
	Level slog.Level `env:"LEVEL, default=INFO"`
	Inner inner
	Other func() // no setting
}

func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	}
}

func TestLoadFillsNestedStructsAndDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load[outer](t.Context(), environment(map[string]string{"KEY": "s3cret", "WAIT": "2s", "ADDR": "", "WHERE": "postgres://u:hunter2@h/d"}))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Addr != ":8080" {
		t.Errorf("an empty variable: got %q, want the default", cfg.Addr)
	}
	if cfg.Inner.Wait != 2*time.Second || cfg.Inner.Key.Reveal() != "s3cret" {
		t.Errorf("got %v and %q", cfg.Inner.Wait, cfg.Inner.Key.Reveal())
	}
	want := []config.Setting{
		{Name: "ADDR", Value: ":8080", Default: ":8080"},
		{Name: "WHERE", Value: "postgres://u:•••@h/d"},
		{Name: "LEVEL", Value: "INFO", Default: "INFO"},
		{Name: "WAIT", Value: "2s", Default: "100ms"},
		{Name: "KEY", Value: "•••", Secret: true},
	}
	if diff := cmp.Diff(want, config.Settings(cfg)); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestLoadNamesTheSettingThatCannotBeRead(t *testing.T) {
	t.Parallel()
	_, err := config.Load[outer](t.Context(), environment(map[string]string{"WAIT": "soon"}))
	if err == nil || !strings.Contains(err.Error(), "Wait") {
		t.Errorf("got %v, want an error that names Wait", err)
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const text = "sk_live_abc"
	var out bytes.Buffer
	s := config.Secret(text)
	fmt.Fprintf(&out, "%v %s %q %#v %+v %x\n", s, s, s, s, struct{ S config.Secret }{s}, s)
	slog.New(slog.NewJSONHandler(&out, nil)).InfoContext(t.Context(), "x", slog.Any("secret", s), slog.Any("in", struct{ S config.Secret }{s}))
	if err := json.NewEncoder(&out).Encode(map[string]config.Secret{"s": s}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), text) {
		t.Errorf("printed: %s", out.String())
	}
	if got := config.Secret("").String(); got != "" {
		t.Errorf("no secret: got %q, want nothing", got)
	}
}
