package dispatch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shiyi-market/shiyi/internal/carrier"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/sheet"
)

// The columns that are read. Others are for people, and pass.
const (
	orderKey, carrierKey, numberKey, temperatureKey = "order_id", "carrier", "tracking_number", "temperature"
)

// titles are the names of the columns that are read, any of which is taken; the second is
// that of the template.
var titles = map[string][]string{ //nolint:gochecknoglobals // read only
	orderKey:       {orderKey, "订单编号", "Order"},
	carrierKey:     {carrierKey, "承运商", "Carrier"},
	numberKey:      {numberKey, "运单号", "Tracking number"},
	temperatureKey: {temperatureKey, "发货温度", "Temperature"},
}

// book is the shape of the template: what is to be shipped, and columns to fill in.
func book() sheet.Book {
	var codes []string
	for _, c := range carrier.All() {
		codes = append(codes, c.NameZH)
	}
	return sheet.Book{Name: "待发货", Choosable: sheet.Usual().Rows + 1, Columns: []sheet.Column{
		{Title: titles[orderKey][1], Width: 38},
		{Title: "最晚发货（北京时间）", Width: 18},
		{Title: "商品", Width: 40},
		{Title: "收货人", Width: 12},
		{Title: "电话", Width: 16},
		{Title: "地址", Width: 50},
		{Title: titles[carrierKey][1], Width: 18, Choices: codes},
		{Title: titles[numberKey][1], Width: 24},
		{Title: titles[temperatureKey][1], Width: 12},
	}}
}

// cells are an order as a row of the template.
func (p Pick) cells() []sheet.Cell {
	var goods []string
	for i, l := range p.Lines {
		if l.Left > 0 {
			of := p.Of.Lines[i]
			goods = append(goods, fmt.Sprintf("%s %s ×%d", of.Name, of.Spec, l.Left))
		}
	}
	var who, phone, where string
	if a := p.ShipTo; a != nil {
		who, phone, where = a.Recipient, a.Phone, a.Province+a.City+a.District+a.Detail
	}
	by := p.ShipBy().In(time.FixedZone("Asia/Shanghai", 8*60*60)).Format("2006-01-02 15:04")
	texts := []string{p.Of.ID.String(), by, strings.Join(goods, "; "), who, phone, where, "", "", ""}
	out := make([]sheet.Cell, len(texts))
	for i, text := range texts {
		out[i].Text = text
	}
	return out
}

// reading is a sheet that is being read.
type reading struct {
	at   map[string]int // the place of each column, from 0
	rows []row
	bad  []BadCell
}

// read reads the rows of a sheet in which a carrier or a number is written; the others
// are not to be shipped yet. ErrColumns.
func read(t sheet.Table) (*reading, error) {
	r := &reading{at: make(map[string]int)}
	for i, header := range t.Header {
		for key, names := range titles {
			if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, strings.TrimSpace(header)) }) {
				continue
			}
			if _, twice := r.at[key]; twice {
				return nil, ErrColumns.At("", "duplicate", "the column "+key+" is there twice")
			}
			r.at[key] = i
		}
	}
	for _, key := range []string{orderKey, carrierKey, numberKey} {
		if _, ok := r.at[key]; !ok {
			return nil, ErrColumns.At("", "required", "the column "+key+" is missing")
		}
	}
	for _, f := range t.Flaws {
		if key := r.keyAt(f.Column - 1); key != "" {
			r.say(f.Row, key, "", string(f.Why), "该单元格无法读取", "the cell cannot be read")
		}
	}
	seen := make(map[order.ID]int)
	for _, line := range t.Rows {
		r.row(line, seen)
	}
	return r, nil
}

func (r *reading) keyAt(column int) string {
	for key, at := range r.at {
		if at == column {
			return key
		}
	}
	return ""
}

func (r *reading) cell(line sheet.Row, key string) string {
	if at, ok := r.at[key]; ok {
		return strings.TrimSpace(line.Cells[at])
	}
	return ""
}

func (r *reading) row(line sheet.Row, seen map[order.ID]int) {
	who, number := r.cell(line, carrierKey), r.cell(line, numberKey)
	if who == "" && number == "" {
		return
	}
	text := r.cell(line, orderKey)
	oid, err := id.Parse[order.Order](text)
	if err != nil {
		r.say(line.N, orderKey, text, "order.not_found", order.ErrNotFound.TitleZH, order.ErrNotFound.Title)
		return
	}
	if first, twice := seen[oid]; twice {
		r.say(line.N, orderKey, text, "duplicate", fmt.Sprintf("与第 %d 行是同一订单", first), fmt.Sprintf("row %d has the same order", first))
		return
	}
	seen[oid] = line.N
	for _, c := range carrier.All() {
		if strings.EqualFold(who, c.NameZH) || strings.EqualFold(who, c.NameEN) || strings.EqualFold(who, c.Code) {
			who = c.Code
		}
	}
	r.rows = append(r.rows, row{line.N, oid, fulfilment.Shipping{Carrier: who, Number: number, Temperature: r.cell(line, temperatureKey)}})
}

// refuse says why a row will not do: at the cell that the fault names, or at the order.
func (r *reading) refuse(of row, err error) {
	f := fault.Of(err)
	key, value := orderKey, of.Order.String()
	for _, field := range f.Fields {
		switch field.Pointer {
		case "/carrier":
			key, value = carrierKey, of.Carrier
		case "/tracking_number":
			key, value = numberKey, of.Number
		case "/temperature":
			key, value = temperatureKey, of.Temperature
		}
	}
	r.say(of.N, key, value, f.Code, f.TitleZH, f.Title)
}

func (r *reading) say(n int, key, value, code, zh, en string) {
	at, ok := r.at[key]
	if !ok {
		at = r.at[orderKey] // a column that is not there is missed at the order
	}
	runes := []rune(value)
	r.bad = append(r.bad, BadCell{
		Place: sheet.Place{Row: n, Column: at + 1}, Key: key, Code: code, Value: string(runes[:min(len(runes), 100)]), MessageZH: zh, MessageEN: en,
	})
}

// sorted are the bad cells in the order of the sheet, numbered from 1.
func (r *reading) sorted() []BadCell {
	slices.SortStableFunc(r.bad, func(a, b BadCell) int {
		if a.Row != b.Row {
			return a.Row - b.Row
		}
		return a.Column - b.Column
	})
	for i := range r.bad {
		r.bad[i].N = i + 1
	}
	return r.bad
}
