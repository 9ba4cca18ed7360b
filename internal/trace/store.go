package trace

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// positionRow is a row of the table fund_position.
type positionRow struct {
	Way             string
	ToLi, FromLi, N int64
	LogIndex        int64
	Place           int
	Home            uuid.UUID
	TransferID      uuid.UUID
	Kind, Account   string
}

// TableName is fund_position.
func (positionRow) TableName() string { return "fund_position" }

const positionColumns = `p.way, p.to_li, p.from_li, p.n, p.log_index, p.place, p.home, p.transfer_id, p.kind, p.account`

func (r positionRow) position() Position {
	return Position{Position: verify.Position{
		Interval: verify.Interval{From: r.FromLi, To: r.ToLi}, Way: verify.Way(r.Way), N: r.N,
		Index: r.LogIndex, Place: r.Place, Kind: r.Kind, Account: r.Account,
	}, Home: r.Home, Transfer: r.TransferID}
}

func positions(rows []positionRow) []Position {
	all := make([]Position, len(rows))
	for i, r := range rows {
		all[i] = r.position()
	}
	return all
}

// queueRow is the row of the table fund_queue.
type queueRow struct {
	One                            bool
	Leaves                         int64
	InLi, InCount, OutLi, OutCount int64
	CommittedLi                    int64
}

// TableName is fund_queue.
func (queueRow) TableName() string { return "fund_queue" }

// queue is the queue as far as the log has been followed.
func queue(ctx context.Context, tx *postgres.Tx) (verify.Queue, error) {
	r, err := postgres.Row[queueRow](ctx, tx, `SELECT * FROM fund_queue`)
	if err != nil {
		return verify.Queue{}, fmt.Errorf("read the fund's queue: %w", err)
	}
	return verify.Queue{
		Leaves: r.Leaves, In: verify.Sum{Li: r.InLi, Count: r.InCount}, Out: verify.Sum{Li: r.OutLi, Count: r.OutCount}, CommittedLi: r.CommittedLi,
	}, nil
}

// save writes positions, and how the queue stands after them, in one statement.
func save(ctx context.Context, tx *postgres.Tx, q verify.Queue, all []Position) error {
	n := len(all)
	ways, kinds, accounts := make([]string, n), make([]string, n), make([]string, n)
	tos, froms, numbers, indexes := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	places, homes, transfers := make([]int32, n), make([]uuid.UUID, n), make([]uuid.UUID, n)
	for i, p := range all {
		ways[i], kinds[i], accounts[i], tos[i], froms[i] = string(p.Way), p.Kind, p.Account, p.To, p.From
		numbers[i], indexes[i], places[i], homes[i], transfers[i] = p.N, p.Index, int32(p.Place), p.Home, p.Transfer
	}
	_, err := tx.Exec(ctx, `WITH q AS (
			UPDATE fund_queue SET leaves = ?, in_li = ?, in_count = ?, out_li = ?, out_count = ?, committed_li = ?)
		INSERT INTO fund_position (way, to_li, from_li, n, log_index, place, home, transfer_id, kind, account)
		SELECT * FROM unnest(?::text[], ?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::integer[], ?::uuid[], ?::uuid[], ?::text[], ?::text[])`,
		q.Leaves, q.In.Li, q.In.Count, q.Out.Li, q.Out.Count, q.CommittedLi,
		postgres.Array(ways), postgres.Array(tos), postgres.Array(froms), postgres.Array(numbers), postgres.Array(indexes),
		postgres.Array(places), postgres.Array(homes), postgres.Array(transfers), postgres.Array(kinds), postgres.Array(accounts))
	if err != nil {
		return fmt.Errorf("write %d positions: %w", n, err)
	}
	return nil
}

