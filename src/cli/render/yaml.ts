import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { printableJsonString } from "../../base/log-text.ts";

/**
 * A value of the protobuf JSON mapping as YAML, in kubectl's layout. A string stands plain only where no reader of any
 * version of YAML could take it for anything else; every other is a JSON string, which is YAML's double-quoted form.
 */
export function renderYaml(value: JsonValue): string {
  return `${linesOf(value).join("\n")}\n`;
}

function linesOf(value: JsonValue): readonly string[] {
  if (Array.isArray(value)) return value.length === 0 ? ["[]"] : sequenceLines(value);
  if (typeof value === "object" && value !== null) {
    return Object.keys(value).length === 0 ? ["{}"] : mappingLines(value as JsonObject);
  }
  return [typeof value === "string" ? scalar(value) : JSON.stringify(value)];
}

function sequenceLines(items: readonly JsonValue[]): readonly string[] {
  return items.flatMap((item) => linesOf(item).map((line, i) => (i === 0 ? `- ${line}` : `  ${line}`)));
}

function mappingLines(object: JsonObject): readonly string[] {
  return Object.entries(object).flatMap(([key, value]) => {
    const head = `${scalar(key)}:`;
    const lines = linesOf(value);
    if (isNested(value)) return [head, ...lines.map((line) => (Array.isArray(value) ? line : `  ${line}`))];
    return [`${head} ${lines.join("")}`];
  });
}

function isNested(value: JsonValue): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

/** Words that begin with a letter, without any of YAML's own signs. */
const PLAIN = /^[A-Za-z][\w./-]*(?: [\w./(),-]+)*$/;
/** What YAML 1.1 or 1.2 reads as true, false or nothing. */
const RESERVED = /^(?:true|false|yes|no|on|off|y|n|null)$/i;

function scalar(text: string): string {
  return PLAIN.test(text) && !RESERVED.test(text) ? text : printableJsonString(text);
}
