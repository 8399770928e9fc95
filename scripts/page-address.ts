/**
 * Where a server with these arguments has its page: the last --ui-address counts, "" is none, and all addresses are
 * reached by loopback too. Port 0 is one that the server picks, and says in its log.
 */
export function pageAddress(args: readonly string[]): string | undefined {
  const values = args.flatMap((arg, i) => {
    const match = /^--?ui-address(?:=(.*))?$/.exec(arg);
    return match === null ? [] : [match[1] ?? args[i + 1] ?? ""];
  });
  const [, host = "", port = ""] = /^(.*):(\d+)$/.exec(values.at(-1) ?? "") ?? [];
  if (port === "") return undefined;
  if (Number(port) === 0) return "ui=… of the line above";
  return `http://${["", "0.0.0.0", "[::]"].includes(host) ? "127.0.0.1" : host}:${port}/`;
}
