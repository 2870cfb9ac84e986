//go:build linux

package engine

import (
	"errors"
	"strings"
	"testing"

	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
)

// TestSettingsAreABranch: whoever writes to the data store's tree changes settings as
// the settings page does, and is told why when the engine cannot use a value.
func TestSettingsAreABranch(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	data := w.client.Data()
	write := func(key, value string) error {
		_, err := data.Update(ctx, "settings", "by a script", func(tx *client.Tx) error {
			return tx.Write(ctx, key, []byte(value+"\n"))
		})
		return err
	}
	value := func(key string) string {
		list, err := w.client.Settings(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if s.Key == key {
				return s.Value
			}
		}
		return ""
	}
	if err := write("vm/memory", "3072"); err != nil {
		t.Fatal(err)
	}
	if got := value("vm/memory"); got != "3072" {
		t.Errorf("vm/memory is %q", got)
	}
	err := write("vm/memory", "many")
	if err == nil || !strings.Contains(err.Error(), "vm/memory") {
		t.Errorf("a bad value: %v", err)
	}
	if err := write("vm/nonsense", "1"); err == nil {
		t.Error("an unknown setting was taken")
	}
	if got := value("vm/memory"); got != "3072" {
		t.Errorf("a refused change did something: vm/memory is %q", got)
	}
	log, err := w.client.SettingsLog(ctx, 0)
	if err != nil || len(log) == 0 || log[0].Message != "by a script" {
		t.Errorf("log %+v, %v", log, err)
	}
}

// TestStateIsRecorded: what the engine did with the settings is a branch too, which
// only the engine writes.
func TestStateIsRecorded(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	data := w.client.Data()
	read := func(path string) string {
		head, err := data.Head(ctx, stateBranch)
		if errors.Is(err, client.ErrNoBranch) {
			return ""
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := data.File(ctx, query.Place{Commit: head.String(), Path: path})
		if err != nil {
			return ""
		}
		return strings.TrimSpace(text.Text)
	}
	w.eventually("the state says that the machine is stopped", func() bool { return read("machine/state") == "stopped" })
	w.start()
	w.eventually("the state says that the machine runs", func() bool { return read("machine/state") == "running" })
	if _, err := data.Update(ctx, "settings", "more memory", func(tx *client.Tx) error {
		return tx.Write(ctx, "vm/memory", []byte("3072\n"))
	}); err != nil {
		t.Fatal(err)
	}
	w.eventually("the state names what waits for a restart", func() bool { return read("settings/pending") == "vm/memory" })
	_, err := data.Update(ctx, stateBranch, "a lie", func(tx *client.Tx) error {
		return tx.Write(ctx, "machine/state", []byte("on fire\n"))
	})
	if !errors.Is(err, client.ErrDenied) {
		t.Errorf("writing the engine's state: %v, want ErrDenied", err)
	}
}
