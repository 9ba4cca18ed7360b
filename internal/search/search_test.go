package search_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/mozillazg/go-pinyin"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/replay"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/search"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// county is a shop with the enterprises and the 96 products of the recorded year,
// put on sale today.
func county(t testing.TB) (*shoptest.Shop, []catalog.Product) {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	y, err := replay.Read()
	must(t, err)
	firms := make(map[string]replay.Enterprise)
	for _, e := range y.Enterprises {
		_, err := s.Enrol(t.Context(), merchant.Enrolment{
			ID: replay.MerchantID(e.Code()), Code: e.Code(), ShortName: e.ShortName(), Licences: []merchant.Licence{
				{Kind: "SC", No: "SC10415252799031", ExpiresOn: "2099-12-31"},
				{Kind: "CCC", No: "2019010000099001", ExpiresOn: "2099-12-31"},
				{Kind: "TRAVEL", No: "L-NMG-99001", ExpiresOn: "2099-12-31"},
			},
		})
		must(t, err)
		firms[e.Code()] = e
	}
	var goods []catalog.Product
	for _, p := range y.Products {
		e := firms[p.Enterprise]
		listed, err := s.Sell(t.Context(), shoptest.Product(replay.MerchantID(e.Code()), p.Code, p.Price, p.Description(e)), 1)
		must(t, err)
		goods = append(goods, listed)
	}
	s.Perform(t)
	return s, goods
}

// codes are what a page holds.
func codes(goods []catalog.Product) []string {
	out := make([]string, len(goods))
	for i, p := range goods {
		out[i] = p.Code
	}
	return out
}

// find is everything that a query finds, page by page.
func find(t testing.TB, s *shoptest.Shop, q search.Query, size int) []string {
	t.Helper()
	var out []string
	for p := (page.Request{Limit: size}); ; {
		got, err := s.Search.Find(t.Context(), q, p)
		if err != nil {
			t.Fatalf("find %+v after %v: %v", q, out, err)
		}
		out = append(out, codes(got.Data)...)
		if got.Next == "" {
			return out
		}
		p.Cursor = got.Next
	}
}

func words(s string) search.Query { return search.Query{Words: s} }

// spelled is a name in pinyin and by its initials, as somebody would type it.
func spelled(name string) (whole, initials string) {
	for _, r := range name {
		switch {
		case unicode.Is(unicode.Han, r):
			s := pinyin.SinglePinyin(r, pinyin.NewArgs())[0]
			whole, initials = whole+s, initials+s[:1]
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '.':
			whole, initials = whole+strings.ToLower(string(r)), initials+strings.ToLower(string(r))
		}
	}
	return whole, initials
}

func TestEveryRecordedProductIsFoundByNameByItsPiecesInPinyinAndByInitials(t *testing.T) {
	t.Parallel()
	s, goods := county(t)
	if len(goods) != 96 {
		t.Fatalf("%d products are recorded, want 96", len(goods))
	}
	asked := make(map[string][]string)
	for _, p := range goods {
		whole, initials := spelled(p.Name)
		questions := []string{p.Name, whole, initials}
		letters := []rune(p.Name)
		for i := range letters[1:] {
			questions = append(questions, string(letters[i:i+2]))
		}
		for n, q := range questions {
			if asked[q] == nil {
				asked[q] = find(t, s, words(q), page.MaxSize)
			}
			if !slices.Contains(asked[q], p.Code) {
				t.Errorf("%q does not find %s %s, but %v", q, p.Code, p.Name, asked[q])
			}
			if n < 2 && len(asked[q]) > 0 && asked[q][0] != p.Code {
				t.Errorf("%q finds %s before %s %s", q, asked[q][0], p.Code, p.Name)
			}
		}
	}
}

