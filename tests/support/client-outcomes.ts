import { ApiError } from "../../src/client/errors.ts";

/** The error of a call that must fail with one. */
export async function failure(call: Promise<unknown>): Promise<ApiError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ApiError)) throw new Error(`not an ApiError: ${String(error)}`);
  return error;
}

/** The types of all events, in their order. */
export const drain = async (messages: AsyncIterable<{ readonly type: string }>): Promise<string[]> => {
  const types: string[] = [];
  for await (const { type } of messages) types.push(type);
  return types;
};
