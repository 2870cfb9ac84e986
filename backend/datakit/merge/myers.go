package merge

import "math"

// The numbers of git's heuristics.
const (
	goodRun     = 20   // equal lines that make a path worth following
	minCost     = 256  // steps before a search may be cut short
	farEnough   = 4    // times the steps taken: how far a path must have got
	maxOften    = 1024 // above it a line counts as occurring everywhere
	noiseWindow = 100  // lines around a frequent one that are looked at
	noiseRun    = 4
)

// myers marks the changed lines of a part of two texts by E. Myers, "An O(ND)
// Difference Algorithm and Its Variations" (1986), in linear space, with git's
// ways to leave out lines that cannot or need not match and to stop early.
func myers(sa *side, a, na int, sb *side, b, nb int, steps *int) {
	ca, cb := sa.class[a:a+na], sb.class[b:b+nb]
	start := 0
	for start < na && start < nb && ca[start] == cb[start] {
		start++
	}
	ea, eb := na, nb
	for ea > start && eb > start && ca[ea-1] == cb[eb-1] {
		ea, eb = ea-1, eb-1
	}
	inA, inB := occurrences(ca), occurrences(cb)
	m := search{
		a: keep(ca, start, ea, inB, func(i int) { sa.mark(a+i, true) }),
		b: keep(cb, start, eb, inA, func(i int) { sb.mark(b+i, true) }),
	}
	diagonals := len(m.a.class) + len(m.b.class) + 3
	m.maxCost = max(minCost, roughRoot(diagonals))
	m.middle = len(m.b.class) + 1
	m.forward, m.backward = make([]int, diagonals+2), make([]int, diagonals+2)
	m.steps = steps
	m.box(0, len(m.a.class), 0, len(m.b.class), false,
		func(i int) { sa.mark(a+i, true) }, func(i int) { sb.mark(b+i, true) })
}

func occurrences(class []int32) map[int32]int {
	count := make(map[int32]int, len(class))
	for _, c := range class {
		count[c]++
	}
	return count
}

// kept are the lines that take part in the search, and where they were.
type kept struct {
	class []int32
	line  []int
}

const (
	nowhere = iota // occurs in the other text
	seldom
	often
)

// keep leaves out lines that the other text does not have, and those it has
// often that stand among such.
func keep(class []int32, start, end int, other map[int32]int, drop func(line int)) kept {
	limit := min(roughRoot(len(class)), maxOften)
	kind := make([]int8, len(class))
	for i := start; i < end; i++ {
		switch n := other[class[i]]; {
		case n == 0:
			kind[i] = nowhere
		case n >= limit:
			kind[i] = often
		default:
			kind[i] = seldom
		}
	}
	var k kept
	for i := start; i < end; i++ {
		if kind[i] == seldom || kind[i] == often && !noise(kind, i, start, end-1) {
			k.class = append(k.class, class[i])
			k.line = append(k.line, i)
		} else {
			drop(i)
		}
	}
	return k
}

// noise reports whether a frequent line stands in the middle of lines without
// a match.
func noise(kind []int8, i, first, last int) bool {
	count := func(step, bound int) (unmatched, frequent int) {
		frequent = 1
		for j := i + step; j*step <= bound*step; j += step {
			switch kind[j] {
			case nowhere:
				unmatched++
			case often:
				frequent++
			default:
				return unmatched, frequent
			}
		}
		return unmatched, frequent
	}
	before, frequentBefore := count(-1, max(first, i-noiseWindow))
	if before == 0 {
		return false
	}
	after, frequentAfter := count(1, min(last, i+noiseWindow))
	if after == 0 {
		return false
	}
	unmatched, frequent := before+after, frequentBefore+frequentAfter
	return frequent*noiseRun < frequent+unmatched
}

// roughRoot is at least the square root, within a factor of two.
func roughRoot(n int) int {
	root := 1
	for ; n > 0; n >>= 2 {
		root <<= 1
	}
	return root
}

// search is the state of the divide and conquer.
type search struct {
	a, b              kept
	forward, backward []int // how far each diagonal got, from both ends; see at
	middle            int   // index of diagonal 0
	maxCost           int
	steps             *int
}

// split is where a box is divided; the halves may have to be searched in full.
type split struct {
	a, b           int
	fullLo, fullHi bool
}

// box marks the changed lines of a rectangle of the edit graph.
func (m *search) box(a, endA, b, endB int, full bool, markA, markB func(int)) {
	for {
		for a < endA && b < endB && m.a.class[a] == m.b.class[b] {
			a, b = a+1, b+1
		}
		for a < endA && b < endB && m.a.class[endA-1] == m.b.class[endB-1] {
			endA, endB = endA-1, endB-1
		}
		if a == endA || b == endB {
			for ; b < endB; b++ {
				markB(m.b.line[b])
			}
			for ; a < endA; a++ {
				markA(m.a.line[a])
			}
			return
		}
		s := m.split(a, endA, b, endB, full)
		if *m.steps < 0 {
			return
		}
		m.box(a, s.a, b, s.b, s.fullLo, markA, markB)
		a, b, full = s.a, s.b, s.fullHi
	}
}