func TestWordsThatMeanTheSameFindTheVerySame(t *testing.T) {
	t.Parallel()
	s, _ := county(t)
	for _, group := range [][]string{
		{"土豆", "tudou", "马铃薯", "洋芋", "malingshu", "Potato", "ＰＯＴＡＴＯ"},
		{"亚麻籽油", "胡麻油", "胡油", "humayou"},
		{"莜麦", "裸燕麦", "youmai"},
		{"松花蛋", "皮蛋"},
	} {
		want := find(t, s, words(group[0]), 7)
		if len(want) == 0 {
			t.Errorf("%s finds nothing", group[0])
		}
		for _, q := range group[1:] {
			if diff := cmp.Diff(want, find(t, s, words(q), 7)); diff != "" {
				t.Errorf("%s and %s find different things (-%s +%s):\n%s", group[0], q, group[0], q, diff)
			}
		}
	}
	got, err := s.Search.Find(t.Context(), words("tudou"), page.Request{})
	must(t, err)
	for _, p := range got.Data[:9] {
		if !strings.Contains(p.Name, "土豆") && !strings.Contains(p.Name, "马铃薯") {
			t.Errorf("potatoes: %s %s", p.Code, p.Name)
		}
	}
}

func TestTheRanksAreTheNameItsBeginningTheNameAndTheRest(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 1)
	for _, p := range []struct{ code, name, brand string }{
		{"rest", "杂粮礼盒", "沙棘"}, {"within", "草原沙棘汁", ""}, {"begins", "沙棘原浆", ""}, {"exact", "沙棘", ""}, {"apart", "沙地野生酸棘", ""},
	} {
		_, err := s.Sell(t.Context(), shoptest.Product(shoptest.Miller, p.code, 100, catalog.Description{Category: "OIL", Name: p.name, Brand: p.brand}), 1)
		must(t, err)
	}
	s.Perform(t)
	want := []string{"exact", "begins", "within", "rest"}
	for _, q := range []string{"沙棘", "shaji", " 沙棘！"} {
		if diff := cmp.Diff(want, find(t, s, words(q), 2)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", q, diff)
		}
	}
	if got := find(t, s, words("sj"), 2); len(got) != 5 || got[4] != "rest" {
		t.Errorf("initials in names come before those in brands: got %v", got)
	}
	if got := find(t, s, words("沙棘 caoyuan"), 9); !slices.Equal(got, []string{"within"}) {
		t.Errorf("all words must be there: got %v", got)
	}
	if got := find(t, s, words("磨坊 沙棘"), 9); len(got) != 4 {
		t.Errorf("the enterprise's name counts: got %v", got)
	}
}

// Whatever is asked, pages of any size join up to the same whole, and each product
// stands in it once.
func TestPagesOfAnySizeJoinUpToTheSameWhole(t *testing.T) {
	t.Parallel()
	s, goods := county(t)
	var letters []string
	for _, p := range goods {
		whole, _ := spelled(p.Name)
		letters = append(letters, p.Name, p.Brand, p.MerchantName, whole, "马铃薯", "rou", "y", "面", "1")
	}
	rapid.Check(t, func(r *rapid.T) {
		text := []rune(rapid.SampledFrom(letters).Draw(r, "text"))
		if len(text) == 0 {
			return
		}
		from := rapid.IntRange(0, len(text)-1).Draw(r, "from")
		q := words(string(text[from:min(len(text), from+rapid.IntRange(1, 3).Draw(r, "length"))]))
		q.Category = rapid.SampledFrom([]string{"", "", "POTATO_SHU", "MEAT"}).Draw(r, "category")
		if _, err := s.Search.Find(t.Context(), q, page.Request{}); errors.Is(err, search.ErrNoWords) {
			return
		}
		whole := find(t, s, q, page.MaxSize)
		if again := find(t, s, q, rapid.IntRange(3, 19).Draw(r, "size")); !slices.Equal(whole, again) {
			r.Fatalf("%+v finds %v in one page, and %v in many", q, whole, again)
		}
		if once := slices.Compact(slices.Sorted(slices.Values(whole))); len(once) != len(whole) {
			r.Fatalf("%+v finds something twice: %v", q, whole)
		}
	})
}

