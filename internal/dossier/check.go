package dossier

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/identity"
	"github.com/shiyi-market/shiyi/internal/merchant"
	"github.com/shiyi-market/shiyi/internal/money"
)

// flaws gathers what is missing or wrong in a draft.
type flaws struct {
	found *fault.Error
	today merchant.Date
}

func (f *flaws) add(at, keyword, message string) { f.found = f.found.At(at, keyword, message) }

// text wants 1 to most characters.
func (f *flaws) text(at, s string, most int) {
	switch {
	case strings.TrimSpace(s) == "":
		f.add(at, "required", "is missing")
	case !lengthIn(s, 1, most):
		f.add(at, "length", fmt.Sprintf("1 to %d characters", most))
	}
}

// number wants what check passes.
func (f *flaws) number(at, s string, check func(string) error) {
	if s == "" {
		f.add(at, "required", "is missing")
	} else if err := check(s); err != nil {
		f.add(at, "check", strings.TrimPrefix(err.Error(), "merchant: "))
	}
}

// day wants a calendar day.
func (f *flaws) day(at string, d merchant.Date) bool {
	_, err := merchant.ParseDate(string(d))
	switch {
	case d == "":
		f.add(at, "required", "is missing")
	case err != nil:
		f.add(at, "format", "no such day")
	}
	return err == nil
}

// scans wants at least one file.
func (f *flaws) scans(at string, files []file.ID) {
	if len(files) == 0 {
		f.add(at+"/file_ids", "required", "a file is needed")
	}
}

// some wants at least one.
func (f *flaws) some(at string, n int) {
	if n == 0 {
		f.add(at, "required", "at least one is needed")
	}
}

// Check is nil for a dossier that is whole on that day, and otherwise ErrIncomplete,
// which names each place.
func (d Draft) Check(today merchant.Date) error {
	f := &flaws{found: ErrIncomplete, today: today}
	f.entity(d.Entity)
	f.contacts(d.Contacts)
	f.licences(d.Licences)
	f.linkage(d.Linkage)
	if len(f.found.Fields) > 0 {
		return f.found
	}
	return nil
}

func (f *flaws) entity(e Entity) {
	f.text("/entity/legal_name", e.LegalName, 120)
	f.text("/entity/short_name", e.ShortName, 60)
	f.text("/entity/entity_type", e.EntityType, 60)
	f.number("/entity/uscc", e.USCC, merchant.CheckUSCC)
	if len(e.Region) != 6 || strings.Trim(e.Region, "0123456789") != "" {
		f.add("/entity/region", "format", "six digits")
	}
	f.text("/entity/township", e.Township, 60)
	for i, b := range e.Brands {
		f.text(pointer("/entity/brands", i), b, 60)
	}
}

func (f *flaws) contacts(all []Contact) {
	led := false
	for i, c := range all {
		at := pointer("/contacts", i)
		f.text(at+"/name", c.Name, 64)
		if _, ok := identity.NormalPhone(c.Phone); !ok {
			f.add(at+"/phone", "format", "not a phone number")
		}
		if _, ok := identity.NormalEmail(c.Email); !ok && c.Email != "" {
			f.add(at+"/email", "format", "not an e-mail address")
		}
		switch c.Role {
		case Representative:
			led = true
			f.scans(at, c.Files)
		case Person:
		default:
			f.add(at+"/role", "enum", "no such role")
		}
	}
	if !led {
		f.add("/contacts", "required", "the legal representative is missing")
	}
}

func (f *flaws) licences(all []Licence) {
	f.some("/licences", len(all))
	seen := map[string]bool{}
	for i, l := range all {
		at := pointer("/licences", i)
		f.text(at+"/kind", l.Kind, 32)
		f.number(at+"/no", l.No, func(no string) error { return merchant.CheckLicenceNo(l.Kind, no) })
		if f.day(at+"/issued_on", l.IssuedOn) && l.IssuedOn > f.today {
			f.add(at+"/issued_on", "maximum", "is not issued yet")
		}
		if f.day(at+"/expires_on", l.ExpiresOn) && l.ExpiresOn < max(f.today, l.IssuedOn) {
			f.add(at+"/expires_on", "minimum", "has expired")
		}
		f.some(at+"/product_kinds", len(l.For))
		f.scans(at, l.Files)
		if name := l.Kind + " " + l.No + " " + string(l.ExpiresOn); seen[name] {
			f.add(at, "unique", "is named twice")
		} else {
			seen[name] = true
		}
	}
}

func (f *flaws) linkage(l Linkage) {
	if l.Households < 1 {
		f.add("/linkage/households", "minimum", "at least one household")
	}
	if l.PoorHouseholds < 0 || l.PoorHouseholds > l.Households {
		f.add("/linkage/poor_households", "maximum", "not more than all households")
	}
	f.some("/linkage/ways", len(l.Ways))
	for i, w := range l.Ways {
		at := pointer("/linkage/ways", i)
		if w.Mode.label() == "" {
			f.add(at+"/mode", "enum", "no such way")
		}
		f.some(at+"/villages", len(w.Villages))
		if w.Households < 0 || w.Households > l.Households {
			f.add(at+"/households", "maximum", "not more than all households")
		}
		if w.PoorHouseholds < 0 || w.PoorHouseholds > w.Households {
			f.add(at+"/poor_households", "maximum", "not more than these households")
		}
		if min(w.Persons, w.LandMu, w.AmountFen) < 0 || w.AmountFen > int64(money.Max) {
			f.add(at, "minimum", "no figure is below zero or beyond measure")
		} else if w.Households+w.Persons+w.LandMu+w.AmountFen == 0 {
			f.add(at, "required", "it reaches nobody")
		}
		if f.day(at+"/from", w.From) && f.day(at+"/to", w.To) && w.To < w.From {
			f.add(at+"/to", "minimum", "ends before it begins")
		}
		f.scans(at, w.Files)
	}
}

// lengthIn reports whether s is text of so many characters.
func lengthIn(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return n >= least && n <= most && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

// pointer is the JSON pointer to the n-th of a list.
func pointer(list string, n int) string { return fmt.Sprintf("%s/%d", list, n) }