// span is the range of diagonals a search has reached.
type span struct{ lo, hi int }

// widen adds a diagonal at both ends, or takes one off where the box ends.
func (s *span) widen(reach []int, middle, lowest, highest, outside int) {
	if s.lo > lowest {
		s.lo--
		reach[middle+s.lo-1] = outside
	} else {
		s.lo++
	}
	if s.hi < highest {
		s.hi++
		reach[middle+s.hi+1] = outside
	} else {
		s.hi--
	}
}

func (m *search) split(a, endA, b, endB int, full bool) split {
	x, y := m.a.class, m.b.class
	f, g, mid := m.forward, m.backward, m.middle
	lowest, highest := a-endB, endA-b
	fmid, bmid := a-b, endA-endB
	odd := (fmid-bmid)&1 != 0
	fs, bs := span{fmid, fmid}, span{bmid, bmid}
	f[mid+fmid], g[mid+bmid] = a, endA
	for cost := 1; ; cost++ {
		snake := false
		fs.widen(f, mid, lowest, highest, -1)
		for d := fs.hi; d >= fs.lo; d -= 2 {
			i := f[mid+d+1]
			if f[mid+d-1] >= i {
				i = f[mid+d-1] + 1
			}
			from := i
			for i < endA && i-d < endB && x[i] == y[i-d] {
				i++
			}
			*m.steps -= i - from + 1
			snake = snake || i-from > goodRun
			f[mid+d] = i
			if odd && bs.lo <= d && d <= bs.hi && g[mid+d] <= i {
				return split{i, i - d, true, true}
			}
		}
		bs.widen(g, mid, lowest, highest, math.MaxInt)
		for d := bs.hi; d >= bs.lo; d -= 2 {
			i := g[mid+d-1]
			if i >= g[mid+d+1] {
				i = g[mid+d+1] - 1
			}
			from := i
			for i > a && i-d > b && x[i-1] == y[i-d-1] {
				i--
			}
			*m.steps -= from - i + 1
			snake = snake || from-i > goodRun
			g[mid+d] = i
			if !odd && fs.lo <= d && d <= fs.hi && i <= f[mid+d] {
				return split{i, i - d, true, true}
			}
		}
		if *m.steps < 0 {
			return split{}
		}
		if full {
			continue
		}
		if snake && cost > minCost {
			if s, ok := m.promising(a, endA, b, endB, cost, fs, bs); ok {
				return s
			}
		}
		if cost >= m.maxCost {
			return m.furthest(a, endA, b, endB, fs, bs)
		}
	}
}

// promising looks for a path that got far and ended with a good run.
func (m *search) promising(a, endA, b, endB, cost int, fs, bs span) (split, bool) {
	x, y, mid := m.a.class, m.b.class, m.middle
	best := 0
	var s split
	for d := fs.hi; d >= fs.lo; d -= 2 {
		i := m.forward[mid+d]
		j := i - d
		v := i - a + j - b - distance(d, a-b)
		if v > farEnough*cost && v > best && a+goodRun <= i && i < endA && b+goodRun <= j && j < endB &&
			equalRun(x[i-goodRun:i], y[j-goodRun:j]) {
			best, s = v, split{i, j, true, false}
		}
	}
	if best > 0 {
		return s, true
	}
	for d := bs.hi; d >= bs.lo; d -= 2 {
		i := m.backward[mid+d]
		j := i - d
		v := endA - i + endB - j - distance(d, endA-endB)
		if v > farEnough*cost && v > best && a < i && i <= endA-goodRun && b < j && j <= endB-goodRun &&
			equalRun(x[i:i+goodRun], y[j:j+goodRun]) {
			best, s = v, split{i, j, false, true}
		}
	}
	return s, best > 0
}

func distance(d, from int) int { return max(d-from, from-d) }

func equalRun(a, b []int32) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// furthest gives up and takes the path that got furthest.
func (m *search) furthest(a, endA, b, endB int, fs, bs span) split {
	mid := m.middle
	far, farA := -1, -1
	for d := fs.hi; d >= fs.lo; d -= 2 {
		i := min(m.forward[mid+d], endA)
		j := i - d
		if endB < j {
			i, j = endB+d, endB
		}
		if far < i+j {
			far, farA = i+j, i
		}
	}
	near, nearA := math.MaxInt, math.MaxInt
	for d := bs.hi; d >= bs.lo; d -= 2 {
		i := max(a, m.backward[mid+d])
		j := i - d
		if j < b {
			i, j = b+d, b
		}
		if i+j < near {
			near, nearA = i+j, i
		}
	}
	if endA+endB-near < far-(a+b) {
		return split{farA, far - farA, true, false}
	}
	return split{nearA, near - nearA, false, true}
}
