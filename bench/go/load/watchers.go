package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"

	"device-api-server/bench/go/device/v1alpha1"
)

const (
	// Watches that are opened at the same time.
	openers = 32
	// Sockets that are asked for at a time.
	pollEvents = 512
	readBytes  = 256 << 10
	// A limit against hangs, not on speed.
	awaitLimit = 30 * time.Second
)

type arrival struct {
	version int64
	at      time.Time
}

// watchers are read by one goroutine: one poll over all sockets, one read for each that is ready. A goroutine for each
// would take several times as long for an event, which is more than a server takes. They last as long as the process.
type watchers struct {
	all       []*watcher
	epoll     int
	delivered atomic.Int64
	broken    chan struct{}
	// Why, once it is broken.
	err error
}

// watcher is one watch on a connection of its own.
type watcher struct {
	owner    *watchers
	socket   descriptor
	conn     *conn
	gpus     int
	present  int
	opened   chan struct{}
	version  int64
	arrivals []arrival
}

// openWatchers returns when each of them has been shown every GPU.
func openWatchers(target string, count, gpus int) (*watchers, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	ws := &watchers{all: make([]*watcher, count), epoll: epoll, broken: make(chan struct{})}
	for i := range ws.all {
		ws.all[i] = &watcher{owner: ws, gpus: gpus, opened: make(chan struct{})}
	}
	go func() {
		ws.err = ws.poll()
		close(ws.broken)
	}()
	var opening sync.WaitGroup
	var next atomic.Int64
	failed := make(chan error, openers)
	for range min(openers, count) {
		opening.Go(func() {
			for i := next.Add(1) - 1; i < int64(count); i = next.Add(1) - 1 {
				if err := ws.all[i].open(target, int32(i)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	opening.Wait()
	select {
	case err := <-failed:
		return nil, err
	default:
		return ws, nil
	}
}

func (w *watcher) open(target string, index int32) (err error) {
	if w.socket, err = dialDescriptor(target); err != nil {
		return err
	}
	_, _, authority := splitTarget(target)
	if w.conn, err = newConn(w.socket, authority); err != nil {
		return err
	}
	request := encoded(&v1alpha1.WatchGpusRequest{})
	watch := &call{path: gpuService + "WatchGpus", request: request, onMessage: w.onEvent, onEnd: w.onEnd}
	if err := w.conn.start(watch); err != nil {
		return err
	}
	if err := w.conn.flush(); err != nil {
		return err
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: index}
	if err := unix.EpollCtl(w.owner.epoll, unix.EPOLL_CTL_ADD, int(w.socket), &event); err != nil {
		return err
	}
	select {
	case <-w.opened:
		return nil
	case <-w.owner.broken:
		return w.owner.err
	}
}

// poll reads for ever; it returns why it cannot.
func (ws *watchers) poll() error {
	ready := make([]unix.EpollEvent, pollEvents)
	chunk := make([]byte, readBytes)
	for {
		n, err := unix.EpollWait(ws.epoll, ready, -1)
		if err != nil && err != unix.EINTR {
			return err
		}
		for _, event := range ready[:max(n, 0)] {
			if err := ws.all[event.Fd].read(chunk); err != nil {
				return fmt.Errorf("watch %d: %w", event.Fd, err)
			}
		}
	}
}

func (w *watcher) read(chunk []byte) error {
	n, err := w.socket.Read(chunk)
	if err != nil {
		return err
	}
	if n == 0 {
		return io.ErrUnexpectedEOF
	}
	if err := w.conn.receive(chunk[:n]); err != nil {
		return err
	}
	return w.conn.flush()
}

func (w *watcher) onEnd(status string) error {
	return fmt.Errorf("ended with grpc-status %q", status)
}

func (w *watcher) onEvent(event []byte) error {
	version, err := versionOfEvent(event)
	if err != nil {
		return err
	}
	if w.present < w.gpus {
		w.present++
		w.version = max(w.version, version)
		if w.present == w.gpus {
			close(w.opened)
		}
		return checkEvent(event, "ADDED")
	}
	if version <= w.version {
		return fmt.Errorf("version %d after %d", version, w.version)
	}
	w.version = version
	w.arrivals = append(w.arrivals, arrival{version, time.Now()})
	w.owner.delivered.Add(1)
	if len(w.arrivals)%sampleEvery == 1 {
		return checkEvent(event, "MODIFIED")
	}
	return nil
}

func checkEvent(event []byte, kind string) error {
	var decoded v1alpha1.WatchGpusResponse
	if err := proto.Unmarshal(event, &decoded); err != nil {
		return err
	}
	if decoded.Type != kind {
		return fmt.Errorf("an event of type %s, not %s", decoded.Type, kind)
	}
	return checkGpu(decoded.Object)
}

// await returns when each watcher has got so many events since it was opened.
func (ws *watchers) await(events int) error {
	want := int64(events * len(ws.all))
	late := time.After(awaitLimit)
	for ws.delivered.Load() < want {
		select {
		case <-ws.broken:
			return ws.err
		case <-late:
			return fmt.Errorf("%d events of %d reached the watchers", ws.delivered.Load(), want)
		case <-time.After(time.Millisecond):
		}
	}
	if got := ws.delivered.Load(); got != want {
		return fmt.Errorf("%d events, and %d were sent", got, want)
	}
	return nil
}
