package file_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
)

// marks are what must not be found in anything that was kept.
var marks = []string{"<script", "PK\x03\x04", "GPS-39.9N", "Exif\x00", "tEXt", "zTXt", "iCCP"}

// upload is one of the wicked: what it is called, what it holds, and the fault that
// it must meet. nil: it is taken and disarmed.
type upload struct {
	name string
	body []byte
	want *fault.Error
}

// wicked are uploads that somebody sends who means harm.
func wicked(t testing.TB) []upload {
	t.Helper()
	photo, drawing, archive := jpegOf(t, noise(640, 480)), pngOf(t, noise(64, 48)), zipOf(t, "Main.class", []byte("<script>alert(1)</script>"))
	bomb := zipBomb(t, 200<<20)
	script := []byte("<script>alert(document.domain)</script>")
	return []upload{
		{"polyglot JPEG and ZIP.jpg", join(photo, archive), nil},
		{"polyglot PNG and script.png", join(drawing, script), nil},
		{"PNG with a script in its text.png", withChunk(drawing, "tEXt", join([]byte("Comment\x00"), script)), nil},
		{"GIFAR.gif", join([]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"), archive), file.ErrType},
		{"JPEG with a script in its comment.jpg", withSegment(photo, 0xfe, script), nil},
		{"picture.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), file.ErrType},
		{"svg as.png", []byte(`<?xml version="1.0"?><!DOCTYPE svg><svg onload="alert(1)"/>`), file.ErrType},
		{"page.html", []byte("<!DOCTYPE html><html><script>alert(1)</script></html>"), file.ErrType},
		{"page as.pdf", []byte("<html><script>alert(1)</script></html>"), file.ErrType},
		{"bomb.zip", bomb, file.ErrType},
		{"bomb as.png", bomb, file.ErrType},
		{"program.jpg", []byte("MZ\x90\x00\x03"), file.ErrType},
		{"50,000 × 50,000.png", emptyPNG(50_000, 50_000, 8, 6), file.ErrPixels},
		{"65,500 a side.jpg", hugeJPEG(photo), file.ErrPixels},
		{"sixteen bits a channel.png", emptyPNG(6_300, 6_300, 16, 6), file.ErrPixels},
		{"no pixels.png", emptyPNG(0, 10, 8, 6), file.ErrDamaged},
		{"PNG as.jpg", drawing, nil},
		{"JPEG as.pdf", photo, nil},
		{"truncated.jpg", photo[:len(photo)/2], file.ErrDamaged},
		{"truncated.png", drawing[:len(drawing)/2], file.ErrDamaged},
		{"header alone.jpg", photo[:4], file.ErrDamaged},
		{"magic alone.png", []byte("\x89PNG\r\n\x1a\n"), file.ErrDamaged},
		{"WebP that is none.webp", []byte("RIFF\xff\xff\xff\xffWEBPVP8L\xff\xff\xff\xff"), file.ErrDamaged},
		{"huge EXIF.jpg", withEXIF(photo, 100), nil},
		{"text bomb.png", withChunk(drawing, "zTXt", join([]byte("Comment\x00\x00"), zeros(100<<20))), nil},
		{"profile bomb.png", withChunk(drawing, "iCCP", join([]byte("p\x00\x00"), zeros(100<<20))), nil},
		{"pixel bomb.png", pngBomb(10, 10, 100<<20), file.ErrDamaged},
		{"PDF with JavaScript.pdf", pdf("/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"), file.ErrActive},
		{"PDF with hidden JavaScript.pdf", pdf("/OpenAction << /S /J#61vaScript /J#53 (app.alert(1)) >>"), file.ErrActive},
		{"PDF with packed JavaScript.pdf", packed("<< /S /JavaScript /JS (app.alert(1)) >>"), file.ErrActive},
		{"PDF with a rendition.pdf", pdf("/OpenAction << /S /Rendition /JS 4 0 R >>"), file.ErrActive},
		{"PDF that starts a program.pdf", pdf("/OpenAction << /S /Launch /F (cmd.exe) >>"), file.ErrActive},
		{"PDF with an attachment.pdf", pdf("/Names << /EmbeddedFiles << >> >>"), file.ErrActive},
		{"PDF behind a password.pdf", pdf("/Encrypt 3 0 R"), file.ErrActive},
		{"PDF and ZIP.pdf", join(pdf(""), archive), file.ErrDamaged},
		{"PDF without an end.pdf", []byte("%PDF-1.7\n1 0 obj\n"), file.ErrDamaged},
		{"PDF packed too much.pdf", packed(strings.Repeat(" ", 17<<20)), file.ErrActive},
		{"empty.jpg", nil, file.ErrEmpty},
		{"11 MB.jpg", join(photo, make([]byte, 11<<20)), file.ErrTooLarge},
	}
}

func TestEveryWickedUploadIsRefusedOrDisarmed(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, u := range wicked(t) {
		f, err := s.Put(t.Context(), file.New{Owner: ann, Name: u.name, Kind: file.Paper}, bytes.NewReader(u.body))
		if u.want != nil {
			if !errors.Is(err, u.want) {
				t.Errorf("%s: %v, want %v", u.name, err, u.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v, want it disarmed", u.name, err)
			continue
		}
		kept := s.read(t, f.ID, "", 0)
		for _, mark := range marks {
			if bytes.Contains(kept, []byte(mark)) {
				t.Errorf("%s: what is kept has %q in it", u.name, mark)
			}
		}
		if _, format, err := image.Decode(bytes.NewReader(kept)); err != nil || "image/"+format != f.MediaType {
			t.Errorf("%s: what is kept is %s (%v), and called %s", u.name, format, err, f.MediaType)
		}
	}
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("%d objects are swept: %v", n, err)
	}
}

func TestWhatIsHarmlessIsTaken(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, u := range []upload{
		{"page.pdf", pdf("/OpenAction [3 0 R /Fit]"), nil},
		{"packed.pdf", packed("<< /Type /Page >>"), nil},
		{"speaks of it.pdf", pdf("/Title (What /JS means)"), nil},
		{"ends in a line.pdf", join(pdf(""), []byte("\r\n")), nil},
		{"grey.png", pngOf(t, image.NewGray(image.Rect(0, 0, 3, 5))), nil},
		{"grey.jpg", jpegOf(t, image.NewGray(image.Rect(0, 0, 3, 5))), nil},
		{"thin.png", pngOf(t, noise(12_000, 2)), nil},
		{"photo.webp", webpPixel, nil},
	} {
		if _, err := s.Put(t.Context(), file.New{Owner: ann, Name: u.name, Kind: file.Paper}, bytes.NewReader(u.body)); err != nil {
			t.Errorf("%s: %v", u.name, err)
		}
	}
}

func TestAPDFIsNoPicture(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := s.Put(t.Context(), file.New{Owner: ann, Name: "a.pdf", Kind: file.Picture}, bytes.NewReader(pdf("")))
	if !errors.Is(err, file.ErrType) {
		t.Errorf("a PDF for a picture: %v, want %v", err, file.ErrType)
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// noise is a picture that cannot be packed small, and always the same.
func noise(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = byte(r.Uint32())
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	return img
}

func jpegOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	must(t, jpeg.Encode(&out, img, nil))
	return out.Bytes()
}

func pngOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	must(t, png.Encode(&out, img))
	return out.Bytes()
}

func zipOf(t testing.TB, name string, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create(name)
	must(t, err)
	_, err = f.Write(body)
	must(t, errors.Join(err, w.Close()))
	return out.Bytes()
}

// webpPixel is one grey pixel, without loss.
var webpPixel = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")

// zeros are n zeros, packed. As a packed mebibyte of them is always the same, and only
// looks back on zeros, it is packed once and repeated.
func zeros(n int) []byte {
	adler := uint32(n%65_521)<<16 | 1 // RFC 1950 §8.2
	return binary.BigEndian.AppendUint32(append([]byte{0x78, 0x9c}, deflated(n)...), adler)
}

// deflated are n zeros, packed without a frame.
func deflated(n int) []byte {
	mebibyte, rest := packedZeros(1<<20), packedZeros(n%(1<<20))
	const end = "\x01\x00\x00\xff\xff" // an empty block that is the last (RFC 1951 §3.2.4)
	return join(bytes.Repeat(mebibyte, n>>20), rest, []byte(end))
}

// packedZeros are blocks of n zeros, none of which is the last.
func packedZeros(n int) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestSpeed) // the level is one that there is
	_, _ = w.Write(make([]byte, n))
	_ = w.Flush()
	return out.Bytes()
}

// zipBomb is a ZIP of n zeros.
func zipBomb(t testing.TB, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	packed := deflated(n)
	sum := crc32.NewIEEE()
	_, _ = io.CopyN(sum, zeroReader{}, int64(n))
	w := zip.NewWriter(&out)
	f, err := w.CreateRaw(&zip.FileHeader{
		Name: "zeros", Method: zip.Deflate, CRC32: sum.Sum32(), CompressedSize64: uint64(len(packed)), UncompressedSize64: uint64(n),
	})
	must(t, err)
	_, err = f.Write(packed)
	must(t, errors.Join(err, w.Close()))
	return out.Bytes()
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func chunk(kind string, body []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	out = append(append(out, kind...), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// withChunk puts a chunk behind the header of a PNG.
func withChunk(picture []byte, kind string, body []byte) []byte {
	const header = 33
	return join(picture[:header], chunk(kind, body), picture[header:])
}

func header(w, h uint32, depth, colors byte) []byte {
	body := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return join([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", append(body, depth, colors, 0, 0, 0)))
}

// emptyPNG says that it is large, and has nothing.
func emptyPNG(w, h uint32, depth, colors byte) []byte {
	return join(header(w, h, depth, colors), chunk("IDAT", zeros(10)), chunk("IEND", nil))
}

// pngBomb says that it is small, and has much.
func pngBomb(w, h uint32, n int) []byte {
	return join(header(w, h, 8, 6), chunk("IDAT", zeros(n)), chunk("IEND", nil))
}

// blank is a PNG of black pixels, RGBA of 8 bits, that took no memory to make.
func blank(w, h uint32) []byte {
	return join(header(w, h, 8, 6), chunk("IDAT", zeros(int(h)*(1+4*int(w)))), chunk("IEND", nil))
}

// withSegment puts a segment behind the beginning of a JPEG.
func withSegment(picture []byte, marker byte, body []byte) []byte {
	return join(picture[:2], []byte{0xff, marker}, binary.BigEndian.AppendUint16(nil, uint16(len(body)+2)), body, picture[2:])
}

// withEXIF puts many segments of EXIF into a JPEG, each with a place in it and as
// long as can be.
func withEXIF(picture []byte, n int) []byte {
	for range n {
		picture = withSegment(picture, 0xe1, append([]byte("Exif\x00\x00GPS-39.9N"), make([]byte, 65_000)...))
	}
	return picture
}

// turned puts an orientation into a JPEG.
func turned(picture []byte, orientation byte) []byte {
	exif := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00")
	return withSegment(picture, 0xe1, append(exif, orientation, 0, 0, 0, 0, 0, 0, 0, 'G', 'P', 'S', '-', '3', '9', '.', '9', 'N'))
}

// hugeJPEG is a picture that says that it is larger than it is.
func hugeJPEG(picture []byte) []byte {
	out := bytes.Clone(picture)
	frame := bytes.Index(out, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(out[frame+5:], 65_500)
	binary.BigEndian.PutUint16(out[frame+7:], 65_500)
	return out
}

// flatJPEG is a grey picture of any size that took no time to make. Its blocks are
// all the same, and their bits whole bytes: 4 for 16 × 16 pixels.
func flatJPEG(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewYCbCr(image.Rect(0, 0, 16, 16), image.YCbCrSubsampleRatio420)
	for _, plane := range [][]byte{img.Y, img.Cb, img.Cr} {
		for i := range plane {
			plane[i] = 128
		}
	}
	small := jpegOf(t, img)
	const block, end = 4, 2
	head, body := small[:len(small)-block-end], small[len(small)-block-end:len(small)-end]
	frame := bytes.Index(head, []byte{0xff, 0xc0})
	head = bytes.Clone(head)
	binary.BigEndian.PutUint16(head[frame+5:], uint16(h))
	binary.BigEndian.PutUint16(head[frame+7:], uint16(w))
	return join(head, bytes.Repeat(body, (w+15)/16*((h+15)/16)), small[len(small)-end:])
}

// pdf is a small PDF whose catalogue has something more in it.
func pdf(more string) []byte {
	return fmt.Appendf(nil, "%%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R %s >>\nendobj\ntrailer << /Root 1 0 R >>\nstartxref\n9\n%%%%EOF\n", more)
}

// packed is a PDF with an object in a packed stream.
func packed(object string) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = io.WriteString(w, object)
	_ = w.Close()
	return join([]byte("%PDF-1.7\n5 0 obj\n<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode >>\nstream\n"), out.Bytes(),
		[]byte("\nendstream\nendobj\nstartxref\n9\n%%EOF"))
}

// halves is a picture whose left half is red and whose right half is blue.
func halves(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for x := range w {
		c := color.RGBA{R: 255, A: 255}
		if x >= w/2 {
			c = color.RGBA{B: 255, A: 255}
		}
		img.SetRGBA(x, 0, c)
	}
	for y := 1; y < h; y++ {
		copy(img.Pix[y*img.Stride:], img.Pix[:img.Stride])
	}
	return img
}
