package sandbox

import (
	"slices"
	"sort"
	"strconv"
	"strings"
)

// dated is what is listed by its time.
type dated interface {
	name() string
	when() int64
}

// timeline holds things by their time, the oldest first; of the same second, the
// one that was added first.
type timeline[T dated] struct {
	items []T
	known map[string]int64
}

// add puts a thing in its place; one that is there already stays as it is.
func (l *timeline[T]) add(x T) {
	if l.known == nil {
		l.known = map[string]int64{}
	}
	if _, ok := l.known[x.name()]; ok {
		return
	}
	l.known[x.name()] = x.when()
	l.items = slices.Insert(l.items, l.after(x.when()), x)
}

// after is the place of the first thing that is later than at.
func (l *timeline[T]) after(at int64) int {
	return sort.Search(len(l.items), func(i int) bool { return l.items[i].when() > at })
}

// forget drops all that is older than at.
func (l *timeline[T]) forget(at int64) {
	n := l.after(at - 1)
	for _, each := range l.items[:n] {
		delete(l.known, each.name())
	}
	l.items = slices.Delete(l.items, 0, n)
}

// page is what a list of Stripe's answers: the newest first, within created[…],
// behind starting_after, at most limit, of those that fit.
func (l *timeline[T]) page(c call, fits func(T) bool) (found []T, more bool, err error) {
	limit, err := c.integer("limit", 10, 1, 100)
	if err != nil {
		return nil, false, err
	}
	from, to, err := c.between()
	if err != nil {
		return nil, false, err
	}
	next := l.after(to) - 1
	if last := c.form.Get("starting_after"); last != "" {
		at, ok := l.known[last]
		if !ok {
			return nil, false, bad("starting_after", "resource_missing", "No such object: '%s'", last)
		}
		for next = l.after(at) - 1; l.items[next].name() != last; next-- {
		}
		next--
	}
	for ; next >= 0 && l.items[next].when() >= from; next-- {
		if fits != nil && !fits(l.items[next]) {
			continue
		}
		if len(found) == int(limit) {
			return found, true, nil
		}
		found = append(found, l.items[next])
	}
	return found, false, nil
}

// between reads created[gt|gte|lt|lte], in whole seconds, both ends included.
func (c call) between() (from, to int64, err error) {
	const ever = 1 << 40
	from, to = 0, ever
	for key := range c.form {
		bound, ok := strings.CutPrefix(key, "created[")
		if !ok {
			continue
		}
		at, err := strconv.ParseInt(c.form.Get(key), 10, 64)
		if err != nil {
			return 0, 0, bad(key, "parameter_invalid_integer", "Invalid integer: %s", c.form.Get(key))
		}
		switch strings.TrimSuffix(bound, "]") {
		case "gt":
			from = max(from, at+1)
		case "gte":
			from = max(from, at)
		case "lt":
			to = min(to, at-1)
		case "lte":
			to = min(to, at)
		default:
			return 0, 0, bad(key, "parameter_unknown", "Received unknown parameter: %s", key)
		}
	}
	return from, to, nil
}

// pageObject is a page of one of Stripe's lists.
type pageObject struct {
	Object  string `json:"object"`
	URL     string `json:"url"`
	HasMore bool   `json:"has_more"`
	Data    []any  `json:"data"`
}

// listed is a page of the timeline as the API shows it.
func listed[T dated](c call, l *timeline[T], fits func(T) bool, show func(T) any, filters ...string) (any, error) {
	if err := c.known(append(filters, "limit", "starting_after", "created")...); err != nil {
		return nil, err
	}
	found, more, err := l.page(c, fits)
	if err != nil {
		return nil, err
	}
	out := pageObject{Object: "list", URL: c.path, HasMore: more, Data: make([]any, len(found))}
	for i, each := range found {
		out.Data[i] = show(each)
	}
	return out, nil
}
