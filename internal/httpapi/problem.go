package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/request"
)

// Faults of the edge itself.
var (
	errInternal = fault.New(fault.Unavailable, "internal", "Something went wrong on our side", "服务器内部错误")
	errNoPath   = fault.New(fault.NotFound, "request.no_such_path", "There is nothing at this path", "没有这个路径")
	errMethod   = fault.New(fault.Invalid, "request.wrong_method", "The path does not take this method", "该路径不支持此方法")
	errCursor   = fault.New(fault.Invalid, "request.invalid_cursor", "The cursor was not given by this list", "分页游标无效")
	errTimeout  = fault.New(fault.Unavailable, "request.timeout", "The request took too long", "请求处理超时")
)

// problem is the body of every answer that is not a success (RFC 9457).
type problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail,omitempty"`
	Instance  string         `json:"instance"`
	Code      string         `json:"code"`
	RequestID string         `json:"request_id"`
	Errors    []problemField `json:"errors,omitempty"`
}

type problemField struct {
	Pointer string `json:"pointer"`
	Keyword string `json:"keyword"`
	Message string `json:"message"`
}

// fail answers err and ends the request. It is the only place where an error
// becomes an answer; one that is no fault is kept for the request's log line and
// shown to nobody.
func (e *edge) fail(c *gin.Context, err error) {
	x := exchangeOf(c.Request.Context())
	c.Abort()
	var replay *request.ReplayError
	if errors.As(err, &replay) {
		c.Header("Idempotent-Replayed", "true")
		c.Data(replay.Status, "application/json", replay.Body)
		return
	}
	f := faultOf(err)
	if f == errInternal {
		x.err = err
	}
	x.code = f.Code
	if c.Writer.Written() {
		return // part of another answer is on its way; the log line tells
	}
	e.write(c, x, f, err)
}

func (e *edge) write(c *gin.Context, x *exchange, f *fault.Error, err error) {
	english := x.english()
	p := problem{
		Type: "/problems/" + f.Code, Title: f.TitleZH, Status: statusOf(f), Detail: f.Detail,
		Instance: x.id, Code: f.Code, RequestID: x.id, Errors: problemFields(f, err, english),
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Language", "zh-CN")
	if english {
		p.Title = f.Title
		h.Set("Content-Language", "en")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language")
	h.Del("Etag")
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
	if f.Kind == fault.Unauthenticated {
		h.Set("Www-Authenticate", "Bearer")
	}
	c.Status(p.Status)
	enc := json.NewEncoder(c.Writer)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		x.err = errors.Join(x.err, err)
	}
}

// faultOf is what an error is to the caller.
func faultOf(err error) *fault.Error {
	f := fault.Of(err)
	switch {
	case f != nil && (f.Kind == fault.TooMany || f.Kind == fault.Unavailable) && f.RetryAfter == 0:
		return f.After(time.Second)
	case f != nil:
		return f
	case errors.Is(err, page.ErrCursor):
		return errCursor
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errTimeout.After(time.Second)
	}
	return errInternal
}

// statusOf is the HTTP status of a fault: its kind decides, but for the few
// codes for which HTTP has a status of its own.
func statusOf(f *fault.Error) int {
	switch f.Code {
	case errInternal.Code:
		return http.StatusInternalServerError
	case errMethod.Code:
		return http.StatusMethodNotAllowed
	case errTooLarge.Code, file.ErrTooLarge.Code:
		return http.StatusRequestEntityTooLarge
	case errMediaType.Code:
		return http.StatusUnsupportedMediaType
	case request.ErrStale.Code:
		return http.StatusPreconditionFailed
	case request.ErrUnconditional.Code:
		return http.StatusPreconditionRequired
	}
	switch f.Kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Refused:
		return http.StatusUnprocessableEntity
	case fault.TooMany:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// place is a place of the request that is not as the contract wants it.
type place struct {
	pointer string // as in fault.Field
	keyword string
	bound   string // of the rule: the 999 of a maximum
}

// misfit is a fault together with the places that broke the contract; their
// messages are written in the caller's language.
type misfit struct {
	fault  *fault.Error
	places []place
}

// Error is the fault's text.
func (m *misfit) Error() string { return m.fault.Error() }

// Unwrap gives the fault.
func (m *misfit) Unwrap() error { return m.fault }

func problemFields(f *fault.Error, err error, english bool) []problemField {
	var out []problemField
	if f == errCursor {
		out = append(out, problemField{"query:cursor", "cursor", message("cursor", "", english)})
	}
	for _, field := range f.Fields {
		out = append(out, problemField(field))
	}
	var m *misfit
	if errors.As(err, &m) {
		for _, p := range m.places {
			out = append(out, problemField{p.pointer, p.keyword, message(p.keyword, p.bound, english)})
		}
	}
	return out
}

// prefersEnglish reports whether an Accept-Language ranks English above Chinese. A
// header longer than any honest one is not read.
func prefersEnglish(accept string) bool {
	if accept == "" || len(accept) > 200 {
		return false
	}
	rank := map[string]float64{}
	for choice := range strings.SplitSeq(accept, ",") {
		tag, weight, _ := strings.Cut(choice, ";")
		language, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		q := 1.0
		if given, ok := strings.CutPrefix(strings.TrimSpace(weight), "q="); ok {
			if parsed, err := strconv.ParseFloat(given, 64); err == nil {
				q = parsed
			}
		}
		rank[language] = max(rank[language], q)
	}
	return rank["en"] > rank["zh"]
}

// message says what is wrong with a place.
func message(keyword, bound string, english bool) string {
	zh, en := phrase(keyword)
	if english {
		zh = en
	}
	if bound == "" {
		return zh
	}
	return zh + " " + bound
}

func phrase(keyword string) (zh, en string) {
	switch keyword {
	case "required":
		return "缺少必填项", "is required"
	case "unknown":
		return "不认识的字段", "is not known here"
	case "duplicate":
		return "出现了不止一次", "comes more than once"
	case "minimum":
		return "不能小于", "must not be less than"
	case "maximum":
		return "不能大于", "must not be more than"
	case "minLength":
		return "长度不能少于", "must not be shorter than"
	case "maxLength":
		return "长度不能超过", "must not be longer than"
	case "minItems":
		return "项数不能少于", "must not have fewer items than"
	case "maxItems":
		return "项数不能超过", "must not have more items than"
	case "minProperties":
		return "至少填写一项", "must name something"
	case "pattern":
		return "格式应符合", "must match"
	case "enum":
		return "只能是以下之一:", "must be one of"
	case "type":
		return "类型应为", "must be of type"
	case "integer":
		return "必须是 64 位以内的整数", "must be a whole number of at most 64 bits"
	case "nullable":
		return "不能为空", "must not be null"
	case "body":
		return "此操作不接受请求体", "this operation takes no body"
	case "cursor":
		return "不是此列表给出的游标", "was not given by this list"
	case "utf8", "text", "encoding":
		return "含有无法保存的字符", "has characters that cannot be kept"
	case "form":
		return "不是完整的 multipart/form-data 表单", "is not a whole form"
	case "json":
		return "不是完整的 JSON", "is not JSON"
	case "depth":
		return "嵌套过深", "is nested too deep"
	}
	return "格式不正确", "is not well formed"
}
