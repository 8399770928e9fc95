import { afterEach, beforeEach, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { eventually } from "../../tests/support/eventually.ts";
import { type Connection, LiveStream } from "./live-stream.ts";

/** Against a real server: each request is answered by the next of these. */
let answers: ((request: IncomingMessage, response: ServerResponse) => void)[];
let lastIds: (string | undefined)[];
let server: Server;
let events: string[];
let states: Connection[];
let stream: LiveStream;

beforeEach(async () => {
  answers = [];
  lastIds = [];
  events = [];
  states = [];
  server = createServer((request, response) => {
    lastIds.push(request.headers["last-event-id"] as string | undefined);
    const next = answers.shift();
    if (next === undefined) response.socket?.destroy();
    else next(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stream = new LiveStream({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    onEvent: ({ type, data }) => events.push(`${type} ${data}`),
    onConnection: (state) => states.push(state),
  });
});

afterEach(() => {
  stream.stop();
  server.closeAllConnections();
  server.close();
});

const OPENED = "event: opened\ndata: o\n\n";
const sends = (text: string, ends: boolean) => (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(text);
  if (ends) response.end();
};
const last = () => states.at(-1);
const lost = () => eventually(() => last()?.kind === "lost", "the loss");

test("a stream is live once it is opened, and hands over its events", async () => {
  answers.push(sends(`${OPENED}id: 5\nevent: ADDED\ndata: é\n\n`, false));
  void stream.start();
  await eventually(() => events.length === 2, "the events");
  expect(events).toEqual(["opened o", "ADDED é"]);
  expect(states).toEqual([{ kind: "connecting" }, { kind: "live" }]);
});

test("a stream that breaks is lost, and goes on from its last id", async () => {
  answers.push(sends(`${OPENED}id: 5\nevent: ADDED\ndata: x\n\nid: 6\nevent: ADD`, true), sends(OPENED, false));
  void stream.start();
  await lost();
  expect(last()).toEqual({ kind: "lost", reason: "the server has closed the connection" });
  stream.hurry();
  await eventually(() => last()?.kind === "live", "the return");
  expect(lastIds).toEqual([undefined, "5"]);
});

test("comes back by itself", async () => {
  answers.push(sends(OPENED, true), sends(OPENED, false));
  void stream.start();
  await eventually(() => lastIds.length === 2 && last()?.kind === "live", "the return");
});

test("says why the server ended it, and starts anew where it was told to", async () => {
  const ended = 'id: \nevent: ended\ndata: {"code":"OUT_OF_RANGE","message":"too slow"}\n\n';
  answers.push(sends(`${OPENED}id: 5\nevent: ADDED\ndata: x\n\n${ended}`, true), sends(OPENED, false));
  void stream.start();
  await lost();
  expect(last()).toEqual({ kind: "lost", reason: "too slow" });
  expect(events).toEqual(["opened o", "ADDED x"]);
  stream.hurry();
  await eventually(() => last()?.kind === "live", "the return");
  expect(lastIds).toEqual([undefined, undefined]);
});

test.each([
  ['{"code":"RESOURCE_EXHAUSTED","message":"16 pages are open already"}', "16 pages are open already"],
  ["<html>a proxy's own</html>", "the server answers 503"],
])("a refusal %p is told as %p", async (body, reason) => {
  answers.push((_, response) => void response.writeHead(503).end(body));
  void stream.start();
  await lost();
  expect(last()).toEqual({ kind: "lost", reason });
});

test.each([
  ["before it answers", () => {}],
  ["later", sends(OPENED, false)],
])("a server that falls silent %s is not taken for one that has nothing to say", async (_, answer) => {
  answers.push(answer);
  const silent = new LiveStream({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    onEvent: () => {},
    onConnection: (state) => states.push(state),
    silenceMs: 100,
  });
  void silent.start();
  await lost();
  silent.stop();
  expect(last()).toEqual({ kind: "lost", reason: "the server is silent" });
});

test("once stopped it tells nothing more, and can be started again", async () => {
  answers.push(sends(`${OPENED}id: 5\nevent: ADDED\ndata: x\n\n`, false), sends(OPENED, false));
  void stream.start();
  await eventually(() => events.length === 2, "the events");
  stream.stop();
  await Bun.sleep(50);
  expect(last()).toEqual({ kind: "live" });
  void stream.start();
  await eventually(() => events.length === 3, "the return");
  expect(lastIds).toEqual([undefined, "5"]);
});

test("a server that is not there is told as that", async () => {
  void stream.start();
  await lost();
  expect(last()).toEqual({ kind: "lost", reason: "the server does not answer" });
});
