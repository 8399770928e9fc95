import { describe, expect, test } from "bun:test";
import type { Health, Turn } from "./fleet.ts";
import type { ConditionChange, GpuEvent } from "./types.ts";
import { adviceText, announcement, changeTexts } from "./words.ts";

function turn(name: string, health: Health, reason = "R"): Turn {
  const conditions = [{ type: "Ready", status: "", reason, message: "" }];
  const metadata = { name, resourceVersion: "1" };
  return { gpu: { metadata, spec: { uuid: "" }, status: { conditions, recommendedAction: "" } }, health };
}

describe("an announcement", () => {
  test("names each GPU where they are few", () => {
    const turns = [turn("gpu-0", "unhealthy", "XidError"), turn("gpu-1", "healthy"), turn("gpu-2", "unknown", "")];
    expect(announcement(turns)).toBe("gpu-0 is unhealthy: XidError. gpu-1 is healthy. gpu-2 is unknown.");
  });

  test("counts them where they are many", () => {
    const turns = Array.from({ length: 5 }, (_, i) => turn(`gpu-${i}`, i === 0 ? "healthy" : "unhealthy"));
    expect(announcement(turns)).toBe("GPUs: 4 turned unhealthy, 1 turned healthy.");
  });

  test("spells out what would turn the text round", () => {
    expect(announcement([turn("gpu-0", "unhealthy", "a\u202eb\nc")])).toBe("gpu-0 is unhealthy: a\\u202eb\\nc.");
  });
});

describe("what changed", () => {
  const change = (type: string, before: string, after: string, message = "m"): ConditionChange => ({
    type,
    previousStatus: before,
    status: after,
    reason: "R",
    message,
  });

  test("is a line for each cause", () => {
    const changes = [change("Ready", "True", "False"), change("A", "True", "False"), change("B", "", "Unknown", "n")];
    expect(changeTexts(changes)).toEqual(["Ready True → False, A True → False: R – m", "B Unknown: R – n"]);
  });

  test("is told of conditions that came, went, or only changed their words", () => {
    const changes = [change("A", "", "True", "1"), change("B", "False", "", "2"), change("C", "False", "False", "3")];
    expect(changeTexts(changes)).toEqual(["A True: R – 1", "B is gone: R – 2", "C still False: R – 3"]);
    expect(changeTexts([{ ...change("A", "", "True", ""), reason: "" }])).toEqual(["A True"]);
  });

  test.each([
    [{}, ""],
    [{ previousAction: "", recommendedAction: "RESET" }, "Advice RESET"],
    [{ previousAction: "RESET", recommendedAction: "" }, "Advice RESET is withdrawn"],
    [{ recommendedAction: "RESET" }, "Advice RESET"],
    [{ recommendedAction: "" }, ""],
  ])("with the advice %p reads %p", (advice, text) => {
    expect(adviceText(advice as GpuEvent)).toBe(text);
  });
});
