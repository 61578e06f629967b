// Timers: when each comes next, what became of its slots, pausing, running by hand, many at once.

import { useLocation, useRoute } from "preact-iso";
import { useEffect, useState } from "preact/hooks";
import { ApiError, call } from "../api/client";
import { keyOfPages, useQuery } from "../api/query";
import { absolute } from "../format";
import {
  createTimer, deleteTimer, getTimer, listSlots, listTimers, pauseTimer, previewTimer, resumeTimer, runTimer, updateTimer,
  type Occurrence, type Timer,
} from "../gen/timers";
import type { Timer as Spec } from "../gen/triggers";
import { language, t } from "../i18n";
import { may } from "../session";
import { flags, word } from "../shell";
import { Badge, Button, Cli, Empty, Failure, Field, FormDialog, Loaded, Notice, Page, Panel, Time, say } from "../ui/parts";
import { ServerField, useServers } from "../ui/server-field";
import { address } from "./virtual-servers";

const PAGE = 100;

export function schedule(spec: Spec | undefined): string {
  return spec?.cron ?? (spec?.every ? t("timers.every", { span: spec.every }) : spec?.at ? t("timers.at", { at: absolute(new Date(spec.at)) }) : "–");
}

export function StateBadge({ state }: { state: string | undefined }) {
  return <Badge tone={state === "active" ? "ok" : state === "paused" ? "warn" : ""}>{state === "active" ? t("timers.active") : state === "paused" ? t("timers.paused") : t("timers.ended")}</Badge>;
}

async function readTimers(query: Record<string, string>, pages: number, signal: AbortSignal): Promise<{ timers: Timer[]; more: boolean }> {
  const timers: Timer[] = [];
  let pageToken = "";
  for (let i = 0; i < pages; i++) {
    const page = await call(listTimers, {
      pageSize: PAGE, pageToken, soonest: true,
      ...(query["vs"] ? { virtualServer: query["vs"] } : {}), ...(query["state"] ? { state: query["state"] } : {}), ...(query["name"] ? { nameContains: query["name"] } : {}),
    }, signal);
    timers.push(...(page.timers ?? []));
    pageToken = page.nextPageToken ?? "";
    if (pageToken === "") break;
  }
  return { timers, more: pageToken !== "" };
}

// In the timer's zone, as the server computed it would need a call a row: the browser knows zones too.
function inZone(at: string | undefined, zone: string | undefined): string {
  if (!at) return "–";
  try {
    return new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone: zone || "UTC" }).format(new Date(at)) + ` ${zone || "UTC"}`;
  } catch {
    return at;
  }
}

