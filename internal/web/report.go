package web

import "github.com/shiyi-market/shiyi/internal/disclosure"

// Report is a published report as a page: what people wrote, and the figures of that moment.
type Report struct {
	ID     string // of the document
	Digest string // of its bytes, in hexadecimal
	disclosure.Snapshot
}

// Report is the page of a published report.
func (s *Site) Report(r Report, english bool) (Page, error) {
	return s.page("report.html", strictPolicy, view{English: english, Report: r})
}
