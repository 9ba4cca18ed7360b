package internal_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The files in which the program is shipped cannot be run where the tests run:
// there is no container engine, no systemd, no Prometheus. So they are kept
// small, and held against the code.

// read is a file's text, its path below the repository's root.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return string(text)
}

// code is all Go code of ours, tests left out.
func code(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	goFiles(t, func(path string, src []byte) {
		if !strings.HasSuffix(path, "_test.go") {
			all.Write(src)
		}
	})
	return all.String()
}

// settings are the names of all environment variables that the program reads.
func settings(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile("`env:\"([A-Z0-9_]+)").FindAllStringSubmatch(code(t), -1) {
		names = append(names, m[1])
	}
	return names
}

// instruction is one line of a Dockerfile, continued lines joined.
type instruction struct{ word, rest string }

func dockerfile(t *testing.T) []instruction {
	t.Helper()
	var all []instruction
	joined := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(joined) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		all = append(all, instruction{word, strings.TrimSpace(rest)})
	}
	return all
}

func TestTheImageIsBuiltOfWhatIsHere(t *testing.T) {
	t.Parallel()
	stages := map[string]bool{}
	var last []instruction
	for _, in := range dockerfile(t) {
		switch in.word {
		case "FROM":
			image, name, _ := strings.Cut(in.rest, " AS ")
			if !regexp.MustCompile(`^[a-z0-9/.-]+:[a-z0-9.-]+$`).MatchString(image) || strings.HasSuffix(image, ":latest") {
				t.Errorf("FROM %s: an image is named with its version", image)
			}
			stages[name], last = true, nil
		case "COPY":
			fields := strings.Fields(in.rest)
			if stage, ok := strings.CutPrefix(fields[0], "--from="); ok {
				if !stages[stage] {
					t.Errorf("COPY --from=%s: there is no such stage", stage)
				}
				break
			}
			for _, from := range fields[:len(fields)-1] {
				if _, err := os.Stat(filepath.Join("..", from)); err != nil {
					t.Errorf("COPY %s: %v", from, err)
				}
				if !slices.Contains(strings.Split(read(t, ".dockerignore"), "\n"), "!"+strings.TrimPrefix(from, "./")) {
					t.Errorf("COPY %s: .dockerignore keeps it out", from)
				}
			}
		}
		last = append(last, in)
	}
	words := map[string]string{}
	for _, in := range last {
		words[in.word] = in.rest
	}
	if user := words["USER"]; user == "" || user == "0" || user == "root" {
		t.Errorf("USER is %q: the program does not run as root", user)
	}
	if words["HEALTHCHECK"] == "" {
		t.Error("the image has no HEALTHCHECK")
	}
	if got := words["ENTRYPOINT"]; got != `["shiyi"]` {
		t.Errorf("ENTRYPOINT is %s", got)
	}
	known := settings(t)
	for _, m := range regexp.MustCompile(`([A-Z_]+)=`).FindAllStringSubmatch(words["ENV"], -1) {
		if !slices.Contains(known, m[1]) {
			t.Errorf("ENV %s: the program reads no such setting", m[1])
		}
	}
	if want := "golang:" + minor(goVersion(t)); !strings.Contains(read(t, "Dockerfile"), want) {
		t.Errorf("the image is not built with %s, which go.mod asks for", want)
	}
	for _, pinned := range []struct{ tool, variable string }{{"redoc@", "REDOC_VERSION"}} {
		version := regexp.MustCompile(pinned.variable + `\s*:=\s*(\S+)`).FindStringSubmatch(read(t, "Makefile"))
		if version == nil || !strings.Contains(read(t, "Dockerfile"), pinned.tool+version[1]) {
			t.Errorf("Dockerfile and Makefile name different versions of %s", pinned.tool)
		}
	}
}

func goVersion(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "go.mod"))
	if m == nil {
		t.Fatal("go.mod names no Go version")
	}
	return m[1]
}

// minor is 1.26 of 1.26.0.
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// composition is what we hold a compose file to.
type composition struct {
	Services map[string]struct {
		Image       string
		Build       struct{ Context string }
		User        string
		Command     []string
		Environment map[string]string
		Ports       []string
		Volumes     []string
		Healthcheck struct{ Test []string }
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	}
	Volumes map[string]any
}

