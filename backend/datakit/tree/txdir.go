package tree

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// transactions is the directory transactions/ of a branch: mkdir begins one.
func (v *view) transactions(path, branch string) ninep.Node {
	return &dir{
		at: at{v, path, dirMode},
		list: func(context.Context) ([]string, error) {
			var names []string
			for _, t := range v.s.open(branch) {
				names = append(names, t.name)
			}
			return names, nil
		},
		find: func(_ context.Context, name string) (ninep.Node, error) {
			t := v.s.transaction(branch, name)
			if t == nil {
				return nil, errNotThere
			}
			return v.transaction(path+"/"+name, t), nil
		},
		mkdir: func(ctx context.Context, name string) (ninep.Node, error) {
			t, err := v.s.begin(ctx, v, branch, name)
			if err != nil {
				return nil, err
			}
			return v.transaction(path+"/"+name, t), nil
		},
		unlink: func(context.Context, string, bool) error { return errUseCtl },
		rename: func(context.Context, string, ninep.Node, string) error { return errUseCtl },
		create: errOnlyDirs,
	}
}

var (
	txFiles    = []string{"age", "ctl", "diff", "merge", "msg", "origin", "owner", "parents", "rw"}
	mergeFiles = []string{"base", "conflicts", "ours", "theirs"} // after a merge
)

// transaction is the directory of one transaction. It is found as long as the
// transaction is open; another one that is called the same is another directory.
func (v *view) transaction(path string, t *transaction) ninep.Node {
	// The number in the path makes the Qids those of this transaction.
	d := &dir{at: at{v, fmt.Sprintf("%s\x00%x", path, t.root.id), dirMode}}
	d.list = func(context.Context) ([]string, error) {
		names := txFiles
		err := t.ongoing(func() error {
			if _, _, _, ok := t.tx.MergeSides(); ok {
				names = append(mergeFiles[:len(mergeFiles):len(mergeFiles)], txFiles...)
			}
			return nil
		})
		return names, err
	}
	d.find = func(_ context.Context, name string) (ninep.Node, error) {
		var n ninep.Node
		err := t.ongoing(func() error {
			n = v.txFile(t, d.path, name)
			return nil
		})
		if err != nil {
			return nil, err
		}
		return found(n)
	}
	return d
}

func (v *view) txFile(t *transaction, dir, name string) ninep.Node {
	path := dir + "/" + name
	ongoing := func(f func() []byte) func(context.Context) ([]byte, error) {
		return func(context.Context) (out []byte, err error) {
			err = t.ongoing(func() error { out = f(); return nil })
			return out, err
		}
	}
	switch name {
	case "rw":
		return editDir{editNode{v, t.root}}
	case "ctl":
		return v.command(path, func(ctx context.Context, input string) ([]byte, error) { return v.txCommand(ctx, t, input) })
	case "msg":
		return v.msg(path, t)
	case "parents":
		return v.parents(path, t)
	case "origin":
		return v.text(path, ongoing(func() []byte { return nil }))
	case "owner":
		return v.text(path, ongoing(func() []byte {
			b, _ := json.Marshal(t.session.owner()) // strings and numbers: cannot fail
			return append(b, '\n')
		}))
	case "age":
		return v.text(path, ongoing(func() []byte { return fmt.Appendf(nil, "%d\n", int(time.Since(t.began).Seconds())) }))
	case "merge":
		return v.command(path, func(ctx context.Context, input string) ([]byte, error) { return v.txMerge(ctx, t, input) })
	case "diff":
		return v.diffs(path, func(ctx context.Context, from datakit.Hash) (list []datakit.Change, err error) {
			err = t.ongoing(func() error {
				list, err = t.tx.Changes(ctx, from)
				return err
			})
			return list, err
		})
	}
	return v.mergeFile(t, path, name)
}

// mergeFile is one of the files that are there after a merge.
func (v *view) mergeFile(t *transaction, path, name string) ninep.Node {
	ours, theirs, base, ok := t.tx.MergeSides()
	if !ok {
		return nil
	}
	switch name {
	case "conflicts":
		return v.text(path, func(context.Context) (out []byte, err error) {
			err = t.ongoing(func() error {
				for _, p := range t.conflicts() {
					out = append(append(out, p...), '\n')
				}
				return nil
			})
			return out, err
		})
	case "ours":
		return v.fixedTree(path, ours).root()
	case "theirs":
		return v.fixedTree(path, theirs).root()
	case "base":
		return v.fixedTree(path, base).root()
	}
	return nil
}

// txCommand does what is written to ctl. After commit, the commit's hash can be
// read from the same open file.
func (v *view) txCommand(ctx context.Context, t *transaction, input string) ([]byte, error) {
	word := strings.TrimSpace(input)
	if word != "commit" && word != "close" {
		return nil, faultf(ninep.EINVAL, "Unknown command %q", clip(word))
	}
	if err := v.mayEdit(t); err != nil {
		return nil, err
	}
	if word == "close" {
		if !t.close() {
			return nil, errNotThere
		}
		return nil, nil
	}
	c, err := t.commit(ctx, v)
	if err != nil {
		return nil, err
	}
	return []byte(c.Hash.String() + "\n"), nil
}

func (v *view) txMerge(ctx context.Context, t *transaction, input string) ([]byte, error) {
	h, err := parseHash(input)
	if err == nil {
		err = v.mayEdit(t)
	}
	if err == nil {
		err = t.merge(ctx, h)
	}
	return nil, err
}

// msg is the message of the commit to come.
func (v *view) msg(path string, t *transaction) ninep.Node {
	return &note{at{v, path, fileMode},
		func() (out []byte, err error) {
			err = t.ongoing(func() error {
				t.notes.Lock()
				defer t.notes.Unlock()
				out = t.msg // never changed in place
				return nil
			})
			return out, err
		},
		func(change func([]byte) ([]byte, error)) error {
			return v.editNotes(t, func() error {
				text, err := change(t.msg)
				if err == nil {
					t.msg = text
				}
				return err
			})
		},
	}
}

// parents are those of the commit to come, one a line. A bad line is refused by
// the commit, as it is not known before when a writer is done.
func (v *view) parents(path string, t *transaction) ninep.Node {
	return &note{at{v, path, fileMode},
		func() (out []byte, err error) {
			err = t.ongoing(func() error { out = t.parentsText(); return nil })
			return out, err
		},
		func(change func([]byte) ([]byte, error)) error {
			return v.editNotes(t, func() error {
				text, err := change(t.parentsTextLocked())
				if err == nil {
					t.parents, t.parentsEdit = text, true
				}
				return err
			})
		},
	}
}

func (v *view) editNotes(t *transaction, f func() error) error {
	if err := v.mayEdit(t); err != nil {
		return err
	}
	return t.ongoing(func() error {
		t.notes.Lock()
		defer t.notes.Unlock()
		return f()
	})
}
