import { BUCKET_RULES, CLEARING_TEXTS } from "./bucket-rules.ts";
import { XIDS_1_TO_60 } from "./codes-1-to-60.ts";
import { XIDS_61_TO_110 } from "./codes-61-to-110.ts";
import { XIDS_111_TO_172 } from "./codes-111-to-172.ts";
import type { XidClearing, XidEntry, XidRow } from "./entry.ts";
import { REMARKS, UNUSED_NOTE } from "./remarks.ts";

/*
 * The sources of the rows, of 2025-10-29:
 * - NVIDIA's Xid catalogue for Ampere and newer, docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html:
 *   mnemonic, description, immediate action (here: bucket), investigatory action. Read through the mirror that
 *   leptonai/gpud generates from it, components/accelerator/nvidia/xid/catalog_generated.go.
 * - NVIDIA/NVSentinel, charts/gpu-health-monitor/xiderrorsmapping.csv, an older edition of 1 to 162: fatal or not.
 * What follows for a GPU is decided in bucket-rules.ts and, code by code, in remarks.ts.
 */

/** The GPU is lost with it, and not only in error. */
export const OFF_THE_BUS = 79;

const ROWS: readonly XidRow[] = [...XIDS_1_TO_60, ...XIDS_61_TO_110, ...XIDS_111_TO_172];

/** Every code that the catalogue has. */
export const XID_CODES: ReadonlySet<number> = new Set(ROWS.map(([code]) => code));

/** Made when they are asked for: a server has starts, and on most nodes no Xids. */
let entries: ReadonlyMap<number, XidEntry> | undefined;

function byCode(): ReadonlyMap<number, XidEntry> {
  entries ??= new Map(ROWS.map((row) => [row[0], entryOf(row)]));
  return entries;
}

/** Every code of the catalogue, in order. */
export function allXids(): readonly XidEntry[] {
  return [...byCode().values()];
}

/** Total: a code that is not in the catalogue gives an entry that says so, with the bucket UNKNOWN. */
export function xidOf(code: number): XidEntry {
  return (
    byCode().get(code) ??
    entryOf([code, "UNKNOWN", "Not in the catalogue: a newer driver may know it", "UNKNOWN", "UNKNOWN"])
  );
}

function entryOf([code, mnemonic, description, bucket, investigation, fatal]: XidRow): XidEntry {
  const rule = BUCKET_RULES[bucket];
  const remark = REMARKS[code];
  const effect = remark?.effect ?? rule.effect;
  const cancelledBy = cancellersOf(code);
  const general = effect === "none" ? [] : rule.clearings;
  const clearings: readonly XidClearing[] = cancelledBy.length === 0 ? general : ["xid", ...general];
  return {
    code,
    mnemonic,
    description,
    bucket,
    investigation,
    fatal,
    effect,
    reason: code === OFF_THE_BUS ? "GPULost" : "XidError",
    onlyAlone: remark?.onlyAlone ?? false,
    action: rule.action,
    advice: remark?.advice ?? rule.advice,
    clearings,
    clearedBy: inWords(clearings.map((c) => (c === "xid" ? `Xid ${cancelledBy.join(" or ")}` : CLEARING_TEXTS[c]))),
    cancels: remark?.cancels ?? [],
    note: remark?.note ?? (description === "Unused" ? UNUSED_NOTE : ""),
  };
}

function cancellersOf(code: number): readonly number[] {
  return Object.entries(REMARKS).flatMap(([other, { cancels }]) => (cancels?.includes(code) ? [Number(other)] : []));
}

function inWords(phrases: readonly string[]): string {
  return phrases.length < 2 ? phrases.join() : `${phrases.slice(0, -1).join(", ")}, or ${phrases.at(-1)}`;
}
