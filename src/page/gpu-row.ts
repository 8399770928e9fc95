import { type ServerClock, showAge } from "./ages.ts";
import { element, setText } from "./dom.ts";
import { type Health, healthOf, readyOf } from "./fleet.ts";
import type { Condition, Gpu } from "./types.ts";
import { HEALTH_WORDS, plain } from "./words.ts";

const MARKS: Readonly<Record<Health, string>> = { healthy: "✓", unhealthy: "✕", unknown: "?" };
const CONDITION_HEADINGS = ["Condition", "Status", "Reason", "Message", "Age"];

/** One GPU: a line with what matters, and behind it all that is known. */
export class GpuRow {
  readonly item = element("li", "gpu");
  readonly #details = element("details", "");
  readonly #mark = element("span", "mark");
  readonly #health = element("span", "health");
  readonly #name = element("bdi", "name");
  readonly #reason = element("bdi", "reason");
  readonly #advice = element("bdi", "advice");
  readonly #age = element("time", "age");
  readonly #message = element("bdi", "message");
  readonly #body = element("div", "body");
  readonly #clock: ServerClock;
  #gpu: Gpu | undefined;

  constructor(clock: ServerClock) {
    this.#clock = clock;
    this.#mark.ariaHidden = "true";
    const summary = element("summary", "", this.#mark, this.#health, " ", this.#name, " ", this.#reason, " ");
    summary.append(this.#advice, " ", this.#age, " ", this.#message);
    this.#details.append(summary, this.#body);
    this.item.append(this.#details);
    // The body of a row that nobody opens costs nothing: there may be thousands.
    this.#details.addEventListener("toggle", () => this.#fillBody());
  }

  show(gpu: Gpu): void {
    if (gpu === this.#gpu) return;
    this.#gpu = gpu;
    const ready = readyOf(gpu);
    const health = healthOf(gpu);
    this.item.dataset["health"] = health;
    this.item.dataset["name"] = gpu.metadata.name;
    setText(this.#mark, MARKS[health]);
    setText(this.#health, HEALTH_WORDS[health]);
    setText(this.#name, plain(gpu.metadata.name));
    setText(this.#reason, plain(ready?.reason ?? "No report"));
    const advice = gpu.status.recommendedAction;
    this.#advice.hidden = advice === "";
    setText(this.#advice, `Advice: ${plain(advice)}`);
    this.#message.hidden = health === "healthy" || (ready?.message ?? "") === "";
    setText(this.#message, plain(ready?.message ?? ""));
    showAge(this.#age, ready?.lastTransitionTime, this.#clock);
    this.#fillBody();
  }

  #fillBody(): void {
    if (this.#gpu === undefined || !this.#details.open) {
      this.#body.replaceChildren();
      return;
    }
    const { metadata, spec, status } = this.#gpu;
    const facts = element("p", "facts", "UUID ", element("code", "", plain(spec.uuid) || "not known"));
    facts.append(", version ", element("code", "", metadata.resourceVersion));
    const conditions =
      status.conditions.length === 0 ? element("p", "nothing", "Nobody has reported on it.") : this.#table();
    this.#body.replaceChildren(facts, conditions);
  }

  #table(): HTMLElement {
    const conditions = this.#gpu?.status.conditions ?? [];
    const heading = element("tr", "");
    for (const text of CONDITION_HEADINGS) {
      const cell = element("th", "", text);
      cell.scope = "col";
      heading.append(cell);
    }
    const [ready] = conditions;
    const rows = conditions.map((condition) => this.#conditionRow(condition, decides(condition, ready)));
    const table = element("table", "", element("thead", "", heading), element("tbody", "", ...rows));
    table.ariaLabel = `Conditions of ${plain(this.#gpu?.metadata.name ?? "")}`;
    return table;
  }

  #conditionRow(condition: Condition, isCause: boolean): HTMLElement {
    const age = element("time", "");
    showAge(age, condition.lastTransitionTime, this.#clock);
    const type = element("th", "", element("bdi", "", plain(condition.type)));
    type.scope = "row";
    if (isCause) type.append(" ", element("span", "cause", "decides Ready"));
    const cells = [condition.status, condition.reason, condition.message].map((text, i) => {
      const cell = element("td", "", element("bdi", "", plain(text)));
      cell.dataset["label"] = CONDITION_HEADINGS[i + 1] ?? "";
      return cell;
    });
    const last = element("td", "", age);
    last.dataset["label"] = "Age";
    return element("tr", isCause ? "is-cause" : "", type, ...cells, last);
  }
}

/** Ready that is not True has the words of the condition it comes from. */
function decides(condition: Condition, ready: Condition | undefined): boolean {
  if (ready === undefined || ready.status === "True" || condition === ready) return false;
  return condition.reason === ready.reason && condition.message === ready.message;
}
