package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"device-api-server/bench/go/device/v1alpha1"
)

const (
	watchBuffer = 4 << 10
	// Watches that are opened at the same time.
	openers = 32
	// A limit against hangs, not on speed.
	awaitLimit = 30 * time.Second
)

type arrival struct {
	version int64
	at      time.Time
}

type watchers struct {
	all       []*watcher
	delivered atomic.Int64
	failed    chan error
	closed    atomic.Bool
}

// watcher reads one watch on a connection of its own.
type watcher struct {
	owner    *watchers
	conn     *conn
	gpus     int
	present  int
	opened   chan struct{}
	version  int64
	arrivals []arrival
}

// openWatchers returns when each of them has been shown every GPU.
func openWatchers(target string, count, gpus int) (*watchers, error) {
	ws := &watchers{all: make([]*watcher, count), failed: make(chan error, count+openers)}
	var opening sync.WaitGroup
	var next atomic.Int64
	for range min(openers, count) {
		opening.Go(func() {
			for i := next.Add(1) - 1; i < int64(count); i = next.Add(1) - 1 {
				w, err := ws.open(target, gpus)
				ws.all[i] = w
				if err != nil {
					ws.failed <- err
					return
				}
			}
		})
	}
	opening.Wait()
	select {
	case err := <-ws.failed:
		ws.close()
		return nil, err
	default:
		return ws, nil
	}
}

func (ws *watchers) open(target string, gpus int) (*watcher, error) {
	conn, err := dial(target, watchBuffer)
	if err != nil {
		return nil, err
	}
	w := &watcher{owner: ws, conn: conn, gpus: gpus, opened: make(chan struct{})}
	request := encoded(&v1alpha1.WatchGpusRequest{})
	if err := conn.start(&call{
		path: gpuService + "WatchGpus", request: request, onMessage: w.onEvent, onEnd: w.onEnd,
	}); err != nil {
		return w, err
	}
	ended := make(chan error, 1)
	go func() {
		err := w.read()
		ended <- err
		if !ws.closed.Load() {
			ws.failed <- err
		}
	}()
	select {
	case <-w.opened:
		return w, nil
	case err := <-ended:
		return w, err
	}
}

func (w *watcher) read() error {
	for {
		if err := w.conn.read(); err != nil {
			return fmt.Errorf("a watch: %w", err)
		}
	}
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
		case err := <-ws.failed:
			return err
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

func (ws *watchers) close() {
	ws.closed.Store(true)
	for _, w := range ws.all {
		if w != nil {
			w.conn.close()
		}
	}
}