// within are the positions that end after those of one queue, and, unless until is nil, not
// after those of a later one.
func within(ctx context.Context, tx *postgres.Tx, after verify.Queue, until *verify.Queue) ([]Position, error) {
	last := verify.Queue{In: verify.Sum{Li: math.MaxInt64}, Out: verify.Sum{Li: math.MaxInt64}}
	if until != nil {
		last = *until
	}
	rows, err := postgres.Rows[positionRow](ctx, tx, `SELECT `+positionColumns+` FROM fund_position p
		WHERE (way = 'in' AND to_li > ? AND to_li <= ?) OR (way = 'out' AND to_li > ? AND to_li <= ?)
		ORDER BY way, to_li`, after.In.Li, last.In.Li, after.Out.Li, last.Out.Li)
	if err != nil {
		return nil, fmt.Errorf("read positions: %w", err)
	}
	return positions(rows), nil
}

// orderRow is what of an order is shown.
type orderRow struct {
	MerchantID, ID, CheckoutID uuid.UUID
	Merchant                   string
	PaidAt                     time.Time
}

func (r orderRow) order() Order {
	return Order{
		ID: id.From[order.Order](r.ID), Checkout: id.From[order.Checkout](r.CheckoutID),
		Merchant: id.From[merchant.Merchant](r.MerchantID), MerchantName: r.Merchant, PaidAt: r.PaidAt.UTC(),
	}
}

// paid are somebody's orders that were paid, the newest first, before that one.
func paid(ctx context.Context, tx *postgres.Tx, buyer identity.ID, before uuid.UUID, limit int) ([]Order, error) {
	if before == uuid.Nil {
		before = uuid.Max
	}
	rows, err := postgres.Rows[orderRow](ctx, tx, `SELECT merchant_id, id, checkout_id, merchant, paid_at FROM orders
		WHERE buyer_id = ? AND paid_at IS NOT NULL AND id < ? ORDER BY id DESC LIMIT ?`, buyer, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list the orders of a buyer: %w", err)
	}
	all := make([]Order, len(rows))
	for i, r := range rows {
		all[i] = r.order()
	}
	return all, nil
}

// movedRow is a move of an order's that touched the fund, and its position if it has one.
type movedRow struct {
	OrderHome, OrderID uuid.UUID
	MovedKind          string
	Source, Target     string
	AmountLi           int64
	Way                *string
	ToLi, FromLi, N    int64
	LogIndex           int64
	Place              int
	Home, TransferID   uuid.UUID
	Kind, Account      string
}

func (r movedRow) moved() moved { return moved{r.MovedKind, r.Source, r.Target, money.Li(r.AmountLi)} }

func (r movedRow) position() Position {
	return positionRow{*r.Way, r.ToLi, r.FromLi, r.N, r.LogIndex, r.Place, r.Home, r.TransferID, r.Kind, r.Account}.position()
}

// moves are what these orders moved into, within and out of the fund, in the order of the queue. The
// transfers of an order are found by how the book names them: a sale and a maturing by the order, a refund by its own
// id, a dispute by the id of the order's part in it.
func moves(ctx context.Context, tx *postgres.Tx, orders []Order) (map[orderKey][]movedRow, error) {
	homes, ids := keys(orders)
	rows, err := postgres.Rows[movedRow](ctx, tx, `WITH o AS (SELECT * FROM unnest(?::uuid[], ?::uuid[]) AS x(merchant_id, id)),
		r AS (
			SELECT merchant_id, id AS order_id, k.kind, id AS ref FROM o CROSS JOIN unnest(ARRAY['`+fund.Sale+`', '`+fund.Maturing+`']) AS k(kind)
			UNION ALL SELECT o.merchant_id, o.id, '`+fund.Refund+`', b.id FROM o JOIN order_refund b ON b.merchant_id = o.merchant_id AND b.order_id = o.id
			UNION ALL SELECT o.merchant_id, o.id, k.kind, d.id FROM o JOIN dispute_part d ON d.merchant_id = o.merchant_id AND d.order_id = o.id
				CROSS JOIN unnest(ARRAY['`+fund.Dispute+`', '`+fund.DisputeWon+`', '`+fund.DisputeLost+`']) AS k(kind))
		SELECT t.home AS order_home, r.order_id, t.kind AS moved_kind, m.source, m.target, m.amount_li,
			p.way, coalesce(p.to_li, 0) AS to_li, coalesce(p.from_li, 0) AS from_li, coalesce(p.n, 0) AS n, coalesce(p.log_index, 0) AS log_index,
			coalesce(p.place, 0) AS place, t.home, t.id AS transfer_id, coalesce(p.kind, '') AS kind, coalesce(p.account, '') AS account
		FROM r JOIN transfer t ON t.home = r.merchant_id AND t.kind = r.kind AND t.ref = r.ref::text
		JOIN move m ON m.home = t.home AND m.transfer_id = t.id AND m.what = ?
		LEFT JOIN fund_position p ON p.home = t.home AND p.transfer_id = t.id AND p.place = m.n - 1
		ORDER BY p.log_index, p.place`, postgres.Array(homes), postgres.Array(ids), fund.Levy)
	if err != nil {
		return nil, fmt.Errorf("read the tenths of %d orders: %w", len(orders), err)
	}
	all := make(map[orderKey][]movedRow, len(orders))
	for _, r := range rows {
		key := orderKey{r.OrderHome, r.OrderID}
		all[key] = append(all[key], r)
	}
	return all, nil
}

