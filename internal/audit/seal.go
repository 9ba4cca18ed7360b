package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/statement"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/internal/transparency"
)

// Seal is a month to which nothing is added any more.
type Seal struct {
	Month    string // "2020-01"
	Until    time.Time
	Document publication.ID
	Digest   [32]byte // of the document
	By       identity.ID
	At       time.Time
}

// sealFormat is the form of the document below. A new form gets a new name.
const sealFormat = "shiyi.seal/v1"

// sealed is the document of a seal: its JSON, without blanks and in this order, is what is
// published, so that who has the book makes the same bytes of it again.
type sealed struct {
	Format   string    `json:"format"`
	Month    string    `json:"month"`
	From     time.Time `json:"from"`     // UTC
	Until    time.Time `json:"until"`    // UTC; no more in it
	Previous string    `json:"previous"` // the digest of the seal before; "" for the first
	LogSize  int64     `json:"log_size"` // of the public log when it was sealed

	Transfers int64  `json:"transfers"` // of the month
	Digest    string `json:"digest"`    // SHA-256 over the SHA-256 of their leaves, in the order of time, home and id
	// The same of those whose leaves are public, in the order of the log: who has the log can compute it.
	Public       int64  `json:"public_transfers"`
	PublicDigest string `json:"public_digest"`

	Accounts []sealedAccount `json:"trial_balance"`  // ids that only the enterprise and its buyers are to know are *
	Each     string          `json:"account_digest"` // SHA-256 over a line for each account by itself
	Levy     sealedLevy      `json:"levy"`
}

type sealedAccount struct {
	Account string `json:"account"`
	Opening int64  `json:"opening_li"`
	In      int64  `json:"in_li"`
	Out     int64  `json:"out_li"`
	Closing int64  `json:"closing_li"`
}

type sealedLevy struct {
	Orders    int64 `json:"orders"`
	Goods     int64 `json:"goods_fen"`
	Refunded  int64 `json:"refunded_fen"`
	Tenth     int64 `json:"tenth_li"`
	Transfers int64 `json:"transfers"`
	BookGoods int64 `json:"book_goods_li"`
	BookTenth int64 `json:"book_tenth_li"`
}

// Seals are the months that are sealed, the newest first.
func (s *Service) Seals(ctx context.Context) ([]Seal, error) {
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) ([]Seal, error) { return seals(ctx, tx) })
}

// Seal seals a month ("2020-01"): its figures are published, and from then on the database
// refuses every entry with a time in it. Months follow one another; one that is sealed is over,
// compared with the provider without an open break as far as days are compared at all, whole
// in the log, and without a difference in the levy audit. One that is sealed already stays as it
// is. For auditors. ErrMonth, ErrNotOver, ErrUnreconciled, ErrUnnumbered, ErrDifferent.
func (s *Service) Seal(ctx context.Context, caller identity.Caller, month string) (Seal, error) {
	if err := caller.Must(identity.Auditor); err != nil {
		return Seal{}, err
	}
	draft, err := postgres.View(ctx, s.db, func(tx *postgres.Tx) (draft, error) { return drafted(ctx, tx, month) })
	if err != nil || draft.done.Month == month {
		return draft.done, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Seal, error) {
		if err := aloneWithTheBook(ctx, tx); err != nil {
			return Seal{}, err
		}
		changed, err := draft.outdated(ctx, tx)
		if err != nil {
			return Seal{}, err
		}
		if changed {
			if draft, err = drafted(ctx, tx, month); err != nil || draft.done.Month == month {
				return draft.done, err
			}
		}
		return publish(ctx, tx, caller, draft.sealed)
	})
}

// draft is a seal that is ready to be published, or one that is done. It is made while the shop sells:
// to balance a book takes time, in which nobody could book.
type draft struct {
	sealed
	done Seal
}

// drafted makes the seal of a month, or finds it.
func drafted(ctx context.Context, tx *postgres.Tx, month string) (draft, error) {
	all, err := seals(ctx, tx)
	if err != nil {
		return draft{}, err
	}
	if i := slices.IndexFunc(all, func(s Seal) bool { return s.Month == month }); i >= 0 {
		return draft{done: all[i]}, nil
	}
	next, previous, err := due(ctx, tx, all)
	if err != nil {
		return draft{}, err
	}
	if next == "" || month != next {
		return draft{}, ErrMonth.With("the next is %q", next)
	}
	p := monthOf(month)
	if _, until := p.Bounds(); tx.Now.Before(until) {
		return draft{}, ErrNotOver
	}
	if err := ready(ctx, tx, p); err != nil {
		return draft{}, err
	}
	size, err := transparency.Size(ctx, tx)
	if err != nil {
		return draft{}, err
	}
	from, until := p.Bounds()
	accounts, err := ledger.Trial(ctx, tx, from, until)
	if err != nil {
		return draft{}, err
	}
	b, err := body(ctx, tx, month, previous, size, accounts)
	return draft{sealed: b}, err
}

