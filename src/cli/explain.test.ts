import { describe, expect, test } from "bun:test";
import { runCli } from "../testing/cli-run.ts";
import { wrap } from "./render/explain-text.ts";

/** There is no server. */
const explain = (...args: readonly string[]) =>
  runCli(["explain", ...args], { env: { NVIDIA_DEVICE_API_TARGET: "unix:///none.sock" } });

describe("explain", () => {
  test("tells of one Xid what it is, what it means for the GPU, what to do and what clears it", async () => {
    expect(await explain("79")).toEqual({
      status: 0,
      err: "",
      out: `Xid 79: ROBUST_CHANNEL_GPU_HAS_FALLEN_OFF_THE_BUS
GPU has fallen off the bus

  GPU          becomes unhealthy: NVMLReady turns False with reason GPULost
  Advice       RESTART_BM, unless the driver asks for another. Drain the node
               and restart the machine.
  Root cause   contact the vendor's support
  Cleared by   the driver's verdict when it reads NONE after it had asked for
               something, a reset of the GPU, a new boot, or an operator's word
               (device-api-server clear NAME --reason TEXT)
  Catalogue    immediate action RESTART_BM, investigatory action
               CONTACT_SUPPORT; fatal
  Note         Nothing else can be read of this GPU until it is back on the bus.
`,
    });
  });

  test("leaves out what does not apply", async () => {
    const { out } = await explain("106");
    expect(out.split("\n").map((line) => line.trim().split(/ {2,}/)[0])).toEqual([
      "Xid 106: SMBPBI_TEST_MESSAGE",
      "SMBPBI test message",
      "",
      "GPU",
      "Advice",
      "Catalogue",
      "",
    ]);
    expect(out).toContain("stays healthy");
  });

  test.each([["xid"], ["Xid"], ["XID"]])("takes the word %s before the number", async (word) => {
    expect(await explain(word, "79")).toEqual(await explain("79"));
  });

  test("tells of several in the order of the arguments, with an empty line between them", async () => {
    const { out } = await explain("94", "13");
    expect(out).toBe(`${(await explain("94")).out}\n${(await explain("13")).out}`);
  });

  test("no line of any text is wider than a terminal, and every text has its parts", async () => {
    const codes = Array.from({ length: 172 }, (_, i) => String(i + 1));
    const { out } = await explain(...codes);
    expect(out.match(/^Xid \d+: /gm)).toHaveLength(172);
    expect(out.match(/^ {2}GPU {10}(stays|becomes) /gm)).toHaveLength(172);
    expect(out.split("\n").filter((line) => line.length > 80 || line !== line.trimEnd())).toEqual([]);
  });

  test("shows all in a table, one line each", async () => {
    const lines = (await explain("--all")).out.trimEnd().split("\n");
    expect(lines[0]?.split(/ +/)).toEqual(["XID", "GPU", "ACTION", "BUCKET", "DESCRIPTION", "MNEMONIC"]);
    expect(lines).toHaveLength(173);
    expect(lines[79]?.split(/ {2,}/)).toEqual([
      "79",
      "unhealthy",
      "RESTART_BM",
      "RESTART_BM",
      "GPU has fallen off the bus",
      "ROBUST_CHANNEL_GPU_HAS_FALLEN_OFF_THE_BUS",
    ]);
    expect(lines[63]?.split(/ {2,}/).slice(0, 4)).toEqual(["63", "healthy", "-", "IGNORE"]);
    expect(lines[163]?.split(/ {2,}/).slice(0, 4)).toEqual(["163", "by verdict", "NONE", "BLANK"]);
  });

  test("shows those that are named in a table, and all as text, where that is asked for", async () => {
    expect((await explain("79", "-o", "table")).out.split("\n")).toHaveLength(3);
    expect((await explain("--all", "-o=text")).out).toContain("Xid 172: UNCORRECTABLE_SRAM_ERROR\n");
  });

  test("gives one as a JSON object with every field", async () => {
    const json = JSON.parse((await explain("163", "-o", "json")).out);
    expect(json).toMatchObject({ code: 163, bucket: "BLANK", effect: "verdict", fatal: null, cancels: [] });
    const keys = Object.keys(JSON.parse((await explain("79", "-o", "json")).out));
    expect(Object.keys(json)).toEqual(keys);
  });

  test("gives several, or all, as a JSON list", async () => {
    const codesIn = async (...args: readonly string[]) =>
      JSON.parse((await explain(...args, "-o", "json")).out).map(({ code }: { code: number }) => code);
    expect(await codesIn("48", "79")).toEqual([48, 79]);
    expect(await codesIn("--all")).toEqual(Array.from({ length: 172 }, (_, i) => i + 1));
  });

  test.each([
    [["999"], "Xid 999 is not in the catalogue, which has 1 to 172"],
    [["0"], "Xid 0 is not in the catalogue, which has 1 to 172"],
    [["79", "173"], "Xid 173 is not in the catalogue"],
    [["seventy"], '"seventy" is not an Xid, which is a number'],
    [["79", "xid"], '"xid" is not an Xid, which is a number'],
    [["7.9"], '"7.9" is not an Xid'],
    [["9".repeat(400)], "is not an Xid"],
    [[], 'say which Xid, such as "explain 79", or --all'],
    [["xid"], "say which Xid"],
    [["--all", "79"], 'unexpected argument "79"'],
    [["79", "-o", "yaml"], '--output: "yaml" is not text or table or json'],
  ])("%p is a mistake: status 2, one line, and nothing else is shown", async (args, text) => {
    const { status, out, err } = await explain(...args);
    expect([status, out, err.split("\n").length]).toEqual([2, "", 2]);
    expect(err).toContain(text);
  });

  test("has help of its own", async () => {
    const { status, out } = await explain("--help");
    expect([status, out]).toEqual([
      0,
      expect.stringContaining("Usage: device-api-server explain [flags] XID... | --all"),
    ]);
    expect(out).toContain("(default text, and table with --all)");
  });
});

describe("wrap", () => {
  test("breaks between words, and leaves a word that is too long alone", () => {
    expect(wrap("aa bb cc dddddd e", 5)).toEqual(["aa bb", "cc", "dddddd", "e"]);
    expect(wrap("", 5)).toEqual([""]);
  });
});
