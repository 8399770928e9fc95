/** The sum over all series of a metric, or over those whose labels contain the text; 0 where there is none. */
export async function scrape(port: number, name: string, labels = ""): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  return sumOf(await response.text(), name, labels);
}

export function sumOf(exposition: string, name: string, labels = ""): number {
  let sum = 0;
  for (const line of exposition.split("\n")) {
    const [series = "", value = ""] = line.split(/ (?=[^ ]*$)/);
    const matches = series === name || series.startsWith(`${name}{`);
    if (matches && series.includes(labels)) sum += Number(value);
  }
  return sum;
}
