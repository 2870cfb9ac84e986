package tree

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// control does what is written to /ctl, one command a write:
//
//	restore BRANCH COMMIT [MESSAGE]
//	restore-path BRANCH COMMIT PATH
//	revert BRANCH COMMIT
//	close BRANCH TRANSACTION
//
// Branches are named as git names them, slashes included. What makes a commit
// answers with its hash.
func (v *view) control(ctx context.Context, input string) ([]byte, error) {
	word, rest, _ := strings.Cut(strings.TrimSpace(input), " ")
	branch, rest, _ := strings.Cut(strings.TrimSpace(rest), " ")
	arg, rest, _ := strings.Cut(strings.TrimSpace(rest), " ")
	rest = strings.TrimSpace(rest)
	usage, ok := map[string]string{
		"restore":      "restore BRANCH COMMIT [MESSAGE]",
		"restore-path": "restore-path BRANCH COMMIT PATH",
		"revert":       "revert BRANCH COMMIT",
		"close":        "close BRANCH TRANSACTION",
	}[word]
	switch {
	case !ok:
		return nil, faultf(ninep.EINVAL, "Unknown command %q: want restore, restore-path, revert or close", clip(word))
	case arg == "" || word == "restore-path" && rest == "" || (word == "revert" || word == "close") && rest != "":
		return nil, faultf(ninep.EINVAL, "want: %s", usage)
	}
	if err := v.need(branch, Write); err != nil {
		return nil, err
	}
	if word == "close" {
		t := v.s.transaction(branch, arg)
		if t == nil || !t.close() {
			return nil, faultf(ninep.ENOENT, "There is no open transaction %q on branch %s", clip(arg), clip(branch))
		}
		return nil, nil
	}
	commit, err := parseHash(arg)
	if err != nil {
		return nil, err
	}
	c, err := v.rewind(ctx, word, branch, commit, rest)
	if err != nil {
		v.s.counter.refused.Add(1)
		return nil, err
	}
	v.s.counter.commits.Add(1)
	return []byte(c.Hash.String() + "\n"), nil
}

func (v *view) rewind(ctx context.Context, word, branch string, commit datakit.Hash, rest string) (datakit.Commit, error) {
	switch {
	case word == "revert":
		return v.s.store.Revert(ctx, branch, commit, v.author())
	case word == "restore-path":
		return v.s.store.RestorePath(ctx, branch, commit, strings.Trim(rest, "/"), v.author())
	case rest == "":
		return v.s.store.Restore(ctx, branch, commit, v.author())
	}
	return v.restoreSaying(ctx, branch, commit, rest)
}

// restoreSaying is Store.Restore with a message of the client's.
func (v *view) restoreSaying(ctx context.Context, branch string, commit datakit.Hash, message string) (datakit.Commit, error) {
	tx, err := v.s.store.Begin(ctx, branch)
	if err != nil {
		return datakit.Commit{}, err
	}
	defer tx.Close() // what it did is thrown away, or committed by then
	sn, err := v.s.store.Snapshot(commit)
	if err != nil {
		return datakit.Commit{}, err
	}
	changes, err := v.s.store.Changes(ctx, tx.Base().Commit(), commit)
	if err != nil {
		return datakit.Commit{}, err
	}
	for _, c := range changes {
		if c.Kind == datakit.Removed {
			err = tx.Remove(c.Path)
		} else {
			err = restoreFile(tx, sn, c.Path)
		}
		if err != nil {
			return datakit.Commit{}, fmt.Errorf("restore %s: %w", c.Path, err)
		}
	}
	return tx.Commit(ctx, datakit.Message{Text: message, Author: v.author()})
}

func restoreFile(tx *datakit.Tx, sn datakit.Snapshot, path string) error {
	e, err := sn.Stat(path)
	if err != nil {
		return err
	}
	b, err := sn.Read(path)
	if err != nil {
		return err
	}
	return tx.Write(path, b, e.Mode)
}
