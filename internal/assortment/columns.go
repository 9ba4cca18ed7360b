package assortment

import (
	"slices"
	"strconv"
	"strings"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/listing"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// entry is what a row says: a SKU, with the product that it belongs to.
type entry struct {
	Code string
	catalog.Description
	SKU   string
	Price money.Fen
	Stock *int64 // pieces with which its stock is opened; nil is not said
}

// choice is a value of a column with its names, any of which is taken.
type choice struct{ code, zh, en string }

// column is a column of the sheet.
type column struct {
	key      string
	zh, en   string
	required bool // of new goods
	pointer  string
	kind     sheet.Kind
	choices  []choice
	example  string
	get      func(*entry) string
	set      func(*entry, string) *message // nil is taken
	perSKU   bool                          // it differs between the SKUs of a product
}

// The columns that rows are known by, and those of a SKU.
const (
	codeKey, skuKey, priceKey, stockKey = "code", "sku_code", "price", "stock"
)

// columns are all columns in their order. A further field of a product is one line
// more; the checks of what it may hold are the catalogue's.
func columns(categories []origin.Category, regions []string) []column {
	return []column{
		text(codeKey, "商品编号", "Product code", "/code", "P001", func(e *entry) *string { return &e.Code }).must(),
		text("name", "名称", "Name", "/name", "莜面（虚构示例）", func(e *entry) *string { return &e.Name }).must(),
		text("category", "品类", "Category", "/category_code", "FLOUR_MIAN", func(e *entry) *string { return &e.Category }).of(shelves(categories)).must(),
		text("brand", "品牌", "Brand", "/brand", "", func(e *entry) *string { return &e.Brand }),
		text("spec", "规格", "Specification", "/spec", "2.5kg/袋", func(e *entry) *string { return &e.Spec }),
		whole("net_content", "净含量", "Net content", "/net_content", "2500", func(e *entry) *int64 { return &e.NetContent }),
		text("net_unit", "净含量单位", "Net unit", "/net_unit", "g", func(e *entry) *string { return &e.NetUnit }).of(units()),
		text("sale_unit", "销售单位", "Sale unit", "/sale_unit", "袋", func(e *entry) *string { return &e.SaleUnit }).of(counted()).must(),
		text("kind", "商品类型", "Kind", "/kind", "PACKAGED_FOOD", func(e *entry) *string { return &e.Kind }).of(kinds()).must(),
		text("storage", "贮存条件", "Storage", "/storage", "阴凉干燥处", func(e *entry) *string { return &e.Storage }),
		text("cold_chain", "冷链", "Cold chain", "/cold_chain", "N", func(e *entry) *string { return &e.ColdChain }).of(chains()).must(),
		whole("shelf_life_days", "保质期（天）", "Shelf life (days)", "/shelf_life_days", "365", func(e *entry) *int { return &e.ShelfLifeDays }),
		text("origin", "产地", "Origin", "/origin", "太仆寺旗", func(e *entry) *string { return &e.Origin }),
		text("region_code", "产地代码", "Region code", "/region_code", "152527", func(e *entry) *string { return &e.RegionCode }).among(regions),
		text("standard_code", "执行标准", "Standard", "/standard_code", "LS/T 3250", func(e *entry) *string { return &e.StandardCode }),
		text("conformity_doc", "合格证明", "Conformity document", "/conformity_doc", "", func(e *entry) *string { return &e.ConformityDoc }),
		text("certifications", "认证", "Certifications", "/certifications", "", func(e *entry) *string { return &e.Certifications }),
		text("trace_code", "追溯码", "Trace code", "/trace_code", "", func(e *entry) *string { return &e.TraceCode }),
		text("ingredients", "配料", "Ingredients", "/ingredients", "莜麦", func(e *entry) *string { return &e.Ingredients }),
		text("allergens", "致敏物质", "Allergens", "/allergens", "无", func(e *entry) *string { return &e.Allergens }),
		text("maker", "生产者", "Maker", "/maker", "", func(e *entry) *string { return &e.Maker }),
		text("maker_address", "生产者地址", "Maker address", "/maker_address", "", func(e *entry) *string { return &e.MakerAddress }),
		text("licence_no", "生产许可证编号", "Production licence no.", "/licence_no", "", func(e *entry) *string { return &e.LicenceNo }),
		text("made_on_rule", "生产日期标示", "Where the date of making is", "/made_on_rule", "见包装喷码", func(e *entry) *string { return &e.MadeOnRule }),
		text("vat_treatment", "税务处理", "VAT treatment", "/vat_treatment", "9%", func(e *entry) *string { return &e.VATTreatment }).of(taxes()).must(),
		text("return_rule", "退货规则", "Return rule", "/return_rule", "NO_REASON_7D", func(e *entry) *catalog.ReturnRule { return &e.ReturnRule }).of(returns()).must(),
		yes("age_restricted", "限成年人", "Adults only", "/age_restricted", func(e *entry) *bool { return &e.AgeRestricted }),
		yes("presale", "预售", "Presale", "/presale", func(e *entry) *bool { return &e.Presale }),
		yes("voucher", "服务券", "Voucher", "/voucher", func(e *entry) *bool { return &e.Voucher }),
		whole("voucher_valid_days", "券有效天数", "Voucher valid days", "/voucher_valid_days", "", func(e *entry) *int { return &e.VoucherValidDays }),
		text("ship_zone", "发货范围", "Ship zone", "/ship_zone", "NATIONWIDE", func(e *entry) *string { return &e.ShipZone }).of(zones()).must(),
		text(skuKey, "规格编号", "SKU code", "/skus/code", "P001-1", func(e *entry) *string { return &e.SKU }).must().each(),
		price().must().each(),
		stock().each(),
	}
}

// must is the column of something that new goods cannot be without.
func (c column) must() column {
	c.required = true
	return c
}

// each is the column of something that each SKU has for itself.
func (c column) each() column {
	c.perSKU = true
	return c
}

// of is the column of something that is chosen, by its code or either name.
func (c column) of(choices []choice) column {
	c.choices = choices
	set := c.set
	c.set = func(e *entry, s string) *message {
		if s == "" {
			return set(e, s)
		}
		var codes []string
		for _, one := range choices {
			if strings.EqualFold(s, one.code) || s == one.zh || strings.EqualFold(s, one.en) {
				return set(e, one.code)
			}
			codes = append(codes, one.code)
		}
		list := strings.Join(codes, "、")
		return &message{"enum", "只能是以下之一：" + list, "must be one of " + strings.ReplaceAll(list, "、", ", ")}
	}
	return c
}

// among is the column of something that is one of many codes, or nothing.
func (c column) among(codes []string) column {
	set := c.set
	c.set = func(e *entry, s string) *message {
		if s != "" && !slices.Contains(codes, s) {
			return &message{"exists", "没有这个代码", "there is no such code"}
		}
		return set(e, s)
	}
	return c
}

func text[T ~string](key, zh, en, pointer, example string, field func(*entry) *T) column {
	return column{
		key: key, zh: zh, en: en, pointer: pointer, example: example,
		get: func(e *entry) string { return string(*field(e)) },
		set: func(e *entry, s string) *message {
			*field(e) = T(s)
			return nil
		},
	}
}

// whole is a number of which 0 is not said.
func whole[T int | int64](key, zh, en, pointer, example string, field func(*entry) *T) column {
	return column{
		key: key, zh: zh, en: en, pointer: pointer, example: example, kind: sheet.Whole,
		get: func(e *entry) string {
			if *field(e) == 0 {
				return ""
			}
			return strconv.FormatInt(int64(*field(e)), 10)
		},
		set: func(e *entry, s string) *message {
			n, wrong := number(s, 1_000_000_000)
			*field(e) = T(n)
			return wrong
		},
	}
}

// yes is something that is so, or is not.
func yes(key, zh, en, pointer string, field func(*entry) *bool) column {
	return column{
		key: key, zh: zh, en: en, pointer: pointer, example: "否", choices: []choice{{"是", "是", "yes"}, {"否", "否", "no"}},
		get: func(e *entry) string {
			if *field(e) {
				return "是"
			}
			return "否"
		},
		set: func(e *entry, s string) *message {
			s = strings.ToLower(s)
			*field(e) = slices.Contains([]string{"是", "yes", "y", "true", "1"}, s)
			if *field(e) || slices.Contains([]string{"", "否", "no", "n", "false", "0"}, s) {
				return nil
			}
			return &message{"enum", "只能填“是”或“否”", "must be 是 (yes) or 否 (no)"}
		},
	}
}

func price() column {
	return column{
		key: priceKey, zh: "价格（元）", en: "Price (yuan)", pointer: "/skus/price_fen", example: "168.00", kind: sheet.Amount,
		get: func(e *entry) string { return e.Price.String() },
		set: func(e *entry, s string) *message {
			fen, err := money.ParseYuan(s)
			if err != nil || fen < 1 {
				return &message{"price", "应为大于零、最多两位小数的金额，如 168.00", "must be an amount in yuan above zero with at most two decimals, such as 168.00"}
			}
			e.Price = fen
			return nil
		},
	}
}

func stock() column {
	return column{
		key: stockKey, zh: "期初库存", en: "Opening stock", example: "100", kind: sheet.Whole,
		get: func(e *entry) string {
			if e.Stock == nil {
				return ""
			}
			return strconv.FormatInt(*e.Stock, 10)
		},
		set: func(e *entry, s string) *message {
			if s == "" {
				return nil
			}
			n, wrong := number(s, inventory.MaxPieces)
			e.Stock = &n
			return wrong
		},
	}
}

func number(s string, most int64) (int64, *message) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > most || strings.HasPrefix(s, "+") {
		bound := strconv.FormatInt(most, 10)
		return 0, &message{"integer", "应为 0 至 " + bound + " 的整数", "must be a whole number from 0 to " + bound}
	}
	return n, nil
}

