package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
)

// Version counts the changes of a Record. It means nothing beyond this process.
type Version uint64

// RecordOptions say where a Record's values are. Defaults and State are needed.
type RecordOptions struct {
	// Lookup are the branches whose values count, the most important first. The
	// State branch comes before them unless it is one of them; Defaults is last.
	Lookup []string
	// Defaults is the branch that Upgrade writes the defaults of this version of
	// the program to, for people and other programs to see.
	Defaults string
	// State is the branch that Set writes to.
	State string
	// Path is the directory of the values in each branch, "" for the root.
	Path string
}

// schemaKey is the file beside the values that says which version of the program
// wrote the defaults.
const schemaKey = "schema-version"

// Record is a set of typed settings, each of which is a file in several branches.
// The first branch that has a file decides; if none has, the default of the field
// does. So an administrator's branch can come before the user's, and a program
// can change its defaults without touching what somebody has set.
//
// Make the fields first, then call Seal, which reads all values. They then stay as
// they are until Wait, Changes or one of the setting calls reads them again.
type Record struct {
	c       *Client
	opt     RecordOptions
	lookups []string
	reading chan struct{} // holds a token while somebody reads the values
	heads   []Hash        // that the values were read from, by lookup; the reader's

	mu      sync.Mutex
	sealed  bool
	fields  []*field
	version Version
}

// NewRecord makes a record without fields. It asks the server nothing.
func (c *Client) NewRecord(opt RecordOptions) (*Record, error) {
	if opt.Defaults == "" || opt.State == "" {
		return nil, errors.New("a record needs a branch for its state and one for its defaults")
	}
	r := &Record{c: c, opt: opt, version: 1, reading: make(chan struct{}, 1)}
	if !slices.Contains(opt.Lookup, opt.State) {
		r.lookups = append(r.lookups, opt.State)
	}
	r.lookups = append(r.lookups, opt.Lookup...)
	r.lookups = append(slices.DeleteFunc(r.lookups, func(b string) bool { return b == opt.Defaults }), opt.Defaults)
	return r, nil
}

// add makes a field. That it is made twice or too late is a mistake in the program.
func (r *Record) add(f *field) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sealed {
		panic("datakit/client: field " + f.key + " was added after Seal")
	}
	for _, other := range r.fields {
		if other.key == f.key {
			panic("datakit/client: field " + f.key + " was added twice")
		}
	}
	f.record, f.value, f.set, f.version = r, f.def, f.hasDef, r.version
	r.fields = append(r.fields, f)
}

func (r *Record) path(key string) string {
	if r.opt.Path == "" {
		return key
	}
	return r.opt.Path + "/" + key
}

// Upgrade writes the defaults of all fields to the Defaults branch, in one
// transaction, if a lower version of the schema, or none, is there. It refuses a
// higher one: a newer program has written it. Call it before Seal.
func (r *Record) Upgrade(ctx context.Context, schemaVersion int) error {
	r.mu.Lock()
	fields := slices.Clone(r.fields)
	r.mu.Unlock()
	errDone := errors.New("done")
	_, err := r.c.Update(ctx, r.opt.Defaults, fmt.Sprintf("Defaults of schema %d", schemaVersion), func(tx *Tx) error {
		b, err := tx.Read(ctx, r.path(schemaKey))
		if err != nil && !errors.Is(err, ErrNotExist) {
			return err
		}
		there, err := strconv.Atoi(trimmed(b))
		switch {
		case err != nil: // none
		case there > schemaVersion:
			return fmt.Errorf("the settings have schema %d, this program knows %d: use a newer one", there, schemaVersion)
		case there == schemaVersion:
			return errDone
		}
		for _, f := range fields {
			if err := f.write(ctx, tx, f.def, f.hasDef); err != nil {
				return err
			}
		}
		return tx.Write(ctx, r.path(schemaKey), []byte(strconv.Itoa(schemaVersion)+"\n"))
	})
	if errors.Is(err, errDone) || errors.Is(err, ErrNoChange) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("upgrade settings: %w", err)
	}
	return nil
}

// Seal reads the values of all fields. No field can be added afterwards.
func (r *Record) Seal(ctx context.Context) error {
	r.mu.Lock()
	r.sealed = true
	r.mu.Unlock()
	_, err := r.refresh(ctx)
	return err
}

// Version is that of the newest change.
func (r *Record) Version() Version {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.version
}

