package httpapi_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/tidings"
)

var update = flag.Bool("update", false, "write what the API answers into the conversations")

// TestConversations replays testdata/*.http: requests and the answers that a
// product owner has read. In them:
//
//	# a remark
//	! pay {checkout}      something that happens outside the API: pay, arrive, receive, issue, return, decline, work,
//	                      inform, tell, log, wait 30m, expire, close, grant 5.00 paid 4.00, upload li scan,
//	                      endow 1000, sign-in li
//	> POST /v1/… as li    a request; li is registered and signed in on the way
//	Idempotency-Key: k    its headers, then its body
//	                      "file name" is one of the files in wicked, as a form
//	< 201 Created         the answer
//
// Ids get names as they appear: {checkout}, {order}, {order-2}.
func TestConversations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.http")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".http"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			must(t, err)
			got := (&conversation{shop: newShop(t, options{}), ids: known()}).hold(t, string(want))
			if *update {
				must(t, os.WriteFile(file, []byte(got), 0o600))
				return
			}
			if diff := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// conversation is what was said so far.
type conversation struct {
	shop *shop
	ids  map[string]string // name → what it stands for
	path string            // of the last request
}

func known() map[string]string {
	all := make(map[string]string)
	for name, u := range names() {
		all[name] = u.String()
	}
	return all
}

