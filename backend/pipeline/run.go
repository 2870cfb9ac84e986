package pipeline

import "time"

// State of a run.
type State string

// The states of a run. Queued and Running are open; the others are final.
const (
	Queued    State = "queued"
	Running   State = "running"
	Passed    State = "passed"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	Lost      State = "lost" // it was running, and its runner is gone
)

// Action is what a runner may offer to do to a run.
type Action string

// The actions.
const (
	Rerun  Action = "rerun"
	Cancel Action = "cancel"
)

// Run is one execution of a pipeline on one source commit.
type Run struct {
	// ID names the run: its result branch, "@", and the number of the run on it
	// from 1 on. A rerun is another run on the same branch.
	ID           string    `json:"id"`
	Pipeline     string    `json:"pipeline"`
	Number       int       `json:"number"`
	ResultBranch string    `json:"resultBranch"`
	Result       string    `json:"result"` // newest result commit; its tree holds log and artefacts
	Source       string    `json:"source"` // commit that was built
	SourceBranch string    `json:"sourceBranch,omitempty"`
	Subject      string    `json:"subject"` // of the source commit
	Author       string    `json:"author"`  // of the source commit
	Trigger      string    `json:"trigger"` // "commit", "rerun", "manual"
	Status       State     `json:"status"`
	Message      string    `json:"message"` // one line: why it failed, or what it made
	Started      time.Time `json:"started,omitzero"`
	Ended        time.Time `json:"ended,omitzero"`
	Steps        []Step    `json:"steps"`
	Offers       []Action  `json:"offers"`    // what its runner would do
	Artefacts    int       `json:"artefacts"` // files below artefacts/
	LogBytes     int64     `json:"logBytes"`
	Runner       string    `json:"runner,omitempty"` // who runs it: user, program and process
}

// Step is a timed part of a run.
type Step struct {
	Name    string    `json:"name"`
	Status  State     `json:"status"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
}
