package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// line is one keep-alive connection that speaks just enough HTTP/1.1. The load
// must cost as little as it can: it shares the machine with what it measures.
type line struct {
	conn net.Conn
	r    *bufio.Reader
	body []byte // of the last answer
}

// answerLimit is how long an answer may take.
const answerLimit = 20 * time.Second

func dial(ctx context.Context, addr string) (*line, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &line{conn: c, r: bufio.NewReaderSize(c, 16<<10)}, nil
}

func (l *line) close() { _ = l.conn.Close() }

// ask sends a whole request and reads the answer; its body is valid until the
// next call.
func (l *line) ask(request []byte) (status int, body []byte, err error) {
	if err := l.conn.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return 0, nil, err
	}
	if _, err := l.conn.Write(request); err != nil {
		return 0, nil, err
	}
	first, err := l.r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(first) < 12 {
		return 0, nil, fmt.Errorf("answer begins with %q", first)
	}
	if status, err = strconv.Atoi(string(first[9:12])); err != nil {
		return 0, nil, fmt.Errorf("answer begins with %q", first)
	}
	length, err := l.header()
	if err != nil {
		return 0, nil, err
	}
	l.body = l.body[:0]
	if length >= 0 {
		err = l.take(length)
	} else {
		err = l.chunks()
	}
	return status, l.body, err
}

// header reads past the header and finds the length of the body, -1 when it
// comes in chunks.
func (l *line) header() (length int, err error) {
	length = -1
	for {
		h, err := l.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		h = bytes.TrimRight(h, "\r\n")
		if len(h) == 0 {
			return length, nil
		}
		if name, value, ok := bytes.Cut(h, []byte(": ")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		}
	}
}

func (l *line) take(n int) error {
	at := len(l.body)
	l.body = append(l.body, make([]byte, n)...)
	_, err := io.ReadFull(l.r, l.body[at:])
	return err
}

func (l *line) chunks() error {
	for {
		h, err := l.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(h)), 16, 32)
		if err != nil {
			return err
		}
		if err := l.take(int(n)); err != nil {
			return err
		}
		if _, err := l.r.Discard(len("\r\n")); err != nil || n == 0 {
			return err
		}
	}
}

var errNotFound = errors.New("not in the answer")

// between is what stands in text after one mark and before the next.
func between(text []byte, after, before string) (string, error) {
	_, rest, ok := bytes.Cut(text, []byte(after))
	if !ok {
		return "", fmt.Errorf("%s: %w: %s", after, errNotFound, text)
	}
	found, _, ok := bytes.Cut(rest, []byte(before))
	if !ok {
		return "", fmt.Errorf("%s: %w", before, errNotFound)
	}
	return string(found), nil
}
