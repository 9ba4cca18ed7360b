package replay

import (
	"slices"
	"strings"
	"time"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/listing"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/quote"
)

// What the data lacks is filled in here, and all of it is invented.

// spare is how many pieces of each SKU are left when the year is over, so that
// the shop sells today.
const spare = 500

// The codes of the two lots in which goods come that need a certificate: what the year
// sells, and what is left for today.
const (
	yearLot  = "2020（虚构示例）"
	spareLot = "余量（虚构示例）"
)

// newLicence is how long a renewed licence is good for, in years.
const newLicence = 5

// County is the region code of 太仆寺旗, GB/T 2260.
const County = "152527"

// MerchantID is the id of a recorded enterprise, the same in every replay.
func MerchantID(code string) merchant.ID { return id.FromName[merchant.Merchant]("enterprise", code) }

// ProductID is the id of a recorded product, the same in every replay.
func ProductID(code string) catalog.ProductID { return id.FromName[catalog.Product]("product", code) }

// SKUID is the id of a recorded product's one SKU, the same in every replay.
func SKUID(code string) catalog.SKUID { return id.FromName[catalog.SKU]("sku", code) }

func productID(code string) catalog.ProductID { return id.FromName[catalog.Product]("product", code) }

// Code is the enterprise's own: "E01".
func (e Enterprise) Code() string { return e.row["enterprise_id"] }

// ShortName is what the enterprise is called.
func (e Enterprise) ShortName() string { return e.row["short_name"] }

// Description is what the product's listing says.
func (p Product) Description(e Enterprise) catalog.Description { return p.listing(e).Description }

// licence is the one that the data names. Lamps need a CCC certificate and travel
// an agency's licence, of which the data has neither number nor end: they are
// invented, and well formed.
func (e Enterprise) licence() merchant.Licence {
	l := merchant.Licence{Kind: e.row["food_licence_kind"], No: e.row["food_licence_no_placeholder"], ExpiresOn: merchant.Date(e.row["licence_expires_on"])}
	switch l.Kind {
	case "CCC":
		l.No, l.ExpiresOn = "2019010000099001", "2024-12-22"
	case "NONE":
		l.Kind, l.No, l.ExpiresOn = "TRAVEL", "L-NMG-99001", "2024-12-23"
	}
	return l
}

// opensAt is when the enterprise lists its goods: at nine in the morning after the
// agreement was signed.
func (e Enterprise) opensAt() time.Time {
	return e.date("donation_agreement_signed_on").AddDate(0, 0, 1).Add(9 * time.Hour)
}

// listing is the product as it was listed by its enterprise.
func (p Product) listing(e Enterprise) catalog.NewProduct {
	return catalog.NewProduct{
		ID: productID(p.Code), Merchant: MerchantID(p.Enterprise), Code: p.Code,
		Description: catalog.Description{
			Category: p.row["category_code"], Name: p.row["name"], Brand: p.row["brand"], Spec: p.row["spec"],
			NetContent: p.int("net_content_value"), NetUnit: p.row["net_content_unit"], SaleUnit: p.row["sale_unit"],
			Kind: p.row["product_kind"], Storage: p.row["storage"], ColdChain: p.row["cold_chain"], ShelfLifeDays: int(p.int("shelf_life_days")),
			Origin: p.row["origin"], RegionCode: p.region(), StandardCode: p.row["standard_code"], ConformityDoc: p.row["conformity_doc"],
			Certifications: p.row["certifications"], TraceCode: p.row["trace_code"], VATTreatment: p.row["vat_treatment"],
			ReturnRule: catalog.ReturnRule(p.row["return_rule"]), AgeRestricted: p.yes("age_restricted"), Presale: p.yes("presale"),
			Voucher: p.int("voucher_valid_days") > 0, VoucherValidDays: int(p.int("voucher_valid_days")), ShipZone: p.row["ship_zone"],
			Label: p.label(e),
		},
		SKUs: []catalog.NewSKU{{ID: SKUID(p.Code), Code: p.row["sku"], Price: p.Price}},
	}
}

// region is where the product comes from. The data names the county alone; the
// three village brands are at home in their villages.
func (p Product) region() string {
	switch p.row["brand"] {
	case "骆山物语", "帐房优品":
		return "152527104001"
	case "红喜":
		return "152527103001"
	}
	return County
}

// certificate is the paper that comes with each batch of goods of the product's kind,
// with an invented number; none for most kinds (farm produce quality law 39, animal
// epidemic prevention law 49).
func (p Product) certificate() inventory.Certificate {
	kind, _ := listing.KindOf(p.row["product_kind"])
	paper := map[string]string{"动物检疫合格证明": "quarantine", "承诺达标合格证": "conformity"}[kind.Certificate]
	if paper == "" {
		return inventory.Certificate{}
	}
	return inventory.Certificate{Kind: paper, No: "虚构示例-" + p.Code}
}

// label is what the package says. The data has neither ingredients nor allergens
// nor where the date of making is found: all three are invented, alike for all
// goods, and say so. The maker is the enterprise, at its township.
func (p Product) label(e Enterprise) listing.Label {
	l := listing.Label{Maker: e.row["legal_name"], MakerAddress: "内蒙古自治区锡林郭勒盟太仆寺旗" + e.row["township"]}
	for window := range strings.SplitSeq(p.row["presale_window"], ";") {
		if from, until, ok := strings.Cut(window, "/"); ok {
			l.PresaleWindows = append(l.PresaleWindows, listing.Window{From: from, Until: until})
		}
	}
	kind, _ := listing.KindOf(p.row["product_kind"])
	needs := func(field string) bool { return slices.Contains(kind.Required, field) }
	if needs("made_on_rule") {
		l.MadeOnRule = "见包装标示（虚构示例）"
	}
	if needs("ingredients") {
		l.Ingredients = "见包装标示（虚构示例）"
	}
	if needs("allergens") {
		l.Allergens = "见包装标示（虚构示例）"
	}
	if needs("licence_no") {
		l.LicenceNo = e.row["food_licence_no_placeholder"]
	}
	return l
}

// placing is what the recorded buyer asked for. Address and declarations are
// filled in for everybody; the order keeps only those that its goods need.
func (s Sale) placing() quote.Placing {
	p := quote.Placing{AdultDeclared: true, WaiverConfirmed: true, ExpectedTotal: s.Total, ShipTo: &quote.Address{
		Recipient: "记录买家 " + s.Buyer, Phone: "+8610000000000", Province: "北京市", City: "北京市", District: "东城区", Detail: "记录地址（虚构）",
	}}
	for _, l := range s.Lines {
		p.Lines = append(p.Lines, quote.Chosen{SKU: SKUID(l.Product), Quantity: l.Units})
	}
	return p
}
