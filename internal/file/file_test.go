package file_test

import (
	"bytes"
	"errors"
	"image"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Two people who upload.
var (
	ann = uuid.MustParse("0190a2b0-0000-7000-8000-000000000001")
	bob = uuid.MustParse("0190a2b0-0000-7000-8000-000000000002")
)

// shelf is a service with a clock that stands and a folder of its own.
type shelf struct {
	*file.Service

	db     *postgres.DB
	clock  *pgtest.Clock
	folder string
}

func open(t testing.TB) *shelf {
	t.Helper()
	s := &shelf{clock: pgtest.NewClock(pgtest.Noon), folder: t.TempDir()}
	s.db = pgtest.NewAt(t, s.clock.Now)
	var err error
	s.Service, err = file.Open(s.db, file.Config{Folder: s.folder, MaxBytes: 10 << 20, DailyBytes: 200 << 20})
	must(t, err)
	return s
}

func (s *shelf) put(t testing.TB, n file.New, body []byte) file.File {
	t.Helper()
	f, err := s.Put(t.Context(), n, bytes.NewReader(body))
	must(t, err)
	return f
}

func (s *shelf) read(t testing.TB, fid file.ID, token string, size int) []byte {
	t.Helper()
	c, err := s.Open(t.Context(), fid, token, size)
	must(t, err)
	body, err := io.ReadAll(c)
	must(t, errors.Join(err, c.Close()))
	return body
}

// objects are the names of what lies in the folder.
func (s *shelf) objects(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.folder, "*", "*"))
	must(t, err)
	for i := range found {
		found[i] = filepath.Base(found[i])
	}
	return found
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func public(name string) file.New { return file.New{Owner: ann, Name: name, Kind: file.Picture} }

func private(name string) file.New {
	return file.New{Owner: ann, Name: name, Private: true, Kind: file.Paper}
}

func TestAPictureIsKeptUprightAndTellsNothingElse(t *testing.T) {
	t.Parallel()
	s := open(t)
	photo := jpegOf(t, halves(64, 32))
	// Where red and blue are when a camera that was held so has taken red left of blue.
	at := map[byte][2]image.Point{
		1: {{2, 2}, {60, 2}}, 2: {{60, 2}, {2, 2}}, 3: {{60, 2}, {2, 2}}, 4: {{2, 2}, {60, 2}},
		5: {{2, 2}, {2, 60}}, 6: {{2, 2}, {2, 60}}, 7: {{2, 60}, {2, 2}}, 8: {{2, 60}, {2, 2}},
	}
	for orientation, want := range at {
		f := s.put(t, public("photo.jpg"), turned(photo, orientation))
		wide := orientation < 5
		if (f.Width == 64 && f.Height == 32) != wide || (f.Width == 32 && f.Height == 64) == wide {
			t.Errorf("orientation %d: %d × %d", orientation, f.Width, f.Height)
		}
		kept := s.read(t, f.ID, "", 0)
		if bytes.Contains(kept, []byte("GPS-39.9N")) {
			t.Errorf("orientation %d: the place is still in it", orientation)
		}
		img, _, err := image.Decode(bytes.NewReader(kept))
		must(t, err)
		if r, _, b, _ := img.At(want[0].X, want[0].Y).RGBA(); r < b {
			t.Errorf("orientation %d: not red at %v", orientation, want[0])
		}
		if r, _, b, _ := img.At(want[1].X, want[1].Y).RGBA(); b < r {
			t.Errorf("orientation %d: not blue at %v", orientation, want[1])
		}
	}
}

func TestALargePictureIsMadeSmallerAndHasThumbnails(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, body := range map[string][]byte{"a.jpg": jpegOf(t, halves(6_400, 640)), "b.png": pngOf(t, halves(3_600, 360))} {
		f := s.put(t, public(name), body)
		if f.Width != 3_000 || f.Height != 300 {
			t.Errorf("%s: %d × %d, want 3000 × 300", name, f.Width, f.Height)
		}
		for _, size := range append(file.Thumbnails(), 0) {
			c, err := s.Open(t.Context(), f.ID, "", size)
			must(t, err)
			img, format, err := image.Decode(c)
			must(t, errors.Join(err, c.Close()))
			if wide := img.Bounds().Dx(); size > 0 && wide != size || size == 0 && wide != 3_000 {
				t.Errorf("%s: a thumbnail of %d is %d pixels wide", name, size, wide)
			}
			if "image/"+format != c.MediaType {
				t.Errorf("%s: a thumbnail of %d is %s and called %s", name, size, format, c.MediaType)
			}
			if r, _, b, _ := img.At(0, 0).RGBA(); r < b {
				t.Errorf("%s: a thumbnail of %d is not red on the left", name, size)
			}
		}
	}
}

