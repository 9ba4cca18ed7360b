package review_test

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/review"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

var (
	buyer, operator = shoptest.Buyer, shoptest.Operator
	good            = review.Writing{Line: 1, Stars: 5, Text: "莜面筋道，\n下次还买。"}
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newShop(t testing.TB) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 100)
	return s
}

// bought is an order of one sack of flour that somebody paid for.
func bought(t testing.TB, s *shoptest.Shop, who string) order.ID {
	t.Helper()
	c := s.Place(t, who, shoptest.Choose("flour", 1))
	s.Pay(t, c.PayURL)
	return c.Orders[0].ID
}

// wrote is what li wrote of a sack of flour.
func wrote(t testing.TB, s *shoptest.Shop, w review.Writing) review.Review {
	t.Helper()
	r, err := s.Reviews.Write(t.Context(), buyer("li"), bought(t, s, "li"), w)
	must(t, err)
	return r
}

func ofFlour(t testing.TB, s *shoptest.Shop) []review.Review {
	t.Helper()
	p, err := s.Reviews.OfProduct(t.Context(), shoptest.ProductID("flour"), page.Request{})
	must(t, err)
	return p.Data
}

func TestWhoBoughtReviewsOnceAndMayAddOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	oid := bought(t, s, "li")
	r, err := s.Reviews.Write(t.Context(), buyer("li"), oid, good)
	must(t, err)
	if again, err := s.Reviews.Write(t.Context(), buyer("li"), oid, good); err != nil || again.ID != r.ID {
		t.Errorf("the same again: %v, %v; want %v", again.ID, err, r.ID)
	}
	other := good
	other.Stars = 1
	if _, err := s.Reviews.Write(t.Context(), buyer("li"), oid, other); !errors.Is(err, review.ErrReviewed) {
		t.Errorf("another review of the line: %v", err)
	}
	more := review.Addition{Text: "一个月后仍然好吃"}
	for range 2 {
		if r, err = s.Reviews.Add(t.Context(), buyer("li"), r.ID, more); err != nil || r.FollowUp.Text != more.Text {
			t.Errorf("added %+v, %v", r.FollowUp, err)
		}
	}
	if _, err := s.Reviews.Add(t.Context(), buyer("li"), r.ID, review.Addition{Text: "再说一次"}); !errors.Is(err, review.ErrReviewed) {
		t.Errorf("a second follow-up: %v", err)
	}
	if got := ofFlour(t, s); len(got) != 1 || got[0].Text != good.Text || got[0].FollowUp.Text != more.Text {
		t.Errorf("the public reads %+v", got)
	}
	own, err := s.Reviews.Own(t.Context(), buyer("li"), page.Request{})
	if err != nil || len(own.Data) != 1 {
		t.Errorf("his own: %d, %v", len(own.Data), err)
	}
}

func TestOnlyWhoPaidForALineReviewsIt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	oid := bought(t, s, "li")
	unpaid := s.Place(t, "li", shoptest.Choose("flour", 1)).Orders[0].ID
	insider := buyer("li")
	insider.Roles = shoptest.Seller(shoptest.Miller).Roles
	for _, c := range []struct {
		name   string
		caller identity.Caller
		order  order.ID
		line   int
		want   *fault.Error
	}{
		{"another's order", buyer("wang"), oid, 1, order.ErrNotFound},
		{"an order that there is not", buyer("li"), id.New[order.Order](s.Clock.Now()), 1, order.ErrNotFound},
		{"not paid", buyer("li"), unpaid, 1, review.ErrNotBought},
		{"a line that there is not", buyer("li"), oid, 2, review.ErrLine},
		{"line zero", buyer("li"), oid, 0, review.ErrLine},
		{"who sells it", insider, oid, 1, review.ErrOwnGoods},
	} {
		w := good
		w.Line = c.line
		if _, err := s.Reviews.Write(t.Context(), c.caller, c.order, w); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	r, err := s.Reviews.Write(t.Context(), buyer("li"), oid, good)
	must(t, err)
	if _, err := s.Reviews.Add(t.Context(), buyer("wang"), r.ID, review.Addition{Text: "不是我的"}); !errors.Is(err, review.ErrUnknown) {
		t.Errorf("added to another's: %v", err)
	}
}

