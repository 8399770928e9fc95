import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  NVML_CALLS,
  NVML_EVENT,
  NVML_FIELD,
  NVML_GPU,
  NVML_INSTANCE,
  NVML_PULSE,
  NVML_ROUND,
  NVML_STAGE,
  NVML_STATE,
  NVML_STATUS,
} from "../../native/nvml-abi.gen.ts";
import { createFrameDecoder, encodeEventThread, encodeFrame, encodeGap, encodeHello, HEAD_BYTES } from "./frames.ts";
import type { HostMessage } from "./sample.ts";

const RUNS = { numRuns: 300 };
const HANGING = NVML_CALLS.indexOf("nvmlDeviceGetTemperature");

function struct(size: number, fill: (view: DataView, bytes: Buffer) => void): Uint8Array {
  const bytes = Buffer.alloc(size);
  fill(new DataView(bytes.buffer, bytes.byteOffset, size), bytes);
  return bytes;
}

function status(state: number, stage: number, message: string): Uint8Array {
  const payload = struct(NVML_STATUS.size, (view, bytes) => {
    view.setUint32(NVML_STATUS.state, state, true);
    view.setUint32(NVML_STATUS.stage, stage, true);
    view.setUint32(NVML_STATUS.gpuCount, 8, true);
    view.setUint32(NVML_STATUS.events, 1, true);
    bytes.write(message, NVML_STATUS.message, "latin1");
  });
  return encodeFrame("status", payload);
}

function round(uuids: readonly string[], change: (view: DataView) => void = () => {}): Uint8Array {
  const payload = struct(NVML_ROUND.size + uuids.length * NVML_GPU.size, (view, bytes) => {
    view.setUint32(NVML_ROUND.round, 7, true);
    view.setUint32(NVML_ROUND.gpuCount, uuids.length, true);
    for (const [i, uuid] of uuids.entries()) {
      const at = NVML_ROUND.size + i * NVML_GPU.size;
      bytes.write(uuid, at + NVML_GPU.uuid, "latin1");
      view.setUint32(at + NVML_GPU.temperatureC, 40 + i, true);
      view.setUint32(at + NVML_GPU.present, 1 << NVML_FIELD.temperature, true);
    }
    change(view);
  });
  return encodeFrame("round", payload);
}

function events(uuids: readonly string[]): Uint8Array {
  const payload = struct(uuids.length * NVML_EVENT.size, (view, bytes) => {
    for (const [i, uuid] of uuids.entries()) {
      const at = i * NVML_EVENT.size;
      view.setBigUint64(at + NVML_EVENT.seq, BigInt(i), true);
      view.setBigUint64(at + NVML_EVENT.eventData, 79n, true);
      view.setUint32(at + NVML_EVENT.gpuInstance, 0xffff_ffff, true);
      view.setUint32(at + NVML_EVENT.computeInstance, 3, true);
      bytes.write(uuid, at + NVML_EVENT.uuid, "latin1");
    }
  });
  return encodeFrame("events", payload);
}

function pulse(call: number): Uint8Array {
  const payload = struct(NVML_PULSE.size, (view) => {
    view.setBigUint64(NVML_PULSE.monoNs, 9n, true);
    view.setUint32(NVML_PULSE.samplerCall, call, true);
    view.setBigUint64(NVML_PULSE.samplerSinceNs, 5n, true);
  });
  return encodeFrame("pulse", payload);
}

function decode(...chunks: readonly Uint8Array[]): { messages: HostMessage[]; fault: string | undefined } {
  const decoder = createFrameDecoder();
  decoder.push(encodeHello("0.0.0-test"));
  const messages = chunks.flatMap((chunk) => decoder.push(chunk));
  return { messages, fault: decoder.fault };
}

