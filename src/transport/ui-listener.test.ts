import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { eventually } from "../../tests/support/eventually.ts";
import { askRaw, closedRaw, getRaw, openRaw, requestText } from "../../tests/support/raw-http.ts";
import { jsonOperation, PAGE, startUiFixture, type UiFixture } from "../../tests/support/ui-fixture.ts";
import { StatusError } from "../base/status-error.ts";
import type { ApiRequest } from "../service/json-api/operation.ts";
import { ListenError } from "./listen-error.ts";
import { listenUi, UI_CONNECTION_LIFE_MS, UI_CONNECTIONS_MAX, UI_REQUESTS_MAX } from "./ui-listener.ts";

const LOCAL = { host: "localhost" };
const NAME = { name: "name", in: "path", description: "", schema: {} } as const;
const LIMIT = { name: "limit", in: "query", description: "", schema: {} } as const;
const FROM = { name: "X-From", in: "header", description: "", schema: {} } as const;

let asked: ApiRequest | undefined;
let answer: (request: ApiRequest) => Iterable<string> | Promise<Iterable<string>>;
let ui: UiFixture;

beforeEach(async () => {
  answer = () => ["[", "1", "]"];
  const handle = (request: ApiRequest) => {
    asked = request;
    return answer(request);
  };
  ui = await startUiFixture([
    jsonOperation("/api/v1/things/{name}", handle, [NAME, LIMIT, FROM]),
    jsonOperation("/api/v1/all.json", handle),
  ]);
});

afterEach(async () => {
  await ui[Symbol.asyncDispose]();
});

const get = (path: string, init?: RequestInit) => fetch(`${ui.url}${path}`, init);

