/**
 * What a handler gets in the place of an object whose deletion nobody saw: it was there, and a later list did not have
 * it. `object` is the state that was held last; others may have come between that and the deletion.
 */
export class DeletedFinalStateUnknown<T> {
  /** The object's name in lower case. */
  readonly key: string;
  readonly object: T;

  constructor(key: string, object: T) {
    this.key = key;
    this.object = object;
  }
}

/** What onDelete gets: the last state as the server sent it, or a tombstone. */
export type Deleted<T> = T | DeletedFinalStateUnknown<T>;

/** The last state that is known of a deleted object, however its deletion was learnt. */
export function lastStateOf<T>(deleted: Deleted<T>): T {
  return deleted instanceof DeletedFinalStateUnknown ? deleted.object : deleted;
}