const frames = fc.array(
  fc.oneof(
    fc.array(fc.stringMatching(/^GPU-[0-9a-f]{8}$/), { maxLength: 4 }).map((uuids) => round(uuids)),
    fc.array(fc.stringMatching(/^(GPU-[0-9a-f]{8})?$/), { minLength: 1, maxLength: 4 }).map(events),
    fc.bigInt({ min: 1n, max: 2n ** 40n }).map(encodeGap),
    fc.tuple(fc.boolean(), fc.nat(1_000)).map(([running, code]) => encodeEventThread(running, code)),
    fc.nat(NVML_CALLS.length - 1).map(pulse),
    fc.constant(status(NVML_STATE.running, NVML_STAGE.none, "")),
  ),
  { maxLength: 12 },
);

test("frames say the same however they are cut", () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(), { maxLength: 40 }), (list, cuts) => {
      const bytes = Buffer.concat(list);
      const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1))), 0, bytes.length].sort((a, b) => a - b);
      const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
      const whole = decode(bytes);
      expect(whole.fault).toBeUndefined();
      expect(decode(...chunks)).toEqual(whole);
      expect(decode(...[...bytes.subarray(0, 3_000)].map((byte) => Uint8Array.of(byte))).fault).toBeUndefined();
    }),
    RUNS,
  );
});

test("bytes that are no frames are a fault, after which nothing comes", () => {
  fc.assert(
    fc.property(frames, fc.uint8Array({ minLength: HEAD_BYTES, maxLength: 200 }), (list, garbage) => {
      fc.pre(garbage[0] !== 0x4e || garbage[1] !== 0x56);
      const before = decode(Buffer.concat(list)).messages;
      const { messages, fault } = decode(Buffer.concat(list), garbage, pulse(0));
      expect(messages).toEqual(before);
      expect(fault).toStartWith("no frame begins with ");
    }),
    RUNS,
  );
});

test("frames of a process that has not said which build it is of, or says it twice, are not read", () => {
  const decoder = createFrameDecoder();
  expect(decoder.push(encodeGap(7n))).toEqual([]);
  expect(decoder.fault).toBe("a gap frame out of turn");
  expect(decode(encodeGap(7n), encodeHello("0.0.0-test"))).toMatchObject({
    messages: [{ kind: "gap", dropped: 7 }],
    fault: "a hello frame out of turn",
  });
});

test("frames of another build are not read, and the fault says of which one and what to do", () => {
  const others = [
    encodeHello("9.9\u001b", 77),
    encodeHello("9.9\u001b", undefined, 78),
    encodeFrame("hello", new Uint8Array(3)),
  ];
  const faults = others.map((hello) => {
    const decoder = createFrameDecoder();
    expect(decoder.push(Buffer.concat([hello, encodeGap(7n)]))).toEqual([]);
    return decoder.fault;
  });
  expect(faults[0]).toMatch(/^it is another build of this program, of version "9.9\\u001b" \(frames 77, structs \d+; /);
  expect(faults[1]).toMatch(/ \(frames 1, structs 78; the server has 1 and \d+\): restart the server$/);
  expect(faults[2]).toBe("a hello of 3 bytes");
  expect(encodeHello("v".repeat(200)).length).toBe(HEAD_BYTES + 8 + 64);
});

test("text in the place of a frame can be read in the fault", () => {
  expect(decode(Buffer.from("hello\u009b31m, here is a library")).fault).toBe(
    'no frame begins with 68656c6c6fc29b33, as text "hello\u00c2\\u009b3"',
  );
});

test("a frame with any bytes changed is read or refused, and never throws", () => {
  const change = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(frames, fc.array(change, { maxLength: 20 }), (list, changes) => {
      const bytes = Buffer.concat(list);
      for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
      const { messages, fault } = decode(bytes);
      expect(fault === undefined || fault.length > 0).toBe(true);
      expect(Array.isArray(messages)).toBe(true);
    }),
    RUNS,
  );
});

