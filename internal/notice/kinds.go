package notice

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
)

// Topic is a group of kinds that a person can have his wishes about.
type Topic string

// The topics. Only reminders can be switched off: the others tell of the recipient's
// own money, goods and rights. None is promotion, which would need his consent
// (Consumer Protection Law 29).
const (
	Orders    Topic = "orders"
	Aftersale Topic = "aftersale"
	Money     Topic = "money"
	Standing  Topic = "standing"
	Reminders Topic = "reminders"
)

// Topics are all topics.
func Topics() []Topic { return []Topic{Orders, Aftersale, Money, Standing, Reminders} }

// Transactional reports whether notices of the topic are told in any case.
func (t Topic) Transactional() bool { return t != Reminders }

// Kind is a kind of event that people are told of.
type Kind string

// The kinds.
const (
	OrderPaidKind         Kind = "order.paid"          // to the buyer, once a checkout
	OrderShippedKind      Kind = "order.shipped"       // to the buyer, once a parcel
	OrderDeliveredKind    Kind = "order.delivered"     // to the buyer
	OrderReceivedKind     Kind = "order.received"      // to the buyer: by his own word, or because the time is over
	OrderCanceledKind     Kind = "order.canceled"      // to the buyer: paid, and it will not come
	OrderCalledOffKind    Kind = "order.called_off"    // to the enterprise: the buyer does not want it any more
	OrderGivenBackKind    Kind = "order.given_back"    // to the enterprise: the platform gave money of it back
	OrderReceivedSoonKind Kind = "order.received_soon" // to the buyer: it counts as received soon
	OrderToShipKind       Kind = "order.to_ship"       // to the enterprise, once a day: what is promised for today
	CaseOpenedKind        Kind = "case.opened"         // to the enterprise
	CaseAcceptedKind      Kind = "case.accepted"       // to the buyer
	CaseDeclinedKind      Kind = "case.declined"       // to the buyer
	CaseReturnedKind      Kind = "case.returned"       // to the enterprise: the goods are on their way back
	CaseEscalatedKind     Kind = "case.escalated"      // to the enterprise and the operators: the platform decides
	CaseOverdueKind       Kind = "case.overdue"        // to the enterprise: it did not answer in time
	CaseDecidedKind       Kind = "case.decided"        // to either side
	CaseClosedKind        Kind = "case.closed"         // to either side
	RefundSucceededKind   Kind = "refund.succeeded"    // to the buyer
	RefundFailedKind      Kind = "refund.failed"       // to the buyer
	CompensationPaidKind  Kind = "compensation.paid"   // to the buyer
	VoucherIssuedKind     Kind = "voucher.issued"      // to the buyer, once an order
	VoucherExpiringKind   Kind = "voucher.expiring"    // to the buyer
	PayoutPaidKind        Kind = "payout.paid"         // to the enterprise, once a day
	PayoutFailedKind      Kind = "payout.failed"       // to the enterprise
	PayoutReversedKind    Kind = "payout.reversed"     // to the enterprise: money came back from its account
	PayoutDeductedKind    Kind = "payout.deducted"     // to the enterprise: it did not, and later payouts are smaller
	DisputeOpenedKind     Kind = "dispute.opened"      // to the enterprise and the operators
	DisputeDueKind        Kind = "dispute.due"         // to the enterprise and the operators: the deadline is near
	DisputeClosedKind     Kind = "dispute.closed"      // to the enterprise and the operators
	LicenceExpiringKind   Kind = "licence.expiring"    // to the enterprise
)

// words are a kind's texts in one language; {name} stands for a parameter.
type words struct{ title, body string }

// kind is what is known of a kind.
type kind struct {
	topic  Topic
	params []string
	zh, en words
}

// Topic is what the kind belongs to.
func (k Kind) Topic() Topic { return kinds()[k].topic }

// kinds are all kinds. They are data: a new one is a constant, an entry here, and a
// value of the contract's schema NoticeKind.
func kinds() map[Kind]kind {
	all := orderKinds()
	for _, more := range []map[Kind]kind{caseKinds(), moneyKinds()} {
		for k, d := range more {
			all[k] = d
		}
	}
	return all
}

