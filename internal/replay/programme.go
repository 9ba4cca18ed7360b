package replay

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shiyi-market/shiyi/internal/application"
	"github.com/shiyi-market/shiyi/internal/disbursement"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/request"
)

// rules and granting are those of the fund in the recorded year: the program's defaults.
func rules() programme.Config { return programme.Config{Period: 7 * 24 * time.Hour} }

func granting() grant.Config {
	return grant.Config{Period: 5 * 24 * time.Hour, Approval: 7 * 24 * time.Hour, SignIn: 15 * time.Minute}
}

// aid is a row of education_programmes.csv: what money is given for.
type aid struct{ row }

// aids are the programmes of the year but the balance.
func aids() []aid {
	var all []aid
	for _, r := range table("education_programmes.csv") {
		if r["track"] != "结余" {
			all = append(all, aid{r})
		}
	}
	return all
}

// budget is what the fund is to pay, invented.
func (a aid) budget() money.Fen { return money.Fen(a.int("levy_fund_plan_fen_INVENTED")) }

func (a aid) plan() programme.Plan {
	kinds := map[string]string{
		"学校基建": "SCHOOL_BUILDING", "云支教": "CLOUD_TEACHING", "教师培训": "TEACHER_TRAINING", "助学金": "PUPIL_AID", "物资捐赠": "GIFTS_IN_KIND",
		"设施": "FACILITY", "结对助学": "PAIRING",
	}
	region := programme.County
	if town, ok := map[string]string{"千斤沟镇": "152527101", "红旗镇": "152527102", "骆驼山镇": "152527103"}[a.row["place"]]; ok {
		region = town
	}
	p := programme.Plan{
		Kind: kinds[a.row["track"]], Title: a.row["name"], Region: region, Place: a.row["place"], School: a.row["beneficiary"],
		Purpose: strings.TrimSpace(a.row["name"] + "。" + a.row["remark"]), Fictional: a.row["fact_level"] == "INVENTED",
	}
	if a.budget() > 0 {
		p.Milestones = []programme.Milestone{{Title: "中期验收（虚构示例）"}}
	}
	return p
}

// other is the money beside the fund's, where there is some.
func (a aid) other() []programme.OtherMoney {
	if strings.Contains(a.row["funding_source"], "10%教育扶贫基金") {
		return nil
	}
	return []programme.OtherMoney{{Amount: money.Fen(a.int("external_amount_fen")), Source: a.row["funding_source"], Note: a.row["remark"]}}
}

// grounds are the two sports grounds, of which the source tells one sum.
func (a aid) grounds() bool {
	return a.row["programme_id"] == "ED01" || a.row["programme_id"] == "ED02"
}

// groundsFen is that sum: 7,689,000.00 yuan of other money.
const groundsFen money.Fen = 768_900_000

// administrator is who recorded and decided for the fund in the year; he never signs in.
func administrator(n int) identity.Caller {
	return identity.Caller{Account: person(fmt.Sprintf("fund administrator %d", n)).ID, Roles: []identity.Grant{{Role: identity.FundAdmin}}}
}

// giving are the steps by which the year's programmes come in: those with other money alone are
// recorded at the end of the year; those that the fund is to pay go through its desk when
// everything has matured, unless what is replayed is less than the year and the fund cannot pay them.
func (r *Replay) giving(y Year) []step {
	at := time.Date(2020, 12, 31, 20, 0, 0, 0, shanghai())
	all := []step{{at, "record programmes with other money", r.recordOthers}}
	var sold, plan money.Fen
	for _, s := range y.Sales {
		sold += s.Total
	}
	for _, a := range aids() {
		plan += a.budget()
	}
	if !r.Whole || sold.Tenth() < plan.Li() {
		return all
	}
	return append(all, r.planned()...)
}

// planned are the steps of the programmes that the fund pays.
func (r *Replay) planned() []step {
	april := func(day int) time.Time { return time.Date(2021, 4, day, 9, 0, 0, 0, shanghai()) }
	return []step{
		{april(1), "apply to the fund", r.apply},
		{april(9), "accept programmes", r.accept},
		{april(12), "grant", r.grant},
		{april(19), "pay the grants", r.pay},
		{april(19).Add(time.Hour), "sign the grants", r.drain},
	}
}

