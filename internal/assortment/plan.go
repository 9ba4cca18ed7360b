package assortment

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// Reading is a sheet whose columns are known.
type Reading struct {
	table   sheet.Table
	all     []column
	columns []column       // as far as the sheet has them, in their own order
	at      map[string]int // key → the sheet's column, from 0
	strange []int          // columns of the sheet that are none of ours
	twice   []int          // columns of the sheet that another one is already
}

// Read finds the columns of a table. ErrColumns when rows cannot be known.
func (s Shape) Read(t sheet.Table) (*Reading, error) {
	all := s.columns
	r := &Reading{table: t, all: all, at: make(map[string]int)}
	for i, header := range t.Header {
		n := slices.IndexFunc(all, func(c column) bool { return c.called(header) })
		switch {
		case n < 0 && header != "" && !IsReasons(header):
			r.strange = append(r.strange, i)
		case n < 0:
		default:
			if _, ok := r.at[all[n].key]; ok {
				r.twice = append(r.twice, i)
				continue
			}
			r.at[all[n].key] = i
		}
	}
	missing := ErrColumns
	for _, c := range all {
		if _, ok := r.at[c.key]; ok {
			r.columns = append(r.columns, c)
		} else if c.key == codeKey || c.key == skuKey {
			missing = missing.At("", "required", c.title())
		}
	}
	if len(missing.Fields) > 0 {
		return nil, missing
	}
	return r, nil
}

// text is a cell of a row, "" where the sheet lacks the column.
func (r *Reading) text(row sheet.Row, key string) string {
	if i, ok := r.at[key]; ok {
		return strings.TrimSpace(row.Cells[i])
	}
	return ""
}

// Rows is how many rows the sheet has.
func (r *Reading) Rows() int { return len(r.table.Rows) }

// Codes are the codes of all products and SKUs that the sheet names.
func (r *Reading) Codes() (products, skus []string) {
	for _, row := range r.table.Rows {
		products, skus = append(products, r.text(row, codeKey)), append(skus, r.text(row, skuKey))
	}
	for _, codes := range []*[]string{&products, &skus} {
		slices.Sort(*codes)
		*codes = slices.Compact(*codes)
	}
	return products, skus
}

// Present is what there is of the goods that a sheet names.
type Present struct {
	Merchant merchant.ID
	Products []catalog.Product
	Openings map[uuid.UUID]int64 // by SKU: the pieces with which its stock was opened
}

// Plan is what a sheet would do.
type Plan struct {
	Rows   Counts
	Bad    []BadCell // by row and column
	Add    []catalog.NewProduct
	Revise []catalog.Revision
	Open   map[string]int64 // by SKU code: pieces with which stock is to be opened
	Lines  map[string]int   // by product code: how many rows are written with it
	Basis  []byte           // 8 bytes of each row, a digest of what there was of it
}

// basisSize is how many bytes of a digest tell whether goods changed.
const basisSize = 8

// planner makes a plan.
type planner struct {
	*Reading
	*Plan
	present  Present
	byCode   map[string]catalog.Product
	bySKU    map[string]owned
	badRows  map[int]bool
	badCells map[sheet.Place]bool
}

// owned is a SKU with its product.
type owned struct {
	product catalog.Product
	sku     catalog.SKU
}

// group is the rows of one product, in their order.
type group struct {
	code string
	rows []sheet.Row
}

// Plan compares a sheet with what there is.
func (r *Reading) Plan(now Present) *Plan {
	p := &planner{
		Reading: r, Plan: &Plan{Open: make(map[string]int64), Lines: make(map[string]int)}, present: now,
		byCode: make(map[string]catalog.Product), bySKU: make(map[string]owned),
		badRows: make(map[int]bool), badCells: make(map[sheet.Place]bool),
	}
	for _, known := range now.Products {
		p.byCode[known.Code] = known
		for _, k := range known.SKUs {
			p.bySKU[k.Code] = owned{known, k}
		}
	}
	p.header()
	for _, f := range r.table.Flaws {
		p.flawed(f)
	}
	for _, g := range p.groups() {
		p.group(g)
	}
	p.Plan.Rows.Bad = len(p.badRows)
	slices.SortFunc(p.Bad, func(a, b BadCell) int { return cmp.Or(cmp.Compare(a.Row, b.Row), cmp.Compare(a.Column, b.Column)) })
	for i := range p.Bad {
		p.Bad[i].N = i + 1
	}
	return p.Plan
}

