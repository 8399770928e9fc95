import { StatusError } from "../base/status-error.ts";
import { httpHeaders, statusOnlyHeaders } from "./grpc-replies.ts";
import type { GrpcRequest } from "./grpc-request.ts";
import type { HeaderField } from "./hpack-decoder.ts";
import { ErrorCode } from "./http2-frames.ts";
import type { Http2Stream } from "./http2-stream.ts";

/** gRPC with protobuf, which is what it has where it does not say; parameters are for others. */
const CONTENT_TYPE = /^application\/grpc(\+proto)?\s*(;.*)?$/;

/** Answers what is no gRPC request that anybody can read; false where it is one. */
export function refuseUnreadable(
  stream: Http2Stream,
  fields: readonly HeaderField[] | undefined,
  request: GrpcRequest | undefined,
): boolean {
  if (fields === undefined) {
    stream.sendHeaders(statusOnlyHeaders(new StatusError("RESOURCE_EXHAUSTED", "the headers are too long")), true);
  } else if (request === undefined) stream.reset(ErrorCode.protocol);
  else if (request.httpMethod !== "POST") stream.sendHeaders(httpHeaders(405, [["allow", "POST"]]), true);
  else if (!CONTENT_TYPE.test(request.contentType)) {
    stream.sendHeaders(httpHeaders(415, [["accept-post", "application/grpc"]]), true);
  } else return false;
  return true;
}

/** Longer than any name that is meant; a header of one byte may stand for a path of 4 KiB. */
const METHOD_CHARS_MAX = 128;

export function refuseUnknownMethod(stream: Http2Stream, method: string): void {
  const status = new StatusError("UNIMPLEMENTED", `there is no method ${method.slice(0, METHOD_CHARS_MAX)}`);
  stream.sendHeaders(statusOnlyHeaders(status), true);
}
