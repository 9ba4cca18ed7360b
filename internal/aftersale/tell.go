package aftersale

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/lifecycle"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/returns"
)

// tellCanceled tells the buyer of an order, and its enterprise unless it was who did it,
// that it was canceled.
func tellCanceled(ctx context.Context, tx *postgres.Tx, o order.Order, by lifecycle.Role) error {
	told := []notice.Event{notice.OrderCanceled(o.Buyer, o.ID)}
	if by != lifecycle.Merchant {
		told = append(told, notice.OrderCalledOff(o.Merchant.UUID(), o.ID))
	}
	return notice.Post(ctx, tx, told...)
}

// tellGivenBack tells an enterprise of a refund that it had no part in. The buyer is told
// when the money has come.
func tellGivenBack(ctx context.Context, tx *postgres.Tx, o order.Order, back order.Refund) error {
	return notice.Post(ctx, tx, notice.OrderGivenBack(o.Merchant.UUID(), o.ID, back.ID, back.Goods+back.Shipping))
}

// tellStep tells those whom the newest step of a case concerns and who did not take it.
func tellStep(ctx context.Context, tx *postgres.Tx, c returns.Case) error {
	step := returns.Event{Action: "open"}
	if len(c.Events) > 0 {
		step = c.Events[len(c.Events)-1]
	}
	buyer, sellers := notice.Person(c.Buyer), notice.Sellers(c.Merchant.UUID())
	var told []notice.Event
	tell := func(k notice.Kind, to ...notice.To) {
		for _, whom := range to {
			told = append(told, notice.Case(whom, k, c.Order, c.ID, step.N))
		}
	}
	switch step.Action {
	case "open":
		tell(notice.CaseOpenedKind, sellers)
	case "approve":
		tell(notice.CaseAcceptedKind, buyer)
	case "refuse":
		tell(notice.CaseDeclinedKind, buyer)
	case "send_back":
		tell(notice.CaseReturnedKind, sellers)
	case "goods_received":
		tell(notice.CaseClosedKind, buyer)
	case "withdraw":
		tell(notice.CaseClosedKind, sellers)
	case "lapse":
		tell(notice.CaseClosedKind, buyer, sellers)
	case "escalate":
		tell(notice.CaseEscalatedKind, sellers, notice.Operators())
	case "decide":
		tell(notice.CaseDecidedKind, buyer, sellers)
	}
	if step.Role == lifecycle.System && step.Action != "lapse" {
		tell(notice.CaseOverdueKind, sellers)
	}
	return notice.Post(ctx, tx, told...)
}
