/** What a randomised test takes from the environment. */
export interface RunSettings {
  /** MODEL_SEED; without it another one for each run of the suite. */
  readonly seed: number;
  /** MODEL_SCALE multiplies the number of runs: 250 for a night. */
  readonly scale: number;
}

export function runSettings(env: Readonly<Record<string, string | undefined>>): RunSettings {
  const seed = env.MODEL_SEED === undefined ? Math.floor(Math.random() * 2 ** 47) : Number(env.MODEL_SEED);
  const scale = Number(env.MODEL_SCALE ?? 1);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error("MODEL_SEED is not a whole number");
  if (!(scale > 0)) throw new Error("MODEL_SCALE is not a positive number");
  return { seed, scale };
}
