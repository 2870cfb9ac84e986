package control

import (
	"context"
	"time"
)

// Settings is branch "settings" of the engine's data store: one small file a
// setting, each change a commit.
type Settings interface {
	Settings(ctx context.Context) ([]Setting, error)
	// SetSettings changes several settings in one commit. An empty value returns
	// a setting to its default. A refused value changes nothing.
	SetSettings(ctx context.Context, change SettingsChange) (SettingsCommit, error)
	// SettingsLog returns the newest commits first, at most limit (all if 0).
	SettingsLog(ctx context.Context, limit int) ([]SettingsCommit, error)
	// SettingsDiff returns what differs between two commits; an empty from means
	// the parent of to, an empty to means the newest.
	SettingsDiff(ctx context.Context, from, to string) ([]SettingDiff, error)
	// RevertSettings undoes one commit by a new one; RestoreSettings makes all
	// settings as they were at a commit, by a new one.
	RevertSettings(ctx context.Context, commit string) (SettingsCommit, error)
	RestoreSettings(ctx context.Context, commit string) (SettingsCommit, error)
}

// Setting is one setting with its description and present value.
type Setting struct {
	Key       string    `json:"key"` // also its path in the branch, such as "vm/memory"
	Title     string    `json:"title"`
	Help      string    `json:"help"`
	Kind      string    `json:"kind"` // "int", "bool", "choice", "text", "lines"
	Unit      string    `json:"unit,omitempty"`
	Value     string    `json:"value"`
	Default   string    `json:"default"`
	IsDefault bool      `json:"isDefault"`
	Min       int       `json:"min,omitempty"`
	Max       int       `json:"max,omitempty"`
	Choices   []string  `json:"choices,omitempty"`
	Applies   string    `json:"applies"` // "now", or "restart" of the machine
	ChangedAt time.Time `json:"changedAt,omitzero"`
	ChangedBy string    `json:"changedBy,omitempty"`
}

// SettingsChange is one transaction.
type SettingsChange struct {
	Values  map[string]string `json:"values"`
	Message string            `json:"message,omitempty"` // "" lets the engine describe the change
}

// SettingsCommit is one entry of the settings' history.
type SettingsCommit struct {
	Hash    string          `json:"hash"`
	Parent  string          `json:"parent,omitempty"`
	Author  string          `json:"author"`
	Time    time.Time       `json:"time"`
	Message string          `json:"message"`
	Changes []SettingChange `json:"changes"`
}

// SettingChange names a setting that a commit changed.
type SettingChange struct {
	Key  string `json:"key"`
	Kind string `json:"kind"` // "added", "removed", "modified"
}

// SettingDiff is one setting before and after. An empty side means the default.
type SettingDiff struct {
	Key     string `json:"key"`
	Kind    string `json:"kind"`
	Old     string `json:"old"`
	New     string `json:"new"`
	Unified string `json:"unified"` // as a unified diff
}

// SettingsState tells which commit the engine has applied.
type SettingsState struct {
	Head    string   `json:"head"`
	Applied string   `json:"applied"`
	Pending []string `json:"pending"` // keys that take effect when the machine restarts
	Problem string   `json:"problem,omitempty"`
}