func keys(orders []Order) (homes, ids []uuid.UUID) {
	for _, o := range orders {
		homes, ids = append(homes, o.Merchant.UUID()), append(ids, o.ID.UUID())
	}
	return homes, ids
}

// outRow is an outflow, and which payment it is where it is one.
type outRow struct {
	K             int
	Payment       *string
	Title, School *string
	Position      positionRow `gorm:"embedded"`
}

func (r outRow) position() Position {
	p := r.Position.position()
	if r.Payment != nil {
		p.Payment, _ = uuid.Parse(*r.Payment) // all references of payments are ids
	}
	if r.Title != nil && r.School != nil {
		p.Title, p.School = *r.Title, *r.School
	}
	return p
}

// payment joins the name of a grant's payment to outflows p, and its programme. That of a return is its buyer's business.
const payment = ` LEFT JOIN LATERAL (SELECT t.ref FROM transfer t WHERE p.kind = '` + fund.GrantPaying + `' AND t.home = p.home AND t.id = p.transfer_id) t ON true
	LEFT JOIN programme g ON g.id = CASE WHEN p.kind = '` + fund.GrantPaying + `' AND p.account ~ '^` + verify.Programme + `[0-9a-f-]{36}$' THEN right(p.account, 36)::uuid END`

// crossed are, for each interval of inflows, the outflows that took li of it, in order. Both ends of
// a range are conditions on the index: the last outflow of an interval is the first that
// ends at its end or later.
func crossed(ctx context.Context, tx *postgres.Tx, intervals []verify.Interval) ([][]Position, error) {
	froms, tos := make([]int64, len(intervals)), make([]int64, len(intervals))
	for i, v := range intervals {
		froms[i], tos[i] = v.From, v.To
	}
	rows, err := postgres.Rows[outRow](ctx, tx, `SELECT i.k, p.*, t.ref AS payment, g.title, g.school FROM unnest(?::bigint[], ?::bigint[]) WITH ORDINALITY AS i(from_li, to_li, k)
		CROSS JOIN LATERAL (SELECT `+positionColumns+` FROM fund_position p WHERE p.way = 'out' AND p.to_li > i.from_li
			AND p.to_li <= coalesce((SELECT min(l.to_li) FROM fund_position l WHERE l.way = 'out' AND l.to_li >= i.to_li), ?)) p`+payment+`
		ORDER BY i.k, p.to_li`, postgres.Array(froms), postgres.Array(tos), int64(math.MaxInt64))
	if err != nil {
		return nil, fmt.Errorf("find what %d inflows became: %w", len(intervals), err)
	}
	all := make([][]Position, len(intervals))
	for _, r := range rows {
		all[r.K-1] = append(all[r.K-1], r.position())
	}
	return all, nil
}

