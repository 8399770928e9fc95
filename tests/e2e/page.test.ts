import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import axe from "axe-core";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { AdminService } from "../../src/gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { type RunningBinary, spawnBinary } from "../support/binary.ts";
import { hasChromium, openTab, type Tab } from "../support/browser.ts";
import { TestClient } from "../support/test-client.ts";

/** The page in a real browser, served by the compiled binary. */

const { registerGpu, updateGpuStatus, unregisterGpu } = ProviderService.method;
const { simulateBreak, simulateHeal } = AdminService.method;

const WIDE = { width: 1_280, height: 900, deviceScaleFactor: 1, mobile: false };
const PHONE = { width: 320, height: 640, deviceScaleFactor: 1, mobile: true };

/** What a person sees. */
const text = (selector: string) => `(document.querySelector(${JSON.stringify(selector)})?.innerText ?? "")`;
const rows = `[...document.querySelectorAll("#gpu-list > li")].map((row) => row.dataset.name)`;
const row = (name: string) => `#gpu-list > li[data-name="${name}"]`;
const rowsAre = (...names: readonly string[]) => `JSON.stringify(${rows}) === ${JSON.stringify(JSON.stringify(names))}`;
const OUTDATED = `document.getElementById("outdated")`;
const focused = `(document.activeElement?.closest("li")?.dataset.name ?? "") + " " + document.activeElement?.innerText`;

