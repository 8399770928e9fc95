// Command go lists the GPUs of this node and then follows every change, on the Go stubs of the device API. Where the
// server has forgotten what came after the list, it lists again; where the server is away, it waits and goes on.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"device-api-server/examples/go/device/v1alpha1"
)

const (
	defaultTarget = "unix:///var/run/device-api/device.sock"
	retryAfter    = time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	target := cmp.Or(os.Getenv("NVIDIA_DEVICE_API_TARGET"), defaultTarget)
	if err := follow(ctx, target); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// follow returns when the context is done, or with an error that waiting does not mend.
func follow(ctx context.Context, target string) error {
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	gpus := v1alpha1.NewGpuServiceClient(conn)
	for {
		err := listAndWatch(ctx, gpus)
		switch status.Code(err) {
		case codes.OutOfRange:
			continue
		case codes.OK, codes.Unavailable:
			log.Printf("the server is away (%v); trying again", err)
		default:
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryAfter):
		}
	}
}

// listAndWatch shows a snapshot and every change after it. It returns nil where the server ends the watch in peace.
func listAndWatch(ctx context.Context, gpus v1alpha1.GpuServiceClient) error {
	reply, err := gpus.ListGpus(ctx, &v1alpha1.ListGpusRequest{})
	if err != nil {
		return err
	}
	list := reply.GetGpuList()
	for _, gpu := range list.GetItems() {
		fmt.Println(line(gpu))
	}
	opts := &v1alpha1.ListOptions{ResourceVersion: list.GetMetadata().GetResourceVersion()}
	watch, err := gpus.WatchGpus(ctx, &v1alpha1.WatchGpusRequest{Opts: opts})
	if err != nil {
		return err
	}
	for {
		event, err := watch.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Println(event.GetType(), line(event.GetObject()))
	}
}

// line is the server's verdict on a GPU: "gpu-0 Ready=False XidError".
func line(gpu *v1alpha1.Gpu) string {
	for _, condition := range gpu.GetStatus().GetConditions() {
		if condition.GetType() == "Ready" {
			return fmt.Sprintf("%s Ready=%s %s", gpu.GetMetadata().GetName(), condition.GetStatus(), condition.GetReason())
		}
	}
	return gpu.GetMetadata().GetName() + " not reported yet"
}
