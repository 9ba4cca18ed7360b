package replay

import (
	"context"
	"slices"
	"time"

	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/page"
)

// register are the steps that put help outside the shop into the register of assistance, at the
// end of the year: what the recorded procurement file says, and what the story tells. A replay that goes on
// adds nothing twice.
func (r *Replay) register() []step {
	var all []step
	for _, n := range append(purchases(), told()...) {
		at := time.Date(2020, 12, 31, 18, len(all), 0, 0, shanghai())
		all = append(all, step{at, "register " + n.TitleEN, func(ctx context.Context, at time.Time) error {
			book := assistance.NewService(r.DB.At(at))
			known, err := book.Entries(ctx, n.Year, page.Request{Limit: page.MaxSize})
			if err != nil || slices.ContainsFunc(known.Data, func(e assistance.Entry) bool { return e.TitleZH == n.TitleZH }) {
				return err
			}
			_, err = book.Record(ctx, operator(), n)
			return err
		}})
	}
	return all
}

// purchases are those of procurement_2020.csv, one entry for each event.
func purchases() []assistance.New {
	english := map[string]string{
		"太旗年货进机关": "New Year goods fair", "食堂原材料采购": "Canteen ingredients", "机关专柜": "Counters in office buildings",
		"工会采购": "Purchase by the union", "助销/保底销售": "Guaranteed purchase",
	}
	var events []string
	type sums struct{ lines, fen, kg int64 }
	of := map[string]*sums{}
	for _, row := range table("procurement_2020.csv") {
		event := row["event"]
		if of[event] == nil {
			of[event], events = &sums{}, append(events, event)
		}
		s := of[event]
		s.lines, s.fen, s.kg = s.lines+1, s.fen+row.int("line_total_fen"), s.kg+row.int("kg_total")
	}
	var all []assistance.New
	for _, event := range events {
		s := of[event]
		n := assistance.New{
			Year: 2020, Track: assistance.InstitutionalPurchase, TitleZH: event, TitleEN: english[event], Invented: true,
			Source: "单位采购记录文件 procurement_2020.csv：渠道、总额 60 多万元、西瓜 12,000 公斤与马铃薯 43,000 公斤为事实，其余数字虚构；单位采购功能建成前由此读取，不计入商店销售",
			Figures: []assistance.Figure{
				{Name: assistance.AmountFen, ZH: "金额（分）", EN: "amount, fen", Value: s.fen},
				{Name: "lines", ZH: "笔数", EN: "lines", Value: s.lines},
			},
		}
		if s.kg > 0 {
			n.Figures = append(n.Figures, assistance.Figure{Name: assistance.Kilograms, ZH: "重量（公斤），有记录者", EN: "kilograms, where recorded", Value: s.kg})
		}
		all = append(all, n)
	}
	return all
}

// told is what the story tells of help outside the shop.
func told() []assistance.New {
	const source = "项目来源文本 / the project's source text"
	figure := func(name, zh, en string, value int64, atLeast bool) []assistance.Figure {
		return []assistance.Figure{{Name: name, ZH: zh, EN: en, Value: value, AtLeast: atLeast}}
	}
	return []assistance.New{
		{Year: 2020, Track: "training", TitleZH: "培训基层干部和技术人员", TitleEN: "Training of local cadres and technicians", Figures: figure(assistance.People, "人次", "people", 700, true), Source: source},
		{Year: 2020, Track: "seconded_cadres", TitleZH: "历年选派挂职干部", TitleEN: "Cadres seconded over the years", Figures: figure("cadres", "人", "people", 32, false), Source: source},
		{Year: 2020, Track: "telemedicine", TitleZH: "远程医疗", TitleEN: "Telemedicine", Source: source},
		{Year: 2020, Track: "village_network", TitleZH: "“为村”平台进村", TitleEN: "The village network comes to villages", Source: source},
		{Year: 2020, Track: "transport", TitleZH: "推动铁路建设", TitleEN: "Help with a railway", Source: source},
	}
}
