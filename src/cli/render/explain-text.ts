import { INVESTIGATION_TEXTS } from "../../provider/nvml/xids/bucket-rules.ts";
import type { XidEntry } from "../../provider/nvml/xids/entry.ts";
import { renderTable } from "./table.ts";

/** A terminal's usual width. */
const COLUMNS = 80;
const LABEL_COLUMNS = 13;

/** One code as a person reads it. */
export function renderXid(entry: XidEntry): string {
  const lines: readonly (readonly [string, string])[] = [
    ["GPU", effectOf(entry)],
    ["Advice", adviceOf(entry)],
    ["Root cause", INVESTIGATION_TEXTS[entry.investigation]],
    ["Cleared by", entry.clearedBy],
    ["Catalogue", catalogueOf(entry)],
    ["Note", entry.note],
  ];
  const body = lines.flatMap(([label, text]) => (text === "" ? [] : labelled(label, text)));
  return `Xid ${entry.code}: ${entry.mnemonic}\n${entry.description}\n\n${body.join("\n")}\n`;
}

const TABLE_HEADINGS = ["XID", "GPU", "ACTION", "BUCKET", "DESCRIPTION", "MNEMONIC"];
const TABLE_EFFECTS = { none: "healthy", unhealthy: "unhealthy", verdict: "by verdict" } as const;

/** One line for each code; ACTION is what recommended_action becomes, BUCKET the catalogue's own word. */
export function renderXidTable(entries: readonly XidEntry[]): string {
  const rows = entries.map((entry) => [
    String(entry.code),
    TABLE_EFFECTS[entry.effect],
    entry.effect === "none" ? "-" : entry.action,
    entry.bucket,
    entry.description,
    entry.mnemonic,
  ]);
  return renderTable([TABLE_HEADINGS, ...rows]);
}

function effectOf({ effect, reason, onlyAlone }: XidEntry): string {
  switch (effect) {
    case "none":
      return onlyAlone
        ? "stays healthy; the Xid is counted, and says something only where no other Xid came with it"
        : "stays healthy; the Xid is counted";
    case "unhealthy":
      return `becomes unhealthy: NVMLReady turns False with reason ${reason}`;
    case "verdict":
      return (
        "becomes unhealthy if the driver's own verdict asks for an action, or if there is no verdict to be had: the " +
        "code alone does not tell"
      );
  }
}

/** recommended_action stands in front where the GPU's status shows it. */
function adviceOf({ effect, action, advice }: XidEntry): string {
  return effect === "none" || action === "NONE" ? advice : `${action}, unless the driver asks for another. ${advice}`;
}

function catalogueOf({ bucket, investigation, fatal }: XidEntry): string {
  const severity = fatal === undefined ? "" : fatal ? "; fatal" : "; not fatal";
  return `immediate action ${bucket}, investigatory action ${investigation}${severity}`;
}

function labelled(label: string, text: string): readonly string[] {
  return wrap(text, COLUMNS - 2 - LABEL_COLUMNS).map(
    (line, i) => `  ${(i === 0 ? label : "").padEnd(LABEL_COLUMNS)}${line}`,
  );
}

/** Breaks between words; a word that is longer than a line stands alone. */
export function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= columns) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
