package controltest

import (
	"context"
	"crypto/sha1"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
)

var schema = []control.Setting{
	{Key: "app/autostart", Title: "Start with the window", Kind: "bool", Default: "true", Applies: "now"},
	{Key: "net/dns", Title: "Name servers", Kind: "list", Applies: "now"},
	{Key: "vm/cpus", Title: "Processors", Kind: "int", Default: "2", Min: 1, Max: 8, Applies: "restart"},
	{Key: "vm/memory", Title: "Memory", Kind: "int", Unit: "MiB", Default: "2048", Min: 512, Max: 16384, Applies: "restart"},
}

// Settings implements control.Settings.
func (e *Engine) Settings(context.Context) ([]control.Setting, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := slices.Clone(schema)
	for i := range out {
		value, set := e.values[out[i].Key]
		if !set {
			value = out[i].Default
		}
		out[i].Value, out[i].IsDefault = value, !set
	}
	return out, nil
}

func check(key, value string) error {
	i := slices.IndexFunc(schema, func(s control.Setting) bool { return s.Key == key })
	if i < 0 {
		return control.Errorf(control.CodeInvalid, "there is no setting %s", key).WithHint("`slipway settings get` lists them")
	}
	s := schema[i]
	if n, err := strconv.Atoi(value); value != "" && s.Kind == "int" && (err != nil || n < s.Min || n > s.Max) {
		return control.Errorf(control.CodeInvalid, "%s cannot be %q", key, value).WithHint("use %d to %d", s.Min, s.Max)
	}
	return nil
}

// SetSettings implements control.Settings.
func (e *Engine) SetSettings(_ context.Context, change control.SettingsChange) (control.SettingsCommit, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	values := maps.Clone(e.values)
	for key, value := range change.Values {
		if err := check(key, value); err != nil {
			return control.SettingsCommit{}, err
		}
		if value == "" {
			delete(values, key)
		} else {
			values[key] = value
		}
	}
	message := change.Message
	if message == "" {
		message = "Set " + strings.Join(slices.Sorted(maps.Keys(change.Values)), ", ")
	}
	return e.commit(message, values), nil
}

// commit makes values the settings. e.mu is held, or e is new.
func (e *Engine) commit(message string, values map[string]string) control.SettingsCommit {
	n := len(e.commits)
	c := control.SettingsCommit{
		Hash: fmt.Sprintf("%x", sha1.Sum([]byte{byte(n)})), Author: "test", Time: Born.Add(time.Duration(n) * time.Minute), Message: message,
		Changes: []control.SettingChange{},
	}
	if n > 0 {
		c.Parent = e.commits[n-1].Hash
	}
	for _, d := range diff(e.values, values) {
		c.Changes = append(c.Changes, control.SettingChange{Key: d.Key, Kind: d.Kind})
	}
	e.values = values
	e.commits = append(e.commits, commit{c, values})
	e.status.Settings = control.SettingsState{Head: c.Hash, Applied: c.Hash, Pending: []string{}}
	e.touch()
	return c
}

func diff(from, to map[string]string) []control.SettingDiff {
	out := []control.SettingDiff{}
	for _, s := range schema {
		a, b := from[s.Key], to[s.Key]
		if a == b {
			continue
		}
		kind := "modified"
		if a == "" {
			kind = "added"
		} else if b == "" {
			kind = "removed"
		}
		out = append(out, control.SettingDiff{
			Key: s.Key, Kind: kind, Old: a, New: b, Unified: fmt.Sprintf("--- %[1]s\n+++ %[1]s\n-%[2]s\n+%[3]s\n", s.Key, a, b),
		})
	}
	return out
}

// SettingsLog implements control.Settings.
func (e *Engine) SettingsLog(_ context.Context, limit int) ([]control.SettingsCommit, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []control.SettingsCommit{}
	for _, c := range slices.Backward(e.commits) {
		if limit > 0 && len(out) == limit {
			break
		}
		out = append(out, c.SettingsCommit)
	}
	return out, nil
}

// findCommit returns the position of a commit; "" is the newest. e.mu is held.
func (e *Engine) findCommit(hash string) (int, error) {
	if hash == "" {
		return len(e.commits) - 1, nil
	}
	for i, c := range e.commits {
		if strings.HasPrefix(c.Hash, hash) {
			return i, nil
		}
	}
	return 0, control.Errorf(control.CodeNotFound, "there is no commit %s", hash).WithHint("`slipway settings log` lists them")
}

// SettingsDiff implements control.Settings.
func (e *Engine) SettingsDiff(_ context.Context, from, to string) ([]control.SettingDiff, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, err := e.findCommit(to)
	if err != nil {
		return nil, err
	}
	a := b - 1
	if from != "" {
		if a, err = e.findCommit(from); err != nil {
			return nil, err
		}
	}
	old := map[string]string{}
	if a >= 0 {
		old = e.commits[a].values
	}
	return diff(old, e.commits[b].values), nil
}

// RevertSettings implements control.Settings.
func (e *Engine) RevertSettings(_ context.Context, hash string) (control.SettingsCommit, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i, err := e.findCommit(hash)
	if err != nil {
		return control.SettingsCommit{}, err
	}
	if i == 0 {
		return control.SettingsCommit{}, control.Errorf(control.CodeInvalid, "the first commit changes nothing")
	}
	values := maps.Clone(e.values)
	for _, d := range diff(e.commits[i-1].values, e.commits[i].values) {
		if values[d.Key] != d.New {
			return control.SettingsCommit{}, control.Errorf(control.CodeConflict, "%s was changed since", d.Key).
				WithHint("revert the later commits first")
		}
		values[d.Key] = d.Old
		if d.Old == "" {
			delete(values, d.Key)
		}
	}
	return e.commit(fmt.Sprintf("Revert %q", e.commits[i].Message), values), nil
}

// RestoreSettings implements control.Settings.
func (e *Engine) RestoreSettings(_ context.Context, hash string) (control.SettingsCommit, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i, err := e.findCommit(hash)
	if err != nil {
		return control.SettingsCommit{}, err
	}
	return e.commit("Restore "+e.commits[i].Hash[:7], maps.Clone(e.commits[i].values)), nil
}
