package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/ledger"
)

// funds answers the operations tagged "fund".
type funds struct{ fund *fund.Service }

// ListFundAccounts answers GET /v1/fund/accounts.
func (h funds) ListFundAccounts(ctx context.Context, _ oas.ListFundAccountsRequestObject) (oas.ListFundAccountsResponseObject, error) {
	balances, err := h.fund.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	return oas.ListFundAccounts200JSONResponse{Data: wireAll(balances, wireBalance)}, nil
}

func wireBalance(b ledger.Balance) oas.FundAccount {
	return oas.FundAccount{Account: string(b.Account), BalanceLi: int64(b.Li())}
}
