package listing_test

import (
	"bufio"
	"encoding/csv"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/listing"
	"github.com/shiyi-market/shiyi/internal/money"
)

// corpus reads the lines of a file, remarks left out.
func corpus(t testing.TB, name string, least int) []string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := s.Text(); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	if len(out) < least {
		t.Fatalf("%s has %d texts, want at least %d", name, len(out), least)
	}
	return out
}

func words(hits []listing.Hit) string {
	var out []string
	for _, h := range hits {
		out = append(out, h.Word+":"+string(h.Verdict))
	}
	return strings.Join(out, " ")
}

func TestInnocentTextsAreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, text := range corpus(t, "good.txt", 60) {
		if hits := listing.Lint(text); len(hits) > 0 {
			t.Errorf("%q is hit for %s", text, words(hits))
		}
	}
}

func TestForbiddenWordsAreNamedHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, line := range corpus(t, "bad.txt", 60) {
		text, want, _ := strings.Cut(line, "\t")
		hits := listing.Lint(text)
		if got := words(hits); got != want {
			t.Errorf("%q is hit for %q, want %q", text, got, want)
		}
		for _, h := range hits {
			if h.Rule.LawZH == "" || h.Rule.LawEN == "" || h.Rule.TitleZH == "" || string([]rune(text)[h.Start:h.End]) != h.Text {
				t.Errorf("%q: the hit %+v names no law, or is not at its place", text, h)
			}
		}
	}
}

func TestAHitNamesItsFieldAndPlace(t *testing.T) {
	t.Parallel()
	d := listing.Description{Name: "燕麦米", Label: listing.Label{Details: "味道不错。\n最 好 的燕麦"}}
	got := d.Lint()
	if len(got) != 1 {
		t.Fatalf("hits = %+v, want one", got)
	}
	want := listing.Hit{Field: "/details", Start: 6, End: 9, Text: "最 好", Word: "最好", Rule: got[0].Rule, Verdict: listing.Refuse}
	if diff := cmp.Diff(want, got[0]); diff != "" || got[0].Rule.Code != "superlative" {
		t.Errorf("hit (-want +got):\n%s", diff)
	}
	if n := len(listing.Refused(listing.Lint("首选 特供"))); n != 1 {
		t.Errorf("of a word to review and one to refuse %d are refused, want 1", n)
	}
}

func FuzzLint(f *testing.F) {
	for _, s := range []string{"", "特\u200b供", "第一产业", "\xff特\xfe供", "㊕供", "١斤", strings.Repeat("最", 50), "ﷺ最好", "2\u0300两"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all := []rune(s)
		last := 0
		for _, h := range listing.Lint(s) {
			if h.Start < last || h.Start >= h.End || h.End > len(all) || string(all[h.Start:h.End]) != h.Text || h.Word == "" {
				t.Fatalf("%q: the hit %+v does not lie within the text, in order", s, h)
			}
			last = h.Start
		}
	})
}

// The 96 recorded products: what they say is innocent, and what they do not say is
// only what the record has no column for.
func TestTheRecordedProductsPassTheLinter(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../replay/data/products.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) != 97 {
		t.Fatalf("%d rows, %v, want 96 and a head", len(rows), err)
	}
	column := make(map[string]int)
	for i, name := range rows[0] {
		column[name] = i
	}
	unrecorded := map[string]bool{"/ingredients": true, "/allergens": true, "/maker": true, "/maker_address": true, "/licence_no": true, "/made_on_rule": true, "/region_code": true, "/presale_windows": true}
	for _, r := range rows[1:] {
		of := func(name string) string { return r[column[name]] }
		figure := func(name string) int { n, _ := strconv.Atoi(of(name)); return n }
		d := listing.Description{
			Category: of("category_code"), Name: of("name"), Brand: of("brand"), Spec: of("spec"), NetContent: int64(figure("net_content_value")),
			NetUnit: of("net_content_unit"), SaleUnit: of("sale_unit"), Kind: of("product_kind"), Storage: of("storage"), ColdChain: of("cold_chain"),
			ShelfLifeDays: figure("shelf_life_days"), Origin: of("origin"), StandardCode: of("standard_code"), ConformityDoc: of("conformity_doc"),
			Certifications: of("certifications"), VATTreatment: of("vat_treatment"), ReturnRule: listing.ReturnRule(of("return_rule")),
			AgeRestricted: of("age_restricted") == "true", Presale: of("presale") == "true", Voucher: figure("voucher_valid_days") > 0,
			VoucherValidDays: figure("voucher_valid_days"), ShipZone: of("ship_zone"),
		}
		if hits := d.Lint(); len(hits) > 0 {
			t.Errorf("%s is hit for %s", of("product_id"), words(hits))
		}
		if flaws := d.Flaws(); len(flaws) > 0 {
			t.Errorf("%s is no listing: %v", of("product_id"), flaws)
		}
		for _, m := range d.Missing() {
			if !unrecorded[m.Pointer] {
				t.Errorf("%s lacks %v", of("product_id"), m)
			}
		}
	}
}

