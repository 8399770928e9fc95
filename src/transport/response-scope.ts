import type { ServerResponse } from "node:http";
import type { CancelScope } from "../base/cancel-scope.ts";

/** Whoever waits for an HTTP answer: gone when its connection is. */
export function createResponseScope(response: ServerResponse, deadlineMs: number): CancelScope {
  const listeners: (() => void)[] = [];
  let cancelled = false;
  response.on("close", () => {
    cancelled = true;
    for (const listener of listeners.splice(0)) listener();
  });
  return {
    deadlineMs,
    get cancelled() {
      return cancelled;
    },
    onCancel(listener) {
      if (cancelled) listener();
      else listeners.push(listener);
    },
  };
}
