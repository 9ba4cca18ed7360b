package notice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// noticeRow is a row of the table notice.
type noticeRow struct {
	AccountID uuid.UUID `gorm:"primaryKey"`
	ID        uuid.UUID `gorm:"primaryKey"`
	Key       string
	Kind      string
	Params    string     // jsonb object
	CreatedAt time.Time  `gorm:"autoCreateTime:false"`
	ReadAt    *time.Time // NULL: unread
}

// TableName is notice.
func (noticeRow) TableName() string { return "notice" }

func (r noticeRow) notice() (Notice, error) {
	n := Notice{
		ID: id.From[Notice](r.ID), Account: id.From[identity.Account](r.AccountID), Kind: Kind(r.Kind),
		CreatedAt: r.CreatedAt.UTC(), ReadAt: postgres.OrZero(r.ReadAt),
	}
	if err := json.Unmarshal([]byte(r.Params), &n.Params); err != nil {
		return n, fmt.Errorf("read the parameters of notice %s: %w", n.ID, err)
	}
	return n, nil
}

// deliveryRow is a row of the table notice_delivery.
type deliveryRow struct {
	AccountID   uuid.UUID `gorm:"primaryKey"`
	NoticeID    uuid.UUID `gorm:"primaryKey"`
	Channel     string    `gorm:"primaryKey"`
	State       string
	Attempts    int
	NextAt      *time.Time
	LeasedUntil *time.Time
	LastAt      *time.Time
	Error       string
}

// TableName is notice_delivery.
func (deliveryRow) TableName() string { return "notice_delivery" }

// preferenceRow is a row of the table notice_preference.
type preferenceRow struct {
	AccountID uuid.UUID `gorm:"primaryKey"`
	Topic     string    `gorm:"primaryKey"`
	Channel   string    `gorm:"primaryKey"`
	Enabled   bool
	UpdatedAt time.Time `gorm:"autoUpdateTime:false"`
}

// TableName is notice_preference.
func (preferenceRow) TableName() string { return "notice_preference" }

// reachedRow is an account that is meant by itself, by its enterprise or as an operator, and how it
// can be reached.
type reachedRow struct {
	MerchantID   uuid.UUID // zero: it is meant by itself; platform: as an operator
	AccountID    uuid.UUID
	Email, Phone bool
}

func reached(ctx context.Context, tx *postgres.Tx, accounts, merchants []uuid.UUID) ([]reachedRow, error) {
	rows, err := postgres.Rows[reachedRow](ctx, tx, `SELECT ?::uuid AS merchant_id, a.id AS account_id, a.email IS NOT NULL AS email, a.phone IS NOT NULL AS phone
			FROM account a WHERE a.id = ANY(?::uuid[])
		UNION ALL SELECT g.merchant_id, a.id, a.email IS NOT NULL, a.phone IS NOT NULL
			FROM role_grant g JOIN account a ON a.id = g.account_id WHERE g.role = 'merchant' AND g.merchant_id = ANY(?::uuid[])
		UNION ALL SELECT ?::uuid, a.id, a.email IS NOT NULL, a.phone IS NOT NULL
			FROM role_grant g JOIN account a ON a.id = g.account_id WHERE g.role = 'operator' AND ?::boolean`,
		uuid.Nil, postgres.Array(accounts), postgres.Array(merchants), platform, slices.Contains(merchants, platform))
	if err != nil {
		return nil, fmt.Errorf("find whom notices are for: %w", err)
	}
	return rows, nil
}

// insertNotices writes those that are new, and says which they are. Of two who post
// the same at once the second waits for the first.
func insertNotices(ctx context.Context, tx *postgres.Tx, all []noticeRow) ([]noticeRow, error) {
	var accounts, ids []uuid.UUID
	var keys, kinds, params []string
	for _, n := range all {
		accounts, ids = append(accounts, n.AccountID), append(ids, n.ID)
		keys, kinds, params = append(keys, n.Key), append(kinds, n.Kind), append(params, n.Params)
	}
	rows, err := postgres.Rows[noticeRow](ctx, tx, `INSERT INTO notice (account_id, id, key, kind, params, created_at)
		SELECT a, i, k, d, p::jsonb, ? FROM unnest(?::uuid[], ?::uuid[], ?::text[], ?::text[], ?::text[]) AS x(a, i, k, d, p)
		ORDER BY a, k ON CONFLICT ON CONSTRAINT notice_once DO NOTHING RETURNING *`,
		tx.Now, postgres.Array(accounts), postgres.Array(ids), postgres.Array(keys), postgres.Array(kinds), postgres.Array(params))
	if err != nil {
		return nil, fmt.Errorf("insert %d notices: %w", len(all), err)
	}
	return rows, nil
}

