// Package merge merges three versions of a text line by line, with the result
// that git's default strategy (ort) has.
//
// It is pure: bytes in, bytes out. What it guarantees:
//
//   - A clean merge is byte for byte what `git merge-tree` writes: differences
//     are found by git's histogram algorithm, which falls back to Myers' with
//     git's heuristics, and are moved to the same place when a block can be read
//     in several ways. All of it can change the result, not just its beauty.
//   - Where git reports a conflict, so does Lines.
//   - Time and memory are bounded: a text above MaxSize or MaxLines, or a pair of
//     texts that takes too many steps to compare, is ErrTooLarge. There git would
//     go on; the caller gets a conflict, never another result.
//
// A final line without a newline is another line than one with it. A text with a
// NUL byte in its first 8,000 bytes is binary, as git has it.
package merge

import (
	"bytes"
	"errors"
	"slices"
)

const (
	// MaxSize is the largest text that is merged, in bytes.
	MaxSize = 32 << 20
	// MaxLines is how many lines one text may have.
	MaxLines = 1 << 20

	maxSteps  = 200_000_000 // looks at a line, in one merge; about a second
	binaryEnd = 8000
)

var (
	// ErrConflict: both sides changed the same lines.
	ErrConflict = errors.New("both sides changed the same lines")
	// ErrBinary: a text holds a NUL byte near its beginning.
	ErrBinary = errors.New("not text")
	// ErrTooLarge: a text is above MaxSize or MaxLines, or too hard to compare.
	ErrTooLarge = errors.New("too large to merge by line")
)

// Lines merges the changes from base to ours and from base to theirs.
func Lines(base, ours, theirs []byte) ([]byte, error) {
	for _, text := range [][]byte{base, ours, theirs} {
		if len(text) > MaxSize {
			return nil, ErrTooLarge
		}
		if bytes.IndexByte(text[:min(len(text), binaryEnd)], 0) >= 0 {
			return nil, ErrBinary
		}
	}
	p := parser{classes: map[string]int32{}}
	o, a, b := p.lines(base), p.lines(ours), p.lines(theirs)
	if p.tooMany {
		return nil, ErrTooLarge
	}
	steps := maxSteps
	left, err := diff(o.class, a.class, &steps)
	if err != nil {
		return nil, err
	}
	right, err := diff(o.class, b.class, &steps)
	if err != nil {
		return nil, err
	}
	switch {
	case len(left) == 0:
		return bytes.Clone(theirs), nil
	case len(right) == 0:
		return bytes.Clone(ours), nil
	}
	w := weaver{a: a.class, b: b.class, shiftA: len(a.class) - len(o.class), shiftB: len(b.class) - len(o.class)}
	w.weave(left, right)
	var out bytes.Buffer
	at := 0 // in ours
	for _, r := range w.regions {
		switch r.from {
		case both:
			if !slices.Equal(a.class[r.a:r.a+r.na], b.class[r.b:r.b+r.nb]) {
				return nil, ErrConflict
			}
			// Ours is as good, and is copied with what follows.
		case fromOurs:
			out.Write(a.text(at, r.a+r.na))
			at = r.a + r.na
		case fromTheirs:
			out.Write(a.text(at, r.a))
			out.Write(b.text(r.b, r.b+r.nb))
			at = r.a + r.na
		}
	}
	out.Write(a.text(at, len(a.class)))
	return out.Bytes(), nil
}

// text is a text cut into lines. Lines of one class are equal.
type text struct {
	data  []byte
	class []int32
	start []int // of each line, and the end
}

func (t text) text(from, to int) []byte { return t.data[t.start[from]:t.start[to]] }

type parser struct {
	classes map[string]int32
	tooMany bool
}

func (p *parser) lines(data []byte) text {
	t := text{data: data, start: []int{0}}
	for at := 0; at < len(data); {
		end := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		class, ok := p.classes[string(data[at:end])]
		if !ok {
			class = int32(len(p.classes))
			p.classes[string(data[at:end])] = class
		}
		t.class = append(t.class, class)
		t.start = append(t.start, end)
		if at = end; len(t.class) > MaxLines {
			p.tooMany = true
			break
		}
	}
	return t
}

// source says where the lines of a region come from.
type source int

const (
	both source = iota // both sides changed it: a conflict unless they agree
	fromOurs
	fromTheirs
)

// region is a part of the result: na lines of ours from a on, and the nb lines
// of theirs from b on that stand opposite.
type region struct {
	from  source
	a, na int
	b, nb int
}

// weaver lays two lists of changes of one base over each other.
type weaver struct {
	a, b           []int32 // classes of the lines of both sides
	shiftA, shiftB int     // lines that a side has more than the base
	regions        []region
}

func (w *weaver) weave(left, right []change) {
	for len(left) > 0 && len(right) > 0 {
		l, r := left[0], right[0]
		switch {
		case l.old+l.removed < r.old:
			w.add(region{fromOurs, l.new, l.added, r.new - r.old + l.old, l.removed})
			left = left[1:]
			continue
		case r.old+r.removed < l.old:
			w.add(region{fromTheirs, l.new - l.old + r.old, r.removed, r.new, r.added})
			right = right[1:]
			continue
		}
		if !w.same(l, r) {
			w.add(overlap(l, r))
		}
		endL, endR := l.old+l.removed, r.old+r.removed
		if endL >= endR {
			right = right[1:]
		}
		if endR >= endL {
			left = left[1:]
		}
	}
	for _, l := range left {
		w.add(region{fromOurs, l.new, l.added, l.old + w.shiftB, l.removed})
	}
	for _, r := range right {
		w.add(region{fromTheirs, r.old + w.shiftA, r.removed, r.new, r.added})
	}
}

// same reports whether two changes are one.
func (w *weaver) same(l, r change) bool {
	return l.old == r.old && l.removed == r.removed && l.added == r.added &&
		slices.Equal(w.a[l.new:l.new+l.added], w.b[r.new:r.new+r.added])
}

// overlap is the region of two changes that touch.
func overlap(l, r change) region {
	g := region{both, l.new, 0, r.new, 0}
	if ahead := l.old - r.old; ahead > 0 {
		g.a -= ahead
	} else {
		g.b += ahead
	}
	g.na, g.nb = l.new+l.added-g.a, r.new+r.added-g.b
	if rest := l.old + l.removed - r.old - r.removed; rest < 0 {
		g.na -= rest
	} else {
		g.nb += rest
	}
	return g
}

// add appends a region, or widens the last one when they touch.
func (w *weaver) add(g region) {
	if n := len(w.regions); n > 0 {
		last := &w.regions[n-1]
		if g.a <= last.a+last.na || g.b <= last.b+last.nb {
			if g.from != last.from {
				last.from = both
			}
			last.na, last.nb = g.a+g.na-last.a, g.b+g.nb-last.b
			return
		}
	}
	w.regions = append(w.regions, g)
}
