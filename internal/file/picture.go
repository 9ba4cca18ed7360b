package file

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// Bounds of a picture: what is decoded at all, and how long it is kept.
const (
	maxSide   = 12_000     // pixels
	maxPixels = 40_000_000 // pixels
	keptSide  = 3_000      // pixels; a larger one is made smaller. A4 has 250 dots an inch then
)

// workspace is the memory that decoding may take, in bytes, for all pictures at
// once: what would need more waits, and what would need more by itself is refused.
const workspace = 208 << 20

// Quality of what is written, as in image/jpeg.
const (
	quality      = 88
	thumbQuality = 80
)

// frame is what the first bytes of a picture tell, before anything is decoded.
type frame struct {
	width, height int
	turn          int   // EXIF orientation, 1 to 8; 1 is upright
	cost          int64 // bytes that decoding and making it anew takes
}

// measure reads the dimensions of a picture and reckons what it costs to decode,
// without decoding anything. ErrPixels when that is too much.
func measure(r io.ReadSeeker, begins string) (frame, error) {
	f := frame{turn: 1}
	var perPixel float64
	var err error
	switch begins {
	case beginsJPEG:
		perPixel, err = f.measureJPEG(r)
	case beginsPNG:
		perPixel, err = f.measurePNG(r)
	default:
		var c image.Config
		c, err = webp.DecodeConfig(bufio.NewReader(r))
		f.width, f.height, perPixel = c.Width, c.Height, 8
	}
	if _, seek := r.Seek(0, io.SeekStart); err == nil {
		err = seek
	}
	switch {
	case err != nil:
		return f, ErrDamaged.With("the picture's beginning cannot be read")
	case f.width < 1 || f.height < 1:
		return f, ErrDamaged.With("the picture is %d × %d pixels", f.width, f.height)
	case f.width > maxSide || f.height > maxSide || f.width*f.height > maxPixels:
		return f, ErrPixels.With("%d × %d pixels; at most %d, and %d a side", f.width, f.height, maxPixels, maxSide)
	}
	w, h := within(f.width, f.height, keptSide)
	f.cost = int64(perPixel*float64(f.width*f.height)) + 8*int64(w*h)
	if f.cost > workspace {
		return f, ErrPixels.With("%d × %d pixels are too many for the way in which they are packed", f.width, f.height)
	}
	return f, nil
}

// measurePNG reads the header, which comes first (PNG §11.2.2).
func (f *frame) measurePNG(r io.Reader) (perPixel float64, err error) {
	var head [29]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, err
	}
	if string(head[12:16]) != "IHDR" {
		return 0, errNoFrame
	}
	f.width, f.height = int(binary.BigEndian.Uint32(head[16:])), int(binary.BigEndian.Uint32(head[20:]))
	depth, colors, interlaced := head[24], head[25], head[28] != 0
	const gray, palette = 0, 3
	switch {
	case colors == palette, colors == gray && depth <= 8:
		perPixel = 4 // one byte, or four where some colour is transparent
	case depth == 16:
		perPixel = 8
	default:
		perPixel = 4
	}
	if interlaced { // the largest of the seven passes is half the picture, and stands beside it
		perPixel *= 1.5
	}
	return perPixel, nil
}

// errNoFrame says that a picture does not say how large it is.
var errNoFrame = errors.New("file: no frame")

// Markers of JPEG (ITU T.81 table B.1).
const (
	markerSOF0, markerSOF1, markerSOF2 = 0xc0, 0xc1, 0xc2
	markerSOS, markerEOI               = 0xda, 0xd9
	markerAPP1, markerAPP14            = 0xe1, 0xee
)

