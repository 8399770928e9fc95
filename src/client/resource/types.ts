import type { DescMethodServerStreaming, DescMethodUnary, Message } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { CallOptions, Connection, StreamOptions } from "../connection/connection.ts";

/** Closed. What else a server may send ends the watch with an error. */
export type EventType = "ADDED" | "MODIFIED" | "DELETED";

/** One change. A DELETED event carries the last state, under the version of the deletion. */
export interface WatchEvent<T> {
  readonly type: EventType;
  readonly object: T;
}

export interface GetOptions extends CallOptions {
  /** A decimal version; the server answers with the present state whatever it is. */
  readonly resourceVersion?: string;
  /** Default: "". Objects have no namespace: any but "" and "default" is empty. */
  readonly namespace?: string;
}

export type ListOptions = GetOptions;

export interface WatchOptions extends StreamOptions {
  /** Default: "", the present state first, as ADDED. A version: every change after it, or an error that isExpired. */
  readonly resourceVersion?: string;
  /** Default: "". Any but "" and "default" is open and silent. */
  readonly namespace?: string;
}

/** One snapshot: items and version belong together. */
export interface ResourceList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

/** What an informer needs. */
export interface ListerWatcher<T> {
  /** Rejects with ApiError. */
  list(options?: ListOptions): Promise<ResourceList<T>>;
  /**
   * Opens when it is iterated, once for each loop over it; leaving the loop ends the stream. Throws ApiError. Ends
   * without an error where the signal was aborted or the server ended the stream with OK. Reads no faster than it is
   * iterated: a loop that is too slow for the server's history gets an error that isExpired.
   */
  watch(options?: WatchOptions): AsyncIterable<WatchEvent<T>>;
}

export interface ResourceClient<T> extends ListerWatcher<T> {
  /** Rejects with ApiError; isNotFound where there is no object of that name. */
  get(name: string, options?: GetOptions): Promise<T>;
}

/** The version and namespace of a request, as the messages spell them. */
export interface RequestOptions {
  readonly resourceVersion: string;
  readonly namespace: string;
}

/** A kind of object and its Get, List and Watch; made by defineResource from what the generator writes down. */
export interface ResourceDefinition<T extends Message> {
  /** "Gpu" */
  readonly kind: string;
  /** "gpus" */
  readonly plural: string;
  /** "nvidia.device.v1alpha1.Gpu" */
  readonly typeName: string;
  readonly schema: GenMessage<T>;
  readonly methods: {
    readonly get: DescMethodUnary;
    readonly list: DescMethodUnary;
    readonly watch: DescMethodServerStreaming;
  };
  nameOf(object: T): string;
  resourceVersionOf(object: T): string;
  get(connection: Connection, name: string, options: GetOptions): Promise<T>;
  list(connection: Connection, options: ListOptions): Promise<ResourceList<T>>;
  watch(connection: Connection, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
}

/** Names compare without regard to case; two names of one object have one key. */
export function resourceKey(name: string): string {
  return name.toLowerCase();
}
