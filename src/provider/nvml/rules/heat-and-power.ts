import { ClockReason } from "../driver-words.ts";
import { byReading, Gravity } from "../fault.ts";
import type { GpuSample } from "../sample.ts";
import { type Level, level, type Rule, type RuleInput } from "./rule.ts";

/** Outside of it a temperature or a threshold is a broken reading, which is no reading. */
const PLAUSIBLE_C = { min: -40, max: 200 } as const;

const CLOCK_CALLS = "Clocks(?:Event|Throttle)Reasons";

export const thermalRule: Rule = {
  condition: "ThermalHealthy",
  calls: new RegExp(`Temperature|${CLOCK_CALLS}`),
  good: { reason: "TemperatureOK", message: () => "below the slowdown threshold, no thermal slowdown" },
  applies: ({ sample }) => sample.clockReasons !== undefined || limitOf(sample) !== undefined,
  levels: (input) => [...temperatureLevel(input), ...thermalSlowdownLevel(input)],
  edges: () => [],
};

export const powerRule: Rule = {
  condition: "PowerHealthy",
  calls: new RegExp(CLOCK_CALLS),
  good: { reason: "PowerOK", message: () => "no power brake, no hardware slowdown" },
  applies: ({ sample }) => sample.clockReasons !== undefined,
  levels: ({ sample: { clockReasons }, thresholds }) =>
    clockReasons === undefined ? [] : powerLevels(clockReasons, thresholds.powerQuietMs),
  edges: () => [],
};

function temperatureLevel({ sample, thresholds }: RuleInput): readonly Level[] {
  const limit = limitOf(sample);
  const { temperatureC, shutdownC } = sample;
  if (limit === undefined || !isPlausible(temperatureC)) return [];
  const key = "temperature";
  const cool = limit - thresholds.thermalMarginC;
  if (temperatureC < limit) return [{ key, reading: temperatureC <= cool ? "good" : "holding" }];
  const shutdown = isPlausible(shutdownC) && shutdownC > limit ? `, it shuts down at ${shutdownC}` : "";
  const fault = {
    reason: "OverTemperature",
    detail: `the temperature reached ${temperatureC} degrees Celsius, the slowdown threshold is ${limit}${shutdown}`,
    short: "over the slowdown threshold",
    gravity: Gravity.verdict,
    action: "",
    clearings: byReading(`${cool} degrees or less`, thresholds.thermalQuietMs),
  };
  return [{ key, reading: "bad", fault }];
}

function thermalSlowdownLevel({ sample: { clockReasons }, thresholds }: RuleInput): readonly Level[] {
  if (clockReasons === undefined) return [];
  const hardware = (clockReasons & ClockReason.HwThermalSlowdown) !== 0n;
  const slowed = hardware || (clockReasons & ClockReason.SwThermalSlowdown) !== 0n;
  const who = hardware ? "the hardware" : "the driver";
  return [
    level("thermal-slowdown", slowed, () => ({
      reason: "ThermalSlowdown",
      detail: `${who} slows the clocks because of the temperature`,
      short: "thermal slowdown",
      gravity: Gravity.minor,
      action: "",
      clearings: byReading("no thermal slowdown", thresholds.thermalQuietMs),
    })),
  ];
}

function powerLevels(reasons: bigint, quietMs: number): readonly Level[] {
  const brake = (reasons & ClockReason.HwPowerBrake) !== 0n;
  // The general bit comes with either of the particular ones; alone it is the protection against too much power.
  const particular = ClockReason.HwThermalSlowdown | ClockReason.HwPowerBrake;
  const slowdown = (reasons & ClockReason.HwSlowdown) !== 0n && (reasons & particular) === 0n;
  return [
    level("power-brake", brake, () => ({
      reason: "PowerBrake",
      detail: "the power brake is on: the machine's power supply slows the GPU",
      short: "power brake",
      gravity: Gravity.verdict,
      action: "",
      clearings: byReading("no power brake", quietMs),
    })),
    level("hardware-slowdown", slowdown, () => ({
      reason: "HardwareSlowdown",
      detail: "the hardware slows the clocks because of the power it draws",
      short: "hardware slowdown",
      gravity: Gravity.minor,
      action: "",
      clearings: byReading("no hardware slowdown", quietMs),
    })),
  ];
}

function limitOf({ temperatureC, slowdownC }: GpuSample): number | undefined {
  return temperatureC !== undefined && isPlausible(slowdownC) && slowdownC > 0 ? slowdownC : undefined;
}

function isPlausible(celsius: number | undefined): celsius is number {
  return celsius !== undefined && celsius >= PLAUSIBLE_C.min && celsius <= PLAUSIBLE_C.max;
}
