import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnBinary } from "../support/binary.ts";
import { because, missingGo, provideBinaries } from "./parts.ts";
import { startPlainServer } from "./plain-server.ts";

/** T-H2-5: h2spec, the suite of RFC 7540 and RFC 7541, all of its sections with what it calls strict. */

/** Of 146; a suite that has lost some is another suite. */
const CASES = 146;
/** Nothing of it takes longer than a moment, but where it waits in vain. */
const WAIT_S = 2;

/**
 * The suite asks for `GET /`, and posts without a content-type: no gRPC, so that our server answers (405, 415) as soon
 * as it has the headers. These wait for something that would have come of a request that is still open.
 */
const ANSWERED_AT_ONCE = [
  // Wants a DATA frame in the answer.
  "generic/2/2",
  "generic/2/3",
  // Wants too many streams open at once; none is open for long.
  "http2/5.1.2/1",
  // WINDOW_UPDATEs for a stream that has been, which mean nothing any more.
  "http2/6.9/2",
  "http2/6.9.1/3",
  // A second block, and data of the wrong length, of a request that has its answer.
  "http2/8.1/1",
  "http2/8.1.2.6/1",
  "http2/8.1.2.6/2",
];
/** Skipped by the suite, since the answer has no body. */
const WITHOUT_BODY = ["http2/6.5.3/1", "http2/6.9.1/1", "http2/6.9.2/1", "http2/6.9.2/2"];

interface Outcome {
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  readonly cases: number;
}

/** Cases are numbered within their section, as the suite prints them: http2/6.9/2. */
async function playSuite(host: string, port: number): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "h2spec-"));
  const report = join(folder, "report.xml");
  const target = ["-h", host, "-p", String(port), "--strict", "--timeout", String(WAIT_S), "--junit-report", report];
  const child = Bun.spawn([join(provideBinaries(), "h2spec"), ...target], { stdout: "ignore", stderr: "pipe" });
  const problems = await new Response(child.stderr).text();
  await child.exited;
  if (problems !== "") throw new Error(problems);
  const outcome = readReport(readFileSync(report, "utf8"));
  rmSync(folder, { recursive: true });
  return outcome;
}

function readReport(xml: string): Outcome {
  const failed: string[] = [];
  const skipped: string[] = [];
  let cases = 0;
  for (const [, section = "", inside = ""] of xml.matchAll(
    /<testsuite [^>]*package="([^"]*)"[^>]*>([\s\S]*?)<\/testsuite>/g,
  )) {
    for (const [i, [, of = ""]] of [...inside.matchAll(/<testcase [^>]*>([\s\S]*?)<\/testcase>/g)].entries()) {
      cases++;
      if (/<(error|failure)>/.test(of)) failed.push(`${section}/${i + 1}`);
      else if (/<skipped>/.test(of)) skipped.push(`${section}/${i + 1}`);
    }
  }
  return { failed, skipped, cases };
}

describe.skipIf(missingGo !== undefined)(`h2spec${because(missingGo)}`, () => {
  test("our HTTP/2 passes all of it, behind a web server's answers", async () => {
    using server = await startPlainServer();
    expect(await playSuite("127.0.0.1", server.port)).toEqual({ failed: [], skipped: [], cases: CASES });
    expect(server.failures).toEqual([]);
  });

  test("the binary passes all but what its early answers make of it", async () => {
    await using binary = await spawnBinary(["--simulate=2"]);
    const [host = "", port = ""] = binary.tcpTarget.split(":");
    expect(await playSuite(host, Number(port))).toEqual({
      failed: ANSWERED_AT_ONCE,
      skipped: WITHOUT_BODY,
      cases: CASES,
    });
  });
});
