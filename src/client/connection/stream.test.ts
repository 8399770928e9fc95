import { describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { drain, failure } from "../../../tests/support/client-outcomes.ts";
import { eventually } from "../../../tests/support/grpc-fixture.ts";
import { startScriptedServer } from "../../../tests/support/scripted-server.ts";
import { GpuService } from "../../gen/device/v1alpha1/gpu_pb.ts";
import { connect } from "./connect.ts";

const { watchGpus } = GpuService.method;

describe("a stream", () => {
  const events = (count: number) => Array.from({ length: count }, (_, i) => ({ type: `E${i}` }));

  test("gives the messages in order and ends where the server ends it, each time it is looped over", async () => {
    await using server = await startScriptedServer({
      watchGpus: (send, call) => {
        for (const event of events(100)) send(event);
        call.end();
      },
    });
    await using connection = connect({ target: server.target });
    const stream = connection.serverStream(watchGpus, {});
    const wanted = events(100).map(({ type }) => type);
    expect(await drain(stream)).toEqual(wanted);
    expect(await drain(stream)).toEqual(wanted);
  });

  test("gives what came before the failure, and then the failure", async () => {
    await using server = await startScriptedServer({
      watchGpus: (send, call) => {
        for (const event of events(3)) send(event);
        call.emit("error", { code: grpc.status.OUT_OF_RANGE, details: "too old" });
      },
    });
    await using connection = connect({ target: server.target });
    const seen: string[] = [];
    const read = async () => {
      for await (const { type } of connection.serverStream(watchGpus, {})) seen.push(type);
    };
    const error = await failure(read());
    expect([error.code, error.details]).toEqual(["OUT_OF_RANGE", "too old"]);
    expect(seen).toEqual(["E0", "E1", "E2"]);
  });

  test("that is refused is opened again; one that had been open is not, before its first message either", async () => {
    const unavailable = { code: grpc.status.UNAVAILABLE, details: "draining" };
    const asked = { refused: 0, opened: 0 };
    await using server = await startScriptedServer({
      watchGpus: (_, call, { opts }) => {
        asked[opts?.namespace as "refused" | "opened"]++;
        if (opts?.namespace === "opened") call.sendMetadata(new grpc.Metadata());
        call.emit("error", unavailable);
      },
    });
    await using connection = connect({ target: server.target, retry: { maxAttempts: 3, firstMs: 1 } });
    for (const namespace of ["refused", "opened"]) {
      const error = await failure(drain(connection.serverStream(watchGpus, { opts: { namespace } })));
      expect([error.code, error.details]).toEqual(["UNAVAILABLE", "draining"]);
    }
    expect(asked).toEqual({ refused: 3, opened: 1 });
  });

  test("ends at the server when its reader leaves, and when the signal says so, without an error", async () => {
    let cancelled = 0;
    await using server = await startScriptedServer({
      watchGpus: (send, call) => {
        call.on("cancelled", () => cancelled++);
        send({ type: "E" });
      },
    });
    await using connection = connect({ target: server.target });
    for await (const _ of connection.serverStream(watchGpus, {})) break;
    await eventually(() => cancelled === 1, "the first stream to end at the server");

    const controller = new AbortController();
    for await (const _ of connection.serverStream(watchGpus, {}, { signal: controller.signal })) {
      // Once with the reader busy, so that nothing waits for the stream just then.
      controller.abort();
      await Bun.sleep(20);
    }
    await eventually(() => cancelled === 2, "the second stream to end at the server");
    expect(await drain(connection.serverStream(watchGpus, {}, { signal: controller.signal }))).toEqual([]);
  });

  test("shows nothing that came after the signal", async () => {
    await using server = await startScriptedServer({
      watchGpus: (send) => {
        for (const event of events(10)) send(event);
      },
    });
    await using connection = connect({ target: server.target });
    const controller = new AbortController();
    const seen: string[] = [];
    for await (const { type } of connection.serverStream(watchGpus, {}, { signal: controller.signal })) {
      seen.push(type);
      await Bun.sleep(50);
      controller.abort();
    }
    expect(seen).toEqual(["E0"]);
  });

  test("holds the server back while its reader is slow, and loses nothing", async () => {
    const TOTAL = 2_000;
    let sent = 0;
    await using server = await startScriptedServer({
      watchGpus: (send, call) => {
        const object = { status: { recommendedAction: "x".repeat(10_000) } };
        const pump = () => {
          while (sent < TOTAL && send({ type: `E${sent++}`, object }));
          if (sent === TOTAL) call.end();
        };
        call.on("drain", pump);
        pump();
      },
    });
    await using connection = connect({ target: server.target });
    let received = 0;
    for await (const { type } of connection.serverStream(watchGpus, {})) {
      expect(type).toBe(`E${received++}`);
      if (received === 1) {
        await Bun.sleep(300);
        // 20 MB stand ready; what the windows and the buffers take is a small part of it.
        expect(sent).toBeLessThan(TOTAL / 2);
      }
    }
    expect(received).toBe(TOTAL);
  });
});
