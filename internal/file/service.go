package file

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Config says where files are kept and how much is taken.
type Config struct {
	// Folder is where files are kept, and where uploads lie while they are looked at.
	// Empty: `files` in STATE_DIR.
	Folder string `env:"FILE_FOLDER"`
	// S3 keeps the files instead of the folder if it has an endpoint.
	S3 S3
	// MaxBytes bounds one file, as it comes and as it is kept.
	MaxBytes int64 `env:"FILE_MAX_BYTES, default=10485760"`
	// DailyBytes bounds what one account uploads in 24 hours. 0: no bound.
	DailyBytes int64 `env:"FILE_DAILY_BYTES, default=209715200"`
}

// objects is where bytes are kept, under names that begin with a file's id.
type objects interface {
	// put keeps an object; afterwards it is there whole, or not at all.
	put(ctx context.Context, name string, body []byte) error
	// open reads an object; errNoObject if there is none.
	open(ctx context.Context, name string) (io.ReadCloser, error)
	// remove forgets an object, and what was begun of it. None is no error.
	remove(ctx context.Context, name string) error
	// each calls visit with every object's name, those begun among them.
	each(ctx context.Context, visit func(name string) error) error
}

// errNoObject says that there is no object of this name.
var errNoObject = errors.New("file: no such object")

// Service takes files in and gives them away.
type Service struct {
	db      *postgres.DB
	cfg     Config
	store   objects
	spool   folder // uploads lie here while they are looked at
	room    *semaphore.Weighted
	garbage atomic.Int64 // bytes of pictures let go since memory was last swept
}

// Open makes the service. The folder is made if it is not there; the bucket must be.
func Open(db *postgres.DB, cfg Config) (*Service, error) {
	local, err := openFolder(cfg.Folder)
	if err != nil {
		return nil, err
	}
	s := &Service{db: db, cfg: cfg, store: local, spool: local, room: semaphore.NewWeighted(workspace)}
	if cfg.S3.Endpoint != "" {
		if s.store, err = openBucket(cfg.S3); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// MaxBytes is how many bytes a file may have.
func (s *Service) MaxBytes() int64 { return s.cfg.MaxBytes }

// Put takes a file in. The same bytes from the same account, as private as before,
// are the same file, under the name that it has. What is refused (ErrEmpty, ErrTooLarge,
// ErrType, ErrDamaged, ErrPixels, ErrActive, ErrQuota) leaves nothing behind.
//
// The bytes enter the store before the row is written: a file whose row is there can
// be read. What a crash leaves in the store without a row, Sweep takes away.
func (s *Service) Put(ctx context.Context, n New, r io.Reader) (File, error) {
	up, err := s.receive(r)
	if err != nil {
		return File{}, err
	}
	defer up.close()
	begins, err := sniff(up.head, n.Kind)
	if err != nil {
		return File{}, err
	}
	known, found, err := s.known(ctx, n, up.digest)
	if err != nil || found {
		return known, err
	}
	made, err := s.make(ctx, up, begins)
	if err != nil {
		return File{}, err
	}
	f := File{
		ID: id.New[File](s.db.Now()), Owner: n.Owner, Name: clean(n.Name, made.mediaType), MediaType: made.mediaType,
		Size: int64(len(made.body)), SHA256: sha256.Sum256(made.body), Width: made.width, Height: made.height, Private: n.Private,
	}
	return s.keep(ctx, f, up.digest, made)
}

// keep stores the bytes and writes the row.
func (s *Service) keep(ctx context.Context, f File, digest [32]byte, made made) (File, error) {
	name := f.ID.String()
	for suffix, body := range made.thumbnails {
		if err := s.store.put(ctx, name+suffix, body); err != nil {
			return File{}, err
		}
	}
	if err := s.store.put(ctx, name, made.body); err != nil {
		return File{}, err
	}
	kept, err := postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (File, error) {
		f.CreatedAt = tx.Now
		return insert(ctx, tx, f, digest, s.cfg.DailyBytes)
	})
	if err != nil || kept.ID != f.ID { // refused, or another request with the same bytes was faster
		return kept, errors.Join(err, s.removeAll(context.WithoutCancel(ctx), name))
	}
	return kept, nil
}

func (s *Service) removeAll(ctx context.Context, name string) error {
	err := s.store.remove(ctx, name)
	for _, size := range Thumbnails() {
		err = errors.Join(err, s.store.remove(ctx, name+suffix(size)))
	}
	return err
}

// suffix is what the name of a thumbnail has behind the file's id.
func suffix(size int) string { return "-" + strconv.Itoa(size) }

// upload is what came, on the disk.
type upload struct {
	file   *os.File // without a name: it is gone when it is closed, whatever happens
	size   int64
	head   []byte
	digest [32]byte
}

func (u *upload) close() { _ = u.file.Close() }

// receive lets an upload come in, no further than it may be long.
func (s *Service) receive(r io.Reader) (_ *upload, err error) {
	name := rand.Text() + unfinished
	file, err := s.spool.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("receive an upload: %w", err)
	}
	u := &upload{file: file}
	defer func() {
		if err != nil {
			u.close()
		}
	}()
	if err := s.spool.root.Remove(name); err != nil {
		return nil, fmt.Errorf("receive an upload: %w", err)
	}
	sum := sha256.New()
	if u.size, err = io.Copy(io.MultiWriter(file, sum), io.LimitReader(r, s.cfg.MaxBytes+1)); err != nil {
		return nil, fmt.Errorf("receive an upload: %w", err)
	}
	sum.Sum(u.digest[:0])
	switch {
	case u.size == 0:
		return nil, ErrEmpty
	case u.size > s.cfg.MaxBytes:
		return nil, ErrTooLarge.With("at most %d bytes", s.cfg.MaxBytes)
	}
	u.head = make([]byte, min(u.size, sniffed))
	if _, err := file.ReadAt(u.head, 0); err != nil {
		return nil, fmt.Errorf("read an upload: %w", err)
	}
	_, err = file.Seek(0, io.SeekStart)
	return u, err
}

