package internal_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The README's commands are run here, in the order in which they stand there, against a shop that `make run`
// started, and what they print is compared. A block fenced with ```console is a conversation: "$ " begins a
// command, "> " goes on with it, all else is what it prints.
//
//	go test ./internal -run README -update    writes what was printed into both READMEs

var update = flag.Bool("update", false, "write what the README's commands print into the README")

// readmes are the same walk in two languages.
var readmes = []string{"README.md", "README.en.md"}

// elsewhere are the commands that another way of running proves: the tests are
// run by whoever reads this failure, the shop is started below.
var elsewhere = []string{"make run", "make test"}

// step is one command of a README and what it says that the command prints.
type step struct{ command, output string }

// conversations reads the console blocks.
func conversations(text string) []step {
	var steps []step
	inside, open := false, false // in a block; in a command that may go on
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		command, begins := strings.CutPrefix(line, "$ ")
		more, goesOn := strings.CutPrefix(line, "> ")
		switch {
		case line == "```console":
			inside = true
		case strings.HasPrefix(line, "```"):
			inside = false
		case !inside:
		case begins:
			steps, open = append(steps, step{command: command}), true
		case goesOn && open:
			steps[len(steps)-1].command += "\n" + more
		case len(steps) > 0:
			steps[len(steps)-1].output += line + "\n"
			open = false
		}
	}
	return steps
}

// told is text with its conversations' outputs replaced by those given.
func told(text string, steps []step) string {
	var out strings.Builder
	inside, open, next := false, false, 0
	for line := range strings.Lines(text) {
		bare := strings.TrimSuffix(line, "\n")
		begins, goesOn := strings.HasPrefix(bare, "$ "), strings.HasPrefix(bare, "> ") && open
		isCommand := inside && (begins || goesOn)
		if open && !isCommand {
			out.WriteString(steps[next-1].output)
		}
		switch {
		case bare == "```console":
			inside = true
		case strings.HasPrefix(bare, "```"):
			inside, open = false, false
		}
		if isCommand && begins && open {
			out.WriteString(steps[next-1].output)
		}
		if isCommand && begins {
			next++
		}
		if isCommand || !inside || bare == "```console" {
			out.WriteString(line)
		}
		open = isCommand
	}
	return out.String()
}

// masks hide what is new in every run.
var masks = []struct {
	form *regexp.Regexp
	word string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<uuid>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d| UTC)?`), "<time>"},
	{regexp.MustCompile(`\b[0-9a-f]{32,64}\b`), "<hex>"},
	{regexp.MustCompile(`[A-Za-z0-9+/_-]{40,}={0,2}`), "<base64>"},
	{regexp.MustCompile(`(shiyi\.example/log)\+[0-9a-f]{8}\+`), "$1+<hash>+"},
	{regexp.MustCompile(`\bentry \d+ of`), "entry <n> of"}, // which of two orders comes first is chance
	{regexp.MustCompile(`\bcs_[A-Za-z0-9_]+`), "<session>"},
	{regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs|s)\b`), "<duration>"},
}

func masked(text string) string {
	for _, m := range masks {
		text = m.form.ReplaceAllString(text, m.word)
	}
	return text
}

func TestREADMEsAreTheSameWalk(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(conversations(read(t, readmes[0])), conversations(read(t, readmes[1])), cmp.AllowUnexported(step{})); diff != "" {
		t.Errorf("%s and %s differ:\n%s", readmes[0], readmes[1], diff)
	}
}

func TestREADMEHasNoCommandThatIsNotRun(t *testing.T) {
	t.Parallel()
	fence := regexp.MustCompile("(?m)^```(sh|bash|shell|zsh)$")
	for _, name := range readmes {
		text := read(t, name)
		if fence.MatchString(text) {
			t.Errorf("%s has a block of shell commands that is not a conversation (```console)", name)
		}
		for _, want := range elsewhere {
			if !slices.ContainsFunc(conversations(text), func(s step) bool { return s.command == want }) {
				t.Errorf("%s does not say `%s`", name, want)
			}
		}
	}
}

func TestOutputIsWrittenWhereItStood(t *testing.T) {
	t.Parallel()
	const before = "a\n```console\n$ one\n> more\nold\nold\n$ two\n```\nb\n```sh\n$ not ours\n```\n```console\n$ three\nold\n```\n"
	const after = "a\n```console\n$ one\n> more\nnew 1\n$ two\nnew 2\n```\nb\n```sh\n$ not ours\n```\n```console\n$ three\n```\n"
	steps := conversations(before)
	if want := []step{{"one\nmore", "old\nold\n"}, {"two", ""}, {"three", "old\n"}}; !slices.Equal(steps, want) {
		t.Fatalf("conversations: %q, want %q", steps, want)
	}
	steps[0].output, steps[1].output, steps[2].output = "new 1\n", "new 2\n", ""
	if diff := cmp.Diff(after, told(before, steps)); diff != "" {
		t.Errorf("rewritten (-want +got):\n%s", diff)
	}
}

