import { expect, test } from "bun:test";
import { Cost, FloodBudget } from "./http2-flood-budget.ts";
import { ConnectionError, ErrorCode } from "./http2-frames.ts";

/** How often a connection may do what costs so much, all at once, until it ends. */
function spendAll(budget: FloodBudget, cost: number): number {
  for (let times = 0; ; times++) {
    try {
      budget.spend(cost);
    } catch (error) {
      expect(error).toBeInstanceOf(ConnectionError);
      expect((error as ConnectionError).code).toBe(ErrorCode.enhanceYourCalm);
      return times;
    }
  }
}

/** What comes back while a test runs. */
const SLACK = 1_000;

test.each([
  ["10,000 PINGs", Cost.plain, 10_000],
  ["1,000 resets of what has just come", Cost.reset, 1_000],
  ["1,000 empty frames", Cost.empty, 1_000],
])("%s at once are taken, and not many more", (_, cost, times) => {
  const spent = spendAll(new FloodBudget(), cost);
  expect(spent).toBeGreaterThanOrEqual(times);
  expect(spent).toBeLessThan(times + SLACK / cost);
});

test("each use earns what four plain frames cost", () => {
  const budget = new FloodBudget();
  for (let i = 0; i < 100_000; i++) {
    budget.earn();
    for (let plain = 0; plain < 4; plain++) budget.spend(Cost.plain);
  }
  expect(spendAll(budget, Cost.plain)).toBeGreaterThan(9_990);
});

test("nothing is earned beyond the budget", () => {
  const budget = new FloodBudget();
  for (let i = 0; i < 100_000; i++) budget.earn();
  expect(spendAll(budget, Cost.plain)).toBeLessThan(10_000 + SLACK);
});

test("time brings back a plain frame each millisecond, to a budget that is spent", async () => {
  const budget = new FloodBudget();
  spendAll(budget, Cost.plain);
  await Bun.sleep(200);
  const spent = spendAll(budget, Cost.plain);
  expect(spent).toBeGreaterThan(150);
  expect(spent).toBeLessThan(200 + SLACK);
});
