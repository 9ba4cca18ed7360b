package publication_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/postgres"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

type press struct {
	db  *postgres.DB
	log *transparency.Service
	svc *publication.Service
}

func newPress(t *testing.T) press {
	t.Helper()
	db := pgtest.New(t)
	log, err := transparency.New(db, transparency.Config{Origin: "shiyi.example/test", Folder: t.TempDir()}, ledger.Roller{})
	if err != nil {
		t.Fatal(err)
	}
	return press{db, log, publication.New(db, log)}
}

func (p press) publish(t *testing.T, kind publication.Kind, body string) publication.Document {
	t.Helper()
	d, err := postgres.InTx(t.Context(), p.db, func(tx *postgres.Tx) (publication.Document, error) {
		return publication.Publish(t.Context(), tx, publication.Document{Kind: kind, TitleZH: "季度进展", TitleEN: "Progress", MediaType: "text/plain", Body: []byte(body)})
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhatWasPublishedIsProvenByItsDigest(t *testing.T) {
	t.Parallel()
	p := newPress(t)
	d := p.publish(t, publication.Report, "first")
	if got, err := p.svc.Proof(t.Context(), d.ID); err != nil || !got.Proof.Pending {
		t.Fatalf("before the log has it: %+v, %v", got.Proof, err)
	}
	if _, err := p.log.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := p.svc.Proof(t.Context(), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	log, err := verify.NewLog(p.log.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := log.Included(got.Proof.Leaf, got.Proof.TlogProof); err != nil {
		t.Fatal(err)
	}
	leaf, err := verify.ParseLeaf(got.Proof.Leaf)
	digest := got.Digest()
	if err != nil || leaf.Document != hex.EncodeToString(digest[:]) || leaf.Kind != "report" || string(got.Body) != "first" {
		t.Errorf("leaf %+v, %v", leaf, err)
	}
	audit, err := p.log.Check(t.Context())
	if err != nil || audit.Totals.Documents != 1 {
		t.Errorf("the log: %+v, %v", audit, err)
	}
	if r, err := ledger.Check(t.Context(), p.db); err != nil || len(r.Differences) != 0 {
		t.Errorf("the book: %v, %v", r.Differences, err)
	}
}

// The titles of notices have the names of payees and of schools in them, as they were typed.
func TestATitleOfSeveralLinesIsPublishedInOne(t *testing.T) {
	t.Parallel()
	p := newPress(t)
	d, err := postgres.InTx(t.Context(), p.db, func(tx *postgres.Tx) (publication.Document, error) {
		return publication.Publish(t.Context(), tx, publication.Document{Kind: publication.Notice, TitleZH: "资助公示：\n某公司\r\n", TitleEN: "A grant:\tX\nY", MediaType: "text/plain", Body: []byte("x")})
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.svc.Document(t.Context(), d.ID)
	if err != nil || got.TitleZH != "资助公示： 某公司" || got.TitleEN != "A grant: X Y" || d.TitleZH != got.TitleZH {
		t.Errorf("%+v, %v", got, err)
	}
	if faults, err := publication.Check(t.Context(), p.db); err != nil || len(faults) != 0 {
		t.Errorf("%v, %v", faults, err)
	}
}

func TestDocumentsAreListedNewestFirstAndByKind(t *testing.T) {
	t.Parallel()
	p := newPress(t)
	p.publish(t, publication.Report, "a")
	p.publish(t, publication.Seal, "b")
	p.publish(t, publication.Report, "c")
	read := func(kind publication.Kind, want int) {
		t.Helper()
		var all []publication.Document
		for r := (page.Request{Limit: 1}); ; {
			got, err := p.svc.Documents(t.Context(), kind, r)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, got.Data...)
			if r.Cursor = got.Next; r.Cursor == "" {
				break
			}
		}
		if len(all) != want || all[0].ID.String() < all[len(all)-1].ID.String() || all[0].Body != nil {
			t.Errorf("%q: %+v", kind, all)
		}
	}
	read("", 3)
	read(publication.Report, 2)
	if _, err := p.svc.Document(t.Context(), id.New[publication.Document](pgtest.Noon)); !errors.Is(err, publication.ErrUnknown) {
		t.Errorf("nobody's document: %v", err)
	}
}

func TestAPolicyIsPublishedWhenItChangesAndOnlyThen(t *testing.T) {
	t.Parallel()
	p := newPress(t)
	for i, body := range []string{"one", "one", "two", "two", "one"} {
		err := publication.New(p.db.At(pgtest.Noon.Add(time.Duration(i)*time.Hour)), p.log).Announce(t.Context(), publication.Document{TitleZH: "规则", TitleEN: "Policy", MediaType: "application/json", Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := p.svc.Documents(t.Context(), publication.Policy, page.Request{})
	if err != nil || len(got.Data) != 3 {
		t.Errorf("%d policies, %v; want one, two, one", len(got.Data), err)
	}
}

func TestADocumentThatIsGoneOrChangedIsNamed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ statement, want string }{
		"gone":    {`DELETE FROM publication`, "leaf 0 of the log has no document"},
		"changed": {`UPDATE publication SET body = 'x', digest = sha256('x')`, "says something else"},
		"added": {
			`INSERT INTO publication SELECT gen_random_uuid(), kind, title_zh, title_en, media_type, body, digest, at FROM publication`,
			"neither in the log nor waiting",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPress(t)
			p.publish(t, publication.Report, "first")
			if _, err := p.log.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if faults, err := publication.Check(t.Context(), p.db); err != nil || len(faults) != 0 {
				t.Fatalf("untouched: %v, %v", faults, err)
			}
			if _, err := pgtest.Tamper(t, p.db).ExecContext(t.Context(), `ALTER TABLE publication DISABLE TRIGGER ALL; `+tt.statement); err != nil {
				t.Fatal(err)
			}
			faults, err := publication.Check(t.Context(), p.db)
			if err != nil || len(faults) != 1 || !strings.Contains(faults[0], tt.want) {
				t.Errorf("%v, %v; want %q", faults, err, tt.want)
			}
		})
	}
}