func TestWhoSentGoodsBackHasBoughtThem(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	oid := bought(t, s, "li")
	_, err := s.Aftersales.Refund(t.Context(), operator, oid, order.Refunding{
		Reason: "退货", Lines: []order.RefundLine{{N: 1, Quantity: 1}},
	}, request.Claim{}, func(aftersale.Sale) (request.Answer, error) { return request.Answer{}, nil })
	must(t, err)
	s.Perform(t)
	if _, err := s.Reviews.Write(t.Context(), buyer("li"), oid, good); err != nil {
		t.Errorf("after a refund: %v", err)
	}
}

func TestAbsurdWritingIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	oid := bought(t, s, "li")
	long := make([]file.ID, review.MaxPictures+1)
	for i := range long {
		long[i] = id.FromName[file.File]("test", strings.Repeat("x", i+1))
	}
	for name, change := range map[string]func(*review.Writing){
		"no stars":      func(w *review.Writing) { w.Stars = 0 },
		"six stars":     func(w *review.Writing) { w.Stars = 6 },
		"no text":       func(w *review.Writing) { w.Text = "  " },
		"too long":      func(w *review.Writing) { w.Text = strings.Repeat("好", review.MaxText+1) },
		"a NUL":         func(w *review.Writing) { w.Text = "好\x00吃" },
		"an escape":     func(w *review.Writing) { w.Text = "\x1b[31m" },
		"nothing seen":  func(w *review.Writing) { w.Text = "\u200b\u3164\ufeff \u2060" },
		"turned around": func(w *review.Writing) { w.Text = "好\u202e吃" },
		"broken UTF-8":  func(w *review.Writing) { w.Text = "\xff" },
		"many pictures": func(w *review.Writing) { w.Pictures = long },
		"one twice":     func(w *review.Writing) { w.Pictures = []file.ID{long[0], long[0]} },
	} {
		w := good
		change(&w)
		if _, err := s.Reviews.Write(t.Context(), buyer("li"), oid, w); !errors.Is(err, review.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := ofFlour(t, s); len(got) != 0 {
		t.Errorf("something was written: %+v", got)
	}
	w := good
	w.Text = strings.Repeat("好", review.MaxText)
	if _, err := s.Reviews.Write(t.Context(), buyer("li"), oid, w); err != nil {
		t.Errorf("as long as may be: %v", err)
	}
}

func TestPicturesAreTheReviewersOwn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var b bytes.Buffer
	must(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))))
	raw := bytes.Clone(b.Bytes())
	f, err := s.Files.Put(t.Context(), file.New{Owner: buyer("li").Account.UUID(), Name: "面.png"}, &b)
	must(t, err)
	w := good
	w.Pictures = []file.ID{f.ID}
	if _, err := s.Reviews.Write(t.Context(), buyer("wang"), bought(t, s, "wang"), w); !errors.Is(err, file.ErrUnknown) {
		t.Errorf("another's picture: %v", err)
	}
	secret, err := s.Files.Put(t.Context(), file.New{Owner: buyer("li").Account.UUID(), Name: "证件.png", Private: true}, bytes.NewReader(raw))
	must(t, err)
	hidden := good
	hidden.Pictures = []file.ID{secret.ID}
	if _, err := s.Reviews.Write(t.Context(), buyer("li"), bought(t, s, "li"), hidden); !errors.Is(err, file.ErrUnknown) {
		t.Errorf("a picture that is private: %v", err)
	}
	wrote(t, s, w)
	if got := ofFlour(t, s); len(got) != 1 || !cmp.Equal(got[0].Pictures, w.Pictures, cmp.Comparer(func(a, b file.ID) bool { return a == b })) {
		t.Errorf("shown %+v", got)
	}
}

func TestAReviewWrittenAtOnceIsWrittenOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	oid := bought(t, s, "li")
	n := pgtest.AtOnce(t, 8, func(i int) error {
		w := good
		w.Stars = 1 + i%2
		_, err := s.Reviews.Write(t.Context(), buyer("li"), oid, w)
		return err
	}, review.ErrReviewed)
	if got := ofFlour(t, s); n != 4 || len(got) != 1 {
		t.Errorf("%d of 8 were told that theirs is there, and %d are", n, len(got))
	}
}

