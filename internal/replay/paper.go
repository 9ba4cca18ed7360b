package replay

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/shiyi-market/shiyi/internal/file"
)

// scan uploads a paper of an enterprise as who sells for it, to be read by those who
// decide about it. Again it is the same file.
func (r *Replay) scan(ctx context.Context, at time.Time, e Enterprise, what string) (file.ID, error) {
	files, err := file.Open(r.DB.At(at), r.Files)
	if err != nil {
		return file.ID{}, err
	}
	f, err := files.Put(ctx, file.New{
		Owner: seller(e.Code()).Account.UUID(), Name: e.Code() + " " + what + ".pdf", Private: true, Kind: file.Paper,
	}, bytes.NewReader(paper("（虚构示例）INVENTED EXAMPLE", e.row["legal_name"], what)))
	if err != nil {
		return file.ID{}, fmt.Errorf("upload %s of %s: %w", what, e.Code(), err)
	}
	return f.ID, nil
}

// paper is a PDF of one small page with these lines, always of the same bytes. Its
// font is one that readers have for Chinese (ISO 32000-1 §9.7.5.2), so that none is in it.
func paper(lines ...string) []byte {
	var text strings.Builder
	text.WriteString("BT /F 14 Tf 24 TL 24 170 Td")
	for _, line := range lines {
		text.WriteString(" <")
		for _, unit := range utf16.Encode([]rune(line)) {
			fmt.Fprintf(&text, "%04X", unit)
		}
		text.WriteString("> Tj T*")
	}
	text.WriteString(" ET")
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 420 210] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", text.Len(), text.String()),
		"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light-UniGB-UTF16-H /Encoding /UniGB-UTF16-H /DescendantFonts [6 0 R] >>",
		"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /FontDescriptor 7 0 R" +
			" /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> >>",
		"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0" +
			" /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>",
	}
	var out, index bytes.Buffer
	out.WriteString("%PDF-1.5\n")
	index.WriteString("0000000000 65535 f \n")
	for i, o := range objects {
		fmt.Fprintf(&index, "%010d 00000 n \n", out.Len())
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	begins := out.Len()
	n := len(objects) + 1
	fmt.Fprintf(&out, "xref\n0 %d\n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", n, index.String(), n, begins)
	return out.Bytes()
}
