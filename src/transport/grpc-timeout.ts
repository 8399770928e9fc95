const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
const TIMEOUT = /^(\d{1,8})([HMSmun])$/;

/** A grpc-timeout header in milliseconds; undefined where it is malformed. The longest is 11,400 years. */
export function parseTimeout(text: string): number | undefined {
  const [, digits, unit] = TIMEOUT.exec(text) ?? [];
  const unitMs = UNIT_MS[unit ?? ""];
  return unitMs === undefined ? undefined : Number(digits) * unitMs;
}
