package control

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/ninep/synth"
)

const (
	maxTransactions = 64       // open ones, of all clients
	maxEdits        = 256      // files and directories one of them touches
	maxSettingFile  = 64 << 10 // bytes of a setting or a message
)

// transactions are the changes of the settings that clients prepare as files.
// All see them; each ends with its commit or close, or with the connection of the
// client that began it.
type transactions struct {
	settings Settings

	mu   sync.Mutex
	open []*transaction
}

// transaction is a copy of the settings that can be edited. An edited file is a
// Buffer; a removed one is nil.
type transaction struct {
	all   *transactions
	owner *tree
	name  string
	base  map[string]string // the settings when it began
	msg   *synth.Buffer

	mu    sync.Mutex
	edits map[string]*synth.Buffer
	dirs  map[string]bool // made, and without a file yet; with a slash at the end
}

func newTransactions(s Settings) *transactions { return &transactions{settings: s} }

// closeOf drops what a client began.
func (ts *transactions) closeOf(owner *tree) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.open = slices.DeleteFunc(ts.open, func(t *transaction) bool { return t.owner == owner })
}

func (ts *transactions) close(t *transaction) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.open = slices.DeleteFunc(ts.open, func(o *transaction) bool { return o == t })
}

func (ts *transactions) find(name string) *transaction {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.open {
		if t.name == name {
			return t
		}
	}
	return nil
}

// dir is the directory of transactions as owner sees it: its mkdir begins one.
func (ts *transactions) dir(owner *tree) *synth.Dir {
	const path = branchPath + "/transactions"
	return synth.NewDirOf(path, func(context.Context) ([]synth.Entry, error) {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		entries := make([]synth.Entry, len(ts.open))
		for i, t := range ts.open {
			entries[i] = t.dir(path)
		}
		return entries, nil
	}, synth.DirOps{
		Mkdir: func(ctx context.Context, name string) (synth.Entry, error) {
			t, err := ts.begin(ctx, owner, name)
			if err != nil {
				return nil, err
			}
			return t.dir(path), nil
		},
		Unlink: func(_ context.Context, name string, _ bool) error {
			t := ts.find(name)
			if t == nil {
				return ninep.ENOENT
			}
			ts.close(t)
			return nil
		},
	})
}

func (ts *transactions) begin(ctx context.Context, owner *tree, name string) (*transaction, error) {
	base, err := valuesOf(ctx, ts.settings)
	if err != nil {
		return nil, err
	}
	t := &transaction{
		all: ts, owner: owner, name: name, base: base, msg: synth.NewBuffer(branchPath+"/transactions/"+name+"/msg", nil, maxSettingFile),
		edits: map[string]*synth.Buffer{}, dirs: map[string]bool{},
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	switch {
	case slices.ContainsFunc(ts.open, func(o *transaction) bool { return o.name == name }):
		return nil, ninep.EEXIST
	case len(ts.open) >= maxTransactions:
		return nil, ninep.ENOSPC
	}
	ts.open = append(ts.open, t)
	return t, nil
}

func (t *transaction) dir(parent string) *synth.Dir {
	path := parent + "/" + t.name
	return synth.NewDir(path, t.rw(path+"/rw", ""), t.msg, newCtl(path+"/ctl",
		verb{"commit", "", func(ctx context.Context, _ string) (any, error) { return t.commit(ctx) }},
		plain("close", func(context.Context) error {
			t.all.close(t)
			return nil
		}),
	))
}

// keys are the files and directories there are. t.mu is held.
func (t *transaction) keys() []string {
	var keys []string
	for k := range t.base {
		if b, edited := t.edits[k]; !edited || b != nil {
			keys = append(keys, k)
		}
	}
	for k, b := range t.edits {
		if _, known := t.base[k]; !known && b != nil {
			keys = append(keys, k)
		}
	}
	for d := range t.dirs {
		keys = append(keys, d)
	}
	return keys
}

// rw is the part of the copy below prefix, which is "" or ends with a slash.
func (t *transaction) rw(path, prefix string) *synth.Dir {
	return synth.NewDirOf(path, func(context.Context) ([]synth.Entry, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		var entries []synth.Entry
		for _, e := range entriesBelow(t.keys(), prefix) {
			switch {
			case e.name == "": // a made directory is below itself
			case e.dir:
				entries = append(entries, t.rw(path+"/"+e.name, prefix+e.name+"/"))
			default:
				entries = append(entries, t.file(path+"/"+e.name, prefix+e.name))
			}
		}
		return entries, nil
	}, synth.DirOps{
		Mkdir: func(_ context.Context, name string) (synth.Entry, error) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if err := t.vacant(prefix, name); err != nil {
				return nil, err
			}
			t.dirs[prefix+name+"/"] = true
			return t.rw(path+"/"+name, prefix+name+"/"), nil
		},
		Create: func(ctx context.Context, name string) (synth.Entry, error) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if err := t.vacant(prefix, name); err != nil {
				return nil, err
			}
			b := synth.NewBuffer(path+"/"+name, nil, maxSettingFile)
			t.edits[prefix+name] = b
			// An empty file is a change, too.
			return b, b.SetAttr(ctx, ninep.SetAttr{Valid: ninep.SetSize})
		},
		Unlink: func(_ context.Context, name string, dir bool) error { return t.remove(prefix, keyEntry{name, dir}) },
	})
}