func orderKinds() map[Kind]kind {
	return map[Kind]kind{
		OrderPaidKind: {
			Orders,
			[]string{"order", "total", "levy"},
			words{"已收到您的付款 {total} 元", "结算单 {order} 已付款 {total} 元，其中 {levy} 元计入教育基金。回执可在结算单中下载。"},
			words{"We have received your payment of CNY {total}", "Checkout {order} is paid: CNY {total}, of which CNY {levy} go into the education fund. The receipt is with the checkout."},
		},
		OrderShippedKind: {
			Orders,
			[]string{"order", "carrier", "number"},
			words{"您的订单已发货", "订单 {order} 已由 {carrier} 承运，运单号 {number}。"},
			words{"Your order is on its way", "Order {order} was handed to {carrier}; its tracking number is {number}."},
		},
		OrderDeliveredKind: {
			Orders,
			[]string{"order", "date"},
			words{"您的订单已送达", "订单 {order} 已送达。如无问题请确认收货；{date} 将自动确认。"},
			words{"Your order has arrived", "Order {order} was delivered. Please confirm that you have it; on {date} it counts as received."},
		},
		OrderReceivedKind: {
			Orders,
			[]string{"order", "date"},
			words{"订单已确认收货", "订单 {order} 已确认收货。{date} 及之前可在订单中申请退换货。"},
			words{"An order counts as received", "Order {order} counts as received. Through {date} you can ask for a return, with the order."},
		},
		OrderCanceledKind: {
			Orders,
			[]string{"order"},
			words{"您的订单已取消", "订单 {order} 已取消，货款按原支付方式退回。"},
			words{"Your order was canceled", "Order {order} was canceled; what you paid goes back the way it came."},
		},
		OrderCalledOffKind: {
			Orders,
			[]string{"order"},
			words{"买家已取消订单", "买家已取消订单 {order}，请勿发货。"},
			words{"A buyer has canceled an order", "Order {order} was canceled by its buyer; please do not ship it."},
		},
		OrderGivenBackKind: {
			Money,
			[]string{"order", "amount"},
			words{"平台已为订单退款 {amount} 元", "平台已就订单 {order} 向买家退款 {amount} 元，已退款的商品请勿发货。"},
			words{"CNY {amount} of an order were refunded", "The platform has refunded CNY {amount} of order {order} to its buyer; please do not ship what was refunded."},
		},
		OrderReceivedSoonKind: {
			Reminders,
			[]string{"order", "date"},
			words{"订单将自动确认收货", "订单 {order} 将于 {date} 自动确认收货。若未收到货物，请在此之前告知我们。"},
			words{"An order will count as received", "On {date} order {order} will count as received. Tell us before then if you do not have it."},
		},
		OrderToShipKind: {
			Orders,
			[]string{"count", "date"},
			words{"今日有 {count} 笔订单待发货", "截至 {date} 应发货而尚未发货的订单共 {count} 笔，请按时发货。"},
			words{"{count} orders are to be shipped today", "{count} orders were promised to be shipped by {date} and have not left yet."},
		},
		VoucherIssuedKind: {
			Orders,
			[]string{"order", "count"},
			words{"您的券码已发放", "订单 {order} 的 {count} 张券已发放，券码请在“我的券”中查看。"},
			words{"Your vouchers are here", "The {count} vouchers of order {order} were issued; their codes are with your vouchers."},
		},
		VoucherExpiringKind: {
			Reminders,
			[]string{"order", "name", "date", "count"},
			words{"您有 {count} 张券即将到期", "订单 {order} 中的“{name}”还有 {count} 张未使用，有效期至 {date}，请及时预约使用。"},
			words{"{count} vouchers of yours will expire", "{count} of “{name}” of order {order} are unused and good through {date}; please make use of them in time."},
		},
	}
}

