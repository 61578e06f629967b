// The processes that serve the functions of a virtual server.

import { useLocation } from "preact-iso";
import { call } from "../api/client";
import { useQuery } from "../api/query";
import { bytes, count, duration, num } from "../format";
import { listInstances, type Instance } from "../gen/runner";
import { t, type Key } from "../i18n";
import { Badge, Cli, Empty, Loaded, Notice, Panel, type Tone } from "../ui/parts";
import { groupsOf, version, type Group } from "../instances";
import { address } from "./virtual-servers";

const STATES: Record<string, [Key, Tone]> = {
  starting: ["instances.starting", "accent"], idle: ["instances.idle", "ok"], busy: ["instances.busy", "accent"], finishing: ["instances.finishing", "warn"], dying: ["instances.dying", "bad"],
};

export function InstancesTab({ name }: { name: string }) {
  const { query, route } = useLocation();
  const fn = query["fn"] ?? "";
  const list = useQuery(`instances:${name}:${fn}`, (signal) => call(listInstances, { virtualServer: name, function: fn }, signal), 3000);
  const choose = (next: string): void => route(address(`/vs/${name}/instances`, { fn: next || undefined }), true);
  return (
    <Loaded query={list}>
      {(found) => (
        <div class="stack">
          {found.truncated && <Notice tone="warn" title={t("instances.truncated")} />}
          <Panel title={t("instances.by_function")} bare actions={<Cli line={`ow vs instances ${name}`} />}>
            {(found.instances ?? []).length === 0
              ? <Empty icon="layers" title={t("instances.none")}>{t("instances.none.text")}</Empty>
              : <Groups groups={groupsOf(found.instances ?? [])} quota={found.quota ?? 0} onChoose={choose} />}
            <div class="filters foot muted"><span>{t("instances.limits", { quota: found.quota ?? 0, memory: bytes(num(found.titleMemoryBytes)) })}</span></div>
          </Panel>
          {(found.instances ?? []).length > 0 && (
            <Panel title={fn || t("vs.tab.instances")} bare actions={fn && <button type="button" class="link" onClick={() => choose("")}>{t("instances.all")}</button>}>
              <Each instances={found.instances ?? []} />
            </Panel>
          )}
        </div>
      )}
    </Loaded>
  );
}

function Groups({ groups, quota, onChoose }: { groups: Group[]; quota: number; onChoose: (fn: string) => void }) {
  return (
    <div class="table-wrap"><table>
      <thead><tr><th>{t("function")}</th><th>{t("version")}</th><th class="number">{t("home.instances")}</th><th class="number">{t("instances.busy_n")}</th><th class="number">{t("memory")}</th></tr></thead>
      <tbody>{groups.map((g) => (
        <tr key={`${g.name} ${g.version}`}>
          <td><button type="button" class="link" onClick={() => onChoose(g.name)}>{g.name}</button></td><td>{g.version}</td>
          <td class="number">{count(g.count)} <span class="muted">/ {quota}</span></td><td class="number">{count(g.busy)}</td><td class="number">{bytes(g.memory)}</td>
        </tr>
      ))}</tbody>
    </table></div>
  );
}

function Each({ instances }: { instances: Instance[] }) {
  return (
    <div class="table-wrap"><table>
      <thead><tr><th>{t("function")}</th><th>{t("version")}</th><th>{t("status")}</th><th class="number">{t("memory")}</th><th class="number">{t("instances.age")}</th><th class="number">{t("instances.init")}</th><th class="number">{t("instances.calls")}</th></tr></thead>
      <tbody>{instances.map((i, at) => {
        const [label, tone] = STATES[i.state ?? ""] ?? ["instances.idle", ""];
        return (
          <tr key={at}>
            <td>{i.function}</td><td title={i.revisionId}>{version(i)}</td><td><Badge tone={tone}>{t(label)}</Badge></td>
            <td class="number">{num(i.memoryBytes) > 0 ? bytes(num(i.memoryBytes)) : "–"}</td>
            <td class="number">{duration(num(i.ageUs))}</td><td class="number">{num(i.initUs) > 0 ? duration(num(i.initUs)) : "–"}</td><td class="number">{count(num(i.calls))}</td>
          </tr>
        );
      })}</tbody>
    </table></div>
  );
}