func (r *Replay) recordOthers(ctx context.Context, at time.Time) error {
	desk := programme.New(r.DB.At(at), rules())
	known, err := desk.Programmes(ctx, page.Request{Limit: page.MaxSize})
	if err != nil {
		return err
	}
	var grounds []programme.ID
	shared := false
	for _, a := range aids() {
		if a.budget() > 0 {
			continue
		}
		i := slices.IndexFunc(known.Data, func(p programme.Programme) bool { return p.Title == a.row["name"] })
		var p programme.Programme
		if i >= 0 {
			p = known.Data[i]
		} else {
			other := a.other()
			if a.grounds() {
				other = nil
			}
			if p, err = desk.Record(ctx, administrator(1), a.plan(), other...); err != nil {
				return fmt.Errorf("record %s: %w", a.row["programme_id"], err)
			}
		}
		if a.grounds() {
			grounds, shared = append(grounds, p.ID), shared || len(p.Other) > 0
		}
	}
	if shared {
		return nil
	}
	_, err = desk.AddOther(ctx, administrator(1), programme.OtherMoney{
		Amount: groundsFen, Source: "机关历年帮扶资金（非10%基金）", Note: "两处运动场合计，来源未给出两校拆分", Shared: grounds,
	})
	return err
}

// applications are those of the year, by title.
func (r *Replay) applications(ctx context.Context, desk *application.Service) (map[string]application.Application, error) {
	all, err := desk.Applications(ctx, administrator(1), "", page.Request{Limit: page.MaxSize})
	byTitle := make(map[string]application.Application, len(all.Data))
	for _, a := range all.Data {
		byTitle[a.Plan.Title] = a
	}
	return byTitle, err
}

// apply files, assesses and publishes what the fund is to pay, as far as that has not happened.
func (r *Replay) apply(ctx context.Context, at time.Time) error {
	desk := application.New(r.DB.At(at), rules())
	known, err := r.applications(ctx, desk)
	if err != nil {
		return err
	}
	official := identity.Caller{Account: person("county official").ID, Roles: []identity.Grant{{Role: identity.County, Region: programme.County}}}
	for _, a := range aids() {
		if a.budget() == 0 {
			continue
		}
		made, ok := known[a.row["name"]]
		if !ok {
			made, err = desk.File(ctx, official, application.Asking{Plan: a.plan(), Amount: a.budget(), Other: a.other()})
		}
		if err == nil && made.State == application.Filed {
			made, err = desk.Assess(ctx, administrator(1), made.ID, 90, "符合基金用途（虚构示例）")
		}
		if err == nil && made.State == application.Assessed {
			_, err = desk.Publish(ctx, administrator(1), made.ID)
		}
		if err != nil {
			return fmt.Errorf("apply for %s: %w", a.row["programme_id"], err)
		}
	}
	return nil
}

func (r *Replay) accept(ctx context.Context, at time.Time) error {
	desk := application.New(r.DB.At(at), rules())
	known, err := r.applications(ctx, desk)
	if err != nil {
		return err
	}
	for _, a := range aids() {
		if made := known[a.row["name"]]; made.State == application.Published {
			if _, err := desk.Accept(ctx, administrator(2), made.ID); err != nil {
				return fmt.Errorf("accept %s: %w", a.row["programme_id"], err)
			}
		}
	}
	return nil
}

// signers are three administrators with passwords that nobody keeps, who have just signed in:
// money is moved by who signs, in the recorded year, too. They are administrators until retire.
func (r *Replay) signers(ctx context.Context, at time.Time) (all [3]identity.Caller, err error) {
	db := r.DB.At(at)
	people, err := identity.New(db, identity.Config{MemoryKiB: 8, Iterations: 1, Concurrency: 1, Queue: 1})
	if err != nil {
		return all, err
	}
	for i := range all {
		password, login := rand.Text(), "fund-"+strings.ToLower(rand.Text())+"@recorded.example"
		a, err := people.Register(ctx, identity.Registration{Email: login, Password: password, Name: fmt.Sprintf("记录人物（虚构） 基金管理员 %d", i+1)})
		if err == nil {
			err = postgres.Do(ctx, db, func(tx *postgres.Tx) error {
				return identity.Give(ctx, tx, operator(), a.ID, identity.Grant{Role: identity.FundAdmin})
			})
		}
		if err != nil {
			return all, fmt.Errorf("make an administrator of the fund: %w", err)
		}
		session, _, err := people.SignIn(ctx, identity.Credentials{Login: login, Password: password})
		if err != nil {
			return all, err
		}
		if all[i], err = people.Resolve(ctx, session.Token); err != nil {
			return all, err
		}
	}
	return all, nil
}

