package pdf_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/pdf"
	"github.com/shiyi-market/shiyi/internal/pdf/pdftest"
)

func paper() pdf.Paper {
	return pdf.Paper{
		Title: "对账单 Statement", At: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC), Foot: "什一 Shiyi",
		Lines:  []pdf.Line{{Name: "企业", Value: "太仆寺旗（虚构示例）合作社"}, {Name: "期间", Value: "2026-11-01 – 2026-11-30"}},
		Tables: []pdf.Table{{Columns: []pdf.Column{{Title: "项目", Width: 3}, {Title: "金额（元）", Width: 1, Right: true}}, Rows: [][]string{{"商品销售", "¥ 1,234.560"}, {"a (b) \\ c", "-0.001"}}}},
	}
}

func written(t *testing.T, p pdf.Paper) (raw []byte, missing string) {
	t.Helper()
	var out bytes.Buffer
	runes, err := pdf.Write(&out, p)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), string(runes)
}

func TestAPaperSaysWhatItWasGiven(t *testing.T) {
	t.Parallel()
	raw, missing := written(t, paper())
	again, _ := written(t, paper())
	if !bytes.Equal(raw, again) {
		t.Error("the same paper is other bytes")
	}
	want := []string{"对账单 Statement", "企业", "太仆寺旗（虚构示例）合作社", "期间", "2026-11-01 – 2026-11-30", "项目", "金额（元）", "商品销售", "¥ 1,234.560", "a (b) \\ c", "-0.001", "什一 Shiyi", "1"}
	if diff := cmp.Diff(want, pdftest.Texts(t, raw)); diff != "" || missing != "" {
		t.Errorf("it lacks %q (-want +got):\n%s", missing, diff)
	}
	if len(raw) > 200<<10 {
		t.Errorf("it has %d bytes: the whole font is in it", len(raw))
	}
}

func TestWhatHasNoGlyphIsMarkedAndNamed(t *testing.T) {
	t.Parallel()
	p := paper()
	p.Title, p.Lines[0].Value = "𠮷野 龘", "\x01 甲\n乙 😀 龘"
	raw, missing := written(t, p)
	texts := pdftest.Texts(t, raw)
	if missing != "\x01龘😀𠮷" || texts[0] != "〓野 〓" || texts[2] != "〓 甲 乙 〓 〓" {
		t.Errorf("it lacks %q and says %q", missing, texts[:3])
	}
}

// GB 2312 is what Chinese enterprises' names are written in, nearly always.
func TestTheFontHasWhatNamesAreWrittenIn(t *testing.T) {
	t.Parallel()
	p := paper()
	p.Foot = "镶黄旗锡林郭勒盟太仆寺旗骆驼山镇宝昌镇红旗镇千斤沟镇永丰镇贡宝拉格苏木幸福乡莜麦亚麻籽荞麦藜麦羊肉奶酪凭证〇○●★①ⅠαЯあア：；？！《》「」【】±×÷°‰№"
	if _, missing := written(t, p); missing != "" {
		t.Errorf("the font lacks %q", missing)
	}
}

func TestATableGoesOnOverPages(t *testing.T) {
	t.Parallel()
	p := paper()
	p.Tables[0].Rows = nil
	for i := range 150 {
		p.Tables[0].Rows = append(p.Tables[0].Rows, []string{fmt.Sprintf("第 %d 行", i), strings.Repeat("9", 80)})
	}
	raw, _ := written(t, p)
	texts := pdftest.Texts(t, raw)
	heads := 0
	for _, s := range texts {
		if s == "项目" {
			heads++
		}
	}
	if heads != 4 || !slices.Contains(texts, "第 149 行") || !slices.Contains(texts, "4") {
		t.Errorf("%d headers, want one on each of four pages", heads)
	}
	if cut := texts[slices.Index(texts, "第 0 行")+1]; !strings.HasSuffix(cut, "…") || len(cut) > 40 {
		t.Errorf("a text that is too wide is %q", cut)
	}
}
