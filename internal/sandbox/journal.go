package sandbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"syscall"
)

// record is one line of the journal: things as they are from now on. A line is
// written whole or not at all, so what must be true together is one record.
type record struct {
	Signing  string    `json:"signing,omitempty"` // what events are signed with
	Session  *session  `json:"session,omitempty"`
	Refund   *refund   `json:"refund,omitempty"`
	Account  *account  `json:"account,omitempty"`
	Transfer *transfer `json:"transfer,omitempty"`
	Reversal *reversal `json:"reversal,omitempty"`
	Dispute  *dispute  `json:"dispute,omitempty"`
	Event    *event    `json:"event,omitempty"` // to be sent
	Done     string    `json:"done,omitempty"`  // id of an event that was sent or given up
}

// journal is a file of records that is only appended to. It is not forced to
// disk: it outlives the program, not the machine. A nil journal keeps nothing.
type journal struct {
	file          *os.File
	size, compact int64 // bytes now, and after the last compaction
}

// ErrTaken says that another program has the journal.
var ErrTaken = errors.New("sandbox: another program has the journal")

// lock keeps the journal from every other program for as long as the file that it
// returns stays open: two that write it would each lose what the other one wrote.
func lock(journal string) (*os.File, error) {
	f, err := os.OpenFile(journal+".lock", os.O_CREATE|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sandbox: journal: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrTaken, journal), f.Close())
	}
	return f, nil
}

// minOvergrown is the size in bytes below which compaction is not worth it.
const minOvergrown = 256 << 20

// overgrown reports whether most of the journal is history.
func (j *journal) overgrown() bool { return j != nil && j.size > max(minOvergrown, 2*j.compact) }

func (j *journal) write(r record) error {
	if j == nil {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("sandbox: journal: %w", err)
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		// Half a line, as of a full disk, must not spoil the next one.
		return fmt.Errorf("sandbox: journal: %w", errors.Join(err, j.file.Truncate(j.size)))
	}
	j.size += int64(len(line)) + 1
	return nil
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	return j.file.Close()
}

// load makes all that the journal says true. A last line that was cut short by
// the death of the program never happened.
func (s *state) load() error {
	f, err := os.Open(s.cfg.Journal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sandbox: journal: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	lines := bufio.NewReaderSize(f, 1<<16)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("sandbox: journal: %w", err)
		}
		var r record
		if err := json.Unmarshal(bytes.TrimSpace(line), &r); err != nil {
			return fmt.Errorf("sandbox: journal %s, line %d: %w", s.cfg.Journal, n, err)
		}
		s.apply(r)
	}
}

// compact writes the present state into a new journal, which takes the place of
// the old one when it is whole. The caller holds the lock or is alone.
func (s *state) compact() error {
	part := s.cfg.Journal + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600) // it holds the secret
	if err != nil {
		return fmt.Errorf("sandbox: journal: %w", err)
	}
	size, err := s.dump(f)
	if err == nil {
		err = os.Rename(part, s.cfg.Journal)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("sandbox: compact the journal: %w", err), f.Close())
	}
	old := s.journal
	s.journal = &journal{file: f, size: size, compact: size}
	return old.close()
}

// dump writes the present state to w and returns its size.
func (s *state) dump(w io.Writer) (size int64, err error) {
	buffer := bufio.NewWriter(w)
	put := func(r record) {
		line, failed := json.Marshal(r)
		n, short := buffer.Write(append(line, '\n'))
		size, err = size+int64(n), errors.Join(err, failed, short)
	}
	put(record{Signing: s.secret})
	for _, each := range s.order {
		put(record{Session: each})
	}
	for _, id := range sorted(s.refunds) {
		put(record{Refund: s.refunds[id]})
	}
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		put(record{Account: s.accounts[id]})
	}
	for _, each := range s.all.items {
		put(record{Transfer: each})
		for _, back := range s.reversals[each.ID] {
			put(record{Reversal: back})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.disputes)) {
		put(record{Dispute: s.disputes[id]})
	}
	for _, each := range s.past.items {
		if s.events[each.ID] == nil {
			put(record{Event: each, Done: each.ID})
		}
	}
	for at := s.waiting.Front(); at != nil; at = at.Next() {
		put(record{Event: eventAt(at)})
	}
	return size, errors.Join(err, buffer.Flush())
}

// sorted are the ids of refunds, the oldest first.
func sorted(refunds map[string]*refund) []string {
	ids := make([]string, 0, len(refunds))
	for id := range refunds {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return int(refunds[a].Created - refunds[b].Created) })
	return ids
}
