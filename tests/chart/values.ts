/** Values by their paths, such as "server.healthPort". */
export type Values = Readonly<Record<string, unknown>>;

/** As a values file has them. */
export function nest(values: Values): object {
  const nested: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(values)) {
    const keys = path.split(".");
    let inner = nested;
    for (const key of keys.slice(0, -1)) {
      inner[key] ??= {};
      inner = inner[key] as Record<string, unknown>;
    }
    inner[keys.at(-1) ?? ""] = value;
  }
  return nested;
}
