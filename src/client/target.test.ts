import { expect, test } from "bun:test";
import { parseTarget, resolveTarget } from "./target.ts";

test.each([
  ["unix:///run/a.sock", "unix:/run/a.sock", "unix:///run/a.sock"],
  ["unix:/run/a.sock", "unix:/run/a.sock", "unix:///run/a.sock"],
  ["unix:////run//a.sock", "unix:/run//a.sock", "unix:///run//a.sock"],
  ["unix:a.sock", "unix:a.sock", "unix:a.sock"],
  ["/run/a.sock", "unix:/run/a.sock", "unix:///run/a.sock"],
  ["localhost:50051", "dns:localhost:50051", "localhost:50051"],
  ["127.0.0.1:1", "dns:127.0.0.1:1", "127.0.0.1:1"],
  ["[::1]:1", "dns:[::1]:1", "[::1]:1"],
  ["dns:///node.example:1", "dns:node.example:1", "node.example:1"],
])("%s is dialled as %s and shown as %s", (text, address, shown) => {
  expect(parseTarget(text)).toEqual({ address, shown });
});

test.each([
  "",
  "localhost",
  "localhost:",
  "localhost:65536",
  "localhost:http",
  ":50051",
  "::1:50051",
  "unix:",
  "unix://run/a.sock",
  "http://localhost:1",
  "dns:///",
  "a b:1",
  "/run/\0a",
])("%p is no target", (text) => {
  expect(parseTarget(text)).toBeUndefined();
});

const shown = (given: string | undefined, variable?: string) =>
  resolveTarget(given, { NVIDIA_DEVICE_API_TARGET: variable }).shown;

test("what is given goes before the variable, and the variable before the default", () => {
  expect(shown("/a.sock", "/b.sock")).toBe("unix:///a.sock");
  expect(shown(undefined, "/b.sock")).toBe("unix:///b.sock");
  expect(shown(undefined, "")).toBe("unix:///var/run/device-api/device.sock");
  expect(shown(undefined)).toBe("unix:///var/run/device-api/device.sock");
});

test("a target that is none is refused with the place it comes from and the forms there are", () => {
  expect(() => shown("a b")).toThrow('INVALID_ARGUMENT: target: "a b" is not a target; it takes unix:///path, ');
  expect(() => shown("")).toThrow('target: "" is not');
  expect(() => shown(undefined, "a b")).toThrow('NVIDIA_DEVICE_API_TARGET: "a b" is not');
});
