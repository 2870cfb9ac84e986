package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/ninep/synth"
)

const (
	branchPath    = "/data/branch/settings"
	snapshotsPath = "/data/snapshots"
)

// diffQuestion asks what differs between two commits, as SettingsDiff does.
type diffQuestion struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func (t *tree) data() *synth.Dir {
	return synth.NewDir("/data",
		synth.NewDir("/data/branch", synth.NewDir(branchPath,
			settingsDir(branchPath+"/ro", "", t.values),
			synth.NewFile(branchPath+"/head", func(ctx context.Context) ([]byte, error) {
				s, err := t.Engine.Status(ctx)
				return []byte(s.Settings.Head + "\n"), toWire(err)
			}),
			newLive(branchPath+"/head.live", t.followHead),
			newLive(branchPath+"/log", t.settingsLog),
			newStatus(branchPath+"/schema", t.Settings.Settings),
			newQuery(branchPath+"/diff", `{"from":"COMMIT","to":"COMMIT"}`, func(ctx context.Context, q diffQuestion) ([]SettingDiff, error) {
				return t.Settings.SettingsDiff(ctx, q.From, q.To)
			}),
			newCtl(branchPath+"/ctl", t.settingsVerbs()...),
			t.open.dir(t),
		)),
		synth.NewDirOf(snapshotsPath, func(context.Context) ([]synth.Entry, error) { return nil, nil },
			synth.DirOps{Find: t.snapshot}),
	)
}

func (t *tree) settingsVerbs() []verb {
	onCommit := func(name string, do func(context.Context, string) (SettingsCommit, error)) verb {
		return verb{name, "COMMIT", func(ctx context.Context, args string) (any, error) {
			commit, err := argument(args, "commit")
			if err != nil {
				return nil, err
			}
			return do(ctx, commit)
		}}
	}
	return []verb{
		{"set", "KEY VALUE", func(ctx context.Context, args string) (any, error) {
			key, value, ok := strings.Cut(args, " ")
			if !ok || key == "" {
				return nil, Errorf(CodeInvalid, "set needs a setting and a value").WithHint("write: set vm/cpus 2")
			}
			return t.Settings.SetSettings(ctx, SettingsChange{Values: map[string]string{key: value}})
		}},
		{"unset", "KEY", func(ctx context.Context, args string) (any, error) {
			key, err := argument(args, "setting")
			if err != nil {
				return nil, err
			}
			return t.Settings.SetSettings(ctx, SettingsChange{Values: map[string]string{key: ""}})
		}},
		{"change", `{"values":{"KEY":"VALUE"},"message":"WHY"}`, func(ctx context.Context, args string) (any, error) {
			var change SettingsChange
			if err := decodeQuestion([]byte(args), &change, `change {"values":{"KEY":"VALUE"}}`); err != nil {
				return nil, err
			}
			return t.Settings.SetSettings(ctx, change)
		}},
		onCommit("revert", t.Settings.RevertSettings),
		onCommit("restore", t.Settings.RestoreSettings),
	}
}

// followHead writes the hash of the newest commit, and each one that follows.
func (t *tree) followHead(ctx context.Context, _ string, w io.Writer) error {
	last, first := "", true
	return t.Engine.Events(ctx, func(e Event) error {
		if e.Topic != TopicSettings {
			return nil
		}
		var s SettingsState
		if err := json.Unmarshal(e.Data, &s); err != nil {
			return fmt.Errorf("decode state of the settings: %w", err)
		}
		if s.Head == last && !first {
			return nil
		}
		last, first = s.Head, false
		_, err := fmt.Fprintln(w, s.Head)
		return err
	})
}

