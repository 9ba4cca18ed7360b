package disclosure

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/pdf"
)

// Section is a table of a report: names, and what they come to. Note is where all of it comes from, or "".
type Section struct {
	Title string
	Rows  []Row
	Note  string
}

// Row is one figure. Note says where it comes from, or is "".
type Row struct{ Name, Value, Note string }

// Paragraphs are those of what people wrote.
func (s Snapshot) Paragraphs(english bool) []string {
	text := s.BodyZH
	if english {
		text = s.BodyEN
	}
	var all []string
	for _, p := range strings.Split(text, "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			all = append(all, p)
		}
	}
	return all
}

// Title is the report's.
func (s Snapshot) Title(english bool) string {
	if english {
		return s.TitleEN
	}
	return s.TitleZH
}

// Sections are the figures of a report, in one language.
func (s Snapshot) Sections(english bool) []Section {
	say := func(zh, en string) string {
		if english {
			return en
		}
		return zh
	}
	number := money.GroupedCount
	all := []Section{{Title: say("基金（元）", "The fund (yuan)"), Rows: []Row{
		{say("订单", "Orders"), number(s.Fund.Orders), ""},
		{say("商品销售额，已减退款", "Goods sold, less refunds"), money.Grouped(s.Fund.SoldFen), ""},
		{say("其中十分之一", "One tenth of it"), money.Grouped(s.Fund.LeviedLi), ""},
		{say("待定", "Pending"), money.Grouped(s.Fund.PendingLi), say("仍可能退货", "goods may still come back")},
		{say("可拨付", "Free"), money.Grouped(s.Fund.FreeLi), ""},
		{say("争议中", "Held"), money.Grouped(s.Fund.HeldLi), say("买家银行正在核查", "a buyer's bank disputes the payment")},
		{say("已承诺", "Promised"), money.Grouped(s.Fund.CommittedLi), say("尚未拨付", "not paid yet")},
		{say("已拨付", "Paid"), money.Grouped(s.Fund.SpentLi), say("减去退回", "less what came back")},
	}}}
	if s.Programme != nil {
		all = append(all, Section{Title: say("项目（元）", "The programme (yuan)"), Rows: []Row{{say("已拨付", "Paid"), money.Grouped(s.Programme.PaidLi), s.Programme.ID.String()}}})
	}
	if y := s.Year; y != nil {
		all = append(all, Section{Title: say("商店", "The shop") + " " + strconv.Itoa(y.Year), Rows: []Row{
			{say("企业", "Enterprises"), number(y.Enterprises), ""},
			{say("品类", "Categories"), number(y.Categories), ""},
			{say("商品", "Products"), number(y.Products), ""},
			{say("订单", "Orders"), number(y.Orders), ""},
			{say("销售额（元）", "Sold (yuan)"), money.Grouped(y.Sold), ""},
			{say("进入基金（元）", "Into the fund (yuan)"), money.Grouped(y.Levy), say("正好十分之一", "exactly one tenth")},
			{say("拨付项目（元）", "Paid to programmes (yuan)"), money.Grouped(y.Fund.Paid), ""},
			{say("项目退回（元）", "Given back by programmes (yuan)"), money.Grouped(y.Fund.Returned), ""},
			{say("基金列支的管理费用（元）", "Administration paid by the fund (yuan)"), money.Grouped(y.Fund.Administration), fmt.Sprintf("%d.%02d %%", y.Fund.AdministrationBP()/100, y.Fund.AdministrationBP()%100)},
			{say("带动农户", "Households"), number(y.Linkage.Households), say("企业申报，一户可与多家企业合作", "as the enterprises declare; a household may work with several")},
			{say("其中低收入农户", "Poor households among them"), number(y.Linkage.PoorHouseholds), ""},
			{say("培训人次", "People trained"), number(y.Trained), say("见帮扶登记", "see the register of assistance")},
		}})
		projects := Section{Title: say("项目（元）", "Projects (yuan)")}
		for _, p := range y.Projects {
			projects.Rows = append(projects.Rows, Row{p.Title, money.Grouped(p.Paid), p.School})
		}
		projects.Rows = append(projects.Rows, Row{
			say("基金以外的资金", "Money beside the fund's"), money.Grouped(y.OtherMoney),
			say("从不与基金合计；多个项目共用的一笔只计一次", "never added to the fund's; an amount that several share counts once"),
		})
		all = append(all, projects, register(say("单位采购，不计入商店", "Institutional purchases, apart from the shop"), y.Purchases.Entries, english),
			register(say("商店以外的帮扶，不使用基金", "Help outside the shop, not paid by the fund"), y.Assistance, english))
	}
	return all
}

// register is entries of the register of assistance, a row for each figure. Where all have one source it is told once.
func register(title string, entries []assistance.Entry, english bool) Section {
	s := Section{Title: title}
	if len(entries) > 0 && !slices.ContainsFunc(entries, func(e assistance.Entry) bool { return e.Source != entries[0].Source }) {
		s.Note = entries[0].Source
	}
	for _, e := range entries {
		name, source := e.TitleZH, e.Source
		if english {
			name = e.TitleEN
		}
		if s.Note != "" {
			source = ""
		}
		if len(e.Figures) == 0 {
			s.Rows = append(s.Rows, Row{name, "–", source})
		}
		for _, f := range e.Figures {
			value, label := figure(f, english)
			if source != "" {
				label += " · " + source
			}
			s.Rows = append(s.Rows, Row{name, value, label})
			name, source = "", "" // once
		}
	}
	return s
}

// figure is what an entry counts, and of what: money in yuan.
func figure(f assistance.Figure, english bool) (value, label string) {
	value, label = money.GroupedCount(f.Value), f.ZH
	if english {
		label = f.EN
	}
	if f.Name == assistance.AmountFen {
		value, label = money.Grouped(money.Fen(f.Value)), "元"
		if english {
			label = "yuan"
		}
	}
	if f.AtLeast {
		value = "> " + value
	}
	return value, label
}

// Paper writes a report as a PDF in Chinese, and returns the letters that its font has not, which are
// printed as pdf.Missing.
func (s Snapshot) Paper(out io.Writer, digest string) (missing []rune, err error) {
	paper := pdf.Paper{
		Title: s.TitleZH, At: s.At, Foot: s.TitleZH,
		Lines: []pdf.Line{
			{Name: "时间 / at", Value: s.At.In(zone()).Format(time.DateTime)}, {Name: "SHA-256", Value: digest},
		},
		Lead: []pdf.Text{{Title: "正文", Lines: s.Paragraphs(false)}},
	}
	for _, section := range s.Sections(false) {
		t := pdf.Table{Columns: []pdf.Column{{Title: section.Title, Width: 4}, {Title: "", Width: 3, Right: true}, {Title: "", Width: 4}}, Note: section.Note}
		for _, r := range section.Rows {
			t.Rows = append(t.Rows, []string{r.Name, r.Value, r.Note})
		}
		paper.Tables = append(paper.Tables, t)
	}
	return pdf.Write(out, paper)
}
