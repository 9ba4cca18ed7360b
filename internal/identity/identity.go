// Package identity knows who somebody is: accounts, their passwords, sessions
// and roles. It does not know what they buy. Nothing in it can be guessed:
// tokens are random, passwords are hashed with argon2id, and an unknown login
// takes as long to refuse as a wrong password.
package identity

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
)

// Faults of identity.
var (
	// ErrUnauthenticated says that there is no token, or that it is unknown, expired or revoked.
	ErrUnauthenticated = fault.New(fault.Unauthenticated, "identity.unauthenticated", "Please sign in", "请先登录")
	// ErrCredentials says that login and password do not belong together; never which of them is wrong.
	ErrCredentials = fault.New(fault.Unauthenticated, "identity.wrong_credentials", "Login or password is wrong", "账号或密码错误")
	// ErrSuspended says that the account may not be used at present.
	ErrSuspended = fault.New(fault.Forbidden, "identity.suspended", "The account is suspended", "账号已被停用")
	// ErrForbidden says that the caller's roles do not allow the operation on any object.
	ErrForbidden = fault.New(fault.Forbidden, "identity.forbidden", "Your role does not allow this", "您的角色无权进行此操作")
	// ErrAccount says that there is no such account.
	ErrAccount = fault.New(fault.NotFound, "identity.account_not_found", "No such account", "账号不存在")
	// ErrSession says that there is no such session of the caller's.
	ErrSession = fault.New(fault.NotFound, "identity.session_not_found", "No such session", "会话不存在")
	// ErrTaken says that another account has this phone number or e-mail address.
	ErrTaken = fault.New(fault.Conflict, "identity.login_taken", "The phone number or e-mail address is registered already", "该手机号或邮箱已注册")
	// ErrInvalid names the fields of a registration that are no good.
	ErrInvalid = fault.New(fault.Invalid, "identity.invalid", "The registration is not valid", "注册信息有误")
	// ErrWeak says that a password breaks the rules.
	ErrWeak = fault.New(fault.Invalid, "identity.weak_password", "The password is too short, too long or too easy", "密码长度须为 8 至 128 个字符，且不得与账号相同")
	// ErrPassword says that the present password was not given rightly.
	ErrPassword = fault.New(fault.Refused, "identity.wrong_password", "The present password is wrong", "原密码错误")
	// ErrBusy says that too many people are signing in at once.
	ErrBusy = fault.New(fault.Unavailable, "identity.busy", "Too many people are signing in; try again in a moment", "登录人数过多，请稍后再试")
	// ErrOwn says that nobody changes his own rights.
	ErrOwn = fault.New(fault.Refused, "identity.own_account", "Nobody changes his own rights", "不能变更本人的权限")
	// ErrState says that the account is not in the state that the change needs.
	ErrState = fault.New(fault.Conflict, "identity.wrong_state", "The account's state does not allow this", "账号当前状态不允许此操作")
	// ErrGrant says that a role is unknown, or not for what it is given for.
	ErrGrant = fault.New(fault.Invalid, "identity.invalid_grant", "The role and what it is for do not go together", "角色与其所属企业或地区不匹配")
	// ErrReason says that a change needs a reason of 2 to 500 characters.
	ErrReason = fault.New(fault.Invalid, "identity.reason_required", "Give a reason", "请填写原因")
)

// SessionTTL is how long a sign-in lasts. It does not slide.
const SessionTTL = 30 * 24 * time.Hour

// ID names an account.
type ID = id.Of[Account]

// SessionID names a session. It is no secret: the token is.
type SessionID = id.Of[Session]

// State says whether an account may be used.
type State string

// The states of an account.
const (
	Active    State = "active"
	Suspended State = "suspended"
)

// Account is somebody who can sign in.
type Account struct {
	ID        ID
	Phone     string // E.164, or ""
	Email     string // lower case, or ""
	Name      string
	State     State
	Roles     []Grant
	CreatedAt time.Time
}

// Suspend takes the use of the account away, until Reinstate.
func (a *Account) Suspend() error {
	if a.State != Active {
		return ErrState.With("the account is %s already", a.State)
	}
	a.State = Suspended
	return nil
}

// Reinstate gives the use of the account back.
func (a *Account) Reinstate() error {
	if a.State != Suspended {
		return ErrState.With("the account is %s: only a suspended one is reinstated", a.State)
	}
	a.State = Active
	return nil
}

