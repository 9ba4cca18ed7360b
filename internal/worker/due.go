package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/disclosure"
	"github.com/shiyi-market/shiyi/internal/dispatch"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/fulfilment"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/intake"
	"github.com/shiyi-market/shiyi/internal/inventory"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/notice"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payee"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/receipt"
	"github.com/shiyi-market/shiyi/internal/reconcile"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/search"
	"github.com/shiyi-market/shiyi/internal/settlement"
	"github.com/shiyi-market/shiyi/internal/standing"
	"github.com/shiyi-market/shiyi/internal/tidings"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/internal/voucher"
	"github.com/shiyi-market/shiyi/internal/webhook"
	"github.com/shiyi-market/shiyi/internal/witness"
)

// Deps are the contexts that the worker calls.
type Deps struct {
	DB         *postgres.DB
	Orders     *order.Service
	Payments   *payment.Service
	Reconciler *reconcile.Service
	Log        *transparency.Service
	// Witnesses are asked to cosign what the log has signed.
	Witnesses  *witness.Service
	Fund       *fund.Service
	Identity   *identity.Service
	Intake     *intake.Service
	Fulfilment *fulfilment.Service
	Dispatch   *dispatch.Service
	Files      *file.Service
	Standing   *standing.Service
	Aftersales *aftersale.Service
	Merchants  *merchant.Service
	Webhooks   *webhook.Service
	Receipts   *receipt.Service
	Notices    *notice.Service
	// Tidings tells people of what is not told by the event itself.
	Tidings *tidings.Service
	// Disclosures knows what the fund must publish.
	Disclosures *disclosure.Service
	// Disputes reminds people of them.
	Disputes *dispute.Service
	// Inventory withdraws lots that are past their day.
	Inventory *inventory.Service
	Search    *search.Service
	Vouchers  *voucher.Service
	// Payees asks the provider how the accounts of enterprises stand.
	Payees *payee.Service
	// Settlements gives enterprises and the fund their money.
	Settlements *settlement.Service
}

// batch is how many things one sweep ends at most in one go.
const batch = 200

// patience is how long the request that made an intent has to open it itself.
const patience = 20 * time.Second

// neglect is the age at which a payment that was heard of is captured without its
// job. A process that is killed takes the jobs it was at with it, and the queue
// gives them to another only after a while (see rescue).
// One that cannot be captured is tried for as long as hopeless; the runbook says
// what a person does then.
const (
	neglect  = 5 * time.Second
	hopeless = time.Hour
)

// register says which call answers which job.
func (w *Worker) register(jobs *river.Workers) error {
	payments := w.deps.Payments
	return errors.Join(
		on(w, jobs, func(ctx context.Context, j catalog.Changed) error { return w.deps.Search.Index(ctx, j.Products...) }),
		on(w, jobs, func(ctx context.Context, j payment.Received) error { return w.capture(ctx, j.Event) }),
		on(w, jobs, func(ctx context.Context, j payment.RefundMoved) error { return payments.SettleRefund(ctx, j.Event) }),
		on(w, jobs, func(ctx context.Context, j payment.PerformRefund) error {
			return payments.PerformRefund(ctx, j.Buyer, j.Refund)
		}),
		on(w, jobs, func(ctx context.Context, j payment.Moved) error { return w.deps.Reconciler.Follow(ctx, j.Payment) }),
		on(w, jobs, func(ctx context.Context, j payment.Close) error { return payments.Close(ctx, j.Buyer, j.Intent) }),
		on(w, jobs, w.deps.Intake.Write),
		on(w, jobs, w.deps.Dispatch.Ship),
		on(w, jobs, func(ctx context.Context, j payment.AccountMoved) error {
			return w.deps.Payees.Refresh(ctx, j.Owner)
		}),
		on(w, jobs, func(ctx context.Context, j payment.TransferMoved) error { return w.deps.Settlements.Follow(ctx, j.Row) }),
		on(w, jobs, func(ctx context.Context, j settlement.Pay) error { return w.deps.Settlements.Perform(ctx, j.Payout) }),
		on(w, jobs, func(ctx context.Context, j settlement.TakeBack) error {
			return w.deps.Settlements.TakeBack(ctx, j.Merchant, j.Reversal)
		}),
	)
}

