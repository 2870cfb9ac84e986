package control

import (
	"context"
	"encoding/json"
	"io"
	"time"
)

// Engine is the engine as a whole.
type Engine interface {
	// Status returns one consistent snapshot.
	Status(ctx context.Context) (Status, error)
	// Events calls fn for each event until ctx ends, the engine stops, or fn
	// returns an error, which Events returns. It begins with one event per topic
	// that carries the present state, so a caller needs no other request to start.
	// Each event holds the whole state of its topic, except TopicFlows and
	// TopicLog (see there); a slow caller misses intermediate states, never the last one.
	Events(ctx context.Context, fn func(Event) error) error
	// Log writes the recent log lines, oldest first.
	Log(ctx context.Context, w io.Writer) error
	// Quit stops the machine cleanly and then the engine.
	Quit(ctx context.Context) error
}

// Sources is everything a tree shows.
type Sources struct {
	Engine     Engine
	Machine    Machine
	Containers Containers
	Ports      Ports
	Traffic    Traffic
	Settings   Settings
	Pipelines  Pipelines
	Data       DataTree
}

// Status is the state of the engine, as in /engine/status.
type Status struct {
	Home      string        `json:"home"`
	PID       int           `json:"pid"`
	StartedAt time.Time     `json:"startedAt"`
	Versions  Versions      `json:"versions"`
	Machine   MachineStatus `json:"machine"`
	Docker    DockerStatus  `json:"docker"`
	Guest     GuestStatus   `json:"guest"`
	Network   NetworkStatus `json:"network"`
	Settings  SettingsState `json:"settings"`
	Warnings  []Warning     `json:"warnings"`
}

// Versions names what runs. Guest maps a component (kernel, docker, containerd,
// runc, image) to its version; it is empty until the guest has told.
type Versions struct {
	Slipway    string            `json:"slipway"`
	Hypervisor string            `json:"hypervisor"`
	Guest      map[string]string `json:"guest"`
}

// DockerStatus says how to reach Docker. Host is what DOCKER_HOST takes.
type DockerStatus struct {
	State   string `json:"state"` // "stopped", "starting", "ready", "failed"
	Host    string `json:"host"`
	Context string `json:"context"` // the Docker context that points here; "" if there is none
	Problem string `json:"problem,omitempty"`
}

// GuestStatus is what the agent in the guest said of itself.
type GuestStatus struct {
	Connected bool   `json:"connected"`
	Address   string `json:"address"` // CIDR, such as "192.168.65.3/24"; "" until leased
}

// NetworkStatus sums up the network kit's counters. Rates are bytes a second.
type NetworkStatus struct {
	Gateway  string  `json:"gateway"`
	BytesIn  uint64  `json:"bytesIn"`  // towards the guest
	BytesOut uint64  `json:"bytesOut"` // from the guest
	RateIn   float64 `json:"rateIn"`
	RateOut  float64 `json:"rateOut"`
	Flows    int     `json:"flows"`
	Dropped  uint64  `json:"dropped"`
}

// Warning is a lasting condition that is not an error: software emulation, a
// settings tree that cannot be applied, a context that could not be made.
type Warning struct {
	Code  string `json:"code"` // stable, such as "software-emulation"
	Title string `json:"title"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

// Topic names a stream of events.
type Topic string

// The topics and what an event of each carries.
const (
	TopicStatus     Topic = "status"     // Status
	TopicStats      Topic = "stats"      // Stats
	TopicContainers Topic = "containers" // []Container
	TopicPorts      Topic = "ports"      // []Port
	TopicFlows      Topic = "flows"      // FlowChanges: only what changed since the event before
	TopicCapture    Topic = "capture"    // capture.Status: new packets are there to be queried
	TopicSettings   Topic = "settings"   // SettingsState
	TopicData       Topic = "data"       // DataState
	TopicPipelines  Topic = "pipelines"  // []pipeline.Run: the newest 200
	TopicLog        Topic = "log"        // []LogLine: the lines since the event before
)

// Event is one line of /engine/events. Seq grows by one with each event of an
// engine, so that a client can tell a snapshot from what came after it.
type Event struct {
	Seq   uint64          `json:"seq"`
	Topic Topic           `json:"topic"`
	Data  json.RawMessage `json:"data"`
}

// LogLine is one record of the engine's log or one line of the guest's console.
type LogLine struct {
	Time   time.Time `json:"time"`
	Source string    `json:"source"` // "engine", "console"
	Level  string    `json:"level"`  // "debug", "info", "warn", "error"
	Text   string    `json:"text"`
}
