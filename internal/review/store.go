package review

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// reviewRow is a row of the table review.
type reviewRow struct {
	MerchantID, ID, ProductID, OrderID uuid.UUID
	Line                               int
	BuyerID                            uuid.UUID
	Author                             string
	Stars                              int
	Body                               string
	Pictures                           string // jsonb
	WrittenAt                          time.Time
}

// TableName is review.
func (reviewRow) TableName() string { return "review" }

// followUpRow is a row of the table review_follow_up.
type followUpRow struct {
	MerchantID, ReviewID uuid.UUID
	Body                 string
	Pictures             string // jsonb
	WrittenAt            time.Time
}

// TableName is review_follow_up.
func (followUpRow) TableName() string { return "review_follow_up" }

// answerRow is a row of the table review_answer.
type answerRow struct {
	MerchantID, ReviewID uuid.UUID
	N                    int
	Body                 string
	ActorID              uuid.UUID
	At                   time.Time
}

// TableName is review_answer.
func (answerRow) TableName() string { return "review_answer" }

// visibilityRow is a row of the table review_visibility.
type visibilityRow struct {
	MerchantID, ReviewID uuid.UUID
	N                    int
	Hidden               bool
	Ground, Reason       string
	ActorID              uuid.UUID
	At                   time.Time
}

// TableName is review_visibility.
func (visibilityRow) TableName() string { return "review_visibility" }

// wholeRow is a review with all that was said and decided of it.
type wholeRow struct {
	Row          reviewRow `gorm:"embedded"`
	MoreBody     *string
	MorePictures *string
	MoreAt       *time.Time
	AnswerN      *int
	AnswerBody   *string
	AnswerAt     *time.Time
	SeenN        *int
	Hidden       *bool
	Ground       *string
	Reason       *string
	SeenAt       *time.Time
}

const whole = `SELECT r.*, f.body AS more_body, f.pictures::text AS more_pictures, f.written_at AS more_at,
	a.n AS answer_n, a.body AS answer_body, a.at AS answer_at, v.n AS seen_n, v.hidden, v.ground, v.reason, v.at AS seen_at
	FROM review r
	LEFT JOIN review_follow_up f ON f.merchant_id = r.merchant_id AND f.review_id = r.id
	LEFT JOIN LATERAL (SELECT * FROM review_answer x WHERE x.merchant_id = r.merchant_id AND x.review_id = r.id ORDER BY x.n DESC LIMIT 1) a ON true
	LEFT JOIN LATERAL (SELECT * FROM review_visibility x WHERE x.merchant_id = r.merchant_id AND x.review_id = r.id ORDER BY x.n DESC LIMIT 1) v ON true
	WHERE `

func (w wholeRow) review() (Review, error) {
	row := w.Row
	r := Review{
		ID: id.From[Review](row.ID), Merchant: id.From[merchant.Merchant](row.MerchantID), Product: id.From[catalog.Product](row.ProductID),
		Order: id.From[order.Order](row.OrderID), Line: row.Line, Buyer: id.From[identity.Account](row.BuyerID), Author: row.Author,
		Stars: row.Stars, Text: row.Body, At: row.WrittenAt.UTC(),
	}
	err := json.Unmarshal([]byte(row.Pictures), &r.Pictures)
	if w.MoreAt != nil {
		r.FollowUp = FollowUp{Addition{Text: *w.MoreBody}, w.MoreAt.UTC()}
		err = errors.Join(err, json.Unmarshal([]byte(*w.MorePictures), &r.FollowUp.Pictures))
	}
	if w.AnswerN != nil {
		r.Answer = Answer{N: *w.AnswerN, Text: *w.AnswerBody, At: w.AnswerAt.UTC()}
	}
	if w.SeenN != nil {
		r.Visibility = Visibility{N: *w.SeenN, Hidden: *w.Hidden, Ground: Ground(*w.Ground), Reason: *w.Reason, At: w.SeenAt.UTC()}
	}
	if err != nil {
		return r, fmt.Errorf("read the pictures of review %s: %w", r.ID, err)
	}
	return r, nil
}

// pictures writes ids as a JSON array.
func pictures(all []file.ID) (string, error) {
	if len(all) == 0 {
		return "[]", nil
	}
	js, err := json.Marshal(all)
	return string(js), err
}

// insert writes a review; false if the line has one.
func insert(ctx context.Context, tx *postgres.Tx, r Review) (bool, error) {
	js, err := pictures(r.Pictures)
	if err != nil {
		return false, fmt.Errorf("write the pictures of a review: %w", err)
	}
	n, err := tx.Exec(ctx, `INSERT INTO review (merchant_id, id, product_id, order_id, line, buyer_id, author, stars, body, pictures, written_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?::jsonb, ?) ON CONFLICT ON CONSTRAINT review_once DO NOTHING`,
		r.Merchant, r.ID, r.Product, r.Order, r.Line, r.Buyer, r.Author, r.Stars, r.Text, js, r.At)
	if err != nil {
		return false, fmt.Errorf("write a review of order %s: %w", r.Order, err)
	}
	return n == 1, nil
}

