// Package dossier is what an enterprise says of itself when it wants to come in: who
// it is, who speaks for it, its licences, and how households earn through it. It knows
// what a whole dossier is, and nothing of what becomes of it.
package dossier

import (
	"slices"
	"strings"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
)

// ErrIncomplete names all that is missing or wrong in what is submitted.
var ErrIncomplete = fault.New(fault.Refused, "dossier.incomplete", "The application is not complete", "申请材料不完整或有误")

// Draft is what an applicant says of his enterprise. It is kept however little of
// it is there, and checked when it is submitted. Its JSON is how it is stored, and
// the pointers of ErrIncomplete lead into it.
type Draft struct {
	Entity   Entity    `json:"entity"`
	Contacts []Contact `json:"-"` // personal data: kept apart, never public, never in the trail
	Licences []Licence `json:"licences"`
	Linkage  Linkage   `json:"linkage"`
}

// Entity is the enterprise itself.
type Entity struct {
	LegalName  string   `json:"legal_name"`
	ShortName  string   `json:"short_name"`
	EntityType string   `json:"entity_type"` // "农民专业合作社"
	USCC       string   `json:"uscc"`        // GB 32100
	Region     string   `json:"region"`      // the county that recommends it, GB/T 2260
	Township   string   `json:"township"`
	Village    string   `json:"village,omitempty"`
	Brands     []string `json:"brands,omitempty"`
	Fictional  bool     `json:"fictional,omitempty"` // an invented example
}

// ContactRole says what somebody is to the enterprise.
type ContactRole string

// The people whom an application names.
const (
	Representative ContactRole = "legal_representative" // with a paper that shows who he is
	Person         ContactRole = "contact"
)

// Contact is somebody who speaks for the enterprise.
type Contact struct {
	Role  ContactRole `json:"role"`
	Name  string      `json:"name"`
	Phone string      `json:"phone"`
	Email string      `json:"email,omitempty"`
	Files []file.ID   `json:"file_ids,omitempty"` // papers that show who he is
}

// Licence is a paper by which the enterprise may trade.
type Licence struct {
	Kind      string        `json:"kind"` // as merchant.Licence has it
	No        string        `json:"no"`
	IssuedOn  merchant.Date `json:"issued_on"`
	ExpiresOn merchant.Date `json:"expires_on"`    // its last day
	For       []string      `json:"product_kinds"` // kinds of product that it is for: "PACKAGED_FOOD"
	Files     []file.ID     `json:"file_ids,omitempty"`
}

// Mode is a way by which households earn through an enterprise (联农带农).
type Mode string

// The ways.
const (
	Purchase    Mode = "purchase_agreement" // it buys what they grow, as agreed before
	Employment  Mode = "employment"
	Land        Mode = "land" // it leases their land
	Dividend    Mode = "dividend"
	Cooperative Mode = "cooperative" // they are its members, or work with it otherwise
)

// label is the way's name in Chinese.
func (m Mode) label() string {
	return map[Mode]string{Purchase: "订单收购", Employment: "务工就业", Land: "土地流转", Dividend: "合作社分红", Cooperative: "合作经营"}[m]
}

// Linkage is how households earn through the enterprise. Households and
// PoorHouseholds count each once, however many ways it earns by.
type Linkage struct {
	Households     int64    `json:"households"`
	PoorHouseholds int64    `json:"poor_households"`
	Evidence       []string `json:"evidence,omitempty"` // kinds of proof that there are
	Ways           []Way    `json:"ways"`
}

// Way is one way, in one period.
type Way struct {
	Mode           Mode          `json:"mode"`
	Label          string        `json:"label,omitempty"` // as the enterprise calls it
	Villages       []string      `json:"villages"`
	Households     int64         `json:"households"`
	PoorHouseholds int64         `json:"poor_households"`
	Persons        int64         `json:"persons,omitempty"`    // poor people on the payroll, of Employment
	LandMu         int64         `json:"land_mu,omitempty"`    // mu (1/15 hectare), of Land
	AmountFen      int64         `json:"amount_fen,omitempty"` // paid to households in the period
	From           merchant.Date `json:"from"`
	To             merchant.Date `json:"to"`
	Files          []file.ID     `json:"file_ids,omitempty"` // the evidence
}

// Files are all files that a draft refers to.
func (d Draft) Files() []file.ID { return append(d.papers(), d.identities()...) }

// papers are the licences' scans and the evidence.
func (d Draft) papers() []file.ID {
	var all []file.ID
	for _, l := range d.Licences {
		all = append(all, l.Files...)
	}
	for _, w := range d.Linkage.Ways {
		all = append(all, w.Files...)
	}
	return all
}

func (d Draft) identities() []file.ID {
	var all []file.ID
	for _, c := range d.Contacts {
		all = append(all, c.Files...)
	}
	return all
}

// Identifies reports whether a file of the draft shows who somebody is.
func (d Draft) Identifies(f file.ID) bool { return slices.Contains(d.identities(), f) }

// Normal is d with its numbers as they are kept: in capitals, without spaces around.
func (d Draft) Normal() Draft {
	tidy := func(s string) string { return strings.ToUpper(strings.TrimSpace(s)) }
	d.Entity.USCC, d.Licences = tidy(d.Entity.USCC), slices.Clone(d.Licences)
	for i := range d.Licences {
		d.Licences[i].Kind, d.Licences[i].No = tidy(d.Licences[i].Kind), tidy(d.Licences[i].No)
	}
	return d
}

// Enrolment is the enterprise that the dossier makes. What it is called and by which
// papers it comes in, the caller adds.
func (d Draft) Enrolment() merchant.Enrolment {
	e := d.Entity
	out := merchant.Enrolment{
		LegalName: e.LegalName, ShortName: e.ShortName, EntityType: e.EntityType, Fictional: e.Fictional,
		Region: e.Region, Township: e.Township, USCC: e.USCC, Brands: e.Brands,
		Linkage: merchant.Linkage{Households: d.Linkage.Households, PoorHouseholds: d.Linkage.PoorHouseholds, Evidence: d.Linkage.Evidence},
	}
	for _, l := range d.Licences {
		out.Licences = append(out.Licences, merchant.Licence{
			Kind: l.Kind, No: l.No, IssuedOn: l.IssuedOn, ExpiresOn: l.ExpiresOn, ProductKinds: l.For, Files: l.Files,
		})
	}
	for _, w := range d.Linkage.Ways {
		label := w.Label
		if label == "" {
			label = w.Mode.label()
		}
		out.Linkage.Modes = append(out.Linkage.Modes, label)
		switch w.Mode {
		case Purchase:
			out.Linkage.PurchaseAgreements += w.Households
		case Employment:
			out.Linkage.Employed += w.Persons
		case Land:
			out.Linkage.LandMu += w.LandMu
		case Dividend:
			out.Linkage.Dividends += money.Fen(w.AmountFen)
		case Cooperative:
		}
	}
	return out
}