func TestREADMEDoesWhatItSays(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it starts the shop and replays its year")
	}
	steps := conversations(read(t, readmes[0]))
	base, env := openShop(t)
	shell := newShell(t, env)
	got := slices.Clone(steps)
	for i, s := range steps {
		if slices.Contains(elsewhere, s.command) {
			continue
		}
		printed, status := shell.run(t, strings.ReplaceAll(s.command, "http://localhost:8080", base))
		got[i].output = strings.ReplaceAll(printed, base, "http://localhost:8080")
		if status != "0" {
			t.Fatalf("$ %s\nends with %s:\n%s", s.command, status, printed)
		}
	}
	if *update {
		for _, name := range readmes {
			write(t, filepath.Join("..", name), told(read(t, name), got))
		}
		return
	}
	for i := range steps {
		if diff := cmp.Diff(masked(steps[i].output), masked(got[i].output)); diff != "" {
			t.Errorf("$ %s\nprints something else (-README +now); -update writes it anew:\n%s", steps[i].command, diff)
		}
	}
}

// openShop does `make run` on ports and in a folder of its own, and waits until
// the shop is ready: compiled, with its year replayed.
func openShop(t *testing.T) (base string, env []string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "readme") // short: a unix socket's path is
	if err != nil {
		t.Fatalf("make a folder: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	const passable = 0o711 // PostgreSQL's own user has to get through it, when we are root
	if err := os.Chmod(dir, passable); err != nil {
		t.Fatalf("open the folder: %v", err)
	}
	addr := freeAddr(t)
	base = "http://" + addr
	env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "TEST_") || strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS")
	}), "STATE_DIR="+dir, "LISTEN_ADDR="+addr, "PUBLIC_URL="+base, "METRICS_ADDR="+freeAddr(t), "LC_ALL=C.UTF-8")

	log, err := os.Create(filepath.Join(t.TempDir(), "shop.log"))
	if err != nil {
		t.Fatalf("make a log: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "make", "run")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "..", env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("make run: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		<-ended
		_ = log.Close()
	})

	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute) // a first compile on a busy machine
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !ready(ctx, base+"/readyz") {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("make run ended: %v\n%s", err, logged(log.Name()))
		case <-ctx.Done():
			t.Fatalf("make run is not ready:\n%s", logged(log.Name()))
		case <-tick.C:
		}
	}
	return base, env
}

func ready(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = answer.Body.Close() }()
	return answer.StatusCode == http.StatusOK
}

func logged(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	const enough = 8000
	return string(text[max(0, len(text)-enough):])
}

func freeAddr(t *testing.T) string {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// shell is one bash that runs the commands one after the other, so that what one
// sets, the next one has.
type shell struct {
	in   io.Writer
	out  *bufio.Reader
	end  string
	kill func() error
}

func newShell(t *testing.T, env []string) *shell {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc")
	cmd.Dir, cmd.Env = "..", env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("bash: %v", err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatalf("bash: %v", err)
	}
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		t.Fatalf("bash: %v", err)
	}
	_ = writer.Close()
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
		_ = reader.Close()
	})
	return &shell{
		in: in, out: bufio.NewReader(reader), end: fmt.Sprintf("--end of %d", os.Getpid()),
		kill: func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) },
	}
}

// run runs a command to its end: what it printed, and its exit status.
func (s *shell) run(t *testing.T, command string) (printed, status string) {
	t.Helper()
	if _, err := fmt.Fprintf(s.in, "%s\nprintf '\\n%s %%s\\n' $?\n", command, s.end); err != nil {
		t.Fatalf("bash: %v", err)
	}
	const patience = 2 * time.Minute
	hung := time.AfterFunc(patience, func() { _ = s.kill() })
	defer hung.Stop()
	var out bytes.Buffer
	for {
		line, err := s.out.ReadString('\n')
		if code, done := strings.CutPrefix(line, s.end+" "); done {
			text := strings.TrimRight(out.String(), "\n")
			if text != "" {
				text += "\n"
			}
			return text, strings.TrimSpace(code)
		}
		out.WriteString(line)
		if err != nil {
			t.Fatalf("$ %s\nbash ended: %v\n%s", command, err, out.String())
		}
	}
}
