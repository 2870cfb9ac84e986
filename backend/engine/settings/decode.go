package settings

import (
	"fmt"
	"sort"
	"strings"

	"github.com/slipway-desktop/slipway/backend/datakit"
)

// Decode reads every setting with read, which says for a key whether there is
// a file. A setting that has none, or an invalid one, gets its default. The
// error is nil, Errors with every problem, or what read returned.
func Decode(h Host, read func(path string) (data []byte, ok bool, err error)) (Values, error) {
	values, _, err := decode(Schema(h), read)
	return values, err
}

// decode also returns the canonical texts of the valid files, by key.
func decode(schema []Field, read func(string) ([]byte, bool, error)) (Values, map[string]string, error) {
	var values Values
	var problems Errors
	set := map[string]string{}
	for _, f := range schema {
		data, ok, err := read(f.Key)
		if err != nil {
			return Values{}, nil, fmt.Errorf("read setting %s: %w", f.Key, err)
		}
		text := f.Default
		if ok {
			text, err = checkText(&values, f, string(data))
			if err != nil {
				problems = append(problems, err.(*Error))
				text, ok = f.Default, false
			}
		}
		if !ok {
			if problem := f.parse(&values, text); problem != nil {
				return Values{}, nil, fmt.Errorf("default of %s: %w", f.Key, problem)
			}
			continue
		}
		set[f.Key] = text
	}
	return values, set, problems.orNil()
}

// checkText returns the canonical form of a value and puts it into v, or an
// *Error.
func checkText(v *Values, f Field, text string) (string, error) {
	problem := &Error{Message: "too long", Hint: fmt.Sprintf("at most %d bytes", maxText)}
	if len(text) <= maxText {
		text = canonical(f.Kind, text)
		problem = f.parse(v, text)
	}
	if problem != nil {
		problem.Key = f.Key
		return "", problem
	}
	return text, nil
}

// Validator returns the check for datakit.Options.Validate[Branch]: every file
// is a known setting with a value that is valid on h. Its error is Errors.
func Validator(h Host) func(datakit.Snapshot) error {
	return func(s datakit.Snapshot) error {
		_, _, err := decodeSnapshot(h, s)
		return err
	}
}

func decodeSnapshot(h Host, s datakit.Snapshot) (Values, map[string]string, error) {
	schema := Schema(h)
	files := map[string]datakit.Entry{}
	var unknown Errors
	err := s.Walk(func(e datakit.Entry) error {
		files[e.Name] = e
		if _, ok := lookup(schema, e.Name); !ok {
			if len(unknown) < 100 {
				unknown = append(unknown, unknownKey(schema, e.Name))
			}
		} else if e.Mode != datakit.ModeFile && e.Mode != datakit.ModeExec {
			unknown = append(unknown, &Error{Key: e.Name, Message: "not an ordinary file", Hint: "write the value into a file"})
		}
		return nil
	})
	if err != nil {
		return Values{}, nil, err
	}
	values, set, err := decode(schema, func(key string) ([]byte, bool, error) {
		if _, ok := files[key]; !ok {
			return nil, false, nil
		}
		data, err := s.Read(key)
		return data, err == nil, err
	})
	if invalid, ok := err.(Errors); ok || err == nil {
		all := append(unknown, invalid...)
		sort.SliceStable(all, func(i, j int) bool { return all[i].Key < all[j].Key })
		return values, set, all.orNil()
	}
	return Values{}, nil, err
}

func lookup(schema []Field, key string) (Field, bool) {
	for _, f := range schema {
		if f.Key == key {
			return f, true
		}
	}
	return Field{}, false
}

func unknownKey(schema []Field, key string) *Error {
	e := &Error{Key: quote(key), Message: "there is no such setting", Hint: "list the settings to see their names"}
	if near := nearest(schema, key); near != "" {
		e.Hint = "did you mean " + near + "?"
	}
	return e
}

// nearest returns the key that key was probably meant to be, or "".
func nearest(schema []Field, key string) string {
	if len(key) > 64 {
		return ""
	}
	key = strings.ToLower(strings.NewReplacer(".", "/", "_", "-").Replace(key))
	best, steps := "", 0
	for _, f := range schema {
		_, last, _ := strings.Cut(f.Key, "/")
		d := min(distance(key, f.Key), distance(key, last))
		if best == "" || d < steps {
			best, steps = f.Key, d
		}
	}
	if steps > max(1, len(key)/3) {
		return ""
	}
	return best
}

// distance is Levenshtein's: single-byte insertions, deletions, replacements.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