// insertDeliveries writes a message for each notice and channel that its account has
// not switched off.
func insertDeliveries(ctx context.Context, tx *postgres.Tx, all []delivery) error {
	if len(all) == 0 {
		return nil
	}
	var accounts, notices []uuid.UUID
	var channels, topics []string
	var presets []bool
	for _, d := range all {
		accounts, notices = append(accounts, d.account), append(notices, d.notice)
		channels, topics = append(channels, string(d.channel)), append(topics, string(d.topic))
		presets = append(presets, preset(d.topic, d.channel).Enabled)
	}
	_, err := tx.Exec(ctx, `INSERT INTO notice_delivery (account_id, notice_id, channel, state, attempts, next_at, error)
		SELECT x.a, x.n, x.c, 'pending', 0, ?, '' FROM unnest(?::uuid[], ?::uuid[], ?::text[], ?::text[], ?::boolean[]) AS x(a, n, c, t, e)
		LEFT JOIN notice_preference p ON p.account_id = x.a AND p.topic = x.t AND p.channel = x.c WHERE coalesce(p.enabled, x.e)`,
		tx.Now, postgres.Array(accounts), postgres.Array(notices), postgres.Array(channels), postgres.Array(topics), postgres.Array(presets))
	if err != nil {
		return fmt.Errorf("insert %d messages: %w", len(all), err)
	}
	return nil
}

func list(ctx context.Context, tx *postgres.Tx, account identity.ID, unread bool, p page.Request) (page.Of[Notice], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Notice]{}, err
	}
	q := postgres.On[noticeRow](tx).Where("account_id = ?", account).Order("id DESC").Limit(p.Size() + 1)
	if last != uuid.Nil {
		q = q.Where("id < ?", last)
	}
	if unread {
		q = q.Where("read_at IS NULL")
	}
	rows, err := q.Find(ctx)
	if err != nil {
		return page.Of[Notice]{}, fmt.Errorf("list the notices of %s: %w", account, err)
	}
	out := make([]Notice, len(rows))
	for i, r := range rows {
		if out[i], err = r.notice(); err != nil {
			return page.Of[Notice]{}, err
		}
	}
	return page.Cut(out, p.Size(), func(n Notice) (string, uuid.UUID) { return "", n.ID.UUID() }), nil
}

// markRead sets the time at which a notice was first read.
func markRead(ctx context.Context, tx *postgres.Tx, account identity.ID, notice ID) (Notice, error) {
	r, err := postgres.Row[noticeRow](ctx, tx, `UPDATE notice SET read_at = coalesce(read_at, ?) WHERE account_id = ? AND id = ? RETURNING *`,
		tx.Now, account, notice)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Notice{}, ErrUnknown
	case err != nil:
		return Notice{}, fmt.Errorf("read notice %s: %w", notice, err)
	}
	return r.notice()
}

func markAllRead(ctx context.Context, tx *postgres.Tx, account identity.ID) (int64, error) {
	n, err := tx.Exec(ctx, `UPDATE notice SET read_at = ? WHERE account_id = ? AND read_at IS NULL`, tx.Now, account)
	if err != nil {
		return 0, fmt.Errorf("read the notices of %s: %w", account, err)
	}
	return n, nil
}

func preferences(ctx context.Context, tx *postgres.Tx, account identity.ID) ([]preferenceRow, error) {
	rows, err := postgres.On[preferenceRow](tx).Where("account_id = ?", account).Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the preferences of %s: %w", account, err)
	}
	return rows, nil
}

