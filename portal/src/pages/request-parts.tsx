// What is known about one request: its lines and where its time went.

import { clock, duration, num } from "../format";
import type { LogEntry, Span } from "../gen/telemetry";
import { t } from "../i18n";
import { Badge, type Tone } from "../ui/parts";

export function levelTone(level: string | undefined): Tone {
  return level === "error" ? "bad" : level === "warn" ? "warn" : level === "info" ? "accent" : "";
}

// What an entry says, in one line.
export function entryText(entry: LogEntry): string {
  const request = entry.request;
  const run = entry.invocation;
  switch (entry.kind) {
    case "REQUEST":
      return `${request?.method ?? ""} ${target(request?.virtualServer, request?.function)} ${request?.status ?? ""} ${request?.reason ?? ""} ${duration(num(request?.totalUs))}`.replace(/ +/g, " ");
    case "REPORT":
      return [
        run?.reason ? run.reason : "ok", duration(num(run?.durationUs)), num(run?.queuedUs) > 0 && `${t("queued")} ${duration(num(run?.queuedUs))}`,
        num(run?.initUs) > 0 && `${t("cold1")} ${duration(num(run?.initUs))}`, num(run?.peakMemoryBytes) > 0 && `${Math.round(num(run?.peakMemoryBytes) / 1024)} KB`,
      ].filter(Boolean).join(" · ");
    case "ERROR":
      return [run?.reason, run?.message, run?.stack].filter(Boolean).join("\n");
    default:
      return entry.text ?? "";
  }
}

const target = (server: string | undefined, fn: string | undefined): string => (server ? `${server}/${fn ?? ""}` : "");

export function LogLine({ entry, showRequest }: { entry: LogEntry; showRequest?: boolean }) {
  const isError = entry.kind === "ERROR" || entry.level === "error";
  return (
    <div class={`log-line ${isError ? "error" : entry.level === "warn" ? "warning" : ""}`} role="listitem">
      <time class="muted" dateTime={entry.time}>{entry.time ? clock(new Date(entry.time)) : ""}</time>
      <span class="log-kind">{entry.kind === "LINE" ? <Badge tone={levelTone(entry.level)}>{entry.level}</Badge> : <span class="muted">{entry.kind}</span>}</span>
      <span class="log-from muted">{target(entry.virtualServer, entry.function)}</span>
      <span class="log-text">{entryText(entry)}</span>
      {showRequest && entry.requestId && <a class="log-request" href={`/requests/${entry.requestId}`} aria-label={t("request.open", { id: entry.requestId })}>{t("request")}</a>}
    </div>
  );
}

export function LogLines({ entries, showRequest }: { entries: LogEntry[]; showRequest?: boolean }) {
  return <div class="log" role="list">{entries.map((entry, i) => <LogLine key={i} entry={entry} {...(showRequest ? { showRequest } : {})} />)}</div>;
}

// Each span behind the one that it is part of.
function inTreeOrder(spans: Span[]): Span[] {
  const known = new Set(spans.map((span) => span.spanId).filter(Boolean));
  const sorted = [...spans].sort((a, b) => num(a.startUs) - num(b.startUs));
  const ordered: Span[] = [];
  const walk = (parent: string | undefined): void => {
    for (const span of sorted) {
      const above = known.has(span.parentSpanId) && span.parentSpanId !== span.spanId ? span.parentSpanId : undefined;
      if (above !== parent || ordered.includes(span)) continue;
      ordered.push(span);
      walk(span.spanId);
    }
  };
  walk(undefined);
  return [...ordered, ...sorted.filter((span) => !ordered.includes(span))];
}

export function Waterfall({ spans }: { spans: Span[] }) {
  if (spans.length === 0) return null;
  const begin = Math.min(...spans.map((s) => num(s.startUs)));
  const end = Math.max(...spans.map((s) => num(s.startUs) + num(s.durationUs)));
  const whole = Math.max(end - begin, 1);
  const parents = new Map(spans.map((span) => [span.spanId ?? "", span.parentSpanId ?? ""]));
  const depth = (id: string, left = 16): number => {
    const parent = parents.get(id);
    return !parent || !parents.has(parent) || left === 0 ? 0 : 1 + depth(parent, left - 1);
  };
  return (
    <div class="waterfall" role="table" aria-label={t("trace")}>
      {inTreeOrder(spans).map((span) => {
        const left = ((num(span.startUs) - begin) / whole) * 100;
        const width = Math.max((num(span.durationUs) / whole) * 100, 0.4);
        return (
          <div key={span.spanId} role="row" class="span-row">
            <span role="cell" class="span-name" style={{ paddingLeft: `${depth(span.spanId ?? "") * 14}px` }} title={span.name}>{span.name}</span>
            <span role="cell" class="span-track"><i class={`span-bar ${span.kind} ${span.failed ? "failed" : ""}`} style={{ left: `${Math.min(left, 99.6)}%`, width: `${Math.min(width, 100 - Math.min(left, 99.6))}%` }} /></span>
            <span role="cell" class="number">{duration(num(span.durationUs))}{span.reason && <span class={span.failed ? "bad" : "muted"}> {span.reason}</span>}</span>
          </div>
        );
      })}
    </div>
  );
}
