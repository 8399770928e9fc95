import { describe, expect, test } from "bun:test";
import { History } from "./history.ts";

const START = 1_790_000_000_000_000;

/** Of one GPU, whatever it is about. */
const REST = { key: "gpu-0", previous: 0, atMs: 0 };

const filled = (count: number, limits: { events: number; bytes: number }, size = 10): History => {
  const history = new History(START, limits);
  for (let i = 1; i <= count; i++) {
    history.append({ version: START + i, type: "MODIFIED", bytes: new Uint8Array(size), ...REST });
  }
  return history;
};

/** The versions that a watch would get from this cursor on. */
const versionsAfter = (history: History, cursor: number): number[] => {
  const versions: number[] = [];
  for (let event = history.after(cursor); event !== undefined; event = history.after(event.version)) {
    versions.push(event.version - START);
  }
  return versions;
};

describe("the history", () => {
  test("is empty at first: a watch can go on from its start, and from nowhere else", () => {
    const history = filled(0, { events: 3, bytes: 100 });
    expect([history.last, history.oldestCursor, history.bytes]).toEqual([START, START, 0]);
    expect(history.after(START)).toBeUndefined();
    expect(() => history.after(START - 1)).toThrow("inside the history");
    expect(() => history.after(START + 1)).toThrow("inside the history");
  });

  test.each([1, 2, 3, 4, 7, 100])(
    "gives from every cursor of its window all that follows, after %d events",
    (count) => {
      const history = filled(count, { events: 3, bytes: 1_000 });
      expect(history.last).toBe(START + count);
      expect(history.oldestCursor).toBe(START + Math.max(0, count - 3));
      for (let cursor = history.oldestCursor; cursor <= history.last; cursor++) {
        const expected = Array.from({ length: history.last - cursor }, (_, i) => cursor - START + 1 + i);
        expect(versionsAfter(history, cursor)).toEqual(expected);
      }
      expect(() => history.after(history.oldestCursor - 1)).toThrow("inside the history");
    },
  );

  test("forgets the oldest so that all together stay within the bytes, to the byte", () => {
    const history = filled(5, { events: 100, bytes: 50 });
    expect([history.oldestCursor - START, history.bytes]).toEqual([0, 50]);
    history.append({ version: START + 6, type: "ADDED", bytes: new Uint8Array(1), ...REST });
    expect([history.oldestCursor - START, history.bytes]).toEqual([1, 41]);
    expect(versionsAfter(history, START + 1)).toEqual([2, 3, 4, 5, 6]);
  });

  test("keeps the latest event even where it alone is larger than the limit", () => {
    const history = filled(5, { events: 100, bytes: 50 });
    history.append({ version: START + 6, type: "ADDED", bytes: new Uint8Array(51), ...REST });
    expect([history.oldestCursor - START, history.bytes]).toEqual([5, 51]);
    history.append({ version: START + 7, type: "ADDED", bytes: new Uint8Array(20), ...REST });
    expect([history.oldestCursor - START, history.bytes]).toEqual([6, 20]);
  });

  test("counts the bytes right over many turns of the ring", () => {
    const history = new History(START, { events: 7, bytes: 1_000_000 });
    for (let i = 1; i <= 1_000; i++) {
      history.append({ version: START + i, type: "ADDED", bytes: new Uint8Array(i), ...REST });
    }
    expect(history.bytes).toBe(994 + 995 + 996 + 997 + 998 + 999 + 1_000);
  });

  test("gives the event of every version that it still holds, and of no other", () => {
    const history = filled(5, { events: 3, bytes: 1_000 });
    const found = Array.from({ length: 9 }, (_, i) => history.at(START - 1 + i)?.version);
    expect(found.map((version) => version && version - START)).toEqual([
      ...Array(4).fill(undefined),
      ...[3, 4, 5],
      ...Array(2).fill(undefined),
    ]);
    expect([0, -1, Number.MAX_SAFE_INTEGER].map((version) => history.at(version))).toEqual(Array(3).fill(undefined));
  });

  test("takes versions one after the other alone", () => {
    const history = filled(2, { events: 3, bytes: 100 });
    for (const version of [START + 2, START + 4]) {
      const append = () => history.append({ version, type: "ADDED", bytes: new Uint8Array(1), ...REST });
      expect(append).toThrow("versions rise by one");
    }
    expect(() => new History(START, { events: 0, bytes: 1 })).toThrow("room for one event");
  });
});
