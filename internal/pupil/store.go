package pupil

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/postgres"
)

// pupilRow is a row of the table pupil.
type pupilRow struct {
	ID, ProgrammeID              uuid.UUID
	Pseudonym, RegionCode, Stage string
	ConsentOn                    time.Time
	RecordedBy                   uuid.UUID
	RecordedAt                   time.Time
	ErasedAt                     *time.Time
}

// TableName is pupil.
func (pupilRow) TableName() string { return "pupil" }

func (r pupilRow) pupil() Pupil {
	p := Pupil{
		ID: id.From[Pupil](r.ID), Pseudonym: r.Pseudonym, Programme: r.ProgrammeID, Region: r.RegionCode, Stage: Stage(r.Stage),
		ConsentOn: r.ConsentOn.UTC(), RecordedBy: id.From[identity.Account](r.RecordedBy), RecordedAt: r.RecordedAt.UTC(),
	}
	p.ErasedAt = postgres.OrZero(r.ErasedAt)
	return p
}

// recordRow is a row of the table pupil_record.
type recordRow struct {
	PupilID                        uuid.UUID
	Secret                         string
	WrappedKey, Sealed, BlindIndex []byte
}

// TableName is pupil_record.
func (recordRow) TableName() string { return "pupil_record" }

// requestRow is a row of the table pupil_request.
type requestRow struct {
	ID, PupilID            uuid.UUID
	Purpose, Reason, State string
	AskedBy                uuid.UUID
	AskedAt                time.Time
	DecidedBy              *uuid.UUID
	DecidedAt, Until       *time.Time
}

// TableName is pupil_request.
func (requestRow) TableName() string { return "pupil_request" }

func (r requestRow) request() Request {
	q := Request{
		ID: id.From[Request](r.ID), Pupil: id.From[Pupil](r.PupilID), Purpose: Purpose(r.Purpose), Reason: r.Reason, State: State(r.State),
		AskedBy: id.From[identity.Account](r.AskedBy), AskedAt: r.AskedAt.UTC(),
	}
	q.DecidedBy, q.DecidedAt = id.FromNull[identity.Account](r.DecidedBy), postgres.OrZero(r.DecidedAt)
	q.Until = postgres.OrZero(r.Until)
	return q
}

// readingRow is a row of the table pupil_reading.
type readingRow struct {
	PupilID, ID, RequestID, ReadBy uuid.UUID
	At                             time.Time
}

// TableName is pupil_reading.
func (readingRow) TableName() string { return "pupil_reading" }

// aidRow is a row of the table pupil_aid.
type aidRow struct {
	ProgrammeID, ID, PupilID uuid.UUID
	AmountFen                int64
	Note                     string
	GivenBy                  uuid.UUID
	At                       time.Time
}

// TableName is pupil_aid.
func (aidRow) TableName() string { return "pupil_aid" }

func insert(ctx context.Context, tx *postgres.Tx, p Pupil, s sealed) error {
	err := postgres.On[pupilRow](tx).Create(ctx, pupilRow{
		ID: p.ID.UUID(), ProgrammeID: p.Programme, Pseudonym: p.Pseudonym, RegionCode: p.Region, Stage: string(p.Stage),
		ConsentOn: p.ConsentOn, RecordedBy: p.RecordedBy.UUID(), RecordedAt: p.RecordedAt,
	})
	switch {
	case postgres.Violates(err, "pupil_region_fkey"):
		return ErrPerson.At("/region", "known", "no such region")
	case postgres.Violates(err, "pupil_programme_fkey"):
		return ErrPerson.At("/programme_id", "known", "no such programme")
	case err != nil:
		return fmt.Errorf("record a pupil: %w", err)
	}
	err = postgres.On[recordRow](tx).Create(ctx, recordRow{PupilID: p.ID.UUID(), Secret: s.secret, WrappedKey: s.wrapped, Sealed: s.record, BlindIndex: s.index})
	switch {
	case postgres.Violates(err, "pupil_record_once"):
		return ErrKnown
	case err != nil:
		return fmt.Errorf("seal the record of a pupil: %w", err)
	}
	return nil
}

