package sandbox

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"
)

// pageTemplate is the pay page: no script, no style, Chinese first.
const pageTemplate = `<!doctype html>
<html lang="{{if .ZH}}zh-CN{{else}}en{{end}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{if .ZH}}沙箱支付{{else}}Sandbox payment{{end}}</title>
</head>
<body>
<main>
<h1>{{if .ZH}}沙箱支付{{else}}Sandbox payment{{end}}</h1>
<p>{{if .ZH}}这是模拟的支付页面，不会扣款。{{else}}This page simulates a payment provider. No money moves.{{end}}</p>
{{with .Notice}}<p role="alert"><strong>{{.}}</strong></p>{{end}}
{{with .Account}}
<dl><dt>{{if $.ZH}}收款账户{{else}}Account{{end}}</dt><dd>{{.}}</dd></dl>
<form method="post"><p><button name="action" value="onboard">{{if $.ZH}}提交资料（模拟）{{else}}Submit what is asked for (simulated){{end}}</button></p></form>
{{end}}
{{with .Session}}
<dl>
<dt>{{if $.ZH}}商品{{else}}For{{end}}</dt><dd>{{.Description}}</dd>
<dt>{{if $.ZH}}金额{{else}}Amount{{end}}</dt><dd>{{$.Amount}}</dd>
</dl>
{{if $.Open}}
<form method="post">
<fieldset>
<legend>{{if $.ZH}}支付方式{{else}}Pay by{{end}}</legend>
{{range $i, $m := .Methods}}<p><label><input type="radio" name="method" value="{{$m}}"{{if eq $i 0}} checked{{end}}> {{index $.Names $m}}</label></p>
{{end}}</fieldset>
<p><button name="action" value="pay">{{if $.ZH}}支付{{else}}Pay{{end}} {{$.Amount}}</button>
<button name="action" value="decline">{{if $.ZH}}模拟支付失败{{else}}Decline{{end}}</button></p>
</form>
{{with .Cancel}}<p><a href="{{.}}">{{if $.ZH}}返回商店{{else}}Back to the shop{{end}}</a></p>{{end}}
{{end}}
{{end}}
</main>
</body>
</html>
`

// view is what the pay page shows.
type view struct {
	ZH, Open bool
	Notice   string
	Amount   string
	Session  *session
	Account  string // that is to be onboarded, or ""
	Names    map[string]string
}

// Page is the page on which people pay a session, or decline: GET and POST
// /…/{session}, to be mounted at Config.PageURL. After the payment it sends them
// back to the shop.
func (s *Sandbox) Page() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := path.Base(r.URL.Path)
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			s.show(w, r, id, http.StatusOK, "")
		case http.MethodPost:
			s.submit(w, r, id)
		default:
			w.Header().Set("Allow", "GET, POST")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		}
	})
}

// submit does what the person chose.
func (s *Sandbox) submit(w http.ResponseWriter, r *http.Request, id string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
		return
	}
	zh := chinese(r)
	if back, ok := s.returning(id); ok {
		if err := s.Onboard(id); err != nil {
			s.log.LogAttrs(r.Context(), slog.LevelError, "the sandbox cannot onboard an account", slog.Any("error", err))
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		http.Redirect(w, r, back, http.StatusSeeOther)
		return
	}
	if r.PostForm.Get("action") != "pay" {
		s.show(w, r, id, http.StatusOK, say(zh, "支付失败，可以重试。", "The payment was declined. You may try again."))
		return
	}
	_, err := s.Pay(id, r.PostForm.Get("method"))
	switch {
	case errors.Is(err, ErrMethod):
		s.show(w, r, id, http.StatusBadRequest, say(zh, "不支持这种支付方式。", "This way to pay is not offered."))
	case errors.Is(err, ErrNoSession), errors.Is(err, ErrClosed):
		s.show(w, r, id, http.StatusOK, "")
	case err != nil:
		s.log.LogAttrs(r.Context(), slog.LevelError, "the sandbox cannot take a payment", slog.Any("error", err))
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	default:
		paid, _ := s.look(id)
		http.Redirect(w, r, strings.ReplaceAll(paid.Success, "{CHECKOUT_SESSION_ID}", id), http.StatusSeeOther)
	}
}

// look is a copy of the session, or false.
func (s *Sandbox) look(id string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.sessions[id]
	if !ok {
		return session{}, false
	}
	return *found, true
}

// returning is where the holder of an account goes from its page, or false if id
// is no account.
func (s *Sandbox) returning(id string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.accounts[id]
	if !ok || found.Return == "" {
		return "", false
	}
	return found.Return, true
}

// show writes the page; what the state of the session says goes before notice.
func (s *Sandbox) show(w http.ResponseWriter, r *http.Request, id string, status int, notice string) {
	zh := chinese(r)
	v := view{ZH: zh, Notice: notice, Names: map[string]string{
		Card: say(zh, "银行卡", "Card"), Alipay: say(zh, "支付宝", "Alipay"), WeChat: say(zh, "微信支付", "WeChat Pay"),
	}}
	found, ok := s.look(id)
	if ok {
		v.Session, v.Amount = &found, fmt.Sprintf("%s %d.%02d", strings.ToUpper(found.Currency), found.Amount/100, found.Amount%100)
		v.Open = found.Status == open && s.clock().Unix() < found.Expires
	}
	_, account := s.returning(id)
	switch {
	case account:
		v.Account = id
	case !ok:
		status, v.Notice = http.StatusNotFound, say(zh, "没有这笔支付。", "There is no such payment.")
	case found.Status == complete:
		v.Notice = say(zh, "已支付。", "This has been paid.")
	case !v.Open:
		v.Notice = say(zh, "支付已过期。", "The time to pay is over.")
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if err := s.page.Execute(w, v); err != nil {
		s.log.LogAttrs(r.Context(), slog.LevelWarn, "the sandbox's page was not sent whole", slog.Any("error", err))
	}
}

// chinese reports whether the page is in Chinese: unless English is asked for first.
func chinese(r *http.Request) bool {
	return !strings.HasPrefix(strings.ToLower(r.Header.Get("Accept-Language")), "en")
}

func say(zh bool, chinese, english string) string {
	if zh {
		return chinese
	}
	return english
}
