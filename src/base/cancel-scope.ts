/** Whoever waits on behalf of a caller: the wait ends when the caller's time is up or the caller has gone. */
export interface CancelScope {
  /** Absolute, on the monotonic clock in milliseconds; undefined for none. */
  readonly deadlineMs: number | undefined;
  readonly cancelled: boolean;
  /** Calls back at most once, when the caller goes away; at once where that has happened. */
  onCancel(listener: () => void): void;
}

/** For the server's own work: nobody to cancel it. */
export const UNBOUNDED: CancelScope = { deadlineMs: undefined, cancelled: false, onCancel: () => {} };
