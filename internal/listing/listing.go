// Package listing is what a listing must say and may not say: its fields, what
// each kind of goods requires of them, and the words that no listing may use. It
// holds no goods and asks no database.
package listing

import (
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/money"
)

// ReturnRule says whether goods may be sent back without a reason (consumer
// protection law, article 25).
type ReturnRule string

// The rules.
const (
	NoReason         ReturnRule = "NO_REASON_7D"          // within seven days of receipt
	NoReasonUnopened ReturnRule = "NO_REASON_7D_UNOPENED" // the same, while the package is closed
	ExemptFresh      ReturnRule = "EXEMPT_FRESH"          // fresh and perishable: the law itself exempts it
	VoucherRule      ReturnRule = "VOUCHER_RULE"          // a dated service: exempt if the buyer confirms
)

// NeedsWaiver reports whether the buyer must confirm on this very purchase that
// it cannot be sent back: all exceptions that the law does not name itself.
func (r ReturnRule) NeedsWaiver() bool { return r == VoucherRule }

// Known reports whether r is one of the rules.
func (r ReturnRule) Known() bool {
	return slices.Contains([]ReturnRule{NoReason, NoReasonUnopened, ExemptFresh, VoucherRule}, r)
}

// Description is what the listing says about a product. Tokens in capitals are
// data of the shop; "" is not marked.
type Description struct {
	Category         string // a category's code
	Name             string // 1 to 120 characters
	Brand            string
	Spec             string // "2kg/条"
	NetContent       int64  // in NetUnit, per sale unit; 0 is not marked
	NetUnit          string // "g", "mL" or ""
	SaleUnit         string // "袋", a Unit that counts
	Kind             string // a Kind's code: "PACKAGED_FOOD"
	Storage          string
	ColdChain        string // "N", "CHILLED", "FROZEN" or "VOUCHER"
	ShelfLifeDays    int    // 0 is not marked
	Origin           string // in words
	RegionCode       string // where it comes from: a region's code, six digits or more; "" is not marked
	StandardCode     string
	ConformityDoc    string
	Certifications   string
	TraceCode        string
	VATTreatment     string // a VATClass's code
	ReturnRule       ReturnRule
	AgeRestricted    bool // not for minors (law on the protection of minors, article 59)
	Presale          bool // ordered in PresaleWindows, before it is harvested
	Voucher          bool // a service, redeemed within VoucherValidDays
	VoucherValidDays int
	ShipZone         string // a Zone's code: "NATIONWIDE"
	InstitutionsOnly bool   // not offered to consumers
	ConsumersOnly    bool   // not offered to institutions
	Label
}

// Label is what the package of food must say (food safety law, article 67), and
// what the listing says in prose.
type Label struct {
	Ingredients    string   `json:"ingredients,omitempty"`     // in falling order
	Allergens      string   `json:"allergens,omitempty"`       // GB 7718 §4.4.3; "无" where there are none
	Maker          string   `json:"maker,omitempty"`           // the legal name of who makes it
	MakerAddress   string   `json:"maker_address,omitempty"`   //
	LicenceNo      string   `json:"licence_no,omitempty"`      // of the food production licence
	MadeOnRule     string   `json:"made_on_rule,omitempty"`    // where the date of making is found: "见包装喷码"
	Details        string   `json:"details,omitempty"`         // at most 2000 characters
	PresaleWindows []Window `json:"presale_windows,omitempty"` // when it is ordered ahead
}

// Window is a span of days in the county, both of them in it: "2006-01-02".
type Window struct {
	From  string `json:"from"`
	Until string `json:"until"`
}

// maxWindows bounds the presale windows of one product.
const maxWindows = 12

// maxDetails bounds Details, in characters.
const maxDetails = 2000

