/** Where the server is: what grpc-js dials, and how people write it. */
export interface Target {
  readonly address: string;
  readonly shown: string;
}

export const TARGET_FORMS = "unix:///path, unix:path, /path, host:port or dns:///host:port";

const HOST_PORT = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[-.A-Za-z0-9]*[A-Za-z0-9])?):\d{1,5}$/;

/** Undefined where the text has none of the forms. */
export function parseTarget(text: string): Target | undefined {
  if (text.includes("\0")) return undefined;
  if (text.startsWith("/")) return unixTarget(text);
  if (text.startsWith("unix://")) {
    const path = text.slice("unix://".length);
    return path.startsWith("/") ? unixTarget(path) : undefined;
  }
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    return path === "" ? undefined : unixTarget(path);
  }
  const name = text.startsWith("dns:///") ? text.slice("dns:///".length) : text;
  if (!HOST_PORT.test(name) || Number(name.slice(name.lastIndexOf(":") + 1)) > 65_535) return undefined;
  return { address: `dns:${name}`, shown: name };
}

function unixTarget(path: string): Target {
  return { address: `unix:${path}`, shown: path.startsWith("/") ? `unix://${path}` : `unix:${path}` };
}
