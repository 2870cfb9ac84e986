package client

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// field is what the typed fields are made of: a value as its file has it, without
// the final newline.
type field struct {
	record *Record
	key    string
	def    string
	hasDef bool
	check  func(string) error

	// Guarded by record.mu.
	value   string
	set     bool // false: it has no value
	version Version
	problem error
}

func (r *Record) field(key, def string, hasDef bool, check func(string) error) *field {
	f := &field{key: key, def: def, hasDef: hasDef, check: check}
	r.add(f)
	return f
}

func trimmed(b []byte) string { return strings.TrimSuffix(string(b), "\n") }

// write writes the value to a transaction, or removes it.
func (f *field) write(ctx context.Context, tx *Tx, value string, set bool) error {
	path := f.record.path(f.key)
	if set {
		return tx.Write(ctx, path, []byte(value+"\n"))
	}
	if err := tx.Remove(ctx, path); err != nil && !errors.Is(err, ErrNotExist) {
		return err
	}
	return nil
}

func (f *field) get() (string, bool, Version) {
	f.record.mu.Lock()
	defer f.record.mu.Unlock()
	return f.value, f.set, f.version
}

// Key is the field's file, below the record's Path.
func (f *field) Key() string { return f.key }

// HasChanged reports whether the value has changed since a version.
func (f *field) HasChanged(since Version) bool {
	f.record.mu.Lock()
	defer f.record.mu.Unlock()
	return f.version > since
}

// Problem says which branches hold a value that makes no sense, and was passed
// over; nil if none does.
func (f *field) Problem() error {
	f.record.mu.Lock()
	defer f.record.mu.Unlock()
	return f.problem
}

// Unset removes the field's value from the State branch, for SetMultiple.
func (f *field) Unset() Setting { return Setting{field: f} }

func (f *field) to(value string) Setting { return Setting{f, value, true} }

// Field is a value of one type.
type Field[T any] struct {
	*field
	format func(T) string
	parse  func(string) (T, error)
}

func newField[T any](r *Record, key string, def T, format func(T) string, parse func(string) (T, error)) Field[T] {
	check := func(s string) error {
		_, err := parse(s)
		return err
	}
	return Field[T]{r.field(key, format(def), true, check), format, parse}
}

// String adds a text. The file's final newline is not part of it.
func (r *Record) String(key, def string) Field[string] {
	same := func(s string) string { return s }
	return newField(r, key, def, same, func(s string) (string, error) { return s, nil })
}

// Int adds a whole number, in decimal digits.
func (r *Record) Int(key string, def int) Field[int] {
	return newField(r, key, def, strconv.Itoa, strconv.Atoi)
}

// Bool adds a truth value; files may also say 1 and 0, t and f.
func (r *Record) Bool(key string, def bool) Field[bool] {
	return newField(r, key, def, strconv.FormatBool, strconv.ParseBool)
}

// Duration adds a span of time, in Go's notation: 1m30s.
func (r *Record) Duration(key string, def time.Duration) Field[time.Duration] {
	return newField(r, key, def, time.Duration.String, time.ParseDuration)
}

// Get returns the value and the version in which it came to be.
func (f Field[T]) Get() (T, Version) {
	text, _, version := f.get()
	value, _ := f.parse(text) // look has checked it
	return value, version
}

// To is a new value for SetMultiple.
func (f Field[T]) To(value T) Setting { return f.to(f.format(value)) }

// Set sets the value, for the reason that description gives.
func (f Field[T]) Set(ctx context.Context, description string, value T) error {
	return f.record.SetMultiple(ctx, description, f.To(value))
}

// StringRefField is a text that may be missing.
type StringRefField struct{ *field }

// StringRef adds a text that may be missing; def nil is "missing".
func (r *Record) StringRef(key string, def *string) StringRefField {
	text := ""
	if def != nil {
		text = *def
	}
	return StringRefField{r.field(key, text, def != nil, func(string) error { return nil })}
}

// Get returns the value, nil if there is none, and the version in which it came to be.
func (f StringRefField) Get() (*string, Version) {
	v, set, version := f.get()
	if !set {
		return nil, version
	}
	return &v, version
}

// To is a new value for SetMultiple; nil is "missing".
func (f StringRefField) To(value *string) Setting {
	if value == nil {
		return f.Unset()
	}
	return f.to(*value)
}

// Set sets the value, for the reason that description gives; nil removes it.
func (f StringRefField) Set(ctx context.Context, description string, value *string) error {
	return f.record.SetMultiple(ctx, description, f.To(value))
}
