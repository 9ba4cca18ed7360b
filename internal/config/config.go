// Package config fills a program's configuration from its environment, once, and
// can show it. Each package that needs settings has a struct of its own; the
// program composes them.
package config

import (
	"context"
	"encoding"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"

	"github.com/sethvargo/go-envconfig"
)

// hidden is what is shown in place of a secret.
const hidden = "•••"

// Secret is a text that is never printed: not by fmt, not in a log, not as JSON.
// Reveal gives it to whoever must have it.
type Secret string

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String is ••• if there is a secret, else nothing.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for JSON and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Load fills a struct by its `env` tags from what lookup finds. Every setting has
// a usable zero or default; an error names the setting that cannot be read.
func Load[T any](ctx context.Context, lookup func(name string) (string, bool)) (T, error) {
	var cfg T
	err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: &cfg, Lookuper: lookuper(lookup)})
	if err != nil {
		return cfg, fmt.Errorf("read the configuration: %w", err)
	}
	return cfg, nil
}

type lookuper func(name string) (string, bool)

// Lookup finds a variable. One that is set to nothing is not set: that is what
// `NAME=` in an example file means.
func (l lookuper) Lookup(name string) (string, bool) {
	value, ok := l(name)
	return value, ok && value != ""
}

// Setting is one setting of a configuration.
type Setting struct {
	// Name is the environment variable.
	Name string
	// Value is what is in effect, ••• for a secret; an address is shown without
	// its password.
	Value string
	// Default is what holds when the variable is not set.
	Default string
	// Secret says that the value is not to be shown.
	Secret bool
}

// Settings lists the settings of a configuration in the order of its fields.
func Settings(cfg any) []Setting {
	var all []Setting
	walk(reflect.Indirect(reflect.ValueOf(cfg)), &all)
	return all
}

func walk(v reflect.Value, all *[]Setting) {
	t := v.Type()
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.IsExported() {
			continue
		}
		tag, ok := field.Tag.Lookup("env")
		if !ok {
			if field.Type.Kind() == reflect.Struct {
				walk(v.Field(i), all)
			}
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		_, preset, _ := strings.Cut(options, "default=")
		_, secret := v.Field(i).Interface().(Secret)
		*all = append(*all, Setting{Name: name, Value: text(v.Field(i)), Default: preset, Secret: secret})
	}
}

// text is a value as it would be written into the environment.
func text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(b)
	case []string:
		return strings.Join(x, ",")
	case string:
		if u, err := url.Parse(x); err == nil && u.User != nil {
			if _, has := u.User.Password(); has {
				return strings.Replace(u.Redacted(), ":xxxxx@", ":"+hidden+"@", 1)
			}
		}
		return x
	default:
		return fmt.Sprint(x)
	}
}
