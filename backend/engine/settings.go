package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/engine/settings"
)

// settingsTree is the engine as control.Settings.
type settingsTree Engine

func (t *settingsTree) Settings(ctx context.Context) ([]control.Setting, error) {
	list, err := t.settings.List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]control.Setting, len(list))
	for i, s := range list {
		out[i] = control.Setting{
			Key: s.Key, Title: s.Title, Help: s.Help, Kind: string(s.Kind), Unit: s.Unit,
			Value: s.Value, Default: s.Default, IsDefault: s.IsDefault, Min: int(s.Min), Max: int(s.Max),
			Choices: s.Choices, Applies: string(s.Applies), ChangedAt: s.ChangedAt, ChangedBy: s.ChangedBy,
		}
	}
	return out, nil
}

func (t *settingsTree) SetSettings(ctx context.Context, change control.SettingsChange) (control.SettingsCommit, error) {
	if len(change.Values) == 0 {
		return control.SettingsCommit{}, control.Errorf(control.CodeInvalid, "the change names no setting")
	}
	c, err := t.settings.Set(ctx, change.Values, change.Message, author())
	return settingsCommit(c), settingsError(err)
}

func (t *settingsTree) SettingsLog(ctx context.Context, limit int) ([]control.SettingsCommit, error) {
	log, err := t.settings.Log(ctx, limit, "")
	if err != nil {
		return nil, err
	}
	out := make([]control.SettingsCommit, len(log))
	for i, c := range log {
		out[i] = settingsCommit(c)
	}
	return out, nil
}

func (t *settingsTree) SettingsDiff(ctx context.Context, from, to string) ([]control.SettingDiff, error) {
	b, err := t.commit(ctx, to)
	if err != nil {
		return nil, err
	}
	var a datakit.Hash
	if from != "" {
		a, err = t.commit(ctx, from)
	} else {
		a, err = t.parent(ctx, b)
	}
	if err != nil {
		return nil, err
	}
	diffs, err := t.settings.Diff(ctx, a, b)
	if err != nil {
		return nil, settingsError(err)
	}
	out := make([]control.SettingDiff, len(diffs))
	for i, d := range diffs {
		out[i] = control.SettingDiff{Key: d.Path, Kind: string(d.Kind), Old: d.Old, New: d.New, Unified: d.Unified}
	}
	return out, nil
}

// commit finds a commit by a text; "" is the newest.
func (t *settingsTree) commit(ctx context.Context, text string) (datakit.Hash, error) {
	if text == "" {
		head, err := t.store.Head(settings.Branch)
		if errors.Is(err, datakit.ErrNoBranch) {
			return datakit.Hash{}, nil
		}
		return head, err
	}
	hash, err := t.settings.Resolve(ctx, text)
	return hash, settingsError(err)
}

// parent returns what a commit was made from, the zero hash for the first.
func (t *settingsTree) parent(ctx context.Context, commit datakit.Hash) (datakit.Hash, error) {
	if commit.IsZero() {
		return commit, nil
	}
	c, err := t.store.Commit(commit)
	if err != nil || len(c.Parents) == 0 {
		return datakit.Hash{}, settingsError(err)
	}
	return c.Parents[0], nil
}

func (t *settingsTree) RevertSettings(ctx context.Context, commit string) (control.SettingsCommit, error) {
	return t.undo(ctx, commit, t.settings.Revert)
}

func (t *settingsTree) RestoreSettings(ctx context.Context, commit string) (control.SettingsCommit, error) {
	return t.undo(ctx, commit, t.settings.Restore)
}

func (t *settingsTree) undo(ctx context.Context, commit string, how func(context.Context, datakit.Hash, datakit.Author) (datakit.Commit, error)) (control.SettingsCommit, error) {
	if commit == "" {
		return control.SettingsCommit{}, control.Errorf(control.CodeInvalid, "which commit is not said").
			WithHint("name one that `slipway settings log` lists")
	}
	hash, err := t.commit(ctx, commit)
	if err != nil {
		return control.SettingsCommit{}, err
	}
	c, err := how(ctx, hash, author())
	return settingsCommit(c), settingsError(err)
}