// measureJPEG walks the segments up to the picture's data: the frame says how large
// it is, EXIF how it is turned, and Adobe's mark that its colours are copied once more.
func (f *frame) measureJPEG(r io.Reader) (perPixel float64, err error) {
	b := bufio.NewReader(r)
	if _, err := b.Discard(2); err != nil {
		return 0, err
	}
	copied := 0.0
	for {
		marker, n, err := nextSegment(b)
		if err != nil {
			return 0, err
		}
		segment := make([]byte, n) // below 64 KiB
		if _, err := io.ReadFull(b, segment); err != nil {
			return 0, err
		}
		switch marker {
		case markerSOF0, markerSOF1, markerSOF2:
			if n < 6 || n < 6+3*int(segment[5]) {
				return 0, errNoFrame
			}
			f.height, f.width = int(binary.BigEndian.Uint16(segment[1:])), int(binary.BigEndian.Uint16(segment[3:]))
			perPixel = perPixelJPEG(segment, marker == markerSOF2)
			if segment[5] == 3 && segment[6] == 'R' {
				copied = 4
			}
		case markerAPP1:
			if turn := orientation(segment); turn != 0 {
				f.turn = turn
			}
		case markerAPP14:
			if n >= 12 && segment[11] == 0 {
				copied = 4
			}
		case markerSOS, markerEOI:
			if perPixel == 0 || marker == markerEOI {
				return 0, errNoFrame
			}
			return perPixel + copied, nil
		}
	}
}

// nextSegment reads a marker and how long its segment is without the length itself.
func nextSegment(b *bufio.Reader) (marker byte, n int, err error) {
	for marker == 0 {
		c, err := b.ReadByte()
		if err != nil {
			return 0, 0, err
		}
		if c != 0xff { // image/jpeg passes over stray bytes, too
			continue
		}
		for c == 0xff {
			if c, err = b.ReadByte(); err != nil {
				return 0, 0, err
			}
		}
		marker = c
	}
	if marker >= 0xd0 && marker <= 0xd7 || marker == markerEOI { // alone, without a segment
		return marker, 0, nil
	}
	var length [2]byte
	if _, err := io.ReadFull(b, length[:]); err != nil {
		return 0, 0, err
	}
	if n = int(binary.BigEndian.Uint16(length[:])) - 2; n < 0 {
		return 0, 0, errNoFrame
	}
	return marker, n, nil
}

// perPixelJPEG is what image/jpeg holds of each pixel, in bytes: its components as
// they are sampled, of a progressive picture also all coefficients, four bytes each,
// and of one with four components two copies more.
func perPixelJPEG(frame []byte, progressive bool) float64 {
	components, most, samples := int(frame[5]), 1, 0
	for i := range components {
		sampling := frame[6+3*i+1]
		n := max(int(sampling>>4)*int(sampling&0xf), 1)
		most, samples = max(most, n), samples+n
	}
	perPixel := float64(samples) / float64(most)
	if progressive {
		perPixel *= 5
	}
	if components == 4 {
		perPixel += 8
	}
	return perPixel
}

// orientation reads how a picture is to be turned out of its EXIF (TIFF tag
// 0x0112), 1 to 8; 0 when it is not said, or not in a way that can be trusted.
func orientation(app1 []byte) int {
	exif, ok := bytes.CutPrefix(app1, []byte("Exif\x00\x00"))
	if !ok || len(exif) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	if string(exif[:2]) == "MM" {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(exif[4:]))
	if at+2 > int64(len(exif)) {
		return 0
	}
	entries := exif[at+2:]
	for range order.Uint16(exif[at:]) {
		const entry, tagOrientation, typeShort = 12, 0x0112, 3
		if len(entries) < entry {
			return 0
		}
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == typeShort {
			if turn := int(order.Uint16(entries[8:])); turn >= 1 && turn <= 8 {
				return turn
			}
			return 0
		}
		entries = entries[entry:]
	}
	return 0
}

// decode reads the picture whole. Any flaw is ErrDamaged.
func decode(r io.Reader, begins string) (img image.Image, err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	switch begins {
	case beginsJPEG:
		img, err = jpeg.Decode(b)
	case beginsPNG:
		img, err = png.Decode(b)
	default:
		img, err = webp.Decode(b)
	}
	if err != nil {
		return nil, ErrDamaged.With("the picture cannot be decoded")
	}
	return img, nil
}

// within is the size of a picture that is at most so long, its shape kept.
func within(w, h, most int) (int, int) {
	if longer := max(w, h); longer > most {
		return max(w*most/longer, 1), max(h*most/longer, 1)
	}
	return w, h
}