// made is what is kept of an upload.
type made struct {
	body          []byte
	mediaType     string
	width, height int
	thumbnails    map[string][]byte // by suffix
}

// patience is how long an upload waits for room to be looked at.
const patience = 10 * time.Second

// make looks at an upload and makes what is kept of it, when there is room.
func (s *Service) make(ctx context.Context, u *upload, begins string) (made, error) {
	cost := u.size + inflated
	var f frame
	if begins != beginsPDF {
		var err error
		if f, err = measure(u.file, begins); err != nil {
			return made{}, err
		}
		cost = f.cost
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.room.Acquire(waiting, cost); err != nil {
		return made{}, ErrBusy.After(patience)
	}
	defer s.leave(cost)
	if begins == beginsPDF {
		return makePaper(u)
	}
	return s.makePicture(u.file, begins, f)
}

// leave gives the room of an upload back. Its pictures are garbage by then, and the
// next one's would stand beside them until the collector comes by itself, which is
// when memory has doubled: with pictures that is too late.
func (s *Service) leave(cost int64) {
	const heap = 16 << 20
	if s.garbage.Add(cost) >= heap {
		s.garbage.Store(0)
		runtime.GC()
	}
	s.room.Release(cost)
}

func makePaper(u *upload) (made, error) {
	body := make([]byte, u.size)
	if _, err := io.ReadFull(u.file, body); err != nil {
		return made{}, fmt.Errorf("read an upload: %w", err)
	}
	return made{body: body, mediaType: PDF}, CheckPDF(body)
}

// makePicture writes a picture anew, upright, and its thumbnails.
func (s *Service) makePicture(r io.Reader, begins string, f frame) (made, error) {
	img, err := reduced(r, begins, f)
	if err != nil {
		return made{}, err
	}
	m := made{width: img.Rect.Dx(), height: img.Rect.Dy(), thumbnails: make(map[string][]byte)}
	if m.body, m.mediaType, err = write(img, begins == beginsPNG, quality, s.cfg.MaxBytes); err != nil {
		return made{}, err
	}
	for _, size := range Thumbnails() {
		if max(m.width, m.height) <= size {
			continue
		}
		body, mediaType, err := write(fit(img, size), m.mediaType == PNG && !img.Opaque(), thumbQuality, s.cfg.MaxBytes)
		if err != nil {
			return made{}, err
		}
		m.thumbnails[suffix(size)] = append([]byte(mediaType+"\n"), body...)
	}
	return m, nil
}

// reduced decodes a picture; what was decoded is let go before it is turned.
func reduced(r io.Reader, begins string, f frame) (*image.RGBA, error) {
	img, err := decode(r, begins)
	if err != nil {
		return nil, err
	}
	return upright(fit(img, keptSide), f.turn), nil
}

// known is the file that has these bytes already.
func (s *Service) known(ctx context.Context, n New, digest [32]byte) (f File, found bool, err error) {
	f, err = postgres.Read(ctx, s.db, func(tx *postgres.Tx) (File, error) {
		return byDigest(ctx, tx, n.Owner, n.Private, digest)
	})
	if errors.Is(err, ErrUnknown) {
		return File{}, false, nil
	}
	return f, err == nil, err
}

// File is what one account has uploaded; another's is ErrUnknown.
func (s *Service) File(ctx context.Context, owner uuid.UUID, fid ID) (File, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (File, error) { return owned(ctx, tx, owner, fid) })
}

// Link opens a file to one reader for LinkTTL. Whether he may read it is decided by
// who calls: the owner's own, or a context after its own check. It is written down for whom
// it was made. A public file needs no link and gets one without a token.
func (s *Service) Link(ctx context.Context, fid ID, reader uuid.UUID) (Link, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Link, error) { return Lend(ctx, tx, fid, reader) })
}