// outdated reports whether something happened since the draft was made that it does not know: somebody
// sealed, or booked in the month after all, or a break was found.
func (d draft) outdated(ctx context.Context, tx *postgres.Tx) (bool, error) {
	all, err := seals(ctx, tx)
	if err != nil || len(all) > 0 && all[0].Month >= d.Month {
		return true, err
	}
	open, uncompared, err := unreconciled(ctx, tx, monthOf(d.Month))
	if err != nil || open+uncompared > 0 {
		return true, err
	}
	n, err := entries(ctx, tx, d.From, d.Until)
	return n != d.Transfers, err
}

// publish writes the seal down for good.
func publish(ctx context.Context, tx *postgres.Tx, caller identity.Caller, b sealed) (Seal, error) {
	raw, err := json.Marshal(b)
	if err != nil {
		return Seal{}, err
	}
	d, err := publication.Publish(ctx, tx, publication.Document{
		Kind: publication.Seal, TitleZH: b.Month + " 封账", TitleEN: "The book of " + b.Month + " is sealed", MediaType: "application/json", Body: raw,
	})
	if err != nil {
		return Seal{}, err
	}
	seal := Seal{b.Month, b.Until, d.ID, d.Digest(), caller.Account, tx.Now}
	if err := insertSeal(ctx, tx, seal); err != nil {
		return seal, err
	}
	return seal, trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: "period.seal", Object: "period:" + b.Month,
		Detail: map[string]any{"document": d.ID.String(), "transfers": b.Transfers},
	})
}

// ready refuses a month of which something is open.
func ready(ctx context.Context, tx *postgres.Tx, p Period) error {
	open, uncompared, err := unreconciled(ctx, tx, p)
	if err != nil {
		return err
	}
	if open+uncompared > 0 {
		return ErrUnreconciled.With("%d breaks are open, %d days are not compared", open, uncompared)
	}
	n, err := countDifferences(ctx, tx, p)
	if err != nil {
		return err
	}
	if n > 0 {
		return ErrDifferent.With("%d differences", n)
	}
	return nil
}

// body is what a seal of a month with this trial balance says, made from the book. ErrUnnumbered.
func body(ctx context.Context, tx *postgres.Tx, month, previous string, size int64, accounts []ledger.Turnover) (sealed, error) {
	p := monthOf(month)
	from, until := p.Bounds()
	b := sealed{Format: sealFormat, Month: month, From: from, Until: until, Previous: previous, LogSize: size}
	if err := b.transfers(ctx, tx); err != nil {
		return b, err
	}
	b.balance(accounts)
	l, err := levy(ctx, tx, p)
	b.Levy = sealedLevy{l.Orders, int64(l.Goods), int64(l.Refunded), int64(l.Tenth()), l.Transfers, int64(l.BookGoods), int64(l.BookTenth)}
	return b, err
}

