package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-desktop/slipway/backend/datakit"
)

// Where a result has what, see the package's documentation.
const (
	StatusFile   = ".run"
	RequestFile  = ".request"
	LogFile      = "log"
	ArtefactsDir = "artefacts"
)

const (
	maxStatus = 64 << 10 // bytes of a status file
	maxSteps  = 500
	maxText   = 300 // characters of a name or message
)

// ResultBranch is where the runs of a pipeline on a commit are.
func ResultBranch(pipeline string, source datakit.Hash) string {
	return pipeline + "-of-" + source.String()
}

// splitBranch takes the name of a result branch apart.
func splitBranch(branch string) (pipeline string, source datakit.Hash, ok bool) {
	i := strings.LastIndex(branch, "-of-")
	if i <= 0 {
		return "", source, false
	}
	source, err := datakit.ParseHash(branch[i+len("-of-"):])
	return branch[:i], source, err == nil
}

// parseStatus reads a status file into r. What it does not know it leaves out; what
// it knows has to be right.
func parseStatus(text string, r *Run) error {
	if len(text) > maxStatus {
		return fmt.Errorf("%s has %d bytes, more than %d", StatusFile, len(text), maxStatus)
	}
	r.Steps, r.Offers = []Step{}, []Action{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		word, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if err := r.fact(word, strings.TrimSpace(rest)); err != nil {
			return fmt.Errorf("%s, line %d: %w", StatusFile, number, err)
		}
	}
	switch {
	case r.Source == "":
		return errors.New(StatusFile + " names no source")
	case r.Status == "":
		return errors.New(StatusFile + " names no state")
	case r.Started.IsZero():
		return errors.New(StatusFile + " does not say when it started")
	case !r.Ended.IsZero() && r.Ended.Before(r.Started):
		return errors.New(StatusFile + " says that it ended before it started")
	}
	return nil
}

func (r *Run) fact(word, rest string) (err error) {
	switch word {
	case "source":
		var h datakit.Hash
		if h, err = datakit.ParseHash(rest); err == nil {
			r.Source = h.String()
		}
	case "state":
		r.Status, err = parseState(rest)
	case "started":
		r.Started, err = parseTime(rest)
	case "ended":
		r.Ended, err = parseTime(rest)
	case "branch":
		r.SourceBranch = clean(rest)
	case "trigger":
		r.Trigger = clean(rest)
	case "message":
		r.Message = clean(rest)
	case "runner":
		r.Runner = clean(rest)
	case "offer":
		a := Action(rest)
		if (a == Rerun || a == Cancel) && !slices.Contains(r.Offers, a) {
			r.Offers = append(r.Offers, a)
		}
	case "step":
		err = r.step(rest)
	}
	return err
}

func (r *Run) step(rest string) error {
	f := strings.SplitN(rest, " ", 4)
	switch {
	case len(f) != 4:
		return errors.New("a step is STATE STARTED ENDED NAME")
	case len(r.Steps) == maxSteps:
		return fmt.Errorf("more than %d steps", maxSteps)
	}
	s := Step{Name: clean(f[3])}
	var errs [3]error
	s.Status, errs[0] = parseState(f[0])
	s.Started, errs[1] = parseTime(f[1])
	s.Ended, errs[2] = parseTime(f[2])
	r.Steps = append(r.Steps, s)
	return errors.Join(errs[:]...)
}

func parseState(s string) (State, error) {
	switch v := State(s); v {
	case Queued, Running, Passed, Failed, Cancelled:
		return v, nil
	}
	return "", fmt.Errorf("%q is no state", clean(s))
}

func parseTime(s string) (time.Time, error) {
	if s == "-" || s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1970 || t.Year() > 9000 {
		return time.Time{}, fmt.Errorf("%q is no time as in RFC 3339", clean(s))
	}
	return t, nil
}

// clean makes a text fit to show on one line: no control characters (so no ANSI
// sequences), none that turn the text around, and not too long.
func clean(s string) string {
	var b strings.Builder
	n := 0
	for len(s) > 0 && n < maxText {
		c, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		if c == utf8.RuneError && size == 1 || !unicode.IsPrint(c) {
			continue
		}
		b.WriteRune(c)
		n++
	}
	return b.String()
}

// formatStatus writes what parseStatus reads.
func formatStatus(r Run) []byte {
	var b strings.Builder
	line := func(word, value string) {
		if value = clean(value); value != "" {
			fmt.Fprintf(&b, "%s %s\n", word, value)
		}
	}
	line("pipeline", r.Pipeline)
	line("source", r.Source)
	line("state", string(r.Status))
	line("started", stamp(r.Started))
	if !r.Ended.IsZero() {
		line("ended", stamp(r.Ended))
	}
	line("branch", r.SourceBranch)
	line("trigger", r.Trigger)
	line("message", r.Message)
	line("runner", r.Runner)
	for _, a := range r.Offers {
		line("offer", string(a))
	}
	for _, s := range r.Steps[:min(len(r.Steps), maxSteps)] {
		line("step", fmt.Sprintf("%s %s %s %s", s.Status, stamp(s.Started), stamp(s.Ended), s.Name))
	}
	return []byte(b.String())
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// ended tells whether a state is final.
func (s State) ended() bool { return s != Queued && s != Running }
