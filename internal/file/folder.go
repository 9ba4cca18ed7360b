package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// folder keeps objects in a folder of this machine. os.Root keeps every name inside
// it, also where a link leads out.
type folder struct{ root *os.Root }

// openFolder opens the folder, which is made for this program's eyes only if it is
// not there.
func openFolder(name string) (folder, error) {
	if err := os.MkdirAll(name, 0o700); err != nil {
		return folder{}, fmt.Errorf("make the folder of files: %w", err)
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return folder{}, fmt.Errorf("open the folder of files: %w", err)
	}
	return folder{root}, nil
}

// unfinished ends the name of an object whose bytes are still being written.
const unfinished = ".part"

// place is where an object lies: in one of 256 folders, by the end of its id, which
// is random where its beginning is the time.
func place(name string) string {
	const length = 36
	return path.Join(name[length-2:length], name)
}

func (f folder) put(_ context.Context, name string, body []byte) (err error) {
	at := place(name)
	if err := f.root.MkdirAll(path.Dir(at), 0o700); err != nil {
		return fmt.Errorf("make a folder for %s: %w", name, err)
	}
	if err := f.write(at+unfinished, body); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := f.root.Rename(at+unfinished, at); err != nil {
		return fmt.Errorf("put %s in its place: %w", name, err)
	}
	return f.settle(path.Dir(at))
}

// write writes bytes and waits until they are on the disk.
func (f folder) write(at string, body []byte) error {
	w, err := f.root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = w.Write(body)
	return errors.Join(err, w.Sync(), w.Close())
}

// settle waits until the names in a folder are on the disk.
func (f folder) settle(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f folder) open(_ context.Context, name string) (io.ReadCloser, error) {
	r, err := f.root.Open(place(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoObject
	}
	return r, err
}

func (f folder) remove(_ context.Context, name string) error {
	at := place(name)
	for _, one := range []string{at, at + unfinished} {
		if err := f.root.Remove(one); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f folder) each(ctx context.Context, visit func(name string) error) error {
	return fs.WalkDir(f.root.FS(), ".", func(_ string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
			return nil
		case err != nil:
			return err
		case d.IsDir():
			return ctx.Err()
		}
		return visit(strings.TrimSuffix(d.Name(), unfinished))
	})
}
