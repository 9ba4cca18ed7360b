package file

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"regexp"
)

// Bounds of the object streams of one PDF: how many bytes they may hold together,
// and how many of them there may be.
const (
	inflated   = 16 << 20
	maxStreams = 5000
)

// CheckPDF is nil if a PDF shows nothing that acts by itself: ErrDamaged when it
// does not begin and end as one (what follows its end is no part of it),
// ErrActive for scripts, programs to be started, forms that are sent off,
// attachments, media players and encryption. Names are compared as a reader would,
// with their #xx undone, also inside compressed object streams.
//
// It does not promise that a PDF is harmless: fonts and pictures in it are not
// looked at, nor what a broken reader makes of a broken file, nor what it says. So
// it is only ever given away as an attachment, and never shown on our pages.
func CheckPDF(body []byte) error {
	end := bytes.LastIndex(body, []byte("%%EOF"))
	switch {
	case !bytes.HasPrefix(body, []byte("%PDF-1.")) && !bytes.HasPrefix(body, []byte("%PDF-2.")):
		return ErrDamaged.With("it does not begin as a PDF")
	case end < 0:
		return ErrDamaged.With("the PDF has no end")
	case len(bytes.Trim(body[end+len("%%EOF"):], "\x00\t\n\f\r ")) > 0:
		return ErrDamaged.With("something follows the end of the PDF")
	}
	if name := active(body); name != "" {
		return ErrActive.With("the PDF has /%s", name)
	}
	return checkObjectStreams(body)
}

var objectStream = regexp.MustCompile(`stream\r?\n`)

// checkObjectStreams looks into the streams that hold objects. One that cannot be
// opened is ErrActive: it hides what it has.
func checkObjectStreams(body []byte) error {
	left, streams, before := int64(inflated), 0, 0
	for _, at := range objectStream.FindAllIndex(body, -1) {
		dict := body[before:at[0]] // and what else stands since the stream before, of which none speaks of ObjStm
		before = at[1]
		if bytes.HasSuffix(dict, []byte("end")) || !has(dict, "ObjStm") {
			continue
		}
		if streams++; streams > maxStreams {
			return ErrActive.With("the PDF has more packed objects than are looked into")
		}
		r, err := zlib.NewReader(bytes.NewReader(body[at[1]:]))
		if err != nil || has(dict, "DecodeParms") {
			return ErrActive.With("the PDF has objects packed in a way that is not looked into")
		}
		objects, err := io.ReadAll(io.LimitReader(r, left+1))
		left -= int64(len(objects))
		if left < 0 {
			return ErrActive.With("the PDF has more packed objects than are looked into")
		}
		if name := active(objects); name != "" {
			return ErrActive.With("the PDF has /%s", name)
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, zlib.ErrChecksum) {
			return ErrDamaged.With("the PDF's packed objects are broken")
		}
	}
	return nil
}

// active is the first name in a part of a PDF that stands for something that acts
// or hides, or "".
func active(part []byte) string {
	found := ""
	names(part, func(name string, rest []byte) bool {
		switch name {
		case "JavaScript", "Launch", "EmbeddedFile", "EmbeddedFiles", "RichMedia", "Rendition", "XFA",
			"SubmitForm", "ImportData", "GoToE", "Encrypt":
			found = name
		case "JS": // two letters come about by chance, in pictures; a script's are followed by it
			if after := bytes.TrimLeft(rest, "\x00\t\n\f\r "); len(after) > 0 && bytes.IndexByte([]byte("(<"), after[0]) >= 0 ||
				len(after) > 0 && len(after) < len(rest) && after[0] >= '0' && after[0] <= '9' {
				found = name
			}
		}
		return found == ""
	})
	return found
}

func has(part []byte, wanted string) (yes bool) {
	names(part, func(name string, _ []byte) bool {
		yes = name == wanted
		return !yes
	})
	return yes
}

// names calls f with each name in a part of a PDF and what follows it, until f says
// enough (ISO 32000-1 §7.3.5). Names longer than any that we look for are passed over.
func names(part []byte, f func(name string, rest []byte) bool) {
	const longest = 48
	for {
		slash := bytes.IndexByte(part, '/')
		if slash < 0 {
			return
		}
		part = part[slash+1:]
		var name []byte
		i := 0
		for i < len(part) && len(name) <= longest && bytes.IndexByte([]byte("\x00\t\n\f\r ()<>[]{}/%"), part[i]) < 0 {
			c := part[i]
			if c == '#' && i+2 < len(part) {
				if high, low := digit(part[i+1]), digit(part[i+2]); high >= 0 && low >= 0 {
					c, i = byte(high<<4|low), i+2
				}
			}
			name = append(name, c)
			i++
		}
		if !f(string(name), part[i:]) {
			return
		}
	}
}

// digit is the value of a hexadecimal digit, or -1.
func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
