package sandbox

import (
	"slices"
	"strings"
)

// What one payment costs the shop, when Config does not say it: 0.6 %, and a
// dispute 15 yuan.
const (
	presetFeeBP      = 60
	presetDisputeFee = 1500
)

// feeOf is what the provider keeps of a payment: so many parts of ten thousand,
// rounded half up.
func (c Config) feeOf(amount int64) int64 {
	switch {
	case c.FeeBP < 0:
		return c.FeeFixed
	case c.FeeBP == 0:
		return c.FeeFixed + (amount*presetFeeBP+5000)/10000
	}
	return c.FeeFixed + (amount*c.FeeBP+5000)/10000
}

func (c Config) disputeFee() int64 {
	switch {
	case c.DisputeFee < 0:
		return 0
	case c.DisputeFee == 0:
		return presetDisputeFee
	}
	return c.DisputeFee
}

// entry is a BalanceTransaction: what moved the shop's balance at the provider.
// It follows from the things themselves, so the journal does not hold it.
type entry struct {
	ID       string
	Type     string
	Amount   int64 // what came, negative: what went; the fee is apart
	Fee      int64
	Currency string
	Source   string
	Created  int64
}

func (e *entry) name() string { return e.ID }
func (e *entry) when() int64  { return e.Created }

// object is the entry as the API shows it.
func (e *entry) object() any {
	details := []any{}
	if e.Fee != 0 {
		details = append(details, map[string]any{"amount": e.Fee, "application": nil, "currency": e.Currency, "description": "processing fees", "type": "stripe_fee"})
	}
	return map[string]any{
		"id": e.ID, "object": "balance_transaction", "amount": e.Amount, "available_on": e.Created, "created": e.Created, "currency": e.Currency,
		"description": nil, "exchange_rate": nil, "fee": e.Fee, "fee_details": details, "net": e.Amount - e.Fee, "reporting_category": e.Type,
		"source": e.Source, "status": "available", "type": e.Type,
	}
}

// enter adds the entries that follow from a record.
func (s *state) enter(r record) {
	if p := r.Session; p != nil && p.Intent != "" {
		s.entries.add(&entry{"txn_" + p.Intent, "charge", p.Amount, p.Fee, p.Currency, charge(p.Intent), p.Paid})
	}
	if b := r.Refund; b != nil {
		s.entries.add(&entry{"txn_" + b.ID, "refund", -b.Amount, 0, b.Currency, b.ID, b.Created})
		if b.Failed != 0 {
			s.entries.add(&entry{"txn_failed_" + b.ID, "refund_failure", b.Amount, 0, b.Currency, b.ID, b.Failed})
		}
	}
	if t := r.Transfer; t != nil {
		s.entries.add(&entry{"txn_" + t.ID, "transfer", -t.Amount, 0, t.Currency, t.ID, t.Created})
	}
	if v := r.Reversal; v != nil {
		s.entries.add(&entry{"txn_" + v.ID, "transfer_refund", v.Amount, 0, v.Currency, v.ID, v.Created})
	}
	if d := r.Dispute; d != nil {
		s.entries.add(&entry{"txn_" + d.ID, "adjustment", -d.Amount, d.Fee, d.Currency, d.ID, d.Created})
		if d.Status == "won" {
			s.entries.add(&entry{"txn_won_" + d.ID, "adjustment", d.Amount, 0, d.Currency, d.ID, d.Closed})
		}
	}
}

func (s *Sandbox) listEntries(c call) (any, error) {
	kind, source := c.form.Get("type"), c.form.Get("source")
	fits := func(e *entry) bool { return (kind == "" || e.Type == kind) && (source == "" || e.Source == source) }
	show := (*entry).object
	if slices.Contains(c.form["expand[]"], "data.source") || c.form.Get("expand[0]") == "data.source" {
		show = s.expanded
	}
	return listed(c, &s.entries, fits, show, "type", "source", "expand")
}

// expanded is the entry with what moved it in the place of its id.
func (s *Sandbox) expanded(e *entry) any {
	shown, _ := e.object().(map[string]any)
	switch {
	case s.refunds[e.Source] != nil:
		shown["source"] = s.refunds[e.Source].object(s.refunds[e.Source].Status)
	case s.transfers[e.Source] != nil:
		shown["source"] = s.transfers[e.Source].object(s.reversals[e.Source])
	case s.disputes[e.Source] != nil:
		shown["source"] = map[string]any{"id": e.Source, "object": "dispute", "payment_intent": s.disputes[e.Source].Intent}
	case e.Type == "charge":
		shown["source"] = map[string]any{"id": e.Source, "object": "charge", "payment_intent": "pi_" + strings.TrimPrefix(e.Source, "ch_")}
	default:
		shown["source"] = s.reversal(e.Source)
	}
	return shown
}

// reversal is one by its id; they are few.
func (s *Sandbox) reversal(id string) any {
	for _, of := range s.reversals {
		for _, each := range of {
			if each.ID == id {
				return each.object()
			}
		}
	}
	return id
}