// hold says every request of a script and returns the script with the answers.
func (c *conversation) hold(t *testing.T, script string) string {
	t.Helper()
	var out strings.Builder
	for _, part := range strings.Split(strings.TrimSpace(script), "\n\n") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		switch part[0] {
		case '!':
			c.happen(t, part)
		case '>':
			part = c.ask(t, part)
			c.shop.Clock.Advance(time.Second) // so that what comes later sorts later
		}
		out.WriteString(part + "\n\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// happen lets something happen outside the API.
func (c *conversation) happen(t *testing.T, directive string) {
	t.Helper()
	words := strings.Fields(c.fill(directive))
	switch words[1] {
	case "pay":
		c.shop.Pay(t, c.page(t, words[2]))
	case "return":
		c.shop.ReturnPast(t, uuid.MustParse(words[2]))
	case "arrive":
		c.shop.Arrive(t, id.From[order.Order](uuid.MustParse(words[2])))
	case "receive":
		c.shop.Receive(t, id.From[order.Order](uuid.MustParse(words[2])))
	case "decline":
		c.shop.Decline(t, uuid.MustParse(words[2]))
	case "work":
		c.shop.Perform(t)
	case "inform":
		_, err := tidings.New(c.shop.DB).Tell(t.Context(), 100)
		must(t, err)
	case "tell":
		c.shop.Tell(t)
	case "issue":
		_, err := c.shop.Vouchers.IssueDue(t.Context(), 100)
		must(t, err)
	case "log":
		c.shop.Sequence(t)
	case "close":
		_, err := c.shop.Settlements.CloseDue(t.Context(), 100)
		must(t, err)
	case "grant":
		c.grant(t, words[2], words[4])
	case "wait":
		d, err := time.ParseDuration(words[2])
		must(t, err)
		c.shop.Clock.Advance(d)
	case "upload":
		c.ids[words[3]] = c.shop.File(t, c.shop.account(t, words[2]), words[3]).String()
	case "endow":
		fen, err := strconv.ParseInt(words[2], 10, 64)
		must(t, err)
		c.shop.Endow(t, money.Fen(fen))
	case "sign-in":
		c.shop.signIn(t, words[2])
	case "expire":
		_, err := c.shop.Orders.ExpireDue(t.Context(), 100)
		must(t, err)
	default:
		t.Fatalf("%q is nothing that can happen", directive)
	}
}

// grant promises an amount of yuan to a programme, and pays some of it.
func (c *conversation) grant(t *testing.T, promised, paid string) {
	t.Helper()
	grant, programme, payment := uuid.New(), uuid.New(), uuid.New()
	c.ids["programme"], c.ids["payment"] = programme.String(), payment.String()
	all, err := money.ParseYuan(promised)
	must(t, err)
	part, err := money.ParseYuan(paid)
	must(t, err)
	book(t, c.shop, fund.Grant(grant, all), fund.PayGrant(grant, programme, payment, part))
}

// page is where a checkout is paid.
func (c *conversation) page(t *testing.T, checkout string) (page string) {
	t.Helper()
	must(t, c.shop.DB.SQL().QueryRowContext(t.Context(), "SELECT pay_url FROM payment_intent WHERE id = $1", checkout).Scan(&page))
	return page
}

var voucherCode = regexp.MustCompile(`^([2-9A-Z]{4}-){3}[2-9A-Z]$`)

var headerLine = regexp.MustCompile(`^([A-Z][A-Za-z-]+): (.*)$`)

// ask sends the request of a part and returns the part with its answer.
func (c *conversation) ask(t *testing.T, part string) string {
	t.Helper()
	said, _, _ := strings.Cut(part, "\n< ")
	lines := strings.Split(said, "\n")
	words := strings.Fields(lines[0])
	headers := []string{"X-Request-Id", "conversation"}
	var body any
	for i, line := range lines[1:] {
		if h := headerLine.FindStringSubmatch(line); h != nil {
			headers = append(headers, h[1], c.fill(h[2]))
			continue
		}
		body = c.fill(strings.Join(lines[i+1:], "\n"))
		break
	}
	if said, ok := body.(string); ok && words[2] == "/v1/files" && strings.HasPrefix(said, "file ") {
		var kind string
		body, kind = form(t, "file:"+strings.TrimPrefix(said, "file "), wicked(t)[strings.TrimPrefix(said, "file ")])
		headers = append(headers, "Content-Type", kind)
	}
	token := ""
	if len(words) == 5 && words[3] == "as" {
		token = c.shop.token(t, words[4])
	}
	c.path = words[2]
	w := c.shop.call(t, words[1], c.fill(words[2]), token, body, headers...)
	var out strings.Builder
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	fmt.Fprintf(&out, "%s\n< %d %s %s", said, w.Code, http.StatusText(w.Code), kind)
	for _, name := range []string{"Allow", "Idempotent-Replayed", "Retry-After", "Www-Authenticate"} {
		if value := w.Header().Get(name); value != "" {
			fmt.Fprintf(&out, "\n%s: %s", name, value)
		}
	}
	if w.Body.Len() > 0 {
		out.WriteString("\n" + c.tell(t, w.Body.Bytes()))
	}
	return strings.TrimSpace(strings.ReplaceAll(out.String(), " \n", "\n"))
}

// fill puts what names stand for into a text.
func (c *conversation) fill(text string) string {
	for name, value := range c.ids {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// tell writes an answer with names for ids, and without what is different each time.
func (c *conversation) tell(t *testing.T, body []byte) string {
	t.Helper()
	if !json.Valid(body) {
		return "(not JSON)"
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	must(t, d.Decode(&v))
	path, _, _ := strings.Cut(c.path, "?")
	segments := strings.Split(strings.Trim(path, "/"), "/")
	noun := segments[len(segments)-1]
	if strings.HasPrefix(noun, "{") || slices.Contains([]string{"cancel", "suspend", "reinstate", "receipt", "trace", "retry", "revoke", "submit", "recommend", "return", "approve", "refuse", "agreement", "rotate", "confirm", "decline", "read", "assess", "publish", "accept", "enact", "answer", "execute", "relations"}, noun) {
		noun = segments[len(segments)-2]
	}
	if slices.Contains([]string{"ping", "deliveries", "resend"}, noun) {
		noun = "delivery"
	}
	v = c.name(v, strings.TrimSuffix(noun, "s"))
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	must(t, enc.Encode(v))
	return strings.TrimSpace(out.String())
}

// name gives names to the ids in v; what is v's own id is called noun.
func (c *conversation) name(v any, noun string) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			if s, isText := v[i].(string); isText && uuid.Validate(s) == nil {
				v[i] = c.nameOf(s, noun)
				continue
			}
			v[i] = c.name(v[i], noun)
		}
	case map[string]any:
		for _, key := range slices.SortedFunc(maps.Keys(v), idFirst) {
			s, isText := v[key].(string)
			switch {
			case !isText && key == "data":
				v[key] = c.name(v[key], noun)
			case !isText:
				v[key] = c.name(v[key], strings.TrimSuffix(key, "s"))
			case key == "path" && strings.Contains(s, "?token="):
				at, token, _ := strings.Cut(s, "?token=")
				v[key] = c.name(map[string]any{"at": at}, "").(map[string]any)["at"].(string) + "?token=" + c.nameOf(token, "link")
			case key == "digest":
				v[key] = c.nameOf(s, "digest")
			case key == "next_cursor":
				v[key] = c.nameOf(s, "cursor")
			case key == "code" && voucherCode.MatchString(s):
				v[key] = c.nameOf(s, "code")
			case key == "key" && strings.HasPrefix(s, "shy_live_"):
				v[key] = c.nameOf(s, "secret-key")
			case slices.Contains([]string{"token", "salt", "leaf", "proof", "key", "pay_url", "page_url", "how_to_verify", "onboarding_url", "failure", "prefix", "secret", "pseudonym"}, key):
				v[key] = "…"
			case uuid.Validate(s) == nil && len(s) == 36:
				v[key] = c.nameOf(s, cmp.Or(strings.TrimSuffix(strings.TrimSuffix(key, "id"), "_"), noun))
			default:
				for name, value := range c.ids {
					v[key] = strings.ReplaceAll(fmt.Sprint(v[key]), value, "{"+name+"}")
				}
			}
		}
	}
	return v
}

// idFirst orders a thing's own id before what it holds.
func idFirst(a, b string) int {
	if (a == "id") != (b == "id") {
		if a == "id" {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

func (c *conversation) nameOf(value, noun string) string {
	for name, known := range c.ids {
		if known == value {
			return "{" + name + "}"
		}
	}
	name := noun
	for n := 2; c.ids[name] != ""; n++ {
		name = fmt.Sprintf("%s-%d", noun, n)
	}
	c.ids[name] = value
	return "{" + name + "}"
}
