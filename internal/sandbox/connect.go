package sandbox

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ErrNoAccount says that there is no such connected account.
var ErrNoAccount = errors.New("sandbox: there is no such account")

// account is a connected account.
type account struct {
	ID       string            `json:"id"`
	Enabled  bool              `json:"on,omitempty"`     // its holder has said who he is
	Drawn    int64             `json:"drawn,omitempty"`  // what he took to his bank
	Return   string            `json:"return,omitempty"` // where he goes after that
	Metadata map[string]string `json:"meta,omitempty"`
	Created  int64             `json:"created"`
	Key      string            `json:"key,omitempty"`
	Hash     string            `json:"hash,omitempty"`

	got int64 // of transfers, less what was reversed; follows from them
}

// transfer moves money from the shop's balance to a connected account's.
type transfer struct {
	ID       string            `json:"id"`
	Account  string            `json:"acct"`
	Amount   int64             `json:"amount"`
	Reversed int64             `json:"reversed,omitempty"`
	Currency string            `json:"cur"`
	Group    string            `json:"group,omitempty"`
	Metadata map[string]string `json:"meta,omitempty"`
	Created  int64             `json:"created"`
	Key      string            `json:"key,omitempty"`
	Hash     string            `json:"hash,omitempty"`
}

func (a *account) name() string { return a.ID }
func (a *account) when() int64  { return a.Created }

func (t *transfer) name() string { return t.ID }
func (t *transfer) when() int64  { return t.Created }

// reversal takes a transfer back, or a part of it.
type reversal struct {
	ID       string            `json:"id"`
	Transfer string            `json:"tr"`
	Amount   int64             `json:"amount"`
	Currency string            `json:"cur"`
	Metadata map[string]string `json:"meta,omitempty"`
	Created  int64             `json:"created"`
	Key      string            `json:"key,omitempty"`
	Hash     string            `json:"hash,omitempty"`
}

// connect serves what concerns connected accounts; false: it is something else.
func (s *Sandbox) connect(c call, parts []string) (answer any, err error, served bool) {
	rest, posts := strings.Join(parts, "/"), c.method == http.MethodPost
	switch {
	case posts && rest == "accounts":
		answer, err = s.createAccount(c)
	case !posts && rest == "accounts":
		answer, err = listed(c, &s.opened, nil, func(a *account) any { return s.accounts[a.ID].object() })
	case !posts && len(parts) == 2 && parts[0] == "accounts":
		answer, err = s.account(parts[1])
	case posts && rest == "account_links":
		answer, err = s.linkAccount(c)
	case posts && rest == "transfers":
		answer, err = s.createTransfer(c)
	case !posts && rest == "transfers":
		group := c.form.Get("transfer_group")
		fits := func(t *transfer) bool { return group == "" || t.Group == group }
		answer, err = listed(c, s.transferred(group), fits, func(t *transfer) any { return s.transfers[t.ID].object(s.reversals[t.ID]) }, "transfer_group", "destination")
	case !posts && len(parts) == 2 && parts[0] == "transfers":
		found, ok := s.transfers[parts[1]]
		if !ok {
			return nil, missing("transfer", parts[1]), true
		}
		answer = found.object(s.reversals[found.ID])
	case posts && len(parts) == 3 && parts[0] == "transfers" && parts[2] == "reversals":
		answer, err = s.reverse(c, parts[1])
	default:
		return nil, nil, false
	}
	return answer, err, true
}

// transferred are the transfers of a group, or all.
func (s *Sandbox) transferred(group string) *timeline[*transfer] {
	if of := s.groups[group]; of != nil {
		return of
	}
	if group != "" {
		return &timeline[*transfer]{}
	}
	return &s.all
}

// object is the account as the API shows it.
func (a *account) object() any {
	due := []string{}
	if !a.Enabled {
		due = []string{"business_profile.url", "external_account"}
	}
	capability := map[bool]string{true: "active", false: "inactive"}[a.Enabled]
	return map[string]any{
		"id": a.ID, "object": "account", "type": "express", "country": "CN", "created": a.Created, "metadata": filled(a.Metadata),
		"capabilities": map[string]string{"transfers": capability}, "charges_enabled": false, "details_submitted": a.Enabled,
		"payouts_enabled": a.Enabled, "requirements": map[string]any{"currently_due": due, "past_due": []string{}, "disabled_reason": nil},
	}
}

