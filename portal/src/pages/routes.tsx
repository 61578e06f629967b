// HTTP routes of a virtual server: those that are in force, and whether somebody has switched one.

import { useState } from "preact/hooks";
import { call } from "../api/client";
import { useQuery } from "../api/query";
import { listRoutes, setRouteDisabled, type RouteState } from "../gen/registry";
import { t } from "../i18n";
import { may, title } from "../session";
import { flags, word } from "../shell";
import { Badge, Button, Cli, Empty, FormDialog, Loaded, Panel, Time } from "../ui/parts";

const PAGE = 200;
const PAGES_MAX = 10;

async function readRoutes(virtualServer: string, signal: AbortSignal): Promise<RouteState[]> {
  const all: RouteState[] = [];
  let pageToken = "";
  for (let i = 0; i < PAGES_MAX; i++) {
    const page = await call(listRoutes, { virtualServer, pageSize: PAGE, pageToken }, signal);
    all.push(...(page.routes ?? []));
    pageToken = page.nextPageToken ?? "";
    if (pageToken === "") break;
  }
  return all;
}

export function Routes({ server }: { server: string }) {
  const list = useQuery(`routes:${server}`, (signal) => readRoutes(server, signal), 5000);
  const [switching, setSwitching] = useState<RouteState>();
  return (
    <Panel title={t("routes")} bare actions={<span class="muted">{t("routes.of")}</span>}>
      <Loaded query={list} lines={2}>
        {(found) => found.length === 0 ? <Empty icon="branch" title={t("routes.none")}>{t("routes.none.text")}</Empty> : (
          <div class="table-wrap"><table>
            <thead><tr><th>{t("name")}</th><th>{t("routes.path")}</th><th>{t("function")}</th><th>{t("alias.targets")}</th><th>{t("exposure")}</th><th>{t("status")}</th><th><span class="visually-hidden">{t("actions")}</span></th></tr></thead>
            <tbody>{found.map((each) => <Row key={`${each.declared?.alias} ${each.declared?.name}`} server={server} route={each} onSwitch={() => setSwitching(each)} />)}</tbody>
          </table></div>
        )}
      </Loaded>
      {switching && <Switch server={server} route={switching} onClose={() => setSwitching(undefined)} onDone={() => { setSwitching(undefined); list.reload(); }} />}
    </Panel>
  );
}

function Row({ server, route, onSwitch }: { server: string; route: RouteState; onSwitch: () => void }) {
  const r = route.declared;
  return (
    <tr>
      <td><strong>{r?.name}</strong></td>
      <td class="mono small break"><strong>{r?.method}</strong> /http/{title.value?.name ?? ""}/{server}{r?.path}</td>
      <td class="mono small">{r?.function}</td><td class="mono small">{r?.alias || "$DEFAULT"}</td><td><Badge>{r?.access}</Badge></td>
      <td>
        {route.disabled ? <Badge tone="warn">{t("timers.paused")}</Badge> : <Badge tone="ok">{t("timers.active")}</Badge>}
        {route.switched && <span class="sub">{t("routes.by", { who: route.switchedBy ?? "" })} <Time at={route.switched} /></span>}
      </td>
      <td class="right nowrap">{may(setRouteDisabled) && <Button kind="quiet" onClick={onSwitch}>{route.disabled ? t("timers.resume") : t("timers.pause")}</Button>}</td>
    </tr>
  );
}

function Switch({ server, route, onClose, onDone }: { server: string; route: RouteState; onClose: () => void; onDone: () => void }) {
  const name = route.declared?.name ?? "";
  const alias = route.declared?.alias ?? "";
  const disabled = !route.disabled;
  const verb = disabled ? t("timers.pause") : t("timers.resume");
  return (
    <FormDialog title={`${verb}: ${name}`} submit={verb} danger={disabled} onClose={onClose}
      onSubmit={async () => { await call(setRouteDisabled, { virtualServer: server, name, alias, disabled }); onDone(); }}>
      <p>{t("routes.switch.text")}</p>
      <Cli line={`ow route ${disabled ? "disable" : "enable"} ${word(server)} ${word(name)}${flags({ alias })}`} />
    </FormDialog>
  );
}
