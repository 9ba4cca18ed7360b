package settlement

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payee"
	"github.com/shiyi-market/shiyi/internal/payout"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// county is the time of the county, by which months and days are counted.
var county = time.FixedZone("Asia/Shanghai", 8*60*60) //nolint:gochecknoglobals // a constant that Go cannot write as one

// PayFund moves what has become free of the fund to its account, once a month: after
// the month's end, for the month that has ended. It returns 1 if it ordered that.
// Without Config.FundAccount the money stays at the provider, and log says so.
func (s *Service) PayFund(ctx context.Context, log *slog.Logger) (int, error) {
	now := s.db.Now().In(county)
	month := time.Date(now.Year(), now.Month(), 0, 0, 0, 0, 0, county).Format("2006-01")
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (int, error) {
		a, err := payee.Lock(ctx, tx, ledger.FundHome)
		if err != nil {
			return 0, err
		}
		last, known, err := ofMonth(ctx, tx, ledger.FundHome, month)
		switch {
		case err != nil:
			return 0, err
		case known && (last.State != payout.Failed || s.cfg.FundAccount == "" || tx.Now.Before(a.RetryAt)):
			return 0, nil
		case known:
			last.Account = s.cfg.FundAccount
			if err := a.Again(&last, tx.Now); err != nil {
				return 0, err
			}
			return 1, errors.Join(savePayout(ctx, tx, last), tx.Enqueue(ctx, Pay{last.Merchant, last.ID}))
		}
		amount, err := fundOwed(ctx, tx)
		if err != nil || amount < 1 {
			return 0, err
		}
		if s.cfg.FundAccount == "" {
			log.WarnContext(ctx, "the fund has no account to be paid to: its money stays at the provider", slog.Int64("owed_fen", int64(amount)))
			return 0, nil
		}
		p := payout.Payout{ID: id.New[payout.Payout](tx.Now), Merchant: ledger.FundHome, Month: month, Amount: amount, State: payout.Pending, Account: s.cfg.FundAccount, CreatedAt: tx.Now, TriedAt: tx.Now}
		p.Group = p.ID.UUID()
		return 1, place(ctx, tx, []payout.Payout{p})
	})
}

// fundOwed is what is free of the fund and has not been paid to it, in whole fen.
func fundOwed(ctx context.Context, tx *postgres.Tx) (money.Fen, error) {
	free, err := ledger.Of(ctx, tx, fund.Free)
	if err != nil {
		return 0, err
	}
	paid, err := fundPaid(ctx, tx, ledger.FundHome)
	return payout.Whole(free.Li()) - paid, err
}

// BookYesterday books what the provider kept on the last day of the county that is
// over, and returns 1 if that was anything.
func (s *Service) BookYesterday(ctx context.Context) (int, error) {
	sum, err := s.BookFees(ctx, s.db.Now().In(county).AddDate(0, 0, -1))
	if err != nil || sum == 0 {
		return 0, err
	}
	return 1, nil
}

// BookFees books what the provider kept on a day of the county, which must be over:
// once. It returns the sum; nothing is booked for a day without fees.
func (s *Service) BookFees(ctx context.Context, day time.Time) (money.Fen, error) {
	y, m, d := day.In(county).Date()
	from := time.Date(y, m, d, 0, 0, 0, 0, county)
	var sum money.Fen
	for e, err := range s.gateway.Entries(ctx, from, from.AddDate(0, 0, 1)) {
		if err != nil {
			return 0, err
		}
		if e.Currency == gateway.Currency {
			sum += e.Fee
		}
	}
	if sum <= 0 {
		return 0, nil
	}
	err := postgres.Do(ctx, s.db, func(tx *postgres.Tx) error {
		return ledger.Book(ctx, tx, []ledger.Transfer{{
			Home: ledger.FundHome, Kind: payout.KindFee, Ref: from.Format(time.DateOnly), Public: false,
			Moves: []ledger.Move{{What: payout.WhatFee, From: payout.Fees, To: order.Provider, Amount: sum.Li()}},
		}})
	})
	if errors.Is(err, ledger.ErrBooked) {
		err = nil
	}
	return sum, err
}