func (s *Sandbox) createAccount(c call) (any, error) {
	id, err := s.again(c)
	if err != nil {
		return nil, err
	}
	if id != "" {
		first := *s.accounts[id]
		first.Enabled = false
		return first.object(), nil
	}
	if err := c.known("type", "country", "metadata", "capabilities", "business_type"); err != nil {
		return nil, err
	}
	if c.form.Get("type") != "express" {
		return nil, bad("type", "", "Invalid type: must be express")
	}
	made := &account{ID: "acct_" + rand.Text(), Metadata: c.metadata(), Created: c.now, Key: c.key, Hash: c.hash}
	return made.object(), s.save(record{Account: made})
}

func (s *Sandbox) account(id string) (any, error) {
	found, ok := s.accounts[id]
	if !ok {
		return nil, &problem{Status: http.StatusForbidden, Code: "account_invalid", Message: "No such account: " + id, Type: invalidRequest}
	}
	return found.object(), nil
}

// linkAccount makes the page on which the holder says who he is: see Page.
func (s *Sandbox) linkAccount(c call) (any, error) {
	if err := c.known("account", "type", "refresh_url", "return_url"); err != nil {
		return nil, err
	}
	found, ok := s.accounts[c.form.Get("account")]
	if !ok {
		return nil, bad("account", "resource_missing", "No such account: '%s'", c.form.Get("account"))
	}
	for _, name := range []string{"refresh_url", "return_url"} {
		if u, err := url.Parse(c.form.Get(name)); err != nil || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, bad(name, "url_invalid", "Not a valid URL")
		}
	}
	next := *found
	next.Return = c.form.Get("return_url")
	link := map[string]any{"object": "account_link", "created": c.now, "expires_at": c.now + 300, "url": s.cfg.PageURL + next.ID}
	return link, s.save(record{Account: &next})
}

// Onboard is what the holder of an account does on its page: he says who he is,
// and transfers can be made to it.
func (s *Sandbox) Onboard(id string) error { return s.enable(id, true) }

// Suspend is what the provider does when papers have lapsed: no transfer can be
// made to the account until it is onboarded again.
func (s *Sandbox) Suspend(id string) error { return s.enable(id, false) }

func (s *Sandbox) enable(id string, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.accounts[id]
	if !ok {
		return ErrNoAccount
	}
	if found.Enabled == on {
		return nil
	}
	next := *found
	next.Enabled = on
	return s.save(record{Account: &next, Event: newEvent("account.updated", id, s.clock().Unix(), next.object())})
}

// Withdraw is what the holder of an account does with his money: it goes to his
// bank, and cannot be taken back by a reversal.
func (s *Sandbox) Withdraw(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.accounts[id]
	if !ok {
		return ErrNoAccount
	}
	next := *found
	next.Drawn = found.got
	return s.save(record{Account: &next})
}

// object is the transfer as the API shows it.
func (t *transfer) object(reversals []*reversal) any {
	data := make([]any, len(reversals))
	for i, each := range reversals {
		data[i] = each.object()
	}
	return map[string]any{
		"id": t.ID, "object": "transfer", "amount": t.Amount, "amount_reversed": t.Reversed, "balance_transaction": "txn_" + t.ID,
		"created": t.Created, "currency": t.Currency, "description": nil, "destination": t.Account, "livemode": false, "metadata": filled(t.Metadata),
		"reversals":          pageObject{Object: "list", URL: "/v1/transfers/" + t.ID + "/reversals", Data: data},
		"reversed":           t.Reversed == t.Amount,
		"source_transaction": nil, "transfer_group": optional(t.Group),
	}
}

func (r *reversal) object() any {
	return map[string]any{
		"id": r.ID, "object": "transfer_reversal", "amount": r.Amount, "balance_transaction": "txn_" + r.ID, "created": r.Created,
		"currency": r.Currency, "metadata": filled(r.Metadata), "transfer": r.Transfer,
	}
}