// Session is one sign-in.
type Session struct {
	ID        SessionID
	Account   ID
	Token     string // 43 characters; only in the answer of SignIn, kept nowhere
	UserAgent string
	CreatedAt time.Time
	ExpiresAt time.Time
	RevokedAt time.Time // zero: in force
}

// Role is what an account may do beyond buying, which everybody may.
type Role string

// The roles.
const (
	Consumer    Role = "consumer"    // everybody, without a grant
	Merchant    Role = "merchant"    // sells for one enterprise
	Operator    Role = "operator"    // runs the shop
	FundAdmin   Role = "fund_admin"  // proposes and pays grants
	Auditor     Role = "auditor"     // reads the book and the trail
	Institution Role = "institution" // buys for an institution
	County      Role = "county"      // an official, who recommends the enterprises of one county
)

// Grant is a role that was given, and what for.
type Grant struct {
	Role     Role
	Merchant uuid.UUID // the enterprise that a Merchant sells for; zero with every other role
	Region   string    // the county of a County official, GB/T 2260: "152527"; "" with every other role
}

// check refuses a grant that makes no sense.
func (g Grant) check() error {
	county := len(g.Region) == 6 && strings.Trim(g.Region, "0123456789") == ""
	switch {
	case !slices.Contains([]Role{Merchant, County, Operator, FundAdmin, Auditor, Institution}, g.Role):
		return ErrGrant.At("/role", "enum", "no such role to give: everybody is a consumer")
	case (g.Role == Merchant) != (g.Merchant != uuid.Nil):
		return ErrGrant.At("/merchant_id", "scope", "a merchant sells for an enterprise, and nobody else does")
	case (g.Role == County) != county || !county && g.Region != "":
		return ErrGrant.At("/region", "scope", "a county's official has its six digits, and nobody else has")
	}
	return nil
}

// detail is what the trail says of a grant.
func (g Grant) detail() map[string]any {
	detail := map[string]any{"role": string(g.Role)}
	if g.Merchant != uuid.Nil {
		detail["merchant_id"] = g.Merchant.String()
	}
	if g.Region != "" {
		detail["region"] = g.Region
	}
	return detail
}

// Caller is who a request comes from. Its zero value is a stranger.
type Caller struct {
	Account ID
	Session SessionID
	Key     uuid.UUID // the API key by which Account's enterprise calls; zero: a person does
	Roles   []Grant
}

// Is reports whether the caller has the role. Everybody who is signed in is a
// Consumer; an API key is nobody, and buys nothing.
func (c Caller) Is(r Role) bool {
	if r == Consumer {
		return !c.Account.IsZero() && c.Key == uuid.Nil
	}
	return slices.ContainsFunc(c.Roles, func(g Grant) bool { return g.Role == r })
}

// Merchants lists the enterprises that the caller sells for.
func (c Caller) Merchants() []uuid.UUID {
	var out []uuid.UUID
	for _, g := range c.Roles {
		if g.Role == Merchant {
			out = append(out, g.Merchant)
		}
	}
	return out
}

// ActsFor reports whether the caller is an official of this county.
func (c Caller) ActsFor(region string) bool {
	return region != "" && slices.Contains(c.Roles, Grant{Role: County, Region: region})
}

// SellsFor reports whether the caller sells for this enterprise.
func (c Caller) SellsFor(merchant uuid.UUID) bool {
	return merchant != uuid.Nil && slices.Contains(c.Roles, Grant{Role: Merchant, Merchant: merchant})
}

// Must is ErrForbidden unless the caller has one of the roles.
func (c Caller) Must(roles ...Role) error {
	if slices.ContainsFunc(roles, c.Is) {
		return nil
	}
	return ErrForbidden
}

type callerKey struct{}

