import { expect, test } from "bun:test";
import { CallCount, OPEN_CALLS_MAX, OPEN_CALLS_PER_CALLER_MAX } from "./grpc-call-count.ts";

const addMany = (count: CallCount, caller: string, calls: number) =>
  Array.from({ length: calls }, () => count.add(caller)).every((hasRoom) => hasRoom);

test("a caller may have so many calls open, others have room then, and it has again when some are over", () => {
  const count = new CallCount(OPEN_CALLS_PER_CALLER_MAX, OPEN_CALLS_MAX);

  expect(addMany(count, "uid:1", OPEN_CALLS_PER_CALLER_MAX)).toBe(true);
  expect(count.add("uid:1")).toBe(false);
  expect(count.add("uid:2")).toBe(true);
  count.remove("uid:1");
  count.remove("uid:1");

  expect(count.add("uid:1")).toBe(true);
});

test("all callers together may have so many", () => {
  const count = new CallCount(OPEN_CALLS_PER_CALLER_MAX, OPEN_CALLS_MAX);
  for (let calls = 0; calls < OPEN_CALLS_MAX; calls++) count.add(`uid:${calls % 4}`);

  expect(count.add("uid:9")).toBe(false);
});
