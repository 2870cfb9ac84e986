package settings

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
)

// Setting is one setting as it is now.
type Setting struct {
	Field
	Value     string       `json:"value"`
	IsDefault bool         `json:"isDefault"`
	ChangedAt time.Time    `json:"changedAt,omitzero"` // last change on the branch; zero: never
	ChangedBy string       `json:"changedBy,omitempty"`
	Commit    datakit.Hash `json:"commit,omitzero"`
}

// Service reads and changes the settings in a store. It holds no resources.
type Service struct {
	store *datakit.Store
	host  Host

	writing sync.Mutex // held by Set: setters of this process wait instead of retrying

	mu      sync.Mutex
	known   bool
	head    datakit.Hash // what values was decoded from, or problem is about
	values  Values
	set     map[string]string // texts of the settings that have a file
	problem error
	touched map[string]datakit.Commit // the last commit that changed each key
	asOf    datakit.Hash              // the head that touched knows
}

// Open reads the settings of a store, which should have been opened with
// Validator(h) for Branch. It fails only when the store cannot be read; an
// invalid tree is a Problem.
func Open(store *datakit.Store, h Host) (*Service, error) {
	s := &Service{store: store, host: h}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refresh(); err != nil {
		return nil, fmt.Errorf("open settings: %w", err)
	}
	return s, nil
}

// Values returns the settings in force: those of the branch now, or, while what
// is on the branch is invalid or unreadable, the last valid ones.
func (s *Service) Values() Values {
	v, _ := s.current()
	return v
}

// Problem returns why Values is not what is on the branch, or nil.
func (s *Service) Problem() error {
	_, problem := s.current()
	return problem
}

func (s *Service) current() (Values, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refresh(); err != nil {
		return s.values, err
	}
	return s.values, s.problem
}

// refresh follows the branch. Its error means that the branch cannot be read
// and changes nothing.
func (s *Service) refresh() error {
	head, err := s.store.Head(Branch)
	if err != nil && !errors.Is(err, datakit.ErrNoBranch) {
		return err
	}
	if s.known && head == s.head {
		return nil
	}
	values, set, err := s.decodeCommit(head)
	var invalid Errors
	switch {
	case err == nil:
		s.values, s.set = values, set
	case !errors.As(err, &invalid):
		return err
	case !s.known:
		s.values, s.set = s.lastValid(head, values, set)
	}
	s.known, s.head, s.problem = true, head, err
	return nil
}

func (s *Service) decodeCommit(commit datakit.Hash) (Values, map[string]string, error) {
	snapshot, err := s.store.Snapshot(commit)
	if err != nil {
		return Values{}, nil, err
	}
	return decodeSnapshot(s.host, snapshot)
}

// lastValid looks for the last valid settings in the history, and falls back
// to those of the invalid commit that are valid, with defaults for the rest.
func (s *Service) lastValid(head datakit.Hash, partial Values, set map[string]string) (Values, map[string]string) {
	const deep = 100
	count := 0
	for c, err := range s.store.History(context.Background(), head, "") {
		if count++; err != nil || count > deep {
			break
		}
		if values, texts, err := s.decodeCommit(c.Hash); err == nil {
			return values, texts
		}
	}
	return partial, set
}

// Schema describes the settings on this host.
func (s *Service) Schema() []Field { return Schema(s.host) }

// List returns every setting with its value in force and its last change.
func (s *Service) List(ctx context.Context) ([]Setting, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refresh(); err != nil {
		return nil, err
	}
	if err := s.follow(ctx); err != nil {
		return nil, err
	}
	var list []Setting
	for _, f := range s.Schema() {
		item := Setting{Field: f, Value: f.Default, IsDefault: true}
		if text, ok := s.set[f.Key]; ok {
			item.Value, item.IsDefault = text, false
		}
		if c, ok := s.touched[f.Key]; ok {
			item.ChangedAt, item.ChangedBy, item.Commit = c.Time, c.Author, c.Hash
		}
		list = append(list, item)
	}
	return list, nil
}

// Get returns one setting, or an *Error with the nearest name.
func (s *Service) Get(ctx context.Context, key string) (Setting, error) {
	list, err := s.List(ctx)
	if err != nil {
		return Setting{}, err
	}
	for _, item := range list {
		if item.Key == key {
			return item, nil
		}
	}
	return Setting{}, unknownKey(s.Schema(), key)
}

// follow brings touched up to s.head, by the commits made since the last call.
func (s *Service) follow(ctx context.Context) error {
	const deep = 5000
	if s.asOf == s.head {
		return nil
	}
	fresh := map[string]datakit.Commit{}
	met, count := false, 0
	for c, err := range s.store.History(ctx, s.head, "") {
		if err != nil {
			return fmt.Errorf("read the history of settings: %w", err)
		}
		if met = c.Hash == s.asOf; met {
			break
		}
		for _, change := range c.Changes {
			if _, ok := fresh[change.Path]; !ok {
				fresh[change.Path] = c
			}
		}
		if count++; count == deep {
			break
		}
	}
	if met { // else the history was rewritten: what we knew is void
		for key, c := range s.touched {
			if _, ok := fresh[key]; !ok {
				fresh[key] = c
			}
		}
	}
	s.touched, s.asOf = fresh, s.head
	return nil
}