func (p *planner) header() {
	for _, i := range p.strange {
		p.say(1, i, "", message{"unknown_column", "没有这一列；请使用模板的表头", "there is no such column; use the header of the template"})
	}
	for _, i := range p.twice {
		p.say(1, i, "", message{"duplicate_column", "此列出现了不止一次", "this column comes more than once"})
	}
	delete(p.badRows, 1)
}

// flawed takes over what the reader of the sheet says of a cell.
func (p *planner) flawed(f sheet.Flaw) {
	var m message
	switch f.Why {
	case sheet.Formula:
		m = message{"formula", "不接受公式，请粘贴为数值", "formulas are not taken; paste the value"}
	case sheet.TooLong:
		m = message{"length", "单元格内容过长", "the cell is too long"}
	case sheet.Ragged:
		m = message{"ragged", "此行的列数多于表头", "the row has more cells than the header"}
	case sheet.Failed:
		m = message{"error", "单元格是错误值", "the cell is an error"}
	case sheet.NoText:
		m = message{"no_text", "单元格含有空字符（U+0000）", "the cell holds the character U+0000"}
	}
	key := ""
	for k, i := range p.at {
		if i == f.Column-1 {
			key = k
		}
	}
	p.say(f.Row, f.Column-1, key, m)
}

// groups are the products of the sheet in their order. A row without a code, or
// with a SKU that another row has, is in none.
func (p *planner) groups() []*group {
	var out []*group
	byCode, bySKU := make(map[string]*group), make(map[string]int)
	for _, row := range p.table.Rows {
		code, sku := p.text(row, codeKey), p.text(row, skuKey)
		p.Basis = append(p.Basis, p.before(code, sku)...)
		if code == "" || sku == "" {
			for key, text := range map[string]string{codeKey: code, skuKey: sku} {
				if text == "" {
					p.saySomething(row, key, message{"required", "必填", "is required"})
				}
			}
			continue
		}
		if other, ok := bySKU[sku]; ok {
			p.saySomething(row, skuKey, message{"duplicate", fmt.Sprintf("与第 %d 行的规格编号重复", other), fmt.Sprintf("row %d has the same SKU code", other)})
			continue
		}
		bySKU[sku] = row.N
		if taken, ok := p.bySKU[sku]; ok && taken.product.Code != code {
			p.saySomething(row, skuKey, message{"taken", "该规格编号已用于商品 " + taken.product.Code, "product " + taken.product.Code + " has this SKU code"})
			continue
		}
		if byCode[code] == nil {
			byCode[code] = &group{code: code}
			out = append(out, byCode[code])
		}
		byCode[code].rows = append(byCode[code].rows, row)
	}
	return out
}

// before is a digest of what there is of a row's goods.
func (p *planner) before(code, sku string) []byte {
	h := sha256.New()
	if known, ok := p.byCode[code]; ok {
		e := p.present.entry(known, p.bySKU[sku])
		for _, c := range p.all {
			_, _ = fmt.Fprintf(h, "%q", c.get(&e))
		}
	}
	return h.Sum(nil)[:basisSize]
}

// entry is what a sheet would say of a SKU that there is.
func (p Present) entry(known catalog.Product, of owned) entry {
	e := entry{Code: known.Code, Description: known.Description}
	if of.product.ID == known.ID {
		e.SKU, e.Price = of.sku.Code, of.sku.Price
		if n, ok := p.Openings[of.sku.ID.UUID()]; ok {
			e.Stock = &n
		}
	}
	return e
}

// group plans one product.
func (p *planner) group(g *group) {
	known, exists := p.byCode[g.code]
	first := g.rows[0]
	now := p.present.entry(known, owned{})
	now.Code = g.code
	if !exists {
		p.complete(first)
	}
	for _, c := range p.columns {
		if c.perSKU || c.key == codeKey {
			continue
		}
		p.set(&now, c, first, !exists)
		for _, row := range g.rows[1:] {
			if p.text(row, c.key) != p.text(first, c.key) {
				p.saySomething(row, c.key, message{
					"differs", fmt.Sprintf("与第 %d 行同一商品，此项须相同", first.N), fmt.Sprintf("row %d is the same product and says something else", first.N),
				})
			}
		}
	}
	entries := make([]entry, len(g.rows))
	for i, row := range g.rows {
		entries[i] = p.sku(known, now, row)
	}
	p.check(g, known, now, entries)
	if slices.ContainsFunc(g.rows, func(r sheet.Row) bool { return p.badRows[r.N] }) {
		return
	}
	if exists {
		p.revised(g, known, now, entries)
	} else {
		p.added(g, now, entries)
	}
}

