package apikey

import (
	"context"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// Service makes keys and knows them again.
type Service struct{ db *postgres.DB }

// New returns a Service on db.
func New(db *postgres.DB) *Service { return &Service{db: db} }

// Make makes a key of an enterprise that the caller sells for; its secret is in
// this answer only. ErrMerchant, ErrInvalid, or ErrTooMany.
func (s *Service) Make(ctx context.Context, caller identity.Caller, m Making) (k Key, secret string, err error) {
	if err := mayManage(caller); err != nil {
		return Key{}, "", err
	}
	if !caller.SellsFor(m.Merchant) {
		return Key{}, "", ErrMerchant
	}
	secret = newKey()
	k, err = postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Key, error) {
		m, err := m.check(tx.Now)
		if err != nil {
			return Key{}, err
		}
		if err := makeRoom(ctx, tx, m.Merchant); err != nil {
			return Key{}, err
		}
		k := Key{
			ID: id.New[Key](tx.Now), Merchant: m.Merchant, Name: m.Name, Prefix: secret[:shownLength], Scopes: m.Scopes,
			MadeBy: caller.Account, State: Live, CreatedAt: tx.Now, ExpiresAt: m.ExpiresAt,
		}
		if err := insert(ctx, tx, k, secret); err != nil {
			return Key{}, err
		}
		return k, note(ctx, tx, caller, "apikey.make", k, map[string]any{"scopes": m.Scopes, "expires_at": m.ExpiresAt})
	})
	if err != nil {
		return Key{}, "", err
	}
	return k, secret, nil
}

// Keys lists the keys of the enterprises that the caller sells for, whoever made
// them and in every state, the newest first.
func (s *Service) Keys(ctx context.Context, caller identity.Caller, p page.Request) (page.Of[Key], error) {
	if err := mayManage(caller); err != nil {
		return page.Of[Key]{}, err
	}
	return postgres.Read(ctx, s.db, func(tx *postgres.Tx) (page.Of[Key], error) {
		return list(ctx, tx, caller.Merchants(), p)
	})
}

// Revoke ends a key of an enterprise that the caller sells for, at once and for
// ever, whoever made it. ErrUnknown, or ErrRevoked.
func (s *Service) Revoke(ctx context.Context, caller identity.Caller, key ID) (Key, error) {
	if err := mayManage(caller); err != nil {
		return Key{}, err
	}
	return postgres.InTx(ctx, s.db, func(tx *postgres.Tx) (Key, error) {
		k, err := lock(ctx, tx, caller.Merchants(), key)
		if err != nil {
			return Key{}, err
		}
		if err := k.Revoke(tx.Now); err != nil {
			return Key{}, err
		}
		if err := updateRevoked(ctx, tx, k); err != nil {
			return Key{}, err
		}
		return k, note(ctx, tx, caller, "apikey.revoke", k, nil)
	})
}

// Resolve says whom a key acts for and what it reaches, in one statement, and
// once a minute notes its use. The caller sells for the key's
// enterprise and has no other role. identity.ErrUnauthenticated when the key is
// unknown, expired, revoked, or its maker may not sell for the enterprise: it
// acts for that person, and can do no more than he.
func (s *Service) Resolve(ctx context.Context, secret string) (identity.Caller, []Scope, error) {
	hash, ok := hashOf(secret)
	if !ok {
		return identity.Caller{}, nil, identity.ErrUnauthenticated
	}
	k, err := postgres.Read(ctx, s.db, func(tx *postgres.Tx) (Key, error) { return byHash(ctx, tx, hash) })
	if err == nil && k.State != Live {
		err = identity.ErrUnauthenticated
	}
	if err == nil && s.db.Now().Sub(k.LastUsedAt) >= seenEvery {
		err = postgres.Do(ctx, s.db, func(tx *postgres.Tx) error { return touch(ctx, tx, k) })
	}
	if err != nil {
		return identity.Caller{}, nil, err
	}
	return identity.Caller{
		Account: k.MadeBy, Key: k.ID.UUID(),
		Roles: []identity.Grant{{Role: identity.Merchant, Merchant: k.Merchant}},
	}, k.Scopes, nil
}

// mayManage keeps keys from making keys, whatever the contract says.
func mayManage(caller identity.Caller) error {
	if caller.Key != uuid.Nil {
		return ErrScope
	}
	return nil
}

func note(ctx context.Context, tx *postgres.Tx, caller identity.Caller, operation string, k Key, detail map[string]any) error {
	all := map[string]any{"merchant_id": k.Merchant.String(), "prefix": k.Prefix}
	for name, value := range detail {
		all[name] = value
	}
	return trail.Note(ctx, tx, trail.Entry{
		Actor: caller.Account.UUID(), Operation: operation, Object: "api_key:" + k.ID.String(), Detail: all,
	})
}