// dues are the sweeps.
func (w *Worker) dues() []sweep {
	d := w.deps
	return []sweep{
		{"log.sequence", w.cfg.Sequence, d.Log.Drain},
		{"log.witness", 15 * time.Second, d.Witnesses.Ask},
		{"order.expire", w.cfg.Sweep, func(ctx context.Context) (int, error) { return all(ctx, d.Orders.ExpireDue) }},
		{"aftersale.sweep", time.Minute, func(ctx context.Context) (int, error) { return all(ctx, d.Aftersales.Sweep) }},
		{"payment.open", w.cfg.Sweep, func(ctx context.Context) (int, error) { return d.Payments.OpenForgotten(ctx, patience, batch) }},
		{"payment.capture", w.cfg.Sweep, w.captureNeglected},
		{"reconcile.day", time.Hour, d.Reconciler.RunDue},
		{"request.forget", time.Hour, func(ctx context.Context) (int, error) {
			n, err := request.Forget(ctx, d.DB)
			return int(n), err
		}},
		{"payment.catch_up", time.Minute, d.Payments.CatchUp},
		{"payment.follow", time.Minute, func(ctx context.Context) (int, error) { return d.Payments.FollowPending(ctx, time.Minute, batch) }},
		{"settlement.close", w.cfg.Sweep, func(ctx context.Context) (int, error) { return all(ctx, d.Settlements.CloseDue) }},
		{"settlement.reclaim", time.Minute, func(ctx context.Context) (int, error) { return all(ctx, d.Settlements.Reclaim) }},
		{"settlement.perform", time.Minute, func(ctx context.Context) (int, error) { return d.Settlements.PerformForgotten(ctx, time.Minute, batch) }},
		{"settlement.arrears", time.Minute, func(ctx context.Context) (int, error) { return all(ctx, d.Settlements.PayArrears) }},
		{"payee.refresh", time.Hour, func(ctx context.Context) (int, error) { return d.Payees.RefreshStale(ctx, time.Hour, batch) }},
		{"settlement.fund", time.Hour, func(ctx context.Context) (int, error) { return d.Settlements.PayFund(ctx, w.log) }},
		{"payment.forget", time.Hour, func(ctx context.Context) (int, error) { return all(ctx, w.forgetBodies) }},
		{"file.sweep", time.Hour, d.Files.Sweep},
		{"fulfilment.receive", time.Minute, func(ctx context.Context) (int, error) { return d.Fulfilment.ReceiveDue(ctx, batch) }},
		{"inventory.withdraw", time.Minute, func(ctx context.Context) (int, error) { return all(ctx, d.Inventory.WithdrawDue) }},
		{"identity.sweep", time.Hour, func(ctx context.Context) (int, error) {
			n, err := d.Identity.Sweep(ctx)
			return int(n), err
		}},
		{"intake.forget", time.Hour, func(ctx context.Context) (int, error) { return all(ctx, d.Intake.Forget) }},
		{"standing.alert", time.Hour, func(ctx context.Context) (int, error) { return all(ctx, d.Standing.RaiseAlerts) }},
		{"voucher.issue", w.cfg.Sweep, func(ctx context.Context) (int, error) { return all(ctx, d.Vouchers.IssueDue) }},
		{"voucher.expire", time.Minute, func(ctx context.Context) (int, error) { return all(ctx, d.Vouchers.ExpireDue) }},
		{"webhook.announce", w.cfg.Sweep, w.announce},
		{"webhook.deliver", time.Second, d.Webhooks.Deliver},
		{"webhook.forget", time.Hour, func(ctx context.Context) (int, error) { return all(ctx, d.Webhooks.Forget) }},
		{"tidings.tell", w.cfg.Sweep, func(ctx context.Context) (int, error) { return d.Tidings.Tell(ctx, batch) }},
		{"disclosure.plan", time.Hour, d.Disclosures.Plan},
		{"tidings.remind", time.Hour, func(ctx context.Context) (int, error) { return d.Tidings.Remind(ctx, batch) }},
		{"dispute.remind", time.Hour, d.Disputes.Remind},
		{"notice.deliver", time.Second, d.Notices.Deliver},
		{"notice.forget", time.Hour, func(ctx context.Context) (int, error) { return all(ctx, d.Notices.Forget) }},
		{"notice.forget_files", time.Hour, d.Notices.ForgetFiles},
		{"search.compare", w.cfg.Sweep, d.Search.Sweep},
		{"business.measure", 15 * time.Second, w.measure},
	}
}

