package network

import (
	"errors"
	"io"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/slipway-desktop/slipway/backend/network/link"
)

// endpoint is the netstack's network card: it queues what the netstack sends,
// and delivers what a link brings. It outlives links, as a socket in a wall
// does cables.
type endpoint struct {
	mtu   uint32
	count *counters
	queue queue

	mu         sync.RWMutex
	dispatcher stack.NetworkDispatcher
}

var (
	_ stack.LinkEndpoint = (*endpoint)(nil)
	_ stack.GSOEndpoint  = (*endpoint)(nil)
)

func newEndpoint(cfg *Config, count *counters) *endpoint {
	return &endpoint{
		mtu:   uint32(cfg.MTU),
		count: count,
		queue: queue{maxFrames: cfg.Limits.QueueFrames, maxBytes: cfg.Limits.QueueBytes, wake: make(chan struct{}, 1)},
	}
}

// WritePackets queues frames for the link. It never blocks, since it may be
// called while the netstack holds locks: frames that do not fit are dropped,
// and TCP slows down by that as on any wire.
func (e *endpoint) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	for n, pkt := range pkts.AsSlice() {
		if cause := e.queue.push(pkt); cause != keep {
			e.count.drops[cause].Add(uint64(pkts.Len() - n))
			if n == 0 {
				return 0, &tcpip.ErrNoBufferSpace{}
			}
			return n, nil
		}
	}
	return pkts.Len(), nil
}

// send queues one ready-made frame.
func (e *endpoint) send(frame []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(frame)})
	defer pkt.DecRef()
	if cause := e.queue.push(pkt); cause != keep {
		e.count.drops[cause].Add(1)
	}
}

// deliver hands the netstack a frame, which it takes over.
func (e *endpoint) deliver(frame *buffer.View) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(frame)})
	defer pkt.DecRef()
	head, ok := pkt.LinkHeader().Consume(header.EthernetMinimumSize)
	if !ok {
		return
	}
	eth := header.Ethernet(head)
	pkt.PktType = tcpip.PacketHost
	if eth.DestinationAddress() == header.EthernetBroadcastAddress {
		pkt.PktType = tcpip.PacketBroadcast
	}
	e.mu.RLock()
	d := e.dispatcher
	e.mu.RUnlock()
	if d != nil {
		d.DeliverNetworkPacket(eth.Type(), pkt)
	}
}

// SupportedGSO makes the netstack cut large TCP segments itself, in one go: a
// frame is still a message of its own on the link, but a burst of them passes
// the TCP layer once and leaves in one system call.
func (e *endpoint) SupportedGSO() stack.SupportedGSO { return stack.GVisorGSOSupported }
func (e *endpoint) GSOMaxSize() uint32               { return stack.GVisorGSOMaxSize }

func (e *endpoint) MTU() uint32                              { return e.mtu }
func (e *endpoint) SetMTU(uint32)                            {}
func (e *endpoint) MaxHeaderLength() uint16                  { return header.EthernetMinimumSize }
func (e *endpoint) LinkAddress() tcpip.LinkAddress           { return tcpip.LinkAddress(gatewayMAC[:]) }
func (e *endpoint) SetLinkAddress(tcpip.LinkAddress)         {}
func (e *endpoint) ARPHardwareType() header.ARPHardwareType  { return header.ARPHardwareEther }
func (e *endpoint) ParseHeader(pkt *stack.PacketBuffer) bool { return true }
func (e *endpoint) Wait()                                    {}
func (e *endpoint) Close()                                   {}
func (e *endpoint) SetOnCloseAction(func())                  {}

func (e *endpoint) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityResolutionRequired
}

func (e *endpoint) Attach(d stack.NetworkDispatcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dispatcher = d
}

func (e *endpoint) IsAttached() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.dispatcher != nil
}

func (e *endpoint) AddHeader(pkt *stack.PacketBuffer) {
	header.Ethernet(pkt.LinkHeader().Push(header.EthernetMinimumSize)).Encode(&header.EthernetFields{
		SrcAddr: tcpip.LinkAddress(gatewayMAC[:]),
		DstAddr: pkt.EgressRoute.RemoteLinkAddress,
		Type:    pkt.NetworkProtocolNumber,
	})
}

// queue holds the frames that wait for the link. Without a link it holds none.
type queue struct {
	maxFrames, maxBytes int
	wake                chan struct{} // has room for one; filled when frames wait

	mu     sync.Mutex
	linked bool
	frames []*stack.PacketBuffer
	bytes  int
}

func (q *queue) push(pkt *stack.PacketBuffer) dropCause {
	size := pkt.Size()
	q.mu.Lock()
	if !q.linked {
		q.mu.Unlock()
		return dropNoLink
	}
	if len(q.frames) >= q.maxFrames || q.bytes+size > q.maxBytes {
		q.mu.Unlock()
		return dropQueueFull
	}
	q.frames = append(q.frames, pkt.Clone())
	q.bytes += size
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return keep
}

// take returns what waits, and leaves the emptied slice spare to be filled
// next.
func (q *queue) take(spare []*stack.PacketBuffer) []*stack.PacketBuffer {
	q.mu.Lock()
	defer q.mu.Unlock()
	frames := q.frames
	q.frames, q.bytes = spare[:0], 0
	return frames
}

// plug opens the queue for a link, or closes and empties it.
func (q *queue) plug(linked bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, pkt := range q.frames {
		pkt.DecRef()
	}
	q.linked, q.frames, q.bytes = linked, nil, 0
}

// read delivers frames from the link until it ends, and returns why it did:
// nil if the peer closed it between two frames.
func (n *Network) read(c link.Conn) error {
	for {
		size, err := c.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		frame := buffer.NewViewSize(size)
		if err := c.Take(frame.AsSlice()); err != nil {
			frame.Release()
			return err
		}
		n.frameFromGuest(frame)
	}
}

// frameFromGuest counts, shows and judges one frame, and passes it on.
func (n *Network) frameFromGuest(frame *buffer.View) {
	data := frame.AsSlice()
	n.count.fromGuest.add(len(data))
	if n.cfg.Observer != nil {
		n.cfg.Observer.Frame(time.Now(), FromGuest, data)
	}
	cause, request := dropMalformed, []byte(nil)
	if len(data) <= MaxMTU+etherLen {
		cause, request = n.inspector.inspect(data)
	}
	switch {
	case cause != keep:
		n.count.drops[cause].Add(1)
		frame.Release()
	case request != nil:
		n.answerDHCP(request)
		frame.Release()
	default:
		n.link.deliver(frame)
	}
}

// write sends queued frames to the link until done is closed or the link
// fails, and returns why it failed.
func (n *Network) write(c link.Conn, done <-chan struct{}) error {
	var batch []*stack.PacketBuffer
	for {
		select {
		case <-done:
			return nil
		case <-n.link.queue.wake:
		}
		batch = n.link.queue.take(batch)
		now := time.Now()
		var failed error
		for i, pkt := range batch {
			if failed == nil {
				failed = n.writeFrame(c, pkt, now)
			}
			pkt.DecRef()
			batch[i] = nil
		}
		if failed == nil {
			failed = c.Flush()
		}
		if failed != nil {
			return failed
		}
	}
}

func (n *Network) writeFrame(c link.Conn, pkt *stack.PacketBuffer, now time.Time) error {
	frame, err := c.Add(pkt.AsSlices()...)
	if err != nil {
		return err
	}
	n.count.toGuest.add(len(frame))
	if n.cfg.Observer != nil {
		n.cfg.Observer.Frame(now, ToGuest, frame)
	}
	return nil
}
