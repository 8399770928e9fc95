import { expect, test } from "bun:test";
import { fstatSync, openSync } from "node:fs";
import type { CallTimes, NvmlCalls } from "../../native/calls-page.ts";
import { CallsLedger } from "./calls-ledger.ts";

const times = (count: number, totalUs: number, longestUs: number): CallTimes => ({ count, totalUs, longestUs });

/** Pages whose content the test writes. */
function play() {
  const pages = new Map<number, NvmlCalls>();
  const ledger = new CallsLedger({
    create: () => openSync("/dev/null", "r"),
    read(fd) {
      const page = pages.get(fd);
      if (page === undefined) throw new Error("not readable");
      return page;
    },
  });
  const write = (fd: number, ended: Record<string, CallTimes>, calls: Partial<NvmlCalls> = {}) =>
    pages.set(fd, { sampler: undefined, eventThread: undefined, ended: new Map(Object.entries(ended)), ...calls });
  return { ledger, write };
}

test("what is counted of a process that lives is added to that of those that have ended", () => {
  const { ledger, write } = play();
  const first = ledger.open();
  write(first, { a: times(2, 20, 15), b: times(1, 7, 7) });
  expect(ledger.times()).toEqual(new Map(Object.entries({ a: times(2, 20, 15), b: times(1, 7, 7) })));
  write(first, { a: times(3, 30, 15), b: times(1, 7, 7) });
  ledger.close(first);
  expect(ledger.times().get("a")).toEqual(times(3, 30, 15));

  const second = ledger.open();
  write(second, {});
  expect(ledger.times().get("a")).toEqual(times(3, 30, 15));
  write(second, { a: times(1, 5, 5), c: times(1, 90, 90) });
  const all = { a: times(4, 35, 15), b: times(1, 7, 7), c: times(1, 90, 90) };
  expect(ledger.times()).toEqual(new Map(Object.entries(all)));
  ledger.close(second);
  expect(ledger.times()).toEqual(new Map(Object.entries(all)));
});

test("at the end of a process its call is told, the sampler's first, and the page is closed", () => {
  const { ledger, write } = play();
  const sampler = { name: "sampling", sinceNs: 1n };
  const eventThread = { name: "waiting", sinceNs: 1n };
  const page = ledger.open();
  write(page, {}, { sampler, eventThread });
  expect(ledger.close(page)).toBe("sampling");
  expect(() => fstatSync(page)).toThrow();
  const other = ledger.open();
  write(other, {}, { eventThread });
  expect(ledger.close(other)).toBe("waiting");
});

test("a page that cannot be read says nothing, harms nothing, and is closed", () => {
  const { ledger } = play();
  const page = ledger.open();
  expect(ledger.times()).toEqual(new Map());
  expect(ledger.close(page)).toBeUndefined();
  expect(() => fstatSync(page)).toThrow();
});
