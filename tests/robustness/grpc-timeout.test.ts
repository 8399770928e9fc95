import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../src/base/clock.ts";
import { Code } from "../../src/base/status-error.ts";
import type { Call, Method } from "../../src/service/call.ts";
import { eventually, type GrpcFixture, startGrpcFixture } from "../support/grpc-fixture.ts";
import { connectHttp2, frame } from "../support/http2-client.ts";

/** T-GRPC-2: what a grpc-timeout header does: what the specification says, whatever its length. */

const WAIT = "/test.Timeout/Wait";
const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;
/** A call that outlives this has outlived every short timeout of the table. */
const ANSWER_AFTER_MS = 150;

/** Answers after a while with the time that the handler believed to have, in milliseconds; "none" for no deadline. */
const wait: Method = {
  kind: "unary",
  name: WAIT.slice(1),
  access: "read",
  async handle(_request: Uint8Array, call: Call) {
    const leftMs = call.deadlineMs === undefined ? "none" : String(call.deadlineMs - systemClock.monotonicMs());
    await new Promise((resolve) => setTimeout(resolve, ANSWER_AFTER_MS));
    return Buffer.from(leftMs);
  },
};

let fixture: GrpcFixture;
beforeAll(async () => {
  fixture = await startGrpcFixture([wait]);
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
});

async function callWith(timeout: string) {
  using client = connectHttp2(fixture.path);
  const body = [frame(Buffer.alloc(0))];
  const reply = await client.call({ path: WAIT, headers: { "grpc-timeout": timeout }, body });
  return { code: reply.grpcStatus, left: reply.body.subarray(5).toString() };
}

describe("a grpc-timeout of", () => {
  test.each(["0n", "1n", "999999n", "1u", "0S", "1m", "20m"])(
    "%s ends the call with DEADLINE_EXCEEDED",
    async (timeout) => {
      fixture.ends.length = 0;
      const { code } = await callWith(timeout);

      expect(code).toBe(Code.DEADLINE_EXCEEDED);
      await eventually(() => fixture.ends.length === 1, "the end is reported");
      expect(fixture.ends[0]?.code).toBe("DEADLINE_EXCEEDED");
    },
  );

  test.each([
    ["5S", 5 * SECOND_MS],
    ["60000m", 60 * SECOND_MS],
    ["3M", 180 * SECOND_MS],
    ["1H", HOUR_MS],
    ["596H", 596 * HOUR_MS],
    ["2147483S", 2_147_483 * SECOND_MS],
    ["2147484S", 2_147_484 * SECOND_MS],
    ["2592000S", 30 * DAY_MS],
    ["4294968S", 4_294_968 * SECOND_MS],
    ["99999999H", 99_999_999 * HOUR_MS],
  ])("%s reaches the handler as its deadline", async (timeout, expectedMs) => {
    const { code, left } = await callWith(timeout);

    expect(code).toBe(Code.OK);
    expect(Number(left)).toBeLessThanOrEqual(expectedMs + 1);
    expect(Number(left)).toBeGreaterThan(expectedMs - 2 * SECOND_MS);
  });

  test.each(["1x", "", "S", "x", "1", "H1", "-5S", "5 S", "1.5S", "100000005S", "\u00ff"])(
    "%p is malformed: INVALID_ARGUMENT",
    async (timeout) => {
      fixture.ends.length = 0;
      const { code } = await callWith(timeout);

      expect(code).toBe(Code.INVALID_ARGUMENT);
      await eventually(() => fixture.ends.length === 1, "the end is reported");
      expect(fixture.ends[0]?.code).toBe("INVALID_ARGUMENT");
    },
  );
});
