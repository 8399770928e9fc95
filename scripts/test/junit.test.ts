import { expect, test } from "bun:test";
import { tallyReport } from "./junit.ts";
import { add, closingLine, NOTHING, summary } from "./tally.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="5" assertions="1" failures="1" skipped="2" time="0.01">
  <testsuite name="a.test.ts" file="a.test.ts" tests="5" failures="1" skipped="2" time="0.002">
    <testsuite name="outer &lt;x&gt;" file="a.test.ts" line="2" tests="4" failures="1" skipped="2" time="0">
      <testcase name="passes &amp; &quot;quotes&quot;" classname="outer &lt;x&gt;" time="0.1" line="3" assertions="0" />
      <testcase name="fails" classname="outer &lt;x&gt;" time="0.000178" file="a.test.ts" line="4" assertions="1">
        <failure type="AssertionError" message="no">AssertionError: &lt;testcase name=&quot;no&quot; /&gt;</failure>
      </testcase>
      <testcase name="waits &lt;a&amp;b&gt;" classname="outer &lt;x&gt;" time="0" file="a.test.ts" line="5">
        <skipped />
      </testcase>
      <testcase name="later" classname="" time="0" file="a.test.ts" line="6" assertions="0">
        <skipped message="not yet" />
      </testcase>
    </testsuite>
    <testcase name="alone" classname="" time="0" file="a.test.ts" line="9" assertions="0" />
  </testsuite>
</testsuites>`;

test("a report is counted by its test cases, failures and skips by name", () => {
  expect(tallyReport("a.test.ts", REPORT, "exit status 1")).toEqual({
    passed: 2,
    failed: ["a.test.ts: outer <x> > fails"],
    skipped: ["a.test.ts: outer <x> > waits <a&b>", "a.test.ts: later"],
  });
});

test("a process that ended without a report is a failure, with exit status 0 as well", () => {
  expect(tallyReport("a.test.ts", undefined, "exit status 0").failed).toHaveLength(1);
  expect(tallyReport("a.test.ts", undefined, "signal SIGSEGV").failed).toEqual([
    "a.test.ts: no report was written (signal SIGSEGV)",
  ]);
});

test("an exit status of 1 without a failed test is a failure", () => {
  const passing = REPORT.replace(/<failure[\s\S]*<\/failure>/, "");
  expect(tallyReport("a.test.ts", passing, "exit status 0").failed).toEqual([]);
  expect(tallyReport("a.test.ts", passing, "exit status 1").failed).toHaveLength(1);
});

test("a report without a test is a failure", () => {
  const empty = '<testsuites name="bun test" tests="0"></testsuites>';
  expect(tallyReport("a.test.ts", empty, "exit status 0").failed).toEqual(["a.test.ts: ran no test"]);
});

test("the closing line has one form; the sum of a part names skips where there are some", () => {
  const one = { passed: 3, failed: ["x"], skipped: [] };
  expect(closingLine(one)).toBe("3 passed, 1 failed");
  const both = add(one, { ...NOTHING, passed: 1, skipped: ["y"] });
  expect(closingLine(both)).toBe("4 passed, 1 failed");
  expect([summary(one), summary(both)]).toEqual(["3 passed, 1 failed", "4 passed, 1 failed, 1 skipped"]);
});