// retire takes the role from signers.
func (r *Replay) retire(ctx context.Context, at time.Time, all [3]identity.Caller) error {
	people, err := identity.New(r.DB.At(at), identity.Config{MemoryKiB: 8, Iterations: 1, Concurrency: 1, Queue: 1})
	for _, c := range all {
		if err == nil {
			_, err = people.Revoke(ctx, operator(), c.Account, identity.Grant{Role: identity.FundAdmin})
		}
	}
	return err
}

// promised are the programmes that came in by an application, with their grants.
func (r *Replay) promised(ctx context.Context, at time.Time, f func(p programme.Programme, grants []disbursement.Account) error) error {
	db := r.DB.At(at)
	all, err := programme.New(db, rules()).Programmes(ctx, page.Request{Limit: page.MaxSize})
	if err != nil {
		return err
	}
	desk := disbursement.New(db, granting())
	for _, p := range slices.Backward(all.Data) { // the oldest first
		if p.Budget == 0 {
			continue
		}
		grants, _, err := desk.Programme(ctx, p.ID)
		if err == nil {
			err = f(p, grants)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.Title, err)
		}
	}
	return nil
}

// grant promises each programme its budget, in two halves: the second for its milestone.
func (r *Replay) grant(ctx context.Context, at time.Time) error {
	people, err := r.signers(ctx, at)
	if err != nil {
		return err
	}
	desk := grant.New(r.DB.At(at), granting())
	err = r.promised(ctx, at, func(p programme.Programme, grants []disbursement.Account) error {
		if len(grants) > 0 {
			return nil
		}
		half := p.Budget / 2
		g, err := desk.Propose(ctx, people[0], grant.Terms{
			Programme: p.ID, Amount: p.Budget, Payee: grant.Payee{Name: "太仆寺旗教育专户（虚构示例）", Account: "6222 0000 0000 0000"},
			Instalments: []grant.Instalment{{Amount: half}, {Amount: p.Budget - half, Milestone: 1}},
		})
		if err == nil {
			_, err = desk.Approve(ctx, people[1], g.ID, g.Digest, request.Claim{}, nil)
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.retire(ctx, at, people)
}

// pay pays what was promised, each instalment by three people.
func (r *Replay) pay(ctx context.Context, at time.Time) error {
	people, err := r.signers(ctx, at)
	if err != nil {
		return err
	}
	files, err := file.Open(r.DB.At(at), r.Files)
	if err != nil {
		return err
	}
	desk := disbursement.New(r.DB.At(at), granting())
	err = r.promised(ctx, at, func(p programme.Programme, grants []disbursement.Account) error {
		shown, err := files.Put(ctx, file.New{Owner: people[0].Account.UUID(), Name: p.Title + ".pdf", Private: true, Kind: file.Paper},
			bytes.NewReader(paper("（虚构示例）INVENTED EXAMPLE", p.Title, "中期验收")))
		if err != nil {
			return err
		}
		for _, a := range grants {
			for n := range a.Instalments {
				if err := instalment(ctx, desk, people, a, n+1, shown.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.retire(ctx, at, people)
}

// instalment pays an instalment, or goes on with what was begun of it.
func instalment(ctx context.Context, desk *disbursement.Service, people [3]identity.Caller, a disbursement.Account, n int, evidence file.ID) error {
	var d disbursement.Disbursement
	for _, old := range a.Disbursements {
		if old.Instalment == n {
			d = old
		}
	}
	var err error
	if d.ID.IsZero() {
		d, err = desk.RequestPayment(ctx, people[0], a.ID, n, []file.ID{evidence})
	}
	if err == nil && d.State == disbursement.Requested {
		d, err = desk.Approve(ctx, people[1], d.ID, d.Digest, request.Claim{}, nil)
	}
	if err == nil && d.State == disbursement.Approved {
		_, err = desk.Execute(ctx, people[2], d.ID, fmt.Sprintf("虚构流水号 %s/%d", a.ID, n), request.Claim{}, nil)
	}
	return err
}
