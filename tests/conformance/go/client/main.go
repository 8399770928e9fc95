// Plays the checks of the conformance tests as a grpc-go client: one line of JSON for each, with what was seen.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	mib     = 1 << 20
	service = "/test.Clients/"
)

// Messages are plain bytes.
type bytesCodec struct{}

func (bytesCodec) Name() string                  { return "proto" }
func (bytesCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(data)
	return nil
}

type client struct{ *grpc.ClientConn }

func (c client) unary(ctx context.Context, method string, request []byte, options ...grpc.CallOption) ([]byte, error) {
	var reply []byte
	err := c.Invoke(ctx, service+method, &request, &reply, options...)
	return reply, err
}

func (c client) stream(ctx context.Context, method string, request []byte) (grpc.ClientStream, error) {
	stream, err := c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, service+method)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(&request); err != nil {
		return nil, err
	}
	return stream, stream.CloseSend()
}

func (c client) count(ctx context.Context, method string, request []byte) (messages, size int, err error) {
	stream, err := c.stream(ctx, method, request)
	for err == nil {
		var message []byte
		if err = stream.RecvMsg(&message); err == nil {
			messages++
			size += len(message)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return messages, size, err
}

// What a check has seen, in the words that all clients have in common.
type seen = string

func told(err error) seen {
	if err == nil {
		return "OK"
	}
	s := status.Convert(err)
	return fmt.Sprintf("%s %s", name(s.Code()), s.Message())
}

// The specification's name of a code: DEADLINE_EXCEEDED.
func name(code codes.Code) string {
	if code == codes.Canceled {
		return "CANCELLED"
	}
	var out strings.Builder
	for i, r := range code.String() {
		if i > 0 && r >= 'A' && r <= 'Z' {
			out.WriteByte('_')
		}
		out.WriteRune(r)
	}
	return strings.ToUpper(out.String())
}

func codeOf(err error) seen { return strings.SplitN(told(err), " ", 2)[0] }

func main() {
	connection, err := grpc.NewClient(os.Args[1],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(bytesCodec{}), grpc.MaxCallRecvMsgSize(8*mib)))
	if err != nil {
		panic(err)
	}
	c := client{connection}
	ctx := context.Background()
	checks := []struct {
		name string
		run  func() seen
	}{
		{"unary", func() seen {
			reply, err := c.unary(ctx, "Echo", []byte("hi"))
			return told(err) + " " + string(reply)
		}},
		{"unary of 4 MiB both ways", func() seen {
			request := bytes.Repeat([]byte{7}, 4*mib)
			reply, err := c.unary(ctx, "Echo", request)
			return fmt.Sprintf("%s %d %t", told(err), len(reply), bytes.Equal(reply, request))
		}},
		{"10 times 4 MiB at once", func() seen {
			return c.parallel(10, func(i int) seen {
				reply, err := c.unary(ctx, "Echo", bytes.Repeat([]byte{byte(i)}, 4*mib))
				return fmt.Sprintf("%s %d", told(err), len(reply))
			})
		}},
		{"a message over the limit", func() seen {
			_, err := c.unary(ctx, "Echo", make([]byte, 5*mib))
			return codeOf(err)
		}},
		{"compressed", func() seen {
			reply, err := c.unary(ctx, "Echo", bytes.Repeat([]byte("a"), 100_000), grpc.UseCompressor(gzip.Name))
			return fmt.Sprintf("%s %d", told(err), len(reply))
		}},
		{"a stream of 10,000 messages", func() seen {
			messages, size, err := c.count(ctx, "Count", []byte("10000 10"))
			return fmt.Sprintf("%s %d %d", told(err), messages, size)
		}},
		{"a stream of 50 MiB", func() seen {
			messages, size, err := c.count(ctx, "Count", []byte(fmt.Sprint("50 ", mib)))
			return fmt.Sprintf("%s %d %d", told(err), messages, size)
		}},
		{"a status with a text", func() seen {
			_, err := c.unary(ctx, "Fail", nil)
			return told(err)
		}},
		{"a status behind messages", func() seen {
			messages, _, err := c.count(ctx, "FailLate", nil)
			return fmt.Sprintf("%s %d", told(err), messages)
		}},
		{"an unknown method", func() seen {
			_, err := c.unary(ctx, "Nope", nil)
			return codeOf(err)
		}},
		{"an unknown service", func() seen {
			request, reply := []byte{}, []byte{}
			return codeOf(c.Invoke(ctx, "/test.Nope/Nope", &request, &reply))
		}},
		{"a deadline of a unary call", func() seen {
			limited, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			_, err := c.unary(limited, "Wait", []byte("go deadline"))
			return codeOf(err)
		}},
		{"a deadline of a stream", func() seen {
			limited, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			messages, _, err := c.count(limited, "Hold", []byte("go deadline of a stream"))
			return fmt.Sprintf("%s %d", codeOf(err), messages)
		}},
		{"a deadline of a year", func() seen {
			limited, cancel := context.WithTimeout(ctx, 366*24*time.Hour)
			defer cancel()
			reply, err := c.unary(limited, "Echo", []byte("hi"))
			return told(err) + " " + string(reply)
		}},
		{"a cancelled unary call", func() seen {
			cancelled, cancel := context.WithCancel(ctx)
			time.AfterFunc(200*time.Millisecond, cancel)
			_, err := c.unary(cancelled, "Wait", []byte("go cancel"))
			return codeOf(err)
		}},
		{"a cancelled stream", func() seen {
			cancelled, cancel := context.WithCancel(ctx)
			time.AfterFunc(200*time.Millisecond, cancel)
			messages, _, err := c.count(cancelled, "Hold", []byte("go cancel of a stream"))
			return fmt.Sprintf("%s %d", codeOf(err), messages)
		}},
		{"metadata", func() seen {
			out := metadata.AppendToOutgoingContext(ctx, "x-text", strings.Repeat("v", 6_000), "x-bin", "\x00\xff\x80")
			reply, err := c.unary(out, "Echo", []byte("hi"))
			return told(err) + " " + string(reply)
		}},
		{"1,000 calls at once", func() seen {
			return c.parallel(1_000, func(i int) seen {
				reply, err := c.unary(ctx, "Echo", []byte(fmt.Sprint(i)))
				return fmt.Sprintf("%s %t", told(err), string(reply) == fmt.Sprint(i))
			})
		}},
		{"1,000 streams at once", func() seen {
			return c.parallel(1_000, func(int) seen {
				messages, size, err := c.count(ctx, "Count", []byte("20 100"))
				return fmt.Sprintf("%s %d %d", told(err), messages, size)
			})
		}},
		{"1,000 streams that are open side by side", c.openSideBySide},
	}
	for _, check := range checks {
		line, _ := json.Marshal(map[string]string{"name": check.name, "seen": check.run()})
		fmt.Println(string(line))
	}
}

// What all have seen, where they have seen the same.
func (c client) parallel(count int, run func(int) seen) seen {
	var wait sync.WaitGroup
	all := make([]seen, count)
	for i := range count {
		wait.Go(func() { all[i] = run(i) })
	}
	wait.Wait()
	for i, one := range all {
		if one != all[0] {
			return fmt.Sprintf("%d saw %s, %d saw %s", 0, all[0], i, one)
		}
	}
	return all[0]
}

// All have their first message while all are open, and end when they are cancelled.
func (c client) openSideBySide() seen {
	cancelled, cancel := context.WithCancel(context.Background())
	defer cancel()
	var open sync.WaitGroup
	open.Add(1_000)
	return c.parallel(1_000, func(int) seen {
		stream, err := c.stream(cancelled, "Hold", []byte("go many"))
		if err == nil {
			var message []byte
			err = stream.RecvMsg(&message)
		}
		open.Done()
		if err != nil {
			return told(err)
		}
		open.Wait()
		cancel()
		var message []byte
		return codeOf(stream.RecvMsg(&message))
	})
}
