package merge

// change is a block of lines of the old text that was replaced by one of the
// new; either may be empty.
type change struct {
	old, removed int
	new, added   int
}

// side is one text of a pair that is compared. changed has a false entry before
// the first line and after the last, so that groups have ends.
type side struct {
	class   []int32
	changed []bool // of line i at i+1
}

func newSide(class []int32) *side { return &side{class, make([]bool, len(class)+2)} }

func (s *side) is(line int) bool       { return s.changed[line+1] }
func (s *side) mark(line int, to bool) { s.changed[line+1] = to }
func (s *side) markAll(from, count int) { // as changed
	for i := range count {
		s.changed[from+i+1] = true
	}
}

// diff returns the changes from one text to another. steps is what is left of
// the budget.
func diff(old, new []int32, steps *int) ([]change, error) {
	a, b := newSide(old), newSide(new)
	h := histogram{a: a, b: b, steps: steps}
	h.region(0, len(old), 0, len(new))
	if *steps < 0 {
		return nil, ErrTooLarge
	}
	compact(a, b)
	compact(b, a)
	var list []change
	for i, j := 0, 0; i < len(old) || j < len(new); {
		c := change{old: i, new: j}
		for a.is(i) {
			i++
		}
		for b.is(j) {
			j++
		}
		if c.removed, c.added = i-c.old, j-c.new; c.removed+c.added > 0 {
			list = append(list, c)
		}
		i, j = i+1, j+1
	}
	return list, nil
}

// group is a block of changed lines, or the empty one before line end.
type group struct{ start, end int }

func first(s *side) group {
	g := group{}
	for s.is(g.end) {
		g.end++
	}
	return g
}

func (g *group) next(s *side) bool {
	if g.end == len(s.class) {
		return false
	}
	g.start = g.end + 1
	for g.end = g.start; s.is(g.end); g.end++ {
	}
	return true
}

func (g *group) previous(s *side) {
	g.end = g.start - 1
	for g.start = g.end; s.is(g.start - 1); g.start-- {
	}
}

// up moves the group up by a line, if the line that leaves it equals the one
// that comes in, and takes in a group that it bumps into.
func (g *group) up(s *side) bool {
	if g.start == 0 || s.class[g.start-1] != s.class[g.end-1] {
		return false
	}
	g.start, g.end = g.start-1, g.end-1
	s.mark(g.start, true)
	s.mark(g.end, false)
	for s.is(g.start - 1) {
		g.start--
	}
	return true
}

func (g *group) down(s *side) bool {
	if g.end == len(s.class) || s.class[g.start] != s.class[g.end] {
		return false
	}
	s.mark(g.start, false)
	s.mark(g.end, true)
	g.start, g.end = g.start+1, g.end+1
	for s.is(g.end) {
		g.end++
	}
	return true
}

// compact moves each group of s down as far as it goes, or less far where it
// then stands opposite a group of other.
func compact(s, other *side) {
	g, o := first(s), first(other)
	for {
		if g.end > g.start {
			g, o = settle(s, other, g, o)
		}
		if !g.next(s) {
			return
		}
		o.next(other)
	}
}

func settle(s, other *side, g, o group) (group, group) {
	matches := false
	highest := 0
	for size := -1; size != g.end-g.start; {
		size, matches = g.end-g.start, false
		for g.up(s) {
			o.previous(other)
		}
		highest = g.end
		matches = o.end > o.start
		for g.down(s) {
			o.next(other)
			matches = matches || o.end > o.start
		}
	}
	if g.end != highest && matches {
		for o.end == o.start {
			g.up(s)
			o.previous(other)
		}
	}
	return g, o
}
