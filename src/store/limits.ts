/** Limits of the wire contract. Lengths are counted in Unicode code points. */
export const NAME_MAX = 253;
export const UUID_MAX = 253;
export const PROVIDER_ID_MAX = 253;
export const CONDITION_TYPE_MAX = 316;
export const REASON_MAX = 1_024;
export const MESSAGE_MAX = 4_096;
/** The longest known word has 15 letters; a provider's own words get ample room. */
export const ACTION_MAX = 256;

/** Reports per GPU, all providers together. */
export const CONDITIONS_PER_GPU_MAX = 64;
export const GPUS_MAX = 4_096;
/** Clients accept messages of 4 MiB; what is left is for the reply's frame and for the server's own words. */
export const LIST_BYTES_MAX = 3.5 * 1024 * 1024;
/** What the list may come to when every provider falls silent at once, which no writer could be refused for then. */
export const SILENT_LIST_BYTES_MAX = 4 * 1024 * 1024;
/**
 * By how much a condition without reason and message grows when its provider falls silent: 3 for the status, 14 for
 * ProviderLost, 65 for a message with a lease of up to 13 digits, 8 for the time, 4 for longer lengths before them.
 */
export const LOSS_BYTES = 94;

/** A node has a handful of providers; a permitted peer that invents names must not grow the server. */
export const PROVIDERS_MAX = 1_024;

/** Streams of all consumers together: four for each of the 4,096 connections the server takes at most. */
export const WATCHERS_MAX = 16_384;

/**
 * Retained events. A consumer that restarts within a minute resumes without a new list unless the node changed more
 * than 546 times a second meanwhile; a healthy node changes a few times an hour.
 */
export const HISTORY_EVENTS_MAX = 32_768;
/** At 500 bytes for an event of usual size the count is reached first; large events must not break 256 MiB. */
export const HISTORY_BYTES_MAX = 16 * 1024 * 1024;

/** One list of recent events: some 20 ms of decoding at 20 µs each, for an event and the one before it. */
export const RECENT_EVENTS_MAX = 500;
/** With the 1.4 MiB that one event can take at most and an operator's words for each, a list stays below 4 MiB. */
export const RECENT_EVENTS_BYTES_MAX = 1024 * 1024;

/** How long a provider may hold a transaction open, readers waiting, before it is rolled back. */
export const TRANSACTION_MAX_MS = 5_000;

/** A provider's own transition time is believed from here on (no data-centre GPU with health reports is older) … */
export const TRANSITION_TIME_MIN_SECONDS = 1_262_304_000n; // 2010-01-01
/** … and up to this far ahead of the server's clock, the most that two clocks of one node could differ. */
export const TRANSITION_TIME_AHEAD_MAX_SECONDS = 60n;
