import type { Clock, Scheduler } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { createApi } from "../service/json-api/api.ts";
import type { RecentEvents } from "../service/recent-events.ts";
import type { Store } from "../store/store.ts";
import { loadPage } from "../transport/page.ts";
import { listenUi, type UiListener } from "../transport/ui-listener.ts";
import type { Config } from "./config.ts";

export interface UiParts {
  readonly store: Store;
  readonly events: RecentEvents;
  readonly metrics: Metrics;
}

/** Opens the page for people and the JSON API; undefined where they are switched off. Throws ListenError. */
export async function openUi(
  config: Config,
  { store, events, metrics }: UiParts,
  io: { readonly clock: Clock; readonly scheduler: Scheduler; readonly log: Logger },
): Promise<UiListener | undefined> {
  const { ui: address, nodeName: node, version } = config;
  if (address === undefined) return undefined;
  const { clock, scheduler, log } = io;
  return listenUi({
    address,
    page: loadPage(),
    operations: createApi({ store, events, clock, server: { node, version } }),
    clock,
    scheduler,
    log,
    onRequest: (route, status) => metrics.uiRequestEnded(route, status),
    onStreamOpen: () => metrics.uiStreamOpened(),
    onStreamEnd: (ending) => metrics.uiStreamEnded(ending),
    onRejected: () => metrics.uiConnectionRejected(),
  });
}
