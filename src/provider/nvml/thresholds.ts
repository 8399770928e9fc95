/** What the health rules go by. Every limit with a way back has a quiet period, so that a value on the edge is one
 * fault and not a hundred. */
export interface Thresholds {
  /** Degrees below the slowdown threshold that count as cool again. */
  readonly thermalMarginC: number;
  readonly thermalQuietMs: number;
  readonly powerQuietMs: number;
  /** How long a link that was down must stay up. */
  readonly linkQuietMs: number;
  /** Errors of one link within the window that make it bad; a tenth of it counts as quiet. */
  readonly linkErrorsMax: number;
  readonly linkErrorWindowMs: number;
  readonly linkErrorQuietMs: number;
  readonly fabricQuietMs: number;
  /** How long the driver must ask for nothing until a fault that named no GPU is taken off this one. */
  readonly unattributedQuietMs: number;
  readonly retiredPagesMax: number;
  /** Rounds in a row in which a reading failed before its condition is Unknown: one failure may be chance. */
  readonly unreadRoundsMax: number;
  /** How long rounds come without the GPU, the bus being healthy, until it is taken for removed. */
  readonly goneMs: number;
}

export const DEFAULT_THRESHOLDS: Thresholds = {
  // Boards leave 3 to 5 degrees between the threshold and the temperature they are regulated to.
  thermalMarginC: 5,
  // A fan or a load needs some ten seconds to show; three times that is no swing of the regulation.
  thermalQuietMs: 30_000,
  powerQuietMs: 30_000,
  // Training a link takes up to some seconds; one that flaps faster than this is one fault.
  linkQuietMs: 10_000,
  // DCGM takes 100 CRC errors a second for a failure and 1 replay for a warning; our counter is the sum of both kinds.
  linkErrorsMax: 100,
  linkErrorWindowMs: 60_000,
  // Longer than the window, so that a new window alone is not quiet.
  linkErrorQuietMs: 120_000,
  fabricQuietMs: 10_000,
  // The driver changes its verdict within seconds of the event that made it.
  unattributedQuietMs: 60_000,
  // NVIDIA exchanges a GPU with 60 retired pages or more; 64 is all it can retire.
  retiredPagesMax: 60,
  unreadRoundsMax: 2,
  // A reset or a reload of the driver takes up to some twenty seconds.
  goneMs: 30_000,
};
