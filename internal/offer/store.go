package offer

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/price"
)

// offerRow is all that one statement says about a SKU, its product and its enterprise.
type offerRow struct {
	MerchantID        uuid.UUID
	ID                uuid.UUID
	Code              string
	CategoryCode      string
	Name              string
	Brand             string
	Spec              string
	NetContent        int64
	NetUnit           string
	SaleUnit          string
	Kind              string
	ColdChain         string
	VATTreatment      string `gorm:"column:vat_treatment"`
	ReturnRule        string
	AgeRestricted     bool
	Voucher           bool
	VoucherValidDays  int
	ShipZone          string
	State             string
	Consumers         bool
	Institutions      bool
	SKUID             uuid.UUID `gorm:"column:sku_id"`
	SKUCode           string    `gorm:"column:sku_code"`
	PriceFen          int64
	Tiers             []byte
	MerchantName      string
	MerchantState     string
	AgreementSignedOn *time.Time
	LicensedUntil     time.Time
}

func (r offerRow) offer() (Offer, error) {
	tiers, err := price.Tiers(r.Tiers)
	signed := merchant.Date("")
	if r.AgreementSignedOn != nil {
		signed = merchant.Date(r.AgreementSignedOn.Format(time.DateOnly))
	}
	return Offer{
		SKU: id.From[catalog.SKU](r.SKUID), Product: id.From[catalog.Product](r.ID), Merchant: id.From[merchant.Merchant](r.MerchantID),
		MerchantName: r.MerchantName, ProductName: r.Name, ProductCode: r.Code, Code: r.SKUCode, Brand: r.Brand, Spec: r.Spec,
		Unit: r.SaleUnit, NetContent: r.NetContent, NetUnit: r.NetUnit, CategoryCode: r.CategoryCode, Kind: r.Kind,
		Price: money.Fen(r.PriceFen), Tiers: tiers, VATTreatment: r.VATTreatment, ReturnRule: catalog.ReturnRule(r.ReturnRule),
		AgeRestricted: r.AgeRestricted, Voucher: r.Voucher, VoucherValidDays: r.VoucherValidDays, ShipZone: r.ShipZone, ColdChain: r.ColdChain,
		InstitutionsOnly: !r.Consumers, ConsumersOnly: !r.Institutions, OnSale: catalog.State(r.State) == catalog.OnSale,
		Standing: merchant.Standing{
			State: merchant.State(r.MerchantState), AgreementSignedOn: signed,
			LicensedUntil: merchant.Date(r.LicensedUntil.Format(time.DateOnly)),
		},
	}, err
}

// Of says how each of the SKUs can be bought at this moment, in the order of the
// SKUs. Those that there are not are missing. One statement, in the caller's
// transaction.
func Of(ctx context.Context, tx *postgres.Tx, skus []catalog.SKUID) ([]Offer, error) {
	if len(skus) == 0 {
		return nil, nil
	}
	ids := make([]uuid.UUID, len(skus))
	for i, k := range skus {
		ids[i] = k.UUID()
	}
	rows, err := postgres.Rows[offerRow](ctx, tx, `
		SELECT p.merchant_id, p.id, p.code, p.category_code, p.name, p.brand, p.spec, p.net_content, p.net_unit, p.sale_unit, p.kind, p.cold_chain,
		       p.vat_treatment, p.return_rule, p.age_restricted, p.voucher, p.voucher_valid_days, p.ship_zone, p.state, p.consumers, p.institutions,
		       s.id AS sku_id, s.code AS sku_code, s.price_fen,
		       (SELECT t.tiers FROM price_tiers t WHERE t.merchant_id = s.merchant_id AND t.sku_id = s.id) AS tiers, m.merchant_name, m.merchant_state, m.agreement_signed_on, m.licensed_until
		FROM unnest(?::uuid[]) WITH ORDINALITY AS w (id, position)
		JOIN catalog_directory d ON d.id = w.id
		JOIN sku s ON s.merchant_id = d.merchant_id AND s.id = d.id
		JOIN product p ON p.merchant_id = d.merchant_id AND p.id = d.product_id
		JOIN merchant_standing m ON m.merchant_id = d.merchant_id
		ORDER BY w.position`, postgres.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read offers: %w", err)
	}
	out := make([]Offer, len(rows))
	for i, r := range rows {
		if out[i], err = r.offer(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