// complete says which columns the sheet lacks, for a product that is new.
func (p *planner) complete(row sheet.Row) {
	var zh, en []string
	for _, c := range p.all {
		if _, ok := p.at[c.key]; c.required && !ok {
			zh, en = append(zh, c.zh), append(en, c.en)
		}
	}
	if zh != nil {
		p.saySomething(row, codeKey, message{"missing_columns", "新商品还需要以下列：" + strings.Join(zh, "、"), "new goods need these columns, too: " + strings.Join(en, ", ")})
	}
}

// set reads a cell into an entry.
func (p *planner) set(e *entry, c column, row sheet.Row, isNew bool) {
	s := p.text(row, c.key)
	switch {
	case s == "" && c.required && (isNew || c.perSKU || c.get(e) != ""):
		p.saySomething(row, c.key, message{"required", "必填", "is required"})
	default:
		if wrong := c.set(e, s); wrong != nil {
			p.saySomething(row, c.key, *wrong)
		}
	}
}

// sku reads what a row says of its SKU.
func (p *planner) sku(known catalog.Product, now entry, row sheet.Row) entry {
	of, exists := p.bySKU[p.text(row, skuKey)]
	e := p.present.entry(known, of)
	before := e.Stock
	e.Code, e.Description = now.Code, now.Description
	for _, c := range p.columns {
		if c.perSKU {
			p.set(&e, c, row, !exists)
		}
	}
	if _, ok := p.at[priceKey]; !ok && !exists {
		p.complete(row)
	}
	if before != nil && *e.Stock != *before {
		p.saySomething(row, stockKey, message{
			"stock_opened", fmt.Sprintf("库存已建立（期初 %d），请用库存调整", *before), fmt.Sprintf("stock was opened with %d; adjust the stock instead", *before),
		})
	}
	return e
}

// check lets the catalogue judge the product as it would be.
func (p *planner) check(g *group, known catalog.Product, now entry, entries []entry) {
	whole := catalog.NewProduct{Merchant: p.present.Merchant, Code: g.code, Description: now.Description}
	var rows []sheet.Row
	for i, e := range entries {
		whole.SKUs, rows = append(whole.SKUs, catalog.NewSKU{Code: e.SKU, Price: max(e.Price, 1)}), append(rows, g.rows[i])
	}
	for _, k := range known.SKUs {
		if !slices.ContainsFunc(entries, func(e entry) bool { return e.SKU == k.Code }) {
			whole.SKUs, rows = append(whole.SKUs, catalog.NewSKU{Code: k.Code, Price: k.Price}), append(rows, g.rows[0])
		}
	}
	err := whole.Check()
	var refusal *fault.Error
	if err == nil || !errors.As(err, &refusal) {
		return
	}
	for _, f := range refusal.Fields {
		row, pointer := g.rows[0], f.Pointer
		var n int
		var field string
		if _, err := fmt.Sscanf(strings.ReplaceAll(pointer, "/", " "), "skus %d %s", &n, &field); err == nil && n < len(rows) {
			row, pointer = rows[n], "/skus/"+field
		}
		key := codeKey
		for _, c := range p.columns {
			if c.pointer == pointer {
				key = c.key
			}
		}
		p.saySomething(row, key, worded(f))
	}
}

// worded is what the catalogue says of a field, in both languages.
func worded(f fault.Field) message {
	var least, most int
	zh := "不符合要求：" + f.Message
	if _, err := fmt.Sscanf(f.Message, "%d to %d characters", &least, &most); err == nil {
		zh = fmt.Sprintf("应为 %d 至 %d 个字符，且不含控制字符", least, most)
	} else if name := phrases()[f.Keyword]; name != "" {
		zh = name + "（" + f.Message + "）"
	}
	return message{f.Keyword, zh, f.Message}
}