func byID(ctx context.Context, tx *postgres.Tx, pid ID, lock string) (Pupil, error) {
	rows, err := postgres.Rows[pupilRow](ctx, tx, `SELECT * FROM pupil WHERE id = ?`+lock, pid)
	if err != nil {
		return Pupil{}, fmt.Errorf("read pupil %s: %w", pid, err)
	}
	if len(rows) == 0 {
		return Pupil{}, ErrUnknown
	}
	return rows[0].pupil(), nil
}

// after is the id that a page begins behind; newest says that lists go backwards.
func after(p page.Request, newest bool) (uuid.UUID, error) {
	_, last, err := p.After()
	if newest && last == uuid.Nil {
		last = uuid.Max
	}
	return last, err
}

func list(ctx context.Context, tx *postgres.Tx, programme uuid.UUID, p page.Request) (page.Of[Pupil], error) {
	last, err := after(p, false)
	if err != nil {
		return page.Of[Pupil]{}, err
	}
	rows, err := postgres.Rows[pupilRow](ctx, tx, `SELECT * FROM pupil WHERE (? OR programme_id = ?) AND id > ? ORDER BY id LIMIT ?`,
		programme == uuid.Nil, programme, last, p.Size()+1)
	if err != nil {
		return page.Of[Pupil]{}, fmt.Errorf("list pupils: %w", err)
	}
	return cut(rows, p, pupilRow.pupil, func(p Pupil) uuid.UUID { return p.ID.UUID() }), nil
}

// cut makes a page of rows.
func cut[R, T any](rows []R, p page.Request, value func(R) T, key func(T) uuid.UUID) page.Of[T] {
	all := make([]T, len(rows))
	for i, r := range rows {
		all[i] = value(r)
	}
	return page.Cut(all, p.Size(), func(t T) (string, uuid.UUID) { return "", key(t) })
}

func insertRequest(ctx context.Context, tx *postgres.Tx, r Request) error {
	err := postgres.On[requestRow](tx).Create(ctx, requestRow{
		ID: r.ID.UUID(), PupilID: r.Pupil.UUID(), Purpose: string(r.Purpose), Reason: r.Reason, State: string(r.State),
		AskedBy: r.AskedBy.UUID(), AskedAt: r.AskedAt,
	})
	if err != nil {
		return fmt.Errorf("ask for the record of pupil %s: %w", r.Pupil, err)
	}
	return nil
}

func requestByID(ctx context.Context, tx *postgres.Tx, rid RequestID, lock string) (Request, error) {
	rows, err := postgres.Rows[requestRow](ctx, tx, `SELECT * FROM pupil_request WHERE id = ?`+lock, rid)
	if err != nil {
		return Request{}, fmt.Errorf("read request %s: %w", rid, err)
	}
	if len(rows) == 0 {
		return Request{}, ErrUnknown
	}
	return rows[0].request(), nil
}

func saveRequest(ctx context.Context, tx *postgres.Tx, r Request) error {
	var until *time.Time
	if !r.Until.IsZero() {
		until = &r.Until
	}
	_, err := tx.Exec(ctx, `UPDATE pupil_request SET state = ?, decided_by = ?, decided_at = ?, until = ? WHERE id = ?`,
		string(r.State), r.DecidedBy, r.DecidedAt, until, r.ID)
	if err != nil {
		return fmt.Errorf("decide on request %s: %w", r.ID, err)
	}
	return nil
}

func requests(ctx context.Context, tx *postgres.Tx, state State, p page.Request) (page.Of[Request], error) {
	last, err := after(p, true)
	if err != nil {
		return page.Of[Request]{}, err
	}
	rows, err := postgres.Rows[requestRow](ctx, tx, `SELECT * FROM pupil_request WHERE (? = '' OR state = ?) AND id < ? ORDER BY id DESC LIMIT ?`,
		string(state), string(state), last, p.Size()+1)
	if err != nil {
		return page.Of[Request]{}, fmt.Errorf("list requests: %w", err)
	}
	return cut(rows, p, requestRow.request, func(r Request) uuid.UUID { return r.ID.UUID() }), nil
}

// good is a request of somebody's own to read a record that was approved and is not over.
func good(ctx context.Context, tx *postgres.Tx, pid ID, who identity.ID) (Request, bool, error) {
	rows, err := postgres.Rows[requestRow](ctx, tx, `SELECT * FROM pupil_request
		WHERE pupil_id = ? AND asked_by = ? AND state = 'approved' AND purpose = 'read' AND until > ? ORDER BY until DESC LIMIT 1`, pid, who, tx.Now)
	if err != nil {
		return Request{}, false, fmt.Errorf("find a good request for pupil %s: %w", pid, err)
	}
	if len(rows) == 0 {
		return Request{}, false, nil
	}
	return rows[0].request(), true, nil
}