func TestASmallPictureIsItsOwnThumbnail(t *testing.T) {
	t.Parallel()
	s := open(t)
	f := s.put(t, public("a.png"), pngOf(t, halves(64, 32)))
	if diff := cmp.Diff(s.read(t, f.ID, "", 0), s.read(t, f.ID, "", 320)); diff != "" {
		t.Error("the thumbnail of a small picture is another picture")
	}
	if got := s.objects(t); len(got) != 1 {
		t.Errorf("%d objects, want one: %v", len(got), got)
	}
}

func TestANameIsMadeSafe(t *testing.T) {
	t.Parallel()
	s := open(t)
	for given, want := range map[string]string{
		"营业执照.jpg":                      "营业执照.png",
		"photo":                         "photo.png",
		"photo.PNG":                     "photo.png",
		"v1.2":                          "v1.2.png",
		"virus.exe":                     "virus.exe.png",
		"../../etc/passwd":              "passwd.png",
		`..\..\windows\win.ini`:         "win.ini.png",
		"/absolute.jpeg":                "absolute.png",
		"..":                            "file.png",
		"":                              "file.png",
		".png":                          "file.png",
		"a\x00b\r\nSet-Cookie: x.png":   "ab  Set-Cookie_ x.png",
		"gpj\u202egnp.exe":              "gpjgnp.exe.png",
		"\u200b\ufeff":                  "file.png",
		"\xff\xfe.png":                  "file.png",
		"CON.png":                       "_CON.png",
		"lpt1.txt":                      "_lpt1.txt.png",
		`a"b<c>d|e?f*g;h%.png`:          "a_b_c_d_e_f_g_h_.png",
		strings.Repeat("长", 300) + ".p": strings.Repeat("长", 100) + ".png",
	} {
		n := public(given)
		n.Owner = id.FromName[file.File]("test", given).UUID()
		if f := s.put(t, n, pngOf(t, halves(2, 2))); f.Name != want {
			t.Errorf("%q became %q, want %q", given, f.Name, want)
		}
	}
}

func TestTheSameBytesAreTheSameFile(t *testing.T) {
	t.Parallel()
	s := open(t)
	body := pngOf(t, noise(400, 10))
	first := s.put(t, public("a.png"), body)
	s.clock.Advance(time.Hour)
	if again := s.put(t, public("b.png"), body); again.ID != first.ID || again.Name != "a.png" {
		t.Errorf("again: %+v, want %+v", again, first)
	}
	hidden := s.put(t, private("a.png"), body)
	if hidden.ID == first.ID || !hidden.Private {
		t.Error("a private upload became the public file")
	}
	other := public("a.png")
	other.Owner = bob
	if theirs := s.put(t, other, body); theirs.ID == first.ID {
		t.Error("another account's upload became this one's")
	}
	if got := s.objects(t); len(got) != 6 {
		t.Errorf("%d objects, want three files with a thumbnail each: %v", len(got), got)
	}
}

func TestTheSameBytesAtOnceAreOneFile(t *testing.T) {
	t.Parallel()
	s := open(t)
	body := pngOf(t, noise(400, 10))
	var mu sync.Mutex
	made := map[file.ID]int{}
	pgtest.AtOnce(t, 8, func(int) error {
		f, err := s.Put(t.Context(), public("a.png"), bytes.NewReader(body))
		mu.Lock()
		defer mu.Unlock()
		made[f.ID]++
		return err
	})
	if len(made) != 1 {
		t.Errorf("%d files, want one", len(made))
	}
	if got := s.objects(t); len(got) != 2 {
		t.Errorf("the losers left something: %v", got)
	}
}

