package control

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/slipway-desktop/slipway/backend/ninep/synth"
)

const settingsPath = "/engine/settings"

// diffQuestion asks what differs between two commits, as SettingsDiff does.
type diffQuestion struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// settings is what the settings branch means: names, defaults, bounds. Its files
// are in /data/branch/settings like any other branch's.
func (t *tree) settings() *synth.Dir {
	return synth.NewDir(settingsPath,
		newStatus(settingsPath+"/list", t.Settings.Settings),
		newLive(settingsPath+"/log", t.settingsLog),
		newQuery(settingsPath+"/diff", `{"from":"COMMIT","to":"COMMIT"}`, func(ctx context.Context, q diffQuestion) ([]SettingDiff, error) {
			return t.Settings.SettingsDiff(ctx, q.From, q.To)
		}),
		newCtl(settingsPath+"/ctl", t.settingsVerbs()...),
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