test("a round is its GPUs, with what they do not have left out", () => {
  const { messages } = decode(round(["GPU-a", "GPU-b"]));
  expect(messages).toMatchObject([{ kind: "round", round: { round: 7, code: 0 } }]);
  const [message] = messages;
  const gpu = message?.kind === "round" ? message.round.gpus[1] : undefined;
  expect(gpu).toMatchObject({ uuid: "GPU-b", temperatureC: 41, powerMw: undefined, mig: undefined, nvLinks: [] });
});

test("MIG instances are those that are counted, with the numbers that the driver tells", () => {
  const bytes = round(["GPU-a"], (view) => {
    const at = NVML_ROUND.size;
    const one = at + NVML_GPU.instances;
    view.setUint32(at + NVML_GPU.present, 1 << NVML_FIELD.migInstances, true);
    view.setUint32(at + NVML_GPU.instanceCount, 1, true);
    view.setUint32(one + NVML_INSTANCE.gpuInstance, 9, true);
    view.setUint32(one + NVML_INSTANCE.computeInstance, 0xffff_ffff, true);
    for (const [i, char] of [..."MIG-a"].entries()) view.setUint8(one + NVML_INSTANCE.uuid + i, char.charCodeAt(0));
  });
  const [message] = decode(bytes).messages;
  const instances = message?.kind === "round" ? message.round.gpus[0]?.instances : undefined;
  expect(instances).toEqual([{ uuid: "MIG-a", gpuInstance: 9, computeInstance: undefined }]);
  const [without] = decode(round(["GPU-a"])).messages;
  expect(without?.kind === "round" && without.round.gpus[0]?.instances).toBeUndefined();
});

test("an event without a known device or a MIG instance says neither", () => {
  const [message] = decode(events([""])).messages;
  expect(message).toMatchObject({
    kind: "event",
    event: { data: 79n, uuid: undefined, gpuInstance: undefined, computeInstance: 3 },
  });
});

test("what runs is named", () => {
  const sampler = { name: "nvmlDeviceGetTemperature", sinceNs: 5n };
  expect(decode(pulse(HANGING)).messages).toEqual([{ kind: "pulse", monoNs: 9n, sampler, eventThread: undefined }]);
});

test("a failure says its stage and its reason", () => {
  const failed = { kind: "failed", stage: "init", code: 0, message: "no driver" } as const;
  expect(decode(status(NVML_STATE.failed, NVML_STAGE.init, "no driver")).messages).toEqual([failed]);
  expect(decode(status(NVML_STATE.failed, NVML_STAGE.none, "")).fault).toBe("a failure in stage 0");
  expect(decode(status(NVML_STATE.ended, NVML_STAGE.none, "")).fault).toBe("a status of state 3");
});

test("no frame makes the decoder hold more than the longest that there is", () => {
  const head = encodeFrame("round", new Uint8Array(0));
  new DataView(head.buffer).setUint32(4, 0xffff_fff0, true);
  expect(decode(head).fault).toBe("a round frame of 4294967280 bytes is too long");
});

test("counts beyond what a struct has are refused", () => {
  const at = NVML_ROUND.size;
  const set = (offset: number, value: number) => round(["GPU-a"], (view) => view.setUint32(offset, value, true));
  expect(decode(set(at + NVML_GPU.failureCount, 25)).fault).toBe("25 failures");
  expect(decode(set(at + NVML_GPU.linkCount, 37)).fault).toBe("37 NVLinks");
  expect(decode(set(at + NVML_GPU.instanceCount, 8)).fault).toBe("8 MIG instances");
  expect(decode(set(NVML_ROUND.gpuCount, 257)).fault).toBe("a round of 257 GPUs");
  expect(decode(set(NVML_ROUND.gpuCount, 2)).fault).toBe("a round frame of 1896 bytes, not 3768");
  expect(decode(round([""])).fault).toBe("a reading of a GPU without a UUID");
  expect(decode(pulse(NVML_CALLS.length)).fault).toBe(`a call of number ${NVML_CALLS.length}`);
});
