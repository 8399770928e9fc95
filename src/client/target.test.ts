import { expect, test } from "bun:test";
import { parseTarget } from "./target.ts";

test.each([
  ["unix:///run/a.sock", "unix:/run/a.sock", "unix:///run/a.sock"],
  ["unix:/run/a.sock", "unix:/run/a.sock", "unix:///run/a.sock"],
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
