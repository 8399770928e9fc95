package main

import (
	"fmt"
	"time"

	"device-api-server/bench/go/device/v1alpha1"
)

// caller keeps so many calls in flight on one connection: each that ends starts the next.
type caller struct {
	conn *conn
	work *work
	// more says at the end of a call whether there is another.
	more func(now time.Time) bool
	// ended is told of each call that went well.
	ended func(s *slot, now time.Time)

	inFlight int
	calls    int
}

// slot is one call after the other.
type slot struct {
	caller  *caller
	call    call
	request int
	sent    time.Time
	replies int
	// Of the reply.
	bytes   int
	version int64
}

func (c *caller) run(outstanding int) error {
	for range outstanding {
		s := &slot{caller: c}
		s.call = call{path: c.work.path, onMessage: s.onMessage, onEnd: s.onEnd}
		if err := s.start(); err != nil {
			return err
		}
	}
	for c.inFlight > 0 {
		if err := c.conn.read(); err != nil {
			return err
		}
	}
	return nil
}

func (s *slot) start() error {
	s.request, s.call.request = s.caller.work.next()
	s.replies = 0
	s.caller.inFlight++
	s.sent = time.Now()
	return s.caller.conn.start(&s.call)
}

func (s *slot) onMessage(reply []byte) (err error) {
	s.replies++
	s.caller.calls++
	s.bytes = len(reply)
	s.version, err = s.caller.work.check(s.request, reply, s.caller.calls%sampleEvery == 0)
	return err
}

func (s *slot) onEnd(status string) error {
	if status != "0" || s.replies != 1 {
		return fmt.Errorf("%s ended with grpc-status %q after %d replies", s.call.path, status, s.replies)
	}
	now := time.Now()
	s.caller.inFlight--
	s.caller.ended(s, now)
	if s.caller.more(now) {
		return s.start()
	}
	return nil
}

func register(o options) error {
	registrations := &work{path: providerService + "RegisterGpu", check: checkRegistration}
	for gpu := o.first; gpu < o.gpus; gpu++ {
		registrations.requests = append(registrations.requests, registration(gpu))
	}
	wanted := len(registrations.requests)
	conn, err := dial(o.target)
	if err != nil {
		return err
	}
	defer conn.close()
	done := 0
	c := &caller{conn: conn, work: registrations}
	c.ended = func(*slot, time.Time) { done++ }
	c.more = func(time.Time) bool { return done+c.inFlight < wanted }
	return c.run(min(o.outstanding, wanted))
}

// listOnce is the check at the start: every GPU is there, with what it should have.
func listOnce(target string, gpus int) (*v1alpha1.GpuList, error) {
	conn, err := dial(target)
	if err != nil {
		return nil, err
	}
	defer conn.close()
	var list *v1alpha1.GpuList
	once := &work{path: gpuService + "ListGpus", requests: [][]byte{encoded(&v1alpha1.ListGpusRequest{})}}
	once.check = func(_ int, reply []byte, _ bool) (_ int64, err error) {
		list, err = decodeList(reply, gpus)
		return 0, err
	}
	c := &caller{conn: conn, work: once}
	c.ended = func(*slot, time.Time) {}
	c.more = func(time.Time) bool { return false }
	err = c.run(1)
	return list, err
}

func measureCalls(o options, done *result) error {
	list, err := listOnce(o.target, o.gpus)
	if err != nil {
		return err
	}
	calls, err := newWork(o.do, o.gpus, list)
	if err != nil {
		return err
	}
	watchers, err := openWatchers(o.target, o.watchers, o.gpus)
	if err != nil {
		return err
	}

	w := window{from: time.Now().Add(o.warmup)}
	w.to = w.from.Add(o.duration)
	samples := make([]sample, o.connections)
	ended := make(chan error, o.connections)
	for i := range samples {
		conn, err := dial(o.target)
		if err != nil {
			return err
		}
		defer conn.close()
		go func() { ended <- samples[i].take(&caller{conn: conn, work: calls}, w, o.outstanding) }()
	}
	time.Sleep(time.Until(w.from))
	start, err := startMeter(o.pid)
	if err != nil {
		return err
	}
	time.Sleep(time.Until(w.to))
	if err := start.stop(done); err != nil {
		return err
	}
	for range samples {
		if err := <-ended; err != nil {
			return err
		}
	}
	var all []time.Duration
	bytes, made, last := 0, 0, w.to
	for _, s := range samples {
		all = append(all, s.latencies...)
		bytes += s.bytes
		made += s.calls
		last = later(last, s.last)
	}
	if o.do == "update" {
		if err := watchers.await(made); err != nil {
			return err
		}
		done.Events = made * o.watchers
	}
	done.Calls, done.Seconds = len(all), last.Sub(w.from).Seconds()
	done.ReplyBytes = float64(bytes) / float64(len(all))
	done.Latency = quantiles(all)
	return nil
}

type window struct{ from, to time.Time }

// sample is of the calls of one connection that ended within the window; or of the first after it, where none did.
type sample struct {
	latencies []time.Duration
	bytes     int
	last      time.Time
	// With those before and after the window.
	calls int
}

func (m *sample) take(c *caller, w window, outstanding int) error {
	m.latencies = make([]time.Duration, 0, 1<<16)
	inWindow := func(now time.Time) bool { return now.Before(w.to) || len(m.latencies) == 0 }
	c.more = inWindow
	c.ended = func(s *slot, now time.Time) {
		if !now.Before(w.from) && inWindow(now) {
			m.latencies = append(m.latencies, now.Sub(s.sent))
			m.bytes += s.bytes
			m.last = now
		}
	}
	err := c.run(outstanding)
	m.calls = c.calls
	return err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