describe.skipIf(!hasChromium)("the page in Chromium", () => {
  let binary: RunningBinary;
  let client: TestClient;
  let tab: Tab;

  beforeAll(async () => {
    binary = await spawnBinary(["--simulate=4", "--node-name=gpu-node-7"]);
    client = new TestClient(binary.unixTarget);
    tab = await openTab();
    await tab.send("Emulation.setDeviceMetricsOverride", WIDE);
    await tab.open(`${binary.uiUrl}/`);
    await tab.until(rowsAre("gpu-0", "gpu-1", "gpu-2", "gpu-3"));
  });

  afterAll(async () => {
    await tab[Symbol.asyncDispose]();
    client[Symbol.dispose]();
    await binary.stop();
  });

  test("shows a GPU that breaks, and one that heals, while it is open", async () => {
    expect(await tab.read(text("#connection"))).toBe("Live");
    expect(await tab.read("document.title")).toBe("GPUs of gpu-node-7");
    await client.call(simulateBreak, { name: "gpu-2", xid: 79 });
    await tab.until(rowsAre("gpu-2", "gpu-0", "gpu-1", "gpu-3"));
    const shown = await tab.read<string>(text(row("gpu-2")));
    for (const part of ["Unhealthy", "XidError", "Advice: RESTART_BM", "GPU has fallen off the bus"]) {
      expect(shown).toContain(part);
    }
    expect(await tab.read(text("#healths"))).toMatch(/4\s+All\s+1\s+Unhealthy\s+0\s+Unknown\s+3\s+Healthy/);
    expect(await tab.read("document.title")).toBe("1 unhealthy – GPUs of gpu-node-7");
    expect(await tab.read(text("#announcer"))).toBe("gpu-2 is unhealthy: XidError.");
    await tab.until(`${text("#event-list > li")}.includes("Ready True → False, NVMLReady True → False: XidError")`);
    expect(await tab.read(text("#event-list > li"))).toContain("SimulateBreak by uid");
    await client.call(simulateHeal, { name: "gpu-2" });
    await tab.until(rowsAre("gpu-0", "gpu-1", "gpu-2", "gpu-3"));
    expect(await tab.read(text("#announcer"))).toBe("gpu-2 is healthy.");
    await tab.until(`${text("#event-list > li")}.includes("Advice RESTART_BM is withdrawn")`);
  });

  test("is used by keys alone, and keeps the focus where it is when rows change their places", async () => {
    await tab.read("document.activeElement.blur()");
    const seen: string[] = [];
    for (let i = 0; i < 8; i++) {
      await tab.press("Tab");
      seen.push(await tab.read<string>(`(document.activeElement.innerText || document.activeElement.id).trim()`));
    }
    expect(seen.slice(0, 6).map((it) => it.replace(/\s+/g, " "))).toEqual([
      "Skip to the GPUs",
      "4 All",
      "0 Unhealthy",
      "0 Unknown",
      "4 Healthy",
      "search",
    ]);
    expect(await tab.read(focused)).toContain("gpu-1 ");
    await tab.press("Enter");
    await tab.until(`document.querySelector('${row("gpu-1")} table')`);
    expect(await tab.read(text(`${row("gpu-1")} tbody`))).toMatch(/Ready\s+True\s+Initialized[\s\S]*NVMLReady\s+True/);
    await client.call(simulateBreak, { name: "gpu-1", xid: 79 });
    await tab.until(rowsAre("gpu-1", "gpu-0", "gpu-2", "gpu-3"));
    expect(await tab.read(focused)).toContain("gpu-1 ");
    expect(await tab.read(text(`${row("gpu-1")} tbody`))).toMatch(/NVMLReady\s+decides Ready\s+False\s+XidError/);
    await tab.press("Enter");
    await tab.until(`!document.querySelector('${row("gpu-1")} table')`);
  });

  test("chooses by health and by words", async () => {
    await tab.read(`document.querySelector('[data-health="unhealthy"]').focus()`);
    await tab.press(" ");
    await tab.until(rowsAre("gpu-1"));
    expect(await tab.read(`document.activeElement.ariaPressed`)).toBe("true");
    expect(await tab.read(text("#shown"))).toBe("1 of 4");
    await tab.read(`document.querySelector('[data-health="all"]').click()`);
    await tab.read(`document.getElementById("search").focus()`);
    await tab.press(..."GPU-3");
    await tab.until(rowsAre("gpu-3"));
    await tab.press(..."zzz");
    await tab.until(`${text("#nothing")} === "No GPU matches."`);
    await tab.until(`${text("#no-events")} === "No event matches."`);
    await tab.read(`document.getElementById("search").value = ""`);
    await tab.read(`document.getElementById("search").dispatchEvent(new Event("input"))`);
    await tab.until(rowsAre("gpu-1", "gpu-0", "gpu-2", "gpu-3"));
    await tab.until(`document.getElementById("no-events").hidden`);
  });

  test("says that the events cannot be loaded, and takes that back when they can", async () => {
    await tab.send("Network.enable");
    await tab.send("Network.setBlockedURLs", { urls: ["*/api/v1/events*"] });
    await client.call(simulateHeal, { name: "gpu-1" });
    await tab.until(`${text("#no-events")} === "The events cannot be loaded. The page keeps trying."`);
    expect(await tab.read<number>(`document.querySelectorAll("#event-list > li").length`)).toBeGreaterThan(0);
    await tab.send("Network.setBlockedURLs", { urls: [] });
    await tab.until(`document.getElementById("no-events").hidden`);
    await client.call(simulateBreak, { name: "gpu-1", xid: 79 });
    await tab.until(rowsAre("gpu-1", "gpu-0", "gpu-2", "gpu-3"));
  });

  test("takes whatever a provider writes as text", async () => {
    const attack = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;
    const conditions = [
      { type: `A${attack}`, status: "False", reason: `R\u202e${attack}`, message: `${attack}\n${"long ".repeat(750)}` },
      { type: `${"B".repeat(300)}`, status: "True", reason: "x".repeat(1_024), message: "y".repeat(4_096) },
    ];
    await client.call(registerGpu, { name: "hostile", spec: { uuid: `"><b>${"u".repeat(240)}` } });
    await client.call(updateGpuStatus, {
      name: "hostile",
      status: { conditions, recommendedAction: "<i>\u2066do</i>" },
    });
    await tab.until(`document.querySelector('${row("hostile")}')?.innerText.includes("Unhealthy")`);
    await tab.read(`document.querySelector('${row("hostile")} summary').click()`);
    await tab.until(`document.querySelector('${row("hostile")} table')`);
    const shown = await tab.read<string>(text(row("hostile")));
    expect(shown).toContain("<script>window.hacked=1</script>");
    expect(shown).toContain("\\u202e<img");
    expect(shown).toContain("Advice: <i>\\u2066do</i>");
    expect(shown).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
    await tab.until(`${text("#event-list")}.includes("hostile")`);
    const made = await tab.read<number>(`document.querySelectorAll("img, i, main script, #gpu-list b").length`);
    expect([made, await tab.read("typeof window.hacked")]).toEqual([0, "undefined"]);
    expect(await tab.read<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(WIDE.width);
  });

  describe.each(["light", "dark"])("in %s", (scheme) => {
    beforeAll(async () => {
      const features = [{ name: "prefers-color-scheme", value: scheme }];
      await tab.send("Emulation.setEmulatedMedia", { features });
    });

    test("has that colour behind it", async () => {
      const back = await tab.read<string>("getComputedStyle(document.documentElement).backgroundColor");
      const brightness = (back.match(/\d+/g) ?? []).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
      expect(brightness > 128).toBe(scheme === "light");
    });

    test.each([
      ["a desk", WIDE],
      ["a phone", PHONE],
    ])("on %s has nothing that axe complains of, and needs no scrolling to the side", async (_, metrics) => {
      await tab.send("Emulation.setDeviceMetricsOverride", metrics);
      expect(await tab.read<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(metrics.width);
      const run = 'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + " " + nodes[0].html))';
      const found = await tab.read<string[]>(`${axe.source}; ${run}`);
      expect(found).toEqual([]);
    });
  });

  test("tells a screen reader what everything is", async () => {
    await tab.send("Emulation.setDeviceMetricsOverride", WIDE);
    const { nodes } = (await tab.send("Accessibility.getFullAXTree")) as { nodes: readonly AxNode[] };
    const tree = nodes.filter(({ ignored }) => !ignored).map(({ role, name }) => `${role?.value} ${name?.value ?? ""}`);
    for (const expected of ["banner ", "main ", "contentinfo ", "heading GPUs of gpu-node-7", "status ", "list "]) {
      expect(tree.some((line) => line.startsWith(expected))).toBe(true);
    }
    for (const expected of ["group Show GPUs by health", "searchbox Filter", "region Recent events", "link GPUs"]) {
      expect(tree).toContain(expected);
    }
    expect(tree.filter((line) => line.startsWith("button "))).toEqual(
      expect.arrayContaining(["button 5 All", "button 2 Unhealthy", "button 0 Unknown", "button 3 Healthy"]),
    );
    const summaries = tree.filter((line) => /^DisclosureTriangle /.test(line));
    expect(summaries.length).toBe(5);
    for (const line of summaries) expect(line).toMatch(/^DisclosureTriangle (Unhealthy|Healthy) (gpu-\d|hostile) /);
  });

  test("has not complained all the while, and was never out of its policy", () => {
    expect(tab.complaints).toEqual([]);
  });
});

interface AxNode {
  readonly ignored: boolean;
  readonly role?: { readonly value: string };
  readonly name?: { readonly value: string };
}

describe.skipIf(!hasChromium)("the page in Chromium", () => {
  test("says when the server is gone, and comes back to the present state with it", async () => {
    await using tab = await openTab();
    await using first = await spawnBinary(["--simulate=2"]);
    const port = new URL(first.uiUrl).port;
    await tab.open(`${first.uiUrl}/`);
    await tab.until(rowsAre("gpu-0", "gpu-1"));
    await first.stop();
    await tab.until(`${text("#connection")} === "Not connected"`);
    expect(await tab.read(`${OUTDATED}.hidden`)).toBe(false);
    expect(await tab.read(text("#outdated"))).toMatch(/^Not connected: the server is shutting down. What is shown is/);
    expect(await tab.read(rows)).toEqual(["gpu-0", "gpu-1"]);
    await using second = await spawnBinary(["--simulate=3", `--ui-address=127.0.0.1:${port}`]);
    using client = new TestClient(second.unixTarget);
    await client.call(simulateBreak, { name: "gpu-1", xid: 79 });
    await tab.until(rowsAre("gpu-1", "gpu-0", "gpu-2"));
    expect([await tab.read(text("#connection")), await tab.read(`${OUTDATED}.hidden`)]).toEqual(["Live", true]);
  });

  test("tells an empty server from one that has not answered, and shows the first GPU that comes", async () => {
    await using tab = await openTab();
    await using server = await spawnBinary([]);
    using client = new TestClient(server.unixTarget);
    await tab.open(`${server.uiUrl}/`);
    await tab.until(`${text("#nothing")}.startsWith("No GPU is known")`);
    await tab.until(`${text("#no-events")} === "None yet."`);
    await client.call(registerGpu, { name: "first" });
    await tab.until(rowsAre("first"));
    expect(await tab.read(text(row("first")))).toMatch(/Unknown[\s\S]*No report/);
    await client.call(unregisterGpu, { name: "first" });
    await tab.until(rowsAre());
    expect(tab.complaints).toEqual([]);
  });

  test("shows 256 GPUs, of which those that are not well come first, and finds one by its name", async () => {
    await using tab = await openTab();
    await using server = await spawnBinary(["--simulate=256"]);
    using client = new TestClient(server.unixTarget);
    await tab.open(`${server.uiUrl}/`);
    await tab.until(`${rows}.length === 256`);
    for (const name of ["gpu-200", "gpu-31"]) await client.call(simulateBreak, { name, xid: 79 });
    await tab.until(`JSON.stringify(${rows}.slice(0, 3)) === '["gpu-31","gpu-200","gpu-0"]'`);
    await tab.read(`document.getElementById("search").focus()`);
    await tab.press(..."gpu-142");
    await tab.until(rowsAre("gpu-142"));
    expect(tab.complaints).toEqual([]);
  });

  test("leads from many GPUs to the events on a phone", async () => {
    await using tab = await openTab();
    await using server = await spawnBinary(["--simulate=65"]);
    await tab.send("Emulation.setDeviceMetricsOverride", PHONE);
    await tab.open(`${server.uiUrl}/`);
    await tab.until(`${rows}.length === 65 && document.querySelector("#event-list > li")`);
    const top = `document.getElementById("events").getBoundingClientRect().top`;
    expect(await tab.read<number>(top)).toBeGreaterThan(3 * PHONE.height);
    await tab.read(`document.querySelector('a[href="#events"]').click()`);
    await tab.until(`${top} < ${PHONE.height}`);
  });

  test("is not shown under a name that somebody else has pointed here", async () => {
    await using server = await spawnBinary(["--simulate=1"]);
    await using tab = await openTab("--host-resolver-rules=MAP evil.example 127.0.0.1");
    await tab.open(`http://evil.example:${new URL(server.uiUrl).port}/`);
    expect(await tab.read("document.body.innerText")).toContain('this page is not served as \\"evil.example\\"');
    await tab.open(`http://evil.example:${new URL(server.uiUrl).port}/api/v1/gpus`);
    expect(await tab.read("document.body.innerText")).not.toContain("gpu-0");
  });

  test("lets in no script, no markup and no request to elsewhere, even from within", async () => {
    await using server = await spawnBinary(["--simulate=1"]);
    await using tab = await openTab();
    let asked = 0;
    // A place that would let everybody in.
    using elsewhere = Bun.serve({
      port: 0,
      fetch: () => new Response(String(++asked), { headers: { "access-control-allow-origin": "*" } }),
    });
    const there = `http://127.0.0.1:${elsewhere.port}/`;
    await tab.open(`${server.uiUrl}/`);
    const attempt = (code: string) => tab.read<string>(`(async () => { ${code} })().then(() => "done", (e) => e.name)`);
    expect(await attempt(`document.body.innerHTML = "<p>x</p>"`)).toBe("TypeError");
    expect(await attempt(`document.createElement("script").text = "window.hacked = 1"`)).toBe("TypeError");
    expect(await attempt(`await fetch("${there}")`)).toBe("TypeError");
    expect(await attempt(`await fetch("${there}", { mode: "no-cors" })`)).toBe("TypeError");
    expect(await attempt(`navigator.sendBeacon("${there}", "x"); await fetch("/api/v1/gpus")`)).toBe("done");
    expect(asked).toBe(0);
    await tab.open(there);
    expect(await attempt(`await fetch("${server.uiUrl}/api/v1/gpus")`)).toBe("TypeError");
    expect(await attempt(`await fetch("${server.uiUrl}/api/v1/gpus", { mode: "no-cors" })`)).toBe("TypeError");
    const frame = `const f = document.createElement("iframe"); f.src = "${server.uiUrl}/"; document.body.append(f)`;
    await attempt(`${frame}; await new Promise((resolve) => { f.onload = resolve; })`);
    await tab.until(`performance.getEntriesByType("resource").some(({ initiatorType }) => initiatorType === "iframe")`);
    expect(await server.metric("device_api_server_ui_requests_total", 'route="/",code="403"')).toBe(1);
  });
});
