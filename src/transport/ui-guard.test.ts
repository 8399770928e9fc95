import { describe, expect, test } from "bun:test";
import type { IncomingMessage } from "node:http";
import { createHostRule, refusalOf, URL_LENGTH_MAX } from "./ui-guard.ts";

/** A request as the runtime's parser gives it. */
function request(over: { method?: string; url?: string; headers?: Record<string, string>; host?: string | null } = {}) {
  const { method = "GET", url = "/", headers = {}, host = "localhost" } = over;
  const all = Object.entries({ ...(host !== null && { Host: host }), ...headers });
  const byName = Object.fromEntries(all.map(([name, value]) => [name.toLowerCase(), value]));
  return { method, url, headers: byName, rawHeaders: all.flat() } as unknown as IncomingMessage;
}

const onLoopback = createHostRule("127.0.0.1", true);
const onAll = createHostRule("", false);
const onName = createHostRule("gpu-node-7.example", false);

describe("the Host header", () => {
  test.each([
    ["localhost", true, true],
    ["localhost:9999", true, true],
    ["LOCALHOST:80", true, true],
    ["127.0.0.1", true, true],
    ["127.0.0.1:8082", true, true],
    ["127.9.9.9", true, true],
    ["[::1]", true, true],
    ["[::1]:8082", true, true],
    ["[0:0:0:0:0:0:0:1]", true, true],
    ["10.0.0.5:8082", false, true],
    ["[fe80::1]:8082", false, true],
    ["0.0.0.0:8082", false, true],
    ["evil.example", false, false],
    ["evil.example:8082", false, false],
    ["localhost.evil.example", false, false],
    ["127.0.0.1.evil.example", false, false],
    ["127.0.0.1.", false, false],
    ["localhost.", false, false],
    ["node-7", false, false],
    ["2130706433", false, false],
    ["0x7f.1", false, false],
    ["::1", undefined, undefined],
    ["localhost:8082:1", undefined, undefined],
    ["user@localhost", undefined, undefined],
    ["localhost/path", undefined, undefined],
    ["local host", undefined, undefined],
    ["[localhost]", undefined, undefined],
    ["localhost:port", undefined, undefined],
    ["", undefined, undefined],
  ])("%p is taken on loopback: %p; on all addresses: %p (none: it is no host at all)", (host, loopback, all) => {
    const statusOf = (allowed: boolean | undefined) => (allowed === undefined ? 400 : allowed ? undefined : 421);
    expect(refusalOf(request({ host }), onLoopback)?.status).toBe(statusOf(loopback));
    expect(refusalOf(request({ host }), onAll)?.status).toBe(statusOf(all));
  });

  test("may be the name that the page was told to listen on", () => {
    expect(refusalOf(request({ host: "GPU-node-7.example:8082" }), onName)).toBeUndefined();
    expect(refusalOf(request({ host: "gpu-node-8.example:8082" }), onName)?.status).toBe(421);
  });

  test("is needed, and once", () => {
    expect(refusalOf(request({ host: null }), onLoopback)?.status).toBe(400);
    const twice = { ...request(), rawHeaders: ["Host", "localhost", "host", "evil.example"] } as IncomingMessage;
    expect(refusalOf(twice, onLoopback)?.status).toBe(400);
  });

  test("that is refused is told what to use", () => {
    expect(refusalOf(request({ host: "evil.example" }), onLoopback)).toEqual({
      status: 421,
      code: "PERMISSION_DENIED",
      message: 'this page is not served as "evil.example"; open it as one of localhost, 127.0.0.1, [::1]',
    });
    expect(refusalOf(request({ host: "evil.example" }), onAll)?.message).toEndWith("[::1], the node's IP address");
    expect(refusalOf(request({ host: "evil.example" }), onName)?.message).toEndWith("address, gpu-node-7.example");
  });
});

describe("a request", () => {
  test.each([
    ["GET", {}, undefined],
    ["HEAD", {}, undefined],
    ["POST", {}, 405],
    ["OPTIONS", {}, 405],
    ["DELETE", {}, 405],
    ["GET", { url: `/${"a".repeat(URL_LENGTH_MAX - 1)}` }, undefined],
    ["GET", { url: `/${"a".repeat(URL_LENGTH_MAX)}` }, 414],
    ["GET", { url: "http://localhost/" }, 400],
    ["GET", { url: "*" }, 400],
    ["GET", { headers: { "content-length": "0" } }, undefined],
    ["GET", { headers: { "content-length": "1" } }, 413],
    ["GET", { headers: { "content-length": "x" } }, 413],
    ["GET", { headers: { "transfer-encoding": "chunked" } }, 413],
  ])("%s with %p gets %p", (method, over, status) => {
    expect(refusalOf(request({ method, ...over }), onLoopback)?.status).toBe(status as number | undefined);
  });
});

describe("a browser's word on who asks", () => {
  const ask = (site: string, mode = "cors", dest = "empty") =>
    refusalOf(
      request({ headers: { "sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest } }),
      onLoopback,
    )?.status;

  test("lets in the page itself, an address that was typed, and a link that was followed", () => {
    expect([
      ask("same-origin"),
      ask("none", "navigate", "document"),
      ask("cross-site", "navigate", "document"),
    ]).toEqual([undefined, undefined, undefined]);
  });

  test("keeps out what other sites load, whatever they say it is for", () => {
    const tries = [ask("cross-site"), ask("cross-site", "no-cors", "image"), ask("same-site", "no-cors", "script")];
    expect(tries).toEqual([403, 403, 403]);
    expect([ask("cross-site", "navigate", "iframe"), ask("cross-site", "navigate", "object")]).toEqual([403, 403]);
  });
});