// whole is prepackaged food that lacks nothing.
func whole() listing.Description {
	return listing.Description{
		Category: "OIL", Name: "冷榨亚麻籽油", Brand: "坝野", Spec: "2.5L/桶", NetContent: 2500, NetUnit: "mL", SaleUnit: "桶",
		Kind: "PACKAGED_FOOD", Storage: "常温避光", ColdChain: "N", ShelfLifeDays: 540, Origin: "内蒙古自治区锡林郭勒盟太仆寺旗", RegionCode: "152527",
		StandardCode: "GB/T 8235", VATTreatment: "9%", ReturnRule: listing.NoReasonUnopened, ShipZone: "NATIONWIDE",
		Label: listing.Label{
			Ingredients: "亚麻籽", Allergens: "无", Maker: "坝野胡麻油脂有限公司（虚构示例）", MakerAddress: "太仆寺旗永丰镇",
			LicenceNo: "SC10215252799067", MadeOnRule: "见包装喷码",
		},
	}
}

func pointers(fields []fault.Field) string {
	var out []string
	for _, f := range fields {
		out = append(out, f.Pointer)
	}
	return strings.Join(out, " ")
}

func TestEachKindOfGoodsHasItsRequiredFields(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*listing.Description)
		want   string
	}{
		{"all there", func(*listing.Description) {}, ""},
		{"no such kind", func(d *listing.Description) { d.Kind = "GOLD" }, "/kind"},
		{"a bare label", func(d *listing.Description) { d.Label = listing.Label{} }, "/ingredients /maker /maker_address /made_on_rule /licence_no /allergens"},
		{"no figures", func(d *listing.Description) { d.NetContent, d.NetUnit, d.ShelfLifeDays = 0, "", 0 }, "/net_content /shelf_life_days"},
		{"liquor for everybody", func(d *listing.Description) { d.Kind, d.ShelfLifeDays = "LIQUOR", 0 }, "/age_restricted"},
		{"fresh without certificate", func(d *listing.Description) { d.Kind = "FRESH_FARM_PRODUCE" }, "/conformity_doc"},
		{"fresh with it", func(d *listing.Description) { d.Kind, d.ConformityDoc = "FRESH_FARM_PRODUCE", "承诺达标合格证" }, ""},
		{"meat that is warm", func(d *listing.Description) { d.Kind, d.ConformityDoc = "FROZEN_RAW_MEAT", "动物检疫合格证明" }, "/cold_chain"},
		{"food that is a voucher", func(d *listing.Description) { d.Voucher, d.VoucherValidDays = true, 90 }, "/kind"},
		{"a voucher that is none", func(d *listing.Description) { d.Kind, d.ColdChain = "VOUCHER_SERVICE", "VOUCHER" }, "/voucher_valid_days /kind"},
		{"presale without days", func(d *listing.Description) { d.Presale = true }, "/presale_windows"},
	}
	for _, tt := range tests {
		d := whole()
		tt.change(&d)
		if got := pointers(d.Missing()); got != tt.want {
			t.Errorf("%s: missing %q, want %q", tt.name, got, tt.want)
		}
	}
	if len(listing.Kinds()) < 8 || len(listing.VATClasses()) == 0 || len(listing.Zones()) == 0 || len(listing.Units()) == 0 {
		t.Error("the tables are empty")
	}
}