func (s *Sandbox) createTransfer(c call) (any, error) {
	id, err := s.again(c)
	if err != nil {
		return nil, err
	}
	if id != "" {
		first := *s.transfers[id]
		first.Reversed = 0
		return first.object(nil), nil
	}
	if err := c.known("amount", "currency", "destination", "transfer_group", "metadata", "description"); err != nil {
		return nil, err
	}
	amount, err := c.integer("amount", 0, 1, 99_999_999_99)
	if err != nil {
		return nil, err
	}
	to, ok := s.accounts[c.form.Get("destination")]
	switch {
	case amount == 0:
		return nil, bad("amount", "parameter_missing", "Missing required param: amount.")
	case !ok:
		return nil, bad("destination", "resource_missing", "No such destination: '%s'", c.form.Get("destination"))
	case !to.Enabled:
		return nil, bad("", "insufficient_capabilities_for_transfer", "Your destination account needs to have at least one of the following capabilities enabled: transfers")
	}
	made := &transfer{
		ID: "tr_" + rand.Text(), Account: to.ID, Amount: amount, Currency: c.form.Get("currency"), Group: c.form.Get("transfer_group"),
		Metadata: c.metadata(), Created: c.now, Key: c.key, Hash: c.hash,
	}
	return made.object(nil), s.save(record{Transfer: made, Event: newEvent("transfer.created", made.ID, c.now, made.object(nil))})
}

func (s *Sandbox) reverse(c call, id string) (any, error) {
	before, err := s.again(c)
	if err != nil {
		return nil, err
	}
	held, ok := s.transfers[id]
	if !ok {
		return nil, missing("transfer", id)
	}
	if before != "" {
		all := s.reversals[id]
		return all[slices.IndexFunc(all, func(r *reversal) bool { return r.ID == before })].object(), nil
	}
	if err := c.known("amount", "metadata", "description"); err != nil {
		return nil, err
	}
	amount, err := c.integer("amount", held.Amount-held.Reversed, 1, maxAmount*100)
	to := s.accounts[held.Account]
	switch {
	case err != nil:
		return nil, err
	case amount > held.Amount-held.Reversed || amount == 0:
		return nil, bad("amount", "", "Requested reversal amount (%d) is greater than the unreversed amount of the transfer (%d).", amount, held.Amount-held.Reversed)
	case amount > to.got-to.Drawn:
		return nil, bad("", "balance_insufficient", "The connected account has insufficient funds to reverse this transfer.")
	}
	made := &reversal{
		ID: "trr_" + rand.Text(), Transfer: id, Amount: amount, Currency: held.Currency, Metadata: c.metadata(), Created: c.now, Key: c.key, Hash: c.hash,
	}
	next := *held
	next.Reversed += amount
	shown := next.object(append(slices.Clone(s.reversals[id]), made))
	return made.object(), s.save(record{Transfer: &next, Reversal: made, Event: newEvent("transfer.reversed", id, c.now, shown)})
}

// applyConnect makes a record of connected accounts true.
func (s *state) applyConnect(r record) {
	if a := r.Account; a != nil {
		next := *a
		if held := s.accounts[a.ID]; held != nil {
			next.got = held.got
		}
		s.accounts[a.ID] = &next
		s.opened.add(&next)
		s.keep(a.Key, kept{a.ID, a.Hash, a.Created})
	}
	if t := r.Transfer; t != nil {
		if held := s.transfers[t.ID]; held != nil {
			s.accounts[t.Account].got -= t.Reversed - held.Reversed
			*held = *t
		} else {
			held := *t
			s.transfers[t.ID] = &held
			s.all.add(&held)
			if s.groups[t.Group] == nil {
				s.groups[t.Group] = new(timeline[*transfer])
			}
			s.groups[t.Group].add(&held)
			s.accounts[t.Account].got += t.Amount - t.Reversed
		}
		s.keep(t.Key, kept{t.ID, t.Hash, t.Created})
	}
	if v := r.Reversal; v != nil {
		s.reversals[v.Transfer] = append(s.reversals[v.Transfer], v)
		s.keep(v.Key, kept{v.ID, v.Hash, v.Created})
	}
}

// Holds is what a connected account was paid, less what was taken back of it.
func (s *Sandbox) Holds(account string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held := s.accounts[account]; held != nil {
		return held.got
	}
	return 0
}
