import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../support/binary.ts";
import { selectorsOf } from "./promql.ts";
import { ALERTS } from "./rule-files.ts";
import { ROOT } from "./tools.ts";

/** What the runbooks tell people to type and to look for is there. */

const text = readFileSync(join(ROOT, "docs/operations/runbooks.md"), "utf8");
const unique = (found: Iterable<RegExpExecArray>) => [...new Set([...found].map(([, word = ""]) => word))].sort();

const verbs = unique(text.matchAll(/(?:^|`)das ([a-z]+)/gm));
const logged = unique(text.matchAll(/^das_log\b.*\| grep (?:-E )?'([^']*)'/gm)).flatMap((pattern) =>
  pattern.split("|"),
);

test("every alert has its runbook, and every runbook its alert", () => {
  expect(unique(text.matchAll(/^## (DeviceAPIServer\w+)$/gm))).toEqual(ALERTS.map(({ alert }) => alert).sort());
});

test("every runbook says what ends its alert", () => {
  const runbooks = text.split(/^## /m).slice(1);
  for (const runbook of runbooks) expect(runbook).toMatch(/\bends? (?:when|with|at|half|15 minutes)|\bends:/);
});

describe("every command", () => {
  for (const verb of verbs) {
    test(`${verb} is one of the binary`, async () => {
      const child = Bun.spawn([BINARY, "help", verb], { stdout: "pipe", stderr: "pipe" });
      expect([await child.exited, await new Response(child.stdout).text()]).toEqual([
        0,
        expect.stringContaining(`device-api-server ${verb}`),
      ]);
    });
  }

  test("explain and get are among them", () => {
    expect(verbs).toEqual(expect.arrayContaining(["clear", "explain", "get", "healthcheck", "provider"]));
  });
});

test("every line of the log that they look for is one that the server writes", () => {
  const sources = readdirSync(join(ROOT, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !entry.name.endsWith(".test.ts"))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"))
    .join("\n");
  const messages = logged.filter((message) => !message.startsWith('"'));
  expect(messages.length).toBeGreaterThan(5);
  for (const message of messages) expect([message, sources.includes(message)]).toEqual([message, true]);
});

test("every metric that a runbook names is one that an alert or the dashboard reads", () => {
  const panels = readFileSync(join(ROOT, "charts/device-api-server/files/dashboards/device-api-server.json"), "utf8");
  const read = new Set(ALERTS.flatMap(({ expr }) => selectorsOf(expr).map(({ metric }) => metric)));
  for (const name of unique(text.matchAll(/\b((?:device_api_server|nodejs|process)_\w+)/g))) {
    expect([name, read.has(name) || panels.includes(name)]).toEqual([name, true]);
  }
});