func caseKinds() map[Kind]kind {
	one := func(zh, en words) kind { return kind{Aftersale, []string{"order"}, zh, en} }
	return map[Kind]kind{
		CaseOpenedKind: one(
			words{"收到一项售后申请", "买家就订单 {order} 提出售后申请，请在规定期限内处理。"},
			words{"A buyer asks for after-sales service", "The buyer of order {order} has opened an after-sales case; please answer it in time."}),
		CaseAcceptedKind: one(
			words{"您的售后申请已同意", "订单 {order} 的售后申请已同意，请查看后续步骤。"},
			words{"Your after-sales case was accepted", "The after-sales case of order {order} was accepted; please see what follows."}),
		CaseDeclinedKind: one(
			words{"您的售后申请未获同意", "企业未同意订单 {order} 的售后申请。您可申请平台介入。"},
			words{"Your after-sales case was declined", "The enterprise has declined the after-sales case of order {order}. You may ask the platform to decide."}),
		CaseReturnedKind: one(
			words{"退货已寄出", "订单 {order} 的退货已寄出，收到后请及时查验。"},
			words{"Goods are on their way back", "The goods of order {order} are on their way back; please look at them when they arrive."}),
		CaseEscalatedKind: one(
			words{"平台已介入售后", "订单 {order} 的售后申请已转由平台处理。"},
			words{"The platform decides an after-sales case", "The after-sales case of order {order} is now with the platform."}),
		CaseOverdueKind: one(
			words{"售后逾期未处理", "订单 {order} 的售后申请逾期未处理，已按规则视为同意。"},
			words{"An after-sales case was not answered in time", "The after-sales case of order {order} was not answered in time, and counts as accepted."}),
		CaseDecidedKind: one(
			words{"售后申请已有处理结果", "平台已就订单 {order} 的售后申请作出决定。"},
			words{"An after-sales case was decided", "The platform has decided the after-sales case of order {order}."}),
		CaseClosedKind: one(
			words{"售后已结束", "订单 {order} 的售后申请已结束。"},
			words{"An after-sales case is closed", "The after-sales case of order {order} is closed."}),
	}
}

func moneyKinds() map[Kind]kind {
	amount, both := []string{"amount"}, []string{"order", "amount"}
	return map[Kind]kind{
		RefundSucceededKind: {
			Money, both,
			words{"退款 {amount} 元已退回", "订单 {order} 的退款 {amount} 元已按原支付方式退回。"},
			words{"CNY {amount} were refunded", "The refund of CNY {amount} of order {order} went back the way it was paid."},
		},
		RefundFailedKind: {
			Money, both,
			words{"退款 {amount} 元未成功", "订单 {order} 的退款 {amount} 元未能退回，我们正在处理，无需您操作。"},
			words{"A refund of CNY {amount} did not go through", "The refund of CNY {amount} of order {order} did not go through. We are looking after it; you need not do anything."},
		},
		CompensationPaidKind: {
			Money, both,
			words{"补偿 {amount} 元已发放", "就订单 {order} 给予您的补偿 {amount} 元已发放。"},
			words{"You were paid CNY {amount} of goodwill", "For order {order} you were paid CNY {amount} of goodwill."},
		},
		PayoutPaidKind: {
			Money,
			[]string{"date", "count", "amount"},
			words{"{date} 货款 {amount} 元已结算", "{date} 共 {count} 笔货款、合计 {amount} 元已划至贵企业的结算账户。"},
			words{"CNY {amount} were paid out on {date}", "On {date} {count} payouts, CNY {amount} in all, were transferred to your enterprise's account."},
		},
		PayoutFailedKind: {
			Money, amount,
			words{"货款 {amount} 元结算失败", "货款 {amount} 元未能划出，请核对结算账户信息。"},
			words{"A payout of CNY {amount} failed", "CNY {amount} could not be transferred; please check your enterprise's account."},
		},
		PayoutReversedKind: {
			Money, both,
			words{"已收回货款 {amount} 元", "订单 {order} 在结算后退款，已从贵企业的结算账户收回 {amount} 元。"},
			words{"CNY {amount} were taken back", "Order {order} was refunded after its payout; CNY {amount} were taken back from your enterprise's account."},
		},
		PayoutDeductedKind: {
			Money, both,
			words{"货款 {amount} 元将从后续结算中扣除", "订单 {order} 在结算后退款，{amount} 元未能从结算账户收回，将从后续货款中扣除。"},
			words{"CNY {amount} will be taken off later payouts", "Order {order} was refunded after its payout; CNY {amount} could not be taken back and will be taken off later payouts."},
		},
		DisputeOpenedKind: {
			Money,
			[]string{"order", "amount", "date"},
			words{"一笔付款被提出争议", "订单 {order} 的付款 {amount} 元被持卡人提出争议，举证截止日：{date}。"},
			words{"A payment is disputed", "The payer disputes CNY {amount} of order {order}. Last day for evidence: {date}."},
		},
		DisputeDueKind: {
			Money,
			[]string{"order", "amount", "date"},
			words{"付款争议举证即将截止", "订单 {order} 的付款争议（{amount} 元）须于 {date} 前提交材料。"},
			words{"Evidence in a dispute is due", "Evidence in the dispute about CNY {amount} of order {order} is taken until {date}."},
		},
		DisputeClosedKind: {
			Money, both,
			words{"付款争议已结束", "订单 {order} 的付款争议（{amount} 元）已结束，结果请见争议记录。"},
			words{"A dispute is closed", "The dispute about CNY {amount} of order {order} is closed; see the dispute for how it ended."},
		},
		LicenceExpiringKind: {
			Standing,
			[]string{"date"},
			words{"许可证将于 {date} 到期", "贵企业的许可证有效期至 {date}。到期后商品将停止销售，请及时提交新证。"},
			words{"A licence ends on {date}", "A licence of your enterprise is good through {date}. After that its goods are not sold; please file a new one in time."},
		},
	}
}

