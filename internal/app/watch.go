package app

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// quietly is how many things are checked without a word to a file: that takes a few seconds.
const quietly = 100_000

// Watch shows how far Verify has come, over all of its parts: a bar to somebody at a
// terminal, a line for each tenth in a file, nothing for what is done at once.
func Watch(out io.Writer) Progress {
	var mu sync.Mutex
	var bar *progressbar.ProgressBar
	f, ok := out.(*os.File)
	atTerminal := ok && isatty.IsTerminal(f.Fd())
	parts, tenths := map[string][2]int64{}, int64(0)
	return func(part string, done, of int64) {
		mu.Lock()
		defer mu.Unlock()
		parts[part] = [2]int64{done, of}
		done, of = 0, 0
		for _, p := range parts {
			done, of = done+p[0], of+p[1]
		}
		switch {
		case of < quietly:
		case !atTerminal && done*10/of > tenths:
			tenths = done * 10 / of
			fmt.Fprintf(out, "核对 · checking: %d %% of %d\n", tenths*10, of)
		case atTerminal:
			const often, width = 200 * time.Millisecond, 40
			if bar == nil {
				bar = progressbar.NewOptions64(of, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription("核对 · checking"),
					progressbar.OptionThrottle(often), progressbar.OptionSetWidth(width), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
			}
			bar.ChangeMax64(of)
			_ = bar.Set64(done) // a bar that cannot be drawn stops nothing
		}
	}
}
