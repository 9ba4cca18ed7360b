package lifecycle

// All are the machines, in the order of a sale.
func All() []Machine {
	return []Machine{
		Checkout(), Order(), Fulfilment(), Voucher(), Case(), Refund(), PaymentIntent(), Dispute(), Payout(), Compensation(),
		PupilRequest(),
		Application(), Objection(), Change(), Grant(), Disbursement(),
		Finding(), Correction(),
	}
}

// Checkout is what a buyer places and pays at once.
func Checkout() Machine {
	return Machine{Name: "checkout", Chinese: "结算单", Table: "checkout", First: "placed", Moves: []Move{
		{"placed", "paid", "pay", []Role{Buyer}},
		{"placed", "canceled", "cancel", []Role{Buyer}},
		{"placed", "expired", "expire", []Role{System}},
		{"paid", "paid", "receipt", []Role{Buyer}},
	}}
}

// Order is what one merchant sells in one checkout. A paid one may be canceled as long as its
// Fulfilment allows it.
func Order() Machine {
	return Machine{Name: "order", Chinese: "订单", Table: "orders", First: "placed", Moves: []Move{
		{"placed", "paid", "pay", []Role{Buyer}},
		{"placed", "canceled", "cancel", []Role{Buyer}},
		{"placed", "expired", "expire", []Role{System}},
		{"paid", "paid", "refund", []Role{Operator}},
		{"paid", "refunded", "refund", []Role{Operator}},
		{"paid", "refunded", "cancel", []Role{Buyer, Merchant}},
	}}
}

// Fulfilment is how far the goods of a paid order have come.
func Fulfilment() Machine {
	return Machine{Name: "fulfilment", Chinese: "履约", Table: "fulfilment", First: "unfulfilled", Moves: []Move{
		{"unfulfilled", "unfulfilled", "cancel", []Role{Buyer, Merchant}},
		{"unfulfilled", "packed", "pack", []Role{Merchant}},
		{"unfulfilled", "partly_shipped", "ship", []Role{Merchant}},
		{"unfulfilled", "shipped", "ship", []Role{Merchant}},
		{"unfulfilled", "received", "receive", []Role{System}}, // vouchers: none can be used any more; goods: all were refunded
		{"packed", "packed", "cancel", []Role{Buyer, Merchant}},
		{"packed", "partly_shipped", "ship", []Role{Merchant}},
		{"packed", "shipped", "ship", []Role{Merchant}},
		{"packed", "received", "receive", []Role{System}},
		{"partly_shipped", "partly_shipped", "ship", []Role{Merchant}},
		{"partly_shipped", "shipped", "ship", []Role{Merchant}},
		{"partly_shipped", "received", "receive", []Role{System}},
		{"partly_shipped", "partly_shipped", "request_return", []Role{Buyer}},
		{"shipped", "delivered", "deliver", []Role{Merchant}},
		{"shipped", "received", "receive", []Role{Buyer, System}},
		{"shipped", "shipped", "request_return", []Role{Buyer}},
		{"delivered", "received", "receive", []Role{Buyer, System}},
		{"delivered", "delivered", "request_return", []Role{Buyer}},
		{"received", "received", "request_return", []Role{Buyer}},
	}}
}

// Voucher is a code for a dated service.
func Voucher() Machine {
	return Machine{Name: "voucher", Chinese: "券码", Table: "voucher", First: "issued", Moves: []Move{
		{"issued", "redeemed", "redeem", []Role{Merchant}},
		{"issued", "expired", "expire", []Role{System}},
		{"issued", "void", "void", []Role{System}},
	}}
}

// Case is a buyer's request after the sale: goods back, money back, or the money alone.
func Case() Machine {
	return Machine{Name: "after-sales case", Chinese: "售后单", Table: "aftersale_case", First: "requested", Moves: []Move{
		{"requested", "approved", "approve", []Role{Merchant, System}},
		{"requested", "refunded", "approve", []Role{Merchant, System}}, // no goods come back
		{"requested", "refused", "refuse", []Role{Merchant}},
		{"requested", "withdrawn", "withdraw", []Role{Buyer}},
		{"approved", "sent_back", "send_back", []Role{Buyer}},
		{"approved", "withdrawn", "withdraw", []Role{Buyer}},
		{"approved", "lapsed", "lapse", []Role{System}},
		{"sent_back", "refunded", "goods_received", []Role{Merchant, System}},
		{"sent_back", "refused", "refuse", []Role{Merchant}},
		{"refused", "escalated", "escalate", []Role{Buyer}},
		{"refused", "withdrawn", "withdraw", []Role{Buyer}},
		{"refused", "lapsed", "lapse", []Role{System}},
		{"escalated", "approved", "decide", []Role{Operator}}, // the goods have still to come back
		{"escalated", "refunded", "decide", []Role{Operator}},
		{"escalated", "rejected", "decide", []Role{Operator}},
		{"escalated", "withdrawn", "withdraw", []Role{Buyer}},
	}}
}

