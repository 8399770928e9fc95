import { expect, test } from "bun:test";
import { Code } from "../base/status-error.ts";
import * as errors from "./errors.ts";

const { ApiError, errorCodeOf } = errors;

test("every code of the specification has its name, and any other number is UNKNOWN", () => {
  for (const [name, code] of Object.entries(Code)) {
    expect(String(errorCodeOf(code))).toBe(name === "OK" ? "UNKNOWN" : name);
  }
  expect([-1, 17, 1.5, Number.NaN].map(errorCodeOf)).toEqual(["UNKNOWN", "UNKNOWN", "UNKNOWN", "UNKNOWN"]);
});

test("the message names code, details and method, and goes without the method where there was no call", () => {
  const cause = new Error("why");
  const error = new ApiError("NOT_FOUND", 'name: "a" is unknown', "p.S/M", { cause });
  expect([error.name, error.message, error.cause]).toEqual([
    "ApiError",
    'NOT_FOUND: name: "a" is unknown (p.S/M)',
    cause,
  ]);
  expect(new ApiError("UNKNOWN", "x").message).toBe("UNKNOWN: x");
});

test.each([
  ["INVALID_ARGUMENT", errors.isInvalidArgument],
  ["NOT_FOUND", errors.isNotFound],
  ["ALREADY_EXISTS", errors.isAlreadyExists],
  ["PERMISSION_DENIED", errors.isPermissionDenied],
  ["RESOURCE_EXHAUSTED", errors.isResourceExhausted],
  ["UNAVAILABLE", errors.isUnavailable],
  ["UNIMPLEMENTED", errors.isUnimplemented],
  ["DEADLINE_EXCEEDED", errors.isDeadlineExceeded],
  ["CANCELLED", errors.isCancelled],
  ["OUT_OF_RANGE", errors.isExpired],
] as const)("%s is told from every other code and from any other error", (code, is) => {
  const names = Object.keys(Code).filter((name) => name !== "OK") as errors.ErrorCode[];
  expect(names.filter((name) => is(new ApiError(name, "")))).toEqual([code]);
  expect([is(new Error(code)), is({ code }), is(undefined)]).toEqual([false, false, false]);
});

test("a closed connection is told from a call that somebody else cancelled", () => {
  expect(errors.isConnectionClosed(errors.connectionClosed("p.S/M"))).toBe(true);
  expect(errors.isConnectionClosed(new ApiError("CANCELLED", "server is shutting down"))).toBe(false);
});
