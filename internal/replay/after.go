package replay

import (
	"context"
	"time"

	"github.com/shiyi-market/shiyi/internal/afteryear"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
)

// settled is how long after its payment every order of the year is settled: the vouchers
// are the last.
const settled = afteryear.Redeemed + 2*24*time.Hour

// after are the steps that follow the sales: what was sold is shipped, received and used,
// and settled once a week, until nothing is left at the end of March 2021.
func (r *Replay) after(y Year) []step {
	codes := make(map[merchant.ID]string, len(y.Enterprises))
	for _, e := range y.Enterprises {
		codes[MerchantID(e.Code())] = e.Code()
	}
	a := afteryear.After{
		DB: r.DB, Sandbox: r.Sandbox, Mark: r.Shop.Mark,
		Seller: func(m merchant.ID) identity.Caller { return seller(codes[m]) },
	}
	var all []step
	for _, e := range y.Enterprises {
		all = append(all, step{e.opensAt().Add(time.Hour), "open the payout account of " + e.Code(), func(ctx context.Context, at time.Time) error {
			return a.Connect(ctx, at, MerchantID(e.Code()))
		}})
	}
	end := time.Date(2021, 3, 31, 23, 59, 0, 0, shanghai())
	first, last := y.Sales[0].At.In(shanghai()), y.Sales[len(y.Sales)-1].At.Add(settled)
	n := 0
	for at := time.Date(first.Year(), first.Month(), first.Day()+1, 0, 0, 0, 0, shanghai()); at.Before(last); at = at.AddDate(0, 0, 1) {
		all = append(all, step{at, "serve", a.Serve})
		if n++; n%7 == 0 {
			all = append(all, step{at, "ship", a.Carry}, step{at, "settle", a.Settle}, step{at, "sign the week", r.drain})
		}
	}
	return append(all, step{end, "serve", a.Serve}, step{end, "settle", a.Settle}, step{end, "sign the last of it", r.drain})
}
