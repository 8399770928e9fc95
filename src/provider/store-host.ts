import { UNBOUNDED } from "../base/cancel-scope.ts";
import type { Store } from "../store/store.ts";
import type { ProviderHost } from "./provider.ts";

/** Lets a built-in provider write to the store under its id; `onSet` is told of each GPU that was written. */
export function createStoreHost(store: Store, id: string, onSet: () => void): ProviderHost {
  const writer = { kind: "builtin", id } as const;
  return {
    async publish(reports) {
      const outcomes = await store.write(UNBOUNDED, (transaction) =>
        reports.map(({ name, uuid, status }) => {
          transaction.register(writer, { name, uuid, status: undefined });
          return [name, transaction.updateStatus(writer, name, status)] as const;
        }),
      );
      return new Map(
        outcomes.map(([name, { resourceVersion }]) => {
          onSet();
          return [name, resourceVersion];
        }),
      );
    },
    async withdraw(names) {
      await store.write(UNBOUNDED, (transaction) => {
        for (const name of names) transaction.unregister(writer, name);
      });
      for (const _ of names) onSet();
    },
  };
}
