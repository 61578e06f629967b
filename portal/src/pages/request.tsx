// One request: the gateway's record, the lines of everything that it caused, and where its time went.

import { useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { call } from "../api/client";
import { keyOfPages, useQuery } from "../api/query";
import { textOf } from "../base64";
import { absolute, bytes, duration, num } from "../format";
import { getTrace, queryLogs, type LogEntry, type RequestRecord } from "../gen/telemetry";
import { t } from "../i18n";
import { Badge, Button, Empty, Loaded, Page, Panel } from "../ui/parts";
import { LogLines, Waterfall } from "./request-parts";

const PAGE = 200;

async function read(requestId: string, pages: number, signal: AbortSignal): Promise<{ entries: LogEntry[]; more: boolean }> {
  const entries: LogEntry[] = [];
  let [pageToken, more] = ["", true];
  for (let i = 0; i < pages && more; i++) {
    const page = await call(queryLogs, { requestId, pageSize: PAGE, pageToken }, signal);
    entries.push(...(page.entries ?? []));
    pageToken = page.nextPageToken ?? "";
    more = (page.entries ?? []).length === PAGE && pageToken !== ""; // a log's token goes on for ever
  }
  return { entries, more };
}

export function RequestPage() {
  const id = useRoute().params["id"] ?? "";
  const [pages, setPages] = useState(1);
  const lines = useQuery(keyOfPages(`request:${id}`, pages), (signal) => read(id, pages, signal), 3000);
  const trace = useQuery(`trace:${id}`, (signal) => call(getTrace, { requestId: id }, signal), 3000);
  return (
    <Page title={t("request")} sub={<code>{id}</code>} cli={`ow trace ${id}`}>
      <div class="stack">
        <Loaded query={lines}>
          {(page) => {
            const { entries } = page;
            const record = entries.find((e) => e.kind === "REQUEST");
            if (entries.length === 0) return <Panel><Empty icon="search" title={t("request.none")}>{t("request.none.text")}</Empty></Panel>;
            return (
              <>
                {record?.request && <Record record={record.request} at={record.time} />}
                {(trace.data?.spans ?? []).length > 0 && (
                  <Panel title={t("trace")} actions={<code class="muted">{trace.data?.traceId}</code>}><Waterfall spans={trace.data?.spans ?? []} /></Panel>
                )}
                <Panel title={t("logs")} bare actions={<code class="muted">$ ow logs --request {id}</code>}><LogLines entries={entries} />
                  {page.more && <div class="more"><Button onClick={() => setPages(pages + 1)}>{t("more")}</Button></div>}
                </Panel>
              </>
            );
          }}
        </Loaded>
      </div>
    </Page>
  );
}

function Record({ record, at }: { record: RequestRecord; at: string | undefined }) {
  const status = record.status ?? 0;
  return (
    <Panel title={record.method} actions={<Badge tone={status < 400 ? "ok" : status < 500 ? "warn" : "bad"}>{status} {record.reason}</Badge>}>
      <dl class="facts">
        {record.virtualServer && <><dt>{t("function")}</dt><dd><a href={`/vs/${record.virtualServer}`}>{record.virtualServer}/{record.function}</a> <code>{record.qualifier}</code></dd></>}
        <dt>{t("request.who")}</dt><dd class="mono">{record.principal?.startsWith("player:") ? <a href={`/players/${record.principal.slice(7)}`}>{record.principal}</a> : record.principal || "–"}</dd>
        <dt>{t("request.from")}</dt><dd class="mono">{record.clientAddress}</dd>
        <dt>{t("time")}</dt><dd>{at ? absolute(new Date(at)) : "–"}</dd>
        <dt>{t("request.took")}</dt><dd>{duration(num(record.totalUs))}{num(record.instanceUs) > 0 && <span class="muted"> · {t("request.inside", { time: duration(num(record.instanceUs)) })}</span>}</dd>
        <dt>{t("request.bytes")}</dt><dd>{bytes(num(record.bytesIn))} → {bytes(num(record.bytesOut))}</dd>
        {record.payload && <><dt>{t("payload")}</dt><dd><pre class="result">{textOf(record.payload)}</pre></dd></>}
        {record.result && <><dt>{t("test.result")}</dt><dd><pre class="result">{textOf(record.result)}</pre></dd></>}
      </dl>
    </Panel>
  );
}
