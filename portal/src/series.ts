// Telemetry's series, added up for what a page shows.

import { call } from "./api/client";
import { num } from "./number";
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

export interface Curve {
  calls: number[];
  cold: number[];
  errors: (number | null)[]; // share of the calls, per cent; null: none was called
  p50: (number | null)[];    // upper bounds, ms
  p95: (number | null)[];
}

const milliseconds = (durations: number[], q: number): number | null => {
  const bound = quantile(durations, q);
  return bound === undefined ? null : bound / 1000;
};

// Minute by minute.
export function curveOf(window: Window, of: (series: Series) => boolean): Curve {
  const each = minutesOf(window).map(() => ({ calls: 0, errors: 0, cold: 0, durations: [] as number[] }));
  for (const series of window.series.filter(of)) {
    for (const point of series.points ?? []) {
      const at = each[Math.min(each.length - 1, Math.max(0, Math.floor((num(point.timeUs) / 1000 - window.since) / 60_000)))]!;
      at.calls += num(point.calls);
      at.errors += num(point.errors);
      at.cold += num(point.coldStarts);
      (point.durations ?? []).forEach((n, bucket) => {
        at.durations[bucket] = (at.durations[bucket] ?? 0) + num(n);
      });
    }
  }
  return {
    calls: each.map((m) => m.calls),
    cold: each.map((m) => m.cold),
    errors: each.map((m) => (m.calls > 0 ? (100 * m.errors) / m.calls : null)),
    p50: each.map((m) => milliseconds(m.durations, 0.5)),
    p95: each.map((m) => milliseconds(m.durations, 0.95)),
  };
}

export function minutesOf(window: Window): number[] {
  return Array.from({ length: Math.max(1, Math.ceil((window.until - window.since) / 60_000)) }, (_, i) => window.since / 1000 + i * 60);
}
