import { useRoute } from "preact-iso";
import type { ComponentChildren } from "preact";
import { Suspense } from "preact/compat";
import { call } from "../api/client";
import { useQuery } from "../api/query";
import { count, duration, num, percent } from "../format";
import { getVirtualServer, type FunctionInfo, type VirtualServer as Server } from "../gen/registry";
import { t, type Key } from "../i18n";
import { healthOf, quantile, readWindow, type Window } from "../series";
import { lazily } from "../ui/lazily";
import { Badge, Empty, Loaded, Page, Panel, Skeleton, Sparkline, Time } from "../ui/parts";
import { HealthBadge, versionText } from "./virtual-servers";

const TABS: [string, Key][] = [
  ["", "vs.tab.overview"], ["code", "vs.tab.code"], ["test", "vs.tab.test"], ["versions", "versions"], ["triggers", "vs.tab.triggers"], ["instances", "vs.tab.instances"], ["logs", "logs"], ["settings", "settings"],
];

// What does the same as each of them.
const LINES: Record<string, (name: string) => string> = {
  code: () => "ow vs deploy DIR",
  test: (name) => `ow fn invoke ${name} FUNCTION`,
  versions: (name) => `ow vs versions ${name}`,
  triggers: (name) => `ow sub list --vs ${name}`,
  instances: (name) => `ow vs instances ${name}`,
  logs: (name) => `ow logs --vs ${name} --follow`,
};

// The editor comes with the tabs that need it.
const CodeTab = lazily(() => import("./vs-code").then((m) => m.CodeTab));
const TestTab = lazily(() => import("./vs-test").then((m) => m.TestTab));
const VersionsTab = lazily(() => import("./vs-versions").then((m) => m.VersionsTab));
const SettingsTab = lazily(() => import("./vs-settings").then((m) => m.SettingsTab));
const TriggersTab = lazily(() => import("./vs-triggers").then((m) => m.TriggersTab));
const InstancesTab = lazily(() => import("./vs-instances").then((m) => m.InstancesTab));
const LogView = lazily(() => import("./logs").then((m) => m.LogView));

export function VirtualServer() {
  const { params } = useRoute();
  const name = params["name"] ?? "";
  const tab = params["tab"] ?? "";
  const server = useQuery(`vs:${name}`, (signal) => call(getVirtualServer, { name }, signal), 10_000);
  return (
    <Page title={name} sub={server.data?.description} cli={LINES[tab]?.(name) ?? `ow vs show ${name}`}>
      <nav class="tabs" aria-label={t("vs.parts")}>
        {TABS.map(([path, label]) => (
          <a key={path} href={`/vs/${name}${path && `/${path}`}`} {...(tab === path ? { "aria-current": "page" } : {})}>{t(label)}</a>
        ))}
      </nav>
      <Loaded query={server}>{(found) => <Suspense fallback={<Skeleton lines={10} />}><Tab tab={tab} server={found} reload={server.reload} /></Suspense>}</Loaded>
    </Page>
  );
}

function Tab({ tab, server, reload }: { tab: string; server: Server; reload: () => void }) {
  const name = server.name ?? "";
  switch (tab) {
    case "code":
      return <CodeTab server={server} onDeployed={reload} />;
    case "test":
      return <TestTab server={server} />;
    case "versions":
      return <VersionsTab server={server} onChanged={reload} />;
    case "triggers":
      return <TriggersTab server={server} />;
    case "instances":
      return <InstancesTab name={name} />;
    case "logs":
      return <LogView at={`/vs/${name}/logs`} fixed={{ vs: name }} />;
    case "settings":
      return <SettingsTab server={server} onChanged={reload} />;
    default:
      return <Overview server={server} />;
  }
}

