package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Award is what is known of a grant beside the book.
type Award struct {
	Title       string
	Description string
	Recipient   Organisation
}

// Organisation is one of 360Giving's: an identifier that others know, and a name.
type Organisation struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Awards tells of grants by their ids, as part of tx. Whom it does not name is published by
// his number alone.
type Awards func(ctx context.Context, tx *postgres.Tx, grants []uuid.UUID) (map[uuid.UUID]Award, error)

// prefix is the publisher's, which the ids of its grants begin with.
const prefix = "360G-shiyi-"

// giving is a grant with what the schema of the 360Giving Data Standard 1.4 requires
// (https://standard.threesixtygiving.org/en/latest/technical/reference/).
type giving struct {
	ID                  string         `json:"id"`
	Title               string         `json:"title"`
	Description         string         `json:"description"`
	Currency            string         `json:"currency"`
	AmountAwarded       json.Number    `json:"amountAwarded"`
	AwardDate           string         `json:"awardDate"`
	RecipientOrg        []Organisation `json:"recipientOrganization"`
	FundingOrganisation []Organisation `json:"fundingOrganization"`
	DateModified        time.Time      `json:"dateModified"`
}

// Grants writes the grants that the book promised in a period as 360Giving has them, oldest
// first. What was released again or paid is in the journals. statement.ErrPeriod.
func (s *Service) Grants(ctx context.Context, p Period, out io.Writer) error {
	if err := p.Check(); err != nil {
		return err
	}
	all, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) ([]giving, error) {
		from, until := p.Bounds()
		var booked []ledger.Numbered
		err := ledger.Every(ctx, tx, ledger.Span{From: from, Until: until, Kind: fund.Granting}, func(n ledger.Numbered) error {
			booked = append(booked, n)
			return nil
		})
		if err != nil {
			return nil, err
		}
		return s.givings(ctx, tx, booked)
	})
	if err != nil {
		return err
	}
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(map[string][]giving{"grants": all})
}

func (s *Service) givings(ctx context.Context, tx *postgres.Tx, booked []ledger.Numbered) ([]giving, error) {
	ids := make([]uuid.UUID, len(booked))
	for i, n := range booked {
		var err error
		if ids[i], err = uuid.Parse(n.Ref); err != nil {
			return nil, fmt.Errorf("the grant of transfer %s: %w", n.ID, err)
		}
	}
	known := map[uuid.UUID]Award{}
	if s.awards != nil {
		var err error
		if known, err = s.awards(ctx, tx, ids); err != nil {
			return nil, err
		}
	}
	all := make([]giving, len(booked))
	for i, n := range booked {
		a, ok := known[ids[i]]
		if !ok {
			a = Award{Title: "Grant " + n.Ref, Description: "Promised by transfer " + n.ID.String(), Recipient: Organisation{prefix + "recipient-" + n.Ref, "受助方 " + n.Ref}}
		}
		all[i] = giving{
			ID: prefix + n.Ref, Title: a.Title, Description: a.Description, Currency: commodity,
			AmountAwarded: json.Number(n.Moves[0].Amount.String()), AwardDate: n.At.Format(time.RFC3339),
			RecipientOrg: []Organisation{a.Recipient}, FundingOrganisation: []Organisation{{prefix + "fund", "拾一教育基金 · Shiyi education fund"}}, DateModified: n.At,
		}
	}
	return all, nil
}