func TestNamesAreMaskedAndAnonymousIsNobody(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a, err := s.Identity.Register(t.Context(), identity.Registration{Phone: "13800000001", Name: "王小梅", Password: "correct-horse-battery"})
	must(t, err)
	caller := identity.Caller{Account: a.ID}
	for i, anonymous := range []bool{false, true} {
		s.Clock.Advance(time.Second) // so that the newest is the one that comes last
		c, err := s.Orders.Place(t.Context(), caller, shoptest.Choose("flour", 1), request.Claim{}, nil)
		must(t, err)
		s.Pay(t, c.PayURL)
		w := good
		w.Anonymous = anonymous
		_, err = s.Reviews.Write(t.Context(), caller, c.Orders[0].ID, w)
		must(t, err)
		if got, want := ofFlour(t, s)[0].Author, []string{"王**", ""}[i]; got != want {
			t.Errorf("anonymous %v: shown as %q, want %q", anonymous, got, want)
		}
	}
}

func TestAMaskShowsOneCharacter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		if got := review.Mask(name); got != "" && (len([]rune(got)) != 3 || !strings.Contains(name, strings.TrimSuffix(got, "**"))) {
			t.Errorf("%q is shown as %q", name, got)
		}
	})
	for name, want := range map[string]string{"王小梅": "王**", "\u200b\u202e 李四": "李**", "\u2060\ufeff": "", "\xff李": "", "": ""} {
		if got := review.Mask(name); got != want {
			t.Errorf("%q is shown as %q, want %q", name, got, want)
		}
	}
}

func TestTheEnterpriseAnswersAndItsOlderAnswersStay(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	r := wrote(t, s, good)
	if _, err := s.Reviews.Answer(t.Context(), shoptest.Seller(shoptest.Distiller), r.ID, "谢谢"); !errors.Is(err, review.ErrUnknown) {
		t.Errorf("another enterprise: %v", err)
	}
	miller := shoptest.Seller(shoptest.Miller)
	for i, text := range []string{"谢谢", "谢谢", "谢谢惠顾"} {
		got, err := s.Reviews.Answer(t.Context(), miller, r.ID, text)
		if want := []int{1, 1, 2}[i]; err != nil || got.Answer.N != want {
			t.Errorf("answer %d: number %d, %v; want %d", i, got.Answer.N, err, want)
		}
	}
	if got := ofFlour(t, s)[0].Answer; got.Text != "谢谢惠顾" || got.N != 2 {
		t.Errorf("shown: %+v", got)
	}
	own, err := s.Reviews.OfMerchants(t.Context(), miller, page.Request{})
	if err != nil || len(own.Data) != 1 {
		t.Errorf("the enterprise's: %d, %v", len(own.Data), err)
	}
	other, err := s.Reviews.OfMerchants(t.Context(), shoptest.Seller(shoptest.Distiller), page.Request{})
	if err != nil || len(other.Data) != 0 {
		t.Errorf("another enterprise's: %d, %v", len(other.Data), err)
	}
}

func TestHidingIsPublicAndOnAGroundOfLaw(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	r := wrote(t, s, good)
	insider := operator
	insider.Roles = append(insider.Roles[:1:1], shoptest.Seller(shoptest.Miller).Roles...)
	hide := func(c identity.Caller, g review.Ground, reason string) error {
		_, err := s.Reviews.Hide(t.Context(), c, r.ID, g, reason)
		return err
	}
	for _, c := range []struct {
		name string
		err  error
		want *fault.Error
	}{
		{"a seller", hide(shoptest.Seller(shoptest.Miller), review.Defamation, "差评"), identity.ErrForbidden},
		{"an operator who sells it", hide(insider, review.Defamation, "差评"), review.ErrOwnGoods},
		{"no ground", hide(operator, "unfavourable", "差评"), review.ErrInvalid},
		{"no reason", hide(operator, review.Defamation, " "), identity.ErrReason},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.err, c.want)
		}
	}
	if _, err := s.Reviews.Show(t.Context(), operator, r.ID, "没有隐藏"); !errors.Is(err, review.ErrState) {
		t.Errorf("show what is shown: %v", err)
	}
	if n := pgtest.AtOnce(t, 6, func(int) error { return hide(operator, review.PersonalInformation, "含有电话号码") }, review.ErrState, review.ErrRaced); n != 1 {
		t.Errorf("hidden %d times", n)
	}
	got := ofFlour(t, s)
	if len(got) != 1 || got[0].Text != "" || got[0].Author != "" || got[0].Stars != 0 || got[0].Ground != review.PersonalInformation || got[0].Reason != "含有电话号码" {
		t.Errorf("the public reads %+v", got)
	}
	if own, err := s.Reviews.Own(t.Context(), buyer("li"), page.Request{}); err != nil || own.Data[0].Text != good.Text || !own.Data[0].Hidden {
		t.Errorf("his own: %+v, %v", own, err)
	}
	if all, err := s.Reviews.All(t.Context(), operator, true, page.Request{}); err != nil || len(all.Data) != 1 {
		t.Errorf("the hidden ones: %+v, %v", all, err)
	}
	if _, err := s.Reviews.Show(t.Context(), operator, r.ID, "号码为企业公开电话"); err != nil {
		t.Errorf("show: %v", err)
	}
	if got := ofFlour(t, s)[0]; got.Text != good.Text || got.Hidden {
		t.Errorf("shown again: %+v", got)
	}
}

