package control

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/slipway-desktop/slipway/backend/capture"
	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/ninep/synth"
)

// tree is what one client sees.
type tree struct {
	Sources
	dataRoot func(ninep.AttachRequest) ninep.Node
	closed   func()
}

func newTree(s Sources, peer ninep.Peer) *tree {
	t := &tree{Sources: s}
	t.dataRoot, t.closed = s.Data(peer)
	return t
}

// Attach implements ninep.Tree.
func (t *tree) Attach(_ context.Context, r ninep.AttachRequest) (ninep.Node, error) {
	if r.Name != "" && r.Name != "/" && !r.Plain() {
		return nil, ninep.ENOENT
	}
	data, ok := t.dataRoot(r).(ninep.Dir)
	if !ok {
		return nil, ninep.EIO
	}
	return synth.NewDir("/", t.engine(), t.vm(), t.docker(), t.net(), t.pipeline(), grafted{data, DataPath}), nil
}

// Close implements ninep.Tree.
func (t *tree) Close() { t.closed() }

// statusPart makes a status file of a part of the engine's status.
func statusPart[T any](t *tree, path string, part func(Status) T) *synth.File {
	return newStatus(path, func(ctx context.Context) (T, error) {
		s, err := t.Engine.Status(ctx)
		return part(s), err
	})
}

func (t *tree) engine() *synth.Dir {
	return synth.NewDir("/engine",
		newStatus("/engine/status", t.Engine.Status),
		synth.NewFile("/engine/version", func(ctx context.Context) ([]byte, error) {
			s, err := t.Engine.Status(ctx)
			return []byte(s.Versions.Slipway + "\n"), toWire(err)
		}),
		newLive("/engine/events", func(ctx context.Context, _ string, w io.Writer) error {
			out := json.NewEncoder(w)
			return t.Engine.Events(ctx, func(e Event) error { return out.Encode(e) })
		}),
		newLive("/engine/log", func(ctx context.Context, _ string, w io.Writer) error { return t.Engine.Log(ctx, w) }),
		newCtl("/engine/ctl", plain("quit", t.Engine.Quit)),
		t.settings(),
	)
}

func (t *tree) vm() *synth.Dir {
	return synth.NewDir("/vm", synth.NewDir("/vm/default",
		statusPart(t, "/vm/default/status", func(s Status) MachineStatus { return s.Machine }),
		newStatus("/vm/default/stats", t.Machine.Stats),
		newLive("/vm/default/console", func(ctx context.Context, _ string, w io.Writer) error { return t.Machine.Console(ctx, w) }),
		newCtl("/vm/default/ctl",
			plain("start", t.Machine.Start), plain("stop", t.Machine.Stop),
			plain("restart", t.Machine.Restart), plain("kill", t.Machine.Kill)),
	))
}

func (t *tree) docker() *synth.Dir {
	act := func(action ContainerAction) verb {
		return verb{string(action), "CONTAINER", func(ctx context.Context, args string) (any, error) {
			id, err := argument(args, "container")
			if err != nil {
				return nil, err
			}
			return nil, t.Containers.ContainerAction(ctx, id, action)
		}}
	}
	logs := func(name string) synth.Entry { return newLive("/docker/logs/"+name, t.logsOf(name)) }
	return synth.NewDir("/docker",
		newStatus("/docker/containers", t.Containers.Containers),
		newCtl("/docker/ctl", act(ContainerStart), act(ContainerStop), act(ContainerRestart), act(ContainerRemove)),
		synth.NewDirOf("/docker/logs", func(ctx context.Context) ([]synth.Entry, error) {
			containers, err := t.Containers.Containers(ctx)
			if err != nil {
				return nil, toWire(err)
			}
			entries := make([]synth.Entry, len(containers))
			for i, c := range containers {
				entries[i] = logs(c.Name)
			}
			return entries, nil
		}, synth.DirOps{
			// Any name: it may be an id too, and reading says what is wrong with it.
			Find: func(_ context.Context, name string) (synth.Entry, error) { return logs(name), nil },
		}),
	)
}

// logsQuestion may be written to a log before it is read. Nothing written is a
// log from its beginning on, and on as it grows.
type logsQuestion struct {
	Tail   int  `json:"tail"`
	Follow bool `json:"follow"`
}

