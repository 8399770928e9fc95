/** What the vendor's tool says of one GPU; a value that the GPU does not have is undefined. */
export interface SmiGpu {
  readonly uuid: string;
  readonly name: string;
  readonly busId: string;
  readonly driver: string;
  readonly celsius: number | undefined;
  readonly watts: number | undefined;
  /** By severity and lifetime, as in our metric. */
  readonly ecc: ReadonlyMap<string, number | undefined>;
}

const ECC_FIELDS = [
  ["corrected", "volatile"],
  ["uncorrected", "volatile"],
  ["corrected", "aggregate"],
  ["uncorrected", "aggregate"],
] as const;

const FIELDS = [
  ...["uuid", "name", "pci.bus_id", "driver_version", "temperature.gpu", "power.draw.instant"],
  ...ECC_FIELDS.map(([severity, lifetime]) => `ecc.errors.${severity}.${lifetime}.total`),
];

/** Undefined where there is no nvidia-smi, or no driver behind it. */
export function readSmi(): readonly SmiGpu[] | undefined {
  const output = run(`--query-gpu=${FIELDS.join(",")}`);
  return output?.map((line) => {
    const [uuid = "", name = "", busId = "", driver = "", celsius, watts, ...errors] = line;
    const ecc = ECC_FIELDS.map(
      ([severity, lifetime], i) =>
        [`severity="${severity}",lifetime="${lifetime}"`, numberOf(errors[i] ?? "")] as const,
    );
    return { uuid, name, busId, driver, celsius: numberOf(celsius), watts: numberOf(watts), ecc: new Map(ecc) };
  });
}

/** Remapped rows by the UUID of their GPU: corrected, uncorrected, pending, failed. Empty where no GPU remaps rows. */
export function readSmiRemapped(): ReadonlyMap<string, readonly (number | undefined)[]> {
  const fields = ["correctable", "uncorrectable", "pending", "failure"].map((what) => `remapped_rows.${what}`);
  const lines = run(`--query-remapped-rows=gpu_uuid,${fields.join(",")}`) ?? [];
  return new Map(lines.map(([uuid = "", ...counts]) => [uuid, counts.map(numberOf)]));
}

function run(query: string): readonly (readonly string[])[] | undefined {
  if (Bun.which("nvidia-smi") === null) return undefined;
  const done = Bun.spawnSync(["nvidia-smi", query, "--format=csv,noheader,nounits"]);
  if (!done.success) return undefined;
  const lines = done.stdout.toString().trim().split("\n");
  return lines.filter((line) => line !== "").map((line) => line.split(",").map((part) => part.trim()));
}

/** "[N/A]" and its relatives are no number; "Yes" and "No" are. */
function numberOf(text: string | undefined): number | undefined {
  if (text === "Yes" || text === "No") return text === "Yes" ? 1 : 0;
  const value = Number(text);
  return text === undefined || text === "" || Number.isNaN(value) ? undefined : value;
}