// An operator who buys like anybody else does not judge what he wrote.
func TestNobodyHidesOrShowsWhatHeWrote(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	r := wrote(t, s, good)
	author := buyer("li")
	author.Roles = operator.Roles
	if _, err := s.Reviews.Hide(t.Context(), author, r.ID, review.Fabricated, "不想让人看到"); !errors.Is(err, review.ErrOwnReview) {
		t.Errorf("hides his own: %v, want %v", err, review.ErrOwnReview)
	}
	_, err := s.Reviews.Hide(t.Context(), operator, r.ID, review.Defamation, "含有辱骂（虚构示例）")
	must(t, err)
	if _, err := s.Reviews.Show(t.Context(), author, r.ID, "我觉得没有问题"); !errors.Is(err, review.ErrOwnReview) {
		t.Errorf("shows his own: %v, want %v", err, review.ErrOwnReview)
	}
	if got := ofFlour(t, s); len(got) != 1 || !got[0].Hidden {
		t.Errorf("the public reads %+v", got)
	}
}

func TestTheSummaryCountsWhatIsShown(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for i, stars := range []int{5, 4, 4, 1} {
		w := good
		w.Stars = stars
		r := wrote(t, s, w)
		if i == 3 {
			_, err := s.Reviews.Hide(t.Context(), operator, r.ID, review.Fabricated, "刷单（虚构示例）")
			must(t, err)
		}
	}
	got, err := s.Reviews.Summary(t.Context(), shoptest.ProductID("flour"))
	want := review.Summary{Count: 3, Hidden: 1, AverageTenths: 43, Histogram: [5]int64{0, 0, 0, 2, 1}}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if got, err := s.Reviews.Summary(t.Context(), shoptest.ProductID("liquor")); err != nil || got != (review.Summary{}) {
		t.Errorf("without reviews: %+v, %v", got, err)
	}
	nothing := shoptest.ProductID("nothing")
	if _, err := s.Reviews.Summary(t.Context(), nothing); !errors.Is(err, catalog.ErrProduct) {
		t.Errorf("no such product: %v", err)
	}
	if _, err := s.Reviews.OfProduct(t.Context(), nothing, page.Request{}); !errors.Is(err, catalog.ErrProduct) {
		t.Errorf("no such product: %v", err)
	}
	first, err := s.Reviews.OfProduct(t.Context(), shoptest.ProductID("flour"), page.Request{Limit: 3})
	must(t, err)
	rest, err := s.Reviews.OfProduct(t.Context(), shoptest.ProductID("flour"), page.Request{Limit: 3, Cursor: first.Next})
	if err != nil || len(first.Data) != 3 || len(rest.Data) != 1 || rest.Next != "" {
		t.Errorf("pages of %d and %d, %v", len(first.Data), len(rest.Data), err)
	}
}

func TestReviewsAreNeverDeletedNorRewritten(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	wrote(t, s, good)
	for _, table := range []string{"review", "review_follow_up", "review_answer", "review_visibility"} {
		for _, statement := range []string{"DELETE FROM " + table, "UPDATE " + table + " SET merchant_id = merchant_id", "TRUNCATE " + table + " CASCADE"} {
			if _, err := pgtest.Owner(t, s.DB).ExecContext(t.Context(), statement); err == nil {
				t.Errorf("%s: allowed", statement)
			}
		}
	}
}