// fit draws a picture at most so long. A much larger one is first averaged over
// blocks of pixels: what is thin does not vanish, and no memory is needed for it.
func fit(src image.Image, most int) *image.RGBA {
	b := src.Bounds()
	if n := max(b.Dx(), b.Dy()) / most; n >= 2 && min(b.Dx(), b.Dy()) >= n {
		src = average(src, n)
		b = src.Bounds()
	}
	w, h := within(b.Dx(), b.Dy(), most)
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	if w == b.Dx() && h == b.Dy() {
		draw.Draw(dst, dst.Bounds(), src, b.Min, draw.Src)
	} else {
		draw.ApproxBiLinear.Scale(dst, dst.Bounds(), src, b, draw.Src, nil)
	}
	return dst
}

// average makes one pixel out of n × n. It goes through strips of n lines, which
// draw converts far faster than pixel by pixel.
func average(src image.Image, n int) *image.RGBA {
	b := src.Bounds()
	dst := image.NewRGBA(image.Rect(0, 0, b.Dx()/n, b.Dy()/n))
	strip := image.NewRGBA(image.Rect(0, 0, dst.Rect.Dx()*n, n))
	count := uint32(n * n)
	for y := range dst.Rect.Dy() {
		draw.Draw(strip, strip.Rect, src, image.Pt(b.Min.X, b.Min.Y+y*n), draw.Src)
		for x := range dst.Rect.Dx() {
			var red, green, blue, alpha uint32
			for j := range n {
				row := strip.Pix[j*strip.Stride+4*x*n:][:4*n]
				for i := 0; i+3 < len(row); i += 4 {
					red, green, blue, alpha = red+uint32(row[i]), green+uint32(row[i+1]), blue+uint32(row[i+2]), alpha+uint32(row[i+3])
				}
			}
			to := dst.Pix[y*dst.Stride+4*x:][:4]
			to[0], to[1], to[2], to[3] = uint8(red/count), uint8(green/count), uint8(blue/count), uint8(alpha/count)
		}
	}
	return dst
}

// upright turns a picture as its EXIF orientation says (CIPA DC-008 §4.6.4 A).
func upright(src *image.RGBA, turn int) *image.RGBA {
	if turn <= 1 {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	out := image.Rect(0, 0, w, h)
	if turn >= 5 {
		out = image.Rect(0, 0, h, w)
	}
	dst := image.NewRGBA(out)
	for y := range h {
		for x := range w {
			var to int
			switch turn {
			case 2:
				to = dst.PixOffset(w-1-x, y)
			case 3:
				to = dst.PixOffset(w-1-x, h-1-y)
			case 4:
				to = dst.PixOffset(x, h-1-y)
			case 5:
				to = dst.PixOffset(y, x)
			case 6:
				to = dst.PixOffset(h-1-y, x)
			case 7:
				to = dst.PixOffset(h-1-y, w-1-x)
			default:
				to = dst.PixOffset(y, w-1-x)
			}
			from := src.PixOffset(x, y)
			copy(dst.Pix[to:to+4], src.Pix[from:from+4])
		}
	}
	return dst
}

// write makes a picture's bytes: PNG for what was one or can be seen through, and
// JPEG for all else. A PNG that would be longer than most bytes becomes a JPEG where
// it can, and is ErrTooLarge where not.
func write(img *image.RGBA, asPNG bool, q int, most int64) (body []byte, mediaType string, err error) {
	var out bounded
	out.left = most
	if opaque := img.Opaque(); asPNG || !opaque {
		err = png.Encode(&out, img)
		if err == nil {
			return out.Bytes(), PNG, nil
		}
		if !opaque || !errors.Is(err, errBound) {
			return nil, "", tooLong(err)
		}
		out = bounded{left: most}
	}
	if err = jpeg.Encode(&out, img, &jpeg.Options{Quality: q}); err != nil {
		return nil, "", tooLong(err)
	}
	return out.Bytes(), JPEG, nil
}

func tooLong(err error) error {
	if errors.Is(err, errBound) {
		return ErrTooLarge.With("written anew the picture is longer than files may be")
	}
	return err
}

// errBound says that a buffer is full.
var errBound = errors.New("file: more bytes than are taken")

// bounded is a buffer that is full some time.
type bounded struct {
	bytes.Buffer
	left int64
}

// Write adds to the buffer; beyond its bound it is errBound.
func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errBound
	}
	return b.Buffer.Write(p)
}
