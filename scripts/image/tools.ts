/** Runs a command and gives its standard output; shows what it wrote and throws if it fails. */
export function must(command: readonly string[], cwd?: string): string {
  const options = { stdout: "pipe", stderr: "pipe", ...(cwd === undefined ? {} : { cwd }) } as const;
  const done = Bun.spawnSync([...command], options);
  if (done.success) return done.stdout.toString();
  console.error(`${done.stdout}${done.stderr}`.trim());
  throw new Error(`failed: ${command.join(" ")}`);
}
