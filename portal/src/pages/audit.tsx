// Every change: by whom, when, from where, before and after. Each service keeps its own chain.

import { useLocation } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { ApiError, call } from "../api/client";
import type { Method } from "../api/method";
import { keyOfPages, useQuery, type Query } from "../api/query";
import { byTime, joined, readChain, type ChainRows, type Row } from "../chains";
import { absolute, count, num } from "../format";
import type { ListAuditRequest, ListAuditResponse, VerifyAuditRequest, VerifyAuditResponse } from "../gen/audit";
import * as data from "../gen/data";
import * as identity from "../gen/identity";
import * as queue from "../gen/queue";
import * as registry from "../gen/registry";
import * as telemetry from "../gen/telemetry";
import * as timers from "../gen/timers";
import { t } from "../i18n";
import { may } from "../session";
import { flags } from "../shell";
import { Badge, Button, Empty, Failure, JsonLines, Loaded, Notice, Page, Panel, Time, say, useAction } from "../ui/parts";
import { address } from "./virtual-servers";

interface Chain {
  name: string;
  list: Method<ListAuditRequest, ListAuditResponse>;
  verify: Method<VerifyAuditRequest, VerifyAuditResponse>;
}

const CHAINS: Chain[] = [
  { name: "identity", list: identity.listAudit, verify: identity.verifyAudit },
  { name: "registry", list: registry.listAudit, verify: registry.verifyAudit },
  { name: "telemetry", list: telemetry.listAudit, verify: telemetry.verifyAudit },
  { name: "data", list: data.listAudit, verify: data.verifyAudit },
  { name: "events", list: queue.listAudit, verify: queue.verifyAudit },
  { name: "timers", list: timers.listAudit, verify: timers.verifyAudit },
];

const FIELDS = ["principal", "action", "object", "request"] as const;
const EXPORT_MAX = 200_000;
const LOOKS = 10; // for the first one that fits: an answer may have none though there are more
const SPANS: [string, number][] = [["24h", 1], ["7d", 7], ["30d", 30], ["", 0]];

function filterOf(query: Record<string, string>): ListAuditRequest {
  const days = SPANS.find(([name]) => name === query["since"])?.[1] ?? 0;
  return {
    pageSize: 50,
    ...(query["principal"] ? { principal: query["principal"] } : {}),
    ...(query["action"] ? { action: query["action"] } : {}),
    ...(query["object"] ? { object: query["object"] } : {}),
    ...(query["request"] ? { requestId: query["request"] } : {}),
    ...(days ? { since: new Date(Date.now() - days * 86_400_000).toISOString() } : {}),
  };
}

const chainsOf = (query: Record<string, string>): Chain[] => CHAINS.filter((c) => may(c.list) && (!query["service"] || query["service"] === c.name));

const read = (query: Record<string, string>, pages: number, looks: number, signal: AbortSignal): Promise<ChainRows[]> =>
  Promise.all(chainsOf(query).map((chain) => readChain(chain.name, (pageToken) => call(chain.list, { ...filterOf(query), pageToken }, signal), pages, looks)));

// What was asked for is looked through once, because a filter that fits little costs the server; again and again only
// the newest page of each chain is.
function useEntries(query: Record<string, string>, pages: number): Query<{ rows: Row[]; more: boolean }> {
  const key = JSON.stringify(query);
  const looked = useQuery(keyOfPages(`audit:${key}`, pages), (signal) => read(query, pages, LOOKS, signal));
  const newest = useQuery(`audit:newest:${key}`, (signal) => read(query, 1, 0, signal), 10_000);
  const all = looked.data && joined(looked.data, newest.data ?? []);
  const gap = all?.gap ?? false;
  useEffect(() => {
    if (gap && !looked.loading && !looked.error) looked.reload();
  }, [gap, looked.loading, looked.error]);
  return { ...looked, data: all && byTime(all.chains), error: looked.error ?? newest.error };
}

// All that fits, a line each, chain by chain and newest first; no more than fits a browser.
async function exported(query: Record<string, string>, tell: (n: number) => void): Promise<{ lines: string[]; whole: boolean }> {
  const filter = { ...filterOf(query), pageSize: 200 };
  const lines: string[] = [];
  for (const chain of chainsOf(query)) {
    let pageToken = "";
    do {
      if (lines.length >= EXPORT_MAX) return { lines, whole: false };
      const page = await call(chain.list, { ...filter, pageToken });
      lines.push(...(page.entries ?? []).map((entry) => `${JSON.stringify({ service: chain.name, ...entry })}\n`));
      tell(lines.length);
      pageToken = page.nextPageToken ?? "";
    } while (pageToken !== "");
  }
  return { lines, whole: true };
}