// Flaws says what no listing may be, not even a draft: texts too long, tokens that
// are none, figures that do not go together.
func (d Description) Flaws() []fault.Field {
	bad := d.textFlaws()
	say := func(pointer, keyword, message string) {
		bad = append(bad, fault.Field{Pointer: pointer, Keyword: keyword, Message: message})
	}
	if !slices.Contains([]string{"g", "mL", ""}, d.NetUnit) || d.NetContent < 0 || d.NetContent > int64(money.Max) || (d.NetUnit == "") != (d.NetContent == 0) {
		say("/net_content", "unit", "grams (g) or millilitres (mL) above zero, or neither")
	}
	if !slices.Contains([]string{"N", "CHILLED", "FROZEN", "VOUCHER"}, d.ColdChain) {
		say("/cold_chain", "enum", "N, CHILLED, FROZEN or VOUCHER")
	}
	if !d.ReturnRule.Known() {
		say("/return_rule", "enum", "no such rule")
	}
	if d.ShelfLifeDays < 0 || d.VoucherValidDays < 0 || d.Voucher != (d.VoucherValidDays > 0) {
		say("/voucher_valid_days", "range", "days are above zero, and go with vouchers only")
	}
	if _, ok := KindOf(d.Kind); !ok {
		say("/kind", "enum", "no such kind of goods")
	}
	if !slices.ContainsFunc(Units(), func(u Unit) bool { return u.Code == d.SaleUnit && u.Measures == "count" }) {
		say("/sale_unit", "enum", "a unit by which goods are counted: 袋, 盒, 箱 …")
	}
	if !slices.ContainsFunc(VATClasses(), func(v VATClass) bool { return v.Code == d.VATTreatment }) {
		say("/vat_treatment", "enum", "no such VAT class")
	}
	if !slices.ContainsFunc(Zones(), func(z Zone) bool { return z.Code == d.ShipZone }) {
		say("/ship_zone", "enum", "no such zone")
	}
	if d.ConsumersOnly && d.InstitutionsOnly {
		say("/buyer_classes", "minItems", "somebody must be able to buy it")
	}
	if len(d.PresaleWindows) > maxWindows || !slices.IsSortedFunc(d.PresaleWindows, windowsApart) || slices.ContainsFunc(d.PresaleWindows, Window.crooked) {
		say("/presale_windows", "windows", fmt.Sprintf("at most %d windows, one after the other, each from a day until a later one", maxWindows))
	}
	return bad
}

// windowsApart orders a window behind one that ends before it begins; any other two
// are out of order either way.
func windowsApart(later, earlier Window) int {
	if later.From > earlier.Until {
		return 1
	}
	return -1
}

func (w Window) crooked() bool {
	_, err := time.Parse(time.DateOnly, w.From)
	_, err2 := time.Parse(time.DateOnly, w.Until)
	return err != nil || err2 != nil || w.From > w.Until
}

// textFlaws are the texts that are too short or too long, or no text.
func (d Description) textFlaws() []fault.Field {
	var bad []fault.Field
	for _, f := range []struct {
		pointer, text string
		least, most   int
	}{
		{"/name", d.Name, 1, 120},
		{"/category_code", d.Category, 1, 32},
		{"/brand", d.Brand, 0, 60},
		{"/spec", d.Spec, 0, 120},
		{"/storage", d.Storage, 0, 120},
		{"/origin", d.Origin, 0, 120},
		{"/region_code", d.RegionCode, 0, 12},
		{"/standard_code", d.StandardCode, 0, 60},
		{"/conformity_doc", d.ConformityDoc, 0, 200},
		{"/certifications", d.Certifications, 0, 200},
		{"/trace_code", d.TraceCode, 0, 60},
		{"/ingredients", d.Ingredients, 0, 500},
		{"/allergens", d.Allergens, 0, 120},
		{"/maker", d.Maker, 0, 120},
		{"/maker_address", d.MakerAddress, 0, 200},
		{"/licence_no", d.LicenceNo, 0, 64},
		{"/made_on_rule", d.MadeOnRule, 0, 120},
	} {
		if !Text(f.text, f.least, f.most) {
			bad = append(bad, fault.Field{Pointer: f.pointer, Keyword: "length", Message: fmt.Sprintf("%d to %d characters", f.least, f.most)})
		}
	}
	for line := range lines(d.Details) {
		if !Text(line, 0, maxDetails) || utf8.RuneCountInString(d.Details) > maxDetails {
			bad = append(bad, fault.Field{Pointer: "/details", Keyword: "length", Message: fmt.Sprintf("at most %d characters", maxDetails)})
			break
		}
	}
	return bad
}

