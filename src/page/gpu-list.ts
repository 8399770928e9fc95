import type { ServerClock } from "./ages.ts";
import { arrange, byId, setText } from "./dom.ts";
import { type Filter, type Fleet, HEALTHS, type Health } from "./fleet.ts";
import { GpuRow } from "./gpu-row.ts";

/** Rows that are shown unless more are asked for: what a browser on a phone lays out without a pause. */
const ROWS_MAX = 300;

/** The list of GPUs with what chooses from it. */
export class GpuList {
  readonly #fleet: Fleet;
  readonly #clock: ServerClock;
  readonly #rows = new Map<string, GpuRow>();
  readonly #search = byId<HTMLInputElement>("search");
  readonly #buttons = [...byId("healths").querySelectorAll("button")];
  readonly #showAll = byId<HTMLButtonElement>("show-all");
  #health: Filter["health"] = "all";
  #limit = ROWS_MAX;

  constructor(fleet: Fleet, clock: ServerClock, onFilter: () => void) {
    this.#fleet = fleet;
    this.#clock = clock;
    for (const button of this.#buttons) {
      button.addEventListener("click", () => {
        this.#health = healthFilter(button.dataset["health"]);
        onFilter();
      });
    }
    this.#search.addEventListener("input", onFilter);
    this.#showAll.addEventListener("click", () => {
      this.#limit = Number.POSITIVE_INFINITY;
      byId("gpus").focus();
      onFilter();
    });
  }

  get text(): string {
    return this.#search.value;
  }

  render(): void {
    const selected = this.#fleet.select({ health: this.#health, text: this.text });
    const shown = selected.slice(0, this.#limit);
    const items = shown.map((gpu) => {
      const row = this.#rowOf(gpu.metadata.name);
      row.show(gpu);
      return row.item;
    });
    arrange(byId("gpu-list"), items);
    this.#forget(new Set(shown.map(({ metadata }) => metadata.name)));
    this.#renderCounts(selected.length);
    this.#showAll.hidden = shown.length === selected.length;
    setText(this.#showAll, `Show all ${selected.length}`);
  }

  #rowOf(name: string): GpuRow {
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = new GpuRow(this.#clock);
      this.#rows.set(name, row);
    }
    return row;
  }

  /** Rows of GPUs that are gone, or that the filter holds back. */
  #forget(shown: ReadonlySet<string>): void {
    for (const name of this.#rows.keys()) if (!shown.has(name)) this.#rows.delete(name);
  }

  #renderCounts(selected: number): void {
    const counts = { all: this.#fleet.size, ...this.#fleet.counts() };
    for (const button of this.#buttons) {
      const health = healthFilter(button.dataset["health"]);
      const number = button.querySelector("b");
      if (number !== null) setText(number, String(counts[health]));
      button.ariaPressed = String(health === this.#health);
    }
    setText(byId("shown"), selected === counts.all ? "" : `${selected} of ${counts.all}`);
    const nothing = byId("nothing");
    nothing.hidden = selected > 0;
    if (!this.#fleet.synced) return;
    setText(nothing, counts.all === 0 ? "No GPU is known: no provider has registered any." : "No GPU matches.");
  }
}

function healthFilter(text: string | undefined): Health | "all" {
  return HEALTHS.find((health) => health === text) ?? "all";
}
