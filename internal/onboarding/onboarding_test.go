package onboarding_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/dossier"
	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/onboarding"
	"github.com/shiyi-market/shiyi/internal/page"
	"github.com/shiyi-market/shiyi/internal/pgtest"
	"github.com/shiyi-market/shiyi/internal/shoptest"
	"github.com/shiyi-market/shiyi/internal/trail"
)

// office is a shop at whose door enterprises stand.
type office struct {
	*shoptest.Shop
	applicant identity.Caller
}

func newOffice(t testing.TB) office {
	t.Helper()
	o := office{Shop: shoptest.New(t, shoptest.Options{})}
	o.applicant = o.person(t, "ann")
	return o
}

// person is somebody with an account.
func (o office) person(t testing.TB, name string) identity.Caller {
	t.Helper()
	a := identity.Account{ID: id.FromName[identity.Account]("test", name), Email: name + "@example.org", Name: name}
	if err := o.Identity.Record(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return identity.Caller{Account: a.ID}
}

func official(name, region string) identity.Caller {
	return identity.Caller{Account: shoptest.Buyer(name).Account, Roles: []identity.Grant{{Role: identity.County, Region: region}}}
}

// draft is complete, with scans that the applicant has uploaded. n names the enterprise.
func (o office) draft(t testing.TB, n int) dossier.Draft {
	t.Helper()
	scan := func(name string) []file.ID { return []file.ID{o.File(t, o.applicant.Account.UUID(), name)} }
	d := shoptest.Draft(merchant.Enrolment{Code: fmt.Sprintf("T%d", n), USCC: shoptest.USCC(1000 + n)})
	d.Contacts[0].Files, d.Licences[0].Files, d.Linkage.Ways[0].Files = scan("id"), scan("licence"), scan("proof")
	return d
}

func (o office) start(t testing.TB, d dossier.Draft) onboarding.Application {
	t.Helper()
	a, err := o.Onboarding.Start(t.Context(), o.applicant, d)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return a
}

// do takes an action on an application in the name of a side, with all that it needs.
func (o office) do(t testing.TB, who identity.Caller, m onboarding.Move, a onboarding.Application) (onboarding.Application, error) {
	t.Helper()
	s, ctx := o.Onboarding, t.Context()
	switch m.Do {
	case onboarding.Edit:
		return s.Edit(ctx, who, a.ID, a.Version, a.Draft)
	case onboarding.Submit:
		return s.Submit(ctx, who, a.ID)
	case onboarding.Recommend:
		return s.Recommend(ctx, who, a.ID, "R-1", "情况属实")
	case onboarding.Return:
		return s.Return(ctx, who, m.By, a.ID, []onboarding.Item{{Pointer: "/entity/township", Problem: onboarding.Wrong, Message: "请填写全称"}}, "需要补正")
	case onboarding.Approve:
		return s.Approve(ctx, who, a.ID, "材料齐全")
	case onboarding.Refuse:
		return s.Refuse(ctx, who, a.ID, "与宗旨不符")
	case onboarding.Sign:
		text, err := s.Agreement(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s.Accept(ctx, who, a.ID, onboarding.Acceptance{Version: text.Version, SHA256: text.SHA256, Name: "张三（虚构）", Position: "理事长"})
	case onboarding.Start, onboarding.Activate:
	}
	t.Fatalf("nobody takes the action %s", m.Do)
	return a, nil
}

// side is who acts for it.
func (o office) side(s onboarding.Side) identity.Caller {
	return map[onboarding.Side]identity.Caller{onboarding.Applicant: o.applicant, onboarding.County: shoptest.Official, onboarding.Platform: shoptest.Operator}[s]
}

// bring brings a new application into a state by the shortest way that the table has.
func (o office) bring(t testing.TB, n int, to onboarding.State) onboarding.Application {
	t.Helper()
	a := o.start(t, o.draft(t, n))
	for _, m := range path(to) {
		var err error
		if a, err = o.do(t, o.side(m.By), m, a); err != nil {
			t.Fatalf("%s %s on the way to %s: %v", m.By, m.Do, to, err)
		}
	}
	return a
}

// path is the shortest way from the draft; the program's own moves follow by themselves.
func path(to onboarding.State) []onboarding.Move {
	ways := map[onboarding.State][]onboarding.Move{onboarding.Drafted: {}}
	for {
		if way, ok := ways[to]; ok {
			return slices.DeleteFunc(slices.Clone(way), func(m onboarding.Move) bool { return m.By == onboarding.Program })
		}
		before := len(ways)
		for _, m := range onboarding.Moves() {
			if way, ok := ways[m.From]; ok && ways[m.To] == nil {
				ways[m.To] = append(slices.Clone(way), m)
			}
		}
		if len(ways) == before {
			return nil
		}
	}
}

// states are all that there are, but the one of a moment.
var states = []onboarding.State{
	onboarding.Drafted, onboarding.Submitted, onboarding.Returned, onboarding.Recommended, onboarding.Approved, onboarding.Refused, onboarding.Active,
}

// TestEachActionIsTakenInTheStatesOfTheTableAndInNoOther tries every action of every
// side in every state.
func TestEachActionIsTakenInTheStatesOfTheTableAndInNoOther(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	n, taken, refused := 0, 0, 0
	var tried []onboarding.Move
	for _, m := range onboarding.Moves() {
		if m.By == onboarding.Program || slices.ContainsFunc(tried, func(x onboarding.Move) bool { return x.By == m.By && x.Do == m.Do }) {
			continue
		}
		tried = append(tried, m)
		for _, from := range states {
			n++
			a := o.bring(t, n, from)
			to := slices.IndexFunc(onboarding.Moves(), func(x onboarding.Move) bool { return x.By == m.By && x.Do == m.Do && x.From == from })
			got, err := o.do(t, o.side(m.By), m, a)
			want := onboarding.ErrState
			if from == onboarding.Drafted && m.By != onboarding.Applicant {
				want = onboarding.ErrUnknown // a draft is its applicant's alone
			}
			if to < 0 {
				refused++
				if !errors.Is(err, want) {
					t.Errorf("%s %s when %s: %v, want %v", m.By, m.Do, from, err, want)
				}
				continue
			}
			taken++
			next := onboarding.Moves()[to].To
			if next == onboarding.Signed {
				next = onboarding.Active
			}
			if err != nil || got.State != next {
				t.Errorf("%s %s when %s: %s, %v; want %s", m.By, m.Do, from, got.State, err, next)
			}
		}
	}
	// Counted by hand, so that a table that lets everything through is noticed.
	if len(tried) != 8 || taken != 11 || refused != 8*len(states)-11 {
		t.Errorf("%d actions were taken %d times and refused %d times", len(tried), taken, refused)
	}
}

// TestTheDatabaseKnowsTheSameMoves holds the table's trigger against Moves.
func TestTheDatabaseKnowsTheSameMoves(t *testing.T) {
	t.Parallel()
	var args string
	err := pgtest.New(t).SQL().QueryRowContext(t.Context(),
		`SELECT encode(tgargs, 'escape') FROM pg_trigger WHERE tgname = 'application_state_moves'`).Scan(&args)
	if err != nil {
		t.Fatal(err)
	}
	guarded := strings.Split(strings.TrimSuffix(args, `\000`), `\000`)
	var want []string
	for _, m := range onboarding.Moves() {
		if m.From != m.To {
			want = append(want, string(m.From)+">"+string(m.To))
		}
	}
	slices.Sort(guarded)
	slices.Sort(want)
	if diff := cmp.Diff(slices.Compact(want), guarded); diff != "" {
		t.Errorf("(-table of moves +trigger):\n%s", diff)
	}
}

func TestTheDatabaseRefusesWhatTheProgramWouldNotDo(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := o.bring(t, 1, onboarding.Recommended)
	who := func(c identity.Caller) uuid.UUID { return c.Account.UUID() }
	for name, tt := range map[string]struct {
		guard, statement string
		args             []any
	}{
		"the recommender approves": {"application_four_eyes", `UPDATE application SET state = 'approved', approved_by = $2, approved_at = now() WHERE id = $1`, []any{who(shoptest.Official)}},
		"the applicant approves":   {"application_four_eyes", `UPDATE application SET state = 'approved', approved_by = $2, approved_at = now() WHERE id = $1`, []any{who(o.applicant)}},
		"nobody approves":          {"application_approved", `UPDATE application SET state = 'approved' WHERE id = $1`, nil},
		"a leap":                   {"refused to go from recommended to active", `UPDATE application SET state = 'active' WHERE id = $1`, nil},
		"history is rewritten":     {"permission denied", `UPDATE application_event SET reason = '' WHERE application_id = $1`, nil},
		"an agreement of 5 %":      {"permission denied", `UPDATE levy_agreement SET levy_bp = 500 WHERE $1::uuid IS NOT NULL`, nil},
	} {
		_, err := o.DB.SQL().ExecContext(t.Context(), tt.statement, append([]any{a.ID.UUID()}, tt.args...)...)
		if err == nil || !strings.Contains(fmt.Sprintf("%+v", err), tt.guard) {
			t.Errorf("%s: %v, want %s", name, err, tt.guard)
		}
	}
}

func TestApplicantRecommenderAndApproverAreThree(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	county, operator := shoptest.Official.Roles[0], shoptest.Operator.Roles[0]
	allrounder := identity.Caller{Account: shoptest.Buyer("allrounder").Account, Roles: []identity.Grant{county, operator}}
	self := identity.Caller{Account: o.applicant.Account, Roles: []identity.Grant{county, operator}}
	submitted := o.bring(t, 1, onboarding.Submitted)
	for n, m := range onboarding.Moves() {
		if m.By != onboarding.County && m.By != onboarding.Platform {
			continue
		}
		a := submitted
		if m.From != onboarding.Submitted {
			a = o.bring(t, 10+n, m.From)
		}
		if _, err := o.do(t, self, m, a); !errors.Is(err, onboarding.ErrFourEyes) {
			t.Errorf("the applicant does %s for the %s: %v, want %v", m.Do, m.By, err, onboarding.ErrFourEyes)
		}
	}
	recommended, err := o.Onboarding.Recommend(t.Context(), allrounder, submitted.ID, "R-1", "情况属实")
	if err != nil {
		t.Fatal(err)
	}
	if next := recommended.NextActions(allrounder); len(next) > 0 {
		t.Errorf("the recommender may next %v, want nothing", next)
	}
	for _, do := range []onboarding.Action{onboarding.Approve, onboarding.Return, onboarding.Refuse} {
		if _, err := o.do(t, allrounder, onboarding.Move{By: onboarding.Platform, Do: do}, recommended); !errors.Is(err, onboarding.ErrFourEyes) {
			t.Errorf("the recommender does %s: %v, want %v", do, err, onboarding.ErrFourEyes)
		}
	}
	if next, want := recommended.NextActions(shoptest.Operator), []onboarding.Action{onboarding.Approve, onboarding.Return, onboarding.Refuse}; !slices.Equal(next, want) {
		t.Errorf("an operator may next %v, want %v", next, want)
	}
	if _, err := o.Onboarding.Approve(t.Context(), shoptest.Operator, submitted.ID, "材料齐全"); err != nil {
		t.Errorf("a third one approves: %v", err)
	}
}

func TestOthersSeeNothing(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := o.bring(t, 1, onboarding.Submitted)
	bob := o.person(t, "bob")
	for name, tt := range map[string]struct {
		who  identity.Caller
		side onboarding.Side
	}{
		"another applicant":                {bob, onboarding.Applicant},
		"a stranger":                       {identity.Caller{}, onboarding.Applicant},
		"an operator as if it were his":    {shoptest.Operator, onboarding.Applicant},
		"an official of another county":    {official("far", "152528"), onboarding.County},
		"an operator who is no official":   {shoptest.Operator, onboarding.County},
		"an official who is no operator":   {shoptest.Official, onboarding.Platform},
		"the program's side from outside":  {shoptest.Operator, onboarding.Program},
		"the applicant as if he decided":   {o.applicant, onboarding.Platform},
		"a seller":                         {shoptest.Seller(a.Merchant), onboarding.Platform},
		"the applicant as if for a county": {o.applicant, onboarding.County},
	} {
		if _, err := o.Onboarding.Application(t.Context(), tt.who, tt.side, a.ID); !errors.Is(err, onboarding.ErrUnknown) {
			t.Errorf("%s reads it: %v, want %v", name, err, onboarding.ErrUnknown)
		}
		if _, err := o.Onboarding.Contacts(t.Context(), tt.who, tt.side, a.ID); !errors.Is(err, onboarding.ErrUnknown) && tt.side != onboarding.Applicant {
			t.Errorf("%s reads its contacts: %v, want %v", name, err, onboarding.ErrUnknown)
		}
	}
	if _, err := o.Onboarding.Submit(t.Context(), bob, a.ID); !errors.Is(err, onboarding.ErrUnknown) {
		t.Errorf("another submits it: %v", err)
	}
	if _, err := o.Onboarding.Edit(t.Context(), bob, a.ID, 1, a.Draft); !errors.Is(err, onboarding.ErrUnknown) {
		t.Errorf("another edits it: %v", err)
	}
	if _, err := o.Onboarding.Start(t.Context(), bob, a.Draft); !errors.Is(err, file.ErrUnknown) {
		t.Errorf("another refers to its files: %v, want %v", err, file.ErrUnknown)
	}
	for _, side := range []onboarding.Side{onboarding.County, onboarding.Platform} {
		got, err := o.Onboarding.Application(t.Context(), o.side(side), side, a.ID)
		if err != nil || got.Contacts != nil || len(got.Licences) != 1 {
			t.Errorf("the %s sees %+v, %v; want all but the contacts", side, got.Draft, err)
		}
		contacts, err := o.Onboarding.Contacts(t.Context(), o.side(side), side, a.ID)
		if err != nil || len(contacts) != 1 || contacts[0].Name != "测试" {
			t.Errorf("the %s asks for the contacts: %v, %v", side, contacts, err)
		}
	}
	noted, err := o.Trail.Entries(t.Context(), page.Request{Limit: page.MaxSize}, trail.Filter{Object: "application:" + a.ID.String()})
	if err != nil {
		t.Fatal(err)
	}
	var read int
	for _, e := range noted.Data {
		if e.Operation == "onboarding.read_contacts" {
			read++
		}
		if text := fmt.Sprint(e.Detail); strings.Contains(text, "测试") || strings.Contains(text, "138") {
			t.Errorf("the trail holds personal data: %s", text)
		}
	}
	if read != 2 {
		t.Errorf("the contacts were read twice and noted %d times", read)
	}
}

func TestWhoSeesAnApplicationReadsItsPapersUntilTheLinkExpires(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := o.bring(t, 1, onboarding.Submitted)
	papers := map[string]file.ID{"id": a.Contacts[0].Files[0], "licence": a.Licences[0].Files[0], "proof": a.Linkage.Ways[0].Files[0]}
	for name, paper := range papers {
		for _, side := range []onboarding.Side{onboarding.Applicant, onboarding.County, onboarding.Platform} {
			l, err := o.Onboarding.Link(t.Context(), o.side(side), side, a.ID, paper)
			if err != nil {
				t.Fatalf("the %s asks for the %s: %v", side, name, err)
			}
			c, err := o.Files.Open(t.Context(), paper, l.Token, 0)
			if err != nil {
				t.Fatalf("the %s reads the %s: %v", side, name, err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			o.Clock.Advance(file.LinkTTL)
			if _, err := o.Files.Open(t.Context(), paper, l.Token, 0); !errors.Is(err, file.ErrUnknown) {
				t.Errorf("the %s reads the %s by a link that is over: %v, want %v", side, name, err, file.ErrUnknown)
			}
		}
	}
	noted, err := o.Trail.Entries(t.Context(), page.Request{Limit: page.MaxSize}, trail.Filter{Object: "application:" + a.ID.String()})
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]int{}
	for _, e := range noted.Data {
		if e.Operation == "onboarding.read_paper" {
			read[fmt.Sprint(e.Detail["side"], " ", e.Detail["file"], " ", e.Detail["identity"])]++
		}
	}
	want := map[string]int{}
	for name, paper := range papers {
		for _, side := range []onboarding.Side{onboarding.Applicant, onboarding.County, onboarding.Platform} {
			want[fmt.Sprint(side, " ", paper, " ", name == "id")] = 1
		}
	}
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("the trail (-want +got):\n%s", diff)
	}
}

func TestNobodyElseReadsAnApplicationsPapers(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := o.bring(t, 1, onboarding.Submitted)
	drafted := o.start(t, o.draft(t, 2))
	bob := o.person(t, "bob")
	paper := a.Contacts[0].Files[0]
	alien := o.File(t, o.applicant.Account.UUID(), "of another matter") // the applicant's own, but no paper of it
	for name, tt := range map[string]struct {
		who  identity.Caller
		side onboarding.Side
		of   onboarding.ID
		file file.ID
		want error
	}{
		"another applicant":             {bob, onboarding.Applicant, a.ID, paper, onboarding.ErrUnknown},
		"a stranger":                    {identity.Caller{}, onboarding.Applicant, a.ID, paper, onboarding.ErrUnknown},
		"an official of another county": {official("far", "152528"), onboarding.County, a.ID, paper, onboarding.ErrUnknown},
		"an official, a draft's":        {shoptest.Official, onboarding.County, drafted.ID, paper, onboarding.ErrUnknown},
		"an operator, a draft's":        {shoptest.Operator, onboarding.Platform, drafted.ID, paper, onboarding.ErrUnknown},
		"an operator for a county":      {shoptest.Operator, onboarding.County, a.ID, paper, onboarding.ErrUnknown},
		"an official as an operator":    {shoptest.Official, onboarding.Platform, a.ID, paper, onboarding.ErrUnknown},
		"an auditor":                    {identity.Caller{Account: bob.Account, Roles: []identity.Grant{{Role: identity.Auditor}}}, onboarding.Platform, a.ID, paper, onboarding.ErrUnknown},
		"no application":                {shoptest.Operator, onboarding.Platform, id.New[onboarding.Application](pgtest.Noon), paper, onboarding.ErrUnknown},
		"another file of the applicant": {shoptest.Operator, onboarding.Platform, a.ID, alien, file.ErrUnknown},
		"his own, but no paper of it":   {o.applicant, onboarding.Applicant, a.ID, alien, file.ErrUnknown},
		"no file":                       {shoptest.Official, onboarding.County, a.ID, id.New[file.File](pgtest.Noon), file.ErrUnknown},
	} {
		if l, err := o.Onboarding.Link(t.Context(), tt.who, tt.side, tt.of, tt.file); !errors.Is(err, tt.want) || l.Token != "" {
			t.Errorf("%s: %+v, %v, want %v", name, l, err, tt.want)
		}
	}
	var links, notes int
	err := o.DB.SQL().QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM file_link), (SELECT count(*) FROM trail_entry WHERE operation = 'onboarding.read_paper')`).Scan(&links, &notes)
	if err != nil || links+notes > 0 {
		t.Errorf("%d links were made and %d noted (%v), want none", links, notes, err)
	}
}

func TestQueuesShowWhatIsTheirs(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.bring(t, 1, onboarding.Drafted)
	var want []onboarding.ID
	for n := range 3 {
		o.Clock.Advance(time.Second)
		want = append(want, o.bring(t, 10+n, onboarding.Submitted).ID)
	}
	o.Clock.Advance(time.Second)
	approved := o.bring(t, 20, onboarding.Approved)
	far := o.draft(t, 30)
	far.Entity.Region = "152528"
	o.Clock.Advance(time.Second)
	elsewhere, err := o.Onboarding.Submit(t.Context(), o.applicant, o.start(t, far).ID)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(want)
	walk := func(list func(page.Request) (page.Of[onboarding.Application], error)) []onboarding.ID {
		t.Helper()
		var seen []onboarding.ID
		for p := (page.Request{Limit: 2}); ; {
			got, err := list(p)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range got.Data {
				seen = append(seen, a.ID)
			}
			if p.Cursor = got.Next; p.Cursor == "" {
				return seen
			}
		}
	}
	for name, tt := range map[string]struct {
		want []onboarding.ID
		list func(page.Request) (page.Of[onboarding.Application], error)
	}{
		"the county's submitted": {want, func(p page.Request) (page.Of[onboarding.Application], error) {
			return o.Onboarding.CountyQueue(t.Context(), shoptest.Official, onboarding.Submitted, p)
		}},
		"the neighbour's": {[]onboarding.ID{elsewhere.ID}, func(p page.Request) (page.Of[onboarding.Application], error) {
			return o.Onboarding.CountyQueue(t.Context(), official("far", "152528"), "", p)
		}},
		"nobody's county": {nil, func(p page.Request) (page.Of[onboarding.Application], error) {
			return o.Onboarding.CountyQueue(t.Context(), shoptest.Operator, "", p)
		}},
		"all": {append([]onboarding.ID{elsewhere.ID, approved.ID}, want...), func(p page.Request) (page.Of[onboarding.Application], error) {
			return o.Onboarding.Queue(t.Context(), shoptest.Operator, "", p)
		}},
		"those of somebody else": {nil, func(p page.Request) (page.Of[onboarding.Application], error) {
			return o.Onboarding.Mine(t.Context(), shoptest.Buyer("bob"), p)
		}},
	} {
		if diff := cmp.Diff(tt.want, walk(tt.list), cmp.AllowUnexported(onboarding.ID{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := o.Onboarding.Queue(t.Context(), shoptest.Official, "", page.Request{}); !errors.Is(err, identity.ErrForbidden) {
		t.Errorf("an official reads the platform's queue: %v", err)
	}
}

func TestWhatIsSubmittedIsWhole(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	n := 0
	for pointer, spoil := range map[string]func(*dossier.Draft){
		"/entity/legal_name":        func(d *dossier.Draft) { d.Entity.LegalName = " " },
		"/entity/short_name":        func(d *dossier.Draft) { d.Entity.ShortName = strings.Repeat("长", 61) },
		"/entity/uscc":              func(d *dossier.Draft) { d.Entity.USCC = "93152527XX00000055" },
		"/entity/region":            func(d *dossier.Draft) { d.Entity.Region = "1525" },
		"/contacts":                 func(d *dossier.Draft) { d.Contacts[0].Role = dossier.Person },
		"/contacts/0/phone":         func(d *dossier.Draft) { d.Contacts[0].Phone = "12" },
		"/contacts/0/file_ids":      func(d *dossier.Draft) { d.Contacts[0].Files = nil },
		"/licences":                 func(d *dossier.Draft) { d.Licences = nil },
		"/licences/0/no":            func(d *dossier.Draft) { d.Licences[0].No = "SC10115252700053" },
		"/licences/0/issued_on":     func(d *dossier.Draft) { d.Licences[0].IssuedOn = "2030-01-01" },
		"/licences/0/expires_on":    func(d *dossier.Draft) { d.Licences[0].ExpiresOn = "2026-11-22" },
		"/licences/0/product_kinds": func(d *dossier.Draft) { d.Licences[0].For = nil },
		"/licences/0/file_ids":      func(d *dossier.Draft) { d.Licences[0].Files = nil },
		"/licences/1":               func(d *dossier.Draft) { d.Licences = append(d.Licences, d.Licences[0]) },
		"/linkage/households": func(d *dossier.Draft) {
			d.Linkage.Households, d.Linkage.Ways[0].Households, d.Linkage.Ways[0].Persons = 0, 0, 1
		},
		"/linkage/poor_households":        func(d *dossier.Draft) { d.Linkage.PoorHouseholds = 2 },
		"/linkage/ways":                   func(d *dossier.Draft) { d.Linkage.Ways = nil },
		"/linkage/ways/0":                 func(d *dossier.Draft) { d.Linkage.Ways[0].Households = 0 },
		"/linkage/ways/0/mode":            func(d *dossier.Draft) { d.Linkage.Ways[0].Mode = "charity" },
		"/linkage/ways/0/villages":        func(d *dossier.Draft) { d.Linkage.Ways[0].Villages = nil },
		"/linkage/ways/0/households":      func(d *dossier.Draft) { d.Linkage.Ways[0].Households = 2 },
		"/linkage/ways/0/poor_households": func(d *dossier.Draft) { d.Linkage.Ways[0].PoorHouseholds = 2 },
		"/linkage/ways/0/to":              func(d *dossier.Draft) { d.Linkage.Ways[0].To = "2025-12-31" },
		"/linkage/ways/0/file_ids":        func(d *dossier.Draft) { d.Linkage.Ways[0].Files = nil },
	} {
		n++
		d := o.draft(t, n)
		spoil(&d)
		a := o.start(t, d)
		_, err := o.Onboarding.Submit(t.Context(), o.applicant, a.ID)
		if !errors.Is(err, dossier.ErrIncomplete) || len(fault.Of(err).Fields) != 1 || fault.Of(err).Fields[0].Pointer != pointer {
			t.Errorf("%s: %v %+v, want this place alone", pointer, err, fault.Of(err))
		}
	}
	_, err := o.Onboarding.Submit(t.Context(), o.applicant, o.start(t, dossier.Draft{}).ID)
	if !errors.Is(err, dossier.ErrIncomplete) || len(fault.Of(err).Fields) < 9 {
		t.Errorf("nothing at all: %v, want every place named", err)
	}
}

func TestEachReturnIsKeptAndAnswered(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := o.bring(t, 1, onboarding.Returned)
	if len(a.Items) != 1 || a.Items[0].Answered || a.Items[0].Round != 1 || a.Items[0].Side != onboarding.County {
		t.Fatalf("items = %+v, want one, open", a.Items)
	}
	a, err := o.Onboarding.Edit(t.Context(), o.applicant, a.ID, a.Version, o.draft(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Onboarding.Edit(t.Context(), o.applicant, a.ID, a.Version-1, a.Draft); !errors.Is(err, onboarding.ErrStale) {
		t.Errorf("an edit of what was edited: %v, want %v", err, onboarding.ErrStale)
	}
	if a, err = o.Onboarding.Submit(t.Context(), o.applicant, a.ID); err != nil || !a.Items[0].Answered {
		t.Fatalf("submitted again: %+v, %v; want the item answered", a.Items, err)
	}
	for _, m := range []onboarding.Move{{By: onboarding.County, Do: onboarding.Recommend}, {By: onboarding.Platform, Do: onboarding.Return}} {
		if a, err = o.do(t, o.side(m.By), m, a); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.Items) != 2 || !a.Items[0].Answered || a.Items[1].Answered || a.Items[1].Side != onboarding.Platform || a.Items[1].Round != 2 || !a.RecommendedBy.IsZero() {
		t.Errorf("items = %+v, recommended by %v; want a second one, open, and no recommendation", a.Items, a.RecommendedBy)
	}
	n := 100
	for name, items := range map[string][]onboarding.Item{
		"nothing": nil, "no pointer": {{Problem: onboarding.Wrong, Message: "错误"}}, "no such problem": {{Pointer: "/entity", Problem: "ugly", Message: "错误"}},
		"no words": {{Pointer: "/entity", Problem: onboarding.Wrong}}, "too much": make([]onboarding.Item, 101),
	} {
		n++
		b := o.bring(t, n, onboarding.Submitted)
		if _, err := o.Onboarding.Return(t.Context(), shoptest.Official, onboarding.County, b.ID, items, "需要补正"); !errors.Is(err, onboarding.ErrItems) {
			t.Errorf("returned for %s: %v, want %v", name, err, onboarding.ErrItems)
		}
	}
	if _, err := o.Onboarding.Refuse(t.Context(), shoptest.Operator, a.ID, ""); !errors.Is(err, identity.ErrReason) {
		t.Errorf("refused without a reason: %v, want %v", err, identity.ErrReason)
	}
}

func TestSigningLetsInAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := o.bring(t, 1, onboarding.Approved)
	text, err := o.Onboarding.Agreement(t.Context())
	if err != nil || text.SHA256 != sha256.Sum256([]byte(text.Body)) || text.LevyBP != 1000 || text.EntryFeeFen != 0 || text.CommissionBP != 0 || !text.Sample || text.Region != "152527" {
		t.Fatalf("agreement = %+v, %v", text, err)
	}
	by := onboarding.Acceptance{Version: text.Version, SHA256: text.SHA256, Name: "张三（虚构）", Position: "理事长"}
	stale, other, nameless := by, by, by
	stale.Version--
	other.SHA256[0]++
	nameless.Name = ""
	for _, tt := range []struct {
		by   onboarding.Acceptance
		want error
	}{{stale, onboarding.ErrAgreement}, {other, onboarding.ErrAgreement}, {nameless, onboarding.ErrSignatory}} {
		if _, err := o.Onboarding.Accept(t.Context(), o.applicant, a.ID, tt.by); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v, want %v", tt.by, err, tt.want)
		}
	}
	if _, err := o.Onboarding.Accept(t.Context(), shoptest.Buyer("bob"), a.ID, by); !errors.Is(err, onboarding.ErrUnknown) {
		t.Errorf("somebody else signs: %v", err)
	}
	signed := pgtest.AtOnce(t, 6, func(int) error {
		_, err := o.Onboarding.Accept(t.Context(), o.applicant, a.ID, by)
		return err
	}, onboarding.ErrState)
	if signed != 1 {
		t.Errorf("signed %d times at once", signed)
	}
	m, err := o.Merchants.Merchant(t.Context(), a.Merchant)
	if err != nil || merchant.MaySell(m.Standing(), o.Clock.Now()) != nil || m.USCC != a.Entity.USCC || m.AgreementNo != "EDU-DON-2026-E01" || m.Code != "E01" || m.RecommendationNo != "R-1" {
		t.Errorf("enrolled = %+v, %v", m, err)
	}
	got, err := o.Identity.Account(t.Context(), o.applicant, o.applicant.Account)
	if want := []identity.Grant{{Role: identity.Merchant, Merchant: a.Merchant.UUID()}}; err != nil || !cmp.Equal(got.Roles, want) {
		t.Errorf("the applicant's roles = %v, %v, want %v", got.Roles, err, want)
	}
	again := o.start(t, o.draft(t, 1))
	if _, err := o.Onboarding.Submit(t.Context(), o.applicant, again.ID); !errors.Is(err, onboarding.ErrTaken) {
		t.Errorf("the same enterprise again: %v, want %v", err, onboarding.ErrTaken)
	}
}

func TestTwoDecisionsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := o.bring(t, 1, onboarding.Recommended)
	done := pgtest.AtOnce(t, 8, func(i int) error {
		operator := identity.Caller{Account: shoptest.Buyer(fmt.Sprint("operator", i)).Account, Roles: shoptest.Operator.Roles}
		if i%2 == 0 {
			_, err := o.Onboarding.Refuse(t.Context(), operator, a.ID, "与宗旨不符")
			return err
		}
		_, err := o.Onboarding.Approve(t.Context(), operator, a.ID, "材料齐全")
		return err
	}, onboarding.ErrState)
	got, err := o.Onboarding.Application(t.Context(), o.applicant, onboarding.Applicant, a.ID)
	if done != 1 || err != nil || len(got.Events) != 4 {
		t.Errorf("%d of eight decisions counted, %v, history %+v", done, err, got.Events)
	}
}

func TestOfTwoApplicationsForAnEnterpriseOneIsTaken(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var all []onboarding.Application
	for range 6 {
		all = append(all, o.start(t, o.draft(t, 1)))
	}
	submitted := pgtest.AtOnce(t, len(all), func(i int) error {
		_, err := o.Onboarding.Submit(t.Context(), o.applicant, all[i].ID)
		return err
	}, onboarding.ErrTaken)
	if submitted != 1 {
		t.Errorf("%d applications for one enterprise are open", submitted)
	}
}

func TestEnterprisesLetInAtOnceHaveCodesOfTheirOwn(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var all []onboarding.Application
	for n := range 5 {
		all = append(all, o.bring(t, n, onboarding.Approved))
	}
	pgtest.AtOnce(t, len(all), func(i int) error {
		_, err := o.do(t, o.applicant, onboarding.Move{Do: onboarding.Sign}, all[i])
		return err
	})
	enrolled, err := o.Merchants.Merchants(t.Context(), page.Request{})
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, m := range enrolled.Data {
		codes = append(codes, m.Code)
	}
	if want := []string{"E01", "E02", "E03", "E04", "E05"}; !slices.Equal(codes, want) {
		t.Errorf("codes = %v, want %v", codes, want)
	}
}

func TestNumbersAreKeptTidy(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	d := o.draft(t, 1)
	want := d.Entity.USCC
	d.Entity.USCC = " " + strings.ToLower(want) + "\n"
	d.Licences[0].No = strings.ToLower(d.Licences[0].No)
	a := o.start(t, d)
	if _, err := o.Onboarding.Submit(t.Context(), o.applicant, a.ID); err != nil || a.Entity.USCC != want {
		t.Errorf("%q, %v; want %q", a.Entity.USCC, err, want)
	}
	big := dossier.Draft{Entity: dossier.Entity{LegalName: strings.Repeat("长", 100_000)}}
	if _, err := o.Onboarding.Start(t.Context(), o.applicant, big); !errors.Is(err, onboarding.ErrTooLarge) {
		t.Errorf("an endless name: %v, want %v", err, onboarding.ErrTooLarge)
	}
}
