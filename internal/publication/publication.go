// Package publication keeps what was published, byte for byte: policies, reports, the
// sealing of a period, the note of a correction. The digest of each document is a leaf of
// the public log, so that what was once published can be neither changed nor left out unseen.
package publication

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/ledger"
	"github.com/shiyi-market/shiyi/internal/transparency"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// ErrUnknown says that nothing was published under this id.
var ErrUnknown = fault.New(fault.NotFound, "publication.not_found", "There is no such document", "没有这份公开文件")

// ID names a document.
type ID = id.Of[Document]

// Kind is what a document is: the kind of its leaf.
type Kind string

// The kinds. They are also those of leaves: none may be a kind of transfer.
const (
	Policy     Kind = "policy"     // the rules that hold from now on
	Report     Kind = "report"     // what the fund did, for a duty of disclosure
	Seal       Kind = "seal"       // the figures of a period, to which nothing is added any more
	Correction Kind = "correction" // why an entry of the book corrects an earlier one
	Notice     Kind = "notice"     // what is published so that anybody may object
)

// Document is what was published.
type Document struct {
	ID        ID
	Kind      Kind
	TitleZH   string // 1 to 200 characters
	TitleEN   string
	MediaType string // without parameters: "text/html", "application/json"
	Body      []byte // 1 byte to 16 MiB; texts are UTF-8
	At        time.Time
}

// Digest is SHA-256 over the body: what the leaf says.
func (d Document) Digest() [sha256.Size]byte { return sha256.Sum256(d.Body) }

// leaf is the document in the log. Its reference needs no secret, for the id is public; in
// the place of a salt it commits to what stands around the body and is read first.
func (d Document) leaf(digest [sha256.Size]byte) ([]byte, error) {
	around := sha256.Sum256([]byte(d.MediaType + "\n" + d.TitleZH + "\n" + d.TitleEN + "\n"))
	if strings.Contains(d.MediaType+d.TitleZH+d.TitleEN, "\n") {
		return nil, errors.New("a title has one line")
	}
	return verify.Leaf{
		Kind: string(d.Kind), At: d.At, Home: verify.FundHome, Ref: verify.Commitment(string(d.Kind), d.ID.String(), around[:]),
		Document: hex.EncodeToString(digest[:]),
	}.Bytes()
}

// key names the leaf.
func (d Document) key() transparency.Key {
	return transparency.Key{Home: ledger.FundHome, Transfer: d.ID.UUID()}
}

// sorted is how a document is placed in lists.
func sorted(d Document) (string, uuid.UUID) { return "", d.ID.UUID() }