// OrderPaid tells a buyer that a checkout is paid: total, and the tenth of the goods in it.
func OrderPaid(buyer identity.ID, checkout fmt.Stringer, total money.Fen, levy money.Li) Event {
	return Event{Person(buyer), OrderPaidKind, checkout.String(), map[string]string{
		"order": checkout.String(), "total": total.String(), "levy": levy.String(),
	}}
}

// OrderShipped tells a buyer that a parcel of an order is on its way.
func OrderShipped(buyer identity.ID, order, shipment fmt.Stringer, carrier, number string) Event {
	return Event{Person(buyer), OrderShippedKind, shipment.String(), map[string]string{
		"order": order.String(), "carrier": carrier, "number": number,
	}}
}

// OrderDelivered tells a buyer that an order has arrived, and on which day
// ("2026-12-01") it counts as received.
func OrderDelivered(buyer identity.ID, order fmt.Stringer, day string) Event {
	return Event{Person(buyer), OrderDeliveredKind, order.String(), map[string]string{"order": order.String(), "date": day}}
}

// OrderReceived tells a buyer that an order counts as received, and the last day on
// which he may ask for a return.
func OrderReceived(buyer identity.ID, order fmt.Stringer, day string) Event {
	return Event{Person(buyer), OrderReceivedKind, order.String(), map[string]string{"order": order.String(), "date": day}}
}

// OrderCanceled tells a buyer that a paid order will not come.
func OrderCanceled(buyer identity.ID, order fmt.Stringer) Event {
	return Event{Person(buyer), OrderCanceledKind, order.String(), map[string]string{"order": order.String()}}
}

// OrderCalledOff tells an enterprise that the buyer of a paid order has canceled it.
func OrderCalledOff(merchant uuid.UUID, order fmt.Stringer) Event {
	return Event{Sellers(merchant), OrderCalledOffKind, order.String(), map[string]string{"order": order.String()}}
}

// OrderGivenBack tells an enterprise of a refund that it had no part in.
func OrderGivenBack(merchant uuid.UUID, order, refund fmt.Stringer, amount money.Fen) Event {
	return Event{Sellers(merchant), OrderGivenBackKind, refund.String(), map[string]string{"order": order.String(), "amount": amount.String()}}
}

// OrderReceivedSoon reminds a buyer of the day on which an order counts as received.
func OrderReceivedSoon(buyer identity.ID, order fmt.Stringer, day string) Event {
	return Event{Person(buyer), OrderReceivedSoonKind, order.String(), map[string]string{"order": order.String(), "date": day}}
}

