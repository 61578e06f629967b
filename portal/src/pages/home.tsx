// Is all well? One screen that answers.

import type { ComponentChildren } from "preact";
import { Suspense } from "preact/compat";
import { useMemo, useState } from "preact/hooks";
import { call } from "../api/client";
import { useQuery } from "../api/query";
import { bytes, count, duration, num, percent } from "../format";
import { getStatus, type GetStatusResponse } from "../gen/gateway";
import type { AuditEntry } from "../gen/audit";
import { getQueueStats, listExecutions, type Execution, type GetQueueStatsResponse } from "../gen/queue";
import { listAudit } from "../gen/registry";
import { getRunnerStatus, type GetRunnerStatusResponse } from "../gen/runner";
import { listAlarms, type Alarm, type Series } from "../gen/telemetry";
import { listTimers, type Timer } from "../gen/timers";
import { t } from "../i18n";
import { curveOf, healthOf, quantile, readWindow, type Window } from "../series";
import { lazily } from "../ui/lazily";
import { Badge, Button, Empty, Loaded, Notice, Page, Panel, Skeleton, Sparkline, Time } from "../ui/parts";
import { Age, atLeast } from "./queue-stats";
import { schedule } from "./timers";
import { HealthBadge } from "./virtual-servers";

const Chart = lazily(() => import("../ui/chart").then((m) => m.Chart));
const MINUTES = 60;
const FUNCTIONS = 50; // the busiest first

export function Home() {
  const status = useQuery("home:status", (signal) => call(getStatus, {}, signal), 5000);
  const runner = useQuery("home:runner", (signal) => call(getRunnerStatus, { pools: true }, signal), 5000);
  const health = useQuery("home:health", (signal) => readWindow(MINUTES, {}, signal), 10_000);
  const alarms = useQuery("home:alarms", (signal) => call(listAlarms, {}, signal), 10_000);
  const timers = useQuery("home:timers", (signal) => call(listTimers, { soonest: true, state: "active", pageSize: 5 }, signal), 5000);
  const queue = useQuery("home:queue", (signal) => call(getQueueStats, {}, signal), 5000);
  const deploys = useQuery("home:deploys", (signal) => call(listAudit, { action: "virtual_server.deploy", pageSize: 6 }, signal), 10_000);
  const dead = useQuery("home:dead", (signal) => call(listExecutions, { pageSize: 5, filter: { state: "dead" } }, signal), 5000);
  return (
    <Page title={t("nav.home")} cli="ow status">
      <div class="stack">
        {status.data && <Troubles status={status.data} alarms={alarms.data?.alarms ?? []} />}
        <Loaded query={status} lines={3}>{(found) => <Figures status={found} runner={runner.data} window={health.data} queue={queue.data} />}</Loaded>
        <Panel title={t("home.traffic")} actions={<span class="muted">{t("home.hour")}</span>}>
          {health.data ? <Suspense fallback={<Skeleton />}><Traffic window={health.data} /></Suspense> : <Skeleton />}
        </Panel>
        <Panel title={t("functions")} bare>{health.data ? <Functions window={health.data} runner={runner.data} /> : <Skeleton />}</Panel>
        <div class="columns">
          <Panel title={t("home.timers")} bare actions={<a href="/timers">{t("timers")}</a>}><Loaded query={timers}>{(page) => <Next timers={page.timers ?? []} />}</Loaded></Panel>
          <Panel title={t("home.dead")} bare actions={<a href="/queue?state=dead">{t("queue")}</a>}><Loaded query={dead}>{(page) => <Dead list={page.executions ?? []} />}</Loaded></Panel>
        </div>
        <div class="columns">
          <Panel title={t("home.deploys")} bare><Loaded query={deploys}>{(page) => <Deploys entries={page.entries ?? []} />}</Loaded></Panel>
          <Panel title={t("home.process")}>{status.data ? <Facts status={status.data} runner={runner.data} /> : <Skeleton />}</Panel>
        </div>
      </div>
    </Page>
  );
}

