import type { IncomingMessage } from "node:http";
import type { CancelScope } from "../base/cancel-scope.ts";
import { invalidArgument } from "../base/status-error.ts";
import type { ApiOperation, ApiParameter, ApiRequest } from "../service/json-api/operation.ts";

/** The operation of a path, and the parts of it that parameters hold, still encoded. */
export interface RouteMatch {
  readonly operation: ApiOperation;
  readonly parts: Readonly<Record<string, string>>;
}

export type Router = (path: string) => RouteMatch | undefined;

export function createRouter(operations: readonly ApiOperation[]): Router {
  const rows = operations.map((operation) => ({ operation, pattern: patternOf(operation.path) }));
  return (path) => {
    for (const { operation, pattern } of rows) {
      const match = pattern.exec(path);
      if (match !== null) return { operation, parts: { ...match.groups } };
    }
    return undefined;
  };
}

function patternOf(template: string): RegExp {
  const pattern = template.replaceAll(".", "\\.").replace(/\{(\w+)\}/g, "(?<$1>[^/]+)");
  return new RegExp(`^${pattern}$`);
}

/** Throws StatusError for a parameter that is not known, given twice, or not encoded as addresses are. */
export function readRequest(
  { operation, parts }: RouteMatch,
  query: string,
  headers: IncomingMessage["headers"],
  scope: CancelScope,
): ApiRequest {
  const known = (place: ApiParameter["in"]) => operation.parameters.filter((parameter) => parameter.in === place);
  const parameters: Record<string, string> = readQuery(query, known("query"));
  for (const { name } of known("path")) parameters[name] = decoded(name, parts[name] ?? "");
  for (const { name } of known("header")) {
    const value = headers[name.toLowerCase()];
    if (typeof value === "string") parameters[name] = value;
  }
  return {
    parameters,
    deadlineMs: scope.deadlineMs,
    get cancelled() {
      return scope.cancelled;
    },
    onCancel: (listener) => scope.onCancel(listener),
  };
}

function readQuery(query: string, known: readonly ApiParameter[]): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (!known.some((parameter) => parameter.name === name)) {
      const names = known.length === 0 ? "none is known here" : `there is ${known.map((each) => each.name).join(", ")}`;
      throw invalidArgument("query", `unknown parameter ${JSON.stringify(name)}; ${names}`);
    }
    if (given[name] !== undefined) throw invalidArgument(name, "is given twice");
    given[name] = value;
  }
  return given;
}

function decoded(name: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidArgument(name, "is not percent-encoded UTF-8");
  }
}
