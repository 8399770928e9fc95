import type { Server, Transport } from "./subject.ts";

/** What bench/go/load says; see main.go there. */
export interface LoadResult {
  readonly calls: number;
  readonly seconds: number;
  readonly replyBytes: number;
  readonly events: number;
  readonly latencyUs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly serverCpuSeconds: number;
  readonly loadCpuSeconds: number;
  readonly before: Memory;
  readonly after: Memory;
}

export interface Memory {
  readonly residentBytes: number;
  readonly anonymousBytes: number;
}

export type LoadKind = "register" | "list" | "get" | "update" | "fanout" | "watches";

/** As the flags of the load. */
export interface LoadOptions {
  readonly first?: number;
  readonly gpus?: number;
  readonly connections?: number;
  readonly outstanding?: number;
  readonly warmup?: string;
  readonly duration?: string;
  readonly watchers?: number;
  readonly updates?: number;
  readonly "warm-updates"?: number;
  readonly rate?: number;
}

/** Throws at the first thing that is not as it should be: a status, a reply, an event that is missing. */
export type Load = (server: Server, transport: Transport, kind: LoadKind, options: LoadOptions) => Promise<LoadResult>;

export interface Run {
  readonly server: string;
  readonly transport: Transport;
  readonly kind: LoadKind;
  readonly options: LoadOptions;
  readonly result: LoadResult;
}

/** What was run goes to `runs`, too. */
export function createLoad(program: string, runs: Run[]): Load {
  return async (server, transport, kind, options) => {
    const flags = Object.entries(options).map(([name, value]) => `-${name}=${value}`);
    const target = [`-target=${server.targets[transport]}`, `-pid=${server.pid}`];
    const child = Bun.spawn([program, ...target, `-do=${kind}`, ...flags], { stdout: "pipe", stderr: "pipe" });
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    if ((await child.exited) !== 0) throw new Error(`${[transport, kind, ...flags].join(" ")}: ${err.trim()}`);
    const result = JSON.parse(out) as LoadResult;
    runs.push({ server: server.label, transport, kind, options, result });
    return result;
  };
}
