import { printable } from "../base/log-text.ts";
import { ApiError } from "../client/errors.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../gen/grpc/health/v1/health_pb.ts";
import { quoted, UsageError } from "../server/flags-kinds.ts";
import { parseFlags } from "../server/flags-parse.ts";
import { HELP_FLAG, TARGET_FLAG, targetOf, timeoutFlag, withClient } from "./client-flags.ts";
import { explainRpcError } from "./failure.ts";
import { commandHelp } from "./help.ts";
import { type Command, type CommandIo, EXIT_FAILURE, EXIT_OK } from "./io.ts";

const FLAGS = { target: TARGET_FLAG, timeout: timeoutFlag(3), help: HELP_FLAG } as const;

export const healthcheckCommand: Command = {
  name: "healthcheck",
  usage: "",
  summary: "ask the server whether it serves (exit status 0 or 1); for exec probes",
  flags: FLAGS,
  run,
};

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseFlags(FLAGS, args, io.env);
  if (values.help) return await commandHelp(healthcheckCommand, io);
  if (positionals[0] !== undefined) throw new UsageError(`healthcheck: unexpected argument ${quoted(positionals[0])}`);
  const target = targetOf(values.target, io.env);
  try {
    const { status } = await withClient(target, (client) =>
      client.unary(Health.method.check, {}, { timeoutMs: values.timeout }),
    );
    const name = HealthCheckResponse_ServingStatus[status] ?? String(status);
    // Probes go by the status: a disk that is full under the output does not make it false.
    await io.print(`${name}\n`).catch(() => false);
    return status === HealthCheckResponse_ServingStatus.SERVING ? EXIT_OK : EXIT_FAILURE;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // Probes know two answers: a server that cannot be reached is one that does not serve.
    const explained = explainRpcError(error, target);
    await io.complain(printable(explained instanceof Error ? explained.message : String(explained)));
    return EXIT_FAILURE;
  }
}
