// Which time a list is about, as it stands in the address: the last so many minutes, or between two moments of
// which either may be left open.

export const SPANS: [string, number][] = [["15m", 15], ["1h", 60], ["6h", 360], ["24h", 1440], ["7d", 10080]];
export const AT = "at"; // between two moments

export interface Span {
  since?: string | undefined;
  from?: string | undefined; // local times, as they are typed
  to?: string | undefined;
}

// What was typed as a local time; undefined: nothing yet.
export function moment(local: string | undefined): string | undefined {
  const time = new Date(local ?? "");
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

export function spanOf(span: Span, now: number): { since?: string; until?: string } {
  const [from, to] = [moment(span.from), moment(span.to)];
  if (span.since === AT && (from || to)) return { ...(from ? { since: from } : {}), ...(to ? { until: to } : {}) };
  const minutes = SPANS.find(([name]) => name === span.since)?.[1] ?? 15;
  return { since: new Date(now - minutes * 60_000).toISOString() };
}

// How long something may still come, in ms: 0: no more; undefined: without end.
export function openFor(span: Span, now: number): number | undefined {
  const to = span.since === AT ? moment(span.to) : undefined;
  return to === undefined ? undefined : Math.max(0, Date.parse(to) - now);
}