// capture books what was paid, and then tells the buyer, which costs the sale nothing.
// A job that was cut off in between is worked again: the sale stays as it is, and the
// buyer is told.
func (w *Worker) capture(ctx context.Context, event string) error {
	if err := w.deps.Orders.Capture(ctx, event); err != nil {
		return err
	}
	return w.deps.Receipts.Tell(ctx, event)
}

// captureNeglected captures payments whose jobs are late. Where the job comes
// nevertheless, it finds the event used up.
func (w *Worker) captureNeglected(ctx context.Context) (int, error) {
	events, err := w.deps.Payments.Waiting(ctx, hopeless, neglect, batch)
	if err != nil {
		return 0, err
	}
	n := 0
	var errs []error
	for _, e := range events {
		if err := w.capture(ctx, e.ID); err != nil {
			errs = append(errs, fmt.Errorf("event %s: %w", e.ID, err))
			continue
		}
		n++
	}
	return n, errors.Join(errs...)
}

// forgetBodies empties webhooks that were kept long enough.
func (w *Worker) forgetBodies(ctx context.Context, limit int) (int, error) {
	return postgres.InTx(ctx, w.deps.DB, func(tx *postgres.Tx) (int, error) { return payment.ForgetBodies(ctx, tx, limit) })
}

// all repeats a batch until it is not full.
func all(ctx context.Context, f func(ctx context.Context, limit int) (int, error)) (int, error) {
	for sum := 0; ; {
		n, err := f(ctx, batch)
		sum += n
		if err != nil || n < batch {
			return sum, err
		}
	}
}

// measure tells how the fund, the log, the refunds, the breaks and the re-verifications stand: what the fund was
// levied must be one tenth of net sales, n li for n fen.
func (w *Worker) measure(ctx context.Context) (int, error) {
	st, err := w.deps.Fund.Statement(ctx)
	if err != nil {
		return 0, err
	}
	w.metrics.Book(int64(st.LeviedLi), int64(st.LeviedLi-st.SoldFen.Tenth()))
	waiting, err := w.deps.Log.Waiting(ctx)
	if err != nil {
		return 0, err
	}
	w.metrics.Waiting(waiting)
	unaccounted, err := ledger.Unaccounted(ctx, w.deps.DB, time.Hour)
	if err != nil {
		return 0, err
	}
	w.metrics.Unaccounted(unaccounted)
	failed, err := postgres.Read(ctx, w.deps.DB, func(tx *postgres.Tx) (int64, error) { return payment.FailedRefunds(ctx, tx) })
	if err != nil {
		return 0, err
	}
	w.metrics.FailedRefunds(failed)
	open, err := w.deps.Reconciler.OpenBreaks(ctx)
	if err != nil {
		return 0, err
	}
	w.metrics.OpenBreaks(open)
	overdue, err := w.deps.Standing.Overdue(ctx)
	if err != nil {
		return 0, err
	}
	w.metrics.OverdueReverifications(overdue)
	return 0, nil
}
