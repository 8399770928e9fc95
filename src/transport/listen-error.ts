/** An address cannot be had. The message is one line that names the flag and what to do. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}
