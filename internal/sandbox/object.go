package sandbox

// sessionObject is a Checkout Session of Stripe: what the contract requires, and
// what is known of a payment.
type sessionObject struct {
	ID           string `json:"id"`
	Object       string `json:"object"`
	AmountTotal  int64  `json:"amount_total"`
	AutomaticTax struct {
		Enabled bool `json:"enabled"`
	} `json:"automatic_tax"`
	CancelURL       *string           `json:"cancel_url"`
	ClientReference *string           `json:"client_reference_id"`
	Created         int64             `json:"created"`
	Currency        string            `json:"currency"`
	CustomFields    []struct{}        `json:"custom_fields"`
	CustomText      struct{}          `json:"custom_text"`
	ExpiresAt       int64             `json:"expires_at"`
	Livemode        bool              `json:"livemode"`
	Metadata        map[string]string `json:"metadata"`
	Mode            string            `json:"mode"`
	PaymentIntent   *string           `json:"payment_intent"`
	Methods         []string          `json:"payment_method_types"`
	PaymentStatus   string            `json:"payment_status"`
	ShippingOptions []struct{}        `json:"shipping_options"`
	Status          string            `json:"status"`
	SuccessURL      string            `json:"success_url"`
	URL             *string           `json:"url"`
}

// listObject is a page of Stripe's lists.
type listObject struct {
	Object  string          `json:"object"`
	URL     string          `json:"url"`
	HasMore bool            `json:"has_more"`
	Data    []sessionObject `json:"data"`
}

// intentObject is a PaymentIntent of Stripe.
type intentObject struct {
	ID             string            `json:"id"`
	Object         string            `json:"object"`
	Amount         int64             `json:"amount"`
	AmountReceived int64             `json:"amount_received"`
	CaptureMethod  string            `json:"capture_method"`
	Confirmation   string            `json:"confirmation_method"`
	Created        int64             `json:"created"`
	Currency       string            `json:"currency"`
	Description    string            `json:"description"`
	LatestCharge   string            `json:"latest_charge"`
	Livemode       bool              `json:"livemode"`
	Metadata       map[string]string `json:"metadata"`
	Methods        []string          `json:"payment_method_types"`
	Status         string            `json:"status"`
}

// refundObject is a Refund of Stripe.
type refundObject struct {
	ID            string            `json:"id"`
	Object        string            `json:"object"`
	Amount        int64             `json:"amount"`
	Charge        string            `json:"charge"`
	Created       int64             `json:"created"`
	Currency      string            `json:"currency"`
	Metadata      map[string]string `json:"metadata"`
	PaymentIntent string            `json:"payment_intent"`
	Reason        *string           `json:"reason"`
	Status        string            `json:"status"`
}

// object is the session as the API shows it; page is the pay page's address.
func (s *session) object(page string) sessionObject {
	o := sessionObject{
		ID: s.ID, Object: "checkout.session", AmountTotal: s.Amount, CancelURL: optional(s.Cancel), ClientReference: optional(s.Ref),
		Created: s.Created, Currency: s.Currency, CustomFields: []struct{}{}, ExpiresAt: s.Expires, Metadata: filled(s.Metadata), Mode: "payment",
		PaymentIntent: optional(s.Intent), Methods: s.Methods, PaymentStatus: "unpaid", ShippingOptions: []struct{}{},
		Status: s.Status, SuccessURL: s.Success,
	}
	switch s.Status {
	case open:
		o.URL = optional(page + s.ID)
	case complete:
		o.PaymentStatus = "paid"
	}
	return o
}

func (s *session) intent() intentObject {
	return intentObject{
		ID: s.Intent, Object: "payment_intent", Amount: s.Amount, AmountReceived: s.Amount, CaptureMethod: "automatic", Confirmation: "automatic",
		Created: s.Paid, Currency: s.Currency, Description: s.Description, LatestCharge: charge(s.Intent), Metadata: map[string]string{},
		Methods: []string{s.Method}, Status: "succeeded",
	}
}

// object is the refund as the API shows it with the given status.
func (r *refund) object(status string) refundObject {
	return refundObject{
		ID: r.ID, Object: "refund", Amount: r.Amount, Charge: charge(r.Intent), Created: r.Created, Currency: r.Currency,
		Metadata: filled(r.Metadata), PaymentIntent: r.Intent, Reason: optional(r.Reason), Status: status,
	}
}

// charge is the id of the only charge of a payment intent.
func charge(intent string) string { return "ch_" + intent[len("pi_"):] }

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func filled(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