describe("every answer", () => {
  test.each([
    ["/", LOCAL, 200],
    ["/api/v1/all.json", LOCAL, 200],
    ["/nothing", LOCAL, 404],
    ["/", { host: "evil.example" }, 421],
    ["/api/v1/all.json", { host: "evil.example" }, 421],
    ["/api/v1/all.json", { ...LOCAL, "sec-fetch-site": "cross-site" }, 403],
    [`/${"a".repeat(3_000)}`, LOCAL, 414],
  ])("to %p with %p is %p, and may be neither kept, framed, embedded nor taken for another type", async (...row) => {
    const [path, headers, status] = row;
    const found = await getRaw(ui.port, path, headers);
    expect(found?.status).toBe(status);
    expect(found?.headers).toMatchObject({
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY",
      "cross-origin-resource-policy": "same-origin",
      connection: "close",
    });
    expect(found?.headers["content-security-policy"]).toMatch(/^default-src 'none';.*frame-ancestors 'none'/);
    expect(
      Object.keys(found?.headers ?? {}).filter((name) => /^access-control|^set-cookie|^server/.test(name)),
    ).toEqual([]);
  });

  test("of the page is the document, with a policy that names its style and its script by their hashes", async () => {
    const page = await get("/");
    expect(await page.text()).toBe(PAGE);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const hash = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("base64");
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain(`script-src 'sha256-${hash("1")}'`);
    expect(policy).toContain(`style-src 'sha256-${hash("p{}")}'`);
    expect(policy).not.toContain("unsafe");
    expect(policy).toContain("require-trusted-types-for 'script'; trusted-types 'none'");
  });

  test("to HEAD has no body", async () => {
    for (const path of ["/", "/api/v1/all.json", "/nothing"]) {
      const found = await askRaw(ui.port, requestText(path, LOCAL, "HEAD"));
      expect([path, found?.status, found?.body]).toEqual([path, path === "/nothing" ? 404 : 200, ""]);
    }
  });

  test("to another method says which there are", async () => {
    const found = await get("/api/v1/all.json", { method: "POST", body: "x" });
    expect([found.status, found.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect(await found.json()).toMatchObject({ code: "UNIMPLEMENTED" });
  });
});

describe("parameters", () => {
  test("come from the path, the query and the headers", async () => {
    const found = await get("/api/v1/things/a%2Fb%C3%A9?limit=5", { headers: { "x-from": "7" } });
    expect(await found.json()).toEqual([1]);
    expect(asked?.parameters).toEqual({ name: "a/bé", limit: "5", "X-From": "7" });
  });

  test.each([
    ["?limt=5", 'unknown parameter \\"limt\\"; there is limit'],
    ["?limit=5&limit=6", "limit: is given twice"],
    ["?__proto__=1", "unknown parameter"],
  ])("%p is refused by name", async (query, problem) => {
    asked = undefined;
    const found = await get(`/api/v1/things/a${query}`);
    expect([found.status, await found.text()]).toEqual([400, expect.stringContaining(problem)]);
    expect(asked).toBeUndefined();
  });

  test("that are not encoded as addresses are, are refused", async () => {
    const found = await getRaw(ui.port, "/api/v1/things/%ff", LOCAL);
    expect([found?.status, found?.body]).toEqual([400, expect.stringContaining("name: is not percent-encoded UTF-8")]);
  });

  test.each(["/api/v1/things", "/api/v1/things/", "/api/v1/things/a/b", "/api/v1/allxjson", "/API/v1/all.json", "//"])(
    "%p is no path of an operation",
    async (path) => {
      expect((await getRaw(ui.port, path, LOCAL))?.status).toBe(404);
    },
  );
});

describe("an operation", () => {
  test.each([
    ["NOT_FOUND", 404],
    ["INVALID_ARGUMENT", 400],
    ["DEADLINE_EXCEEDED", 504],
    ["RESOURCE_EXHAUSTED", 503],
    ["UNAVAILABLE", 503],
  ] as const)("that fails with %p is answered with %p, code and message", async (code, status) => {
    answer = () => Promise.reject(new StatusError(code, "what is wrong"));
    const found = await get("/api/v1/all.json");
    expect([found.status, await found.json()]).toEqual([status, { code, message: "what is wrong" }]);
    await eventually(() => ui.requests.includes(`/api/v1/all.json ${status}`), "the count");
  });

  test("that has a fault tells nothing of it", async () => {
    answer = () => {
      throw new Error("secret");
    };
    const found = await get("/api/v1/all.json");
    expect([found.status, await found.json()]).toEqual([500, { code: "INTERNAL", message: "internal error" }]);
  });

  test("that has a fault in the middle of its answer ends the connection: nobody takes it for whole", async () => {
    answer = function* () {
      yield "[1,";
      throw new Error("secret");
    };
    await expect(get("/api/v1/all.json").then((found) => found.text())).rejects.toThrow();
    answer = () => ["2"];
    expect(await (await get("/api/v1/all.json")).json()).toBe(2);
  });

  test("makes the pieces of its answer only as fast as they are taken", async () => {
    let made = 0;
    answer = function* () {
      for (; made < 3_000; made++) yield "x".repeat(10_000);
    };
    const socket = await openRaw(ui.port);
    socket.pause();
    socket.write(requestText("/api/v1/all.json", LOCAL));
    await eventually(() => made > 0, "the first piece");
    await Bun.sleep(300);
    // What the kernel's buffers take, and no more: of 30 MB a tenth.
    expect(made).toBeLessThan(2_000);
    let bytes = 0;
    socket.on("data", (piece) => {
      bytes += piece.length;
    });
    socket.resume();
    await closedRaw(socket);
    expect(made).toBe(3_000);
    expect(bytes).toBeGreaterThan(30_000_000);
  });

  test("learns that its caller has gone", async () => {
    const gone = Promise.withResolvers<void>();
    answer = (request) => {
      request.onCancel(gone.resolve);
      return new Promise(() => {});
    };
    const socket = await openRaw(ui.port);
    socket.write(requestText("/api/v1/all.json", LOCAL));
    await eventually(() => asked !== undefined, "the request");
    socket.destroy();
    await gone.promise;
    expect(asked?.cancelled).toBe(true);
    await eventually(() => ui.requests.includes("/api/v1/all.json 499"), "the count");
  });
});

describe("hostile callers", () => {
  test("headers beyond 16 KiB get 431, and what is no HTTP gets 400", async () => {
    const long = await getRaw(ui.port, "/", { ...LOCAL, x: "a".repeat(20_000) });
    const garbage = await askRaw(ui.port, "\u0016\u0003\u0001 hello\r\n\r\n");
    expect([long?.status, garbage?.status]).toEqual([431, 400]);
    for (const refused of [long, garbage]) {
      expect(refused?.headers).toMatchObject({
        "content-type": "application/json",
        "x-content-type-options": "nosniff",
      });
      expect(Number(refused?.headers["content-length"])).toBe(refused?.body.length ?? 0);
      expect(JSON.parse(refused?.body ?? "")).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.any(String) });
    }
    expect(ui.requests).toEqual(["unknown 431", "unknown 400"]);
  });

  test("a body is refused and not read", async () => {
    const bytes = `${requestText("/", { ...LOCAL, "content-length": "5" })}GET /`;
    expect((await askRaw(ui.port, bytes))?.status).toBe(413);
  });

  test("of the requests on a connection the first is answered, and then it closes", async () => {
    let asked = 0;
    const one = requestText("/api/v1/all.json", LOCAL);
    answer = () => [String(++asked)];
    const whole = (text: string) => `1\r\n${text}\r\n1\r\n\n\r\n0\r\n\r\n`;
    expect((await askRaw(ui.port, one + one + one))?.body).toBe(whole("1"));
    answer = async () => {
      await Bun.sleep(50);
      return [String(++asked)];
    };
    expect((await askRaw(ui.port, one + one + one))?.body).toBe(whole("2"));
    expect(asked).toBe(2);
  });

  test("requests that pile up behind one that lasts end the connection", async () => {
    answer = () => new Promise(() => {});
    expect(await askRaw(ui.port, requestText("/api/v1/all.json", LOCAL).repeat(20))).toBeUndefined();
  });

  test("requests beyond a limit are told so, connections beyond theirs closed, and then all goes on", async () => {
    const idle = await Promise.all(Array.from({ length: UI_REQUESTS_MAX }, () => openRaw(ui.port)));
    const busy = await getRaw(ui.port, "/", LOCAL);
    expect([busy?.status, busy?.headers["retry-after"]]).toEqual([503, "5"]);
    expect(busy?.body).toContain("RESOURCE_EXHAUSTED");
    while (idle.length < UI_CONNECTIONS_MAX) idle.push(await openRaw(ui.port));
    expect(await getRaw(ui.port, "/", LOCAL)).toBeUndefined();
    expect(ui.rejected.count).toBe(1);
    for (const socket of idle) socket.destroy();
    await eventually(() => ui.time.pending === 0, "the end of the connections");
    expect((await get("/")).status).toBe(200);
  });

  test("a request that never ends its headers is ended when its time is up, and not before", async () => {
    const slow = await openRaw(ui.port);
    const end = closedRaw(slow);
    slow.write("GET / HTTP/1.1\r\nhos");
    await get("/");
    ui.time.advance(UI_CONNECTION_LIFE_MS - 1);
    await get("/");
    expect(slow.readyState).toBe("open");
    ui.time.advance(1);
    await end;
  });
});

test("a port in use stops the start in one line, with the flag and what to do", async () => {
  const attempt = listenUi({
    address: { host: "127.0.0.1", port: ui.port, loopback: true },
    page: { html: "", policy: "" },
    operations: [],
    clock: ui.time,
    scheduler: ui.time,
    log: { ...console, debug: () => {}, enabled: () => false },
    onRequest: () => {},
    onStreamOpen: () => {},
    onStreamEnd: () => {},
    onRejected: () => {},
  });
  await expect(attempt).rejects.toThrow(ListenError);
  await expect(attempt).rejects.toThrow(
    `--ui-address: cannot listen on 127.0.0.1:${ui.port}: another process uses it; stop that one, or choose another ` +
      '--ui-address ("" for no page)',
  );
});