// OwnLink is Link for who uploaded the file; another's is ErrUnknown.
func (s *Service) OwnLink(ctx context.Context, owner uuid.UUID, fid ID) (Link, error) {
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Link, error) {
		if _, err := owned(ctx, tx, owner, fid); err != nil {
			return Link{}, err
		}
		return Lend(ctx, tx, fid, owner)
	})
}

// Lend is Link in its caller's transaction: the link is there only if what the caller
// writes down of it is, too.
func Lend(ctx context.Context, tx *postgres.Tx, fid ID, reader uuid.UUID) (Link, error) {
	f, err := byID(ctx, tx, fid)
	if err != nil {
		return Link{}, err
	}
	l := Link{File: fid, ExpiresAt: tx.Now.Add(LinkTTL)}
	if !f.Private {
		return l, nil
	}
	var token [32]byte
	_, _ = rand.Read(token[:]) // it never returns an error
	l.Token = base64.RawURLEncoding.EncodeToString(token[:])
	return l, insertLink(ctx, tx, l, reader)
}

// hash is what is kept of a link's token.
func hash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// Content is a file as it is given away. The reader must close it.
type Content struct {
	io.ReadCloser

	File      File
	MediaType string // of these bytes: a thumbnail's may be another than the file's
	ETag      string // with its quotes
}

// Open reads a file, or the thumbnail of it whose longer side is size (0: the file
// itself; what is smaller anyhow is its own thumbnail). A private one is ErrUnknown
// without the token of a link to it that has not expired.
func (s *Service) Open(ctx context.Context, fid ID, token string, size int) (Content, error) {
	f, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (File, error) { return readable(ctx, tx, fid, token) })
	if err != nil {
		return Content{}, err
	}
	c := Content{File: f, MediaType: f.MediaType, ETag: `"` + base64.RawURLEncoding.EncodeToString(f.SHA256[:12]) + `"`}
	small := size > 0 && f.Width > 0 && max(f.Width, f.Height) > size
	name := fid.String()
	if small {
		name += suffix(size)
		c.ETag = c.ETag[:len(c.ETag)-1] + suffix(size) + `"`
	}
	if c.ReadCloser, err = s.store.open(ctx, name); err != nil {
		return Content{}, fmt.Errorf("open file %s: %w", name, err) // its row is there: that is a fault of ours
	}
	if small {
		err = c.unwrap()
	}
	return c, err
}

// unwrap takes the type off the front of a thumbnail, where it is kept.
func (c *Content) unwrap() error {
	var head [len(JPEG) + 1]byte
	if _, err := io.ReadFull(c, head[:len(PNG)+1]); err != nil {
		return errors.Join(fmt.Errorf("read a thumbnail: %w", err), c.Close())
	}
	c.MediaType = PNG
	if !bytes.HasPrefix(head[:], []byte(PNG)) {
		c.MediaType = JPEG
		if _, err := io.ReadFull(c, head[len(PNG)+1:]); err != nil {
			return errors.Join(fmt.Errorf("read a thumbnail: %w", err), c.Close())
		}
	}
	return nil
}

// orphaned is the age at which an object without a row is nobody's.
const orphaned = 24 * time.Hour

// Sweep takes away objects of files that never came to be, a day after they were
// begun, and forgets for whom links were made a month after they expired. It
// returns how many objects it took away.
func (s *Service) Sweep(ctx context.Context) (int, error) {
	err := postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return forgetLinks(ctx, tx, tx.Now.Add(-keptLinks)) })
	if err != nil {
		return 0, err
	}
	const batch = 500
	n := 0
	names := make([]string, 0, batch)
	err = s.store.each(ctx, func(name string) error {
		fid, err := ofObject(name)
		if err != nil || s.db.Now().Sub(fid.Time()) < orphaned {
			return nil //nolint:nilerr // what has no name of ours is none of ours
		}
		if names = append(names, name); len(names) < batch {
			return nil
		}
		swept, err := s.sweep(ctx, names)
		n, names = n+swept, names[:0]
		return err
	})
	if err != nil {
		return n, err
	}
	swept, err := s.sweep(ctx, names)
	return n + swept, err
}

// sweep removes those of the objects whose file has no row.
func (s *Service) sweep(ctx context.Context, names []string) (int, error) {
	ids := make([]uuid.UUID, len(names))
	for i, name := range names {
		fid, err := ofObject(name)
		if err != nil {
			return 0, err
		}
		ids[i] = fid.UUID()
	}
	there, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (map[uuid.UUID]bool, error) { return existing(ctx, tx, ids) })
	if err != nil {
		return 0, err
	}
	n := 0
	for i, name := range names {
		if there[ids[i]] {
			continue
		}
		if err := s.store.remove(ctx, name); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// ofObject is the file that an object belongs to.
func ofObject(name string) (ID, error) {
	const length = 36
	if len(name) < length {
		return ID{}, errNoObject
	}
	return id.Parse[File](name[:length])
}
