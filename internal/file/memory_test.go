package file_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/pgtest"
)

// most is what the whole program may take while it is flooded, in KiB.
const most = 300 << 10

// largeOnes is how many large pictures are among the uploads, all sent at once.
const largeOnes = 6

// flooding is set in the process that is flooded.
const flooding = "SHIYI_TEST_FLOOD"

// TestAFloodOfWickedUploadsFitsIntoMemory sends all of them, and the largest
// pictures that are taken, eight at a time into a process of their own. The canary
// decodes as one would who does not reckon: it must be seen.
func TestAFloodOfWickedUploadsFitsIntoMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc")
	}
	if pgtest.Raced {
		t.Skip("the race detector takes more memory than the program")
	}
	folder := t.TempDir()
	for i, u := range wicked(t) {
		must(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("wicked-%02d", i)), u.body, 0o600))
	}
	// The largest that are taken: what is refused would show nothing.
	large, photo := blank(6_000, 6_000), flatJPEG(t, 7_300, 5_400)
	for i := range largeOnes / 2 {
		// What follows the end makes them different files.
		must(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("large-%02d-png", i)), append(bytes.Clone(large), byte(i)), 0o600))
		must(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("large-%02d-jpg", i)), append(bytes.Clone(photo), byte(i)), 0o600))
	}
	if peak := flood(t, "service", folder); peak > most {
		t.Errorf("the flood took %d MiB, at most %d are right", peak>>10, most>>10)
	} else {
		t.Logf("the flood took %d MiB", peak>>10)
	}
	if peak := flood(t, "canary", folder); peak <= most {
		t.Errorf("the canary took %d MiB only: this test would not see what it is for", peak>>10)
	}
}

// flood runs a process of its own, and returns its peak in KiB.
func flood(t *testing.T, how, folder string) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFlooded$", "-test.v")
	cmd.Env = append(os.Environ(), flooding+"="+how+":"+folder)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the flooded process: %v\n%s", err, out)
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("the flooded process does not tell its peak:\n%s", out)
	}
	peak, err := strconv.Atoi(string(found[1]))
	must(t, err)
	return peak
}

func TestFlooded(t *testing.T) {
	t.Parallel()
	how, folder, ok := strings.Cut(os.Getenv(flooding), ":")
	if !ok {
		t.Skip("only in the process that is flooded")
	}
	var s *shelf
	if how == "service" {
		s = open(t)
	}
	paths, err := filepath.Glob(filepath.Join(folder, "*"))
	must(t, err)
	queue := make(chan string)
	var all sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 8 {
		all.Go(func() {
			for path := range queue {
				if one(t.Context(), s, path) && strings.Contains(path, "large-") {
					mu.Lock()
					taken++
					mu.Unlock()
				}
			}
		})
	}
	for _, path := range paths {
		queue <- path
	}
	close(queue)
	all.Wait()
	if taken != largeOnes {
		t.Errorf("%d large pictures were taken, want all %d", taken, largeOnes)
	}
	status, err := os.ReadFile("/proc/self/status")
	must(t, err)
	fmt.Println(regexp.MustCompile(`VmHWM:.*`).FindString(string(status)))
}

// one uploads one, again while the service is busy; without a service it decodes.
func one(ctx context.Context, s *shelf, path string) bool {
	for ctx.Err() == nil {
		r, err := os.Open(path)
		if err != nil {
			return false
		}
		if s == nil {
			if strings.Contains(path, "wicked") {
				_ = r.Close()
				return false
			}
			_, _, err = image.Decode(r)
		} else {
			_, err = s.Put(ctx, file.New{Owner: ann, Name: path, Kind: file.Paper}, r)
		}
		_ = r.Close()
		if err == nil || !strings.Contains(err.Error(), "file.busy") {
			return err == nil
		}
	}
	return false
}
