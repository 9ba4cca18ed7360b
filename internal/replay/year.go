// Package replay puts a recorded year through the same services as live
// requests, with the recorded times. What is fact and what is invented in it is
// said in data/README.md.
package replay

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shiyi-market/shiyi/internal/money"
)

//go:embed data/*.csv
var data embed.FS

// Year is the recorded year, read and cross-checked.
type Year struct {
	Enterprises []Enterprise
	Products    []Product
	Sales       []Sale // by time
}

// Enterprise is a row of enterprises.csv: who sells.
type Enterprise struct{ row }

// Product is a row of products.csv: what is sold. Each has one SKU.
type Product struct {
	row
	Code, Enterprise string
	Price            money.Fen
	Units            int64 // sold in the year
}

// Sale is one checkout of the year.
type Sale struct {
	Order string // the recorded order_id, which is the checkout's key
	Buyer string // a random number
	At    time.Time
	Total money.Fen
	Lines []SaleLine
}

// SaleLine is so many units of one product.
type SaleLine struct {
	Product string
	Units   int64
}

// Read reads the embedded year. An inconsistent year is an error.
func Read() (Year, error) {
	var y Year
	for _, r := range table("enterprises.csv") {
		y.Enterprises = append(y.Enterprises, Enterprise{r})
	}
	units := map[string]int64{}
	for _, r := range table("annual_sales_2020.csv") {
		units[r["product_id"]] = r.int("units_2020")
	}
	prices := map[string]money.Fen{}
	for _, r := range table("products.csv") {
		p := Product{r, r["product_id"], r["enterprise_id"], money.Fen(r.int("price_fen")), units[r["product_id"]]}
		y.Products = append(y.Products, p)
		prices[p.Code] = p.Price
	}
	sales, err := readSales(prices)
	y.Sales = sales
	return y, err
}

// readSales joins orders and lines, and holds each order's total against them.
func readSales(prices map[string]money.Fen) ([]Sale, error) {
	orders := table("orders_2020.csv")
	sales, byOrder := make([]Sale, len(orders)), make(map[string]*Sale, len(orders))
	for i, r := range orders {
		at, err := time.Parse(time.RFC3339, r["placed_at"])
		if err != nil {
			return nil, fmt.Errorf("order %s: %w", r["order_id"], err)
		}
		sales[i] = Sale{Order: r["order_id"], Buyer: r["buyer_ref"], At: at.UTC(), Total: money.Fen(r.int("goods_total_fen"))}
		byOrder[sales[i].Order] = &sales[i]
	}
	sums := make(map[string]money.Fen, len(orders))
	for _, r := range table("order_lines_2020.csv") {
		s, product, units := byOrder[r["order_id"]], r["product_id"], r.int("units")
		if s == nil {
			return nil, fmt.Errorf("a line of an unknown order %s", r["order_id"])
		}
		sums[s.Order] += prices[product] * money.Fen(units)
		if i := slices.IndexFunc(s.Lines, func(l SaleLine) bool { return l.Product == product }); i >= 0 {
			s.Lines[i].Units += units
			continue
		}
		s.Lines = append(s.Lines, SaleLine{product, units})
	}
	for _, s := range sales {
		if sums[s.Order] != s.Total {
			return nil, fmt.Errorf("order %s: its lines sum to %d fen, not %d", s.Order, sums[s.Order], s.Total)
		}
	}
	slices.SortFunc(sales, func(a, b Sale) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Order, b.Order)) })
	return sales, nil
}

// row is one record, by column name.
type row map[string]string

// int is a column of digits; "" is 0. The data is our own and embedded, so what
// is not a number is a defect of the program.
func (r row) int(column string) int64 {
	if r[column] == "" {
		return 0
	}
	n, err := strconv.ParseInt(r[column], 10, 64)
	if err != nil {
		panic(fmt.Sprintf("replay: column %s: %v", column, err))
	}
	return n
}

// yes is a column of "true" or "false".
func (r row) yes(column string) bool { return r[column] == "true" }

// date is a column of one day, at its beginning in Shanghai.
func (r row) date(column string) time.Time {
	at, err := time.ParseInLocation(time.DateOnly, r[column], shanghai())
	if err != nil {
		panic(fmt.Sprintf("replay: column %s: %v", column, err))
	}
	return at.UTC()
}

// list is a column of values parted by semicolons.
func (r row) list(column string) []string {
	if r[column] == "" {
		return nil
	}
	return strings.Split(r[column], ";")
}

// shanghai is the county's clock, which has had no summer time since 1991.
func shanghai() *time.Location { return time.FixedZone("Asia/Shanghai", 8*60*60) }

// table reads one embedded file; it cannot fail but by a defect of the program.
func table(name string) []row {
	text, err := data.ReadFile("data/" + name)
	if err != nil {
		panic(err)
	}
	records := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	header, err := records.Read()
	if err != nil {
		panic(fmt.Sprintf("replay: %s: %v", name, err))
	}
	var rows []row
	for {
		record, err := records.Read()
		if err == io.EOF {
			return rows
		}
		if err != nil {
			panic(fmt.Sprintf("replay: %s: %v", name, err))
		}
		r := make(row, len(header))
		for i, column := range header {
			r[column] = record[i]
		}
		rows = append(rows, r)
	}
}