// settingsLog writes the history as JSON, as much of it as the number that was
// written before says.
func (t *tree) settingsLog(ctx context.Context, question string, w io.Writer) error {
	limit := 0
	if question != "" {
		var err error
		if limit, err = strconv.Atoi(question); err != nil || limit < 0 {
			return Errorf(CodeInvalid, "%q is not a number of commits", question)
		}
	}
	log, err := t.Settings.SettingsLog(ctx, limit)
	if err != nil {
		return err
	}
	b, err := document(log)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// values are the settings as they are.
func (t *tree) values(ctx context.Context) (map[string]string, error) {
	return valuesOf(ctx, t.Settings)
}

func valuesOf(ctx context.Context, s Settings) (map[string]string, error) {
	list, err := s.Settings(ctx)
	if err != nil {
		return nil, toWire(err)
	}
	values := make(map[string]string, len(list))
	for _, s := range list {
		values[s.Key] = s.Value
	}
	return values, nil
}

// snapshot finds a commit by its hash or an unambiguous beginning of it.
func (t *tree) snapshot(ctx context.Context, name string) (synth.Entry, error) {
	const shortest = 7
	log, err := t.Settings.SettingsLog(ctx, 0)
	if err != nil {
		return nil, toWire(err)
	}
	var found *SettingsCommit
	for i := range log {
		if log[i].Hash == name || len(name) >= shortest && strings.HasPrefix(log[i].Hash, name) {
			if found != nil {
				return nil, ninep.ENOENT
			}
			found = &log[i]
		}
	}
	if found == nil {
		return nil, ninep.ENOENT
	}
	c, path := *found, snapshotsPath+"/"+name
	text := func(name, s string) synth.Entry {
		return synth.NewFile(path+"/"+name, func(context.Context) ([]byte, error) { return []byte(s), nil })
	}
	parents := ""
	if c.Parent != "" {
		parents = c.Parent + "\n"
	}
	return synth.NewDir(path,
		settingsDir(path+"/ro", "", func(ctx context.Context) (map[string]string, error) { return t.valuesAt(ctx, c.Hash) }),
		text("hash", c.Hash+"\n"), text("msg", strings.TrimSuffix(c.Message, "\n")+"\n"), text("parents", parents),
	), nil
}

// valuesAt are the settings as they were at a commit: as they are, but for what
// differs since.
func (t *tree) valuesAt(ctx context.Context, commit string) (map[string]string, error) {
	list, err := t.Settings.Settings(ctx)
	if err != nil {
		return nil, toWire(err)
	}
	diffs, err := t.Settings.SettingsDiff(ctx, commit, "")
	if err != nil {
		return nil, toWire(err)
	}
	values := make(map[string]string, len(list))
	defaults := make(map[string]string, len(list))
	for _, s := range list {
		values[s.Key], defaults[s.Key] = s.Value, s.Default
	}
	for _, d := range diffs {
		if d.Old == "" {
			values[d.Key] = defaults[d.Key]
		} else {
			values[d.Key] = strings.TrimSuffix(d.Old, "\n")
		}
	}
	return values, nil
}

// settingsDir shows settings as files: the part below prefix, which is "" or ends
// with a slash.
func settingsDir(path, prefix string, values func(context.Context) (map[string]string, error)) *synth.Dir {
	return synth.NewDirOf(path, func(ctx context.Context) ([]synth.Entry, error) {
		all, err := values(ctx)
		if err != nil {
			return nil, err
		}
		var entries []synth.Entry
		for _, e := range entriesBelow(slices.Collect(maps.Keys(all)), prefix) {
			if e.dir {
				entries = append(entries, settingsDir(path+"/"+e.name, prefix+e.name+"/", values))
				continue
			}
			value := all[prefix+e.name]
			entries = append(entries, synth.NewFile(path+"/"+e.name, func(context.Context) ([]byte, error) {
				return fileText(value), nil
			}))
		}
		return entries, nil
	}, synth.DirOps{})
}

// keyEntry is a file or directory that keys with slashes make up.
type keyEntry struct {
	name string
	dir  bool
}

// entriesBelow returns what is directly below prefix, sorted.
func entriesBelow(keys []string, prefix string) []keyEntry {
	seen := map[keyEntry]bool{}
	for _, k := range keys {
		if rest, ok := strings.CutPrefix(k, prefix); ok {
			name, _, dir := strings.Cut(rest, "/")
			seen[keyEntry{name, dir}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b keyEntry) int { return strings.Compare(a.name, b.name) })
}

// fileText is a value as a file holds it.
func fileText(value string) []byte {
	if value == "" {
		return nil
	}
	return []byte(value + "\n")
}
