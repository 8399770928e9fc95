import { describe, expect, test } from "bun:test";
import { gravestAction } from "../../../store/actions.ts";
import { BUCKET_RULES, INVESTIGATION_TEXTS } from "./bucket-rules.ts";
import { allXids, xidOf } from "./catalogue.ts";
import type { RecommendedAction, XidBucket, XidEffect } from "./entry.ts";
import { REMARKS } from "./remarks.ts";

const CODES = Array.from({ length: 172 }, (_, i) => i + 1);
const codesWhere = (holds: (entry: ReturnType<typeof xidOf>) => boolean) =>
  allXids()
    .filter(holds)
    .map(({ code }) => code);
const codesOf = (bucket: XidBucket) => codesWhere((entry) => entry.bucket === bucket);

describe("the catalogue", () => {
  test("has every code from 1 to 172 once, in order, and xidOf finds each", () => {
    expect(allXids().map(({ code }) => code)).toEqual(CODES);
    expect(CODES.map(xidOf)).toEqual([...allXids()]);
  });

  test("has no mnemonic twice, and no text that is empty or has spaces at its ends", () => {
    expect(new Set(allXids().map(({ mnemonic }) => mnemonic)).size).toBe(172);
    for (const { mnemonic, description, advice, clearedBy, note } of allXids()) {
      expect(mnemonic).toMatch(/^[A-Z][A-Z0-9_]+( \/ [A-Z0-9_]+)?$/);
      expect([description === "", advice === ""]).toEqual([false, false]);
      for (const text of [description, advice, clearedBy, note]) expect(text).toBe(text.trim());
    }
  });

  test("has buckets and investigations of the closed sets only", () => {
    for (const { bucket, investigation } of allXids()) {
      expect(Object.keys(BUCKET_RULES)).toContain(bucket);
      expect(Object.keys(INVESTIGATION_TEXTS)).toContain(investigation);
      expect([bucket, investigation]).not.toContain("UNKNOWN");
    }
  });

  test.each<[XidBucket, number]>([
    ["IGNORE", 21],
    ["RESTART_APP", 48],
    ["RESET_GPU", 14],
    ["RESTART_VM", 1],
    ["RESTART_BM", 1],
    ["CONTACT_SUPPORT", 62],
    ["CHECK_MECHANICALS", 1],
    ["CHECK_UVM", 1],
    ["UPDATE_SWFW", 1],
    ["XID_154", 1],
    ["WORKFLOW_XID_45", 1],
    ["WORKFLOW_XID_48", 1],
    ["WORKFLOW_NVLINK_ERR", 1],
    ["WORKFLOW_NVLINK5_ERR", 7],
    ["BLANK", 11],
    ["UNKNOWN", 0],
  ])("has as many codes in %s as the source: %i", (bucket, count) => {
    expect(codesOf(bucket)).toHaveLength(count);
  });

  test("has the 61 codes that are unused and go to support, and the two that are unused and ignored", () => {
    const unused = allXids().filter(({ description }) => description === "Unused");
    expect(unused.filter(({ bucket }) => bucket === "CONTACT_SUPPORT")).toHaveLength(61);
    expect(unused.filter(({ bucket }) => bucket === "IGNORE").map(({ code }) => code)).toEqual([14, 108]);
    expect(unused).toHaveLength(63);
  });

  test("says of every code but 163 to 172 whether it is fatal", () => {
    expect(codesWhere(({ fatal }) => fatal === undefined)).toEqual([163, 164, 165, 166, 167, 168, 169, 170, 171, 172]);
  });

  test("remarks only on codes that it has", () => {
    for (const code of Object.keys(REMARKS)) expect(CODES).toContain(Number(code));
  });
});

