// Package review is what buyers say of what they bought. Nothing of it is ever
// deleted (e-commerce law, article 39): a review may be hidden on a ground of law,
// and then everybody sees that it is, and why.
package review

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/order"
)

// Faults of reviews.
var (
	// ErrUnknown says that there is no such review, or that it is not the caller's to act on.
	ErrUnknown = fault.New(fault.NotFound, "review.not_found", "No such review", "评价不存在")
	// ErrLine says that the order has no such line.
	ErrLine = fault.New(fault.NotFound, "review.line_not_found", "The order has no such line", "订单中没有该商品行")
	// ErrNotBought says that the order was never paid.
	ErrNotBought = fault.New(fault.Refused, "review.not_bought", "Only what was paid for is reviewed", "仅可评价已付款的商品")
	// ErrReviewed says that the line has another review already, or the review another follow-up.
	ErrReviewed = fault.New(fault.Conflict, "review.written_already", "It was reviewed already", "已评价，不能重复评价")
	// ErrOwnGoods says that nobody reviews, hides or shows what is said of an enterprise of his own.
	ErrOwnGoods = fault.New(fault.Refused, "review.own_goods", "Not for the goods of one's own enterprise", "不能评价或处理本企业商品的评价")
	// ErrOwnReview says that nobody hides or shows what he wrote himself.
	ErrOwnReview = fault.New(fault.Refused, "review.own_review", "Nobody hides or shows a review of his own", "不能处理本人的评价")
	// ErrInvalid names what is wrong with a text, the stars, the pictures or the ground.
	ErrInvalid = fault.New(fault.Invalid, "review.invalid", "The review is not written properly", "评价内容有误")
	// ErrState says that the review is hidden already, or shown already.
	ErrState = fault.New(fault.Conflict, "review.wrong_state", "The review is in that state already", "评价已处于该状态")
	// ErrRaced says that somebody else acted on the review at the same moment.
	ErrRaced = fault.New(fault.Conflict, "review.raced", "Somebody else acted on the review at the same moment", "评价刚被他人处理，请刷新后重试")
)

// Bounds of what is written.
const (
	MaxText     = 500 // characters
	MaxPictures = 9
)

// ID names a review.
type ID = id.Of[Review]

// Ground is the ground of law on which a review is hidden.
type Ground string

// The grounds. That a review is unfavourable is none.
const (
	IllegalContent      Ground = "illegal_content"      // provisions on the governance of online content, article 6
	PersonalInformation Ground = "personal_information" // somebody's data is told (personal information protection law, article 10)
	Defamation          Ground = "defamation"           // insult or libel (civil code, article 1024)
	Fabricated          Ground = "fabricated"           // an invented purchase or opinion (anti-unfair competition law)
	CourtOrder          Ground = "court_order"          // a court or an authority has ordered it
)

// Known reports whether g is one of the grounds.
func (g Ground) Known() bool {
	return slices.Contains([]Ground{IllegalContent, PersonalInformation, Defamation, Fabricated, CourtOrder}, g)
}

// Writing is what a buyer writes of a line of an order.
type Writing struct {
	Line      int // of the order, from 1
	Stars     int // 1 to 5
	Text      string
	Pictures  []file.ID // his own, at most MaxPictures
	Anonymous bool      // his name is not shown, not even masked
}

// Addition is what a buyer adds to his review later.
type Addition struct {
	Text     string
	Pictures []file.ID
}

// FollowUp is an Addition that was written. Its zero value is none.
type FollowUp struct {
	Addition
	At time.Time
}

// Answer is what the enterprise says to a review. Its zero value is none.
type Answer struct {
	N    int // how many answers there were until this one
	Text string
	At   time.Time
}

// Visibility says whether a review is hidden. Its zero value is a review that
// nobody has ever hidden.
type Visibility struct {
	N      int // how often it was hidden or shown
	Hidden bool
	Ground Ground // "" for a review that is shown
	Reason string
	At     time.Time
}

// Review is what a buyer says of a line that he paid for.
type Review struct {
	ID       ID
	Merchant merchant.ID
	Product  catalog.ProductID
	Order    order.ID
	Line     int
	Buyer    identity.ID // shown to nobody
	Author   string      // the masked name; "" is anonymous
	Stars    int
	Text     string
	Pictures []file.ID
	At       time.Time
	FollowUp FollowUp
	Answer   Answer
	Visibility
}

// Summary is what all reviews of a product come to. Those that are hidden are only
// counted.
type Summary struct {
	Count         int64
	Hidden        int64
	AverageTenths int64    // of a star, rounded half up; 0 when there is none
	Histogram     [5]int64 // of 1, 2, … 5 stars
}

// summarize counts reviews by stars.
func summarize(histogram [5]int64, hidden int64) Summary {
	s := Summary{Hidden: hidden, Histogram: histogram}
	var stars int64
	for i, n := range histogram {
		s.Count += n
		stars += int64(i+1) * n
	}
	if s.Count > 0 {
		s.AverageTenths = (20*stars + s.Count) / (2 * s.Count)
	}
	return s
}

// Hide takes a review's words and pictures from view.
func (r *Review) Hide(g Ground, reason string, at time.Time) error {
	if !g.Known() {
		return ErrInvalid.At("/ground", "enum", "no ground of law")
	}
	if r.Hidden {
		return ErrState.With("the review is hidden already")
	}
	r.Visibility = Visibility{N: r.N + 1, Hidden: true, Ground: g, Reason: reason, At: at}
	return nil
}

// Show lets a hidden review be seen again.
func (r *Review) Show(reason string, at time.Time) error {
	if !r.Hidden {
		return ErrState.With("the review is not hidden")
	}
	r.Visibility = Visibility{N: r.N + 1, Reason: reason, At: at}
	return nil
}

// redacted is a review as the public sees it: of a hidden one only that it is
// there, and why it is hidden.
func (r Review) redacted() Review {
	if r.Hidden {
		r.Author, r.Stars, r.Text, r.Pictures, r.FollowUp, r.Answer = "", 0, "", nil, FollowUp{}, Answer{}
	}
	return r
}

// check refuses stars that there are not, and what check refuses of text and pictures.
func (w Writing) check() error {
	if w.Stars < 1 || w.Stars > 5 {
		return ErrInvalid.At("/stars", "range", "1 to 5")
	}
	return check(w.Text, w.Pictures)
}

// check refuses a text that is empty, too long or has control characters, and too
// many pictures or one twice.
func check(text string, pictures []file.ID) error {
	if n := utf8.RuneCountInString(text); !strings.ContainsFunc(text, visible) || n > MaxText || !plain(text) {
		return ErrInvalid.At("/text", "text", "1 to 500 characters that are seen, none of them a control character")
	}
	for i, p := range pictures {
		if len(pictures) > MaxPictures || slices.Contains(pictures[:i], p) {
			return ErrInvalid.At("/picture_ids", "length", "at most 9 pictures, each once")
		}
	}
	return nil
}

// plain reports whether a text has no control characters but line breaks, and none
// that turn the direction of what stands around it.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r)
	})
}

// visible reports whether a character leaves ink: no space, no joiner, no filler.
func visible(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Mn, r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// Mask is how a name is shown: its first character that is seen and two stars, whatever its
// length. "" stays "".
func Mask(name string) string {
	i := strings.IndexFunc(name, visible)
	if i < 0 {
		return ""
	}
	r, _ := utf8.DecodeRuneInString(name[i:])
	if r == utf8.RuneError {
		return ""
	}
	return string(r) + "**"
}
