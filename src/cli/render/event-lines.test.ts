import { expect, test } from "bun:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { EventSchema } from "../../gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { eventLines } from "./event-lines.ts";
import { COLOURED, PLAIN } from "./paint.ts";

const lines = (event: MessageInitShape<typeof EventSchema>, paint = PLAIN) =>
  eventLines(create(EventSchema, event), paint);

test("a change is told as what was and what is, with the reason", () => {
  const changes = [
    { type: "Ready", previousStatus: "True", status: "False", reason: "XidError" },
    { type: "NVMLReady", previousStatus: "False", status: "False", reason: "Dbe" },
    { type: "Fan", status: "Unknown" },
    { type: "Link", previousStatus: "True", reason: "Up" },
  ];
  const event = { type: "MODIFIED", changes, previousAction: "", recommendedAction: "RESTART_BM", uuid: "GPU-1" };
  expect(lines(event)).toEqual([
    "Ready True -> False (XidError)",
    "NVMLReady is still False (Dbe)",
    "Fan is Unknown",
    "Link is gone, it was True (Up)",
    "advice RESTART_BM",
    "the UUID is GPU-1 now",
  ]);
});

test("an advice that changed or went is told with the one before", () => {
  const change = (previousAction: string, recommendedAction: string) =>
    lines({ type: "MODIFIED", previousAction, recommendedAction });
  expect(change("RESTART_BM", "COMPONENT_RESET")).toEqual(["advice RESTART_BM -> COMPONENT_RESET"]);
  expect(change("RESTART_BM", "")).toEqual(["advice RESTART_BM -> none"]);
});

test("a GPU that came, went, or is shown whole is told by Ready", () => {
  const changes = [
    { type: "Ready", status: "True", reason: "Fine" },
    { type: "A", status: "True" },
  ];
  expect(lines({ type: "ADDED" })).toEqual(["nothing is reported yet"]);
  expect(lines({ type: "ADDED", changes: changes.slice(0, 1) })).toEqual(["Ready is True (Fine)"]);
  expect(lines({ type: "ADDED", changes, recommendedAction: "X" })).toEqual([
    "Ready is True (Fine), and 1 more condition",
    "advice X",
  ]);
  expect(lines({ type: "MODIFIED", whole: true, changes })).toEqual([
    "what it was before is forgotten; Ready is True (Fine), and 1 more condition",
  ]);
  expect(lines({ type: "DELETED" })).toEqual(["the GPU is gone: nobody has registered it any more"]);
});

test("an operator's word stands below, and hostile words stay words", () => {
  const by = "ClearFaults by uid 0: \u001b[2J\nnew line";
  expect(lines({ type: "MODIFIED", by })).toEqual(["by an operator: ClearFaults by uid 0: \\u001b[2J\\nnew line"]);
  const [first] = lines({ type: "MODIFIED", changes: [{ type: "\u001b[2J", status: "True", reason: "\n" }] });
  expect(first).toBe("\\u001b[2J is True (\\n)");
});

test("Ready alone has a colour: the polarity of other types is not known here", () => {
  const changes = ["Ready", "XidError"].map((type) => ({ type, previousStatus: "True", status: "False" }));
  expect(lines({ type: "MODIFIED", changes }, COLOURED)).toEqual([
    "Ready True -> \u001b[31mFalse\u001b[0m",
    "XidError True -> False",
  ]);
});