function Troubles({ status, alarms }: { status: GetStatusResponse; alarms: Alarm[] }) {
  const ill = (status.services ?? []).filter((s) => !s.ready);
  const firing = alarms.filter((a) => a.firing);
  return (
    <>
      {ill.map((s) => <Notice key={s.name} tone="bad" title={t("home.ill", { name: s.name ?? "" })}>{s.detail}</Notice>)}
      {firing.map((a) => <Notice key={a.alarmId} tone="bad" title={t("home.alarm", { name: a.rule?.name ?? "" })}>{t("home.alarm.value", { measure: a.rule?.measure ?? "", value: a.value ?? 0 })} · <Time at={a.since} /></Notice>)}
      {status.routesStale && <Notice tone="warn" title={t("home.routes_stale")} />}
      {status.keysStale && <Notice tone="warn" title={t("home.keys_stale")} />}
      {num(status.recordsDropped) > 0 && <Notice tone="warn" title={t("logs.dropped", { n: count(status.recordsDropped) })} />}
    </>
  );
}

function Figures({ status, runner, window, queue }: { status: GetStatusResponse; runner: GetRunnerStatusResponse | undefined; window: Window | undefined; queue: GetQueueStatsResponse | undefined }) {
  const sum = window && healthOf(window, () => true);
  const last = sum && window ? sum.callsOver.slice(-7, -1).reduce((a, b) => a + b, 0) / (6 * window.stepS) : 0;
  const p50 = sum && quantile(sum.durations, 0.5);
  const p95 = sum && quantile(sum.durations, 0.95);
  const waiting = (runner?.pools ?? []).reduce((n, pool) => n + num(pool.waiting), 0);
  const ready = (status.services ?? []).every((s) => s.ready);
  return (
    <dl class="figures of-ten">
      <div class="figure"><dt>{t("home.services")}</dt><dd>{ready ? <span class="ok">{t("home.well")}</span> : <span class="bad">{t("home.not_well")}</span>}</dd></div>
      <div class="figure"><dt>{t("home.rate")}</dt><dd>{last < 10 ? last.toFixed(1) : count(Math.round(last))}<small> /s</small></dd></div>
      <div class="figure"><dt>{t("errors")}</dt><dd><span class={sum?.errors ? "bad" : ""}>{count(sum?.errors ?? 0)}</span> <small>{percent(sum?.errors ?? 0, sum?.calls ?? 0)}</small></dd></div>
      <div class="figure"><dt>p50</dt><dd>{p50 === undefined ? "–" : `≤ ${duration(p50)}`}</dd></div>
      <div class="figure"><dt>p95</dt><dd>{p95 === undefined ? "–" : `≤ ${duration(p95)}`}</dd></div>
      <div class="figure"><dt>{t("cold")}</dt><dd>{count(sum?.coldStarts ?? 0)}</dd></div>
      <div class="figure"><dt>{t("home.instances")}</dt><dd>{runner?.instances ?? 0} <small>{bytes(num(runner?.instanceMemoryBytes))}</small></dd></div>
      <div class="figure"><dt>{t("home.waiting")}</dt><dd>{count(waiting)}</dd></div>
      <div class="figure"><dt>{t("queue")}</dt><dd><a href="/queue">{queue ? atLeast(queue, num(queue.waiting) + num(queue.running)) : "–"}</a> <small>{queue && <Age at={queue.oldestDue} />}</small></dd></div>
      <div class="figure"><dt>{t("home.dead")}</dt><dd><a class={num(queue?.dead) > 0 ? "bad" : ""} href="/queue?state=dead">{queue ? atLeast(queue, num(queue.dead)) : "–"}</a></dd></div>
    </dl>
  );
}

