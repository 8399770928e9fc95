import type { CancelScope } from "../base/cancel-scope.ts";
import type { EventsQuery, RecentEvent } from "../store/recent-events.ts";
import type { Store, StoreView } from "../store/store.ts";
import type { AuditLog } from "./audit-log.ts";
import { withOperatorsWord } from "./operator-words.ts";

/** What changed last on this node, for whoever shows it to people. */
export interface RecentEvents {
  /** Newest first, with the operators' words; at the same instant as `version`. Waits as every read does. */
  list(scope: CancelScope, query: EventsQuery): EventList | Promise<EventList>;
}

export interface EventList {
  readonly version: number;
  readonly events: readonly RecentEvent[];
}

export function createRecentEvents(store: Store, audit: AuditLog): RecentEvents {
  const read = (view: StoreView, query: EventsQuery): EventList => ({
    version: view.version,
    events: view.events(query).map((event) => withOperatorsWord(event, audit.entries)),
  });
  return { list: (scope, query) => store.read(scope, (view) => read(view, query)) };
}
