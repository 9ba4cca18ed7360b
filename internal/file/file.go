// Package file keeps what people upload: pictures of goods, certificates,
// papers. It knows what the bytes are and who brought them, and nothing of what
// they are for: a context that refers to a file decides who may read it.
//
// Nothing is kept as it came that can be made anew: a picture is decoded and
// written again, upright and at most 3,000 pixels long, so that what was hidden
// in it or behind it (EXIF with the place, a ZIP, a script) is gone. A PDF is kept
// as it came, if its structure shows nothing that acts by itself; see CheckPDF for
// what that does not promise.
package file

import (
	"time"

	"github.com/google/uuid"

	"github.com/shiyi-market/shiyi/internal/fault"
	"github.com/shiyi-market/shiyi/internal/id"
)

// Faults of files.
var (
	// ErrUnknown says that there is no such file, that it is not the caller's, or
	// that the link is none of ours or over.
	ErrUnknown = fault.New(fault.NotFound, "file.not_found", "No such file", "文件不存在")
	// ErrEmpty says that no bytes came.
	ErrEmpty = fault.New(fault.Refused, "file.empty", "The file is empty", "文件是空的")
	// ErrTooLarge says that a file has more bytes than are taken.
	ErrTooLarge = fault.New(fault.Refused, "file.too_large", "The file is too large", "文件过大")
	// ErrType says that the content is of no type that is taken, whatever its name says.
	ErrType = fault.New(fault.Refused, "file.unsupported_type", "Files of this type are not taken", "不支持此类文件")
	// ErrDamaged says that the content is not whole, or not what it begins as.
	ErrDamaged = fault.New(fault.Refused, "file.damaged", "The file is damaged", "文件已损坏")
	// ErrPixels says that a picture has more pixels than are decoded.
	ErrPixels = fault.New(fault.Refused, "file.too_many_pixels", "The picture has too many pixels", "图片像素过多")
	// ErrActive says that a PDF has something in it that acts by itself, or hides what it has.
	ErrActive = fault.New(fault.Refused, "file.active_content", "The PDF has content that is not taken: scripts, attachments or encryption", "PDF 含有不接受的内容（脚本、附件或加密）")
	// ErrQuota says that an account has uploaded enough for a day.
	ErrQuota = fault.New(fault.TooMany, "file.quota_exceeded", "You have uploaded enough for today", "今日上传量已达上限")
	// ErrBusy says that too many files are being looked at.
	ErrBusy = fault.New(fault.Unavailable, "file.busy", "Too many files are being looked at; try again in a moment", "正在处理的文件过多，请稍后再试")
)

// ID names a file. It is no secret: what is private is read by a link that expires.
type ID = id.Of[File]

// Kind is what an upload must be.
type Kind string

// The kinds of upload.
const (
	Picture Kind = "picture" // JPEG, PNG or WebP
	Paper   Kind = "paper"   // a picture or a PDF
)

// The types that are kept. A WebP becomes a JPEG, or a PNG if one can see through it.
const (
	JPEG = "image/jpeg"
	PNG  = "image/png"
	PDF  = "application/pdf"
)

// New is what somebody uploads.
type New struct {
	Owner   uuid.UUID // the account that uploads it
	Name    string    // as the uploader calls it; kept as clean makes it
	Private bool      // read only by a link that was made for one reader
	Kind    Kind
}

// File is what was uploaded. It never changes.
type File struct {
	ID        ID
	Owner     uuid.UUID // the account that uploaded it
	Name      string    // safe to show and to save under, 1 to 120 characters, with the extension of its type
	MediaType string    // by content: "image/jpeg", "image/png", "application/pdf"
	Size      int64     // bytes, as stored
	SHA256    [32]byte  // of the bytes as stored
	Width     int       // pixels; 0 for what is no picture
	Height    int       // pixels; 0 for what is no picture
	Private   bool      // read only by a link that was made for one reader
	CreatedAt time.Time
}

// Thumbnails are the lengths of a picture's longer side in which it can be had
// besides its own, in pixels.
func Thumbnails() []int { return []int{320, 960} }

// LinkTTL is how long a link opens a private file.
const LinkTTL = 5 * time.Minute

// keptLinks is how long it is known for whom a link was made.
const keptLinks = 30 * 24 * time.Hour

// Link opens a file for one reader, until it expires. Whoever holds the token may
// read meanwhile: it is not to be passed on.
type Link struct {
	File      ID
	Token     string // 43 characters; only in the answer of Link, kept nowhere. "" for a public file
	ExpiresAt time.Time
}

// Path is where the file is read, below the shop's address.
func (l Link) Path() string {
	if l.Token == "" {
		return "/v1/files/" + l.File.String()
	}
	return "/v1/files/" + l.File.String() + "?token=" + l.Token
}
