import { refreshAges, ServerClock } from "./ages.ts";
import { byId, setText } from "./dom.ts";
import { EventList } from "./event-list.ts";
import type { ServerEvent } from "./event-parser.ts";
import { Fleet, type Turn } from "./fleet.ts";
import { GpuList } from "./gpu-list.ts";
import { type Connection, LiveStream } from "./live-stream.ts";
import { createSoon } from "./soon.ts";
import type { ChangeType, Gpu, Opened } from "./types.ts";
import { announcement, plain } from "./words.ts";

/** Changes come in bursts; more than a few pictures a second help nobody. */
const RENDER_MS = 100;
const AGE_MS = 1_000;

const STATES: Readonly<Record<Connection["kind"], string>> = {
  connecting: "Connecting",
  live: "Live",
  lost: "Not connected",
};

const clock = new ServerClock();
const fleet = new Fleet();
const list = new GpuList(fleet, clock, () => {
  events.filter(list.text);
  list.render();
});
const events = new EventList(clock);
const renderSoon = createSoon(render);
const stream = new LiveStream({ url: "/api/v1/watch", onEvent, onConnection: showConnection });

let node = "";
let turns: readonly Turn[] = [];

function onEvent({ type, data }: ServerEvent): void {
  switch (type) {
    case "opened":
      open(JSON.parse(data) as Opened);
      return;
    case "synced":
      turned(fleet.endSnapshot());
      events.refresh();
      return;
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      turned(fleet.apply(type satisfies ChangeType, (JSON.parse(data) as { object: Gpu }).object));
      if (fleet.synced) events.refresh();
  }
}

function open(opened: Opened): void {
  clock.set(opened.time);
  node = plain(opened.node);
  if (opened.snapshot) fleet.beginSnapshot();
  setText(byId("node"), node);
  setText(byId("version"), `Server ${plain(opened.version)}.`);
  events.refresh();
  renderSoon(RENDER_MS);
}

function turned(more: readonly Turn[]): void {
  turns = [...turns, ...more];
  renderSoon(RENDER_MS);
}

function render(): void {
  if (!fleet.synced) return;
  list.render();
  const { unhealthy } = fleet.counts();
  document.title = unhealthy > 0 ? `${unhealthy} unhealthy – GPUs of ${node}` : `GPUs of ${node}`;
  if (turns.length > 0) setText(byId("announcer"), announcement(turns));
  turns = [];
}

function showConnection(connection: Connection): void {
  const shown = byId("connection");
  // From the loss to the next success it stays lost: each try in between is no news.
  if (connection.kind === "connecting" && shown.dataset["state"] === "lost") return;
  const wasLost = shown.dataset["state"] === "lost";
  shown.dataset["state"] = connection.kind;
  setText(shown, STATES[connection.kind]);
  const outdated = byId("outdated");
  outdated.hidden = connection.kind !== "lost";
  document.body.classList.toggle("is-outdated", connection.kind === "lost");
  if (connection.kind !== "lost" || wasLost) return;
  const since = new Date().toLocaleTimeString();
  const state = fleet.synced ? ` What is shown is the state of ${since}.` : "";
  setText(outdated, `Not connected: ${plain(connection.reason)}.${state} The page keeps trying.`);
}

void stream.start();
setInterval(() => refreshAges(clock), AGE_MS);
// A page that is kept for the way back must not hold a connection.
window.addEventListener("pagehide", () => stream.stop());
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) void stream.start();
});
window.addEventListener("online", () => stream.hurry());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) stream.hurry();
});