func phrases() map[string]string {
	return map[string]string{
		"enum": "不是可选的值", "range": "超出范围", "unit": "净含量与单位（g 或 mL）须同时填写且大于零", "required": "必填", "length": "个数超出范围",
	}
}

func (p *planner) added(g *group, now entry, entries []entry) {
	n := catalog.NewProduct{Merchant: p.present.Merchant, Code: g.code, Description: now.Description}
	for _, e := range entries {
		n.SKUs = append(n.SKUs, catalog.NewSKU{Code: e.SKU, Price: e.Price})
		p.stock(e)
	}
	p.Add = append(p.Add, n)
	p.Plan.Rows.New += len(entries)
	p.Lines[g.code] = len(entries)
}

func (p *planner) revised(g *group, known catalog.Product, now entry, entries []entry) {
	before := p.present.entry(known, owned{})
	r := catalog.Revision{Product: known, Prices: make(map[catalog.SKUID]money.Fen)}
	r.Description = now.Description
	for _, c := range p.all {
		r.Described = r.Described || !c.perSKU && c.get(&before) != c.get(&now)
	}
	if known.State == catalog.InReview && (r.Described || slices.ContainsFunc(entries, func(e entry) bool { return p.bySKU[e.SKU].product.ID.IsZero() })) {
		p.saySomething(g.rows[0], codeKey, message{"in_review", "商品正在审核，请等待审核结果", "the product is in review: wait for the decision"})
		return
	}
	for i, e := range entries {
		of, exists := p.bySKU[e.SKU]
		was := p.present.entry(known, of)
		switch {
		case !exists:
			r.Added = append(r.Added, catalog.NewSKU{Code: e.SKU, Price: e.Price})
			p.stock(e)
			p.Plan.Rows.New++
		case e.Price != was.Price || was.Stock == nil && e.Stock != nil || i == 0 && r.Described:
			if e.Price != was.Price {
				r.Prices[of.sku.ID] = e.Price
			}
			if was.Stock == nil && e.Stock != nil {
				p.stock(e)
			}
			p.Plan.Rows.Changed++
		default:
			p.Plan.Rows.Unchanged++
			continue
		}
		p.Lines[g.code]++
	}
	if p.Lines[g.code] > 0 {
		p.Revise = append(p.Revise, r)
	}
}

func (p *planner) stock(e entry) {
	p.Open[e.SKU] = 0
	if e.Stock != nil {
		p.Open[e.SKU] = *e.Stock
	}
}

// saySomething says what is wrong with a cell of a row.
func (p *planner) saySomething(row sheet.Row, key string, m message) {
	p.say(row.N, p.at[key], key, m)
}

// say says what is wrong with the cell in column i, from 0. The first thing that is
// wrong with a cell is enough.
func (p *planner) say(row, i int, key string, m message) {
	at := sheet.Place{Row: row, Column: i + 1}
	p.badRows[row] = true
	if p.badCells[at] {
		return
	}
	p.badCells[at] = true
	p.Bad = append(p.Bad, BadCell{Place: at, Key: key, Code: m.code, Value: short(p.value(row, i)), MessageZH: m.zh, MessageEN: m.en})
}

func (p *planner) value(n, i int) string {
	cells := p.table.Header
	if n > 1 {
		at, ok := slices.BinarySearchFunc(p.table.Rows, n, func(r sheet.Row, n int) int { return cmp.Compare(r.N, n) })
		if !ok {
			return ""
		}
		cells = p.table.Rows[at].Cells
	}
	if i >= len(cells) {
		return ""
	}
	return cells[i]
}

func short(s string) string {
	const most = 100
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most])
	}
	return s
}

// Overtaken are the rows whose goods are not what they were when the sheet was
// checked.
func (r *Reading) Overtaken(basis, now []byte) []BadCell {
	var out []BadCell
	for i, row := range r.table.Rows {
		from, to := i*basisSize, (i+1)*basisSize
		if to <= len(basis) && to <= len(now) && bytes.Equal(basis[from:to], now[from:to]) {
			continue
		}
		out = append(out, BadCell{
			Place: sheet.Place{Row: row.N, Column: r.at[codeKey] + 1}, N: len(out) + 1, Key: codeKey, Code: "overtaken", Value: r.text(row, codeKey),
			MessageZH: "检查之后该商品已被修改，请重新上传检查", MessageEN: "the goods were changed after the check; bring the sheet again",
		})
	}
	return out
}
