package audit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/shiyi-market/shiyi/internal/audit"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/statement"
)

var admin = caller("admin", identity.FundAdmin)

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
	must(t, fee(s, "wrong"))
	s.Sequence(t)
	desk, wrong := audit.New(s.DB), found(t, s, "provider_fee")
	both := identity.Caller{Account: admin.Account, Roles: []identity.Grant{{Role: identity.FundAdmin}, {Role: identity.Auditor}}}
	c, err := desk.Propose(t.Context(), both, wrong.ID, right(45), "手续费应为0.045元", "the fee was 0.045 yuan")
	must(t, err)
	if _, err := desk.Propose(t.Context(), admin, wrong.ID, nil, "再次", "again"); !errors.Is(err, audit.ErrCorrected) {
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
	if n := pgtest.AtOnce(t, 2, func(int) error { return approve(auditor, c.Digest) }, audit.ErrState); n != 1 {
		t.Errorf("approved %d times at once", n)
	}
	s.Sequence(t)
	if fees := s.Held(t, "platform:fees"); fees != -45 {
		t.Errorf("the fees are %d li, want -45", fees)
	}
	p, err := desk.Corrections(t.Context(), audit.Approved, page.Request{})
	must(t, err)
	d, err := publication.New(s.DB, nil).Document(t.Context(), p.Data[0].Document)
	if err != nil || d.Kind != publication.Correction || !strings.Contains(string(d.Body), "0.045 yuan") || !strings.Contains(string(d.Body), `"amount_li":60`) {
		t.Errorf("%s, %v", d.Body, err)
	}
	if report, err := ledger.Check(t.Context(), s.DB); err != nil || len(report.Differences) > 0 {
		t.Errorf("the book: %+v, %v", report, err)
	}
}

func TestACorrectionDoesNotTouchTheFundNorWhatIsItsBase(t *testing.T) {
	t.Parallel()
	s := trade(t)
	must(t, fee(s, "wrong"))
	s.Sequence(t)
	desk, wrong, sale := audit.New(s.DB), found(t, s, "provider_fee"), found(t, s, fund.Sale)
	propose := func(of ledger.Numbered, moves ...ledger.Move) error {
		_, err := desk.Propose(t.Context(), admin, of.ID, moves, "更正", "mended")
		return err
	}
	for name, tt := range map[string]struct{ got, want error }{
		"a sale":             {propose(sale), audit.ErrNarrow},
		"from the fund":      {propose(wrong, ledger.Move{What: "fee", From: fund.Pending, To: "world:stripe", Amount: 1}), audit.ErrNarrow},
		"to the fund":        {propose(wrong, ledger.Move{What: "fee", From: "world:stripe", To: fund.Free, Amount: 1}), audit.ErrNarrow},
		"a tenth":            {propose(wrong, ledger.Move{What: fund.Levy, From: "platform:fees", To: "world:stripe", Amount: 1}), audit.ErrNarrow},
		"another's payable":  {propose(wrong, ledger.Move{What: "fee", From: ledger.Payable(shoptest.Miller.UUID()), To: "world:stripe", Amount: 1}), audit.ErrNarrow},
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
	if _, err := desk.Refuse(t.Context(), shoptest.Operator, c.ID, "no"); !errors.Is(err, audit.ErrOwn) {
		t.Errorf("a third person: %v", err)
	}
	if got, err := desk.Refuse(t.Context(), admin, c.ID, "mistaken"); err != nil || got.State != audit.Withdrawn {
		t.Errorf("%v, %v", got.State, err)
	}
	if _, err := desk.Propose(t.Context(), admin, wrong.ID, nil, "更正", "mended"); err != nil {
		t.Errorf("after a withdrawal: %v", err)
	}
}
