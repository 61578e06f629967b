// Is all well? One screen that answers.

import { Suspense } from "preact/compat";
import { useMemo } from "preact/hooks";
import { call } from "../api/client";
import { useQuery } from "../api/query";
import { bytes, count, duration, num, percent } from "../format";
import { getStatus, type GetStatusResponse } from "../gen/gateway";
import { listExecutions, type Execution } from "../gen/queue";
import { listVirtualServers, type VirtualServer } from "../gen/registry";
import { getRunnerStatus, type GetRunnerStatusResponse } from "../gen/runner";
import { listAlarms, type Alarm } from "../gen/telemetry";
import { listTimers, type Timer } from "../gen/timers";
import { t } from "../i18n";
import { healthOf, quantile, readWindow, type Window } from "../series";
import { lazily } from "../ui/lazily";
import { Badge, Empty, Loaded, Notice, Page, Panel, Skeleton, Sparkline, Time } from "../ui/parts";
import { schedule } from "./timers";
import { HealthBadge } from "./virtual-servers";

const Chart = lazily(() => import("../ui/chart").then((m) => m.Chart));
const MINUTES = 60;

export function Home() {
  const status = useQuery("home:status", (signal) => call(getStatus, {}, signal), 5000);
  const runner = useQuery("home:runner", (signal) => call(getRunnerStatus, { pools: true }, signal), 5000);
  const health = useQuery("home:health", (signal) => readWindow(MINUTES, {}, signal), 10_000);
  const servers = useQuery("home:vs", (signal) => call(listVirtualServers, { pageSize: 200 }, signal), 10_000);
  const alarms = useQuery("home:alarms", (signal) => call(listAlarms, {}, signal), 10_000);
  const timers = useQuery("home:timers", (signal) => call(listTimers, { soonest: true, state: "active", pageSize: 5 }, signal), 5000);
  const dead = useQuery("home:dead", (signal) => call(listExecutions, { pageSize: 5, filter: { state: "dead" } }, signal), 5000);
  return (
    <Page title={t("nav.home")} cli="ow status">
      <div class="stack">
        {status.data && <Troubles status={status.data} alarms={alarms.data?.alarms ?? []} />}
        <Loaded query={status} lines={3}>{(found) => <Figures status={found} runner={runner.data} window={health.data} />}</Loaded>
        <Panel title={t("home.traffic")} actions={<span class="muted">{t("home.hour")}</span>}>
          {health.data ? <Suspense fallback={<Skeleton />}><Traffic window={health.data} /></Suspense> : <Skeleton />}
        </Panel>
        <Panel title={t("functions")} bare>{health.data ? <Functions window={health.data} runner={runner.data} /> : <Skeleton />}</Panel>
        <div class="columns">
          <Panel title={t("home.timers")} bare actions={<a href="/timers">{t("timers")}</a>}><Loaded query={timers}>{(page) => <Next timers={page.timers ?? []} />}</Loaded></Panel>
          <Panel title={t("home.dead")} bare actions={<a href="/queue?state=dead">{t("queue")}</a>}><Loaded query={dead}>{(page) => <Dead list={page.executions ?? []} />}</Loaded></Panel>
        </div>
        <div class="columns">
          <Panel title={t("home.deploys")} bare><Loaded query={servers}>{(page) => <Deploys servers={page.virtualServers ?? []} />}</Loaded></Panel>
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

function Figures({ status, runner, window }: { status: GetStatusResponse; runner: GetRunnerStatusResponse | undefined; window: Window | undefined }) {
  const sum = window && healthOf(window, () => true);
  const last = sum && window ? sum.callsOver.slice(-7, -1).reduce((a, b) => a + b, 0) / (6 * window.stepS) : 0;
  const p50 = sum && quantile(sum.durations, 0.5);
  const p95 = sum && quantile(sum.durations, 0.95);
  const waiting = (runner?.pools ?? []).reduce((n, pool) => n + num(pool.waiting), 0);
  const ready = (status.services ?? []).every((s) => s.ready);
  return (
    <dl class="figures of-eight">
      <div class="figure"><dt>{t("home.services")}</dt><dd>{ready ? <span class="ok">{t("home.well")}</span> : <span class="bad">{t("home.not_well")}</span>}</dd></div>
      <div class="figure"><dt>{t("home.rate")}</dt><dd>{last < 10 ? last.toFixed(1) : count(Math.round(last))}<small> /s</small></dd></div>
      <div class="figure"><dt>{t("errors")}</dt><dd><span class={sum?.errors ? "bad" : ""}>{count(sum?.errors ?? 0)}</span> <small>{percent(sum?.errors ?? 0, sum?.calls ?? 0)}</small></dd></div>
      <div class="figure"><dt>p50</dt><dd>{p50 === undefined ? "–" : `≤ ${duration(p50)}`}</dd></div>
      <div class="figure"><dt>p95</dt><dd>{p95 === undefined ? "–" : `≤ ${duration(p95)}`}</dd></div>
      <div class="figure"><dt>{t("cold")}</dt><dd>{count(sum?.coldStarts ?? 0)}</dd></div>
      <div class="figure"><dt>{t("home.instances")}</dt><dd>{runner?.instances ?? 0} <small>{bytes(num(runner?.instanceMemoryBytes))}</small></dd></div>
      <div class="figure"><dt>{t("home.waiting")}</dt><dd>{count(waiting)}</dd></div>
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

function Functions({ window, runner }: { window: Window; runner: GetRunnerStatusResponse | undefined }) {
  const names = [...new Set(window.series.map((s) => `${s.virtualServer}/${s.function}`))].filter((n) => !n.startsWith("/")).sort();
  if (names.length === 0) return <Empty icon="activity" title={t("home.quiet")}>{t("home.quiet.text")}</Empty>;
  return (
    <div class="table-wrap">
      <table>
        <thead><tr><th>{t("function")}</th><th>{t("health")}</th><th class="number">{t("calls60")}</th><th>{t("traffic")}</th><th class="number">{t("errors")}</th><th>{t("errors")}</th><th class="number">p50</th><th class="number">p95</th><th class="number">{t("cold")}</th><th class="number">{t("home.instances")}</th></tr></thead>
        <tbody>
          {names.map((name) => {
            const [server, fn] = name.split("/") as [string, string];
            const sum = healthOf(window, (s) => s.virtualServer === server && s.function === fn);
            const [p50, p95] = [quantile(sum.durations, 0.5), quantile(sum.durations, 0.95)];
            const instances = (runner?.pools ?? []).filter((p) => p.virtualServer === server && p.function === fn).reduce((n, p) => n + num(p.instances), 0);
            return (
              <tr key={name}>
                <td><a class="name" href={`/vs/${server}`}>{name}</a></td>
                <td><HealthBadge empty={false} calls={sum.calls} errors={sum.errors} /></td>
                <td class="number">{count(sum.calls)}</td>
                <td><Sparkline values={sum.callsOver} label={t("calls.spark", { n: count(sum.calls) })} /></td>
                <td class="number"><span class={sum.errors ? "bad" : ""}>{percent(sum.errors, sum.calls)}</span></td>
                <td><Sparkline tone="bad" values={sum.errorsOver} label={t("errors.n", { n: count(sum.errors) })} /></td>
                <td class="number">{p50 === undefined ? "–" : `≤ ${duration(p50)}`}</td>
                <td class="number">{p95 === undefined ? "–" : `≤ ${duration(p95)}`}</td>
                <td class="number">{count(sum.coldStarts)}</td>
                <td class="number">{instances}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Deploys({ servers }: { servers: VirtualServer[] }) {
  const latest = servers.filter((s) => s.latest?.revisionId).sort((a, b) => (b.latest?.createdAt ?? "").localeCompare(a.latest?.createdAt ?? "")).slice(0, 6);
  if (latest.length === 0) return <Empty icon="server" title={t("vs.none")} action={<a class="button primary" href="/vs?create=">{t("vs.create")}</a>} />;
  return (
    <div class="table-wrap">
      <table>
        <tbody>
          {latest.map((s) => (
            <tr key={s.name}>
              <td><a class="name" href={`/vs/${s.name}`}>{s.name}</a></td>
              <td>{num(s.latest?.version) > 0 ? `v${s.latest?.version}` : "$LATEST"}</td>
              <td class="mono small">{s.latest?.revisionId?.slice(0, 12)}</td>
              <td class="right"><Time at={s.latest?.createdAt} /></td>
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
      <dt>{t("runtime")}</dt><dd>{(runner?.runtimes ?? []).map((r) => <span key={r.name}>{r.name} {r.ready ? <Badge tone="ok">{t("home.ready")}</Badge> : <Badge tone="bad">{r.whyNot}</Badge>} </span>)}</dd>
      <dt>{t("home.public")}</dt><dd class="mono">{status.publicAddress}</dd>
      <dt>{t("home.console")}</dt><dd class="mono">{status.consoleAddress}</dd>
      <dt>{t("home.plain")}</dt><dd>{status.plainHttp}</dd>
      <dt>{t("home.requests")}</dt><dd>{count(status.requests)}</dd>
      <dt>{t("home.services")}</dt>
      <dd class="row">{(status.services ?? []).map((s) => <Badge key={s.name} tone={s.ready ? "ok" : "bad"}>{s.name}{s.where !== "here" && ` · ${s.where}`}</Badge>)}</dd>
    </dl>
  );
}