// Refund is money on its way back to a buyer.
func Refund() Machine {
	return Machine{Name: "refund", Chinese: "退款", Table: "refund", First: "pending", Moves: []Move{
		{"pending", "succeeded", "succeed", []Role{System}},
		{"pending", "failed", "fail", []Role{System}},
		{"succeeded", "failed", "fail", []Role{System}}, // a bank refuses what the provider had sent
		{"failed", "pending", "retry", []Role{Operator}},
	}}
}

// PaymentIntent is a sum that a buyer is to pay.
func PaymentIntent() Machine {
	return Machine{Name: "payment intent", Chinese: "支付单", Table: "payment_intent", First: "new", Moves: []Move{
		{"new", "opened", "open", []Role{System}},
		{"new", "succeeded", "pay", []Role{Buyer}},
		{"new", "canceled", "cancel", []Role{Buyer, System}},
		{"opened", "succeeded", "pay", []Role{Buyer}},
		{"opened", "canceled", "cancel", []Role{Buyer, System}},
		{"succeeded", "refunded", "give_back", []Role{System}},
		{"canceled", "refunding", "give_back", []Role{System}}, // paid when nothing was to be paid any more
		{"refunding", "refunded", "give_back", []Role{System}},
		{"refunded", "succeeded", "fail", []Role{System}}, // a refund failed late
		{"refunded", "refunding", "fail", []Role{System}},
	}}
}

// Dispute is a payment that the buyer's bank takes back.
func Dispute() Machine {
	return Machine{Name: "dispute", Chinese: "拒付争议", Table: "dispute", First: "open", Moves: []Move{
		{"open", "won", "win", []Role{System}},
		{"open", "lost", "lose", []Role{System}},
	}}
}

// Payout is money on its way to a merchant or to the fund.
func Payout() Machine {
	return Machine{Name: "payout", Chinese: "打款", Table: "payout", First: "pending", Moves: []Move{
		{"pending", "paid", "pay", []Role{System}},
		{"pending", "failed", "fail", []Role{System}},
		{"failed", "pending", "retry", []Role{Operator, System}},
		{"paid", "paid", "reverse", []Role{System}}, // what was refunded afterwards, or as much as the account gives back
	}}
}

// Compensation is goodwill that one operator proposes and another approves.
func Compensation() Machine {
	return Machine{Name: "compensation", Chinese: "补偿", Table: "compensation", First: "proposed", Moves: []Move{
		{"proposed", "approved", "approve", []Role{Operator}},
		{"proposed", "refused", "refuse", []Role{Operator}},
		{"proposed", "withdrawn", "withdraw", []Role{Operator}},
	}}
}

// PupilRequest is somebody's request to read who a pupil is, or to have it erased: others decide.
func PupilRequest() Machine {
	return Machine{Name: "pupil request", Chinese: "学生资料申请", Table: "pupil_request", First: "asked", Moves: []Move{
		{"asked", "approved", "approve", []Role{FundAdmin, Auditor}},
		{"asked", "refused", "refuse", []Role{FundAdmin, Auditor}},
	}}
}

// Application is what a school asks the fund for.
func Application() Machine {
	return Machine{Name: "programme application", Chinese: "项目申请", Table: "programme_application", First: "filed", Moves: []Move{
		{"filed", "assessed", "assess", []Role{FundAdmin}},
		{"filed", "declined", "decline", []Role{FundAdmin}},
		{"filed", "withdrawn", "withdraw", []Role{County, FundAdmin}},
		{"assessed", "published", "publish", []Role{FundAdmin}},
		{"assessed", "declined", "decline", []Role{FundAdmin}},
		{"assessed", "withdrawn", "withdraw", []Role{County, FundAdmin}},
		{"published", "accepted", "accept", []Role{FundAdmin}}, // after the time for objections
		{"published", "declined", "decline", []Role{FundAdmin, System}},
		{"published", "withdrawn", "withdraw", []Role{County, FundAdmin}},
	}}
}