// file opens a setting for editing: what is read but not written is no change.
// t.mu is held.
func (t *transaction) file(path, key string) *synth.Buffer {
	b := t.edits[key]
	if b == nil {
		b = synth.NewBuffer(path, fileText(t.base[key]), maxSettingFile)
		t.edits[key] = b
	}
	return b
}

// vacant tells whether a file or directory can be made. t.mu is held.
func (t *transaction) vacant(prefix, name string) error {
	for _, have := range entriesBelow(t.keys(), prefix) {
		if have.name == name {
			return ninep.EEXIST
		}
	}
	if len(t.edits)+len(t.dirs) >= maxEdits+len(t.base) {
		return ninep.ENOSPC
	}
	return nil
}

func (t *transaction) remove(prefix string, e keyEntry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := prefix + e.name
	for _, have := range entriesBelow(t.keys(), prefix) {
		switch {
		case have.name != e.name:
		case e.dir && !have.dir:
			return ninep.ENOTDIR
		case !e.dir && have.dir:
			return ninep.EISDIR
		case !e.dir:
			t.edits[key] = nil
			return nil
		default:
			for _, k := range t.keys() {
				if strings.HasPrefix(k, key+"/") && k != key+"/" {
					return ninep.ENOTEMPTY
				}
			}
			delete(t.dirs, key+"/")
			return nil
		}
	}
	return ninep.ENOENT
}

// changes are the values to set: "" returns a setting to its default.
func (t *transaction) changes() map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	changes := map[string]string{}
	for key, b := range t.edits {
		old, known := t.base[key]
		if b == nil {
			if known {
				changes[key] = ""
			}
			continue
		}
		content, written := b.Content()
		value := strings.TrimSuffix(string(content), "\n")
		if written && (!known || value != old) {
			changes[key] = value
		}
	}
	return changes
}

// commit sets what was changed. A setting that someone else changed since the
// transaction began is a conflict: the transaction stays open.
func (t *transaction) commit(ctx context.Context) (SettingsCommit, error) {
	if t.all.find(t.name) != t {
		return SettingsCommit{}, Errorf(CodeNotFound, "transaction %s has ended", t.name)
	}
	change := SettingsChange{Values: t.changes()}
	if len(change.Values) == 0 {
		return SettingsCommit{}, Errorf(CodeInvalid, "transaction %s changes nothing", t.name).
			WithHint("write to files below rw first, or write close to ctl")
	}
	msg, _ := t.msg.Content()
	change.Message = strings.TrimSpace(string(msg))
	now, err := valuesOf(ctx, t.all.settings)
	if err != nil {
		return SettingsCommit{}, err
	}
	for key := range change.Values {
		if now[key] != t.base[key] {
			return SettingsCommit{}, Errorf(CodeConflict, "setting %s was changed to %q meanwhile", key, now[key]).
				WithHint("close this transaction and begin another")
		}
	}
	commit, err := t.all.settings.SetSettings(ctx, change)
	if err == nil {
		t.all.close(t)
	}
	return commit, err
}