func TestFiltersNarrowWhatIsFound(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 1)
	_, err := s.Sell(t.Context(), shoptest.Product(shoptest.Distiller, "bran", 100, catalog.Description{Category: "GRAIN_MAI", Name: "莜面麸皮", Origin: "太仆寺旗红喜村"}), 0)
	must(t, err)
	s.Perform(t)
	for _, c := range []struct {
		q    search.Query
		want []string
	}{
		{search.Query{Words: "莜面"}, []string{"flour", "bran"}},
		{search.Query{Words: "莜面", InStock: true}, []string{"flour"}},
		{search.Query{Words: "莜面", Category: "GRAIN_MAI"}, []string{"bran"}},
		{search.Query{Words: "莜面", Category: "NONE"}, nil},
		{search.Query{Words: "莜面", Merchant: shoptest.Miller}, []string{"flour"}},
		{search.Query{Words: "莜面", Village: "红喜村"}, []string{"bran"}},
		{search.Query{Words: "莜面", Village: "红旗镇"}, []string{"flour", "bran"}},
		{search.Query{Words: "莜面", Claimed: true}, nil},
		{search.Query{Words: "面", Merchant: shoptest.Miller, InStock: true}, []string{"flour"}},
	} {
		if got := find(t, s, c.q, 1); !slices.Equal(got, c.want) {
			t.Errorf("%+v finds %v, want %v", c.q, got, c.want)
		}
	}
}

func TestTheFilterOfClaimsFindsWhatHoldsNow(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 1)
	flour := shoptest.Product(shoptest.Miller, "bran", 100, catalog.Description{Category: "GRAIN_MAI", Name: "莜面麸皮", NetContent: 500, NetUnit: "g"})
	bran, err := s.Sell(t.Context(), flour, 5)
	must(t, err)
	s.Perform(t)
	finds := func(what string, want ...string) {
		t.Helper()
		if got := find(t, s, search.Query{Words: "莜面", Claimed: true}, 1); !slices.Equal(got, want) {
			t.Errorf("%s: found %v, want %v", what, got, want)
		}
	}
	file := func(captured time.Time, reference money.Fen) claim.Claim {
		t.Helper()
		c, err := s.Claims.File(t.Context(), shoptest.Seller(shoptest.Miller), claim.Filing{
			SKU: bran.SKUs[0].ID, Platform: "PLATFORM_A", Reference: reference, Basis: claim.SameSKU,
			NetContent: 500, NetUnit: "g", CapturedAt: captured, Evidence: "（虚构示例）",
		})
		must(t, err)
		return c
	}
	first := file(s.Clock.Now().AddDate(-1, 0, 1), 150) // good for a day more
	finds("a claim that nobody has confirmed")
	_, err = s.Claims.Confirm(t.Context(), shoptest.Operator, first.ID)
	must(t, err)
	finds("a claim that holds", "bran")
	if got := find(t, s, words("莜面"), 1); !slices.Equal(got, []string{"flour", "bran"}) {
		t.Errorf("a claim is no place: found %v", got)
	}
	s.Clock.Advance(time.Hour)
	second := file(s.Clock.Now(), 90)
	_, err = s.Claims.Confirm(t.Context(), shoptest.Operator, second.ID)
	must(t, err)
	finds("newer evidence says that it is cheaper elsewhere")
	_, err = s.Claims.Withdraw(t.Context(), shoptest.Operator, second.ID, "for a test")
	must(t, err)
	finds("which is withdrawn", "bran")
	_, err = s.Catalog.SetPrice(t.Context(), shoptest.Seller(shoptest.Miller), bran.SKUs[0].ID, 150)
	must(t, err)
	finds("as dear as elsewhere")
	_, err = s.Catalog.SetPrice(t.Context(), shoptest.Seller(shoptest.Miller), bran.SKUs[0].ID, 149)
	must(t, err)
	finds("cheaper by a fen", "bran")
	s.Clock.Set(first.ExpiresAt.Add(-time.Microsecond))
	finds("in its last moment", "bran")
	s.Clock.Set(first.ExpiresAt)
	finds("a claim that has ended")
	if got := find(t, s, words("莜面"), 1); !slices.Equal(got, []string{"flour", "bran"}) {
		t.Errorf("the goods themselves are sold as before: found %v", got)
	}
}