func TestWhatNoDraftMayBe(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*listing.Description)
		want   string
	}{
		{"all good", func(*listing.Description) {}, ""},
		{"a long name", func(d *listing.Description) { d.Name = strings.Repeat("长", 121) }, "/name"},
		{"details with lines", func(d *listing.Description) { d.Details = "一\n二" }, ""},
		{"details that are no text", func(d *listing.Description) { d.Details = "一\x00二" }, "/details"},
		{"details without end", func(d *listing.Description) { d.Details = strings.Repeat("长\n", 1001) }, "/details"},
		{"sold by the jin", func(d *listing.Description) { d.SaleUnit = "斤" }, "/sale_unit"},
		{"sold by the gram", func(d *listing.Description) { d.SaleUnit = "g" }, "/sale_unit"},
		{"an invented tax", func(d *listing.Description) { d.VATTreatment = "3%" }, "/vat_treatment"},
		{"to the moon", func(d *listing.Description) { d.ShipZone = "MOON" }, "/ship_zone"},
		{"for nobody", func(d *listing.Description) { d.ConsumersOnly, d.InstitutionsOnly = true, true }, "/buyer_classes"},
		{"two windows", func(d *listing.Description) {
			d.PresaleWindows = []listing.Window{{"2026-08-15", "2026-09-01"}, {"2026-09-02", "2026-10-31"}}
		}, ""},
		{"windows that overlap", func(d *listing.Description) {
			d.PresaleWindows = []listing.Window{{"2026-08-15", "2026-09-01"}, {"2026-09-01", "2026-10-31"}}
		}, "/presale_windows"},
		{"windows out of order", func(d *listing.Description) {
			d.PresaleWindows = []listing.Window{{"2026-09-02", "2026-10-31"}, {"2026-08-15", "2026-09-01"}}
		}, "/presale_windows"},
		{"a day that is none", func(d *listing.Description) { d.PresaleWindows = []listing.Window{{"2026-02-30", "2026-10-31"}} }, "/presale_windows"},
		{"a window backwards", func(d *listing.Description) { d.PresaleWindows = []listing.Window{{"2026-10-31", "2026-08-15"}} }, "/presale_windows"},
	}
	for _, tt := range tests {
		d := whole()
		tt.change(&d)
		if got := pointers(d.Flaws()); got != tt.want {
			t.Errorf("%s: flaws %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestUnitPriceIsRoundedHalfUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		price money.Fen
		net   int64
		unit  string
		want  money.Fen
		per   string
	}{
		{16800, 2000, "g", 8400, "kg"}, {100, 3000, "g", 33, "kg"}, {1, 2000, "g", 1, "kg"}, {1, 2001, "mL", 0, "L"}, {money.Max, 1, "g", money.Max * 1000, "kg"},
	} {
		if got, per, ok := listing.UnitPrice(tt.price, tt.net, tt.unit); got != tt.want || per != tt.per || !ok {
			t.Errorf("%d fen for %d %s: %d per %s, want %d per %s", tt.price, tt.net, tt.unit, got, per, tt.want, tt.per)
		}
	}
	if _, _, ok := listing.UnitPrice(100, 0, ""); ok {
		t.Error("a price per kilogram of what has no weight")
	}
	rapid.Check(t, func(t *rapid.T) {
		price, net := rapid.Int64Range(0, int64(money.Max)).Draw(t, "price"), rapid.Int64Range(1, int64(money.Max)).Draw(t, "net")
		fen, _, _ := listing.UnitPrice(money.Fen(price), net, "g")
		// |fen·net − price·1000| ≤ net/2, told without a fraction.
		if off := int64(fen)*net - price*1000; fen > 0 && net < 1e6 && (2*off > net || 2*off <= -net) {
			t.Fatalf("%d fen for %d g are %d per kg", price, net, fen)
		}
	})
}
