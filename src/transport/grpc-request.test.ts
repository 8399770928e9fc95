import { describe, expect, test } from "bun:test";
import { readRequest } from "./grpc-request.ts";

type Field = readonly [name: string, value: string, isValid?: boolean];

const METHOD: Field = [":method", "POST"];
const SCHEME: Field = [":scheme", "http"];
const PATH: Field = [":path", "/p.S/M"];
const PSEUDO = [METHOD, SCHEME, PATH];
const read = (...fields: readonly Field[]) =>
  readRequest(fields.map(([name, value, isValid = true]) => ({ name, value, isValid })));
const without = (field: Field) => PSEUDO.filter((other) => other !== field);

test("a request is what its headers say", () => {
  expect(
    read(
      ...PSEUDO,
      [":authority", "localhost"],
      ["content-type", "application/grpc"],
      ["te", "trailers"],
      ["grpc-encoding", "gzip"],
      ["grpc-timeout", "5S"],
      ["content-length", "12"],
      ["user-agent", "x"],
    ),
  ).toEqual({
    method: "p.S/M",
    httpMethod: "POST",
    contentType: "application/grpc",
    encoding: "gzip",
    timeoutMs: 5_000,
    hasBadTimeout: false,
    contentLength: 12,
  });
});

test("a request that says no more than it has to has defaults", () => {
  expect(read(...PSEUDO)).toEqual({
    method: "p.S/M",
    httpMethod: "POST",
    contentType: "",
    encoding: "identity",
    timeoutMs: undefined,
    hasBadTimeout: false,
    contentLength: undefined,
  });
});

describe("HTTP/2 has no request", () => {
  const cases: readonly (readonly [string, readonly Field[]])[] = [
    ["without a method", without(METHOD)],
    ["without a scheme", without(SCHEME)],
    ["without a path", without(PATH)],
    ["with an empty method", [...without(METHOD), [":method", ""]]],
    ["with an empty path", [...without(PATH), [":path", ""]]],
    ["with a path that has no slash", [...without(PATH), [":path", "*"]]],
    ["with two methods", [...PSEUDO, METHOD]],
    ["with two schemes", [...PSEUDO, SCHEME]],
    ["with two paths", [...PSEUDO, PATH]],
    ["with two authorities", [...PSEUDO, [":authority", ""], [":authority", "a"]]],
    ["with two paths of which one is empty", [[":path", ""], ...PSEUDO]],
    ["with a pseudo-header that is none", [...PSEUDO, [":protocol", "x"]]],
    ["with a response's pseudo-header", [...PSEUDO, [":status", "200"]]],
    ["with a pseudo-header behind another header", [METHOD, SCHEME, ["te", "trailers"], PATH]],
    ["with a header that is not valid", [...PSEUDO, ["X", "1", false]]],
    ["with another te", [...PSEUDO, ["te", "trailers, deflate"]]],
    ["with a content-length that is no number", [...PSEUDO, ["content-length", "1e3"]]],
    ["with a negative content-length", [...PSEUDO, ["content-length", "-1"]]],
    ["with two content-lengths", [...PSEUDO, ["content-length", "1"], ["content-length", "2"]]],
    ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"].map(
      (name): readonly [string, readonly Field[]] => [`with ${name}`, [...PSEUDO, [name, "x"]]],
    ),
  ];
  test.each(cases)("%s", (_, fields) => {
    expect(read(...fields)).toBeUndefined();
  });
});

test.each([[["x"]], [[""]], [["1S", "x"]], [["x", "1S"]]])("of the timeouts %p one is malformed", (timeouts) => {
  const fields = timeouts.map((timeout): Field => ["grpc-timeout", timeout]);
  expect(read(...PSEUDO, ...fields)?.hasBadTimeout).toBe(true);
});

test("a method may have any characters, and none", () => {
  expect(read(...without(PATH), [":path", "/"])?.method).toBe("");
  expect(read(...without(PATH), [":path", "//__proto__?x=1"])?.method).toBe("/__proto__?x=1");
});
