package assistance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

func training() assistance.New {
	return assistance.New{
		Year: 2020, Track: "training", TitleZH: "干部人才培训", TitleEN: "Training", Source: "年度总结（虚构示例）", Invented: true,
		Figures: []assistance.Figure{{Name: assistance.People, ZH: "人次", EN: "people", Value: 700, AtLeast: true}},
	}
}

func operator() identity.Caller {
	return identity.Caller{Account: id.New[identity.Account](pgtest.Noon), Roles: []identity.Grant{{Role: identity.Operator}}}
}

func TestACorrectionReplacesAnEntryWhichStays(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	svc, who := assistance.NewService(db), operator()
	first, err := svc.Record(t.Context(), who, training())
	if err != nil {
		t.Fatal(err)
	}
	right := training()
	right.Figures[0].Value, right.Replaces, right.Reason = 720, first.ID, "少计一期"
	second, err := assistance.NewService(db.At(pgtest.Noon.Add(time.Hour))).Record(t.Context(), who, right)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := svc.Record(t.Context(), who, right); !errors.Is(err, assistance.ErrReplaced) {
		t.Errorf("corrected twice: %v", err)
	}
	got, err := svc.Entries(t.Context(), 2020, page.Request{})
	if diff := cmp.Diff([]assistance.Entry{second}, got.Data, cmp.AllowUnexported(id.Of[assistance.Entry]{}, id.Of[identity.Account]{})); diff != "" || err != nil {
		t.Errorf("entries (-want +got):\n%s%v", diff, err)
	}
	if got.Data[0].Sum(assistance.People) != 720 || got.Data[0].Sum(assistance.Kilograms) != 0 {
		t.Errorf("sums of %+v", got.Data[0].Figures)
	}
	if other, err := svc.Entries(t.Context(), 2021, page.Request{}); err != nil || len(other.Data) != 0 {
		t.Errorf("another year: %+v, %v", other.Data, err)
	}
}

func TestAYearHasAllOfItsEntries(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	const many = 1001
	_, err := pgtest.Super(t, db).ExecContext(t.Context(), `INSERT INTO assistance_entry (id, year, track, title_zh, title_en, figures, source, invented, reason, recorded_by, recorded_at)
		SELECT gen_random_uuid(), 2020, 'training', '培训', 'Training', '[]', '（虚构示例）', true, '', gen_random_uuid(), now() FROM generate_series(1, $1)`, many)
	if err != nil {
		t.Fatal(err)
	}
	all, err := postgres.View(t.Context(), db, func(tx *postgres.Tx) ([]assistance.Entry, error) { return assistance.All(t.Context(), tx, 2020) })
	if err != nil || len(all) != many {
		t.Errorf("%d entries, %v: want %d", len(all), err, many)
	}
}

func TestOnlyOperatorsRecordAndOnlyWhatIsWhole(t *testing.T) {
	t.Parallel()
	svc := assistance.NewService(pgtest.New(t))
	for _, role := range []identity.Role{identity.Auditor, identity.FundAdmin, identity.County} {
		caller := identity.Caller{Account: id.New[identity.Account](pgtest.Noon), Roles: []identity.Grant{{Role: role}}}
		if _, err := svc.Record(t.Context(), caller, training()); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("%s: %v", role, err)
		}
	}
	for name, spoil := range map[string]func(*assistance.New){
		"no title": func(n *assistance.New) { n.TitleZH = " " }, "no source": func(n *assistance.New) { n.Source = "" },
		"an absurd year": func(n *assistance.New) { n.Year = 20 }, "an unknown track": func(n *assistance.New) { n.Track = "wealth" },
		"a negative figure": func(n *assistance.New) { n.Figures[0].Value = -1 }, "a figure twice": func(n *assistance.New) { n.Figures = append(n.Figures, n.Figures[0]) },
		"a NUL": func(n *assistance.New) { n.TitleEN = "a\x00" }, "a long reason": func(n *assistance.New) {
			n.Replaces, n.Reason = id.New[assistance.Entry](pgtest.Noon), strings.Repeat("长", 501)
		},
	} {
		n := training()
		spoil(&n)
		if _, err := svc.Record(t.Context(), operator(), n); !errors.Is(err, assistance.ErrEntry) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := training()
	n.Replaces, n.Reason = id.New[assistance.Entry](pgtest.Noon), "nobody's"
	if _, err := svc.Record(t.Context(), operator(), n); !errors.Is(err, assistance.ErrUnknown) {
		t.Errorf("nobody's entry corrected: %v", err)
	}
}
