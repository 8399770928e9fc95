import { expect, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { StatusError } from "../base/status-error.ts";
import { GetGpuRequestSchema, GpuSchema } from "../gen/device/v1alpha1/gpu_pb.ts";
import { decodeMessage } from "./decode.ts";

test("a message comes back as it was encoded", () => {
  const bytes = toBinary(GetGpuRequestSchema, create(GetGpuRequestSchema, { name: "gpu-é-😀" }));

  expect(decodeMessage(GetGpuRequestSchema, bytes).name).toBe("gpu-é-😀");
});

test("unknown fields are dropped", () => {
  const request = decodeMessage(GetGpuRequestSchema, Buffer.from([0x0a, 1, 0x61, 0xfa, 0x01, 3, 1, 2, 3]));

  expect(request.name).toBe("a");
  expect(request.$unknown).toBeUndefined();
});

test.each([
  ["a tag without a value", [0x0a]],
  ["a length beyond the end", [0x0a, 5, 0x61]],
  ["a length of 2^31", [0x0a, 0x80, 0x80, 0x80, 0x80, 0x08]],
  ["a varint that never ends", [0x0a, ...new Array<number>(12).fill(0xff)]],
  ["field number 0", [0x02, 0]],
  ["wire type 6", [0x0e]],
  ["wire type 7", [0x0f]],
  ["an end of a group that never began", [0x0c]],
  ["a stray byte of UTF-8", [0x0a, 1, 0xff]],
  ["UTF-8 cut short", [0x0a, 2, 0xe2, 0x82]],
  ["an overlong NUL", [0x0a, 2, 0xc0, 0x80]],
  ["a lone surrogate", [0x0a, 3, 0xed, 0xa0, 0x80]],
])("%s is malformed: INVALID_ARGUMENT that names the type", (_name, bytes) => {
  const decode = () => decodeMessage(GetGpuRequestSchema, Buffer.from(bytes));

  expect(decode).toThrow(new StatusError("INVALID_ARGUMENT", "malformed nvidia.device.v1alpha1.GetGpuRequest"));
});

test("groups nested beyond the limit are malformed, not a stack overflow", () => {
  const deep = Buffer.alloc(100_000, 0x7b);

  expect(() => decodeMessage(GpuSchema, deep)).toThrow("malformed nvidia.device.v1alpha1.Gpu");
});
