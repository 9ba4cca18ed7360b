package correction_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/internal/audit"
	"github.com/shiyi-market/shiyi/internal/correction"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/statement"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func caller(name string, role identity.Role) identity.Caller {
	return identity.Caller{Account: id.FromName[identity.Account]("test", name), Roles: []identity.Grant{{Role: role}}}
}

var admin, auditor = caller("admin", identity.FundAdmin), caller("auditor", identity.Auditor)

// trade is a shop with a sale and a fee.
func trade(t *testing.T) *shoptest.Shop {
	t.Helper()
	s := shoptest.New(t, shoptest.Options{})
	s.StockUp(t, 100)
	s.Pay(t, s.Place(t, "ann", shoptest.Choose("flour", 1)).PayURL)
	must(t, postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		return ledger.Book(t.Context(), tx, []ledger.Transfer{{Home: ledger.FundHome, Kind: "provider_fee", Ref: "wrong", Public: true, Moves: right(60)}})
	}))
	s.Sequence(t)
	return s
}

// found is the only transfer of a kind.
func found(t *testing.T, s *shoptest.Shop, kind string) ledger.Numbered {
	t.Helper()
	p, err := audit.New(s.DB).Transfers(t.Context(), statement.Month(2026, 11), "", page.Request{Limit: page.MaxSize})
	must(t, err)
	for _, n := range p.Data {
		if n.Kind == kind {
			return n
		}
	}
	t.Fatalf("there is no %s", kind)
	return ledger.Numbered{}
}

func right(li money.Li) []ledger.Move {
	return []ledger.Move{{What: "fee", From: "platform:fees", To: "world:stripe", Amount: li}}
}

func TestACorrectionIsProposedByOneAndApprovedByAnAuditor(t *testing.T) {
	t.Parallel()
	s := trade(t)
	desk, wrong := correction.New(s.DB), found(t, s, "provider_fee")
	both := identity.Caller{Account: admin.Account, Roles: []identity.Grant{{Role: identity.FundAdmin}, {Role: identity.Auditor}}}
	c, err := desk.Propose(t.Context(), both, wrong.ID, right(45), "手续费应为0.045元", "the fee was 0.045 yuan")
	must(t, err)
	if _, err := desk.Propose(t.Context(), admin, wrong.ID, nil, "再次", "again"); !errors.Is(err, correction.ErrCorrected) {
		t.Errorf("proposed twice: %v", err)
	}
	approve := func(who identity.Caller, digest [32]byte) error {
		_, err := desk.Approve(t.Context(), who, c.ID, digest, request.Claim{}, nil)
		return err
	}
	for name, err := range map[string]error{
		"who proposed it":    approve(both, c.Digest),
		"another digest":     approve(auditor, [32]byte{}),
		"who is no auditor":  approve(shoptest.Operator, c.Digest),
		"the reason is gone": func() error { _, err := desk.Refuse(t.Context(), auditor, c.ID, ""); return err }(),
	} {
		if err == nil {
			t.Errorf("%s: passes", name)
		}
	}
	if n := pgtest.AtOnce(t, 2, func(int) error { return approve(auditor, c.Digest) }, correction.ErrState); n != 1 {
		t.Errorf("approved %d times at once", n)
	}
	s.Sequence(t)
	if fees := s.Held(t, "platform:fees"); fees != -45 {
		t.Errorf("the fees are %d li, want -45", fees)
	}
	p, err := desk.Corrections(t.Context(), correction.Approved, page.Request{})
	must(t, err)
	d, err := publication.New(s.DB, nil).Document(t.Context(), p.Data[0].Document)
	if err != nil || d.Kind != publication.Correction || !strings.Contains(string(d.Body), "0.045 yuan") || !strings.Contains(string(d.Body), `"amount_li":60`) {
		t.Errorf("%s, %v", d.Body, err)
	}
	if report, err := ledger.Check(t.Context(), s.DB); err != nil || len(report.Differences) > 0 {
		t.Errorf("the book: %+v, %v", report, err)
	}
}

func TestTheNoteOfACorrectionNamesNoLeafThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := shoptest.New(t, shoptest.Options{})
	must(t, postgres.Do(t.Context(), s.DB, func(tx *postgres.Tx) error {
		return ledger.Book(t.Context(), tx, []ledger.Transfer{{Home: ledger.FundHome, Kind: "provider_fee", Ref: "wrong", Public: true, Moves: right(60)}})
	}))
	desk := correction.New(s.DB)
	c, err := desk.Propose(t.Context(), admin, found(t, s, "provider_fee").ID, right(45), "手续费应为0.045元", "the fee was 0.045 yuan")
	must(t, err)
	c, err = desk.Approve(t.Context(), auditor, c.ID, c.Digest, request.Claim{}, nil)
	must(t, err)
	if d, err := publication.New(s.DB, nil).Document(t.Context(), c.Document); err != nil || strings.Contains(string(d.Body), `"leaf"`) {
		t.Errorf("%s, %v", d.Body, err)
	}
}

func TestACorrectionDoesNotTouchTheFundNorWhatIsItsBase(t *testing.T) {
	t.Parallel()
	s := trade(t)
	desk, wrong, sale := correction.New(s.DB), found(t, s, "provider_fee"), found(t, s, fund.Sale)
	propose := func(of ledger.Numbered, moves ...ledger.Move) error {
		_, err := desk.Propose(t.Context(), admin, of.ID, moves, "更正", "mended")
		return err
	}
	for name, tt := range map[string]struct{ got, want error }{
		"a sale":             {propose(sale), correction.ErrNarrow},
		"from the fund":      {propose(wrong, ledger.Move{What: "fee", From: fund.Pending, To: "world:stripe", Amount: 1}), correction.ErrNarrow},
		"to the fund":        {propose(wrong, ledger.Move{What: "fee", From: "world:stripe", To: fund.Free, Amount: 1}), correction.ErrNarrow},
		"a tenth":            {propose(wrong, ledger.Move{What: fund.Levy, From: "platform:fees", To: "world:stripe", Amount: 1}), correction.ErrNarrow},
		"another's payable":  {propose(wrong, ledger.Move{What: "fee", From: ledger.Payable(shoptest.Miller.UUID()), To: "world:stripe", Amount: 1}), correction.ErrNarrow},
		"a move of nothing":  {propose(wrong, ledger.Move{What: "fee", From: "platform:fees", To: "world:stripe"}), ledger.ErrMove},
		"a transfer unheard": {propose(ledger.Numbered{Entry: ledger.Entry{ID: id.New[ledger.Transfer](s.Clock.Now())}}), ledger.ErrUnknown},
		"by an auditor alone": {func() error {
			_, err := desk.Propose(t.Context(), auditor, wrong.ID, nil, "更正", "mended")
			return err
		}(), identity.ErrForbidden},
	} {
		if !errors.Is(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
		}
	}
	c, err := desk.Propose(t.Context(), admin, wrong.ID, nil, "更正", "mended")
	must(t, err)
	if _, err := desk.Refuse(t.Context(), shoptest.Buyer("ann"), c.ID, "no"); !errors.Is(err, identity.ErrForbidden) {
		t.Errorf("a buyer: %v", err)
	}
	if got, err := desk.Refuse(t.Context(), admin, c.ID, "mistaken"); err != nil || got.State != correction.Withdrawn {
		t.Errorf("%v, %v", got.State, err)
	}
	if _, err := desk.Propose(t.Context(), admin, wrong.ID, nil, "更正", "mended"); err != nil {
		t.Errorf("after a withdrawal: %v", err)
	}
}
