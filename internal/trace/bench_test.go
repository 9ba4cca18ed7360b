package trace_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// BenchmarkSequence is what the positions cost the sequencer: a full batch of sales, which have
// none, and of maturings, of which each has one.
func BenchmarkSequence(b *testing.B) {
	home := uuid.New()
	sale := func() ledger.Transfer {
		payable, goods := ledger.Payable(home), money.Fen(1000)
		return ledger.Transfer{Home: home, Kind: fund.Sale, Ref: uuid.NewString(), Public: true, Moves: []ledger.Move{
			{What: fund.Goods, From: order.Provider, To: payable, Amount: goods.Li()}, fund.Tenth(payable, goods),
		}}
	}
	mature := func() ledger.Transfer { return fund.Mature(home, uuid.NewString(), 1000) }
	for _, x := range []struct {
		name      string
		of        func() ledger.Transfer
		followers []transparency.Follower
	}{
		{"sales alone", sale, []transparency.Follower{ledger.Roller{}}},
		{"sales traced", sale, []transparency.Follower{ledger.Roller{}, trace.Follower{}}},
		{"maturings alone", mature, []transparency.Follower{ledger.Roller{}}},
		{"maturings traced", mature, []transparency.Follower{ledger.Roller{}, trace.Follower{}}},
	} {
		b.Run(x.name, func(b *testing.B) {
			db := pgtest.New(b)
			log, err := transparency.New(db, transparency.Config{Origin: "shiyi.example/test", Folder: b.TempDir()}, x.followers...)
			if err != nil {
				b.Fatal(err)
			}
			var took time.Duration
			for range b.N {
				b.StopTimer()
				all := make([]ledger.Transfer, transparency.Batch)
				for i := range all {
					all[i] = x.of()
				}
				if err := postgres.Do(b.Context(), db, func(tx *postgres.Tx) error { return ledger.Book(b.Context(), tx, all) }); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				start := time.Now()
				if n, err := log.Sequence(b.Context()); err != nil || n != transparency.Batch {
					b.Fatalf("%d, %v", n, err)
				}
				took += time.Since(start)
			}
			b.ReportMetric(float64(b.N)*transparency.Batch/took.Seconds(), "leaves/s")
		})
	}
}
