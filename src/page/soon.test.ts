import { expect, test } from "bun:test";
import { eventually } from "../../tests/support/eventually.ts";
import { createSoon } from "./soon.ts";

test("a task runs once for all that ask before it, and not at once", async () => {
  let runs = 0;
  const soon = createSoon(() => {
    runs++;
  });
  for (let i = 0; i < 5; i++) soon(1);
  expect(runs).toBe(0);
  await eventually(() => runs > 0, "the run");
  await Bun.sleep(20);
  expect(runs).toBe(1);
});

test("a task that is asked for while it runs, runs again after that, once", async () => {
  const ends: (() => void)[] = [];
  const soon = createSoon(() => new Promise((resolve) => ends.push(resolve)));
  soon(0);
  await eventually(() => ends.length === 1, "the first run");
  soon(0);
  soon(0);
  await Bun.sleep(20);
  expect(ends).toHaveLength(1);
  ends[0]?.();
  await eventually(() => ends.length === 2, "the second run");
  ends[1]?.();
  await Bun.sleep(20);
  expect(ends).toHaveLength(2);
});