// Set changes settings in one commit. A value of "" or "default" takes the
// setting back to its default. An empty message is made from the changes. Two
// concurrent calls both land; for the same key the later one wins. Errors:
// Errors (nothing was changed), datakit.ErrNoChange, the store's.
func (s *Service) Set(ctx context.Context, changes map[string]string, message string, author datakit.Author) (datakit.Commit, error) {
	const tries = 20
	s.writing.Lock()
	defer s.writing.Unlock()
	for try := 1; ; try++ {
		c, err := s.setOnce(ctx, changes, message, author)
		var conflict *datakit.ConflictError
		if try < tries && errors.As(err, &conflict) {
			continue // the same key was changed meanwhile: we are the later one
		}
		return c, explain(err)
	}
}

// Unset takes settings back to their defaults in one commit. Errors as Set.
func (s *Service) Unset(ctx context.Context, keys []string, message string, author datakit.Author) (datakit.Commit, error) {
	changes := make(map[string]string, len(keys))
	for _, key := range keys {
		changes[key] = ""
	}
	return s.Set(ctx, changes, message, author)
}

func (s *Service) setOnce(ctx context.Context, changes map[string]string, message string, author datakit.Author) (datakit.Commit, error) {
	tx, err := s.store.Begin(ctx, Branch)
	if err != nil {
		return datakit.Commit{}, err
	}
	defer tx.Close()
	keys := make([]string, 0, len(changes))
	for key := range changes {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	schema := s.Schema()
	var problems Errors
	var did []string
	for _, key := range keys {
		said, err := stage(tx, schema, key, changes[key])
		var problem *Error
		switch {
		case errors.As(err, &problem):
			problems = append(problems, problem)
		case err != nil:
			return datakit.Commit{}, err
		default:
			did = append(did, said)
		}
	}
	if len(problems) > 0 {
		return datakit.Commit{}, problems
	}
	if message == "" {
		message = strings.Join(did, "\n")
		if len(did) > 1 {
			message = "change " + strconv.Itoa(len(did)) + " settings\n\n" + message
		}
	}
	return tx.Commit(ctx, datakit.Message{Text: message, Author: author})
}

// stage puts one change into tx and says what it does.
func stage(tx *datakit.Tx, schema []Field, key, value string) (string, error) {
	f, ok := lookup(schema, key)
	if !ok {
		return "", unknownKey(schema, key)
	}
	if value = strings.TrimSpace(value); value == "" || value == "default" {
		if err := tx.Remove(key); err != nil && !errors.Is(err, datakit.ErrNotExist) {
			return "", err
		}
		return "reset " + key + " to its default", nil
	}
	text, err := checkText(&Values{}, f, value)
	if err != nil {
		return "", err
	}
	said := "set " + key + " to " + text
	if n := strings.Count(text, "\n"); n > 0 {
		said = "set " + key + " to " + strconv.Itoa(n+1) + " lines"
	}
	return said, tx.Write(key, []byte(text+"\n"), datakit.ModeFile)
}

// explain turns the store's refusals into Errors.
func explain(err error) error {
	var invalid Errors
	if errors.As(err, &invalid) {
		return invalid
	}
	var conflict *datakit.ConflictError
	if errors.As(err, &conflict) {
		var es Errors
		for _, path := range conflict.Paths {
			es = append(es, &Error{Key: path, Message: "it was changed again since", Hint: "set the value you want, or restore the whole version"})
		}
		return es
	}
	return err
}

// Log returns the changes, newest first, at most limit (0: 100); with key only
// those of that setting. None is no error.
func (s *Service) Log(ctx context.Context, limit int, key string) ([]datakit.Commit, error) {
	log, err := s.store.Log(ctx, Branch, limit, key)
	if errors.Is(err, datakit.ErrNoBranch) {
		return nil, nil
	}
	return log, err
}

// Resolve finds the commit that text means: see datakit.Store.Resolve.
func (s *Service) Resolve(ctx context.Context, text string) (datakit.Hash, error) {
	return s.store.Resolve(ctx, Branch, text)
}

// Diff returns what differs between two commits.
func (s *Service) Diff(ctx context.Context, a, b datakit.Hash) ([]datakit.FileDiff, error) {
	return s.store.Diff(ctx, a, b)
}

// Revert undoes one commit and leaves later ones. Errors as Set; a setting that
// was changed again since is one.
func (s *Service) Revert(ctx context.Context, commit datakit.Hash, author datakit.Author) (datakit.Commit, error) {
	c, err := s.store.Revert(ctx, Branch, commit, author)
	return c, explain(err)
}

// Restore makes all settings as they were at a commit. Errors as Set.
func (s *Service) Restore(ctx context.Context, commit datakit.Hash, author datakit.Author) (datakit.Commit, error) {
	c, err := s.store.Restore(ctx, Branch, commit, author)
	return c, explain(err)
}

// Watch sends the settings in force now and after each move of the branch;
// after a move to something invalid they are the last valid ones, and Problem
// tells. A slow reader gets the latest. The channel is closed when ctx ends or
// the store is closed.
func (s *Service) Watch(ctx context.Context) (<-chan Values, error) {
	heads, err := s.store.Watch(ctx, Branch)
	if err != nil {
		return nil, err
	}
	out := make(chan Values, 1)
	go func() { // ends with heads
		defer close(out)
		for range heads {
			v := s.Values()
			select {
			case <-out:
			default:
			}
			out <- v
		}
	}()
	return out, nil
}