func author() datakit.Author {
	name := userName()
	return datakit.Author{Name: name, Email: name + "@localhost"}
}

func settingsCommit(c datakit.Commit) control.SettingsCommit {
	out := control.SettingsCommit{
		Hash: c.Hash.String(), Author: c.Author, Time: c.Time, Message: c.Message, Changes: []control.SettingChange{},
	}
	if len(c.Parents) > 0 {
		out.Parent = c.Parents[0].String()
	}
	for _, change := range c.Changes {
		out.Changes = append(out.Changes, control.SettingChange{Key: change.Path, Kind: string(change.Kind)})
	}
	return out
}

// settingsError gives a refusal of the settings the form that the tree carries.
func settingsError(err error) error {
	var all settings.Errors
	var one *settings.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &all) && len(all) > 1:
		return &control.Error{Code: control.CodeInvalid, Message: err.Error(), Err: err}
	case errors.As(err, &one):
		return &control.Error{Code: control.CodeInvalid, Message: one.Key + ": " + one.Message, Hint: one.Hint, Err: err}
	case errors.Is(err, datakit.ErrNotExist):
		return &control.Error{Code: control.CodeNotFound, Message: err.Error(), Hint: "`slipway settings log` lists the commits", Err: err}
	case errors.Is(err, datakit.ErrNoChange):
		return &control.Error{Code: control.CodeExists, Message: "the settings are like that already", Err: err}
	}
	return controlError(err)
}

// settingsState tells which settings wait for a restart of the machine.
func (e *Engine) settingsState(ctx context.Context) control.SettingsState {
	state := control.SettingsState{Pending: []string{}}
	if head, err := e.store.Head(settings.Branch); err == nil {
		state.Head = head.String()
	}
	state.Applied = state.Head
	if problem := e.settings.Problem(); problem != nil {
		state.Problem = problem.Error()
	}
	if b := e.currentBoot(); b != nil {
		state.Pending = b.pending(ctx)
		if len(state.Pending) > 0 {
			state.Applied = b.head
		}
	}
	return state
}

// restartTexts returns the settings that the machine takes in when it starts.
func (e *Engine) restartTexts(ctx context.Context) (map[string]string, error) {
	list, err := e.settings.List(ctx)
	texts := map[string]string{}
	for _, s := range list {
		if s.Applies == settings.Restart {
			texts[s.Key] = s.Value
		}
	}
	return texts, err
}

// pending lists the settings that changed since the machine started and wait for
// its next start.
func (b *boot) pending(ctx context.Context) []string {
	now, err := b.e.restartTexts(ctx)
	keys := []string{}
	if err != nil {
		return keys // the settings cannot be read, which Problem tells
	}
	for key, value := range now {
		if b.texts[key] != value {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// watchSettings applies what can be applied to a running engine.
func (e *Engine) watchSettings(ctx context.Context) error {
	changes, err := e.settings.Watch(ctx)
	if err != nil {
		return err
	}
	first := true
	for values := range changes {
		if values.CaptureOn {
			e.capture.Resume()
		} else {
			e.capture.Pause()
		}
		e.capture.Resize(int64(values.CaptureMemoryMiB)<<20, values.CaptureSnapLen)
		if !first {
			e.moveContext(values.DockerContext)
		}
		first = false
		if b := e.currentBoot(); b != nil {
			b.settle()
		}
		if problem := e.settings.Problem(); problem != nil {
			e.warn(control.Warning{Code: "settings-invalid", Title: "The settings branch holds something that cannot be used",
				Text: problem.Error(), Hint: "revert the commit that brought it; until then the last good settings hold"})
		} else {
			e.clearWarning("settings-invalid")
		}
		e.hub.changed(control.TopicSettings, control.TopicStatus, control.TopicCapture, control.TopicPorts)
		e.recordState(ctx)
	}
	return nil
}