// Objection is what anybody says against something that was published.
func Objection() Machine {
	return Machine{Name: "objection", Chinese: "公示异议", Table: "objection", First: "open", Moves: []Move{
		{"open", "upheld", "answer", []Role{FundAdmin}},
		{"open", "dismissed", "answer", []Role{FundAdmin}},
	}}
}

// Change is a change of what a programme is for.
func Change() Machine {
	return Machine{Name: "change of purpose", Chinese: "用途变更", Table: "programme_change", First: "proposed", Moves: []Move{
		{"proposed", "published", "approve", []Role{FundAdmin}},
		{"proposed", "declined", "decline", []Role{FundAdmin}},
		{"proposed", "withdrawn", "withdraw", []Role{FundAdmin}},
		{"published", "in_force", "enact", []Role{FundAdmin}}, // after the time for objections
		{"published", "declined", "decline", []Role{FundAdmin, System}},
		{"published", "withdrawn", "withdraw", []Role{FundAdmin}},
	}}
}

// Grant is so much of the fund's money for a programme.
func Grant() Machine {
	return Machine{Name: "grant", Chinese: "资助", Table: "fund_grant", First: "proposed", Moves: []Move{
		{"proposed", "proposed", "approve", []Role{FundAdmin}}, // the first of two, where the payee is a related party
		{"proposed", "committed", "approve", []Role{FundAdmin}},
		{"proposed", "refused", "refuse", []Role{FundAdmin}},
		{"proposed", "withdrawn", "withdraw", []Role{FundAdmin}},
		{"proposed", "proposed", "declare", []Role{FundAdmin}},
		{"committed", "committed", "approve", []Role{FundAdmin}}, // the second, where a relation was declared late
		{"committed", "committed", "declare", []Role{FundAdmin}},
		{"committed", "committed", "request_payment", []Role{FundAdmin}},
		{"committed", "committed", "request_release", []Role{FundAdmin}},
		{"committed", "committed", "record_return", []Role{FundAdmin}},
		{"committed", "closed", "close", []Role{System}},  // nothing is left to pay
		{"committed", "struck", "uphold", []Role{System}}, // an objection was upheld: what is not paid is free again
		{"closed", "closed", "record_return", []Role{FundAdmin}},
		{"struck", "struck", "record_return", []Role{FundAdmin}},
	}}
}

// Disbursement is money of a grant on its way: a payment is executed, a release or a return is
// done when it is approved.
func Disbursement() Machine {
	return Machine{Name: "disbursement", Chinese: "拨付", Table: "disbursement", First: "requested", Moves: []Move{
		{"requested", "approved", "approve", []Role{FundAdmin}},
		{"requested", "done", "approve", []Role{FundAdmin}},
		{"requested", "refused", "refuse", []Role{FundAdmin}},
		{"requested", "withdrawn", "withdraw", []Role{FundAdmin}},
		{"approved", "done", "execute", []Role{FundAdmin}},
		{"approved", "refused", "refuse", []Role{FundAdmin}},
		{"approved", "withdrawn", "withdraw", []Role{FundAdmin}},
	}}
}

// Finding is what an auditor found, and what was answered.
func Finding() Machine {
	asked := []Role{Operator, FundAdmin}
	return Machine{Name: "finding", Chinese: "审计发现", Table: "finding", First: "open", Moves: []Move{
		{"open", "answered", "answer", asked},
		{"open", "closed", "close", []Role{Auditor}}, // it was none
		{"answered", "answered", "answer", asked},
		{"answered", "open", "insist", []Role{Auditor}},
		{"answered", "accepted", "accept", []Role{Auditor}},
		{"accepted", "open", "insist", []Role{Auditor}}, // what was promised was not done
		{"accepted", "closed", "close", []Role{Auditor}},
	}}
}

// Correction is a new entry of the book that one person proposes and an auditor approves.
func Correction() Machine {
	return Machine{Name: "correction", Chinese: "更正分录", Table: "correction", First: "proposed", Moves: []Move{
		{"proposed", "approved", "approve", []Role{Auditor}},
		{"proposed", "refused", "refuse", []Role{Auditor, Operator, FundAdmin}},
		{"proposed", "withdrawn", "withdraw", []Role{Operator, FundAdmin}},
	}}
}
