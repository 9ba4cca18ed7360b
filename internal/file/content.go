package file

import (
	"bytes"
	"strings"
)

// The types that an upload can begin as.
const (
	beginsJPEG = "JPEG"
	beginsPNG  = "PNG"
	beginsWebP = "WebP"
	beginsPDF  = "PDF"
)

// sniffed is how many bytes the type of an upload is read from.
const sniffed = 512

// sniff says as what an upload begins, by its first bytes and nothing else. What is
// not taken is ErrType, which names it where it is known.
func sniff(head []byte, kind Kind) (string, error) {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return beginsJPEG, nil
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return beginsPNG, nil
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return beginsWebP, nil
	case bytes.HasPrefix(head, []byte("%PDF-")) && kind == Paper:
		return beginsPDF, nil
	}
	taken := "JPEG, PNG or WebP"
	if kind == Paper {
		taken += ", or PDF"
	}
	return "", ErrType.With("the content is %s; taken are %s", foreign(head), taken)
}

// foreign names what is often uploaded and not taken.
func foreign(head []byte) string {
	for _, f := range []struct{ prefix, name string }{
		{"GIF8", "a GIF"},
		{"PK\x03\x04", "a ZIP archive or an office document"},
		{"PK\x05\x06", "a ZIP archive"},
		{"%PDF-", "a PDF"},
		{"BM", "a BMP"},
		{"II*\x00", "a TIFF"},
		{"MM\x00*", "a TIFF"},
		{"MZ", "a program"},
		{"\x7fELF", "a program"},
		{"\x1f\x8b", "a gzip archive"},
	} {
		if bytes.HasPrefix(head, []byte(f.prefix)) {
			return f.name
		}
	}
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		return "a HEIC, AVIF or a video"
	}
	text := strings.ToLower(string(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")))
	switch {
	case strings.Contains(text, "<svg"):
		return "an SVG"
	case strings.Contains(text, "<html"), strings.Contains(text, "<!doctype html"), strings.Contains(text, "<script"):
		return "HTML"
	case strings.HasPrefix(text, "<?xml"):
		return "XML"
	}
	return "something else"
}