// Setting is a new value of one field, for SetMultiple: made by a field's To or
// Unset.
type Setting struct {
	field *field
	value string
	set   bool
}

// SetMultiple sets several fields in one transaction on the State branch. When it
// returns nil the values are the server's, and these fields have them.
func (r *Record) SetMultiple(ctx context.Context, description string, settings ...Setting) error {
	_, err := r.c.Update(ctx, r.opt.State, description, func(tx *Tx) error {
		for _, s := range settings {
			if s.field.record != r {
				return fmt.Errorf("field %s is of another record", s.field.key)
			}
			if err := s.field.write(ctx, tx, s.value, s.set); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrNoChange) {
		return fmt.Errorf("change settings: %w", err)
	}
	_, err = r.refresh(ctx)
	return err
}

// Wait returns when a value has changed since the version since, at once if one
// has already.
func (r *Record) Wait(ctx context.Context, since Version) (Version, error) {
	for v, err := range r.Changes(ctx) {
		if err != nil || v > since {
			return v, err
		}
	}
	return r.Version(), ctx.Err()
}

// Changes yields the version now and after each change of a value, which the
// fields have by then. It ends quietly with ctx, and after an error: one that
// matches ErrLost if the connection ended.
func (r *Record) Changes(ctx context.Context) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var watching sync.WaitGroup
		defer watching.Wait()
		defer cancel()
		news := make(chan struct{}, 1)
		failed := make(chan error, len(r.lookups))
		for _, branch := range r.lookups {
			watching.Go(func() {
				for _, err := range r.c.Watch(ctx, branch, r.opt.Path) {
					if err != nil {
						failed <- err
						return
					}
					select {
					case news <- struct{}{}:
					default: // it is known that there are news
					}
				}
			})
		}
		last := Version(0)
		for {
			select {
			case <-ctx.Done():
				return
			case err := <-failed:
				yield(r.Version(), err)
				return
			case <-news:
			}
			v, err := r.refresh(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				yield(v, err)
				return
			}
			if v > last {
				last = v
				if !yield(v, nil) {
					return
				}
			}
		}
	}
}

// refresh reads the values again, if a branch has moved. Nobody who gets a value
// waits for it.
func (r *Record) refresh(ctx context.Context) (Version, error) {
	select {
	case r.reading <- struct{}{}:
		defer func() { <-r.reading }()
	case <-ctx.Done():
		return r.Version(), ctx.Err()
	}
	heads := make([]Hash, len(r.lookups))
	for i, branch := range r.lookups {
		h, err := r.c.headOrZero(ctx, branch)
		if err != nil {
			return r.Version(), fmt.Errorf("read settings: %w", err)
		}
		heads[i] = h
	}
	if slices.Equal(heads, r.heads) {
		return r.Version(), nil
	}
	r.mu.Lock()
	fields := slices.Clone(r.fields)
	r.mu.Unlock()
	values := make([]found, len(fields))
	for i, f := range fields {
		var err error
		if values[i], err = r.look(ctx, f, heads); err != nil {
			return r.Version(), fmt.Errorf("read settings: %w", err)
		}
	}
	r.heads = heads
	return r.take(fields, values), nil
}

// found is what there is for a field.
type found struct {
	value   string
	set     bool
	problem error
}

func (r *Record) take(fields []*field, values []found) Version {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.version
	for i, f := range fields {
		v := values[i]
		f.problem = v.problem
		if f.value != v.value || f.set != v.set {
			next = r.version + 1
			f.value, f.set, f.version = v.value, v.set, next
		}
	}
	r.version = next
	return next
}

// look finds a field's value. One that makes no sense is passed over.
func (r *Record) look(ctx context.Context, f *field, heads []Hash) (found, error) {
	var problem error
	for i, head := range heads {
		if head.IsZero() {
			continue
		}
		b, err := r.c.Snapshot(head).Read(ctx, r.path(f.key))
		if errors.Is(err, ErrNotExist) {
			continue
		}
		if err != nil {
			return found{}, err
		}
		text := trimmed(b)
		if err := f.check(text); err != nil {
			problem = errors.Join(problem, fmt.Errorf("%s in branch %s: %w", r.path(f.key), r.lookups[i], err))
			continue
		}
		return found{text, true, problem}, nil
	}
	return found{f.def, f.hasDef, problem}, nil
}
