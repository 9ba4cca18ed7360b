package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/shiyi-market/shiyi/internal/drill"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

const (
	wholeLog  = 1_000_000 // levies
	bookLot   = 1000      // of them in a transaction
	bookers   = 2         // transactions at once
	levyHomes = 4
)

// verifying books levies while the program numbers them, and then lets it check everything.
func (b *bench) verifying(ctx context.Context, levies int) error {
	place, err := b.shop.Database()
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, postgres.Config{URL: place.URL, MaxConns: bookers + 1}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	start := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	for w := range bookers {
		g.Go(func() error {
			for from := w * bookLot; from < levies; from += bookers * bookLot {
				lot := make([]ledger.Transfer, min(bookLot, levies-from))
				for i := range lot {
					lot[i] = levy(from + i)
				}
				if err := postgres.Do(gctx, db, func(tx *postgres.Tx) error { return ledger.Book(gctx, tx, lot) }); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	booked := time.Since(start)
	b.say("booked     %d levies, two moves each, in %.1f s: %.0f a second, the program numbers beside it\n", levies, booked.Seconds(), float64(levies)/booked.Seconds())
	var waiting int64
	if err := db.SQL().QueryRowContext(ctx, "SELECT count(*) FROM log_pending").Scan(&waiting); err != nil {
		return err
	}
	for left := waiting; left > 0; time.Sleep(100 * time.Millisecond) {
		if err := db.SQL().QueryRowContext(ctx, "SELECT count(*) FROM log_pending").Scan(&left); err != nil {
			return err
		}
	}
	all := time.Since(start)
	b.say("numbered   all %.1f s after the first: %.0f a second (%d were waiting when the last was booked)\n", all.Seconds(), float64(levies)/all.Seconds(), waiting)
	start = time.Now()
	out, peak, busy, err := b.shop.RunMeasured(ctx, "verify")
	if err != nil || !strings.Contains(out, "all agrees") {
		return errors.Join(fmt.Errorf("shiyi verify: %s", out), err)
	}
	b.say("verified   in %.1f s, of which it had a processor for %.1f s, with %d MB\n%s", time.Since(start).Seconds(), busy.Seconds(), peak>>20, out)
	return nil
}

// levy is a sale of an order that is known by its number.
func levy(n int) ledger.Transfer {
	home := drill.MerchantID(n % levyHomes)
	owed, goods := ledger.Payable(home), money.Fen(100+n%10_000)
	return ledger.Transfer{Home: home, Kind: verify.KindSale, Ref: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)).String(), Public: true, Moves: []ledger.Move{
		{What: verify.WhatGoods, From: ledger.World("stripe"), To: owed, Amount: goods.Li()},
		{What: verify.WhatTenth, From: owed, To: verify.FundPending, Amount: goods.Tenth()},
	}}
}
