package main

import (
	"fmt"
	"time"
)

// updater sends updates on one connection, and keeps when it sent that of which version.
type updater struct {
	conn *conn
	work *work
	sent map[int64]time.Time
}

func measureFanOut(o options, done *result) error {
	if _, err := listOnce(o.target, o.gpus); err != nil {
		return err
	}
	watchers, err := openWatchers(o.target, o.watchers, o.gpus)
	if err != nil {
		return err
	}
	updates, err := newWork("update", o.gpus, nil)
	if err != nil {
		return err
	}
	conn, err := dial(o.target)
	if err != nil {
		return err
	}
	defer conn.close()
	u := &updater{conn: conn, work: updates, sent: make(map[int64]time.Time)}
	if err := u.burst(o.warmUpdates, o.outstanding); err != nil {
		return err
	}
	if err := watchers.await(o.warmUpdates); err != nil {
		return err
	}

	clear(u.sent)
	start, err := startMeter(o.pid)
	if err != nil {
		return err
	}
	if o.rate > 0 {
		err = u.paced(o.updates, o.rate)
	} else {
		err = u.burst(o.updates, o.outstanding)
	}
	if err != nil {
		return err
	}
	if err := watchers.await(o.warmUpdates + o.updates); err != nil {
		return err
	}
	if err := start.stop(done); err != nil {
		return err
	}
	latencies, took, err := u.join(watchers, o.warmUpdates)
	done.Calls, done.Events = o.updates, len(latencies)
	done.Seconds, done.Latency = took.Seconds(), quantiles(latencies)
	return err
}

// burst has so many calls in flight until all are made.
func (u *updater) burst(updates, outstanding int) error {
	done := 0
	c := u.caller()
	c.more = func(time.Time) bool { return done+c.inFlight < updates }
	keep := c.ended
	c.ended = func(s *slot, now time.Time) {
		done++
		keep(s, now)
	}
	return c.run(min(outstanding, updates))
}

// paced sends at its times whatever the server does.
func (u *updater) paced(updates int, rate float64) error {
	c := u.caller()
	c.more = func(time.Time) bool { return false }
	start := time.Now()
	ticks := make(chan error, 1)
	slots := make([]slot, updates)
	for i := range slots {
		slots[i].caller = c
		slots[i].call = call{path: u.work.path, onMessage: slots[i].onMessage, onEnd: slots[i].onEnd}
	}
	c.inFlight = updates
	go func() {
		for i := range slots {
			time.Sleep(time.Until(start.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
			s := &slots[i]
			s.request, s.call.request = u.work.next()
			s.sent = time.Now()
			if err := u.conn.start(&s.call); err != nil {
				ticks <- err
				return
			}
			if err := u.conn.flush(); err != nil {
				ticks <- err
				return
			}
		}
		ticks <- nil
	}()
	for c.inFlight > 0 {
		if err := u.conn.read(); err != nil {
			return err
		}
	}
	return <-ticks
}

func (u *updater) caller() *caller {
	return &caller{conn: u.conn, work: u.work, ended: func(s *slot, _ time.Time) { u.sent[s.version] = s.sent }}
}

// join finds for each event at each watcher, but the first ones, the update that it came from. It returns how long they
// took, and the time from the first update to the last event.
func (u *updater) join(watchers *watchers, skipped int) ([]time.Duration, time.Duration, error) {
	var first, last time.Time
	for _, sent := range u.sent {
		if first.IsZero() || sent.Before(first) {
			first = sent
		}
	}
	latencies := make([]time.Duration, 0, len(u.sent)*len(watchers.all))
	for _, w := range watchers.all {
		for _, arrival := range w.arrivals[skipped:] {
			sent, known := u.sent[arrival.version]
			if !known {
				return nil, 0, fmt.Errorf("an event of version %d, which no update made", arrival.version)
			}
			latencies = append(latencies, arrival.at.Sub(sent))
			if arrival.at.After(last) {
				last = arrival.at
			}
		}
	}
	return latencies, last.Sub(first), nil
}
