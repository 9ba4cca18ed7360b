package origin_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
)

func TestRegionsAreWalkedFromTheCountyToItsVillages(t *testing.T) {
	t.Parallel()
	svc := origin.New(pgtest.New(t))
	walk := func(parent string) string {
		t.Helper()
		var names []string
		for p := (page.Request{Limit: 2}); ; {
			got, err := svc.Regions(t.Context(), parent, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range got.Data {
				if r.NameEN == "" || (parent != "" && r.Parent != parent) {
					t.Errorf("within %q there is %+v", parent, r)
				}
				names = append(names, r.NameZH)
			}
			if p.Cursor = got.Next; p.Cursor == "" {
				return strings.Join(names, " ")
			}
		}
	}
	if got := walk("152527"); got != "宝昌镇 千斤沟镇 红旗镇 骆驼山镇 永丰镇 幸福乡 贡宝拉格苏木" {
		t.Errorf("the county has %s", got)
	}
	if got := walk("152527104"); got != "帐房山村" {
		t.Errorf("the township has %s", got)
	}
	if got := walk(""); !strings.HasPrefix(got, "太仆寺旗 宝昌镇") || len(strings.Fields(got)) != 10 {
		t.Errorf("all regions are %s", got)
	}
	if got := walk("999999"); got != "" {
		t.Errorf("nowhere has %s", got)
	}
	if _, err := svc.Regions(t.Context(), "", page.Request{Cursor: "!"}); !errors.Is(err, page.ErrCursor) {
		t.Errorf("a foreign cursor: %v, want %v", err, page.ErrCursor)
	}
}

func TestTheBrandsOfVillagesAreAtHomeThere(t *testing.T) {
	t.Parallel()
	svc := origin.New(pgtest.New(t))
	first, err := svc.Brands(t.Context(), page.Request{Limit: 2})
	if err != nil || len(first.Data) != 2 || first.Data[0].Name != "红喜" || first.Data[0].Region != "152527103001" {
		t.Fatalf("brands = %+v, %v", first, err)
	}
	rest, err := svc.Brands(t.Context(), page.Request{Limit: 2, Cursor: first.Next})
	if err != nil || len(rest.Data) != 1 || rest.Data[0].Name != "帐房优品" || rest.Next != "" {
		t.Errorf("the rest = %+v, %v", rest, err)
	}
	if _, err := svc.Brands(t.Context(), page.Request{Cursor: "!"}); !errors.Is(err, page.ErrCursor) {
		t.Errorf("a foreign cursor: %v, want %v", err, page.ErrCursor)
	}
}

func TestTheTenCategoriesOfTheCountyStandInItsOrder(t *testing.T) {
	t.Parallel()
	got, err := origin.New(pgtest.New(t)).Categories(t.Context())
	if err != nil {
		t.Fatalf("categories: %v", err)
	}
	var names strings.Builder
	for i, c := range got {
		names.WriteString(c.NameZH)
		if c.Position != i+1 || c.NameEN == "" || c.Code == "" {
			t.Errorf("category %d is %+v", i, c)
		}
	}
	if names.String() != "肉酒油麦面薯奶蛋灯游" {
		t.Errorf("categories are %s", &names)
	}
}
