// Everything that is recorded, as it comes or as it was; filters stand in the address.

import { Virtualizer, elementScroll, observeElementOffset, observeElementRect } from "@tanstack/virtual-core";
import { useLocation } from "preact-iso";
import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { ApiError, call } from "../api/client";
import { stream } from "../api/stream";
import { num } from "../format";
import { queryLogs, tailLogs, type LogEntry, type QueryLogsRequest } from "../gen/telemetry";
import { t } from "../i18n";
import { flags } from "../shell";
import { AT, openFor, SPANS, spanOf } from "../span";
import { Badge, Button, Empty, Failure, Notice, Page, Panel, Skeleton } from "../ui/parts";
import { LogLine } from "./request-parts";
import { address } from "./virtual-servers";

const KEPT = 5000; // lines in the page; older ones are let go
const PAGE = 200;
const FIELDS = ["q", "request", "vs", "fn", "version", "level", "kind", "player", "reason", "since", "from", "to"] as const;

type Filter = Partial<Record<(typeof FIELDS)[number], string>>;

function requestOf(filter: Filter): QueryLogsRequest {
  return {
    ...(filter.q ? { text: filter.q } : {}),
    ...(filter.request ? { requestId: filter.request } : {}),
    ...(filter.vs ? { virtualServer: filter.vs } : {}),
    ...(filter.fn ? { function: filter.fn } : {}),
    ...(filter.version ? { version: filter.version } : {}),
    ...(filter.level ? { minLevel: filter.level } : {}),
    ...(filter.kind ? { kind: filter.kind } : {}),
    ...(filter.reason ? { reason: filter.reason } : {}),
    ...(filter.player ? { principal: filter.player.startsWith("plr_") ? `player:${filter.player}` : filter.player } : {}),
    ...spanOf(filter, Date.now()),
    pageSize: PAGE,
  };
}

function cliOf(filter: Filter, live: boolean): string {
  const { principal, since, until } = requestOf(filter);
  const given = flags({
    request: filter.request, vs: filter.vs, function: filter.fn, version: filter.version, level: filter.level, text: filter.q, kind: filter.kind, principal,
    reason: filter.reason, since: filter.since === AT ? since : filter.since, until,
  });
  return `ow logs${given}${live ? " --follow" : ""}`;
}

export function Logs() {
  return <Page title={t("logs")} sub={t("logs.sub")}><LogView at="/logs" fixed={{}} /></Page>;
}

interface Tail {
  entries: LogEntry[];
  dropped: number;
  forgotten: number;
  skipped: boolean; // came faster than it could be told
  error?: ApiError | undefined;
  first: boolean;
}

// The newest page first, then what comes behind it, as long as `live`.
function useTail(filter: Filter, live: boolean): Tail {
  const key = JSON.stringify(filter);
  const [tail, setTail] = useState<Tail>({ entries: [], dropped: 0, forgotten: 0, skipped: false, first: true });
  useEffect(() => {
    const abort = new AbortController();
    setTail({ entries: [], dropped: 0, forgotten: 0, skipped: false, first: true });
    const add = (entries: LogEntry[], dropped: number, skipped: boolean): void => setTail((old) => {
      const all = entries.length > 0 ? [...old.entries, ...entries] : old.entries;
      const over = Math.max(0, all.length - KEPT);
      return { entries: over ? all.slice(over) : all, dropped: old.dropped + dropped, forgotten: old.forgotten + over, skipped: old.skipped || skipped, first: false };
    });
    const follow = async (): Promise<void> => {
      const request = requestOf(filter);
      let token = "";
      let pause = 250;
      while (!abort.signal.aborted) {
        try {
          if (token === "") {
            const page = await call(queryLogs, { ...request, newest: true }, abort.signal);
            add(page.entries ?? [], num(page.dropped), false);
            token = page.nextPageToken ?? "";
          }
          if (!live) return;
          for await (const message of stream(tailLogs, { ...request, pageToken: token }, abort.signal)) {
            add(message.entries ?? [], num(message.dropped), message.skipped ?? false);
            token = message.nextPageToken ?? token;
            pause = 250;
          }
        } catch (cause) {
          if (abort.signal.aborted) return;
          const error = cause instanceof ApiError ? cause : new ApiError(0, "unknown", "", String(cause), "");
          setTail((old) => ({ ...old, error, first: false }));
          if (error.status >= 400 && error.status < 500) return;
          await new Promise((done) => setTimeout(done, pause));
          pause = Math.min(pause * 2, 5000);
        }
      }
    };
    void follow();
    return () => abort.abort();
  }, [key, live]);
  return tail;
}

const TIMEOUT_MAX = 2 ** 31 - 1; // of the browser; who waits longer than three weeks looks again then

// Whether the time that is shown is over, told as it ends.
function useEnded(query: Record<string, string>): boolean {
  const [, draw] = useReducer<number, undefined>((n) => n + 1, 0);
  const left = openFor(query, Date.now());
  useEffect(() => {
    if (!left) return;
    const timer = window.setTimeout(() => draw(undefined), Math.min(left, TIMEOUT_MAX));
    return () => window.clearTimeout(timer);
  });
  return left === 0;
}