func TestWhatCannotBeBoughtIsNotFound(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 1)
	found := func(want ...string) {
		t.Helper()
		if got := find(t, s, words("caoyuan"), 5); !slices.Equal(got, want) {
			t.Errorf("found %v, want %v", got, want)
		}
	}
	found() // nothing is indexed yet
	s.Perform(t)
	found("liquor")
	_, err := s.Merchants.Suspend(t.Context(), shoptest.Operator, shoptest.Distiller, "licence in doubt")
	must(t, err)
	found()
	_, err = s.Merchants.Reinstate(t.Context(), shoptest.Operator, shoptest.Distiller, "it is in order")
	must(t, err)
	found("liquor")
	liquor, err := s.Catalog.Withdraw(t.Context(), shoptest.Seller(shoptest.Distiller), shoptest.ProductID("liquor"))
	must(t, err)
	found() // at once, although no job was done
	s.Perform(t)
	found()
	_, err = s.PutOnSale(t.Context(), liquor)
	must(t, err)
	s.Perform(t)
	found("liquor")
	s.Clock.Set(time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC))
	found() // the licences have ended
}

func TestASweepMakesWhatWasLostAndMarksWhatWasSoldOut(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 1)
	sweep := func(want int) {
		t.Helper()
		if n, err := s.Search.Sweep(t.Context()); err != nil || n != want {
			t.Errorf("the sweep mended %d entries, %v; want %d", n, err, want)
		}
	}
	sweep(3) // no job was done
	sweep(0)
	inStock := search.Query{Words: "莜面", InStock: true}
	if got := find(t, s, inStock, 5); !slices.Equal(got, []string{"flour"}) {
		t.Fatalf("in stock: %v", got)
	}
	_, err := s.Inventory.Adjust(t.Context(), inventory.Adjustment{
		Merchants: shoptest.Seller(shoptest.Miller).Merchants(), SKU: shoptest.SKU("flour").UUID(), Delta: -1, Reason: "broken",
	}, request.Claim{}, nil)
	must(t, err)
	sweep(1)
	if got := find(t, s, inStock, 5); got != nil {
		t.Errorf("sold out, and in stock: %v", got)
	}
	_, err = s.DB.SQL().ExecContext(t.Context(), `UPDATE search_product SET source = 1, name_key = '旧'`)
	must(t, err)
	sweep(3) // as after a new release
	sweep(0)
	// What the jobs do later changes nothing.
	s.Perform(t)
	sweep(0)
}