export function Timers() {
  const { query, route } = useLocation();
  const [pages, setPages] = useState(1);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [pausing, setPausing] = useState(false);
  const list = useQuery(keyOfPages(`timers:${JSON.stringify(query)}`, pages), (signal) => readTimers(query, pages, signal), 5000);
  const go = (change: Record<string, string | undefined>): void => route(address("/timers", { ...query, ...change }), true);
  const all = list.data?.timers ?? [];
  const picked = all.filter((timer) => chosen.has(timer.timerId ?? ""));
  const each = async (what: (timer: Timer) => Promise<unknown>): Promise<void> => {
    const results = await Promise.allSettled(picked.map(what));
    const failed = results.filter((r) => r.status === "rejected");
    say(failed.length ? t("timers.bulk.failed", { n: failed.length, all: picked.length }) : t("timers.bulk.done", { n: picked.length }), failed.length ? "bad" : "");
    setChosen(new Set());
    list.reload();
  };
  const toggle = (id: string, on: boolean): void => {
    const next = new Set(chosen);
    if (on) next.add(id);
    else next.delete(id);
    setChosen(next);
  };
  return (
    <Page title={t("timers")} sub={t("timers.sub")} cli={`ow timer list${flags({ name: query["name"], vs: query["vs"], state: query["state"] })}`}
      actions={may(createTimer) && <Button kind="primary" icon="plus" onClick={() => go({ create: "" })}>{t("timers.create")}</Button>}>
      <Panel bare>
        <div class="filters">
          <input aria-label={t("name")} placeholder={t("name")} value={query["name"] ?? ""} onChange={(e) => go({ name: e.currentTarget.value.trim() || undefined })} />
          <input aria-label={t("vs")} placeholder={t("vs")} value={query["vs"] ?? ""} onChange={(e) => go({ vs: e.currentTarget.value.trim() || undefined })} />
          <select aria-label={t("status")} value={query["state"] ?? ""} onChange={(e) => go({ state: e.currentTarget.value || undefined })}>
            <option value="">{t("timers.all_states")}</option><option value="active">{t("timers.active")}</option><option value="paused">{t("timers.paused")}</option><option value="ended">{t("timers.ended")}</option>
          </select>
          {picked.length > 0 && (
            <span class="row">
              <strong>{t("timers.chosen", { n: picked.length })}</strong>
              {may(pauseTimer) && <Button icon="pause" onClick={() => setPausing(true)}>{t("timers.pause")}</Button>}
              {may(resumeTimer) && <Button icon="play" onClick={() => { void each((timer) => call(resumeTimer, { timerId: timer.timerId! })); }}>{t("timers.resume")}</Button>}
              {may(runTimer) && <Button icon="zap" onClick={() => { void each((timer) => call(runTimer, { timerId: timer.timerId!, requestKey: crypto.randomUUID() })); }}>{t("timers.run")}</Button>}
            </span>
          )}
        </div>
        <Loaded query={list}>
          {(page) => page.timers.length === 0
            ? <Empty icon="timer" title={t("timers.none")} action={may(createTimer) && <Button kind="primary" icon="plus" onClick={() => go({ create: "" })}>{t("timers.create")}</Button>}>{t("timers.none.text")}</Empty>
            : (
              <>
                <div class="table-wrap">
                  <table>
                    <thead><tr><th><span class="visually-hidden">{t("timers.choose")}</span></th><th>{t("name")}</th><th>{t("status")}</th><th>{t("timers.schedule")}</th><th>{t("timers.next")}</th><th>{t("timers.zone")}</th><th>{t("timers.last")}</th><th>{t("function")}</th></tr></thead>
                    <tbody>
                      {page.timers.map((timer) => (
                        <tr key={timer.timerId}>
                          <td><input type="checkbox" aria-label={t("timers.choose.one", { name: timer.spec?.name ?? "" })} checked={chosen.has(timer.timerId ?? "")} onChange={(e) => toggle(timer.timerId ?? "", e.currentTarget.checked)} /></td>
                          <td><a class="name" href={`/timers/${timer.timerId}`}>{timer.spec?.name}</a><span class="sub">{timer.virtualServer}{timer.declared && ` · ${t("timers.declared")}`}</span></td>
                          <td><StateBadge state={timer.state} />{timer.pauseReason && <span class="sub break">{timer.pauseReason}</span>}</td>
                          <td class="mono small">{schedule(timer.spec)}</td>
                          <td><Time at={timer.nextDue} /></td>
                          <td class="small nowrap">{inZone(timer.nextDue, timer.spec?.timeZone)}</td>
                          <td><Time at={timer.lastDue} /></td>
                          <td class="mono small">{timer.spec?.function}</td>
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
      {query["create"] !== undefined && may(createTimer) && <TimerForm onClose={() => go({ create: undefined })} onDone={(timer) => route(`/timers/${timer.timerId}`)} />}
      {pausing && <Pause count={picked.length} onClose={() => setPausing(false)} onPause={async (reason) => { await each((timer) => call(pauseTimer, { timerId: timer.timerId!, reason })); setPausing(false); }} />}
    </Page>
  );
}

function Pause({ count, onClose, onPause }: { count: number; onClose: () => void; onPause: (reason: string) => Promise<void> }) {
  const [reason, setReason] = useState("");
  return (
    <FormDialog title={t("timers.pause.title", { n: count })} submit={t("timers.pause")} onClose={onClose} onSubmit={() => onPause(reason)}>
      <Field label={t("reason")} hint={t("timers.pause.hint")}>{(a) => <input {...a} autoFocus maxLength={200} value={reason} onInput={(e) => setReason(e.currentTarget.value)} />}</Field>
    </FormDialog>
  );
}

// ---- one timer ----

export function TimerPage() {
  const id = useRoute().params["id"] ?? "";
  const { query, route } = useLocation();
  const [open, setOpen] = useState<"" | "pause" | "edit" | "delete">("");
  const timer = useQuery(`timer:${id}`, (signal) => call(getTimer, { timerId: id }, signal), 3000);
  const slots = useQuery(`slots:${id}:${query["slot"] ?? ""}`, (signal) => call(listSlots, { timerId: id, pageSize: 50, ...(query["slot"] ? { state: query["slot"] } : {}) }, signal), 3000);
  const found = timer.data;
  const act = async (what: () => Promise<unknown>): Promise<void> => {
    try {
      await what();
    } catch (cause) {
      say((cause as Error).message, "bad");
    }
    timer.reload();
    slots.reload();
  };
  return (
    <Page title={found?.spec?.name ?? t("timer")} sub={found && <>{found.virtualServer}/{found.spec?.function} · <code>{id}</code></>} cli={found ? `ow timer show ${found.virtualServer}/${found.spec?.name}` : `ow timer show ${id}`}
      actions={found && (
        <>
          {may(runTimer) && <Button icon="zap" onClick={() => { void act(async () => { await call(runTimer, { timerId: id, requestKey: crypto.randomUUID() }); say(t("timers.ran")); }); }}>{t("timers.run")}</Button>}
          {may(pauseTimer) && found.state === "active" && <Button icon="pause" onClick={() => setOpen("pause")}>{t("timers.pause")}</Button>}
          {may(resumeTimer) && found.state === "paused" && <Button icon="play" onClick={() => { void act(() => call(resumeTimer, { timerId: id, etag: found.etag! })); }}>{t("timers.resume")}</Button>}
          {may(updateTimer) && !found.declared && <Button onClick={() => setOpen("edit")}>{t("edit")}</Button>}
          {may(deleteTimer) && !found.declared && <Button kind="danger" icon="trash" onClick={() => setOpen("delete")}>{t("delete")}</Button>}
        </>
      )}>
      <div class="stack">
        <Loaded query={timer}>
          {(it) => (
            <>
              {it.state === "paused" && <Notice tone="warn" title={t("timers.is_paused", { by: it.pausedBy || t("audit.platform") })}>{it.pauseReason}</Notice>}
              {it.declared && <Notice tone="" title={t("timers.is_declared")} action={<a href={`/vs/${it.virtualServer}/code?file=virtualserver.json`}>virtualserver.json</a>} />}
              <div class="columns">
                <Panel title={t("timers.schedule")}>
                  <dl class="facts">
                    <dt>{t("status")}</dt><dd><StateBadge state={it.state} /></dd>
                    <dt>{t("timers.schedule")}</dt><dd class="mono">{schedule(it.spec)}</dd>
                    {it.spec?.cron && <><dt>{t("timers.words")}</dt><dd><Words cron={it.spec.cron} /></dd></>}
                    <dt>{t("timers.zone")}</dt><dd>{it.spec?.timeZone || "UTC"}</dd>
                    <dt>{t("timers.catch_up")}</dt><dd>{it.spec?.catchUp || "skip"}</dd>
                    <dt>{t("timers.overlap")}</dt><dd>{it.spec?.overlap || "allow"}</dd>
                    <dt>{t("function")}</dt><dd class="mono">{it.virtualServer}/{it.spec?.function} {it.spec?.alias || "$DEFAULT"}</dd>
                    {it.spec?.payload && <><dt>{t("payload")}</dt><dd><pre class="result">{it.spec.payload}</pre></dd></>}
                  </dl>
                </Panel>
                <Panel title={t("timers.preview")} bare><Preview timerId={id} etag={it.etag ?? ""} zone={it.spec?.timeZone} /></Panel>
              </div>
            </>
          )}
        </Loaded>
        <Panel title={t("timers.history")} bare actions={
          <select aria-label={t("status")} style={{ width: "auto" }} value={query["slot"] ?? ""} onChange={(e) => route(address(`/timers/${id}`, { slot: e.currentTarget.value || undefined }), true)}>
            <option value="">{t("timers.all_slots")}</option>{["fired", "missed", "skipped", "failed", "claimed"].map((s) => <option key={s}>{s}</option>)}
          </select>
        }>
          <Loaded query={slots}>
            {(page) => (page.slots ?? []).length === 0 ? <Empty icon="clock" title={t("timers.history.none")} /> : (
              <div class="table-wrap"><table>
                <thead><tr><th>{t("timers.due")}</th><th>{t("status")}</th><th>{t("timers.kind")}</th><th>{t("timers.execution")}</th><th>{t("reason")}</th></tr></thead>
                <tbody>
                  {page.slots?.map((slot, i) => (
                    <tr key={`${slot.due}${i}`}>
                      <td><Time at={slot.due} /><span class="sub">{inZone(slot.due, found?.spec?.timeZone)}</span></td>
                      <td><Badge tone={slot.state === "fired" ? "ok" : slot.state === "failed" || slot.state === "missed" ? "bad" : ""}>{slot.state}{Number(slot.count ?? 0) > 1 && ` × ${slot.count}`}</Badge></td>
                      <td>{slot.kind}</td>
                      <td class="mono small">{slot.executionId ? <a href={`/queue/${slot.executionId}`}>{slot.executionId}</a> : "–"}</td>
                      <td class="break">{slot.reason}</td>
                    </tr>
                  ))}
                </tbody>
              </table></div>
            )}
          </Loaded>
        </Panel>
      </div>
      {open === "pause" && found && <Pause count={1} onClose={() => setOpen("")} onPause={async (reason) => { await call(pauseTimer, { timerId: id, reason, etag: found.etag! }); setOpen(""); timer.reload(); }} />}
      {open === "edit" && found && <TimerForm timer={found} onClose={() => setOpen("")} onDone={() => { setOpen(""); timer.reload(); }} />}
      {open === "delete" && found && (
        <FormDialog danger title={t("timers.delete")} submit={t("delete")} onClose={() => setOpen("")} onSubmit={async () => { await call(deleteTimer, { timerId: id, etag: found.etag! }); route("/timers"); }}>
          <p>{t("timers.delete.text")}</p>
        </FormDialog>
      )}
    </Page>
  );
}

function Occurrences({ list, zone }: { list: Occurrence[]; zone: string | undefined }) {
  return (
    <div class="table-wrap"><table>
      <thead><tr><th>{t("timers.in")}</th><th>{zone || "UTC"}</th><th>{t("timers.yours")}</th></tr></thead>
      <tbody>{list.map((o) => <tr key={o.at}><td><Time at={o.at} /></td><td class="mono small nowrap">{o.local}</td><td class="small nowrap">{o.at ? absolute(new Date(o.at)) : ""}</td></tr>)}</tbody>
    </table></div>
  );
}

function Preview({ timerId, etag, zone }: { timerId: string; etag: string; zone: string | undefined }) {
  const next = useQuery(`preview:${timerId}:${etag}`, (signal) => call(previewTimer, { timerId, count: 10 }, signal), 4000);
  return <Loaded query={next}>{(page) => (page.occurrences ?? []).length === 0 ? <Empty icon="clock" title={t("timers.preview.none")} /> : <Occurrences list={page.occurrences ?? []} zone={zone} />}</Loaded>;
}

// The expression in words, in the viewer's language; what the server says about it counts.
function Words({ cron }: { cron: string }) {
  const [words, setWords] = useState("");
  useEffect(() => {
    let current = true;
    const say_ = async (): Promise<void> => {
      try {
        const { default: cronstrue } = language.value === "zh" ? await import("cronstrue/i18n") : await import("cronstrue");
        const text = cronstrue.toString(cron, { use24HourTimeFormat: true, ...(language.value === "zh" ? { locale: "zh_CN" } : {}) });
        if (current) setWords(text);
      } catch {
        if (current) setWords("");
      }
    };
    void say_();
    return () => {
      current = false;
    };
  }, [cron, language.value]);
  return <>{words || "–"}</>;
}

// ---- making and changing ----

const KINDS = ["cron", "every", "at"] as const;

function TimerForm({ timer, onClose, onDone }: { timer?: Timer; onClose: () => void; onDone: (timer: Timer) => void }) {
  const old = timer?.spec;
  // As it was when the form was opened: a change meanwhile is a conflict, not lost.
  const [etag] = useState(timer?.etag ?? "");
  const servers = useServers(timer?.virtualServer ?? "");
  const [fn, setFn] = useState(old?.function ?? "");
  const [name, setName] = useState(old?.name ?? "");
  const [kind, setKind] = useState<(typeof KINDS)[number]>(old?.every ? "every" : old?.at ? "at" : "cron");
  const [cron, setCron] = useState(old?.cron ?? "*/5 * * * *");
  const [every, setEvery] = useState((old?.every ?? "60s").replace(/s$/, ""));
  const [at, setAt] = useState((old?.at ?? "").slice(0, 16));
  const [zone, setZone] = useState(old?.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone);
  const [payload, setPayload] = useState(old?.payload ?? "{}");
  const [overlap, setOverlap] = useState(old?.overlap || "allow");
  const [catchUp, setCatchUp] = useState(old?.catchUp || "skip");
  const [requestKey] = useState(() => crypto.randomUUID());
  const { chosen, functions } = servers;
  const called = fn || (functions[0]?.name ?? "");
  const { cron: _c, every: _e, at: _a, ...kept } = old ?? {};
  const spec: Spec = {
    ...kept, name, function: called, timeZone: zone, payload, overlap, catchUp,
    ...(kind === "cron" ? { cron } : kind === "every" ? { every: `${every}s` } : { at: at ? new Date(`${at}:00Z`).toISOString() : "" }),
  };
  const given = flags({
    function: called, cron: kind === "cron" ? cron : "", every: kind === "every" ? `${every}s` : "", at: kind === "at" && at ? `${at}:00Z` : "",
    zone, overlap, "catch-up": catchUp, payload,
  });
  // Validation while typing: the server says when it would come, or what is wrong.
  const key = JSON.stringify([kind, cron, every, at, zone]);
  const [settled, setSettled] = useState(key);
  useEffect(() => {
    const wait = setTimeout(() => setSettled(key), 250);
    return () => clearTimeout(wait);
  }, [key]);
  const preview = useQuery(`form:${settled}`, (signal) => call(previewTimer, { spec, count: 10 }, signal));
  const wrong = preview.error;
  return (
    <FormDialog wide title={timer ? t("timers.edit") : t("timers.create")} submit={timer ? t("save") : t("create")} disabled={name === "" || called === "" || wrong !== undefined} onClose={onClose}
      onSubmit={async () => {
        onDone(timer ? await call(updateTimer, { timerId: timer.timerId!, spec, etag }) : await call(createTimer, { virtualServer: chosen, spec, requestKey }));
      }}>
      <div class="columns-tight">
        <Field label={t("name")}>{(a) => <input {...a} autoFocus maxLength={60} value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
        <ServerField servers={servers} disabled={timer !== undefined} onChoose={() => setFn("")} />
        <Field label={t("function")}>{(a) => <select {...a} value={called} onChange={(e) => setFn(e.currentTarget.value)}>{functions.map((f) => <option key={f.name}>{f.name}</option>)}</select>}</Field>
      </div>
      <div class="columns-tight">
        <Field label={t("timers.kind_of")}>{(a) => <select {...a} value={kind} onChange={(e) => setKind(e.currentTarget.value as typeof kind)}>{KINDS.map((k) => <option key={k} value={k}>{t(`timers.kind.${k}`)}</option>)}</select>}</Field>
        {kind === "cron" && <Field label={t("timers.cron")} hint={wrong ? undefined : <Words cron={cron} />} error={wrong?.message}>{(a) => <input {...a} class="mono" value={cron} onInput={(e) => setCron(e.currentTarget.value)} />}</Field>}
        {kind === "every" && <Field label={t("timers.seconds")} error={wrong?.message}>{(a) => <input {...a} type="number" min={1} value={every} onInput={(e) => setEvery(e.currentTarget.value)} />}</Field>}
        {kind === "at" && <Field label={t("timers.moment")} hint="UTC" error={at ? wrong?.message : undefined}>{(a) => <input {...a} type="datetime-local" value={at} onInput={(e) => setAt(e.currentTarget.value)} />}</Field>}
        <Field label={t("timers.zone")}>{(a) => <input {...a} value={zone} onInput={(e) => setZone(e.currentTarget.value)} />}</Field>
      </div>
      <div class="columns-tight">
        <Field label={t("timers.overlap")}>{(a) => <select {...a} value={overlap} onChange={(e) => setOverlap(e.currentTarget.value)}>{["allow", "skip", "queue"].map((o) => <option key={o} value={o}>{t(`timers.overlap.${o as "allow"}`)}</option>)}</select>}</Field>
        <Field label={t("timers.catch_up")}>{(a) => <select {...a} value={catchUp} onChange={(e) => setCatchUp(e.currentTarget.value)}>{["skip", "once", "all"].map((o) => <option key={o} value={o}>{t(`timers.catch_up.${o as "skip"}`)}</option>)}</select>}</Field>
      </div>
      <Field label={t("payload")}>{(a) => <textarea {...a} rows={3} value={payload} onInput={(e) => setPayload(e.currentTarget.value)} />}</Field>
      {preview.data && <Panel title={t("timers.preview")} bare><Occurrences list={preview.data.occurrences ?? []} zone={zone} /></Panel>}
      {wrong && wrong instanceof ApiError && wrong.status >= 500 && <Failure error={wrong} />}
      <Cli line={timer ? `ow timer update ${chosen}/${old?.name ?? ""}${given}` : `ow timer create ${chosen} ${word(name || "NAME")}${given}`} />
    </FormDialog>
  );
}
