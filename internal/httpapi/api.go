package httpapi

import (
	"time"

	"github.com/google/uuid"
	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/apikey"
	"github.com/shiyi-market/shiyi/internal/application"
	"github.com/shiyi-market/shiyi/internal/assistance"
	"github.com/shiyi-market/shiyi/internal/audit"
	"github.com/shiyi-market/shiyi/internal/carriage"
	"github.com/shiyi-market/shiyi/internal/cart"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/claim"
	"github.com/shiyi-market/shiyi/internal/compensation"
	"github.com/shiyi-market/shiyi/internal/correction"
	"github.com/shiyi-market/shiyi/internal/disbursement"
	"github.com/shiyi-market/shiyi/internal/disclosure"
	"github.com/shiyi-market/shiyi/internal/dispatch"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/finding"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/grant"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/intake"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/journal"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/objection"
	"github.com/shiyi-market/shiyi/internal/onboarding"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/origin"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/payee"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/pupil"
	"github.com/shiyi-market/shiyi/internal/recall"
	"github.com/shiyi-market/shiyi/internal/receipt"
	"github.com/shiyi-market/shiyi/internal/reconcile"
	"github.com/shiyi-market/shiyi/internal/repayment"
	"github.com/shiyi-market/shiyi/internal/report"
	"github.com/shiyi-market/shiyi/internal/review"
	"github.com/shiyi-market/shiyi/internal/scrutiny"
	"github.com/shiyi-market/shiyi/internal/search"
	"github.com/shiyi-market/shiyi/internal/settlement"
	"github.com/shiyi-market/shiyi/internal/standing"
	"github.com/shiyi-market/shiyi/internal/statement"
	"github.com/shiyi-market/shiyi/internal/trace"
	"github.com/shiyi-market/shiyi/internal/trail"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/internal/voucher"
	"github.com/shiyi-market/shiyi/internal/web"
	"github.com/shiyi-market/shiyi/internal/webhook"
	"github.com/shiyi-market/shiyi/internal/witness"
)

// Services are the contexts that answer. All are needed.
type Services struct {
	Identity      *identity.Service
	Keys          *apikey.Service
	Merchants     *merchant.Service
	Catalog       *catalog.Service
	Inventory     *inventory.Service
	Carts         *cart.Service
	Carriage      *carriage.Service
	Onboarding    *onboarding.Service
	Orders        *order.Service
	Payments      *payment.Service
	Fund          *fund.Service
	Transparency  *transparency.Service
	Aftersales    *aftersale.Service
	Repayments    *repayment.Service
	Disputes      *dispute.Service
	Goodwill      *compensation.Service
	Reconciler    *reconcile.Service
	Fulfilment    *fulfilment.Service
	Dispatch      *dispatch.Service
	Receipts      *receipt.Service
	Reviews       *review.Service
	Claims        *claim.Service
	Standing      *standing.Service
	Origins       *origin.Service
	Scrutiny      *scrutiny.Service
	Search        *search.Service
	Payees        *payee.Service
	Settlements   *settlement.Service
	Trail         *trail.Service
	Intake        *intake.Service
	Files         *file.Service
	Vouchers      *voucher.Service
	Webhooks      *webhook.Service
	Recalls       *recall.Service
	Notices       *notice.Service
	Statements    *statement.Service
	Publications  *publication.Service
	Pupils        *pupil.Service
	Assistance    *assistance.Service
	Reports       *report.Service
	Disclosures   *disclosure.Service
	Traces        *trace.Service
	Applications  *application.Service
	Objections    *objection.Service
	Programmes    *programme.Service
	Grants        *grant.Service
	Disbursements *disbursement.Service
	Witnesses     *witness.Service
	Audit         *audit.Service
	Corrections   *correction.Service
	Findings      *finding.Service
	Journals      *journal.Service
}

// surface answers every operation of the contract; each tag has a type of its own.
type surface struct {
	accounts
	products
	searches
	disclosures
	carts
	shipping
	checkouts
	orders
	notices
	fulfilments
	aftersales
	sellers
	onboardings
	apiKeys
	outgoing
	listings
	operators
	standings
	payouts
	disputes
	reconciliations
	statements
	audits
	funds
	imports
	files
	lots
	claims
	reviews
	vouchers
	webhooks
	publicLog
	publications
	pupils
	reports
	traces
	programmes
	grants
	system
}

func newSurface(d Deps, site *web.Site) oas.StrictServerInterface {
	return surface{
		accounts{d.Identity},
		products{d.Catalog, d.Origins, d.Inventory, d.Claims},
		searches{d.Search, d.Inventory, d.Claims},
		disclosures{d.Merchants, d.Fund, d.Clock},
		carts{d.Carts},
		shipping{d.Carriage},
		checkouts{d.Orders, d.Receipts, d.Clock},
		orders{d.Orders, d.Aftersales},
		notices{d.Notices},
		fulfilments{d.Fulfilment, d.Dispatch},
		aftersales{d.Aftersales, d.Goodwill},
		sellers{d.Catalog, d.Inventory, d.Orders, d.Aftersales},
		onboardings{d.Onboarding},
		apiKeys{d.Keys},
		outgoing{d.Webhooks},
		listings{d.Catalog, d.Scrutiny, d.Origins, d.Inventory},
		operators{d.Identity, d.Merchants, d.Catalog, d.Aftersales, d.Repayments, d.Trail, d.Clock},
		standings{d.Standing, d.Merchants, d.Catalog, d.Files, d.Clock},
		payouts{d.Payees, d.Settlements},
		disputes{d.Disputes},
		reconciliations{d.Reconciler},
		statements{d.Statements},
		audits{d.Audit, d.Corrections, d.Findings, d.Journals},
		funds{d.Fund},
		imports{d.Intake},
		files{d.Files},
		lots{d.Inventory, d.Recalls},
		claims{d.Claims},
		reviews{d.Reviews},
		vouchers{d.Vouchers},
		webhooks{d.Payments},
		publicLog{d.Transparency, d.Witnesses},
		publications{d.Publications},
		pupils{d.Pupils},
		reports{d.Assistance, d.Reports, d.Disclosures, d.Publications, site, d.Clock},
		traces{d.Traces},
		programmes{d.Programmes, d.Applications, d.Objections, d.Disbursements},
		grants{d.Grants, d.Disbursements, d.Clock},
		system{d.Ready, site},
	}
}

// fromPage reads the two parameters of every list.
func fromPage(cursor *oas.Cursor, limit *oas.Limit) page.Request {
	return page.Request{Cursor: value(cursor), Limit: value(limit)}
}

// wirePage is a list as the contract has it: its rows and where the next page begins.
func wirePage[T, W any](p page.Of[T], wire func(T) W) (data []W, next *string) {
	return wireAll(p.Data, wire), optional(p.Next)
}

// wireAll is never nil, so that an empty list is [] and not null.
func wireAll[T, W any](all []T, wire func(T) W) []W {
	out := make([]W, len(all))
	for i, one := range all {
		out[i] = wire(one)
	}
	return out
}

// value is what p points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// optional is nil for the zero value, which the wire leaves out.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// wireTime leaves out a time that has not come.
func wireTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// wireDate leaves out a day that is not set.
func wireDate(t time.Time) *openapi_types.Date {
	if t.IsZero() {
		return nil
	}
	return &openapi_types.Date{Time: t}
}

func wireSeller(id uuid.UUID, name string) oas.Seller { return oas.Seller{Id: id, Name: name} }
