// The queue: what waits, runs and has run; what was given up, and letting it begin anew.

import { useLocation, useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { call } from "../api/client";
import { keyOfPages, useQuery } from "../api/query";
import { textOf, toBase64 } from "../base64";
import { bytes, count, num } from "../format";
import { cancelExecution, discardExecutions, editExecution, getExecution, listExecutions, redriveExecutions, rerunExecution, type Execution, type ExecutionFilter } from "../gen/queue";
import { t, type Key } from "../i18n";
import { may } from "../session";
import { flags, word } from "../shell";
import { Badge, Button, Cli, Empty, Field, FormDialog, Loaded, Notice, Page, Panel, Time, say, type Tone } from "../ui/parts";
import { QueueStats } from "./queue-stats";
import { address } from "./virtual-servers";

const PAGE = 100;
const COUNT_PAGES = 50;
const LOOKS = 10; // for the first one that fits: an answer may have none though there are more
const AT_ONCE = 200; // named in one call
const STATES = ["waiting", "running", "done", "dead", "discarded"] as const;
const TONES: Record<string, Tone> = { waiting: "accent", running: "accent", done: "ok", dead: "bad", discarded: "" };

export function ExecutionState({ state }: { state: string | undefined }) {
  return <Badge tone={TONES[state ?? ""] ?? ""}>{t(`queue.${(state ?? "waiting") as "waiting"}` as Key)}</Badge>;
}

function filterOf(query: Record<string, string>): ExecutionFilter {
  return {
    ...(query["state"] ? { state: query["state"] } : {}), ...(query["vs"] ? { virtualServer: query["vs"] } : {}), ...(query["fn"] ? { function: query["fn"] } : {}),
    ...(query["source"] ? { source: query["source"] } : {}), ...(query["reason"] ? { reason: query["reason"] } : {}),
    ...(query["event"] ? { triggerId: query["event"] } : {}), ...(query["subscription"] ? { subscriptionKey: query["subscription"] } : {}),
  };
}

// The same for `ow`.
function filterFlags(filter: ExecutionFilter): string {
  return flags({ vs: filter.virtualServer, function: filter.function, source: filter.source, reason: filter.reason, event: filter.triggerId, subscription: filter.subscriptionKey });
}

async function read(query: Record<string, string>, pages: number, signal: AbortSignal): Promise<{ list: Execution[]; more: boolean }> {
  const list: Execution[] = [];
  let pageToken = "";
  for (let i = 0; i < pages || (list.length === 0 && i < pages + LOOKS); i++) {
    const page = await call(listExecutions, { pageSize: PAGE, pageToken, filter: filterOf(query) }, signal);
    list.push(...(page.executions ?? []));
    pageToken = page.nextPageToken ?? "";
    if (pageToken === "") break;
  }
  return { list, more: pageToken !== "" };
}

export function Queue() {
  const { query, route } = useLocation();
  const [pages, setPages] = useState(1);
  const [open, setOpen] = useState<"" | "redrive" | "discard">("");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const list = useQuery(keyOfPages(`queue:${JSON.stringify(query)}`, pages), (signal) => read(query, pages, signal), 3000);
  const go = (change: Record<string, string | undefined>): void => route(address("/queue", { ...query, ...change }), true);
  const dead = query["state"] === "dead";
  const toggle = (id: string, on: boolean): void => {
    const next = new Set(chosen);
    if (on) next.add(id);
    else next.delete(id);
    setChosen(next);
  };
  return (
    <Page title={t("queue")} sub={t("queue.sub")} cli={`${dead ? "ow dead list" : `ow exec list${flags({ state: query["state"] })}`}${filterFlags(filterOf(query))}`}
      actions={dead && (
        <>
          {may(redriveExecutions) && <Button kind="primary" icon="rollback" onClick={() => setOpen("redrive")}>{chosen.size ? t("queue.redrive.n", { n: chosen.size }) : t("queue.redrive.all")}</Button>}
          {may(discardExecutions) && <Button kind="danger" icon="trash" onClick={() => setOpen("discard")}>{chosen.size ? t("queue.discard.n", { n: chosen.size }) : t("queue.discard.all")}</Button>}
        </>
      )}>
      <nav class="tabs" aria-label={t("status")}>
        {(["", ...STATES] as const).map((state) => <a key={state} href={address("/queue", { ...query, state: state || undefined })} {...((query["state"] ?? "") === state ? { "aria-current": "page" } : {})}>{state ? t(`queue.${state}`) : t("queue.all")}</a>)}
      </nav>
      <div class="stack">
      {!query["state"] && <QueueStats />}
      <Panel bare>
        <div class="filters">
          {([["vs", "vs"], ["fn", "function"], ["source", "queue.source"], ["reason", "reason"], ["event", "event"], ["subscription", "queue.subscription"]] as const).map(([field, label]) => (
            <input key={field} aria-label={t(label)} placeholder={t(label)} value={query[field] ?? ""} onChange={(e) => go({ [field]: e.currentTarget.value.trim() || undefined })} />
          ))}
        </div>
        <Loaded query={list}>
          {(page) => page.list.length === 0 ? (
            <Empty icon="inbox" title={page.more ? t("queue.none.yet") : dead ? t("queue.none.dead") : t("queue.none")} action={page.more && <Button onClick={() => setPages(pages + LOOKS)}>{t("more")}</Button>}>{t("queue.none.text")}</Empty>
          ) : (
            <>
              <div class="table-wrap"><table>
                <thead><tr>{dead && <th><span class="visually-hidden">{t("timers.choose")}</span></th>}<th>{t("timers.execution")}</th><th>{t("status")}</th><th>{t("function")}</th><th>{t("queue.source")}</th><th class="number">{t("queue.attempt")}</th><th>{t("created")}</th><th>{t("queue.due")}</th><th>{t("reason")}</th></tr></thead>
                <tbody>
                  {page.list.map((e) => (
                    <tr key={e.executionId}>
                      {dead && <td><input type="checkbox" aria-label={t("timers.choose.one", { name: e.executionId ?? "" })} checked={chosen.has(e.executionId ?? "")} onChange={(event) => toggle(e.executionId ?? "", event.currentTarget.checked)} /></td>}
                      <td class="mono small"><a class="name" href={`/queue/${e.executionId}`}>{e.executionId}</a></td>
                      <td><ExecutionState state={e.state} /></td>
                      <td>{e.virtualServer}/{e.function}</td><td>{e.source}</td>
                      <td class="number">{e.attempt ?? 0} / {e.retry?.maxAttempts || 3}</td>
                      <td><Time at={e.created} /></td><td><Time at={e.due} /></td>
                      <td class="break">{e.reason}<span class="sub">{e.message}</span></td>
                    </tr>
                  ))}
                </tbody>
              </table></div>
              {page.more && <div class="more"><Button onClick={() => setPages(pages + 1)}>{t("more")}</Button></div>}
            </>
          )}
        </Loaded>
      </Panel>
      </div>
      {open === "redrive" && <Redrive ids={[...chosen]} filter={filterOf(query)} onClose={() => setOpen("")} onDone={() => { setOpen(""); setChosen(new Set()); list.reload(); }} />}
      {open === "discard" && <Discard ids={[...chosen]} filter={filterOf(query)} onClose={() => setOpen("")} onDone={() => { setOpen(""); setChosen(new Set()); list.reload(); }} />}
    </Page>
  );
}

// How many dead ones fit, up to a bound; undefined: more, or it is not known.
async function countDead(filter: ExecutionFilter): Promise<number | undefined> {
  let sum = 0;
  let pageToken = "";
  for (let i = 0; i < COUNT_PAGES; i++) {
    const page = await call(listExecutions, { pageSize: 200, pageToken, filter: { ...filter, state: "dead" } });
    sum += page.executions?.length ?? 0;
    pageToken = page.nextPageToken ?? "";
    if (pageToken === "") return sum;
  }
  return undefined;
}

// Those that are named, so many a call, or all that fit.
function choices(ids: string[], filter: ExecutionFilter): { executionIds?: string[]; all?: boolean; filter?: ExecutionFilter }[] {
  if (ids.length === 0) return [{ all: true, filter }];
  return Array.from({ length: Math.ceil(ids.length / AT_ONCE) }, (_, i) => ({ executionIds: ids.slice(i * AT_ONCE, (i + 1) * AT_ONCE) }));
}

function Redrive({ ids, filter, onClose, onDone }: { ids: string[]; filter: ExecutionFilter; onClose: () => void; onDone: () => void }) {
  const [rate, setRate] = useState(0);
  const [all, setAll] = useState<number>();
  const [done, setDone] = useState<number>();
  return (
    <FormDialog title={t("queue.redrive")} submit={t("queue.redrive")} onClose={onClose}
      onSubmit={async () => {
        let sum = 0;
        let begin: string | undefined;
        let pageToken = "";
        setDone(0);
        setAll(ids.length || await countDead(filter));
        for (const which of choices(ids, filter)) {
          do {
            const reply = await call(redriveExecutions, { ...which, perSecond: rate, pageToken, ...(begin ? { begin } : {}) });
            sum += reply.count ?? 0;
            setDone(sum);
            begin = reply.next;
            pageToken = reply.nextPageToken ?? "";
          } while (pageToken !== "");
        }
        say(t("queue.redriven", { n: count(sum) }));
        onDone();
      }}>
      <p>{ids.length ? t("queue.redrive.text.n", { n: ids.length }) : t("queue.redrive.text")}</p>
      <Field label={t("queue.rate")} hint={t("queue.rate.hint")}>{(a) => <input {...a} type="number" min={0} max={10000} value={rate} onInput={(e) => setRate(Number(e.currentTarget.value))} />}</Field>
      {done !== undefined && (
        <div class="stack-2">
          <progress aria-label={t("queue.redrive")} {...(all === undefined ? {} : { max: Math.max(all, done, 1), value: done })} />
          <span class="muted" role="status">{all === undefined ? t("queue.redriven", { n: count(done) }) : t("queue.progress", { n: count(done), all: count(Math.max(all, done)) })}</span>
        </div>
      )}
      <Cli line={`ow dead redrive ${ids.length ? ids.join(" ") : `--all${filterFlags(filter)}`}${rate ? ` --rate ${rate}` : ""}`} />
    </FormDialog>
  );
}

function Discard({ ids, filter, onClose, onDone }: { ids: string[]; filter: ExecutionFilter; onClose: () => void; onDone: () => void }) {
  const [reason, setReason] = useState("");
  return (
    <FormDialog danger title={t("queue.discard")} submit={t("queue.discard")} disabled={reason.trim() === ""} onClose={onClose}
      onSubmit={async () => {
        let pageToken = "";
        for (const which of choices(ids, filter)) {
          do pageToken = (await call(discardExecutions, { ...which, reason, pageToken })).nextPageToken ?? "";
          while (pageToken !== "");
        }
        onDone();
      }}>
      <Notice tone="warn" title={ids.length ? t("queue.discard.text.n", { n: ids.length }) : t("queue.discard.text")} />
      <Field label={t("reason")} hint={t("queue.discard.hint")}>{(a) => <input {...a} autoFocus value={reason} maxLength={200} onInput={(e) => setReason(e.currentTarget.value)} />}</Field>
      <Cli line={`ow dead discard ${ids.length ? ids.join(" ") : `--all${filterFlags(filter)}`} --because ${word(reason || "TEXT")}`} />
    </FormDialog>
  );
}

export function ExecutionPage() {
  const id = useRoute().params["id"] ?? "";
  const { route } = useLocation();
  const [editing, setEditing] = useState(false);
  const found = useQuery(`execution:${id}`, (signal) => call(getExecution, { executionId: id, payload: true }, signal), 3000);
  const act = async (what: () => Promise<unknown>): Promise<void> => {
    try {
      await what();
    } catch (cause) {
      say((cause as Error).message, "bad");
    }
    found.reload();
  };
  const e = found.data;
  return (
    <Page title={t("timers.execution")} sub={<code>{id}</code>} cli={`ow exec show ${id}`}
      actions={e && (
        <>
          {e.state === "dead" && may(editExecution) && <Button onClick={() => setEditing(true)}>{t("queue.edit")}</Button>}
          {e.state === "dead" && may(redriveExecutions) && <Button kind="primary" icon="rollback" onClick={() => { void act(() => call(redriveExecutions, { executionIds: [id] })); }}>{t("queue.redrive")}</Button>}
          {(e.state === "waiting" || e.state === "running") && may(cancelExecution) && <Button kind="danger" onClick={() => { void act(() => call(cancelExecution, { executionId: id })); }}>{t("queue.cancel")}</Button>}
          {(e.state === "done" || e.state === "discarded") && may(rerunExecution) && <Button icon="play" onClick={() => { void act(async () => route(`/queue/${(await call(rerunExecution, { executionId: id, requestKey: crypto.randomUUID() })).executionId}`)); }}>{t("queue.rerun")}</Button>}
        </>
      )}>
      <Loaded query={found}>
        {(it) => (
          <div class="stack">
            {it.state === "dead" && <Notice tone="bad" title={it.reason ?? ""}>{it.message}</Notice>}
            <div class="columns">
              <Panel title={`${it.virtualServer}/${it.function}`} actions={<ExecutionState state={it.state} />}>
                <dl class="facts">
                  <dt>{t("queue.source")}</dt><dd>{it.source}</dd>
                  <dt>{t("request")}</dt><dd>{it.requestId ? <a class="mono small" href={`/requests/${it.requestId}`}>{it.requestId}</a> : "–"}</dd>
                  <dt>{t("request.who")}</dt><dd class="mono small">{it.principal?.kind}:{it.principal?.id}</dd>
                  <dt>{t("test.version")}</dt><dd>{it.qualifier} {num(it.version) > 0 && `(v${it.version})`}</dd>
                  <dt>{t("created")}</dt><dd><Time at={it.created} /></dd>
                  <dt>{t("queue.due")}</dt><dd><Time at={it.due} /></dd>
                  <dt>{t("queue.ended")}</dt><dd><Time at={it.ended} /></dd>
                  <dt>{t("queue.attempt")}</dt><dd>{it.attempt ?? 0} / {it.retry?.maxAttempts || 3}</dd>
                  {it.triggerId && <><dt>{t("event")}</dt><dd class="mono small">{it.triggerId}</dd></>}
                </dl>
              </Panel>
              <div class="stack">
                <Panel title={t("payload")} actions={<span class="muted">{bytes(num(it.payloadSize))}</span>}><pre class="result">{textOf(it.payload)}</pre></Panel>
                {it.result && <Panel title={t("test.result")}><pre class="result">{textOf(it.result)}</pre></Panel>}
              </div>
            </div>
            {(it.attempts ?? []).length > 0 && (
              <Panel title={t("queue.attempts")} bare>
                <div class="table-wrap"><table>
                  <thead><tr><th class="number">#</th><th>{t("queue.began")}</th><th>{t("reason")}</th><th>{t("queue.message")}</th><th>{t("queue.run")}</th></tr></thead>
                  <tbody>{it.attempts?.map((a) => <tr key={a.number}><td class="number">{a.number}</td><td><Time at={a.began} /></td><td><Badge tone="bad">{a.reason}</Badge></td><td class="break">{a.message}</td><td class="mono small">{a.invocationId}</td></tr>)}</tbody>
                </table></div>
              </Panel>
            )}
            {editing && <Edit execution={it} onClose={() => setEditing(false)} onDone={() => { setEditing(false); found.reload(); }} />}
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function Edit({ execution, onClose, onDone }: { execution: Execution; onClose: () => void; onDone: () => void }) {
  const [etag] = useState(execution.etag ?? "");
  const [text, setText] = useState(() => textOf(execution.payload));
  return (
    <FormDialog wide title={t("queue.edit")} submit={t("save")} onClose={onClose} onSubmit={async () => { await call(editExecution, { executionId: execution.executionId!, payload: toBase64(text), etag }); onDone(); }}>
      <Field label={t("payload")}>{(a) => <textarea {...a} rows={14} value={text} onInput={(e) => setText(e.currentTarget.value)} />}</Field>
      <Cli line={`ow dead edit ${execution.executionId ?? ""}`} />
    </FormDialog>
  );
}