func savePreference(ctx context.Context, tx *postgres.Tx, account identity.ID, p Preference) error {
	_, err := tx.Exec(ctx, `INSERT INTO notice_preference (account_id, topic, channel, enabled, updated_at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT ON CONSTRAINT notice_preference_pkey DO UPDATE SET enabled = excluded.enabled, updated_at = excluded.updated_at`,
		account, string(p.Topic), string(p.Channel), p.Enabled, tx.Now)
	if err != nil {
		return fmt.Errorf("save a preference of %s: %w", account, err)
	}
	return nil
}

// claimedRow is a message that was leased, with its notice and where it goes.
type claimedRow struct {
	Notice      noticeRow `gorm:"embedded"`
	Attempts    int
	LeasedUntil time.Time
	Email       *string
	Phone       *string
}

// claim leases up to most messages of a channel that are due, those that wait longest
// first. What another has leased is passed over.
func claim(ctx context.Context, tx *postgres.Tx, c Channel, most int) ([]attempt, error) {
	rows, err := postgres.Rows[claimedRow](ctx, tx, `WITH due AS (
			SELECT account_id, notice_id, channel FROM notice_delivery
			WHERE channel = ? AND state = 'pending' AND next_at <= ? AND (leased_until IS NULL OR leased_until <= ?)
			ORDER BY next_at, notice_id LIMIT ? FOR UPDATE SKIP LOCKED),
		taken AS (
			UPDATE notice_delivery AS d SET leased_until = ? FROM due
			WHERE d.account_id = due.account_id AND d.notice_id = due.notice_id AND d.channel = due.channel
			RETURNING d.account_id, d.notice_id, d.attempts, d.leased_until)
		SELECT n.*, t.attempts, t.leased_until, a.email, a.phone FROM taken t
		JOIN notice n ON n.account_id = t.account_id AND n.id = t.notice_id LEFT JOIN account a ON a.id = t.account_id ORDER BY n.id`,
		string(c), tx.Now, tx.Now, most, tx.Now.Add(lease))
	if err != nil {
		return nil, fmt.Errorf("claim messages for %s: %w", c, err)
	}
	out := make([]attempt, len(rows))
	for i, r := range rows {
		n, err := r.Notice.notice()
		if err != nil {
			return nil, err
		}
		out[i] = attempt{notice: n, number: r.Attempts + 1, until: r.LeasedUntil, message: n.message(c, address(c, n, r.Email, r.Phone))}
	}
	return out, nil
}

// address is where a message goes; "" when the account has no such address any more.
// A gateway of WeChat knows people by their account.
func address(c Channel, n Notice, email, phone *string) string {
	var at *string
	switch c {
	case Email:
		at = email
	case SMS:
		at = phone
	case WeChat, Inbox:
		return n.Account.String()
	}
	if at == nil {
		return ""
	}
	return *at
}

// record writes what came of an attempt, if it is still its own.
func record(ctx context.Context, tx *postgres.Tx, a attempt, o outcome) error {
	_, err := postgres.On[deliveryRow](tx).
		Where("account_id = ? AND notice_id = ? AND channel = ? AND state = 'pending' AND leased_until = ?",
			a.notice.Account, a.notice.ID, string(a.message.Channel), a.until).
		Select("State", "Attempts", "NextAt", "LeasedUntil", "LastAt", "Error").
		Updates(ctx, deliveryRow{State: string(o.state), Attempts: a.number, NextAt: postgres.OrNull(o.next), LastAt: &tx.Now, Error: o.word})
	if err != nil {
		return fmt.Errorf("record message %s: %w", a.message.ID, err)
	}
	return nil
}

// forget drops up to limit notices that were kept long enough, with their messages.
func forget(ctx context.Context, tx *postgres.Tx, limit int) (int, error) {
	n, err := tx.Exec(ctx, `WITH old AS (SELECT account_id, id FROM notice WHERE created_at < ? ORDER BY created_at LIMIT ?),
		sent AS (DELETE FROM notice_delivery d USING old WHERE d.account_id = old.account_id AND d.notice_id = old.id)
		DELETE FROM notice n USING old WHERE n.account_id = old.account_id AND n.id = old.id`, tx.Now.Add(-Kept), limit)
	if err != nil {
		return 0, fmt.Errorf("forget notices: %w", err)
	}
	return int(n), nil
}
