package httpapi

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/receipt"
	"github.com/shiyi-market/shiyi/internal/web"
)

// home answers the front page. It and the assets are no part of the API, and not
// in the contract.
func (e *edge) home(c *gin.Context) {
	s, err := e.deps.Fund.Statement(c.Copy())
	if err != nil {
		e.fail(c, err)
		return
	}
	visit := web.Visit{
		Base: e.base(c.Request), English: exchangeOf(c.Request.Context()).english(),
		Paid: checkoutOf(c.Query("paid")), Unpaid: checkoutOf(c.Query("unpaid")),
	}
	page, err := e.site.Home(visit, web.Figures{
		Orders: s.Orders, Sold: s.SoldFen, Levied: s.LeviedLi, Pending: s.PendingLi, Free: s.FreeLi,
		Held: s.HeldLi, Promised: s.CommittedLi, Paid: s.SpentLi,
	})
	e.page(c, page, err)
}

// base is the address of the shop without a slash at its end. Behind a proxy the
// request does not know it: the proxy speaks TLS, and perhaps another host's name.
func (e *edge) base(r *http.Request) string {
	switch {
	case e.deps.PublicURL != "":
		return strings.TrimRight(e.deps.PublicURL, "/")
	case r.TLS != nil:
		return "https://" + r.Host
	default:
		return "http://" + r.Host
	}
}

// checkoutOf is the checkout that the payment provider sends a buyer back with, or "".
func checkoutOf(text string) string {
	if _, err := id.Parse[order.Checkout](text); err != nil {
		return ""
	}
	return text
}

// receipt answers the page of a receipt, for whoever has its key. It is nobody else's: no cache
// keeps it, no search engine lists it, and where its reader goes from it nobody learns its address.
func (e *edge) receipt(c *gin.Context) {
	english := exchangeOf(c.Request.Context()).english()
	h := c.Writer.Header()
	h.Set("X-Robots-Tag", "noindex")
	cid, err := id.Parse[order.Checkout](c.Param("checkout_id"))
	if err != nil {
		e.fail(c, receipt.ErrNoPage)
		return
	}
	w, err := e.deps.Receipts.Page(c.Copy(), cid, c.Query("key"))
	if err != nil {
		e.fail(c, err)
		return
	}
	page, err := e.site.Receipt(w.Receipt, w.Traced, english)
	e.page(c, page, err)
}

// asset answers a file that the pages need.
func (e *edge) asset(c *gin.Context) {
	page, ok := e.site.Asset(c.Param("name"))
	if !ok {
		e.fail(c, errNoPath)
		return
	}
	e.page(c, page, nil)
}

func (e *edge) page(c *gin.Context, page web.Page, err error) {
	if err != nil {
		e.fail(c, err)
		return
	}
	page.SetHeader(c.Writer.Header())
	c.Status(http.StatusOK)
	_, _ = c.Writer.Write(page.Body) // the caller may have left
}

// summaries are the operations as the page of the contract lists them.
func summaries(routes routeTable) []web.Operation {
	var out []web.Operation
	for _, op := range routes.all() {
		s := web.Operation{Method: op.method, Path: op.route.Path, ID: op.id, Summary: op.route.Operation.Summary, Who: "–"}
		if len(op.route.Operation.Tags) > 0 {
			s.Tag = op.route.Operation.Tags[0]
		}
		for i, role := range op.authz.Roles {
			if i == 0 {
				s.Who = role
			} else {
				s.Who += ", " + role
			}
		}
		out = append(out, s)
	}
	return out
}