describe("what follows from a bucket", () => {
  test.each<[XidBucket, XidEffect, RecommendedAction]>([
    ["IGNORE", "none", "NONE"],
    ["RESTART_APP", "none", "RESTART_APP"],
    ["RESET_GPU", "unhealthy", "COMPONENT_RESET"],
    ["RESTART_VM", "unhealthy", "RESTART_VM"],
    ["RESTART_BM", "unhealthy", "RESTART_BM"],
    ["CONTACT_SUPPORT", "unhealthy", "CONTACT_SUPPORT"],
    ["CHECK_MECHANICALS", "unhealthy", "CONTACT_SUPPORT"],
    ["CHECK_UVM", "verdict", "CONTACT_SUPPORT"],
    ["UPDATE_SWFW", "unhealthy", "CONTACT_SUPPORT"],
    ["XID_154", "none", "NONE"],
    ["WORKFLOW_XID_45", "none", "RESTART_APP"],
    ["WORKFLOW_XID_48", "unhealthy", "COMPONENT_RESET"],
    ["WORKFLOW_NVLINK_ERR", "unhealthy", "CONTACT_SUPPORT"],
    ["WORKFLOW_NVLINK5_ERR", "verdict", "COMPONENT_RESET"],
    ["BLANK", "verdict", "NONE"],
  ])("%s: %s, %s, for all its codes but 150 and 162", (bucket, effect, action) => {
    for (const entry of allXids().filter((candidate) => candidate.bucket === bucket)) {
      if (entry.code === 150 || entry.code === 162) continue;
      expect([entry.code, entry.effect, entry.action]).toEqual([entry.code, effect, action]);
    }
  });

  test("150 and 162 are the codes that differ from their bucket", () => {
    expect(codesWhere(({ bucket, effect }) => BUCKET_RULES[bucket].effect !== effect)).toEqual([150, 162]);
    expect([xidOf(150).effect, xidOf(162).effect]).toEqual(["unhealthy", "none"]);
  });

  test("what makes a GPU unhealthy advises something graver than restarting the application", () => {
    for (const { code, effect, action } of allXids()) {
      if (effect !== "unhealthy") continue;
      expect([code, gravestAction(["RESTART_APP", action])]).toEqual([code, action]);
      expect(action).not.toBe("RESTART_APP");
    }
  });

  test("what may make a GPU unhealthy says what clears it, and nothing else does", () => {
    for (const { code, effect, clearings, clearedBy } of allXids()) {
      expect([code, clearings.length > 0, clearedBy !== ""]).toEqual([code, effect !== "none", effect !== "none"]);
      if (effect !== "none") expect(clearings).toEqual(expect.arrayContaining(["verdict", "boot", "operator"]));
    }
  });

  test("a reset clears what a reset is advised for, and not what asks for support or for a new virtual machine", () => {
    for (const { code, bucket, action, clearings } of allXids()) {
      if (action === "COMPONENT_RESET") expect([code, ...clearings]).toContain("reset");
      if (bucket === "CONTACT_SUPPORT" || bucket === "RESTART_VM") expect([code, ...clearings]).not.toContain("reset");
    }
  });

  test("every code that the AWS and GKE agents act on makes a GPU unhealthy, or is left to the driver", () => {
    const acted = [46, 48, 54, 62, 64, 74, 79, 95, 109, 110, 119, 120, 136, 140, 142, 143, 151, 155, 156, 158];
    expect(acted.filter((code) => xidOf(code).effect === "none")).toEqual([]);
  });
});

describe("what this server decides otherwise than older software", () => {
  test("109 asks for a reset and makes the GPU unhealthy", () => {
    expect(xidOf(109)).toMatchObject({ bucket: "RESET_GPU", effect: "unhealthy", action: "COMPONENT_RESET" });
  });

  test.each([63, 92])("%i is informative", (code) => {
    expect(xidOf(code)).toMatchObject({ bucket: "IGNORE", effect: "none", action: "NONE", clearings: [] });
  });

  test("94 restarts the application and leaves the GPU healthy", () => {
    expect(xidOf(94)).toMatchObject({ bucket: "RESTART_APP", effect: "none", action: "RESTART_APP" });
  });

  test("45 alone counts only when alone", () => {
    expect(codesWhere(({ onlyAlone }) => onlyAlone)).toEqual([45]);
    expect(xidOf(45)).toMatchObject({ effect: "none", action: "RESTART_APP" });
  });

  test("162 cancels 163, and nothing else cancels anything", () => {
    expect(codesWhere(({ cancels }) => cancels.length > 0)).toEqual([162]);
    expect(codesWhere(({ clearings }) => clearings.includes("xid"))).toEqual([163]);
    expect(xidOf(162).cancels).toEqual([163]);
    expect(xidOf(163).clearedBy).toStartWith("Xid 162, ");
  });

  test("blank codes are left to the driver's verdict: 163 to 172", () => {
    expect(codesWhere(({ bucket, effect }) => bucket === "BLANK" && effect === "verdict")).toEqual([
      163, 164, 165, 166, 167, 168, 169, 170, 171, 172,
    ]);
  });

  test.each([0, -1, 173, 185, 1_023, 4_294_967_295, 1.5, Number.NaN])(
    "%p is not in the catalogue, says so, and is left to the driver's verdict",
    (code) => {
      const entry = xidOf(code);
      expect(entry).toMatchObject({ code, mnemonic: "UNKNOWN", bucket: "UNKNOWN", effect: "verdict", action: "NONE" });
      expect(entry.description).toContain("Not in the catalogue");
      expect(entry.clearedBy).not.toBe("");
    },
  );
});
