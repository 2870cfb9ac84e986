//go:build linux

package serve

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-desktop/slipway/backend/guest"
)

const (
	// DefaultProxySocket is where ProxyMain looks for the agent.
	DefaultProxySocket = "/run/slipway-proxy.sock"
	// ProxySocketEnv names the environment variable with another place; dockerd hands
	// its environment down to its proxies.
	ProxySocketEnv = "SLIPWAY_PROXY_SOCKET"

	// dockerd waits 16 s for a proxy to report.
	proxyTimeout = 14 * time.Second
	// Descriptors that dockerd passes to its proxy.
	reportFD = 3
	listenFD = 4
)

// ProxyMain is the whole of our docker-proxy: dockerd runs it once for each
// published port and each of 0.0.0.0 and ::, and args are the arguments after the
// program's name. It returns the exit code.
//
// dockerd's contract (moby, cmd/docker-proxy and libnetwork/portmapper): the proxy
// writes "0\n" to descriptor 3 once it listens, or "1\n" and the reason why it
// cannot, which becomes the error of `docker run`; it runs until SIGINT or SIGTERM,
// and dockerd waits for its end. Newer daemons pass -use-listen-fd and, as descriptor
// 4, a socket that listens in the guest already.
//
// Ours does not listen: the port is on the host, from where the network kit leads to
// the container, so nothing in the guest needs to be bound or to copy bytes. A socket
// that dockerd made for us is closed, lest connections wait in it for ever.
func ProxyMain(args []string) int {
	report := os.NewFile(reportFD, "report")
	defer report.Close()
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, os.Interrupt, syscall.SIGTERM)

	request, listening, err := parseProxyArgs(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if listening {
		_ = syscall.Close(listenFD)
	}
	var agent *net.UnixConn
	if err == nil {
		agent, err = askAgent(request)
	}
	if err != nil {
		fmt.Fprintf(report, "1\n%s", err)
		return 1
	}
	defer agent.Close()
	fmt.Fprint(report, "0\n")
	_ = report.Close() // dockerd reads to the end

	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, agent)
	}()
	select {
	case <-stopped:
		// Once this process is gone Docker may want the port again: wait until the
		// host has closed it, which the agent tells by closing its side.
		_ = agent.CloseWrite()
		_ = agent.SetReadDeadline(time.Now().Add(unexposeTimeout + time.Second))
		<-gone
		return 0
	case <-gone:
		return 1
	}
}

func parseProxyArgs(args []string) (r guest.PortRequest, listening bool, err error) {
	var hostPort, containerPort uint
	fs := flag.NewFlagSet("docker-proxy", flag.ContinueOnError)
	fs.StringVar(&r.Proto, "proto", "tcp", "protocol: tcp or udp")
	fs.TextVar(&r.HostIP, "host-ip", netip.IPv4Unspecified(), "host address")
	fs.UintVar(&hostPort, "host-port", 0, "host port")
	fs.TextVar(&r.ContainerIP, "container-ip", netip.Addr{}, "container address")
	fs.UintVar(&containerPort, "container-port", 0, "container port")
	fs.BoolVar(&listening, "use-listen-fd", false, "close the socket at descriptor 4")
	fs.SetOutput(os.Stderr)
	if err := fs.Parse(args); err != nil {
		return r, listening, err
	}
	if hostPort > 65535 || containerPort > 65535 {
		return r, listening, errors.New("a port is at most 65535")
	}
	r.HostPort, r.ContainerPort = uint16(hostPort), uint16(containerPort)
	r.HostIP, r.ContainerIP = r.HostIP.Unmap(), r.ContainerIP.Unmap()
	return r, listening, r.Check()
}

// askAgent returns the connection that holds the port.
func askAgent(r guest.PortRequest) (*net.UnixConn, error) {
	path := os.Getenv(ProxySocketEnv)
	if path == "" {
		path = DefaultProxySocket
	}
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("the machine's agent does not answer: %w", err)
	}
	_ = c.SetDeadline(time.Now().Add(proxyTimeout))
	var reply guest.PortReply
	if err = json.NewEncoder(c).Encode(r); err == nil {
		err = json.NewDecoder(c).Decode(&reply)
	}
	if err == nil && reply.Error != "" {
		err = errors.New(strings.TrimSpace(reply.Error))
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	_ = c.SetDeadline(time.Time{})
	return c, nil
}