// insertFollowUp writes a follow-up, unless there is one.
func insertFollowUp(ctx context.Context, tx *postgres.Tx, r Review, a Addition) error {
	js, err := pictures(a.Pictures)
	if err != nil {
		return fmt.Errorf("write the pictures of a follow-up: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO review_follow_up (merchant_id, review_id, body, pictures, written_at) VALUES (?, ?, ?, ?::jsonb, ?)
		ON CONFLICT ON CONSTRAINT review_follow_up_pkey DO NOTHING`, r.Merchant, r.ID, a.Text, js, tx.Now)
	if err != nil {
		return fmt.Errorf("add to review %s: %w", r.ID, err)
	}
	return nil
}

func insertAnswer(ctx context.Context, tx *postgres.Tx, r Review, by identity.ID) error {
	err := postgres.On[answerRow](tx).Create(ctx, answerRow{
		MerchantID: r.Merchant.UUID(), ReviewID: r.ID.UUID(), N: r.Answer.N, Body: r.Answer.Text, ActorID: by.UUID(), At: r.Answer.At,
	})
	return raced(err, "review_answer_pkey", r)
}

func insertVisibility(ctx context.Context, tx *postgres.Tx, r Review, by identity.ID) error {
	err := postgres.On[visibilityRow](tx).Create(ctx, visibilityRow{
		MerchantID: r.Merchant.UUID(), ReviewID: r.ID.UUID(), N: r.N, Hidden: r.Hidden, Ground: string(r.Ground), Reason: r.Reason,
		ActorID: by.UUID(), At: r.Visibility.At,
	})
	return raced(err, "review_visibility_pkey", r)
}

func raced(err error, constraint string, r Review) error {
	switch {
	case postgres.Violates(err, constraint):
		return ErrRaced
	case err != nil:
		return fmt.Errorf("write of review %s: %w", r.ID, err)
	}
	return nil
}

func byID(ctx context.Context, tx *postgres.Tx, rid ID) (Review, error) {
	return one(ctx, tx, `r.id = ?`, rid)
}

func ofLine(ctx context.Context, tx *postgres.Tx, m merchant.ID, oid order.ID, line int) (Review, error) {
	return one(ctx, tx, `r.merchant_id = ? AND r.order_id = ? AND r.line = ?`, m, oid, line)
}

func one(ctx context.Context, tx *postgres.Tx, where string, args ...any) (Review, error) {
	r, err := postgres.Row[wholeRow](ctx, tx, whole+where, args...)
	switch {
	case errors.Is(err, postgres.ErrNoRows):
		return Review{}, ErrUnknown
	case err != nil:
		return Review{}, fmt.Errorf("read a review: %w", err)
	}
	return r.review()
}

func list(ctx context.Context, tx *postgres.Tx, p page.Request, where string, arg any) (page.Of[Review], error) {
	_, last, err := p.After()
	if err != nil {
		return page.Of[Review]{}, err
	}
	if last == uuid.Nil {
		last = uuid.Max
	}
	rows, err := postgres.Rows[wholeRow](ctx, tx, whole+where+` AND r.id < ? ORDER BY r.id DESC LIMIT ?`, arg, last, p.Size()+1)
	if err != nil {
		return page.Of[Review]{}, fmt.Errorf("list reviews: %w", err)
	}
	out := make([]Review, len(rows))
	for i, r := range rows {
		if out[i], err = r.review(); err != nil {
			return page.Of[Review]{}, err
		}
	}
	return page.Cut(out, p.Size(), Review.key), nil
}

func summary(ctx context.Context, tx *postgres.Tx, p catalog.ProductID) (Summary, error) {
	rows, err := postgres.Rows[struct {
		Stars  int
		Hidden bool
		N      int64
	}](ctx, tx, `SELECT r.stars, coalesce(v.hidden, false) AS hidden, count(*) AS n FROM review r
		LEFT JOIN LATERAL (SELECT x.hidden FROM review_visibility x WHERE x.merchant_id = r.merchant_id AND x.review_id = r.id ORDER BY x.n DESC LIMIT 1) v ON true
		WHERE r.product_id = ? GROUP BY 1, 2`, p)
	if err != nil {
		return Summary{}, fmt.Errorf("count the reviews of %s: %w", p, err)
	}
	var histogram [5]int64
	var hidden int64
	for _, r := range rows {
		if r.Hidden {
			hidden += r.N
		} else {
			histogram[r.Stars-1] = r.N
		}
	}
	return summarize(histogram, hidden), nil
}