// OrderToShip reminds an enterprise on a day ("2026-12-01") of how many orders are to
// be shipped by its end.
func OrderToShip(merchant uuid.UUID, day string, orders int64) Event {
	return Event{Sellers(merchant), OrderToShipKind, merchant.String() + ":" + day, map[string]string{"count": count(orders), "date": day}}
}

// VoucherIssued tells a buyer that an order's vouchers are there. It names no code.
func VoucherIssued(buyer identity.ID, order fmt.Stringer, vouchers int) Event {
	return Event{Person(buyer), VoucherIssuedKind, order.String(), map[string]string{"order": order.String(), "count": count(int64(vouchers))}}
}

// VoucherExpiring reminds a buyer of the last day of so many vouchers of an order's line.
func VoucherExpiring(buyer identity.ID, order fmt.Stringer, line int, name, day string, vouchers int64) Event {
	return Event{Person(buyer), VoucherExpiringKind, fmt.Sprintf("%s:%d", order, line), map[string]string{
		"order": order.String(), "name": name, "date": day, "count": count(vouchers),
	}}
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// Case tells somebody of the n-th step of an after-sales case (0: that it was opened): k
// is one of the Case kinds.
func Case(to To, k Kind, order, ref fmt.Stringer, n int) Event {
	return Event{to, k, fmt.Sprintf("%s:%d", ref, n), map[string]string{"order": order.String()}}
}

// Refunded tells a buyer how an attempt of a refund ended, counted from 0.
func Refunded(buyer identity.ID, order, refund fmt.Stringer, attempt int, amount money.Fen, ok bool) Event {
	k := RefundSucceededKind
	if !ok {
		k = RefundFailedKind
	}
	return Event{Person(buyer), k, fmt.Sprintf("%s:%d", refund, attempt), map[string]string{"order": order.String(), "amount": amount.String()}}
}

// Compensated tells a buyer of goodwill that was paid.
func Compensated(buyer identity.ID, order, compensation fmt.Stringer, amount money.Fen) Event {
	return Event{Person(buyer), CompensationPaidKind, compensation.String(), map[string]string{"order": order.String(), "amount": amount.String()}}
}

// PaidOut tells an enterprise of the payouts of a day ("2026-12-01"), and their sum.
func PaidOut(merchant uuid.UUID, day string, payouts int64, amount money.Fen) Event {
	return Event{Sellers(merchant), PayoutPaidKind, merchant.String() + ":" + day, map[string]string{
		"date": day, "count": count(payouts), "amount": amount.String(),
	}}
}

// PayoutFailed tells an enterprise that an attempt of a payout failed, counted from 0.
func PayoutFailed(merchant uuid.UUID, payout fmt.Stringer, attempt int, amount money.Fen) Event {
	return Event{Sellers(merchant), PayoutFailedKind, fmt.Sprintf("%s:%d", payout, attempt), map[string]string{"amount": amount.String()}}
}

// PayoutReversed tells an enterprise that a part of a payout was to be taken back, because
// the order was refunded, and whether that was done.
func PayoutReversed(merchant uuid.UUID, order, reversal fmt.Stringer, amount money.Fen, ok bool) Event {
	k := PayoutReversedKind
	if !ok {
		k = PayoutDeductedKind
	}
	return Event{Sellers(merchant), k, reversal.String(), map[string]string{"order": order.String(), "amount": amount.String()}}
}

// Dispute tells somebody of a dispute: k is DisputeOpenedKind or DisputeDueKind, with the
// last day on which evidence is taken ("": it is not), or DisputeClosedKind. An enterprise
// is told of its order, operators of the checkout.
func Dispute(to To, k Kind, order, dispute fmt.Stringer, amount money.Fen, day string) Event {
	params := map[string]string{"order": order.String(), "amount": amount.String(), "date": cmp.Or(day, "—")}
	if k == DisputeClosedKind {
		delete(params, "date")
	}
	return Event{to, k, dispute.String() + ":" + order.String(), params}
}

// LicenceExpiring tells an enterprise of the last day of a licence, so many days before.
func LicenceExpiring(merchant uuid.UUID, day string, days int) Event {
	return Event{Sellers(merchant), LicenceExpiringKind, fmt.Sprintf("%s:%s:%d", merchant, day, days), map[string]string{"date": day}}
}
