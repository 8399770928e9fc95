import type { Deleted } from "./tombstone.ts";

/**
 * What is told of each object. All three are optional; a promise they return is awaited before the next one is called,
 * and what they throw goes to onCallbackError.
 *
 * Promises, for each object: the states are a subsequence of the server's, in order; the same one never comes twice but
 * by a resync; `old` is the state that was told before; the newest state is told in the end, and so is the deletion of
 * everything that was told, also where the object comes again (then onDelete and onAdd). No older version follows a
 * newer one, unless the server was started anew with its clock set back: what it has is the truth, and is told as such.
 * A slow handler delays nobody but itself, and is told less: of states that wait, only the newest.
 *
 * Does not promise: an order between objects; every state; anything of an object that came and went while the handler
 * was busy.
 *
 * The handler must not change the objects, for they are everybody's, nor compute for long without an await: nothing
 * else runs meanwhile.
 */
export interface ResourceEventHandler<T> {
  /** `isInInitialList`: was there before the handler. */
  onAdd?(object: T, isInInitialList: boolean): unknown;
  /** A resync tells what is there once more; then both are the same object. */
  onUpdate?(old: T, object: T): unknown;
  /** The last state under the version of the deletion; a DeletedFinalStateUnknown where nobody saw the deletion. */
  onDelete?(object: Deleted<T>): unknown;
}

/** A handler's place at an informer. */
export interface HandlerRegistration extends Disposable {
  /** Whether the handler was told of everything that was there at first, and has finished. */
  readonly hasSynced: boolean;
  /** Rejects with the signal's reason, and where the handler is removed or the informer stopped before. */
  waitForSync(signal?: AbortSignal): Promise<void>;
  /** For how many objects there is something to tell that was not told yet. Bounded, see DeltaQueue. */
  readonly pending: number;
  /** No call of the handler starts from now on; a second time does nothing. Disposing does the same. */
  remove(): void;
  /** Resolves when it was removed or the informer stopped, and the call that was under way then has finished. */
  readonly ended: Promise<void>;
}
