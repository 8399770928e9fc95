import { expect, test } from "bun:test";
import { groupingLabelsOf, selectorsOf, selectorText } from "./promql.ts";

const metricsOf = (expr: string) => selectorsOf(expr).map(selectorText);

test("selectors are found among functions, aggregations, joins, ranges and numbers", () => {
  expect(
    metricsOf('sum by (a, b) (rate(x_total{c=~"d|e",f!="{g}"}[5m])) / on (job) group_left (node) y > 0.1'),
  ).toEqual(['x_total{c=~"d|e",f!="{g}"}', "y{}"]);
  expect(metricsOf("histogram_quantile(0.99, sum without (method) (rate(x_bucket[5m]))) > 1e3")).toEqual([
    "x_bucket{}",
  ]);
  expect(metricsOf('a:b:c - min_over_time(a:b:c[15m]) >= 3 or u{v="w"} and z')).toEqual([
    "a:b:c{}",
    "a:b:c{}",
    'u{v="w"}',
    "z{}",
  ]);
});

test("grouping labels are found", () => {
  expect(groupingLabelsOf("sum by (a, b) (x) * on (job, instance) group_left (node) max without () (y)")).toEqual([
    "a",
    "b",
    "job",
    "instance",
    "node",
  ]);
});
