package settings

import "strings"

// Error is what is wrong with one setting, for a person to read.
type Error struct {
	Key     string `json:"key"`
	Message string `json:"message"` // what is wrong
	Hint    string `json:"hint"`    // what to do
}

func (e *Error) Error() string {
	text := e.Key + ": " + e.Message
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Errors is everything that is wrong with a set of values, by key.
type Errors []*Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find the first *Error.
func (es Errors) Unwrap() []error {
	list := make([]error, len(es))
	for i, e := range es {
		list[i] = e
	}
	return list
}

// orNil keeps an empty list from becoming a non-nil error.
func (es Errors) orNil() error {
	if len(es) == 0 {
		return nil
	}
	return es
}