// WithCaller tells everybody below ctx who is asking.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// FromContext says who is asking; false: a stranger.
func FromContext(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// Registration is what somebody tells to get an account: a phone number or an
// e-mail address, or both.
type Registration struct {
	Phone    string
	Email    string
	Password string
	Name     string // 1 to 64 characters
}

// maxName bounds a name, in characters.
const maxName = 64

// normal is r with phone and e-mail in the form that they are kept in, or
// ErrInvalid or ErrWeak naming what is wrong.
func (r Registration) normal() (Registration, error) {
	bad := ErrInvalid
	if r.Phone == "" && r.Email == "" {
		bad = bad.At("/phone", "required", "a phone number or an e-mail address is needed")
	}
	var ok bool
	if r.Phone != "" {
		if r.Phone, ok = NormalPhone(r.Phone); !ok {
			bad = bad.At("/phone", "format", "not a phone number")
		}
	}
	if r.Email != "" {
		if r.Email, ok = NormalEmail(r.Email); !ok {
			bad = bad.At("/email", "format", "not an e-mail address")
		}
	}
	r.Name = strings.TrimSpace(r.Name)
	if n := utf8.RuneCountInString(r.Name); n < 1 || n > maxName || !printable(r.Name) {
		bad = bad.At("/name", "length", "1 to 64 characters")
	}
	if len(bad.Fields) > 0 {
		return r, bad
	}
	return r, checkPassword(r.Password, "/password", r.Phone, r.Email)
}

// Bounds of a password, in characters.
const (
	minPassword = 8
	maxPassword = 128
)

// checkPassword refuses a password that is too short, too long, or one of the
// account's own logins.
func checkPassword(password, pointer string, logins ...string) error {
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword || !utf8.ValidString(password) {
		return ErrWeak.At(pointer, "length", "8 to 128 characters")
	}
	for _, login := range logins {
		local, _, _ := strings.Cut(login, "@")
		for _, easy := range []string{login, local, strings.TrimPrefix(login, "+"), strings.TrimPrefix(login, mainland)} {
			if login != "" && strings.EqualFold(strings.TrimSpace(password), easy) {
				return ErrWeak.At(pointer, "not_login", "the password may not be the login")
			}
		}
	}
	return nil
}

// mainland is the country code of the Chinese mainland.
const mainland = "+86"

// NormalPhone gives a phone number in E.164. Eleven digits that begin with 1
// are a mobile number of the Chinese mainland; all others need their country code.
func NormalPhone(s string) (string, bool) {
	var b strings.Builder
	for i, r := range strings.TrimSpace(s) {
		switch {
		case r >= '0' && r <= '9', r == '+' && i == 0:
			b.WriteRune(r)
		case strings.ContainsRune(" -()", r):
		default:
			return "", false
		}
	}
	n := b.String()
	if rest, ok := strings.CutPrefix(n, "00"); ok {
		n = "+" + rest
	}
	if len(n) == 11 && n[0] == '1' {
		n = mainland + n
	}
	switch {
	case len(n) < 8 || len(n) > 16 || n[0] != '+' || n[1] == '0':
		return "", false
	case strings.HasPrefix(n, mainland) && (len(n) != 14 || n[3] != '1' || n[4] < '3'):
		return "", false
	}
	return n, true
}

// maxEmail bounds an e-mail address, in bytes (RFC 5321 §4.5.3.1.3).
const maxEmail = 254

// NormalEmail gives an e-mail address in lower case. Quoted local parts and
// addresses without a dot in their domain are refused.
func NormalEmail(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	local, domain, found := strings.Cut(s, "@")
	switch {
	case !found, len(s) > maxEmail, local == "", len(local) > 64,
		!strings.Contains(strings.Trim(domain, "."), "."), strings.Contains(domain, ".."),
		strings.HasPrefix(domain, "."), strings.HasSuffix(domain, "."):
		return "", false
	}
	for _, r := range s {
		if r > unicode.MaxASCII && !unicode.IsLetter(r) || r <= ' ' || r == 0x7f || strings.ContainsRune(`"(),:;<>[\]`, r) {
			return "", false
		}
	}
	return s, strings.Count(s, "@") == 1
}

// NormalLogin is what a login is kept as: an e-mail address if it has an @,
// a phone number otherwise.
func NormalLogin(s string) (login string, ok bool) {
	if strings.Contains(s, "@") {
		return NormalEmail(s)
	}
	return NormalPhone(s)
}

// Bounds of a reason, in characters.
const (
	minReason = 2
	maxReason = 500
)

// CheckReason refuses a reason that is too short, too long or not text.
func CheckReason(reason string) error {
	if n := utf8.RuneCountInString(strings.TrimSpace(reason)); n < minReason || n > maxReason || !printable(reason) {
		return ErrReason.At("/reason", "length", "2 to 500 characters")
	}
	return nil
}

// printable reports whether s is text without control characters other than
// line breaks.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' })
}
