// Telemetry's series, added up for what a page shows.

import { call } from "./api/client";
import { num } from "./format";
import { querySeries, type QuerySeriesRequest, type Series } from "./gen/telemetry";

export interface Health {
  calls: number;
  errors: number;
  coldStarts: number;
  throttled: number;
  callsOver: number[]; // by step
  errorsOver: number[];
  durations: number[]; // by bucket: up to 1, 2, 4 ... times 100 µs
}

export interface Window {
  series: Series[];
  stepS: number;
  since: number; // ms
  until: number;
}

export async function readWindow(minutes: number, filter: QuerySeriesRequest, signal?: AbortSignal): Promise<Window> {
  const until = Date.now();
  const since = until - minutes * 60_000;
  const reply = await call(querySeries, { ...filter, since: new Date(since).toISOString(), until: new Date(until).toISOString() }, signal);
  return { series: reply.series ?? [], stepS: reply.stepS ?? 10, since, until };
}

export function healthOf(window: Window, of: (series: Series) => boolean): Health {
  const steps = Math.max(1, Math.ceil((window.until - window.since) / 1000 / window.stepS));
  const sum: Health = { calls: 0, errors: 0, coldStarts: 0, throttled: 0, callsOver: new Array(steps).fill(0), errorsOver: new Array(steps).fill(0), durations: [] };
  for (const series of window.series) {
    if (!of(series)) continue;
    for (const point of series.points ?? []) {
      const at = Math.min(steps - 1, Math.max(0, Math.floor((num(point.timeUs) / 1000 - window.since) / 1000 / window.stepS)));
      sum.calls += num(point.calls);
      sum.errors += num(point.errors);
      sum.coldStarts += num(point.coldStarts);
      sum.throttled += num(point.throttled);
      sum.callsOver[at]! += num(point.calls);
      sum.errorsOver[at]! += num(point.errors);
      (point.durations ?? []).forEach((n, bucket) => {
        sum.durations[bucket] = (sum.durations[bucket] ?? 0) + num(n);
      });
    }
  }
  return sum;
}

// An upper bound of the quantile, µs; undefined when nothing ran.
export function quantile(durations: number[], q: number): number | undefined {
  const all = durations.reduce((a, b) => a + b, 0);
  let seen = 0;
  for (let bucket = 0; bucket < durations.length; bucket++) {
    seen += durations[bucket] ?? 0;
    if (all > 0 && seen >= all * q) return 100 * 2 ** bucket;
  }
  return undefined;
}
