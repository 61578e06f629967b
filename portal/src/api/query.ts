// What a page asks for and how it stands.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, servicesAsked } from "./client";
import { concerns, live, onChange } from "./live";

export interface Query<T> {
  data: T | undefined;
  error: ApiError | undefined;
  loading: boolean;
  reload: () => void;
}

// While the server tells what changes, asking again and again is for what it might not have told.
const SELDOM_MS = 20_000;
// While one is on its way the next one waits.
const BESIDE_MS = 250;

// The key of a list that shows so many pages. While more of it come, what is there stays.
export const keyOfPages = (key: string, pages: number): string => `${key}\n${pages}`;
const subject = (key: string): string => key.split("\n")[0]!;

// Asks when `key` changes, on reload, and, when `everyMs` is given, while the page is seen: when something
// has changed that was asked about, and again and again. What was there stays until the next answer.
export function useQuery<T>(key: string, ask: (signal: AbortSignal) => Promise<T>, everyMs?: number): Query<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: ApiError; loading: boolean }>({ key, loading: true });
  const [turn, setTurn] = useState(0);
  const asking = useRef(ask);
  asking.current = ask;

  useEffect(() => {
    const abort = new AbortController();
    let timer: number | undefined;
    let due = Infinity;
    let began = 0;
    let running = false;
    // At that time at the latest.
    const plan = (at: number): void => {
      if (abort.signal.aborted || at >= due) return;
      due = at;
      window.clearTimeout(timer);
      timer = window.setTimeout(() => { due = Infinity; void run(); }, Math.max(0, at - Date.now()));
    };
    const run = async (): Promise<void> => {
      if (running) return plan(Date.now() + BESIDE_MS);
      if (everyMs !== undefined && document.visibilityState !== "visible") return;
      running = true;
      began = Date.now();
      try {
        const data = await asking.current(abort.signal);
        if (!abort.signal.aborted) setState({ key, data, loading: false });
      } catch (cause) {
        if (abort.signal.aborted) return;
        const error = cause instanceof ApiError ? cause : new ApiError(0, "unknown", "", String(cause), "");
        setState((old) => ({ ...(old.key === key ? old : {}), key, error, loading: false }));
      } finally {
        running = false;
      }
      if (everyMs !== undefined) plan(Date.now() + (live.value ? Math.max(SELDOM_MS, everyMs) : everyMs));
    };
    const look = (): void => {
      if (document.visibilityState === "visible") plan(Date.now());
    };
    const stop = everyMs === undefined ? undefined : onChange((change) => {
      const how = concerns(servicesAsked(abort.signal), change);
      // What is on its way may have been read before the change.
      if (how) plan(Math.max(Date.now() + (running ? BESIDE_MS : 0), how === "now" ? 0 : began + everyMs));
    });
    if (everyMs !== undefined) document.addEventListener("visibilitychange", look);
    setState((old) => (subject(old.key) === subject(key) ? { ...old, key, loading: true } : { key, loading: true }));
    void run();
    return () => {
      stop?.();
      document.removeEventListener("visibilitychange", look);
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [key, turn, everyMs]);

  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const current = subject(state.key) === subject(key);
  return {
    data: current ? state.data : undefined,
    error: current ? state.error : undefined,
    loading: current ? state.loading : true,
    reload,
  };
}
