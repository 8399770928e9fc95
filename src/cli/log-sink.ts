/** The part of a writable stream that is needed. */
export interface LineStream {
  /** Calls back when the text has left, or cannot. */
  write(text: string, done: (error?: Error | null) => void): boolean;
}

/**
 * What may wait for a log reader that has stopped: some 5,000 lines. Beyond it lines are dropped, because the stream
 * would keep them in memory for ever, and a server must outlive the reader of its log.
 */
const BUFFER_MAX_BYTES = 1_024 * 1_024;

/** Writes lines without ever waiting; tells how many it had to drop once the reader is back. */
export function createLineSink(stream: LineStream, onDropped: (lines: number) => void): (line: string) => void {
  let waiting = 0;
  let dropped = 0;
  const write = (line: string): void => {
    const text = `${line}\n`;
    waiting += text.length;
    stream.write(text, () => {
      waiting -= text.length;
      if (dropped > 0 && waiting === 0) {
        const count = dropped;
        dropped = 0;
        onDropped(count);
      }
    });
  };
  return (line) => {
    if (waiting > BUFFER_MAX_BYTES) dropped++;
    else write(line);
  };
}