// Text reports whether s is text of that many characters, none of them a
// control character.
func Text(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	for _, r := range s {
		if unicode.IsControl(r) {
			return false
		}
	}
	return n >= least && n <= most && utf8.ValidString(s)
}

// Missing says what the kind of goods requires and the listing does not say, one
// entry for each field: nothing goes on sale before it is empty.
func (d Description) Missing() []fault.Field {
	kind, ok := KindOf(d.Kind)
	if !ok {
		return []fault.Field{{Pointer: "/kind", Keyword: "enum", Message: "no such kind of goods"}}
	}
	var out []fault.Field
	for _, name := range kind.Required {
		if d.lacks(name) {
			out = append(out, fault.Field{Pointer: "/" + name, Keyword: "required", Message: kind.NameEN + " needs it"})
		}
	}
	if kind.Certificate != "" && !contains(d.ConformityDoc, kind.Certificate) {
		out = append(out, fault.Field{Pointer: "/conformity_doc", Keyword: "certificate", Message: "it must name " + kind.Certificate})
	}
	if kind.ColdChain != "" && d.ColdChain != kind.ColdChain {
		out = append(out, fault.Field{Pointer: "/cold_chain", Keyword: "enum", Message: kind.NameEN + " is kept " + kind.ColdChain})
	}
	if (kind.ColdChain == "VOUCHER") != d.Voucher {
		out = append(out, fault.Field{Pointer: "/kind", Keyword: "voucher", Message: "vouchers, and nothing else, are of the kind VOUCHER_SERVICE"})
	}
	if d.Presale && len(d.PresaleWindows) == 0 {
		out = append(out, fault.Field{Pointer: "/presale_windows", Keyword: "required", Message: "presale needs the days on which it is ordered"})
	}
	return out
}

// lacks reports whether a required field is empty.
func (d Description) lacks(name string) bool {
	switch name {
	case "net_content":
		return d.NetContent == 0
	case "shelf_life_days":
		return d.ShelfLifeDays == 0
	case "voucher_valid_days":
		return d.VoucherValidDays == 0
	case "age_restricted":
		return !d.AgeRestricted
	}
	return map[string]string{
		"spec": d.Spec, "storage": d.Storage, "origin": d.Origin, "region_code": d.RegionCode, "standard_code": d.StandardCode,
		"ingredients": d.Ingredients, "allergens": d.Allergens, "maker": d.Maker, "maker_address": d.MakerAddress,
		"licence_no": d.LicenceNo, "made_on_rule": d.MadeOnRule,
	}[name] == ""
}

// UnitPrice is the price per kilogram or litre of goods that hold net grams or
// millilitres, in fen, for display alone (provisions on marking prices, article
// 7): computed exactly and rounded half up to a fen. ok is false where nothing is
// marked. The unit is "kg" or "L".
func UnitPrice(price money.Fen, net int64, unit string) (fen money.Fen, per string, ok bool) {
	per = map[string]string{"g": "kg", "mL": "L"}[unit]
	if per == "" || net <= 0 || price < 0 || price > money.Max {
		return 0, "", false
	}
	whole, rest := int64(price)*1000/net, int64(price)*1000%net
	if rest >= net-rest {
		whole++
	}
	return money.Fen(whole), per, true
}
