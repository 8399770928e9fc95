import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EventParser, type ServerEvent } from "./event-parser.ts";

const parse = (text: string, parser = new EventParser()): readonly ServerEvent[] => parser.push(text);

describe("a stream's text", () => {
  test("is events, one after each empty line", () => {
    const text = 'retry: 2000\n\nid: \nevent: opened\ndata: {"a":1}\n\n:\n\nid: 7\nevent: ADDED\ndata: x: y\n\n';
    expect(parse(text)).toEqual([
      { type: "opened", data: '{"a":1}' },
      { type: "ADDED", data: "x: y" },
    ]);
  });

  test("gives the same events, wherever the pieces end", () => {
    const event = fc.record({ id: fc.nat(), type: fc.constantFrom("ADDED", "synced"), data: fc.json() });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 4 }), fc.array(fc.nat(200)), (events, cuts) => {
        const text = events.map(({ id, type, data }) => `id: ${id}\nevent: ${type}\ndata: ${data}\n\n`).join("");
        const places = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
        const parser = new EventParser();
        const found = places.slice(1).flatMap((end, i) => parser.push(text.slice(places[i], end)));
        expect(found).toEqual(events.map(({ type, data }) => ({ type, data })));
        expect(parser.lastId).toBe(String(events.at(-1)?.id ?? ""));
      }),
    );
  });

  test("that is cut off within an event leaves the last id at the event before", () => {
    const parser = new EventParser();
    parser.push("id: 7\nevent: ADDED\ndata: x\n\nid: 8\nevent: ADDED\nda");
    parser.reset();
    expect(parser.lastId).toBe("7");
    expect(parse("event: opened\ndata: y\n\n", parser)).toEqual([{ type: "opened", data: "y" }]);
    expect(parser.lastId).toBe("7");
  });

  test("takes the last id back with an empty one", () => {
    const parser = new EventParser();
    parser.push("id: 7\nevent: a\ndata: x\n\nid: \nevent: ended\ndata: x\n\n");
    expect(parser.lastId).toBe("");
  });
});