func TestTheComposeFileFitsTheProgram(t *testing.T) {
	t.Parallel()
	var c composition
	if err := yaml.Unmarshal([]byte(read(t, "deployments/compose.yaml")), &c); err != nil {
		t.Fatalf("compose.yaml: %v", err)
	}
	known := settings(t)
	shop, ok := c.Services["shiyi"]
	if !ok {
		t.Fatal("there is no service shiyi")
	}
	for name := range shop.Environment {
		if !slices.Contains(known, name) {
			t.Errorf("shiyi: the program reads no setting %s", name)
		}
	}
	for _, needed := range []string{"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"} {
		if shop.Environment[needed] == "" {
			t.Errorf("shiyi: %s is not set: it would start a server of its own", needed)
		}
	}
	for _, passed := range []string{
		"PUBLIC_URL", "LOG_ORIGIN", "OPERATOR_LOGIN", "OPERATOR_PASSWORD", "HTTP_TRUSTED_PROXIES", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET",
	} {
		if want := "${" + passed + ":-}"; shop.Environment[passed] != want {
			t.Errorf("shiyi: %s is %q, want %q: who exports it means it", passed, shop.Environment[passed], want)
		}
	}
	if !slices.Equal(shop.Command, []string{"serve", "--empty"}) {
		t.Errorf("shiyi runs %q: it would replay the recorded year, or refuse to where Stripe takes the payments", shop.Command)
	}
	if _, private, _ := strings.Cut(shop.Environment["METRICS_ADDR"], ":"); private == "" {
		t.Error("shiyi: METRICS_ADDR has no port: nobody could scrape it")
	} else if slices.ContainsFunc(shop.Ports, func(p string) bool { return strings.HasSuffix(p, ":"+private) }) {
		t.Error("shiyi: the private port is published")
	}
	for name, dependency := range shop.DependsOn {
		if dependency.Condition != "service_healthy" || len(c.Services[name].Healthcheck.Test) == 0 {
			t.Errorf("shiyi does not wait until %s is healthy", name)
		}
	}
	for name, s := range c.Services {
		if s.Image == "" || !strings.Contains(s.Image, ":") || strings.HasSuffix(s.Image, ":latest") {
			t.Errorf("%s: image %q has no version", name, s.Image)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s publishes %s to everybody: that is for a reverse proxy", name, port)
			}
		}
		for _, mount := range s.Volumes {
			from, _, _ := strings.Cut(mount, ":")
			if inside, is := strings.CutPrefix(from, "./"); is {
				read(t, "deployments/"+inside)
			} else if _, declared := c.Volumes[from]; !declared {
				t.Errorf("%s: the volume %s is not declared", name, from)
			}
		}
	}
}

func TestTheServiceFileFitsTheProgram(t *testing.T) {
	t.Parallel()
	unit := read(t, "deployments/shiyi.service")
	for _, want := range []string{"[Unit]", "[Service]", "[Install]", "\nDynamicUser=yes\n", "\nNoNewPrivileges=yes\n", "\nProtectSystem=strict\n", "\nStateDirectory=shiyi\n", "\nKillSignal=SIGTERM\n"} {
		if !strings.Contains(unit, want) {
			t.Errorf("shiyi.service lacks %q", strings.TrimSpace(want))
		}
	}
	// The settings' file is made of .env.example, which names every setting, and it wins.
	for _, m := range regexp.MustCompile(`(?m)^Environment=([A-Z_]+)=`).FindAllStringSubmatch(unit, -1) {
		t.Errorf("shiyi.service sets %s by Environment=, which EnvironmentFile= overrides", m[1])
	}
	starts := regexp.MustCompile(`(?m)^Exec\w+=/usr/bin/env STATE_DIR=/var/lib/shiyi /usr/local/bin/shiyi (\w+)`).FindAllStringSubmatch(unit, -1)
	if len(starts) == 0 || len(starts) != strings.Count(unit, "\nExec") {
		t.Error("shiyi.service runs something that is not told where the state is")
	}
	for _, m := range starts {
		if !strings.Contains(code(t), `"`+m[1]) {
			t.Errorf("shiyi.service runs `shiyi %s`, which is no command", m[1])
		}
	}
}

func TestAlertsNameMeasuresThatExist(t *testing.T) {
	t.Parallel()
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "deployments/alerts.yaml")), &rules); err != nil {
		t.Fatalf("alerts.yaml: %v", err)
	}
	all := code(t)
	measures := map[string]bool{}
	for _, m := range regexp.MustCompile(`Name:\s*"(shiyi_[a-z_]+)"`).FindAllStringSubmatch(all, -1) {
		for _, suffix := range []string{"", "_bucket", "_count", "_sum"} {
			measures[m[1]+suffix] = true
		}
	}
	runbook := read(t, "docs/runbook.md")
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			for _, name := range regexp.MustCompile(`shiyi_[a-z_]+`).FindAllString(rule.Expr, -1) {
				if !measures[name] {
					t.Errorf("%s watches %s; there are %v", rule.Alert, name, slices.Sorted(maps.Keys(measures)))
				}
			}
			// Measures are compared where their labels are the same: both sides are sums of everything.
			if sides := regexp.MustCompile(`^(.*) > [0-9.]+ \* (.*)$`).FindStringSubmatch(rule.Expr); sides != nil {
				if !strings.HasPrefix(sides[1], "sum(") || !strings.HasPrefix(sides[2], "sum(") {
					t.Errorf("%s compares %s with %s, whose labels differ: it never fires", rule.Alert, sides[1], sides[2])
				}
			}
			for _, m := range regexp.MustCompile(`kind="([^"]+)"`).FindAllStringSubmatch(rule.Expr, -1) {
				if !strings.Contains(all, `"`+m[1]+`"`) {
					t.Errorf("%s watches the kind %s, which no job has", rule.Alert, m[1])
				}
			}
			if rule.Annotations["summary"] == "" || rule.Labels["severity"] == "" {
				t.Errorf("%s has no summary or severity", rule.Alert)
			}
			if !strings.Contains(runbook, "| "+rule.Alert+" |") {
				t.Errorf("%s: the runbook does not say what to do", rule.Alert)
			}
		}
	}
}
