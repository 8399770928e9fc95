import type { Tally } from "./tally.ts";

/**
 * Counts one file's tests from the report of `bun test --reporter=junit`. A report is written at the very end, so a
 * process that crashed, or called process.exit(), left none; and a file that failed to load is absent from it while
 * the exit status says failure. Both count as one failure, whatever else was counted.
 */
export function tallyReport(file: string, report: string | undefined, ending: string): Tally {
  const failed: string[] = [];
  const skipped: string[] = [];
  let passed = 0;
  for (const [, attributes = "", inside = ""] of (report ?? "").matchAll(TESTCASE)) {
    const name = nameOf(file, attributes);
    if (/<(failure|error)\b/.test(inside)) failed.push(name);
    else if (/<skipped\b/.test(inside)) skipped.push(name);
    else passed += 1;
  }
  const endedWell = ending === "exit status 0";
  if (report === undefined) failed.push(`${file}: no report was written (${ending})`);
  else if (!endedWell && failed.length === 0) failed.push(`${file}: ${ending} without a failed test`);
  else if (passed + failed.length + skipped.length === 0) failed.push(`${file}: ran no test`);
  return { passed, failed, skipped };
}

/** Attribute values hold no `<` or `>`: the reporter escapes both. */
const TESTCASE = /<testcase\b([^<>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;

function nameOf(file: string, attributes: string): string {
  const within = attribute(attributes, "classname");
  const name = attribute(attributes, "name");
  return `${file}: ${within === "" ? name : `${within} > ${name}`}`;
}

function attribute(attributes: string, name: string): string {
  const value = new RegExp(`\\s${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
  return value.replace(/&(lt|gt|quot|apos|amp|#10);/g, (_, entity: string) => ENTITIES[entity] ?? " ");
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