func recordOf(ctx context.Context, tx *postgres.Tx, pid ID) (sealed, error) {
	r, err := postgres.Row[recordRow](ctx, tx, `SELECT * FROM pupil_record WHERE pupil_id = ?`, pid)
	if err != nil {
		return sealed{}, fmt.Errorf("read the record of pupil %s: %w", pid, err)
	}
	return sealed{r.Secret, r.WrappedKey, r.Sealed, r.BlindIndex}, nil
}

func insertReading(ctx context.Context, tx *postgres.Tx, pid ID, r Reading) error {
	err := postgres.On[readingRow](tx).Create(ctx, readingRow{
		PupilID: pid.UUID(), ID: id.New[Reading](tx.Now).UUID(), RequestID: r.Request.UUID(), ReadBy: r.By.UUID(), At: r.At,
	})
	if err != nil {
		return fmt.Errorf("write the reading of pupil %s down: %w", pid, err)
	}
	return nil
}

func readings(ctx context.Context, tx *postgres.Tx, pid ID, p page.Request) (page.Of[Reading], error) {
	last, err := after(p, true)
	if err != nil {
		return page.Of[Reading]{}, err
	}
	rows, err := postgres.Rows[readingRow](ctx, tx, `SELECT * FROM pupil_reading WHERE pupil_id = ? AND id < ? ORDER BY id DESC LIMIT ?`, pid, last, p.Size()+1)
	if err != nil {
		return page.Of[Reading]{}, fmt.Errorf("list readings of pupil %s: %w", pid, err)
	}
	cutRows := cut(rows, p, func(r readingRow) readingRow { return r }, func(r readingRow) uuid.UUID { return r.ID })
	all := page.Of[Reading]{Data: make([]Reading, len(cutRows.Data)), Next: cutRows.Next}
	for i, r := range cutRows.Data {
		all.Data[i] = Reading{id.From[Request](r.RequestID), id.From[identity.Account](r.ReadBy), r.At.UTC()}
	}
	return all, nil
}

// erase destroys the keys of records, and all else that could tell whose they were.
func erase(ctx context.Context, tx *postgres.Tx, ids []ID) error {
	if len(ids) == 0 {
		return nil
	}
	raw := make([]uuid.UUID, len(ids))
	for i, p := range ids {
		raw[i] = p.UUID()
	}
	if _, err := tx.Exec(ctx, `UPDATE pupil_record SET wrapped_key = NULL, sealed = NULL, blind_index = NULL
		WHERE pupil_id = ANY(?::uuid[]) AND wrapped_key IS NOT NULL`, postgres.Array(raw)); err != nil {
		return fmt.Errorf("erase %d records: %w", len(ids), err)
	}
	if _, err := tx.Exec(ctx, `UPDATE pupil SET erased_at = ? WHERE id = ANY(?::uuid[]) AND erased_at IS NULL`, tx.Now, postgres.Array(raw)); err != nil {
		return fmt.Errorf("erase %d pupils: %w", len(ids), err)
	}
	return nil
}

