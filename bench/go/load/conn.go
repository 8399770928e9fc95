package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	frameHead      = 9
	grpcHead       = 5
	windowMax      = 1<<31 - 1
	defaultWindow  = 65_535
	replenishAfter = 1 << 30
)

// conn is one HTTP/2 connection for gRPC calls, with as little work for each as can be: no goroutine of its own, no
// message is decoded, and what is written waits until all that was read is handled. One goroutine reads; any may start
// calls.
type conn struct {
	socket  io.ReadWriteCloser
	chunk   []byte
	partial []byte
	in      bytes.Reader
	framer  *http2.Framer
	decoder *hpack.Decoder
	// Of the headers that are read now.
	status string
	taken  uint32

	mu        sync.Mutex
	out       *bufio.Writer
	block     bytes.Buffer
	encoder   *hpack.Encoder
	authority string
	nextID    uint32
	calls     map[uint32]*call
	window    int64
	// Calls for which the server has no window yet, in order.
	waiting []*call
}

// call is one request and what becomes of it. Both functions run in the goroutine that reads.
type call struct {
	path      string
	request   []byte
	onMessage func(message []byte) error
	// onEnd gets the word of grpc-status; "" where the stream ended without one.
	onEnd   func(status string) error
	partial []byte
}

func newConn(socket io.ReadWriteCloser, authority string) (*conn, error) {
	c := &conn{
		socket:    socket,
		out:       bufio.NewWriterSize(socket, 4<<10),
		authority: authority,
		nextID:    1,
		calls:     make(map[uint32]*call),
		window:    defaultWindow,
	}
	c.framer = http2.NewFramer(c.out, &c.in)
	c.framer.SetReuseFrames()
	c.encoder = hpack.NewEncoder(&c.block)
	c.decoder = hpack.NewDecoder(4096, func(field hpack.HeaderField) {
		if field.Name == "grpc-status" {
			c.status = field.Value
		}
	})
	if _, err := c.out.WriteString(http2.ClientPreface); err != nil {
		return nil, err
	}
	settings := []http2.Setting{
		{ID: http2.SettingEnablePush, Val: 0},
		{ID: http2.SettingInitialWindowSize, Val: windowMax},
	}
	if err := c.framer.WriteSettings(settings...); err != nil {
		return nil, err
	}
	return c, c.framer.WriteWindowUpdate(0, windowMax-defaultWindow)
}

func (c *conn) close() { c.socket.Close() }

// start writes a request without sending it yet; see flush.
func (c *conn) start(started *call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) > 0 || c.window < int64(len(started.request)) {
		c.waiting = append(c.waiting, started)
		return nil
	}
	return c.write(started)
}

func (c *conn) write(started *call) error {
	id := c.nextID
	c.nextID += 2
	c.calls[id] = started
	c.window -= int64(len(started.request))
	c.block.Reset()
	for _, field := range [...]hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: started.path},
		{Name: ":authority", Value: c.authority},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "user-agent", Value: "device-api-bench"},
		{Name: "te", Value: "trailers"},
	} {
		if err := c.encoder.WriteField(field); err != nil {
			return err
		}
	}
	headers := http2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true}
	if err := c.framer.WriteHeaders(headers); err != nil {
		return err
	}
	return c.framer.WriteData(id, true, started.request)
}

func (c *conn) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Flush()
}

// read waits for bytes and handles them, after it has sent what there is to send.
func (c *conn) read() error {
	if err := c.flush(); err != nil {
		return err
	}
	if c.chunk == nil {
		c.chunk = make([]byte, 256<<10)
	}
	n, err := c.socket.Read(c.chunk)
	if err != nil {
		return err
	}
	return c.receive(c.chunk[:n])
}

// receive handles the frames that are whole by now, and keeps the rest.
func (c *conn) receive(chunk []byte) error {
	if len(c.partial) > 0 {
		c.partial = append(c.partial, chunk...)
		chunk = c.partial
	}
	for len(chunk) >= frameHead {
		end := frameHead + (int(chunk[0])<<16 | int(chunk[1])<<8 | int(chunk[2]))
		if len(chunk) < end {
			break
		}
		c.in.Reset(chunk[:end])
		if err := c.readFrame(); err != nil {
			return err
		}
		chunk = chunk[end:]
	}
	c.partial = append(c.partial[:0], chunk...)
	return nil
}