// outflows are those before the n-th, the newest first.
func outflows(ctx context.Context, tx *postgres.Tx, before int64, limit int) ([]Position, error) {
	rows, err := postgres.Rows[outRow](ctx, tx, `SELECT p.*, t.ref AS payment, g.title, g.school FROM (
			SELECT `+positionColumns+` FROM fund_position p WHERE p.way = 'out' AND p.n < ? ORDER BY p.n DESC LIMIT ?) p`+payment+`
		ORDER BY p.n DESC`, before, limit)
	if err != nil {
		return nil, fmt.Errorf("list the outflows: %w", err)
	}
	all := make([]Position, len(rows))
	for i, r := range rows {
		all[i] = r.position()
	}
	return all, nil
}

// levies are the inflows that share li with an interval and end after that li, in order.
func levies(ctx context.Context, tx *postgres.Tx, of verify.Interval, after int64, limit int) ([]Position, error) {
	rows, err := postgres.Rows[positionRow](ctx, tx, `SELECT `+positionColumns+` FROM fund_position p
		WHERE p.way = 'in' AND p.to_li > ? AND p.to_li <= coalesce((SELECT min(l.to_li) FROM fund_position l WHERE l.way = 'in' AND l.to_li >= ?), ?)
		ORDER BY p.to_li LIMIT ?`, max(of.From, after), of.To, int64(math.MaxInt64), limit)
	if err != nil {
		return nil, fmt.Errorf("list the levies of an outflow: %w", err)
	}
	return positions(rows), nil
}

// endRow is the first or the last inflow of an outflow.
type endRow struct {
	K        int
	Last     bool
	Position positionRow `gorm:"embedded"`
}

// ends are the first and the last inflow of each of these outflows; a zero Position where there is none yet.
func ends(ctx context.Context, tx *postgres.Tx, of []Position) ([][2]Position, error) {
	froms, tos := make([]int64, len(of)), make([]int64, len(of))
	for i, p := range of {
		froms[i], tos[i] = p.From, p.To
	}
	rows, err := postgres.Rows[endRow](ctx, tx, `WITH i AS (SELECT * FROM unnest(?::bigint[], ?::bigint[]) WITH ORDINALITY AS i(from_li, to_li, k))
		SELECT i.k, false AS last, p.* FROM i CROSS JOIN LATERAL (
			SELECT `+positionColumns+` FROM fund_position p WHERE p.way = 'in' AND p.to_li > i.from_li ORDER BY p.to_li LIMIT 1) p
		UNION ALL
		SELECT i.k, true, p.* FROM i CROSS JOIN LATERAL (
			SELECT `+positionColumns+` FROM fund_position p WHERE p.way = 'in'
				AND p.to_li = coalesce((SELECT min(l.to_li) FROM fund_position l WHERE l.way = 'in' AND l.to_li >= i.to_li),
				                       (SELECT max(l.to_li) FROM fund_position l WHERE l.way = 'in' AND l.to_li > i.from_li))) p`,
		postgres.Array(froms), postgres.Array(tos))
	if err != nil {
		return nil, fmt.Errorf("find the ends of %d outflows: %w", len(of), err)
	}
	all := make([][2]Position, len(of))
	for _, r := range rows {
		end := 0
		if r.Last {
			end = 1
		}
		all[r.K-1][end] = r.Position.position()
	}
	return all, nil
}

type paymentsRow struct{ Count, SumLi int64 }

// payments are how many outflows are payments of grants, and their sum.
func payments(ctx context.Context, tx *postgres.Tx) (paymentsRow, error) {
	r, err := postgres.Row[paymentsRow](ctx, tx, `SELECT count(*) AS count, coalesce(sum(to_li - from_li), 0)::bigint AS sum_li
		FROM fund_position WHERE way = 'out' AND kind = ?`, fund.GrantPaying)
	if err != nil {
		return r, fmt.Errorf("sum the payments of grants: %w", err)
	}
	return r, nil
}
