// Package disclosure keeps the calendar of what the fund must publish, and publishes it. The duties are those of a
// charity's project with public money (慈善组织信息公开办法, 民政部令 81): progress every three months
// while a programme runs, a final report within three months after it, the annual report by 31 May, and
// major events within thirty days. A report is a snapshot: what it says is frozen, and its digest is in the public log.
package disclosure

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/report"
)

// Faults of disclosure.
var (
	// ErrUnknown says that there is no such duty, or no such report.
	ErrUnknown = fault.New(fault.NotFound, "disclosure.not_found", "No such duty or report", "没有该披露事项或报告")
	// ErrFulfilled says that the duty was fulfilled before.
	ErrFulfilled = fault.New(fault.Conflict, "disclosure.fulfilled", "The duty was fulfilled before", "该事项已披露")
	// ErrText says that a text is missing or too long.
	ErrText = fault.New(fault.Invalid, "disclosure.invalid", "The report is not right", "披露内容有误")
	// ErrEarly says that the year is not over, or the three months have hardly begun: there is nothing to report yet.
	ErrEarly = fault.New(fault.Conflict, "disclosure.not_over", "The period is not over yet", "报告期尚未结束")
)

// Kind is what must be published.
type Kind string

// The kinds.
const (
	Progress   Kind = "progress"    // of a programme, every three months
	Final      Kind = "final"       // of a programme, within three months after its end
	Annual     Kind = "annual"      // of a year, by 31 May of the next
	MajorEvent Kind = "major_event" // within thirty days
)

// State says how a duty stands.
type State string

// The states. Open ones are told apart by the day.
const (
	Upcoming  State = "upcoming" // more than Near before it is due
	Due       State = "due"
	Overdue   State = "overdue"
	Fulfilled State = "fulfilled"
)

// Near is how long before its day a duty is called due.
const Near = 30 * 24 * time.Hour

// ID names a duty.
type ID = id.Of[Duty]

// Duty is something that must be published by a day.
type Duty struct {
	ID          ID
	Kind        Kind
	Subject     string    // "year:2020", "programme:<id>", "event:<what>"
	Period      string    // "2020", "2021-Q1", a day
	Title       string    // for people
	DueOn       time.Time // the last day on which it is in time, at its beginning in Asia/Shanghai
	OpenedAt    time.Time
	Document    publication.ID // zero: not fulfilled
	FulfilledAt time.Time
}

// State is how the duty stands at a moment.
func (d Duty) State(now time.Time) State {
	end := d.DueOn.Add(24 * time.Hour)
	switch {
	case !d.Document.IsZero():
		return Fulfilled
	case !now.Before(end):
		return Overdue
	case !now.Before(end.Add(-Near)):
		return Due
	}
	return Upcoming
}

// Late reports whether the duty was fulfilled after its day.
func (d Duty) Late() bool {
	return !d.Document.IsZero() && !d.FulfilledAt.Before(d.DueOn.Add(24*time.Hour))
}

// zone is Asia/Shanghai, which has known no summer time since 1991.
func zone() *time.Location { return time.FixedZone("Asia/Shanghai", 8*60*60) }

// day is the beginning of the day that a moment is in.
func day(at time.Time) time.Time {
	y, m, d := at.In(zone()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone()).UTC()
}

// months adds calendar months to a day; where the month has no such day it is the month's last.
func months(from time.Time, n int) time.Time {
	y, m, d := from.In(zone()).Date()
	last := time.Date(y, m+time.Month(n)+1, 0, 0, 0, 0, 0, zone()).Day()
	return time.Date(y, m+time.Month(n), min(d, last), 0, 0, 0, 0, zone()).UTC()
}

// Programme is what the calendar must know of one.
type Programme struct {
	ID      uuid.UUID
	Name    string
	Started time.Time // the first payment; zero: none yet
	Ended   time.Time // zero: it runs
}

// annual is the duty to report on a year.
func annual(year int) Duty {
	return Duty{
		Kind: Annual, Subject: fmt.Sprintf("year:%d", year), Period: strconv.Itoa(year), Title: fmt.Sprintf("%d 年度报告", year),
		DueOn: time.Date(year+1, time.May, 31, 0, 0, 0, 0, zone()).UTC(),
	}
}

// year is the year of an annual duty.
func (d Duty) year() (int, bool) {
	var y int
	_, err := fmt.Sscanf(d.Subject, "year:%d", &y)
	return y, err == nil && d.Kind == Annual
}

// programme is what a duty is about, where that is a programme: an event may be about anything, in words.
func (d Duty) programme() (uuid.UUID, bool) {
	name, is := strings.CutPrefix(d.Subject, "programme:")
	p, err := uuid.Parse(name)
	return p, is && err == nil
}

