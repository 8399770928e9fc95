/**
 * How long ago, as kubectl writes it: 119s, 9m59s, 179m, 7h59m, 47h, 7d23h, 729d, 2y1d, 8y. A time ahead of this clock
 * is 0s, where kubectl says <invalid>: the clocks of two machines differ.
 */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  const years = Math.floor(days / 365);
  if (minutes < 2) return `${seconds}s`;
  if (minutes < 10) return `${minutes}m${remainder(seconds % 60, "s")}`;
  if (hours < 3) return `${minutes}m`;
  if (hours < 8) return `${hours}h${remainder(minutes % 60, "m")}`;
  if (days < 2) return `${hours}h`;
  if (days < 8) return `${days}d${remainder(hours % 24, "h")}`;
  if (years < 2) return `${days}d`;
  if (years < 8) return `${years}y${remainder(days % 365, "d")}`;
  return `${years}y`;
}

const remainder = (count: number, unit: string): string => (count === 0 ? "" : `${count}${unit}`);
