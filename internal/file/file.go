// Package file keeps what people upload: pictures of goods, certificates,
// papers. It knows what the bytes are and who brought them, and nothing of what
// they are for: a context that refers to a file decides who may read it.
package file

import (
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
)

// ErrUnknown says that there is no such file, or that it is not the caller's.
var ErrUnknown = fault.New(fault.NotFound, "file.not_found", "No such file", "文件不存在")

// ID names a file. It is no secret: what is private is read by a link that expires.
type ID = id.Of[File]

// File is what was uploaded. It never changes.
type File struct {
	ID        ID
	Owner     uuid.UUID // the account that uploaded it
	Name      string    // as the uploader called it, 1 to 200 characters
	MediaType string    // by content: "image/jpeg", "image/png", "application/pdf"
	Size      int64     // bytes, as stored
	SHA256    [32]byte  // of the bytes as stored
	Width     int       // pixels; 0 for what is no picture
	Height    int       // pixels; 0 for what is no picture
	Private   bool      // read only by a link that was made for one reader
	CreatedAt time.Time
}
