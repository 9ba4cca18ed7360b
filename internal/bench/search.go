package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/search"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

//go:embed search.sql
var copyProducts string

// A shop in which searching is measured: so many products are listed by each of
// the enterprises, and each of them so often. Altogether there are 200,000.
const (
	searchMerchants = 10
	searchListed    = 200
	searchCopies    = 100
)

// Parts of names, of which each product has one of each kind.
var (
	searchFronts = []string{"草原", "有机", "石磨", "冷榨", "红喜", "骆山物语", "帐房优品", "高原", "农家", "手工", "精选", "原味", "速冻", "散养"}
	searchCores  = []string{
		"羔羊腿:MEAT", "羊肉卷:MEAT", "牛腱子肉:MEAT", "牛肉干:MEAT", "白酒:LIQUOR", "奶酒:LIQUOR", "沙棘果酒:LIQUOR", "亚麻籽油:OIL", "胡麻油:OIL", "菜籽油:OIL",
		"藜麦米:GRAIN_MAI", "燕麦片:GRAIN_MAI", "莜麦仁:GRAIN_MAI", "荞麦米:GRAIN_MAI", "莜面粉:FLOUR_MIAN", "小麦粉:FLOUR_MIAN", "荞麦挂面:FLOUR_MIAN",
		"土豆:POTATO_SHU", "马铃薯粉条:POTATO_SHU", "马铃薯淀粉:POTATO_SHU", "薯片:POTATO_SHU", "奶豆腐:DAIRY", "奶皮子:DAIRY", "奶茶粉:DAIRY", "黄油:DAIRY",
		"鸡蛋:EGG", "松花蛋:EGG", "鹅蛋:EGG", "LED台灯:LAMP", "庭院灯:LAMP", "蒙古包住宿:TOURISM", "草原一日游:TOURISM",
	}
	searchBacks = []string{"", "500g", "1kg", "2.5kg", "5kg", "礼盒", "整箱", "家庭装", "双支装", "年货礼盒", "（原味）", "（加糖）"}
)

// searchQuestions are what is asked, in turn: of each kind some, common and rare.
var searchQuestions = []string{
	"q=土豆", "q=tudou", "q=马铃薯", "q=莜面粉", "q=youmian", "q=yrj", "q=羊肉卷礼盒", "q=面", "q=草", "q=y", "q=有机+粉条", "q=草原+niurou", "q=礼盒&category=MEAT",
	"q=白酒&in_stock=true", "q=农家散养鸡蛋", "q=石磨莜面粉2.5kg", "q=松花蛋年货礼盒", "q=太仆寺旗", "q=内蒙古+土豆&category=DAIRY", "q=led", "q=LED台灯", "q=zhenpin",
	"q=无此商品", "q=奶&limit=100", "q=caoyuanyiriyou", "q=企业07+黄油", "q=potato+5kg", "q=亚麻油&village=红旗镇", "q=沙棘果酒双支装", "q=5kg",
}

// searching fills a shop and measures questions that no cache has the answer to.
func (b *bench) searching(ctx context.Context) error {
	place, err := b.shop.Database()
	if err != nil {
		return err
	}
	b.say("filling: %d products\n", searchMerchants*searchListed*searchCopies)
	if err := fillSearch(ctx, place.URL, place.OwnerURL); err != nil {
		return err
	}
	b.head("searches among 200,000 products")
	for _, clients := range []int{1, 2, 8} {
		for _, length := range []time.Duration{warming, 2 * writes} {
			r, err := load(ctx, clients, length, b.shop.asking(searchQuestions))
			if err != nil {
				return err
			}
			if length > warming {
				b.row("  of mixed kind", r, "")
			}
		}
	}
	b.head("one kind alone")
	for _, q := range searchQuestions {
		r, err := load(ctx, 1, time.Second, b.shop.asking([]string{q}))
		if err != nil {
			return err
		}
		b.row("  "+q, r, "")
	}
	return nil
}

// asking asks one question after another, each with signs at its end that mean
// nothing, so that none is answered from memory.
func (s *shop) asking(questions []string) work {
	var asked atomic.Uint64
	asked.Store(uint64(time.Now().UnixNano()))
	return func(client int) (func(context.Context) error, func(), error) {
		l, err := dial(context.Background(), s.addr)
		if err != nil {
			return nil, nil, err
		}
		n := client
		return func(context.Context) error {
			n++
			q, rest, _ := strings.Cut(strings.TrimPrefix(questions[n%len(questions)], "q="), "&")
			signs := strings.NewReplacer("0", ",", "1", ";", "2", "!", "3", "?").Replace(strconv.FormatUint(asked.Add(1), 4))
			path := "/v1/search?q=" + url.QueryEscape(strings.ReplaceAll(q, "+", " ")+signs)
			if name, value, ok := strings.Cut(rest, "="); ok {
				path += "&" + name + "=" + url.QueryEscape(value)
			}
			return expect(l, fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, s.addr), http.StatusOK)
		}, l.close, nil
	}
}

// fillSearch lists products through the services, and then each of them often.
func fillSearch(ctx context.Context, app, owner string) (err error) {
	db, err := postgres.Open(ctx, postgres.Config{URL: app, MaxConns: 4, RelaxedCommit: true}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var listed []uuid.UUID
	quiet := db.Collecting(func(river.JobArgs) {})
	s := shoptest.Services{Merchants: merchant.New(quiet), Catalog: catalog.New(quiet, nil), Inventory: inventory.New(quiet)}
	for m := range searchMerchants {
		firm, err := s.Enrol(ctx, merchant.Enrolment{Code: fmt.Sprintf("S%02d", m), ShortName: fmt.Sprintf("企业%02d", m)})
		if err != nil {
			return err
		}
		for i := range searchListed {
			p, err := s.Sell(ctx, searchProduct(firm.ID, m*searchListed+i), 10)
			if err != nil {
				return err
			}
			listed = append(listed, p.ID.UUID())
		}
	}
	if err := search.New(db, inventory.InStock).Index(ctx, listed...); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, owner)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	for statement := range strings.SplitSeq(strings.ReplaceAll(copyProducts, "$COPIES", strconv.Itoa(searchCopies)), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// searchProduct is the n-th product that is listed.
func searchProduct(m merchant.ID, n int) catalog.NewProduct {
	core, category, _ := strings.Cut(searchCores[n%len(searchCores)], ":")
	front, back := searchFronts[n/len(searchCores)%len(searchFronts)], searchBacks[n/7%len(searchBacks)]
	return shoptest.Product(m, fmt.Sprintf("s%05d", n), 1000, catalog.Description{
		Category: category, Name: front + core + back, Brand: front, Spec: "500g/袋", Origin: "内蒙古自治区锡林郭勒盟太仆寺旗",
	})
}