func TestAQuestionThatIsNoneIsToldSo(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 1)
	s.Perform(t)
	for _, c := range []struct {
		q    search.Query
		want error
	}{
		{words(""), search.ErrNoWords},
		{words("   "), search.ErrNoWords},
		{words("！？，。（）%_*'\"\\;--"), search.ErrNoWords},
		{words("🥔🍅"), search.ErrNoWords},
		{words("\x00"), search.ErrNoWords},
		{words("\xff\xfe"), search.ErrNoWords},
		{words(strings.Repeat("面", search.MaxQuery+1)), search.ErrTooMuch},
		{words("1 2 3 4 5 6 7 8 9"), search.ErrTooMuch},
		{search.Query{Words: "面", Category: strings.Repeat("A", 33)}, catalog.ErrCategory},
		{search.Query{Words: "面", Category: "A\x00"}, catalog.ErrCategory},
		{search.Query{Words: "面", Village: "—"}, search.ErrNoWords},
		{search.Query{Words: "面", Village: strings.Repeat("村", 61)}, search.ErrTooMuch},
	} {
		if got, err := s.Search.Find(t.Context(), c.q, page.Request{}); !errors.Is(err, c.want) {
			t.Errorf("%+v: got %v, %v; want %v", c.q, codes(got.Data), err, c.want)
		}
	}
	for _, q := range []string{"面%", "_面", "🥔面", "面\x00"} {
		if got := find(t, s, words(q), 5); !slices.Equal(got, []string{"flour"}) {
			t.Errorf("%q finds %v", q, got)
		}
	}
	for _, q := range []string{strings.Repeat("面", search.MaxQuery), "' OR 1=1 --", "~m:", "c:OIL", "面 无", strings.Repeat("a", search.MaxQuery), "{油,}"} {
		if got, err := s.Search.Find(t.Context(), words(q), page.Request{}); err != nil || len(got.Data) > 0 {
			t.Errorf("%q finds %v, %v", q, codes(got.Data), err)
		}
	}
	for _, cursor := range []string{page.Encode("", shoptest.ProductID("flour").UUID()), page.Encode("9", shoptest.ProductID("flour").UUID()), page.Encode("2", [16]byte{}), "x"} {
		if _, err := s.Search.Find(t.Context(), words("面"), page.Request{Cursor: cursor}); !errors.Is(err, page.ErrCursor) {
			t.Errorf("the cursor %q: %v", cursor, err)
		}
	}
}

func TestTheLongestNameIsFound(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 1)
	name := strings.Repeat("重庆长乐莜行朝着参差", 12)
	_, err := s.Sell(t.Context(), shoptest.Product(shoptest.Miller, "long", 100, catalog.Description{
		Category: "OIL", Name: name, Brand: strings.Repeat("乐", 60), Origin: strings.Repeat("重庆", 60), Certifications: strings.Repeat("长行", 100),
	}), 1)
	must(t, err)
	s.Perform(t)
	if utf8.RuneCountInString(name) != search.MaxQuery {
		t.Fatalf("the name has %d characters", utf8.RuneCountInString(name))
	}
	for _, q := range []string{name, "重庆", "chongqing", "zhongqing", "changle", "cqcl"} {
		if got := find(t, s, words(q), 5); !slices.Equal(got, []string{"long"}) {
			t.Errorf("%q finds %v", q, got)
		}
	}
}

func TestSuggestionsAreCategoriesAndNamesThatBeginSo(t *testing.T) {
	t.Parallel()
	s, _ := county(t)
	suggest := func(typed string) []search.Suggestion {
		t.Helper()
		got, err := s.Search.Suggest(t.Context(), typed)
		must(t, err)
		return got
	}
	if got := suggest("hongx"); len(got) == 0 || !strings.HasPrefix(got[0].Text, "红喜") {
		t.Errorf("hongx: %v", got)
	}
	if got := suggest("薯"); len(got) == 0 || got[0] != (search.Suggestion{Text: "薯", Category: "POTATO_SHU"}) {
		t.Errorf("薯: %v", got)
	}
	if got := suggest("马铃"); len(got) != 0 {
		t.Errorf("half a synonym: %v", got)
	}
	if got := suggest("马铃薯"); len(got) != 3 {
		t.Errorf("马铃薯: %v", got)
	}
	if got := suggest("🥔"); got != nil {
		t.Errorf("a picture: %v", got)
	}
	for _, typed := range []string{"y", "草", "d", "1"} {
		if got := suggest(typed); len(got) > 10 {
			t.Errorf("%s: %d suggestions", typed, len(got))
		}
	}
	if _, err := s.Search.Suggest(t.Context(), strings.Repeat("面", search.MaxQuery+1)); !errors.Is(err, search.ErrTooMuch) {
		t.Errorf("too long: %v", err)
	}
	if fmt.Sprint(suggest("y")) != fmt.Sprint(suggest("Y")) {
		t.Error("capitals matter")
	}
}