function Export({ query }: { query: Record<string, string> }) {
  const [taken, setTaken] = useState<number>();
  const act = useAction(async () => {
    setTaken(0);
    try {
      const { lines, whole } = await exported(query, setTaken);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
      link.download = "audit.jsonl";
      link.click();
      URL.revokeObjectURL(link.href);
      say(whole ? t("audit.exported", { n: count(lines.length) }) : t("audit.exported.part", { n: count(lines.length) }), whole ? "" : "bad");
    } finally {
      setTaken(undefined);
    }
  });
  return (
    <>
      {act.error && <Failure error={act.error} />}
      <Button icon="download" disabled={act.busy} title={t("audit.export.hint")} onClick={() => { void act.run(); }}>{taken ? t("audit.exporting", { n: count(taken) }) : t("export")}</Button>
    </>
  );
}

export function Audit() {
  const { query, route } = useLocation();
  const [pages, setPages] = useState(1);
  const list = useEntries(query, pages);
  const go = (change: Record<string, string | undefined>): void => route(address("/audit", { ...query, ...change }), true);
  return (
    <Page title={t("audit")} sub={t("audit.sub")} cli={`ow audit list${flags({ who: query["principal"], action: query["action"], object: query["object"], request: query["request"], since: query["since"] })}`} actions={<>{CHAINS.some((c) => may(c.verify)) && <Verify />}<Export query={query} /></>}>
      <Panel bare>
        <div class="filters">
          {FIELDS.map((field) => <input key={field} aria-label={t(`audit.${field}`)} placeholder={t(`audit.${field}`)} value={query[field] ?? ""} onChange={(e) => go({ [field]: e.currentTarget.value.trim() || undefined })} />)}
          <select aria-label={t("audit.service")} value={query["service"] ?? ""} onChange={(e) => go({ service: e.currentTarget.value || undefined })}><option value="">{t("audit.all_services")}</option>{CHAINS.map((c) => <option key={c.name}>{c.name}</option>)}</select>
          <select aria-label={t("logs.since")} value={query["since"] ?? ""} onChange={(e) => go({ since: e.currentTarget.value || undefined })}>{SPANS.map(([name]) => <option key={name} value={name}>{name ? t("logs.last", { span: name }) : t("audit.ever")}</option>)}</select>
        </div>
        <Loaded query={list} lines={8}>
          {(page) => page.rows.length === 0 ? <Empty icon="shield" title={t("audit.none")} action={page.more && <Button onClick={() => setPages(pages + LOOKS)}>{t("more")}</Button>} /> : (
            <>
              <div class="table-wrap">
                <table class="tops">
                  <thead><tr><th>{t("time")}</th><th>{t("audit.action")}</th><th>{t("audit.object")}</th><th>{t("audit.principal")}</th><th>{t("audit.before")}</th><th>{t("audit.after")}</th><th><span class="visually-hidden">{t("request")}</span></th></tr></thead>
                  <tbody>
                    {page.rows.map((row) => (
                      <tr key={`${row.service}${row.sequence}`}>
                        <td><Time at={row.at} /></td>
                        <td class="nowrap">{row.action}<span class="sub">{row.service} #{row.sequence}</span></td>
                        <td class="break">{row.object}</td>
                        <td class="mono small break">{row.principal || t("audit.platform")}<span class="sub">{row.address}</span></td>
                        <td><JsonLines text={row.before} /></td>
                        <td><JsonLines text={row.after} /></td>
                        <td class="nowrap">{row.requestId && <a href={`/requests/${row.requestId}`} aria-label={t("request.open", { id: row.requestId })}>{t("request")}</a>}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
              {page.more && <div class="more"><Button onClick={() => setPages(pages + 1)}>{t("more")}</Button></div>}
            </>
          )}
        </Loaded>
      </Panel>
    </Page>
  );
}

// Walks every chain from its first entry.
function Verify() {
  const [state, setState] = useState<{ busy?: boolean; text?: string; broken?: boolean }>({});
  const run = async (): Promise<void> => {
    setState({ busy: true });
    let checked = 0;
    try {
      for (const chain of CHAINS.filter((c) => may(c.verify))) {
        let from = "0";
        do {
          const reply = await call(chain.verify, { fromSequence: from });
          checked += num(reply.checked);
          if (reply.broken) return setState({ broken: true, text: t("audit.broken", { service: chain.name, what: reply.broken, n: reply.brokenSequence ?? "" }) });
          from = reply.nextSequence ?? "0";
        } while (from !== "0");
      }
      setState({ text: t("audit.sound", { n: count(checked), at: absolute(new Date()) }) });
    } catch (cause) {
      setState({ broken: true, text: cause instanceof ApiError ? cause.message : String(cause) });
    }
  };
  return (
    <>
      {state.text && (state.broken ? <Notice tone="bad" title={state.text} /> : <Badge tone="ok">{state.text}</Badge>)}
      <Button icon="shield" disabled={state.busy} onClick={() => { void run(); }}>{t("audit.verify")}</Button>
    </>
  );
}
