package pupil_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/config"
	"github.com/shiyi-market/shiyi/internal/fund"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/money"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/pupil"
	"github.com/shiyi-market/shiyi/internal/request"
	"github.com/shiyi-market/shiyi/internal/shoptest"
)

// office is where pupils are written down.
type office struct {
	db            *postgres.DB
	cfg           pupil.Config
	svc           *pupil.Service
	first, second identity.Caller // administrators of the fund
	auditor       identity.Caller
	programme     uuid.UUID
}

func person(role identity.Role) identity.Caller {
	return identity.Caller{Account: id.New[identity.Account](pgtest.Noon), Roles: []identity.Grant{{Role: role}}}
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{
		db: pgtest.New(t), cfg: pupil.Config{Folder: t.TempDir(), Access: time.Hour}, first: person(identity.FundAdmin),
		second: person(identity.FundAdmin), auditor: person(identity.Auditor),
	}
	o.programme = o.plan(t)
	o.open(t)
	return o
}

// plan is one more programme.
func (o *office) plan(t *testing.T) uuid.UUID {
	t.Helper()
	p, err := programme.New(o.db, shoptest.Rules).Record(t.Context(), o.first, shoptest.Plan("结对助学（虚构示例）"))
	if err != nil {
		t.Fatal(err)
	}
	return p.ID.UUID()
}

func (o *office) open(t *testing.T) {
	t.Helper()
	svc, err := pupil.Open(o.db, o.cfg)
	if err != nil {
		t.Fatal(err)
	}
	o.svc = svc
}

