import type { XidEffect } from "./entry.ts";

/** Where a code differs from its bucket, and what else is known about it. */
export interface XidRemark {
  readonly effect?: XidEffect;
  readonly advice?: string;
  readonly onlyAlone?: true;
  readonly cancels?: readonly number[];
  readonly note: string;
}

const NVLINK5 = "By unit and errorStatus (hexadecimal; 80000000 is ignored everywhere)";
const SYMPATHETIC = "It follows another Xid, which tells the cause.";
const DETAIL_OF_48 = "It adds detail to Xid 48, which comes beside it and has the effect.";
/** For every code of which the catalogue says no more than "Unused": its GPUs are Ampere and newer. */
export const UNUSED_NOTE = "GPUs from Ampere on do not send it; an older one may.";

export const REMARKS: Readonly<Record<number, XidRemark>> = {
  45: {
    onlyAlone: true,
    note:
      "The driver tears down the channels of an application that was ended or was hit by another Xid, and says so by " +
      "this one. A job that ends on many GPUs brings bursts of it.",
  },
  48: { note: "Xids 171 and 172 say whether it was in DRAM or in SRAM." },
  63: {
    note:
      "Informative: a bad row of memory is noted, and the next reset replaces it. MemoryHealthy reports the row that " +
      "waits.",
  },
  64: { note: "A bad row could not be noted for replacement." },
  74: { note: "NVLink up to generation 4; generation 5 has Xids 144 to 150." },
  79: { note: "Nothing else can be read of this GPU until it is back on the bus." },
  92: { note: "Informative: single-bit errors are corrected, however many they are." },
  94: { note: `The error was contained: it hit only the application whose memory it was. ${SYMPATHETIC}` },
  95: { note: `The error was not contained: every application on the GPU may be hit. ${SYMPATHETIC}` },
  109: { note: "Older software takes it for an error of the application; NVIDIA's catalogue asks for a reset." },
  137: { note: "An access over NVLink was refused at the other end." },
  144: { note: `${NVLINK5}. SAW_MVB: reset at 02, 10; ignore 01, 04, 08, 20.` },
  145: {
    note:
      `${NVLINK5}. RLW_REMAP: reset at 40, 80; the driver's verdict at 01, 02, 04, 08, 10, 20; ignore 100, 200. ` +
      "RLW_RSPCOL: reset at 02; ignore 01. RLW_RXPIPE: ignore 01, 02, 04 (then reset), 08. RLW_SRC_TRACK: reset at " +
      "01, 10, 20; the driver's verdict at 04, 08; ignore 02. RLW_TAGSTATE: reset at 02, 20000, 100000; ignore 01, " +
      "10000. RLW_CTRL: ignore.",
  },
  146: { note: `${NVLINK5}. TLW_CTRL, TLW_RX, TLW_TX: reset at 04; ignore 01, 02.` },
  147: { note: `${NVLINK5}. TREX: ignore.` },
  148: { note: `${NVLINK5}. NVLPW_CTRL: ignore.` },
  149: {
    note:
      `${NVLINK5}. NETIR_INT: reset. NETIR_LINK_DOWN: reset, but ignore sub-reasons 100110 and 101000 (binary). ` +
      "NETIR_BER_EVENT: ignore, and check link and cables. NETIR_MFDE_EVENT: reset at 01, 04, 05, 07; ignore 03.",
  },
  // All that it can be asks for a reset, so nothing is left to the verdict.
  150: { effect: "unhealthy", note: `${NVLINK5}. MSE_WATCHDOG, its only unit: reset.` },
  154: {
    note:
      "It announces that the driver's verdict has changed, for better or for worse, because of another Xid. The " +
      "verdict itself decides.",
  },
  159: { note: SYMPATHETIC },
  160: { note: "An older edition of the catalogue asked for a restart of the machine." },
  162: {
    effect: "none",
    advice: "Nothing needs to be done.",
    cancels: [163],
    note: "Good news: power smoothing works again. It ends what Xid 163 began.",
  },
  163: { note: "The catalogue's remarks say: reload the driver, or reset the GPU." },
  168: { note: "The driver starts the GPU again with the protected region moved." },
  171: { note: DETAIL_OF_48 },
  172: { note: DETAIL_OF_48 },
};
