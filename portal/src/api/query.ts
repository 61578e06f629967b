// What a page asks for and how it stands.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./client";

export interface Query<T> {
  data: T | undefined;
  error: ApiError | undefined;
  loading: boolean;
  reload: () => void;
}

// Asks when `key` changes, on reload, and, when `everyMs` is given, again and again while the page is
// seen. What was there stays until the next answer.
export function useQuery<T>(key: string, ask: (signal: AbortSignal) => Promise<T>, everyMs?: number): Query<T> {
  const [state, setState] = useState<{ key: string; data?: T; error?: ApiError; loading: boolean }>({ key, loading: true });
  const [turn, setTurn] = useState(0);
  const asking = useRef(ask);
  asking.current = ask;

  useEffect(() => {
    const abort = new AbortController();
    let timer: number | undefined;
    const run = async (): Promise<void> => {
      if (document.visibilityState === "visible" || everyMs === undefined) {
        try {
          const data = await asking.current(abort.signal);
          if (!abort.signal.aborted) setState({ key, data, loading: false });
        } catch (cause) {
          if (abort.signal.aborted) return;
          const error = cause instanceof ApiError ? cause : new ApiError(0, "unknown", "", String(cause), "");
          setState((old) => ({ ...(old.key === key ? old : {}), key, error, loading: false }));
        }
      }
      if (everyMs !== undefined && !abort.signal.aborted) timer = window.setTimeout(run, everyMs);
    };
    setState((old) => (old.key === key ? { ...old, loading: true } : { key, loading: true }));
    void run();
    return () => {
      abort.abort();
      window.clearTimeout(timer);
    };
  }, [key, turn, everyMs]);

  const reload = useCallback(() => setTurn((n) => n + 1), []);
  const current = state.key === key;
  return {
    data: current ? state.data : undefined,
    error: current ? state.error : undefined,
    loading: current ? state.loading : true,
    reload,
  };
}