// later is the service some time on.
func (o *office) later(t *testing.T, d time.Duration) *pupil.Service {
	t.Helper()
	svc, err := pupil.Open(o.db.At(o.db.Now().Add(d)), o.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return svc
}

// number is an identity number with its check character; nobody has it.
func number(n int) string {
	digits := fmt.Sprintf("15252720100101%03d", n)
	sum, weight := 0, 1
	for i := len(digits) - 1; i >= 0; i-- {
		weight = weight * 2 % 11
		sum += int(digits[i]-'0') * weight
	}
	return digits + string("10X98765432"[sum%11])
}

func child(n int) pupil.Person {
	return pupil.Person{Name: fmt.Sprintf("学生%d（虚构示例）", n), IDNumber: number(n), School: "宝昌小学（虚构示例）", Guardian: "家长（虚构示例）"}
}

func (o *office) record(t *testing.T, n int) pupil.Pupil {
	t.Helper()
	p, err := o.svc.Record(t.Context(), o.first, o.new(n))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (o *office) new(n int) pupil.New {
	return pupil.New{Programme: o.programme, Region: "152527101", Stage: pupil.Primary, ConsentOn: pgtest.Noon.AddDate(0, 0, -3), Person: child(n)}
}

// allow asks for access as the first administrator, and lets the second approve it.
func (o *office) allow(t *testing.T, p pupil.ID, purpose pupil.Purpose) {
	t.Helper()
	r, err := o.svc.Ask(t.Context(), o.first, p, purpose, "核对银行账号（虚构示例）")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = o.svc.Decide(t.Context(), o.second, r.ID, pupil.Approved); err != nil {
		t.Fatal(err)
	}
}

func TestARecordIsReadByWhoeverSomebodyElseAllowedItForAWhile(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.record(t, 1)
	if _, err := o.svc.Read(t.Context(), o.first, p.ID); !errors.Is(err, pupil.ErrAccess) {
		t.Errorf("who recorded it, without a request: %v", err)
	}
	r, err := o.svc.Ask(t.Context(), o.first, p.ID, pupil.Read, "核对银行账号（虚构示例）")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.svc.Read(t.Context(), o.first, p.ID); !errors.Is(err, pupil.ErrAccess) {
		t.Errorf("before anybody has allowed it: %v", err)
	}
	if _, err := o.svc.Decide(t.Context(), o.first, r.ID, pupil.Approved); !errors.Is(err, pupil.ErrOwn) {
		t.Errorf("his own request: %v", err)
	}
	if _, err := o.svc.Decide(t.Context(), o.auditor, r.ID, pupil.Approved); err != nil {
		t.Fatal(err)
	}
	if _, err := o.svc.Decide(t.Context(), o.second, r.ID, pupil.Refused); !errors.Is(err, pupil.ErrDecided) {
		t.Errorf("a second decision: %v", err)
	}
	got, err := o.svc.Read(t.Context(), o.first, p.ID)
	if diff := cmp.Diff(child(1), got); diff != "" || err != nil {
		t.Errorf("record (-want +got):\n%s%v", diff, err)
	}
	for name, who := range map[string]identity.Caller{"another administrator": o.second, "the auditor who allowed it": o.auditor, "an operator": person(identity.Operator), "nobody": {}} {
		if got, err := o.svc.Read(t.Context(), who, p.ID); err == nil || got != (pupil.Person{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := o.later(t, time.Hour).Read(t.Context(), o.first, p.ID); !errors.Is(err, pupil.ErrAccess) {
		t.Errorf("when the hour is over: %v", err)
	}
	log, err := o.svc.Readings(t.Context(), p.ID, page.Request{})
	if want := []pupil.Reading{{Request: r.ID, By: o.first.Account, At: pgtest.Noon}}; err != nil || !cmp.Equal(log.Data, want, cmp.Comparer(func(a, b pupil.Reading) bool { return a == b })) {
		t.Errorf("readings %+v, %v; want %+v", log.Data, err, want)
	}
}

func TestNothingOfAPupilStandsInClearInTheDatabase(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.record(t, 1)
	o.allow(t, p.ID, pupil.Read)
	if _, err := o.svc.Read(t.Context(), o.first, p.ID); err != nil {
		t.Fatal(err)
	}
	pool := pgtest.Super(t, o.db)
	tables, err := pool.QueryContext(t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for tables.Next() {
		var name string
		if err := tables.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := errors.Join(tables.Err(), tables.Close()); err != nil || len(names) < 50 {
		t.Fatalf("%d tables, %v", len(names), err)
	}
	found := 0
	for _, name := range names {
		var all []byte
		if err := pool.QueryRowContext(t.Context(), `SELECT convert_to(coalesce(string_agg(x::text, chr(10)), ''), 'UTF8') FROM `+name+` x`).Scan(&all); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if bytes.Contains(all, []byte(p.Pseudonym)) {
			found++ // the search finds what is there
		}
		for _, secret := range []string{child(1).Name, child(1).IDNumber, child(1).School, child(1).Guardian, fmt.Sprintf("%x", child(1).Name), fmt.Sprintf("%x", child(1).IDNumber)} {
			if bytes.Contains(all, []byte(secret)) {
				t.Errorf("%s holds %q in clear", name, secret)
			}
		}
	}
	if found == 0 {
		t.Error("the search found not even the pseudonym")
	}
}

func TestPupilsAreListedByProgrammeAndPage(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for n := range 3 {
		o.record(t, n)
	}
	for programme, want := range map[uuid.UUID]int{o.programme: 3, {}: 3, uuid.Max: 0} {
		got := 0
		for r := (page.Request{Limit: 2}); ; {
			p, err := o.svc.Pupils(t.Context(), programme, r)
			if err != nil {
				t.Fatal(err)
			}
			got += len(p.Data)
			if r.Cursor = p.Next; r.Cursor == "" {
				break
			}
		}
		if got != want {
			t.Errorf("programme %s has %d pupils, want %d", programme, got, want)
		}
	}
}

func TestTheSamePupilIsRecordedOncePerProgramme(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first := o.record(t, 1)
	again := o.new(1)
	again.IDNumber = " " + strings.ToLower(again.IDNumber) + " "
	if _, err := o.svc.Record(t.Context(), o.second, again); !errors.Is(err, pupil.ErrKnown) {
		t.Errorf("the same number: %v", err)
	}
	elsewhere := o.new(1)
	elsewhere.Programme = o.plan(t)
	if _, err := o.svc.Record(t.Context(), o.first, elsewhere); err != nil {
		t.Errorf("another programme: %v", err)
	}
	o.allow(t, first.ID, pupil.Erase)
	if _, err := o.svc.Record(t.Context(), o.first, o.new(1)); err != nil {
		t.Errorf("when the first was erased: %v", err)
	}
}

func TestWhatIsWrongWithARecordIsSaid(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for name, spoil := range map[string]func(*pupil.New){
		"no name": func(n *pupil.New) { n.Name = " " }, "a long name": func(n *pupil.New) { n.Name = strings.Repeat("长", 61) },
		"no number": func(n *pupil.New) { n.IDNumber = "" }, "a wrong check digit": func(n *pupil.New) { n.IDNumber = n.IDNumber[:17] + "A" },
		"no guardian": func(n *pupil.New) { n.Guardian = "" }, "a consent of tomorrow": func(n *pupil.New) { n.ConsentOn = pgtest.Noon.AddDate(0, 0, 1) },
		"a region that is not":    func(n *pupil.New) { n.Region = "999999" },
		"a programme that is not": func(n *pupil.New) { n.Programme = uuid.Max }, "a NUL": func(n *pupil.New) { n.Note = "a\x00b" },
	} {
		n := o.new(1)
		spoil(&n)
		if _, err := o.svc.Record(t.Context(), o.first, n); !errors.Is(err, pupil.ErrPerson) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, who := range map[string]identity.Caller{"an auditor": o.auditor, "an operator": person(identity.Operator), "nobody": {}} {
		if _, err := o.svc.Record(t.Context(), who, o.new(1)); !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// pay puts money into the programme's hands, as a grant does.
func (o *office) pay(t *testing.T, amount money.Fen) {
	t.Helper()
	grant := id.New[office](pgtest.Noon).UUID()
	err := postgres.Do(t.Context(), o.db, func(tx *postgres.Tx) error {
		return ledger.Book(t.Context(), tx, []ledger.Transfer{
			{Home: ledger.FundHome, Kind: "levy", Ref: grant.String(), Moves: []ledger.Move{{What: "tenth", From: "world:stripe", To: fund.Free, Amount: amount.Li()}}},
			fund.Grant(grant, amount), fund.PayGrant(grant, o.programme, grant, amount),
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (o *office) give(ctx context.Context, p pupil.ID, amount money.Fen) error {
	_, err := o.svc.Give(ctx, o.first, p, amount, "一学期（虚构示例）", request.Claim{}, nil)
	return err
}

func TestNoMoreIsGivenThanTheProgrammeWasPaid(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.record(t, 1)
	if err := o.give(t.Context(), p.ID, 1); !errors.Is(err, pupil.ErrBeyond) {
		t.Errorf("before anything was paid: %v", err)
	}
	o.pay(t, 1000)
	for _, absurd := range []money.Fen{0, -5, 1001, money.Max + 1} {
		if err := o.give(t.Context(), p.ID, absurd); !errors.Is(err, pupil.ErrBeyond) {
			t.Errorf("%d fen: %v", absurd, err)
		}
	}
	done := pgtest.AtOnce(t, 5, func(int) error { return o.give(t.Context(), p.ID, 300) }, pupil.ErrBeyond)
	if got, err := o.svc.Aids(t.Context(), p.ID, page.Request{}); done != 3 || len(got.Data) != 3 || err != nil {
		t.Errorf("%d of 300 fen were given out of 1,000; %+v, %v", done, got.Data, err)
	}
}

func TestAnErasedRecordIsGoneForEverAndTheSumsStay(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.pay(t, 10_000)
	var ids []pupil.ID
	for n := range 6 {
		p := o.record(t, n)
		ids = append(ids, p.ID)
		if err := o.give(t.Context(), p.ID, 100); err != nil {
			t.Fatal(err)
		}
	}
	before, err := o.svc.Aggregate(t.Context(), o.programme)
	if err != nil || before.Pupils != 6 || before.Amount != 600 || len(before.Groups) != 1 || before.Groups[0].Hidden {
		t.Fatalf("%+v, %v", before, err)
	}
	backup := o.snapshot(t)
	o.allow(t, ids[0], pupil.Read)
	o.allow(t, ids[0], pupil.Erase)
	if _, err := o.svc.Read(t.Context(), o.first, ids[0]); !errors.Is(err, pupil.ErrErased) {
		t.Errorf("read: %v", err)
	}
	if _, err := o.svc.Ask(t.Context(), o.first, ids[0], pupil.Read, "again"); !errors.Is(err, pupil.ErrErased) {
		t.Errorf("ask: %v", err)
	}
	if after, err := o.svc.Aggregate(t.Context(), o.programme); err != nil || !cmp.Equal(before, after) {
		t.Errorf("the sums were %+v and are %+v, %v", before, after, err)
	}
	if r, err := ledger.Check(t.Context(), o.db); err != nil || len(r.Differences) != 0 {
		t.Errorf("the book: %v, %v", r.Differences, err)
	}

	o.restore(t, backup)
	if p, err := o.svc.Read(t.Context(), o.first, ids[0]); err != nil || p != child(0) {
		t.Fatalf("the backup has the record: %+v, %v", p, err) // else the rest says nothing
	}
	o.open(t)
	if shut, err := o.svc.Settle(t.Context()); err != nil || shut > 0 {
		t.Fatal(shut, err)
	}
	if _, err := o.svc.Read(t.Context(), o.first, ids[0]); !errors.Is(err, pupil.ErrErased) {
		t.Errorf("after a backup was restored and the program started: %v", err)
	}
}

// snapshot is what the tables of records hold of each pupil.
func (o *office) snapshot(t *testing.T) []byte {
	t.Helper()
	var rows []byte
	if err := pgtest.Super(t, o.db).QueryRowContext(t.Context(), `SELECT jsonb_agg(to_jsonb(r)) FROM pupil_record r`).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func (o *office) restore(t *testing.T, rows []byte) {
	t.Helper()
	_, err := pgtest.Super(t, o.db).ExecContext(t.Context(), `UPDATE pupil_record r SET wrapped_key = b.wrapped_key, sealed = b.sealed, blind_index = b.blind_index
		FROM jsonb_populate_recordset(NULL::pupil_record, $1::jsonb) b WHERE b.pupil_id = r.pupil_id`, string(rows))
	if err == nil {
		_, err = pgtest.Super(t, o.db).ExecContext(t.Context(), `UPDATE pupil SET erased_at = NULL`)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRecordsFollowTheirSecret(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.record(t, 1)
	o.allow(t, p.ID, pupil.Read)
	old, err := os.ReadFile(filepath.Join(o.cfg.Folder, "pupil.key"))
	if err != nil {
		t.Fatal(err)
	}
	folder := o.cfg.Folder
	fresh := config.Secret(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	o.cfg = pupil.Config{Folder: folder, Access: time.Hour, Key: fresh}
	o.open(t)
	if _, err := o.svc.Read(t.Context(), o.first, p.ID); err == nil {
		t.Error("another secret opens the record")
	}
	o.cfg.OldKeys = config.Secret(strings.TrimSpace(string(old)))
	o.open(t)
	if shut, err := o.svc.Settle(t.Context()); err != nil || shut > 0 {
		t.Fatal(shut, err)
	}
	o.cfg.OldKeys = ""
	o.open(t)
	if got, err := o.svc.Read(t.Context(), o.first, p.ID); err != nil || got != child(1) {
		t.Errorf("under the new secret: %+v, %v", got, err)
	}
	if _, err := o.svc.Record(t.Context(), o.first, o.new(1)); !errors.Is(err, pupil.ErrKnown) {
		t.Errorf("the same pupil under the new secret: %v", err)
	}
	for _, bad := range []config.Secret{"x", "c2hvcnQ=", fresh[:8]} {
		if _, err := pupil.Open(o.db, pupil.Config{Folder: folder, Key: bad}); err == nil || strings.Contains(err.Error(), string(bad)+" ") {
			t.Errorf("key %q: %v", bad.Reveal(), err)
		}
	}
}

func TestAConsentOfTheSameDayIsGivenInTheCountysDay(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	night := o.later(t, 13*time.Hour) // one o'clock there, and still the day before in UTC
	n := o.new(1)
	n.ConsentOn = time.Date(pgtest.Noon.Year(), pgtest.Noon.Month(), pgtest.Noon.Day()+1, 0, 0, 0, 0, time.UTC)
	if _, err := night.Record(t.Context(), o.first, n); err != nil {
		t.Errorf("signed that very day: %v", err)
	}
	n = o.new(2)
	n.ConsentOn = pgtest.Noon.AddDate(0, 0, 2)
	if _, err := night.Record(t.Context(), o.first, n); !errors.Is(err, pupil.ErrPerson) {
		t.Errorf("of the day after: %v", err)
	}
}

func TestManyThatStartAtOnceHaveOneKey(t *testing.T) {
	t.Parallel()
	cfg := pupil.Config{Folder: filepath.Join(t.TempDir(), "state")}
	if n := pgtest.AtOnce(t, 30, func(int) error { _, err := pupil.Open(nil, cfg); return err }); n != 30 {
		t.Errorf("%d of 30 started", n)
	}
	if all, err := os.ReadDir(cfg.Folder); err != nil || len(all) != 1 {
		t.Errorf("%v, %v: want the key alone", all, err)
	}
}

func TestATornNoteOfAnErasureSpoilsNoneAfterIt(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	if err := os.WriteFile(filepath.Join(o.cfg.Folder, "pupil.erased"), []byte("01a22a9c-0e00-70"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := o.record(t, 1)
	backup := o.snapshot(t)
	o.allow(t, p.ID, pupil.Erase)
	o.restore(t, backup)
	if _, err := o.svc.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := o.svc.Ask(t.Context(), o.first, p.ID, pupil.Read, "核对银行账号（虚构示例）"); !errors.Is(err, pupil.ErrErased) {
		t.Errorf("the record is back: %v", err)
	}
}

func TestALostSecretLosesItsRecordsAndNothingElse(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.record(t, 1)
	lost := o.record(t, 2)
	kept, err := os.ReadFile(filepath.Join(o.cfg.Folder, "pupil.key"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = pgtest.Super(t, o.db).ExecContext(t.Context(), `UPDATE pupil_record SET secret = 'lost' WHERE pupil_id = $1`, lost.ID.UUID())
	if err != nil {
		t.Fatal(err)
	}
	later := o.record(t, 3)
	o.cfg.Key = config.Secret(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	o.cfg.OldKeys = config.Secret(strings.TrimSpace(string(kept)))
	o.open(t)
	if shut, err := o.svc.Settle(t.Context()); err != nil || shut != 1 {
		t.Fatalf("%d records are shut, %v: want the one", shut, err)
	}
	o.cfg.OldKeys = ""
	o.open(t)
	o.allow(t, later.ID, pupil.Read)
	if got, err := o.svc.Read(t.Context(), o.first, later.ID); err != nil || got != child(3) {
		t.Errorf("what came after the lost one: %+v, %v", got, err)
	}
}

func TestARecordCannotBePutInAnothersPlace(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a, b := o.record(t, 1), o.record(t, 2)
	o.allow(t, a.ID, pupil.Read)
	_, err := pgtest.Super(t, o.db).ExecContext(t.Context(), `UPDATE pupil_record r SET wrapped_key = x.wrapped_key, sealed = x.sealed
		FROM pupil_record x WHERE r.pupil_id = $1 AND x.pupil_id = $2`, a.ID.UUID(), b.ID.UUID())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := o.svc.Read(t.Context(), o.first, a.ID); err == nil {
		t.Errorf("another's record: %+v", got)
	}
}