export function LogView({ at, fixed }: { at: string; fixed: Filter }) {
  const { query, route } = useLocation();
  const filter = useMemo(() => {
    const found: Filter = {};
    for (const field of FIELDS) if (query[field]) found[field] = query[field];
    return { ...found, ...fixed };
  }, [JSON.stringify(query), JSON.stringify(fixed)]);
  const ended = useEnded(query); // no more will come
  const live = query["live"] !== "0" && !ended;
  const tail = useTail(filter, live);
  const go = (change: Record<string, string | undefined>): void => route(address(at, { ...query, ...change }), true);
  const input = (field: keyof Filter, label: string, type = "text") => fixed[field] === undefined && (
    <input type={type} aria-label={label} placeholder={label} value={query[field] ?? ""} onChange={(e) => go({ [field]: e.currentTarget.value.trim() || undefined })} />
  );
  return (
    <Panel bare>
      <div class="filters">
        {input("q", t("logs.text"), "search")}
        <select aria-label={t("level")} value={query["level"] ?? ""} onChange={(e) => go({ level: e.currentTarget.value || undefined })}>
          <option value="">{t("logs.all_levels")}</option>
          {["info", "warn", "error"].map((level) => <option key={level} value={level}>{t("logs.from_level", { level })}</option>)}
        </select>
        <select aria-label={t("logs.kind")} value={query["kind"] ?? ""} onChange={(e) => go({ kind: e.currentTarget.value || undefined })}>
          <option value="">{t("logs.all_kinds")}</option>
          {["REQUEST", "LINE", "ERROR", "REPORT", "INIT"].map((kind) => <option key={kind}>{kind}</option>)}
        </select>
        {input("vs", t("vs"))}
        {input("fn", t("function"))}
        {input("version", t("version"))}
        {input("player", t("logs.player"))}
        {input("request", t("request.id"))}
        <select aria-label={t("logs.since")} value={query["since"] ?? "15m"} onChange={(e) => go({ since: e.currentTarget.value })}>
          {SPANS.map(([name]) => <option key={name} value={name}>{t("logs.last", { span: name })}</option>)}
          <option value={AT}>{t("logs.between")}</option>
        </select>
        {query["since"] === AT && (["from", "to"] as const).map((field) => (
          <input key={field} type="datetime-local" step="1" aria-label={t(`logs.${field}`)} title={t(`logs.${field}`)} value={query[field] ?? ""} onChange={(e) => go({ [field]: e.currentTarget.value || undefined })} />
        ))}
        <Button icon={live ? "pause" : "play"} disabled={ended} aria-pressed={live} onClick={() => go({ live: live ? "0" : undefined })}>{live ? t("logs.pause") : t("logs.live")}</Button>
      </div>
      {tail.error && <div class="body"><Failure error={tail.error} /></div>}
      {(tail.dropped > 0 || tail.forgotten > 0 || tail.skipped) && (
        <div class="body"><Notice tone="warn">
          {tail.dropped > 0 && <p>{t("logs.dropped", { n: tail.dropped })}</p>}
          {tail.skipped && <p>{t("logs.skipped")}</p>}
          {tail.forgotten > 0 && <p>{t("logs.forgotten", { n: tail.forgotten, kept: KEPT })}</p>}
        </Notice></div>
      )}
      {tail.first && !tail.error ? <Skeleton lines={8} /> : tail.entries.length === 0
        ? !tail.error && <Empty icon="logs" title={t("logs.none")}>{live ? t("logs.none.live") : t("logs.none.text")}</Empty>
        : <Scroller entries={tail.entries} live={live} />}
      <div class="filters foot">
        <Badge tone={live ? "ok" : ""}>{live && <i class="dot" />}{live ? t("logs.is_live") : t("logs.is_paused")}</Badge>
        <span class="muted">{t("logs.count", { n: tail.entries.length })}</span>
        <code class="muted">$ {cliOf(filter, live)}</code>
      </div>
    </Panel>
  );
}

// Only the lines that are seen are there; stays at the end while it is there.
function Scroller({ entries, live }: { entries: LogEntry[]; live: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [, draw] = useReducer<number, undefined>((n) => n + 1, 0);
  const options = {
    count: entries.length,
    getScrollElement: () => box.current,
    estimateSize: () => 24,
    overscan: 20,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => draw(undefined),
  };
  const [virtual] = useState(() => new Virtualizer<HTMLDivElement, Element>(options));
  virtual.setOptions({ ...virtual.options, ...options });
  useEffect(() => virtual._didMount(), []);
  useEffect(() => virtual._willUpdate());
  useEffect(() => {
    if (live && atEnd.current) virtual.scrollToIndex(entries.length - 1, { align: "end" });
  }, [entries, live]);
  return (
    <div class="log tall-log" ref={box} tabIndex={0} role="region" aria-label={t("logs")}
      onScroll={(e) => {
        const el = e.currentTarget;
        atEnd.current = el.scrollHeight - el.scrollTop - el.clientHeight < 60;
      }}>
      <div role="list" style={{ height: `${virtual.getTotalSize()}px`, position: "relative" }}>
        {virtual.getVirtualItems().map((item) => (
          <div key={item.key} data-index={item.index} ref={(el) => { if (el) virtual.measureElement(el); }} style={{ position: "absolute", insetInline: 0, top: 0, transform: `translateY(${item.start}px)` }}>
            <LogLine entry={entries[item.index]!} showRequest />
          </div>
        ))}
      </div>
    </div>
  );
}