func shelves(categories []origin.Category) []choice {
	out := make([]choice, len(categories))
	for i, c := range categories {
		out[i] = choice{c.Code, c.NameZH, c.NameEN}
	}
	return out
}

func units() []choice { return []choice{{"g", "克", "gram"}, {"mL", "毫升", "millilitre"}} }

func chains() []choice {
	return []choice{{"N", "常温", "none"}, {"CHILLED", "冷藏", "chilled"}, {"FROZEN", "冷冻", "frozen"}, {"VOUCHER", "服务券", "voucher"}}
}

func returns() []choice {
	return []choice{
		{string(catalog.NoReason), "七天无理由", "seven days, no reason"},
		{string(catalog.NoReasonUnopened), "七天无理由（未拆封）", "seven days, no reason, unopened"},
		{string(catalog.ExemptFresh), "鲜活易腐不退", "fresh, exempt"},
		{string(catalog.VoucherRule), "服务券规则", "voucher"},
	}
}

// title is the column's header: both names, and a star where it is needed.
func (c column) title() string {
	t := c.zh + " / " + c.en
	if c.required {
		t += " *"
	}
	return t
}

// called reports whether a header means the column: its title, either name, or its key.
func (c column) called(header string) bool {
	header = plain(header)
	return header == plain(c.title()) || header == plain(c.zh) || header == plain(c.en) || header == c.key
}

// plain is a header without what people change about it: stars, blanks, case.
func plain(s string) string {
	return strings.ToLower(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" *＊\t\r\n\u3000", r) }), ""))
}

func kinds() (out []choice) {
	for _, k := range listing.Kinds() {
		out = append(out, choice{k.Code, k.NameZH, k.NameEN})
	}
	return out
}

// counted are the units by which goods are sold.
func counted() (out []choice) {
	for _, u := range listing.Units() {
		if u.Measures == "count" {
			out = append(out, choice{u.Code, u.NameZH, u.Code})
		}
	}
	return out
}

func taxes() (out []choice) {
	for _, v := range listing.VATClasses() {
		out = append(out, choice{v.Code, v.NameZH, v.NameEN})
	}
	return out
}

func zones() (out []choice) {
	for _, z := range listing.Zones() {
		out = append(out, choice{z.Code, z.NameZH, z.NameEN})
	}
	return out
}
