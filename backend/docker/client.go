package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Bounds on what is kept of dockerd's answers.
const (
	maxAnswer  = 32 << 20
	maxMessage = 4 << 10
)

// A Client asks dockerd what the product needs to know. It has no state worth
// closing; its requests end with their context.
type Client struct {
	http *http.Client
}

// NewClient returns a client that reaches dockerd with dial.
func NewClient(dial DialFunc) *Client {
	t := newTransport(dial)
	t.DisableKeepAlives = true // a client is often made for one request, and then forgotten
	return &Client{http: &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// An Error is dockerd's refusal.
type Error struct {
	Status  int // of HTTP
	Message string
}

func (e *Error) Error() string { return e.Message }

// Version is what dockerd says of itself.
type Version struct {
	Version    string
	APIVersion string `json:"ApiVersion"`
	OS         string `json:"Os"`
	Arch       string
	Kernel     string `json:"KernelVersion"`
}

// Container is one container, running or not.
type Container struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Image     string            `json:"image"`
	Command   string            `json:"command"`
	State     string            `json:"state"`  // created, running, paused, restarting, removing, exited, dead
	Status    string            `json:"status"` // Docker's words: "Up 3 minutes"
	CreatedAt time.Time         `json:"createdAt"`
	Compose   Compose           `json:"compose"`
	Addresses []string          `json:"addresses"` // IPv4 before IPv6, as dockerd gave them out
	Networks  []string          `json:"networks"`
	Ports     []Port            `json:"ports"`
	Labels    map[string]string `json:"labels"`
}

// Compose says which part of a compose project a container is, if of any.
type Compose struct {
	Project string `json:"project,omitempty"`
	Service string `json:"service,omitempty"`
}

// Port is a port of a container; HostPort is 0 when it is not published.
type Port struct {
	Proto         string `json:"proto"`
	HostIP        string `json:"hostIP,omitempty"`
	HostPort      uint16 `json:"hostPort,omitempty"`
	ContainerPort uint16 `json:"containerPort"`
}

// Ping returns nil when dockerd answers.
func (c *Client) Ping(ctx context.Context) error {
	return c.do(ctx, http.MethodGet, "/_ping", nil, nil)
}

// Version asks dockerd for its versions.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var v Version
	return v, c.do(ctx, http.MethodGet, "/version", nil, &v)
}

// Start starts a container; one that runs already is no error. id may be a name.
func (c *Client) Start(ctx context.Context, id string) error { return c.act(ctx, id, "start") }

// Stop stops a container, with Docker's usual 10 s of grace.
func (c *Client) Stop(ctx context.Context, id string) error { return c.act(ctx, id, "stop") }

// Restart stops a container and starts it again.
func (c *Client) Restart(ctx context.Context, id string) error { return c.act(ctx, id, "restart") }

// Remove removes a container, killing it first when it runs. Its volumes stay.
func (c *Client) Remove(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodDelete, containerPath(id), url.Values{"force": {"1"}}, nil)
}

func (c *Client) act(ctx context.Context, id, verb string) error {
	return c.do(ctx, http.MethodPost, containerPath(id)+"/"+verb, nil, nil)
}

func containerPath(id string) string { return "/containers/" + url.PathEscape(id) }

// summary is an element of ContainerList's answer.
type summary struct {
	ID              string `json:"Id"`
	Names           []string
	Image           string
	Command         string
	Created         int64
	State           string
	Status          string
	Labels          map[string]string
	NetworkSettings struct {
		Networks map[string]struct {
			IPAddress         string
			GlobalIPv6Address string
		}
	}
	Ports []struct {
		IP          string
		PrivatePort uint16
		PublicPort  uint16
		Type        string
	}
}

// Containers lists all containers.
func (c *Client) Containers(ctx context.Context) ([]Container, error) {
	var answer []summary
	if err := c.do(ctx, http.MethodGet, "/containers/json", url.Values{"all": {"1"}}, &answer); err != nil {
		return nil, err
	}
	list := make([]Container, len(answer))
	for i, s := range answer {
		list[i] = s.container()
	}
	return list, nil
}

func (s summary) container() Container {
	c := Container{
		ID: s.ID, Image: s.Image, Command: s.Command, State: s.State, Status: s.Status,
		CreatedAt: time.Unix(s.Created, 0).UTC(), Labels: s.Labels,
		Compose: Compose{
			Project: s.Labels["com.docker.compose.project"],
			Service: s.Labels["com.docker.compose.service"],
		},
		Addresses: []string{}, Networks: []string{}, Ports: []Port{},
	}
	for _, name := range s.Names {
		// A legacy link shows as another name, /other/alias.
		if name = strings.TrimPrefix(name, "/"); !strings.Contains(name, "/") {
			c.Name = name
		}
	}
	var v6 []string
	for name, network := range s.NetworkSettings.Networks {
		c.Networks = append(c.Networks, name)
		c.Addresses = appendAddress(c.Addresses, network.IPAddress)
		v6 = appendAddress(v6, network.GlobalIPv6Address)
	}
	slices.Sort(c.Networks)
	slices.Sort(c.Addresses)
	slices.Sort(v6)
	c.Addresses = append(c.Addresses, v6...)
	for _, p := range s.Ports {
		c.Ports = append(c.Ports, Port{Proto: p.Type, HostIP: p.IP, HostPort: p.PublicPort, ContainerPort: p.PrivatePort})
	}
	slices.SortFunc(c.Ports, func(a, b Port) int {
		return strings.Compare(
			fmt.Sprintf("%05d %s %05d %s", a.ContainerPort, a.Proto, a.HostPort, a.HostIP),
			fmt.Sprintf("%05d %s %05d %s", b.ContainerPort, b.Proto, b.HostPort, b.HostIP))
	})
	return c
}

func appendAddress(list []string, text string) []string {
	if addr, err := netip.ParseAddr(text); err == nil {
		list = append(list, addr.String())
	}
	return list
}

// do asks for path and decodes the answer into v, when there is one.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, v any) error {
	resp, err := c.request(ctx, method, path, query)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if v == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(v); err != nil {
		return fmt.Errorf("docker %s: %w", path, err)
	}
	return nil
}

// request returns a response that is no error. The path has no version, so that
// dockerd takes its own: what is read here has not changed in years, while the
// oldest version it admits rises.
func (c *Client) request(ctx context.Context, method, path string, query url.Values) (*http.Response, error) {
	u := url.URL{Scheme: "http", Host: "docker", RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if req.URL.Path, err = url.PathUnescape(path); err != nil {
		return nil, err
	}
	req.URL.RawPath = path
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	if resp.StatusCode < 400 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, &Error{Status: resp.StatusCode, Message: errorMessage(resp)}
}

// errorMessage is dockerd's {"message": …}, or what came in its place.
func errorMessage(resp *http.Response) string {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
	var body struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(b, &body) == nil && body.Message != "" {
		return body.Message
	}
	if text := strings.TrimSpace(string(b)); text != "" {
		return text
	}
	return resp.Status
}
