// Package reconcile looks across: it holds what the payment provider says against what
// stands with us. What we have not heard of it follows; what differs it writes down as a
// break, with somebody who answers for it, until it is resolved.
package reconcile

import (
	"log/slog"

	"github.com/shiyi-market/shiyi/internal/aftersale"
	"github.com/shiyi-market/shiyi/internal/dispute"
	"github.com/shiyi-market/shiyi/internal/gateway"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/payment"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// Service reconciles.
type Service struct {
	db         *postgres.DB
	gateway    gateway.Gateway
	payments   *payment.Service
	orders     *order.Service
	aftersales *aftersale.Service
	disputes   *dispute.Service
	log        *slog.Logger
}

// New makes the service over the provider and those who keep what it is told.
func New(db *postgres.DB, provider gateway.Gateway, payments *payment.Service, orders *order.Service,
	aftersales *aftersale.Service, disputes *dispute.Service, log *slog.Logger,
) *Service {
	return &Service{db, provider, payments, orders, aftersales, disputes, log}
}
