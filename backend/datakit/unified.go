package datakit

import (
	"fmt"
	"strings"
)

const (
	contextLines = 3
	maxEditSteps = 1000 // of Myers' algorithm, whose memory grows with the square
)

// unified writes the change of one file as `git diff` does: header, hunks with
// three lines around, "\ No newline at end of file".
func unified(path string, c change, old, now string) string {
	var out strings.Builder
	from, to := "a/"+path, "b/"+path
	fmt.Fprintf(&out, "diff --git %s %s\n", from, to)
	switch c.kind() {
	case Added:
		fmt.Fprintf(&out, "new file mode %06o\n", uint32(c.new.mode))
		from = "/dev/null"
	case Removed:
		fmt.Fprintf(&out, "deleted file mode %06o\n", uint32(c.old.mode))
		to = "/dev/null"
	default:
		if c.old.mode != c.new.mode {
			fmt.Fprintf(&out, "old mode %06o\nnew mode %06o\n", uint32(c.old.mode), uint32(c.new.mode))
		}
	}
	a, b := splitLines(old), splitLines(now)
	ops := diffLines(a, b)
	hunks := groupHunks(ops)
	if len(hunks) > 0 {
		fmt.Fprintf(&out, "--- %s\n+++ %s\n", from, to)
	}
	for _, h := range hunks {
		writeHunk(&out, ops[h.from:h.to], a, b)
	}
	return out.String()
}

// splitLines keeps the newline of each line; only the last may lack it.
func splitLines(s string) []string {
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// lineOp is one line of an edit script: ' ' in both (at a and b), '-' only in
// the old text (at a), '+' only in the new (at b).
type lineOp struct {
	kind byte
	a, b int
}

// diffLines returns the shortest edit script (E. Myers, "An O(ND) Difference
// Algorithm and Its Variations", 1986), or, when that has more than
// maxEditSteps steps, one that replaces everything between the common ends.
func diffLines(a, b []string) []lineOp {
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	enda, endb := len(a), len(b)
	for enda > start && endb > start && a[enda-1] == b[endb-1] {
		enda, endb = enda-1, endb-1
	}
	var ops []lineOp
	for i := range start {
		ops = append(ops, lineOp{' ', i, i})
	}
	for _, op := range myers(a[start:enda], b[start:endb]) {
		ops = append(ops, lineOp{op.kind, op.a + start, op.b + start})
	}
	for i := enda; i < len(a); i++ {
		ops = append(ops, lineOp{' ', i, i - enda + endb})
	}
	return ops
}

func myers(a, b []string) []lineOp {
	// reach[d][k+d] is how far into a the best path with d steps gets on the
	// diagonal x-y = k.
	var reach [][]int
	limit := min(len(a)+len(b), maxEditSteps)
	for d := 0; d <= limit; d++ {
		row := make([]int, 2*d+1)
		for k := -d; k <= d; k += 2 {
			x := 0
			if d > 0 {
				x, _ = step(reach[d-1], d, k)
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			row[k+d] = x
			if x >= len(a) && x-k >= len(b) {
				return backtrack(append(reach, row), len(a), len(b))
			}
		}
		reach = append(reach, row)
	}
	var ops []lineOp
	for i := range a {
		ops = append(ops, lineOp{'-', i, 0})
	}
	for i := range b {
		ops = append(ops, lineOp{'+', len(a), i})
	}
	return ops
}

// step returns where step d onto diagonal k starts from: down (an insertion)
// from k+1 or right (a deletion) from k-1, whichever gets further.
func step(prev []int, d, k int) (x int, down bool) {
	at := func(k int) int { return prev[k+d-1] }
	if k == -d || k != d && at(k-1) < at(k+1) {
		return at(k + 1), true
	}
	return at(k-1) + 1, false
}

func backtrack(reach [][]int, x, y int) []lineOp {
	var reversed []lineOp
	for d := len(reach) - 1; d >= 0; d-- {
		k := x - y
		startx, down := 0, false
		if d > 0 {
			startx, down = step(reach[d-1], d, k)
		}
		for x > startx {
			x, y = x-1, y-1
			reversed = append(reversed, lineOp{' ', x, y})
		}
		switch {
		case d == 0:
		case down:
			y--
			reversed = append(reversed, lineOp{'+', x, y})
		default:
			x--
			reversed = append(reversed, lineOp{'-', x, y})
		}
	}
	ops := make([]lineOp, len(reversed))
	for i, op := range reversed {
		ops[len(ops)-1-i] = op
	}
	return ops
}

type span struct{ from, to int }

// groupHunks returns the parts of an edit script to show.
func groupHunks(ops []lineOp) []span {
	var hunks []span
	for i, op := range ops {
		if op.kind == ' ' {
			continue
		}
		from, to := max(0, i-contextLines), min(len(ops), i+contextLines+1)
		if n := len(hunks); n > 0 && from <= hunks[n-1].to {
			hunks[n-1].to = to
		} else {
			hunks = append(hunks, span{from, to})
		}
	}
	return hunks
}

func writeHunk(out *strings.Builder, ops []lineOp, a, b []string) {
	olds, news := 0, 0
	for _, op := range ops {
		if op.kind != '+' {
			olds++
		}
		if op.kind != '-' {
			news++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", lineRange(ops[0].a, olds), lineRange(ops[0].b, news))
	for _, op := range ops {
		line := ""
		if op.kind == '+' {
			line = b[op.b]
		} else {
			line = a[op.a]
		}
		out.WriteByte(op.kind)
		out.WriteString(line)
		if !strings.HasSuffix(line, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

// lineRange writes "first,count"; an empty range names the line before it.
func lineRange(first, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", first)
	case 1:
		return fmt.Sprint(first + 1)
	}
	return fmt.Sprintf("%d,%d", first+1, count)
}