// transfers counts and digests those of the month.
func (b *sealed) transfers(ctx context.Context, tx *postgres.Tx) error {
	type leaf struct {
		index int64
		sum   [32]byte
	}
	var public []leaf
	all := sha256.New()
	err := ledger.Every(ctx, tx, ledger.Span{From: b.From, Until: b.Until}, func(n ledger.Numbered) error {
		if n.Index < 0 {
			return ErrUnnumbered
		}
		raw, err := n.Leaf()
		if err != nil {
			return fmt.Errorf("make the leaf of transfer %s: %w", n.ID, err)
		}
		sum := sha256.Sum256(raw)
		all.Write(sum[:])
		if b.Transfers++; n.Public {
			public = append(public, leaf{n.Index, sum})
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(public, func(x, y leaf) int { return int(x.index - y.index) })
	seen := sha256.New()
	for _, l := range public {
		seen.Write(l.sum[:])
	}
	b.Digest, b.Public, b.PublicDigest = hex.EncodeToString(all.Sum(nil)), int64(len(public)), hex.EncodeToString(seen.Sum(nil))
	return nil
}

// balance is the trial balance as anybody may see it: the fund and its programmes account by
// account, the others summed over their ids. What enterprises are paid is not public.
func (b *sealed) balance(accounts []ledger.Turnover) {
	each := sha256.New()
	b.Accounts = []sealedAccount{}
	for _, a := range accounts {
		fmt.Fprintf(each, "%s|%d|%d|%d\n", a.Account, a.Opening, a.In, a.Out)
		name := masked(a.Account)
		i := slices.IndexFunc(b.Accounts, func(s sealedAccount) bool { return s.Account == name })
		if i < 0 {
			i, b.Accounts = len(b.Accounts), append(b.Accounts, sealedAccount{Account: name})
		}
		s := &b.Accounts[i]
		s.Opening, s.In, s.Out, s.Closing = s.Opening+int64(a.Opening), s.In+int64(a.In), s.Out+int64(a.Out), s.Closing+int64(a.Closing())
	}
	b.Each = hex.EncodeToString(each.Sum(nil))
}

var (
	anyID  = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	opened = regexp.MustCompile(`^(fund:|world:programme:)`)
)

func masked(a ledger.Account) string {
	if opened.MatchString(string(a)) {
		return string(a)
	}
	return anyID.ReplaceAllString(string(a), "*")
}

// monthOf is the period of a month.
func monthOf(month string) Period {
	t, _ := time.Parse("2006-01", month)
	return statement.Month(t.Year(), int(t.Month()))
}

// after is the month that follows.
func after(month string) string {
	t, _ := time.Parse("2006-01", month)
	return t.AddDate(0, 1, 0).Format("2006-01")
}

// due is the month that is to be sealed after all, the newest first ("": the book is empty),
// and the digest of the seal before it.
func due(ctx context.Context, tx *postgres.Tx, all []Seal) (month, previous string, err error) {
	if len(all) > 0 {
		return after(all[0].Month), hex.EncodeToString(all[0].Digest[:]), nil
	}
	first, err := ledger.Walk(ctx, tx, ledger.Span{Until: tx.Now.Add(time.Hour)}, ledger.Place{ID: uuid.Nil}, 1)
	if err != nil || len(first) == 0 {
		return "", "", err
	}
	return string(merchant.DateOf(first[0].At))[:len("2006-01")], "", nil
}

// Check makes each seal again from the book and names the first thing in which one differs
// from what was published; none is a right book. A document of a seal without its row would leave the
// month open to whoever books: it is named, too. For `shiyi verify`.
func Check(ctx context.Context, db *postgres.DB) ([]string, error) {
	return postgres.View(ctx, db, func(tx *postgres.Tx) ([]string, error) {
		if unkept, err := unsealed(ctx, tx); err != nil || len(unkept) > 0 {
			return unkept, err
		}
		all, err := seals(ctx, tx)
		if err != nil {
			return nil, err
		}
		previous, accounts := "", []ledger.Turnover(nil)
		for _, s := range slices.Backward(all) {
			said, raw, err := published(ctx, tx, s)
			if err != nil {
				return nil, err
			}
			if sum := sha256.Sum256(raw); sum != s.Digest {
				return []string{"the seal of " + s.Month + ": its document is gone, or is another than was sealed"}, nil
			}
			from, until := monthOf(s.Month).Bounds()
			if previous == "" {
				accounts, err = ledger.Trial(ctx, tx, from, until)
			} else {
				accounts, err = ledger.TrialAfter(ctx, tx, accounts, from, until)
			}
			if err != nil {
				return nil, err
			}
			now, err := body(ctx, tx, s.Month, previous, said.LogSize, accounts)
			if errors.Is(err, ErrUnnumbered) {
				return []string{"the seal of " + s.Month + ": an entry of the month is not in the log"}, nil
			}
			if err != nil {
				return nil, err
			}
			if what := said.differs(now); what != "" {
				return []string{"the seal of " + s.Month + ": " + what}, nil
			}
			if !s.Until.Equal(said.Until) {
				return []string{fmt.Sprintf("the seal of %s: until: sealed %s, the database refuses entries before %s", s.Month, said.Until, s.Until)}, nil
			}
			previous = hex.EncodeToString(s.Digest[:])
		}
		return nil, nil
	})
}

// differs names the first thing in which two seals differ; "" is none.
func (b sealed) differs(now sealed) string {
	for i, a := range b.Accounts {
		switch {
		case i >= len(now.Accounts) || now.Accounts[i].Account != a.Account:
			return fmt.Sprintf("account %s: sealed with %d li, and the book has no such account now", a.Account, a.Closing)
		case now.Accounts[i] != a:
			return fmt.Sprintf("account %s: sealed %+v, the book says %+v", a.Account, a, now.Accounts[i])
		}
	}
	if b.Levy != now.Levy {
		return fmt.Sprintf("levy: sealed %+v, now it is %+v", b.Levy, now.Levy)
	}
	for _, f := range []struct {
		name      string
		then, now any
	}{
		{"format", b.Format, now.Format},
		{"month", b.Month, now.Month},
		{"from", b.From, now.From},
		{"until", b.Until, now.Until},
		{"previous seal", b.Previous, now.Previous},
		{"transfers", b.Transfers, now.Transfers},
		{"digest of the transfers", b.Digest, now.Digest},
		{"public transfers", b.Public, now.Public},
		{"digest of the public transfers", b.PublicDigest, now.PublicDigest},
		{"accounts", len(b.Accounts), len(now.Accounts)},
		{"digest of the accounts", b.Each, now.Each},
	} {
		if f.then != f.now {
			return fmt.Sprintf("%s: sealed %v, the book says %v", f.name, f.then, f.now)
		}
	}
	return ""
}
