package file

import (
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is how long a kept name is without its extension, in characters.
const maxName = 100

// extensions are those of the types that are kept, and of what they are made of.
var extensions = map[string]string{".jpg": JPEG, ".jpeg": JPEG, ".jfif": JPEG, ".png": PNG, ".webp": "", ".pdf": PDF} //nolint:gochecknoglobals // a table

// clean makes a name that is safe to show, to put into a header and to save under:
// no folders, no characters that cannot be seen or that turn the text round, no
// name that means a device. It always ends with the extension of what the bytes
// are: one that contradicts them is replaced, a foreign one is followed by it.
func clean(name, mediaType string) string {
	name = strings.ToValidUTF8(name, "")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), r == utf8.RuneError, unicode.Is(unicode.Bidi_Control, r):
			return -1
		case strings.ContainsRune(`<>:"|?*;%`, r):
			return '_'
		}
		return r
	}, name)
	extension := strings.ToLower(path.Ext(name))
	if _, ours := extensions[extension]; ours {
		name = name[:len(name)-len(extension)]
	}
	if runes := []rune(name); len(runes) > maxName {
		name = string(runes[:maxName])
	}
	name = strings.Trim(name, " .")
	if name == "" {
		name = "file"
	}
	if device(name) {
		name = "_" + name
	}
	return name + extensionOf(mediaType)
}

// device reports whether a name means a device where DOS has left its traces.
func device(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	stem = strings.TrimSpace(stem)
	if slices.Contains([]string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}, stem) {
		return true
	}
	number, isPort := strings.CutPrefix(stem, "COM")
	if !isPort {
		number, isPort = strings.CutPrefix(stem, "LPT")
	}
	return isPort && utf8.RuneCountInString(number) == 1 && strings.Contains("0123456789¹²³", number)
}

func extensionOf(mediaType string) string {
	switch mediaType {
	case JPEG:
		return ".jpg"
	case PNG:
		return ".png"
	}
	return ".pdf"
}
