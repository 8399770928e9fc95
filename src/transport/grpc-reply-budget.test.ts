import { expect, test } from "bun:test";
import { ReplyBudget, UNSENT_BYTES_MAX, UNSENT_BYTES_PER_CONNECTION_MAX } from "./grpc-reply-budget.ts";

test("a connection may have so many bytes of replies under way, and more when some have left", () => {
  const budget = new ReplyBudget();
  const [first, second] = [{}, {}];

  expect(budget.take(first, 1, UNSENT_BYTES_PER_CONNECTION_MAX)).toEqual({ kind: "send" });
  expect(budget.take(second, 1, 1)).toEqual({ kind: "refuse" });
  expect(budget.take({}, 2, 1)).toEqual({ kind: "send" });
  budget.release(first);

  expect(budget.take(second, 1, 1)).toEqual({ kind: "send" });
});

test("one reply is never too large for a connection that has none under way", () => {
  expect(new ReplyBudget().take({}, 1, UNSENT_BYTES_PER_CONNECTION_MAX + 1)).toEqual({ kind: "send" });
});

test("where all connections together have too many, the one with most goes, not the one that asks", () => {
  const budget = new ReplyBudget();
  const full = UNSENT_BYTES_MAX / UNSENT_BYTES_PER_CONNECTION_MAX;
  for (let connection = 1; connection <= full; connection++) {
    expect(budget.take({}, connection, UNSENT_BYTES_PER_CONNECTION_MAX)).toEqual({ kind: "send" });
  }

  expect(budget.take({}, 99, 10)).toEqual({ kind: "evict", connection: 1 });
});