func (t *tree) logsOf(container string) func(context.Context, string, io.Writer) error {
	return func(ctx context.Context, question string, w io.Writer) error {
		q := logsQuestion{Follow: true}
		if question != "" {
			q.Follow = false
			if err := decodeQuestion([]byte(question), &q, `{"tail":100,"follow":true}`); err != nil {
				return err
			}
		}
		return t.Containers.ContainerLogs(ctx, container, q.Tail, q.Follow, w)
	}
}

// packetsQuestion asks for a page of packets, or for one packet in full.
type packetsQuestion struct {
	capture.Query
	Packet uint64 `json:"packet,omitempty"`
}

func (t *tree) net() *synth.Dir {
	record := func(a CaptureAction) verb {
		return plain(string(a), func(ctx context.Context) error { return t.Traffic.CaptureControl(ctx, a) })
	}
	return synth.NewDir("/net",
		statusPart(t, "/net/stats", func(s Status) NetworkStatus { return s.Network }),
		newStatus("/net/flows", t.Traffic.Flows),
		t.ports(),
		synth.NewDir("/net/capture",
			newStatus("/net/capture/status", t.Traffic.CaptureStatus),
			newCtl("/net/capture/ctl", record(CapturePause), record(CaptureResume), record(CaptureClear)),
			newQuery("/net/capture/query", `{"filter":"dns","tail":true,"limit":100} or {"packet":1}`,
				func(ctx context.Context, q packetsQuestion) (any, error) {
					if q.Packet == 0 {
						return t.Traffic.Packets(ctx, q.Query)
					}
					if q.Query != (capture.Query{}) {
						return nil, Errorf(CodeInvalid, "a question is about one packet, or about a page of them")
					}
					return t.Traffic.Packet(ctx, q.Packet)
				}),
			newLive("/net/capture/pcapng", func(ctx context.Context, filter string, w io.Writer) error {
				return t.Traffic.Pcapng(ctx, filter, false, w)
			}),
			newLive("/net/capture/live", func(ctx context.Context, filter string, w io.Writer) error {
				return t.Traffic.Pcapng(ctx, filter, true, w)
			}),
		),
	)
}

func (t *tree) ports() *synth.Dir {
	return synth.NewDir("/net/ports",
		newStatus("/net/ports/list", t.Ports.Ports),
		newCtl("/net/ports/ctl",
			verb{"add", "PROTO [HOST-IP:]HOST-PORT TARGET:PORT", func(ctx context.Context, args string) (any, error) {
				p, err := ParsePortRequest(strings.Fields(args))
				if err != nil {
					return nil, err
				}
				return t.Ports.AddPort(ctx, p)
			}},
			verb{"rm", "ID", func(ctx context.Context, args string) (any, error) {
				id, err := argument(args, "id of a port")
				if err != nil {
					return nil, err
				}
				return nil, t.Ports.RemovePort(ctx, id)
			}},
		),
	)
}

// ParsePortRequest reads PROTO [HOST-IP:]HOST-PORT TARGET:PORT, as the command
// line and the ctl file of ports take it. PROTO may be left out for tcp. Whether
// host port and target are any good the engine says.
func ParsePortRequest(args []string) (PortRequest, error) {
	hint := "such as: tcp 127.0.0.1:8080 web:80"
	if len(args) == 2 {
		args = append([]string{"tcp"}, args...)
	}
	if len(args) != 3 {
		return PortRequest{}, Errorf(CodeInvalid, "a forward needs a host port and a target").WithHint("%s", hint)
	}
	p := PortRequest{Proto: strings.ToLower(args[0]), Target: args[2]}
	if p.Proto != "tcp" && p.Proto != "udp" {
		return PortRequest{}, Errorf(CodeInvalid, "%q is not a protocol to forward", args[0]).WithHint("use tcp or udp")
	}
	port := args[1]
	if strings.Contains(port, ":") {
		var err error
		if p.HostIP, port, err = net.SplitHostPort(args[1]); err != nil {
			return PortRequest{}, Errorf(CodeInvalid, "%q is not an address and a port", args[1]).WithHint("%s", hint)
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return PortRequest{}, Errorf(CodeInvalid, "%q is not a port", port).WithHint("use 0 to 65535; 0 lets the host choose")
	}
	p.HostPort = int(n)
	return p, nil
}

// hostText is the host's side as ParsePortRequest reads it.
func (p PortRequest) hostText() string {
	port := strconv.Itoa(p.HostPort)
	if p.HostIP == "" {
		return port
	}
	return net.JoinHostPort(p.HostIP, port)
}