function Traffic({ window }: { window: Window }) {
  const { times, calls, errors } = useMemo(() => {
    const sum = healthOf(window, () => true);
    return {
      times: sum.callsOver.map((_, i) => window.since / 1000 + i * window.stepS),
      calls: sum.callsOver.map((n) => n / window.stepS),
      errors: sum.errorsOver.map((n) => n / window.stepS),
    };
  }, [window]);
  return <Chart times={times} label={t("home.traffic")} lines={[{ label: t("home.calls_s"), colour: "--accent", values: calls }, { label: t("home.errors_s"), colour: "--bad", values: errors }]} />;
}

// A curve with what it comes to.
function Trend({ values, label, tone, children }: { values: (number | null)[]; label: string; tone?: "bad"; children: ComponentChildren }) {
  return <span class="trend"><Sparkline values={values.map((v) => v ?? 0)} label={label} {...(tone ? { tone } : {})} /><span class="number">{children}</span></span>;
}

function Functions({ window, runner }: { window: Window; runner: GetRunnerStatusResponse | undefined }) {
  const [most, setMost] = useState(FUNCTIONS);
  const all = useMemo(() => {
    const series = new Map<string, Series[]>();
    for (const each of window.series) {
      const name = `${each.virtualServer}/${each.function}`;
      if (!name.startsWith("/")) series.set(name, [...(series.get(name) ?? []), each]);
    }
    return [...series].map(([name, list]) => {
      const own = { ...window, series: list };
      return { name, sum: healthOf(own, () => true), curve: curveOf(own, () => true) };
    }).sort((a, b) => b.sum.calls - a.sum.calls || a.name.localeCompare(b.name));
  }, [window]);
  if (all.length === 0) return <Empty icon="activity" title={t("home.quiet")}>{t("home.quiet.text")}</Empty>;
  return (
    <>
      <div class="table-wrap">
        <table class="dense">
          <thead><tr><th>{t("function")}</th><th>{t("health")}</th><th>{t("calls60")}</th><th>{t("errors")}</th><th>p50</th><th>p95</th><th>{t("cold")}</th><th class="number">{t("home.instances")}</th></tr></thead>
          <tbody>
            {all.slice(0, most).map(({ name, sum, curve }) => {
              const [server, fn] = name.split("/") as [string, string];
              const [p50, p95] = [quantile(sum.durations, 0.5), quantile(sum.durations, 0.95)];
              const instances = (runner?.pools ?? []).filter((p) => p.virtualServer === server && p.function === fn).reduce((n, p) => n + num(p.instances), 0);
              return (
                <tr key={name}>
                  <td><a class="name" href={`/vs/${server}`}>{name}</a></td>
                  <td><HealthBadge empty={false} calls={sum.calls} errors={sum.errors} /></td>
                  <td><Trend values={curve.calls} label={t("calls.spark", { n: count(sum.calls) })}>{count(sum.calls)}</Trend></td>
                  <td><Trend tone="bad" values={curve.errors} label={t("errors.n", { n: count(sum.errors) })}><span class={sum.errors ? "bad" : ""}>{percent(sum.errors, sum.calls)}</span></Trend></td>
                  <td><Trend values={curve.p50} label="p50">{p50 === undefined ? "–" : `≤ ${duration(p50)}`}</Trend></td>
                  <td><Trend values={curve.p95} label="p95">{p95 === undefined ? "–" : `≤ ${duration(p95)}`}</Trend></td>
                  <td><Trend values={curve.cold} label={t("cold")}>{count(sum.coldStarts)}</Trend></td>
                  <td class="number"><a href={`/vs/${server}/instances?fn=${fn}`}>{instances}</a></td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {all.length > most && <div class="more"><Button onClick={() => setMost(most + FUNCTIONS)}>{t("more")}</Button></div>}
    </>
  );
}

// The revision that a deploy has made, as the audit has it.
function revisionOf(entry: AuditEntry): string {
  try {
    return ((JSON.parse(entry.after ?? "{}") as { latest?: string }).latest ?? "").slice(0, 12);
  } catch {
    return "";
  }
}

function Deploys({ entries }: { entries: AuditEntry[] }) {
  if (entries.length === 0) return <Empty icon="server" title={t("home.deploys.none")} action={<a class="button primary" href="/vs?create=">{t("vs.create")}</a>} />;
  return (
    <div class="table-wrap">
      <table>
        <tbody>
          {entries.map((e) => (
            <tr key={e.sequence}>
              <td><a class="name" href={`/vs/${e.object}/versions`}>{e.object}</a></td>
              <td class="mono small">{revisionOf(e)}</td>
              <td class="mono small break">{e.principal}</td>
              <td class="right"><Time at={e.at} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Next({ timers }: { timers: Timer[] }) {
  if (timers.length === 0) return <Empty icon="timer" title={t("timers.none")} />;
  return (
    <div class="table-wrap"><table><tbody>
      {timers.map((timer) => <tr key={timer.timerId}><td><a class="name" href={`/timers/${timer.timerId}`}>{timer.spec?.name}</a><span class="sub">{timer.virtualServer}/{timer.spec?.function}</span></td><td class="mono small">{schedule(timer.spec)}</td><td class="right"><Time at={timer.nextDue} /></td></tr>)}
    </tbody></table></div>
  );
}

function Dead({ list }: { list: Execution[] }) {
  if (list.length === 0) return <Empty icon="check" title={t("queue.none.dead")} />;
  return (
    <div class="table-wrap"><table><tbody>
      {list.map((e) => <tr key={e.executionId}><td><a class="name" href={`/queue/${e.executionId}`}>{e.virtualServer}/{e.function}</a><span class="sub break">{e.message}</span></td><td><Badge tone="bad">{e.reason}</Badge></td><td class="right"><Time at={e.ended ?? e.created} /></td></tr>)}
    </tbody></table></div>
  );
}

function Facts({ status, runner }: { status: GetStatusResponse; runner: GetRunnerStatusResponse | undefined }) {
  return (
    <dl class="facts">
      <dt>{t("version")}</dt><dd>{status.version}</dd>
      <dt>{t("home.uptime")}</dt><dd>{duration(num(status.uptimeS) * 1_000_000)}</dd>
      <dt>{t("home.sandbox")}</dt><dd><Badge tone={status.sandboxLevel === "full" ? "ok" : "warn"}>{status.sandboxLevel || "–"}</Badge> <span class="muted small">{status.sandboxDetail}</span></dd>
      <dt>{t("runtime")}</dt><dd>{(runner?.runtimes ?? []).map((r) => <span key={r.name}>{r.name} {r.ready ? <Badge tone="ok">{t("home.ready")}</Badge> : <Badge tone="bad">{r.whyNot}</Badge>} {r.toolchain && <code class="small" title={r.toolchain}>{t("home.toolchain", { key: r.toolchain.slice(0, 12) })}</code>} </span>)}</dd>
      <dt>{t("home.public")}</dt><dd class="mono">{status.publicAddress}</dd>
      <dt>{t("home.console")}</dt><dd class="mono">{status.consoleAddress}</dd>
      <dt>{t("home.plain")}</dt><dd>{status.plainHttp}</dd>
      <dt>{t("home.requests")}</dt><dd>{count(status.requests)}</dd>
      <dt>{t("home.disk")}</dt><dd>{num(status.diskTotalBytes) > 0 ? t("home.disk.free", { free: bytes(num(status.diskFreeBytes)), all: bytes(num(status.diskTotalBytes)) }) : "–"}</dd>
      <dt>{t("home.stores")}</dt><dd class="row">{(status.stores ?? []).map((s) => <Badge key={s.name}>{s.name} {bytes(num(s.bytes))}</Badge>)}</dd>
      <dt>{t("home.services")}</dt>
      <dd class="row">{(status.services ?? []).map((s) => <Badge key={s.name} tone={s.ready ? "ok" : "bad"}>{s.name}{s.where !== "here" && ` · ${s.where}`}</Badge>)}</dd>
    </dl>
  );
}
