package settlement

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
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
			switch err := again(ctx, tx, &a, &last); {
			case errors.Is(err, payout.ErrState): // less is owed now: the next month's is what is
				return 0, nil
			case err != nil:
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

// again makes a failed payout pending, as another attempt: one of the fund only while what
// it was for is owed, because the next month's pays that too.
func again(ctx context.Context, tx *postgres.Tx, a *payout.Account, p *payout.Payout) error {
	if p.Merchant == ledger.FundHome {
		owed, err := fundOwed(ctx, tx)
		if err != nil {
			return err
		}
		if owed < p.Amount {
			return payout.ErrState.With("%s yuan of the fund are owed: what the payout was for was paid or given back since", owed)
		}
	}
	return a.Again(p, tx.Now)
}

// fundOwed is what is free of the fund and neither was paid to it nor is about to be, in
// whole fen.
func fundOwed(ctx context.Context, tx *postgres.Tx) (money.Fen, error) {
	free, err := ledger.Of(ctx, tx, fund.Free)
	if err != nil {
		return 0, err
	}
	paid, err := fundPaid(ctx, tx, ledger.FundHome)
	return payout.Whole(free.Li()) - paid, err
}

// BookFees books what the provider kept on days of the county ("2020-12-31"): each day
// once, ErrBooked of the ledger if one of them was booked before.
func BookFees(ctx context.Context, tx *postgres.Tx, kept map[string]money.Fen) error {
	if len(kept) == 0 {
		return nil
	}
	return ledger.Book(ctx, tx, mapped(slices.Sorted(maps.Keys(kept)), func(day string) ledger.Transfer { return payout.Fee(day, kept[day]) }))
}
