package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-redis/redis_rate/v10"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/redisdb"
)

// errTooMany says that a caller does something too often.
var errTooMany = fault.New(fault.TooMany, "request.too_many", "Too many requests of this kind", "操作过于频繁，请稍后再试")

// addressFactor is how much more one address may do than one login: many people
// can share an address.
const addressFactor = 10

// Limits are the times a minute that something may be done. 0: without limit.
type Limits struct {
	// SignIn bounds attempts for one login; an address has ten times as many.
	SignIn int `env:"LIMIT_SIGN_IN, default=20"`
	// Register bounds new accounts from one address.
	Register int `env:"LIMIT_REGISTER, default=60"`
	// Checkout bounds the checkouts that one account places.
	Checkout int `env:"LIMIT_CHECKOUT, default=120"`
	// APIKey bounds all that one API key asks for.
	APIKey int `env:"LIMIT_API_KEY, default=600"`
	// Upload bounds the files that one account uploads.
	Upload int `env:"LIMIT_UPLOAD, default=60"`
	// Report bounds where one account tells that it found something cheaper.
	Report int `env:"LIMIT_REPORT, default=10"`
}

// perMinute is the limit that the contract names in x-rate-limit.
func (l Limits) perMinute(name string) int {
	switch name {
	case "sign_in":
		return l.SignIn
	case "register":
		return l.Register
	case "checkout":
		return l.Checkout
	case "upload":
		return l.Upload
	case "report":
		return l.Report
	}
	return 0
}

// limiter counts in Redis. Where Redis does not answer nothing is limited: it is
// here for speed and peace, and no sale depends on it.
type limiter struct {
	limits Limits
	redis  *redisdb.DB
	rate   *redis_rate.Limiter
}

func newLimiter(limits Limits, redis *redisdb.DB) *limiter {
	l := &limiter{limits: limits, redis: redis}
	if redis != nil {
		l.rate = redis_rate.NewLimiter(redis.Client())
	}
	return l
}

// limit is the middleware. It comes after validate, which has read the body.
func (e *edge) limit(c *gin.Context) {
	x := exchangeOf(c.Request.Context())
	if wait := e.limiter.takeKey(c.Request.Context(), x.caller); wait > 0 {
		e.fail(c, errTooMany.After(wait))
		return
	}
	if x.op == nil || x.op.limit == "" {
		return
	}
	n := e.limiter.limits.perMinute(x.op.limit)
	if n <= 0 || e.limiter.redis == nil {
		return
	}
	ctx, name, network := c.Request.Context(), x.op.limit, networkOf(c.ClientIP())
	var wait time.Duration
	switch login := loginOf(x); {
	case !x.caller.Account.IsZero():
		wait = e.limiter.take(ctx, name+":account:"+x.caller.Account.String(), n)
	case login != "":
		wait = max(e.limiter.take(ctx, name+":login:"+login, n), e.limiter.take(ctx, name+":address:"+network, n*addressFactor))
	default:
		wait = e.limiter.take(ctx, name+":address:"+network, n)
	}
	if wait > 0 {
		e.fail(c, errTooMany.After(wait))
	}
}

// takeKey counts one request against the API key that it came by, if any.
func (l *limiter) takeKey(ctx context.Context, caller identity.Caller) time.Duration {
	if caller.Key == uuid.Nil || l.limits.APIKey <= 0 || l.redis == nil {
		return 0
	}
	return l.take(ctx, "api_key:"+caller.Key.String(), l.limits.APIKey)
}

// networkOf is what counts as one address: an address of IPv4, and a /64 of IPv6,
// of which any household has 2^64 addresses to choose from.
func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}

// take counts one against a key and returns how long to wait, 0 when it was allowed.
func (l *limiter) take(ctx context.Context, key string, perMinute int) time.Duration {
	if !l.redis.Ready() {
		return 0
	}
	result, err := l.rate.Allow(ctx, key, redis_rate.PerMinute(perMinute))
	if err != nil || result.Allowed > 0 {
		return 0
	}
	return max(result.RetryAfter, time.Second)
}

// loginOf is the login that a body names, however it is spelled, as a digest:
// Redis is no place for people's phone numbers.
func loginOf(x *exchange) string {
	var body struct{ Login string }
	if json.Unmarshal(x.body, &body) != nil || body.Login == "" {
		return ""
	}
	if normal, ok := identity.NormalLogin(body.Login); ok {
		body.Login = normal
	}
	sum := sha256.Sum256([]byte(body.Login))
	return hex.EncodeToString(sum[:12])
}
