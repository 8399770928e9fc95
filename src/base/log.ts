/** Values that may stand in a log line's fields. Hostile text is fine: the writer escapes it. */
export type LogValue = string | number | bigint | boolean | undefined;
export type LogFields = Readonly<Record<string, LogValue>>;

/** One call, one line. */
export interface Logger {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Written where the verbosity (-v) is at least `level`. */
  debug(level: number, message: string, fields?: LogFields): void;
  /** Whether debug(level) would write; guards costly fields. */
  enabled(level: number): boolean;
}

export const silentLogger: Logger = {
  info: () => {},
  warn: () => {},
  error: () => {},
  debug: () => {},
  enabled: () => false,
};
