import { expect, test } from "bun:test";
import { pooled } from "./pool.ts";

test("every item is counted, whatever runs beside it", async () => {
  let now = 0;
  let most = 0;
  const sum = await pooled([5, 1, 3, 2, 4, 1], 3, async (turns) => {
    now += 1;
    most = Math.max(most, now);
    for (let i = 0; i < turns; i += 1) await Promise.resolve();
    now -= 1;
    return { passed: turns, failed: turns === 3 ? ["three"] : [], skipped: [] };
  });
  expect(sum).toEqual({ passed: 16, failed: ["three"], skipped: [] });
  expect(most).toBe(3);
});
