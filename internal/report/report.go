// Package report is the yearly account: who sold, what was sold, what one tenth of it came to, whom it reached, and
// what else was done for the county. It computes nothing that is written somewhere else: the money is the book's,
// goods are the orders', households are what the enterprises declare, and help outside the shop is the
// register's, with its sources.
package report

import (
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/money"
)

// Impact is the account of one year, by Asia/Shanghai.
type Impact struct {
	Year        int                `json:"year"`
	Enterprises int64              `json:"enterprises"` // that sold something
	Categories  int64              `json:"categories"`  // of what was sold
	Products    int64              `json:"products"`    // of which something was sold
	Orders      int64              `json:"orders"`
	Sold        money.Li           `json:"sold_li"` // goods, less goods refunded
	Levy        money.Li           `json:"levy_li"` // tenths, less tenths returned: one tenth of Sold
	Linkage     Linkage            `json:"linkage"`
	Purchases   Purchases          `json:"purchases"`
	Trained     int64              `json:"people_trained"` // as the register sums them
	Assistance  []assistance.Entry `json:"assistance"`     // without Purchases
	Fund        Fund               `json:"fund"`
	Projects    []Project          `json:"projects"`
	OtherMoney  money.Fen          `json:"other_money_fen"` // beside the fund's, of all programmes until now; each amount once
}

// Project is a programme, and what the fund paid it in the year.
type Project struct {
	ID     uuid.UUID `json:"id"`
	Title  string    `json:"title"`
	Kind   string    `json:"kind"`
	School string    `json:"school"`
	Budget money.Fen `json:"budget_fen"` // of the fund's money; 0: it has other money alone
	Paid   money.Li  `json:"paid_li"`
}

// Linkage is what the enterprises declare together. A household may work with several of them.
type Linkage struct {
	Households     int64     `json:"households"`
	PoorHouseholds int64     `json:"poor_households"`
	Employed       int64     `json:"employed"`
	Dividends      money.Fen `json:"dividends_fen"`
}

// Purchases are what institutions bought outside the shop. Until institutional buying is a part of the shop,
// they are what was put into the register of assistance.
type Purchases struct {
	Entries []assistance.Entry `json:"entries"`
	Amount  money.Fen          `json:"amount_fen"`
	Kg      int64              `json:"kg"`
}

// Fund is what went into the fund and out of it in the year.
type Fund struct {
	Levied   money.Li `json:"levied_li"`   // tenths, less those returned
	Paid     money.Li `json:"paid_li"`     // to programmes
	Returned money.Li `json:"returned_li"` // by programmes
	// Administration is what left the fund for anything but programmes and returns of
	// tenths. The public log refuses such a move: it is zero, and computed all the same.
	Administration money.Li `json:"administration_li"`
}

// AdministrationBP is the administration's share of all that left the fund, in ten-thousandths.
func (f Fund) AdministrationBP() int64 {
	const whole = 10_000
	out := f.Paid + f.Administration
	if out == 0 {
		return 0
	}
	return int64(f.Administration) * whole / int64(out)
}

// training is the track whose people are counted as trained.
const training = "training"

// sort puts the entries of the register into their places.
func (i *Impact) sort(entries []assistance.Entry) {
	for _, e := range entries {
		if e.Track == assistance.InstitutionalPurchase {
			i.Purchases.Entries = append(i.Purchases.Entries, e)
			i.Purchases.Amount += money.Fen(e.Sum(assistance.AmountFen))
			i.Purchases.Kg += e.Sum(assistance.Kilograms)
			continue
		}
		if e.Track == training {
			i.Trained += e.Sum(assistance.People)
		}
		i.Assistance = append(i.Assistance, e)
	}
}