func TestALinkOpensOneFileUntilItExpires(t *testing.T) {
	t.Parallel()
	s := open(t)
	f, other := s.put(t, private("a.png"), pngOf(t, halves(2, 2))), s.put(t, private("b.png"), pngOf(t, halves(4, 4)))
	l, err := s.OwnLink(t.Context(), ann, f.ID)
	must(t, err)
	if len(s.read(t, f.ID, l.Token, 0)) == 0 {
		t.Error("nothing is read")
	}
	refused := func(what string, fid file.ID, token string) {
		t.Helper()
		if _, err := s.Open(t.Context(), fid, token, 0); !errors.Is(err, file.ErrUnknown) {
			t.Errorf("%s: %v, want %v", what, err, file.ErrUnknown)
		}
	}
	refused("no token", f.ID, "")
	refused("a token that nobody gave", f.ID, strings.Repeat("A", 43))
	refused("another file's token", other.ID, l.Token)
	if _, err := s.OwnLink(t.Context(), bob, f.ID); !errors.Is(err, file.ErrUnknown) {
		t.Errorf("another's file: %v, want %v", err, file.ErrUnknown)
	}
	if _, err := s.Link(t.Context(), id.New[file.File](pgtest.Noon), bob); !errors.Is(err, file.ErrUnknown) {
		t.Errorf("no file: %v, want %v", err, file.ErrUnknown)
	}
	lent, err := s.Link(t.Context(), f.ID, bob)
	must(t, err)
	s.read(t, f.ID, lent.Token, 0)
	s.clock.Advance(file.LinkTTL - time.Second)
	s.read(t, f.ID, l.Token, 0)
	s.clock.Advance(time.Second)
	refused("five minutes later", f.ID, l.Token)
	var kept int
	must(t, s.db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM file_link WHERE reader_id = $1`, bob).Scan(&kept))
	if kept != 1 {
		t.Errorf("%d links are known to have been made for bob, want 1", kept)
	}
}

func TestAPublicFileNeedsNoLink(t *testing.T) {
	t.Parallel()
	s := open(t)
	f := s.put(t, public("a.png"), pngOf(t, halves(2, 2)))
	l, err := s.Link(t.Context(), f.ID, bob)
	must(t, err)
	if l.Token != "" || l.Path() != "/v1/files/"+f.ID.String() {
		t.Errorf("the link is %+v", l)
	}
	s.read(t, f.ID, "", 0)
}

func TestNobodyUploadsMoreThanHisDayHasRoomFor(t *testing.T) {
	t.Parallel()
	s := open(t)
	small, err := file.Open(s.db, file.Config{Folder: s.folder, MaxBytes: 10 << 20, DailyBytes: 25_000})
	must(t, err)
	put := func(owner uuid.UUID, w int) error {
		_, err := small.Put(t.Context(), file.New{Owner: owner, Name: "a.png", Kind: file.Picture}, bytes.NewReader(pngOf(t, noise(w, 50))))
		return err
	}
	must(t, put(ann, 120))
	if err := put(ann, 121); !errors.Is(err, file.ErrQuota) {
		t.Errorf("beyond the day's room: %v, want %v", err, file.ErrQuota)
	}
	must(t, put(ann, 120)) // it is there already
	must(t, put(bob, 121))
	if got := s.objects(t); len(got) != 2 {
		t.Errorf("what was refused left something: %v", got)
	}
	s.clock.Advance(24*time.Hour + time.Second)
	must(t, put(ann, 121))
}

func TestWhatACrashLeftIsSweptAfterADay(t *testing.T) {
	t.Parallel()
	s := open(t)
	f := s.put(t, public("a.png"), pngOf(t, noise(400, 10)))
	lost := id.New[file.File](s.clock.Now()).String()
	dir := filepath.Join(s.folder, lost[34:])
	must(t, os.MkdirAll(dir, 0o700))
	for _, name := range []string{lost, lost + "-320", lost + "-960.part", "README"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	sweep := func(want int) {
		t.Helper()
		if n, err := s.Sweep(t.Context()); n != want || err != nil {
			t.Errorf("swept %d (%v), want %d", n, err, want)
		}
	}
	s.clock.Advance(23 * time.Hour)
	sweep(0)
	s.clock.Advance(2 * time.Hour)
	sweep(3)
	sweep(0)
	s.read(t, f.ID, "", 320)
	if _, err := os.Stat(filepath.Join(dir, "README")); err != nil {
		t.Errorf("what is none of ours is gone: %v", err)
	}
}

func TestNobodyRefersToAnothersFile(t *testing.T) {
	t.Parallel()
	s := open(t)
	f := s.put(t, private("a.png"), pngOf(t, halves(2, 2)))
	check := func(owner uuid.UUID, files ...file.ID) error {
		return postgres.Do(t.Context(), s.db, func(tx *postgres.Tx) error { return file.Check(t.Context(), tx, owner, files...) })
	}
	must(t, check(ann))
	must(t, check(ann, f.ID, f.ID))
	if err := check(bob, f.ID); !errors.Is(err, file.ErrUnknown) {
		t.Errorf("another's: %v, want %v", err, file.ErrUnknown)
	}
	if err := check(ann, f.ID, id.New[file.File](pgtest.Noon)); !errors.Is(err, file.ErrUnknown) {
		t.Errorf("one of two is none: %v, want %v", err, file.ErrUnknown)
	}
}
