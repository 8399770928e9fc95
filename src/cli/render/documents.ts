import type { JsonValue } from "@bufbuild/protobuf";
import { printable } from "../../base/log-text.ts";
import { renderYaml } from "./yaml.ts";

/** The forms that programs read. */
export type DocumentForm = "json" | "yaml";

/** One value as a whole output. */
export function renderDocument(value: JsonValue, form: DocumentForm): string {
  return form === "yaml" ? renderYaml(value) : `${safeJson(value, 2)}\n`;
}

/** One of a stream of values: a line of JSON, or a document of YAML. */
export function renderStreamed(value: JsonValue, form: DocumentForm): string {
  return form === "yaml" ? `---\n${renderYaml(value)}` : `${safeJson(value, undefined)}\n`;
}

/** The same JSON with those characters escaped that a terminal would act upon. Line feeds stand between lines alone. */
function safeJson(value: JsonValue, indent: number | undefined): string {
  return JSON.stringify(value, undefined, indent).split("\n").map(printable).join("\n");
}
