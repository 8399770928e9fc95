import { expect, test } from "bun:test";
import { capConnections, DESCRIPTORS_RESERVED, parseDescriptorLimit, readDescriptorLimit } from "./descriptor-limit.ts";
import { ListenError } from "./listen-error.ts";

test("the cap stays below the limit of descriptors by what everything else needs", () => {
  expect(capConnections(4_096, 1_048_576)).toBe(4_096);
  expect(capConnections(4_096, 1_024)).toBe(1_024 - DESCRIPTORS_RESERVED);
  expect(capConnections(4_096, 256)).toBe(32);
  expect(capConnections(10, 256)).toBe(10);
  expect(capConnections(4_096, Number.POSITIVE_INFINITY)).toBe(4_096);
});

test("a limit without room stops the start with what to do", () => {
  expect(() => capConnections(10, 200)).toThrow(ListenError);
  expect(() => capConnections(10, 200)).toThrow("may open 200 files, and needs 240: raise the limit");
});

test("the soft limit is read, not the hard one", () => {
  expect(
    parseDescriptorLimit("Max processes   7   8   processes\nMax open files            256   4096   files\n"),
  ).toBe(256);
  expect(parseDescriptorLimit("Max open files            unlimited   unlimited   files\n")).toBe(
    Number.POSITIVE_INFINITY,
  );
  expect(() => parseDescriptorLimit("nothing")).toThrow(ListenError);
});

test("this process has a limit", () => {
  expect(readDescriptorLimit()).toBeGreaterThan(0);
});