// duties are those that a programme has brought about until now: one for each three months that it has
// run or is running, and the final one.
func (p Programme) duties(now time.Time) []Duty {
	if p.Started.IsZero() {
		return nil
	}
	subject := "programme:" + p.ID.String()
	begin := day(p.Started)
	var all []Duty
	for n := 1; ; n++ {
		from, until := months(begin, 3*(n-1)), months(begin, 3*n)
		if from.After(now) || !p.Ended.IsZero() && !from.Before(p.Ended) {
			break
		}
		period := fmt.Sprintf("%s/%s", from.In(zone()).Format(time.DateOnly), until.Add(-time.Hour).In(zone()).Format(time.DateOnly))
		all = append(all, Duty{Kind: Progress, Subject: subject, Period: period, Title: p.Name + "：季度进展", DueOn: until})
	}
	if !p.Ended.IsZero() {
		end := day(p.Ended)
		all = append(all, Duty{Kind: Final, Subject: subject, Period: "final", Title: p.Name + "：结项报告", DueOn: months(end, 3)})
	}
	return all
}

// Text is what people write for a report.
type Text struct {
	TitleZH, TitleEN string // 1 to 200 characters
	BodyZH, BodyEN   string // 1 to 20,000 characters; blank lines part paragraphs
}

func (t *Text) check() error {
	err, bad := ErrText, false
	for _, f := range []struct {
		at   string
		text *string
		most int
	}{
		{"/title_zh", &t.TitleZH, 200},
		{"/title_en", &t.TitleEN, 200},
		{"/body_zh", &t.BodyZH, 20_000},
		{"/body_en", &t.BodyEN, 20_000},
	} {
		*f.text = strings.TrimSpace(strings.ReplaceAll(*f.text, "\r\n", "\n"))
		if n := len([]rune(*f.text)); n < 1 || n > f.most || strings.ContainsRune(*f.text, 0) {
			err, bad = err.At(f.at, "length", "too short, or too long"), true
		}
	}
	if bad {
		return err
	}
	return nil
}

// SnapshotFormat is the value of a snapshot's member "format".
const SnapshotFormat = "shiyi.report/v1"

// Snapshot is what is published, as JSON: what people wrote, and the figures of that moment out of the book. What it
// said once it says for ever: its digest stands in the public log.
type Snapshot struct {
	Format    string         `json:"format"`
	Kind      Kind           `json:"kind"`
	Subject   string         `json:"subject"`
	Period    string         `json:"period"`
	At        time.Time      `json:"at"`
	TitleZH   string         `json:"title_zh"`
	TitleEN   string         `json:"title_en"`
	BodyZH    string         `json:"body_zh"`
	BodyEN    string         `json:"body_en"`
	Fund      FundFigures    `json:"fund"`
	Programme *PaidFigures   `json:"programme,omitempty"` // of a programme
	Year      *report.Impact `json:"year,omitempty"`      // of an annual report
}

// FundFigures are the fund's at the moment of a snapshot. Money is in li and fen, as the names say.
type FundFigures struct {
	Orders      int64     `json:"orders"`
	SoldFen     money.Fen `json:"sold_fen"`
	LeviedLi    money.Li  `json:"levied_li"`
	PendingLi   money.Li  `json:"pending_li"`
	FreeLi      money.Li  `json:"free_li"`
	HeldLi      money.Li  `json:"held_li"`
	CommittedLi money.Li  `json:"committed_li"`
	SpentLi     money.Li  `json:"spent_li"`
}

// PaidFigures are what a programme was paid, less what came back.
type PaidFigures struct {
	ID     uuid.UUID `json:"id"`
	PaidLi money.Li  `json:"paid_li"`
}

func figures(s fund.Statement) FundFigures {
	return FundFigures{s.Orders, s.SoldFen, s.LeviedLi, s.PendingLi, s.FreeLi, s.HeldLi, s.CommittedLi, s.SpentLi}
}

// Event is something that must be published within thirty days.
type Event struct {
	Subject    string // what it is about: "grant:<id>", "correction:<id>", or in words
	Title      string
	HappenedOn time.Time
}

// duty is the event's.
func (e Event) duty() Duty {
	const limit = 30
	on := day(e.HappenedOn)
	return Duty{
		Kind: MajorEvent, Subject: e.Subject, Period: on.In(zone()).Format(time.DateOnly), Title: e.Title,
		DueOn: on.In(zone()).AddDate(0, 0, limit).UTC(),
	}
}

// opened makes a duty a row.
func (d Duty) opened(at time.Time) Duty {
	d.ID, d.OpenedAt = id.New[Duty](at), at
	return d
}
