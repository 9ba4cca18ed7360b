package replay

import (
	"time"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
)

// What the data lacks is filled in here, and all of it is invented.

// spare is how many pieces of each SKU are left when the year is over, so that
// the shop sells today.
const spare = 500

// newLicence is how long a renewed licence is good for, in years.
const newLicence = 5

// county is the region code of 太仆寺旗, GB/T 2260.
const county = "152527"

// MerchantID is the id of a recorded enterprise, the same in every replay.
func MerchantID(code string) merchant.ID { return id.FromName[merchant.Merchant]("enterprise", code) }

// SKUID is the id of a recorded product's one SKU, the same in every replay.
func SKUID(code string) catalog.SKUID { return id.FromName[catalog.SKU]("sku", code) }

// Code is the enterprise's own: "E01".
func (e Enterprise) Code() string { return e.row["enterprise_id"] }

// ShortName is what the enterprise is called.
func (e Enterprise) ShortName() string { return e.row["short_name"] }

// Description is what the product's listing says.
func (p Product) Description() catalog.Description { return p.listing().Description }

// enrolment is the enterprise as it was approved.
func (e Enterprise) enrolment() merchant.Enrolment {
	return merchant.Enrolment{
		ID: MerchantID(e.row["enterprise_id"]), Code: e.row["enterprise_id"], LegalName: e.row["legal_name"], ShortName: e.row["short_name"],
		EntityType: e.row["entity_type"], Fictional: e.yes("is_fictional"), Region: county, Township: e.row["township"],
		USCC: e.row["uscc_placeholder"], Brands: e.list("brands"),
		RecommendationNo: e.row["county_recommendation_no"], RecommendedOn: merchant.Date(e.row["county_recommended_on"]),
		AgreementNo: e.row["donation_agreement_no"], AgreementSignedOn: merchant.Date(e.row["donation_agreement_signed_on"]),
		Licences: []merchant.Licence{e.licence()},
		Linkage: merchant.Linkage{
			Modes: e.list("linkage_modes"), Households: e.int("linked_households"), PoorHouseholds: e.int("linked_poor_households"),
			Employed: e.int("employed_poor_persons"), LandMu: e.int("land_transfer_mu"), PurchaseAgreements: e.int("purchase_agreement_households"),
			Dividends: money.Fen(e.int("dividends_2020_fen")), Evidence: e.list("linkage_evidence"),
		},
	}
}

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

// approvedAt is when the enterprise was let in: at nine in the morning after the
// agreement was signed.
func (e Enterprise) approvedAt() time.Time {
	return e.date("donation_agreement_signed_on").AddDate(0, 0, 1).Add(9 * time.Hour)
}

// listing is the product as it was put on sale.
func (p Product) listing() catalog.NewProduct {
	return catalog.NewProduct{
		ID: id.FromName[catalog.Product]("product", p.Code), Merchant: MerchantID(p.Enterprise), Code: p.Code,
		Description: catalog.Description{
			Category: p.row["category_code"], Name: p.row["name"], Brand: p.row["brand"], Spec: p.row["spec"],
			NetContent: p.int("net_content_value"), NetUnit: p.row["net_content_unit"], SaleUnit: p.row["sale_unit"],
			Kind: p.row["product_kind"], Storage: p.row["storage"], ColdChain: p.row["cold_chain"], ShelfLifeDays: int(p.int("shelf_life_days")),
			Origin: p.row["origin"], StandardCode: p.row["standard_code"], ConformityDoc: p.row["conformity_doc"],
			Certifications: p.row["certifications"], TraceCode: p.row["trace_code"], VATTreatment: p.row["vat_treatment"],
			ReturnRule: catalog.ReturnRule(p.row["return_rule"]), AgeRestricted: p.yes("age_restricted"), Presale: p.yes("presale"),
			Voucher: p.int("voucher_valid_days") > 0, VoucherValidDays: int(p.int("voucher_valid_days")), ShipZone: p.row["ship_zone"],
		},
		SKUs: []catalog.NewSKU{{ID: SKUID(p.Code), Code: p.row["sku"], Price: p.Price}},
	}
}

// placing is what the recorded buyer asked for. Address and declarations are
// filled in for everybody; the order keeps only those that its goods need.
func (s Sale) placing() order.Placing {
	p := order.Placing{AdultDeclared: true, WaiverConfirmed: true, ExpectedTotal: s.Total, ShipTo: &order.Address{
		Recipient: "记录买家 " + s.Buyer, Phone: "+8610000000000", Province: "北京市", City: "北京市", District: "东城区", Detail: "记录地址（虚构）",
	}}
	for _, l := range s.Lines {
		p.Lines = append(p.Lines, order.Chosen{SKU: SKUID(l.Product), Quantity: l.Units})
	}
	return p
}
