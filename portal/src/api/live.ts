// One stream for the whole console that tells what changes. While it is there, pages ask when something has
// changed; while it is not, they ask again and again.

import { signal } from "@preact/signals";
import { watchChanges, type WatchChangesResponse } from "../gen/telemetry";
import { stream } from "./stream";

// Is the stream there?
export const live = signal(false);

// What a run of a function may change, by the services that are asked about it.
const RUNS = new Set(["events", "timers", "telemetry", "runner", "data", "gateway"]);
// What a change in one service changes in others.
const FOLLOWS: Record<string, string[]> = { registry: ["events", "timers", "runner"], events: ["timers"], timers: ["events"] };
const FIRST_PAUSE_MS = 1000;
const PAUSE_MAX_MS = 30_000;

// "/overworld.timers.v1.Timers/PauseTimer" -> "timers"
export const serviceOf = (path: string): string => path.split(".")[1] ?? "";

// "now": a person changed something that was asked about; "soon": a run may have.
export function concerns(asked: ReadonlySet<string>, change: WatchChangesResponse): "now" | "soon" | undefined {
  const changed = (change.methods ?? []).map(serviceOf).flatMap((service) => [service, ...(FOLLOWS[service] ?? [])]);
  if (changed.some((service) => asked.has(service))) return "now";
  const ran = change.more || (change.virtualServers ?? []).length > 0;
  return ran && (change.more || [...asked].some((service) => RUNS.has(service))) ? "soon" : undefined;
}

const listeners = new Set<(change: WatchChangesResponse) => void>();

export function onChange(listener: (change: WatchChangesResponse) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const tell = (change: WatchChangesResponse): void => listeners.forEach((listener) => listener(change));

async function watch(abort: AbortSignal): Promise<void> {
  let pause = FIRST_PAUSE_MS;
  while (!abort.aborted) {
    try {
      for await (const change of stream(watchChanges, {}, abort)) {
        // What happened while nobody watched is not told.
        tell(live.value ? change : { more: true });
        live.value = true;
        pause = FIRST_PAUSE_MS;
      }
    } catch {
      // Cut, refused or away: pages ask by themselves until it is back.
      pause = Math.min(2 * pause, PAUSE_MAX_MS);
    }
    live.value = false;
    if (!abort.aborted) await new Promise((done) => setTimeout(done, pause));
  }
}

// Watches while the page is seen: a browser has few connections to give to one server. Ends with what it
// returns.
export function follow(): () => void {
  let abort = new AbortController();
  const look = (): void => {
    abort.abort();
    live.value = false;
    if (document.visibilityState === "visible") {
      abort = new AbortController();
      void watch(abort.signal);
    }
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    abort.abort();
    live.value = false;
  };
}