func erasedIDs(ctx context.Context, tx *postgres.Tx) ([]ID, error) {
	rows, err := postgres.Rows[struct{ ID uuid.UUID }](ctx, tx, `SELECT id FROM pupil WHERE erased_at IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("read which pupils are erased: %w", err)
	}
	all := make([]ID, len(rows))
	for i, r := range rows {
		all[i] = id.From[Pupil](r.ID)
	}
	return all, nil
}

// wrapped is a record with what it is bound to.
type wrapped struct {
	pupil     ID
	programme uuid.UUID
	sealed
}

// wrappedOtherwise are records that another secret than this one wraps, some at a time.
func wrappedOtherwise(ctx context.Context, tx *postgres.Tx, secret string) ([]wrapped, error) {
	const some = 200
	rows, err := postgres.Rows[struct {
		Record      recordRow `gorm:"embedded"`
		ProgrammeID uuid.UUID
	}](ctx, tx, `SELECT r.*, p.programme_id FROM pupil_record r JOIN pupil p ON p.id = r.pupil_id
		WHERE r.secret <> ? AND r.wrapped_key IS NOT NULL ORDER BY r.pupil_id LIMIT ? FOR UPDATE OF r`, secret, some)
	if err != nil {
		return nil, fmt.Errorf("find what other secrets wrap: %w", err)
	}
	all := make([]wrapped, len(rows))
	for i, r := range rows {
		all[i] = wrapped{id.From[Pupil](r.Record.PupilID), r.ProgrammeID, sealed{r.Record.Secret, r.Record.WrappedKey, r.Record.Sealed, r.Record.BlindIndex}}
	}
	return all, nil
}

func saveRecord(ctx context.Context, tx *postgres.Tx, pid ID, s sealed) error {
	_, err := tx.Exec(ctx, `UPDATE pupil_record SET secret = ?, wrapped_key = ?, sealed = ?, blind_index = ? WHERE pupil_id = ?`,
		s.secret, s.wrapped, s.record, s.index, pid)
	if err != nil {
		return fmt.Errorf("wrap the record of pupil %s anew: %w", pid, err)
	}
	return nil
}

// given is what was given of a programme's money. Who calls it is alone with the programme
// until his transaction ends.
func given(ctx context.Context, tx *postgres.Tx, programme uuid.UUID) (money.Fen, error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended(?, 0))`, "pupil:"+programme.String()); err != nil {
		return 0, fmt.Errorf("be alone with programme %s: %w", programme, err)
	}
	sum, err := postgres.Row[struct{ Sum int64 }](ctx, tx, `SELECT coalesce(sum(amount_fen), 0)::bigint AS sum FROM pupil_aid WHERE programme_id = ?`, programme)
	if err != nil {
		return 0, fmt.Errorf("sum what programme %s gave: %w", programme, err)
	}
	return money.Fen(sum.Sum), nil
}

func insertAid(ctx context.Context, tx *postgres.Tx, programme uuid.UUID, a Aid) error {
	err := postgres.On[aidRow](tx).Create(ctx, aidRow{
		ProgrammeID: programme, ID: a.ID.UUID(), PupilID: a.Pupil.UUID(), AmountFen: int64(a.Amount), Note: a.Note, GivenBy: a.By.UUID(), At: a.At,
	})
	if err != nil {
		return fmt.Errorf("give to pupil %s: %w", a.Pupil, err)
	}
	return nil
}

func aids(ctx context.Context, tx *postgres.Tx, pid ID, p page.Request) (page.Of[Aid], error) {
	last, err := after(p, true)
	if err != nil {
		return page.Of[Aid]{}, err
	}
	rows, err := postgres.Rows[aidRow](ctx, tx, `SELECT * FROM pupil_aid WHERE pupil_id = ? AND id < ? ORDER BY id DESC LIMIT ?`, pid, last, p.Size()+1)
	if err != nil {
		return page.Of[Aid]{}, fmt.Errorf("list what pupil %s was given: %w", pid, err)
	}
	return cut(rows, p, func(r aidRow) Aid {
		return Aid{id.From[Aid](r.ID), id.From[Pupil](r.PupilID), money.Fen(r.AmountFen), r.Note, id.From[identity.Account](r.GivenBy), r.At.UTC()}
	}, func(a Aid) uuid.UUID { return a.ID.UUID() }), nil
}

// groups are a programme's pupils who were given something, by region and stage.
func groups(ctx context.Context, tx *postgres.Tx, programme uuid.UUID) ([]Group, error) {
	rows, err := postgres.Rows[struct {
		RegionCode, Stage string
		Pupils, AmountFen int64
	}](ctx, tx, `SELECT p.region_code, p.stage, count(DISTINCT p.id) AS pupils, sum(a.amount_fen)::bigint AS amount_fen
		FROM pupil_aid a JOIN pupil p ON p.id = a.pupil_id WHERE a.programme_id = ?
		GROUP BY p.region_code, p.stage ORDER BY p.region_code, p.stage`, programme)
	if err != nil {
		return nil, fmt.Errorf("sum over the pupils of programme %s: %w", programme, err)
	}
	all := make([]Group, len(rows))
	for i, r := range rows {
		all[i] = Group{Region: r.RegionCode, Stage: Stage(r.Stage), Pupils: r.Pupils, Amount: money.Fen(r.AmountFen)}
	}
	return all, nil
}
