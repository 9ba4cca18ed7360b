package merchant

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// licenceRow is a row of the table licence.
type licenceRow struct {
	MerchantID   uuid.UUID `gorm:"primaryKey"`
	Kind         string    `gorm:"primaryKey"`
	Number       string    `gorm:"primaryKey"`
	IssuedOn     *time.Time
	ExpiresOn    time.Time `gorm:"primaryKey"`
	ProductKinds []byte    // jsonb array
	Files        []byte    // jsonb array of ids
	FiledAt      time.Time `gorm:"primaryKey"`
}

// TableName is licence.
func (licenceRow) TableName() string { return "licence" }

// withdrawalRow is a row of the table licence_withdrawal.
type withdrawalRow struct {
	MerchantID  uuid.UUID `gorm:"primaryKey"`
	ID          uuid.UUID `gorm:"primaryKey"`
	Kind        string
	Reason      string
	WithdrawnBy uuid.UUID
	At          time.Time
}

// TableName is licence_withdrawal.
func (withdrawalRow) TableName() string { return "licence_withdrawal" }

func insertLicence(ctx context.Context, tx *postgres.Tx, m ID, l Licence) error {
	err := postgres.On[licenceRow](tx).Create(ctx, licenceRow{
		MerchantID: m.UUID(), Kind: l.Kind, Number: l.No, IssuedOn: day(l.IssuedOn), ExpiresOn: l.ExpiresOn.Time(),
		ProductKinds: texts(l.ProductKinds), Files: texts(l.Files), FiledAt: tx.Now,
	})
	if err != nil {
		return fmt.Errorf("enter a licence of %s: %w", m, err)
	}
	return nil
}

func insertWithdrawal(ctx context.Context, tx *postgres.Tx, m ID, kind, reason string, by uuid.UUID) error {
	err := postgres.On[withdrawalRow](tx).Create(ctx, withdrawalRow{
		MerchantID: m.UUID(), ID: id.New[Licence](tx.Now).UUID(), Kind: kind, Reason: reason, WithdrawnBy: by, At: tx.Now,
	})
	if err != nil {
		return fmt.Errorf("withdraw the licences of %s: %w", m, err)
	}
	return nil
}
