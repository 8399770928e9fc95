import { expect, test } from "bun:test";
import { type LogFields, type Logger, silentLogger } from "../../base/log.ts";
import { playRunningProvider } from "../../testing/nvml-provider-play.ts";
import { FLEET_MAX } from "./fleet.ts";

interface Line {
  readonly message: string;
  readonly fields: LogFields;
}

async function play(count: number) {
  const lines: Line[] = [];
  const write = (message: string, fields: LogFields = {}) => void lines.push({ message, fields });
  const log: Logger = { ...silentLogger, info: write, warn: write };
  const all = await playRunningProvider({ log }, count);
  const logged = (words: string) => lines.filter(({ message }) => message.includes(words)).map(({ fields }) => fields);
  return { ...all, logged };
}

test("GPUs over the limit are told once, and again only where there are more of them", async () => {
  const { logged, round } = await play(8);
  const uuids = (count: number) => Array.from({ length: count }, (_, i) => `GPU-${i}`);
  const leftOut = () => logged("more GPUs and MIG instances than are shown").map((fields) => fields["leftOut"]);
  await round(uuids(FLEET_MAX - 8));
  expect(leftOut()).toEqual([]);
  for (let i = 0; i < 10; i++) await round(uuids(FLEET_MAX - 6));
  expect(leftOut()).toEqual([2]);
  await round(uuids(FLEET_MAX - 7));
  await round(uuids(FLEET_MAX));
  expect(leftOut()).toEqual([2, 8]);
});