func (c *conn) readFrame() error {
	frame, err := c.framer.ReadFrame()
	if err != nil {
		return err
	}
	switch frame := frame.(type) {
	case *http2.DataFrame:
		return c.readData(frame)
	case *http2.HeadersFrame:
		c.status = ""
		return c.readHeaders(frame.StreamID, frame.HeaderBlockFragment(), frame.HeadersEnded(), frame.StreamEnded())
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			return c.locked(c.framer.WriteSettingsAck)
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			return c.locked(func() error { return c.framer.WritePing(true, frame.Data) })
		}
	case *http2.WindowUpdateFrame:
		if frame.StreamID == 0 {
			return c.locked(func() error { return c.widen(int64(frame.Increment)) })
		}
	case *http2.RSTStreamFrame:
		// The words of grpc-go where it had answered before it saw the end of the request.
		if frame.ErrCode == http2.ErrCodeNo && c.callOf(frame.StreamID) == nil {
			return nil
		}
		return fmt.Errorf("the server reset a stream: %v", frame.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Errorf("the server goes away: %v %s", frame.ErrCode, frame.DebugData())
	default:
		return fmt.Errorf("an unexpected frame: %v", frame.Header())
	}
	return nil
}

func (c *conn) locked(write func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return write()
}

func (c *conn) widen(bytes int64) error {
	c.window += bytes
	for len(c.waiting) > 0 && c.window >= int64(len(c.waiting[0].request)) {
		next := c.waiting[0]
		c.waiting = c.waiting[1:]
		if err := c.write(next); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) callOf(id uint32) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[id]
}

func (c *conn) readHeaders(id uint32, block []byte, headersEnded, streamEnded bool) error {
	if !headersEnded {
		return fmt.Errorf("headers of more than one frame")
	}
	if _, err := c.decoder.Write(block); err != nil {
		return err
	}
	if err := c.decoder.Close(); err != nil {
		return err
	}
	if streamEnded {
		return c.end(id, c.status)
	}
	return nil
}

func (c *conn) readData(frame *http2.DataFrame) error {
	reply := c.callOf(frame.StreamID)
	if reply == nil {
		return fmt.Errorf("data on stream %d, which is not open", frame.StreamID)
	}
	if err := reply.take(frame.Data()); err != nil {
		return err
	}
	if c.taken += frame.Length; c.taken >= replenishAfter {
		increment := c.taken
		c.taken = 0
		if err := c.locked(func() error { return c.framer.WriteWindowUpdate(0, increment) }); err != nil {
			return err
		}
	}
	if frame.StreamEnded() {
		return c.end(frame.StreamID, "")
	}
	return nil
}

func (c *conn) end(id uint32, status string) error {
	c.mu.Lock()
	ended := c.calls[id]
	delete(c.calls, id)
	c.mu.Unlock()
	if ended == nil {
		return fmt.Errorf("the end of stream %d, which is not open", id)
	}
	if len(ended.partial) > 0 {
		return fmt.Errorf("a message of %s is cut short", ended.path)
	}
	return ended.onEnd(status)
}

// take finds the messages in the bytes of a stream; a message is valid until onMessage returns.
func (r *call) take(bytes []byte) error {
	if len(r.partial) > 0 {
		r.partial = append(r.partial, bytes...)
		bytes = r.partial
	}
	for len(bytes) >= grpcHead {
		end := grpcHead + int(binary.BigEndian.Uint32(bytes[1:]))
		if len(bytes) < end {
			break
		}
		if err := r.onMessage(bytes[grpcHead:end]); err != nil {
			return err
		}
		bytes = bytes[end:]
	}
	r.partial = append(r.partial[:0], bytes...)
	return nil
}

// frame puts the head of a gRPC message before it.
func frame(message []byte) []byte {
	head := make([]byte, grpcHead, grpcHead+len(message))
	binary.BigEndian.PutUint32(head[1:], uint32(len(message)))
	return append(head, message...)
}
