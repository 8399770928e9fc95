import { describe, expect, test } from "bun:test";
import type { DescService } from "@bufbuild/protobuf";
import { GpuService } from "../../src/gen/device/v1alpha1/gpu_pb.ts";
import { ProviderService } from "../../src/gen/device/v1alpha1/provider_pb.ts";
import { AdminService } from "../../src/gen/deviceapi/admin/v1alpha1/admin_pb.ts";
import { SERVE_FLAGS } from "../../src/server/flags.ts";
import { SMALL_REQUEST_BYTES } from "../../src/service/call.ts";
import { gravestAction } from "../../src/store/actions.ts";
import * as limits from "../../src/store/limits.ts";
import { OPEN_CALLS_PER_CALLER_MAX, OPEN_DUPLEX_PER_CALLER_MAX } from "../../src/transport/grpc-call-count.ts";
import { readPage } from "./pages.ts";

/** What the page on the API says in tables, beside what the server has. */

const page = readPage("docs/api/device-api-server.md");

const section = (heading: string): string => {
  const [, after = ""] = page.split(`\n${heading}\n`);
  const level = heading.split(" ")[0]?.length ?? 0;
  return after.split(new RegExp(`^#{1,${level}} `, "m"))[0] ?? "";
};
/** The cells of a section's table without its head. */
const rows = (heading: string): readonly (readonly string[])[] =>
  section(heading)
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

describe.each([GpuService, ProviderService, AdminService] as readonly DescService[])(
  "$typeName",
  ({ name, methods }) => {
    test.each(methods.map((method) => method.name))(
      "%s has a section with request, reply, errors and an example",
      (method) => {
        const headings = [...section(`## ${name}`).matchAll(/^### (.+)$/gm)].map(([, heading = ""]) => heading);
        const heading = headings.find((text) => text.split(", ").includes(method));
        expect(heading).toBeDefined();
        const text = section(`### ${heading}`);
        expect(text).toContain(`${name}/${method}`);
        expect(text).toMatch(/^\| request \|.*\n\| repl(y|ies) +\|/m);
        expect(text).toContain("<!-- runnable -->");
      },
    );
  },
);

test("the limits are the server's", () => {
  const shown = Object.fromEntries(
    rows("## Limits").map(([what = "", most = ""]) => [what, Number(most.replaceAll(",", ""))]),
  );
  expect(shown).toEqual({
    "a GPU's name, a uuid, a provider's id": limits.NAME_MAX,
    "a condition's type": limits.CONDITION_TYPE_MAX,
    "a condition's reason, an operator's reason": limits.REASON_MAX,
    "a condition's message": limits.MESSAGE_MAX,
    "`recommended_action`": limits.ACTION_MAX,
    "conditions on a GPU, of all providers": limits.CONDITIONS_PER_GPU_MAX,
    "GPUs, and names in a heartbeat": limits.GPUS_MAX,
    providers: limits.PROVIDERS_MAX,
    "the encoded list, in bytes": limits.LIST_BYTES_MAX,
    "a message (`--max-message-bytes`), in bytes": SERVE_FLAGS["max-message-bytes"].default,
    "a request to read, for health or reflection": SMALL_REQUEST_BYTES,
    watches: limits.WATCHERS_MAX,
    "reflection calls of one uid, or of TCP": OPEN_DUPLEX_PER_CALLER_MAX,
    "open calls of one uid, or of TCP": OPEN_CALLS_PER_CALLER_MAX,
    "connections of one uid, or of TCP": SERVE_FLAGS["max-connections-per-uid"].default,
    "connections (`--max-connections`)": SERVE_FLAGS["max-connections"].default,
  });
  expect([limits.UUID_MAX, limits.PROVIDER_ID_MAX]).toEqual([limits.NAME_MAX, limits.NAME_MAX]);
});

test("the words of advice are ranked as the server ranks them", () => {
  const words = rows("### Advice").map(([, word = ""]) => word.replaceAll("`", ""));
  expect(words).toHaveLength(10);
  const actions = words.map((word) => (word === "any other word" ? "DO_A_DANCE" : word));
  for (const [i, action] of actions.entries()) expect(gravestAction(actions.slice(0, i + 1).reverse())).toBe(action);
});
