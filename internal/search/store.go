package search

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/term"
)

// productRow is a row of the table search_product.
type productRow struct {
	MerchantID   uuid.UUID `gorm:"primaryKey"`
	ProductID    uuid.UUID `gorm:"primaryKey"`
	Lot          int64
	CategoryCode string
	NameKey      string
	PinyinKey    string
	Terms        []byte // text[], which is written and asked, and never read
	Listed       bool
	InStock      bool
	Source       int64
	UpdatedAt    time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is search_product.
func (productRow) TableName() string { return "search_product" }

// synonymRow is a row of the table search_synonym.
type synonymRow struct {
	Word string
	Term string `gorm:"primaryKey"`
}

// TableName is search_synonym.
func (synonymRow) TableName() string { return "search_synonym" }

func synonyms(ctx context.Context, tx *postgres.Tx) ([]term.Synonym, error) {
	rows, err := postgres.On[synonymRow](tx).Order("term").Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read synonyms: %w", err)
	}
	out := make([]term.Synonym, len(rows))
	for i, r := range rows {
		out[i] = term.Synonym(r)
	}
	return out, nil
}

// write writes entries, or writes them anew, in one statement.
func write(ctx context.Context, tx *postgres.Tx, all []entry) error {
	js, err := json.Marshal(all)
	if err != nil || len(all) == 0 {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO search_product AS s
		  (merchant_id, product_id, lot, category_code, name_key, pinyin_key, terms, listed, in_stock, source, updated_at)
		SELECT w.*, ?::timestamptz FROM jsonb_to_recordset(?::jsonb) AS w
		  (merchant_id uuid, product_id uuid, lot bigint, category_code text, name_key text, pinyin_key text, terms text[], listed boolean, in_stock boolean, source bigint)
		ON CONFLICT (merchant_id, product_id) DO UPDATE SET category_code = excluded.category_code, name_key = excluded.name_key, pinyin_key = excluded.pinyin_key,
		  terms = excluded.terms, listed = excluded.listed, in_stock = excluded.in_stock, source = excluded.source, updated_at = excluded.updated_at
		WHERE (s.source, s.in_stock) IS DISTINCT FROM (excluded.source, excluded.in_stock)`, tx.Now, string(js))
	if err != nil {
		return fmt.Errorf("index %d products: %w", len(all), err)
	}
	return nil
}

// kept is what the entries of these products were made from, and whether they
// say that there are pieces.
func kept(ctx context.Context, tx *postgres.Tx, merchants, products []uuid.UUID) (map[uuid.UUID]productRow, error) {
	rows, err := postgres.Rows[productRow](ctx, tx, `SELECT s.product_id, s.source, s.in_stock
		FROM unnest(?::uuid[], ?::uuid[]) AS w (merchant_id, product_id) JOIN search_product s USING (merchant_id, product_id)`,
		postgres.Array(merchants), postgres.Array(products))
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	out := make(map[uuid.UUID]productRow, len(rows))
	for _, r := range rows {
		out[r.ProductID] = r
	}
	return out, nil
}

// townships are where enterprises are, by id: township or village.
func townships(ctx context.Context, tx *postgres.Tx, merchants []uuid.UUID) (map[uuid.UUID]string, error) {
	rows, err := postgres.Rows[struct {
		MerchantID uuid.UUID
		Township   string
	}](ctx, tx, `SELECT merchant_id, township FROM merchant_standing WHERE merchant_id = ANY(?::uuid[])`, postgres.Array(merchants))
	if err != nil {
		return nil, fmt.Errorf("read where enterprises are: %w", err)
	}
	out := make(map[uuid.UUID]string, len(rows))
	for _, r := range rows {
		out[r.MerchantID] = r.Township
	}
	return out, nil
}

// rank is how well a product fits. A lower one comes first.
type rank int

// The ranks.
const (
	exact  rank = iota // the name is what was asked
	begins             // it begins so
	named              // all words are in the name
	loose              // all words are in the name, brand, enterprise, category, specification, place or certificates
)

// hit is a product that was found.
type hit struct {
	rank    rank
	Key     string // the name or its spelling, in the first two ranks
	Product uuid.UUID
}

// sells is what makes an entry one that the public sees: MaySell in SQL. Who may
// sell is found out once and then looked up, which coalesce makes the planner do:
// it would ask the index anew for each enterprise.
const sells = ` WHERE s.listed AND coalesce(s.merchant_id = ANY(ARRAY(SELECT m.merchant_id FROM merchant_standing m
	WHERE m.merchant_state = 'active' AND m.agreement_signed_on <= ?::date AND m.licensed_until >= ?::date)), false)`

// clause is a condition with its arguments.
type clause struct {
	text strings.Builder
	args []any
}

func (c *clause) and(text string, args ...any) {
	c.text.WriteString(" AND " + text)
	c.args = append(c.args, args...)
}

// flags adds the filters that are no terms.
func (q question) flags(c *clause, now time.Time) {
	if q.inStock {
		c.and("s.in_stock")
	}
	if q.claimed {
		c.and(`EXISTS (SELECT FROM price_claim_holding h WHERE h.merchant_id = s.merchant_id AND h.product_id = s.product_id
			AND h.captured_at <= ? AND ? < h.expires_at)`, now, now)
	}
}

// byKey are the next products whose name is the key or begins with it, after a
// hit of the same rank, by name.
func (q question) byKey(ctx context.Context, tx *postgres.Tx, r rank, after hit, n int) ([]hit, error) {
	var c clause
	switch {
	case r == exact:
		c.and("s."+q.column+" = ? AND (s.lot, s.product_id) > (?, ?)", q.key, lotAfter(after), after.Product)
	case after.Product == uuid.Nil:
		c.and("s."+q.column+" > ? AND s."+q.column+" < ?", q.key, q.key+"\U0010FFFF")
	default:
		c.and("(s."+q.column+", s.lot, s.product_id) > (?, ?, ?) AND s."+q.column+" > ? AND s."+q.column+" < ?",
			after.Key, lotAfter(after), after.Product, q.key, q.key+"\U0010FFFF")
	}
	if q.category != "" {
		c.and("s.category_code = ?", q.category)
	}
	if !q.merchant.IsZero() {
		c.and("s.merchant_id = ?", q.merchant)
	}
	if len(q.village) > 0 {
		// The order is that of the keys' index: the terms' is of no use here.
		c.and("coalesce(s.terms @> ?::text[], false)", postgres.Array(q.village))
	}
	q.flags(&c, tx.Now)
	today := string(merchant.DateOf(tx.Now))
	return hits(ctx, tx, r, `SELECT s.`+q.column+` AS key, s.product_id AS product FROM search_product s`+sells+c.text.String()+
		` ORDER BY s.`+q.column+`, s.lot, s.product_id LIMIT ?`, append(append([]any{today, today}, c.args...), n)...)
}

// lotAfter is the lot of the last hit that was seen; before the first, it is
// below all lots.
func lotAfter(h hit) int64 {
	if h.Product == uuid.Nil {
		return -1
	}
	return lotOf(h.Product)
}

// alternatives are the sets of terms of which an entry of rank named or loose has
// one: what is loose may have each word in its name or beside it.
func (q question) alternatives(r rank, bucket string) [][]string {
	filters := q.filters[:len(q.filters):len(q.filters)]
	if bucket != "" {
		filters = append(filters, bucket)
	}
	out := [][]string{filters}
	for _, w := range q.words {
		marks := []string{""}
		if r == loose {
			marks = []string{elsewhere, ""}
		}
		var next [][]string
		for _, mark := range marks {
			for _, all := range out {
				all = all[:len(all):len(all)]
				for _, t := range w {
					all = append(all, mark+t)
				}
				next = append(next, all)
			}
		}
		out = next
	}
	if r == loose {
		out = out[:len(out)-1] // the last has all words in the name
	}
	return out
}

// byTerms is the condition that an entry is of rank named or loose. No array is
// looked into but by the index: to read one costs more than all else of a row.
func (q question) byTerms(r rank, bucket string) *clause {
	c := new(clause)
	if q.key != "" {
		c.and("NOT (s."+q.column+" >= ? AND s."+q.column+" < ?)", q.key, q.key+"\U0010FFFF")
	}
	c.text.WriteString(" AND (")
	for i, all := range q.alternatives(r, bucket) {
		if i > 0 {
			c.text.WriteString(" OR ")
		}
		c.text.WriteString("s.terms @> ?::text[]")
		c.args = append(c.args, postgres.Array(all))
	}
	c.text.WriteString(")")
	if r == loose {
		c.and("s.product_id NOT IN (SELECT n.product_id FROM search_product n WHERE n.listed AND n.terms @> ?::text[])",
			postgres.Array(q.alternatives(named, bucket)[0]))
	}
	return c
}

// byLot are the next products of rank named or loose after a hit, in the order of
// their lots. A small bucket of lots is asked first: what is common fills a page
// from it. Where a whole bucket does not, there is little in it, and a larger one
// may be asked without finding much more than a page.
func (q question) byLot(ctx context.Context, tx *postgres.Tx, r rank, after hit, n int) ([]hit, error) {
	begin := max(lotAfter(after), 0)
	level, b := 0, bucketOf(0, begin)
	var out []hit
	for {
		found, err := q.within(ctx, tx, r, bucketTerm(level, b), after, n-len(out))
		if err != nil {
			return nil, err
		}
		if out = append(out, found...); len(out) == n || shift(level) == 63 {
			return out, nil
		}
		if len(found) > 0 {
			after = found[len(found)-1]
		}
		whole := begin == 0 || bucketOf(level, begin) < b
		next := (b + 1) << shift(level)
		if next <= 0 { // it was the last: the shift has no room for more
			return out, nil
		}
		if whole {
			level++
		}
		b = bucketOf(level, next)
	}
}

// within are the next products in a bucket, or in all.
func (q question) within(ctx context.Context, tx *postgres.Tx, r rank, bucket string, after hit, n int) ([]hit, error) {
	c := q.byTerms(r, bucket)
	q.flags(c, tx.Now)
	today := string(merchant.DateOf(tx.Now))
	args := append([]any{today, today, lotAfter(after), after.Product}, c.args...)
	return hits(ctx, tx, r, `SELECT '' AS key, s.product_id AS product FROM search_product s`+sells+
		` AND (s.lot, s.product_id) > (?, ?)`+c.text.String()+` ORDER BY s.lot, s.product_id LIMIT ?`, append(args, n)...)
}

func hits(ctx context.Context, tx *postgres.Tx, r rank, query string, args ...any) ([]hit, error) {
	rows, err := postgres.Rows[hit](ctx, tx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	for i := range rows {
		rows[i].rank = r
	}
	return rows, nil
}

// names are products of the first names that begin with a key, one of each.
func names(ctx context.Context, tx *postgres.Tx, column, key string, n int) ([]hit, error) {
	today := string(merchant.DateOf(tx.Now))
	return hits(ctx, tx, begins, `SELECT DISTINCT ON (s.`+column+`) s.`+column+` AS key, s.product_id AS product FROM search_product s`+sells+
		` AND s.`+column+` >= ? AND s.`+column+` < ? ORDER BY s.`+column+`, s.lot, s.product_id LIMIT ?`, today, today, key, key+"\U0010FFFF", n)
}