function Overview({ server }: { server: Server }) {
  const name = server.name ?? "";
  const health = useQuery(`vs:${name}:health`, (signal) => readWindow(60, { virtualServer: name }, signal), 10_000);
  return (
    <div class="stack">
      {health.data && <Figures window={health.data} />}
      <Panel title={t("functions")} bare>
        {(server.latest?.functions ?? []).length === 0
          ? <Empty icon="file" title={t("vs.nocode")} action={<a class="button primary" href={`/vs/${name}/code`}>{t("vs.write")}</a>}>{t("vs.nocode.text")}</Empty>
          : <Functions server={server} window={health.data} />}
      </Panel>
      <Panel title={t("aliases")} bare><Aliases server={server} /></Panel>
    </div>
  );
}

function Figure({ name, children }: { name: string; children: ComponentChildren }) {
  return <div class="figure"><dt>{name}</dt><dd>{children}</dd></div>;
}

function Figures({ window }: { window: Window }) {
  const sum = healthOf(window, () => true);
  const p50 = quantile(sum.durations, 0.5);
  const p95 = quantile(sum.durations, 0.95);
  return (
    <dl class="figures">
      <Figure name={t("calls60")}>{count(sum.calls)}</Figure>
      <Figure name={t("errors")}><span class={sum.errors ? "bad" : ""}>{count(sum.errors)}</span> <small>{percent(sum.errors, sum.calls)}</small></Figure>
      <Figure name="p50">{p50 === undefined ? "–" : <>≤ {duration(p50)}</>}</Figure>
      <Figure name="p95">{p95 === undefined ? "–" : <>≤ {duration(p95)}</>}</Figure>
      <Figure name={t("cold")}>{count(sum.coldStarts)}</Figure>
    </dl>
  );
}

function Functions({ server, window }: { server: Server; window: Window | undefined }) {
  return (
    <div class="table-wrap">
      <table>
        <thead><tr><th>{t("name")}</th><th>{t("health")}</th><th>{t("exposure")}</th><th class="number">{t("calls60")}</th><th class="number">p95</th><th>{t("traffic")}</th><th class="number">{t("timeout")}</th><th class="number">{t("memory")}</th></tr></thead>
        <tbody>{server.latest?.functions?.map((fn) => <FunctionRow key={fn.name} server={server.name ?? ""} fn={fn} window={window} />)}</tbody>
      </table>
    </div>
  );
}

function FunctionRow({ server, fn, window }: { server: string; fn: FunctionInfo; window: Window | undefined }) {
  const sum = window && healthOf(window, (s) => s.function === fn.name);
  const p95 = sum && quantile(sum.durations, 0.95);
  return (
    <tr>
      <td><a class="name" href={`/vs/${server}/test?fn=${fn.name ?? ""}`}>{fn.name}</a></td>
      <td><HealthBadge empty={false} calls={sum?.calls ?? 0} errors={sum?.errors ?? 0} /></td>
      <td><Badge>{fn.exposure}</Badge></td>
      <td class="number">{sum ? count(sum.calls) : "–"}</td>
      <td class="number">{p95 === undefined ? "–" : `≤ ${duration(p95)}`}</td>
      <td>{sum && <Sparkline values={sum.callsOver} label={t("calls.spark", { n: count(sum.calls) })} />}</td>
      <td class="number">{duration(num(fn.timeoutMs) * 1000)}</td>
      <td class="number">{fn.memoryMb} MB</td>
    </tr>
  );
}

function Aliases({ server }: { server: Server }) {
  return (
    <div class="table-wrap">
      <table>
        <thead><tr><th>{t("name")}</th><th>{t("alias.targets")}</th><th>{t("alias.visibility")}</th><th>{t("changed")}</th></tr></thead>
        <tbody>
          {server.aliases?.map((alias) => (
            <tr key={alias.name}>
              <td class="mono">{alias.name}</td>
              <td>{alias.targets?.map((target) => `${versionText(target.version) === "$LATEST" ? target.version : `v${target.version}`}${num(target.weight) < 10000 ? ` ${num(target.weight) / 100} %` : ""}`).join(" · ")}</td>
              <td>{alias.isPublic ? <Badge tone="accent">{t("alias.public")}</Badge> : <Badge>{t("alias.private")}</Badge>}</td>
              <td><Time at={alias.updatedAt} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
