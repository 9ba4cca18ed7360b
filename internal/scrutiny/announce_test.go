package scrutiny_test

import (
	"errors"
	"testing"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/scrutiny"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/webhook"
)

// TestAnApprovalIsToldOnceEach has an approval told as part of itself: one that is
// refused tells nothing, of many at once one is told, and the next one is told anew.
func TestAnApprovalIsToldOnceEach(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	e, _, err := s.Webhooks.Create(t.Context(), miller, shoptest.Miller.UUID(), "https://erp.example/hook", []webhook.Type{webhook.ProductApproved})
	if err != nil {
		t.Fatal(err)
	}
	told := func() int {
		p, err := s.Webhooks.Deliveries(t.Context(), miller, e.ID, page.Request{})
		if err != nil {
			t.Fatal(err)
		}
		return len(p.Data)
	}
	p := s.add(t, draft("P1"))
	if err := s.do(t, p.ID, "approve"); !errors.Is(err, catalog.ErrState) || told() != 0 {
		t.Errorf("a draft was approved: %v, told of %d", err, told())
	}
	for i, steps := range [][]string{{"submit"}, {"withdraw", "submit"}, {"edit", "submit", "return", "submit"}} {
		for _, step := range steps {
			if err := s.do(t, p.ID, step); err != nil {
				t.Fatalf("%s: %v", step, err)
			}
		}
		if told() != i {
			t.Errorf("%v: told of %d approvals, want %d", steps, told(), i)
		}
		pgtest.AtOnce(t, 4, func(int) error { return s.do(t, p.ID, "approve") }, catalog.ErrState)
		if told() != i+1 {
			t.Errorf("approved: told of %d approvals, want %d", told(), i+1)
		}
	}
}

// An operator who also sells for the enterprise does not judge its goods, though a
// colleague wrote and submitted them.
func TestNobodyJudgesTheGoodsOfHisOwnEnterprise(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.add(t, draft("P1"))
	if err := s.do(t, p.ID, "submit"); err != nil {
		t.Fatal(err)
	}
	both := shoptest.Buyer("both")
	both.Roles = append(append(both.Roles, shoptest.Operator.Roles...), miller.Roles...)
	if _, err := s.Scrutiny.Approve(t.Context(), both, p.ID, 0); !errors.Is(err, catalog.ErrOwnWork) {
		t.Errorf("approves: %v, want %v", err, catalog.ErrOwnWork)
	}
	if _, err := s.Scrutiny.Return(t.Context(), both, p.ID, []scrutiny.Reason{{Pointer: "/name", Message: "请写明品种"}}); !errors.Is(err, catalog.ErrOwnWork) {
		t.Errorf("returns: %v, want %v", err, catalog.ErrOwnWork)
	}
	if err := s.do(t, p.ID, "approve"); err != nil {
		t.Errorf("another operator: %v", err)
	}
}
