package notice

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
)

// Topic is a group of kinds that a person can have his wishes about.
type Topic string

// The topics. Only reminders can be switched off: the others tell of the recipient's
// own money, goods and rights (Consumer Rights Protection Law, articles 8 and 26;
// E-Commerce Law, articles 17 and 18 leave only what is promotion to his choice).
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
	OrderCanceledKind     Kind = "order.canceled"      // to the buyer: paid, and it will not come
	OrderReceivedSoonKind Kind = "order.received_soon" // to the buyer: it counts as received soon
	OrderToShipKind       Kind = "order.to_ship"       // to the enterprise: the promised day is near
	CaseOpenedKind        Kind = "case.opened"         // to the enterprise
	CaseAcceptedKind      Kind = "case.accepted"       // to the buyer
	CaseDeclinedKind      Kind = "case.declined"       // to the buyer
	CaseReturnedKind      Kind = "case.returned"       // to the enterprise: the goods are on their way back
	CaseEscalatedKind     Kind = "case.escalated"      // to either side: the platform decides
	CaseDecidedKind       Kind = "case.decided"        // to either side
	CaseClosedKind        Kind = "case.closed"         // to either side
	RefundSucceededKind   Kind = "refund.succeeded"    // to the buyer
	RefundFailedKind      Kind = "refund.failed"       // to the buyer
	CompensationPaidKind  Kind = "compensation.paid"   // to the buyer
	VoucherExpiringKind   Kind = "voucher.expiring"    // to the buyer
	PayoutPaidKind        Kind = "payout.paid"         // to the enterprise
	PayoutFailedKind      Kind = "payout.failed"       // to the enterprise
	DisputeOpenedKind     Kind = "dispute.opened"      // to the enterprise
	DisputeClosedKind     Kind = "dispute.closed"      // to the enterprise
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
		OrderCanceledKind: {
			Orders,
			[]string{"order"},
			words{"您的订单已取消", "订单 {order} 已取消，货款按原支付方式退回。"},
			words{"Your order was canceled", "Order {order} was canceled; what you paid goes back the way it came."},
		},
		OrderReceivedSoonKind: {
			Reminders,
			[]string{"order", "date"},
			words{"订单将自动确认收货", "订单 {order} 将于 {date} 自动确认收货。若未收到货物，请在此之前告知我们。"},
			words{"An order will count as received", "On {date} order {order} will count as received. Tell us before then if you do not have it."},
		},
		OrderToShipKind: {
			Orders,
			[]string{"order", "date"},
			words{"请按时发货", "订单 {order} 承诺于 {date} 前发货，目前尚未发货。"},
			words{"An order is waiting to be shipped", "Order {order} was promised to be shipped by {date}, and is not yet."},
		},
		VoucherExpiringKind: {
			Reminders,
			[]string{"order", "name", "date"},
			words{"您的凭证即将到期", "订单 {order} 中的“{name}”有效期至 {date}，请及时预约使用。"},
			words{"A voucher of yours will expire", "“{name}” of order {order} is good through {date}; please make use of it in time."},
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
			Money, amount,
			words{"货款 {amount} 元已结算", "货款 {amount} 元已划至贵企业的结算账户。"},
			words{"CNY {amount} were paid out", "CNY {amount} were transferred to your enterprise's account."},
		},
		PayoutFailedKind: {
			Money, amount,
			words{"货款 {amount} 元结算失败", "货款 {amount} 元未能划出，请核对结算账户信息。"},
			words{"A payout of CNY {amount} failed", "CNY {amount} could not be transferred; please check your enterprise's account."},
		},
		DisputeOpenedKind: {
			Money,
			[]string{"order", "amount", "date"},
			words{"一笔付款被提出争议", "订单 {order} 的付款 {amount} 元被持卡人提出争议，请于 {date} 前提交材料。"},
			words{"A payment is disputed", "The payer disputes CNY {amount} of order {order}; please hand in what you have by {date}."},
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

// OrderCanceled tells a buyer that a paid order will not come.
func OrderCanceled(buyer identity.ID, order fmt.Stringer) Event {
	return Event{Person(buyer), OrderCanceledKind, order.String(), map[string]string{"order": order.String()}}
}

// OrderReceivedSoon reminds a buyer of the day on which an order counts as received.
func OrderReceivedSoon(buyer identity.ID, order fmt.Stringer, day string) Event {
	return Event{Person(buyer), OrderReceivedSoonKind, order.String(), map[string]string{"order": order.String(), "date": day}}
}

// OrderToShip reminds an enterprise of the day by which an order was to be shipped.
func OrderToShip(merchant uuid.UUID, order fmt.Stringer, day string) Event {
	return Event{Sellers(merchant), OrderToShipKind, order.String(), map[string]string{"order": order.String(), "date": day}}
}

// VoucherExpiring reminds a buyer of a voucher's last day.
func VoucherExpiring(buyer identity.ID, order, voucher fmt.Stringer, name, day string) Event {
	return Event{Person(buyer), VoucherExpiringKind, voucher.String(), map[string]string{"order": order.String(), "name": name, "date": day}}
}

// Case tells somebody of a step of an after-sales case: k is one of the Case kinds.
func Case(to To, k Kind, order, ref fmt.Stringer) Event {
	return Event{to, k, ref.String(), map[string]string{"order": order.String()}}
}

// Refunded tells a buyer how a refund ended.
func Refunded(buyer identity.ID, order, refund fmt.Stringer, amount money.Fen, ok bool) Event {
	k := RefundSucceededKind
	if !ok {
		k = RefundFailedKind
	}
	return Event{Person(buyer), k, refund.String(), map[string]string{"order": order.String(), "amount": amount.String()}}
}

// Compensated tells a buyer of goodwill that was paid.
func Compensated(buyer identity.ID, order, compensation fmt.Stringer, amount money.Fen) Event {
	return Event{Person(buyer), CompensationPaidKind, compensation.String(), map[string]string{"order": order.String(), "amount": amount.String()}}
}

// PaidOut tells an enterprise how a payout ended.
func PaidOut(merchant uuid.UUID, payout fmt.Stringer, amount money.Fen, ok bool) Event {
	k := PayoutPaidKind
	if !ok {
		k = PayoutFailedKind
	}
	return Event{Sellers(merchant), k, payout.String(), map[string]string{"amount": amount.String()}}
}

// DisputeOpened tells an enterprise of a dispute, and by which day it may answer.
func DisputeOpened(merchant uuid.UUID, order, dispute fmt.Stringer, amount money.Fen, day string) Event {
	return Event{Sellers(merchant), DisputeOpenedKind, dispute.String() + ":" + order.String(), map[string]string{
		"order": order.String(), "amount": amount.String(), "date": day,
	}}
}

// DisputeClosed tells an enterprise that a dispute has ended.
func DisputeClosed(merchant uuid.UUID, order, dispute fmt.Stringer, amount money.Fen) Event {
	return Event{Sellers(merchant), DisputeClosedKind, dispute.String() + ":" + order.String(), map[string]string{
		"order": order.String(), "amount": amount.String(),
	}}
}

// LicenceExpiring tells an enterprise of the last day of a licence, once for each day.
func LicenceExpiring(merchant uuid.UUID, day string) Event {
	return Event{Sellers(merchant), LicenceExpiringKind, merchant.String() + ":" + day, map[string]string{"date": day}}
}
