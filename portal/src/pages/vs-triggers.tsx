// What drives a virtual server besides its callers: timers, subscriptions, webhooks, routes, declared and made by hand.

import { call } from "../api/client";
import { useQuery } from "../api/query";
import { listSubscriptions } from "../gen/events";
import type { VirtualServer } from "../gen/registry";
import { listTimers } from "../gen/timers";
import { t } from "../i18n";
import { Badge, Empty, Loaded, Panel, Time } from "../ui/parts";
import { conditionText } from "./events";
import { Routes } from "./routes";
import { readWebhooks, WebhookRows } from "./webhooks";
import { schedule, StateBadge } from "./timers";

export function TriggersTab({ server }: { server: VirtualServer }) {
  const name = server.name ?? "";
  const timers = useQuery(`triggers:timers:${name}`, (signal) => call(listTimers, { virtualServer: name, pageSize: 200 }, signal), 5000);
  const subscriptions = useQuery(`triggers:subscriptions:${name}`, (signal) => call(listSubscriptions, { virtualServer: name, pageSize: 200 }, signal), 5000);
  const webhooks = useQuery(`triggers:webhooks:${name}`, async (signal) => (await readWebhooks(signal)).filter((w) => w.virtualServer === name), 5000);
  return (
    <div class="stack">
      <Panel title={t("timers")} bare actions={<a href={`/timers?vs=${name}`}>{t("timers")}</a>}>
        <Loaded query={timers} lines={2}>
          {(page) => (page.timers ?? []).length === 0 ? <Empty icon="timer" title={t("timers.none")} action={<a class="button" href="/timers?create=">{t("timers.create")}</a>} /> : (
            <div class="table-wrap"><table>
              <thead><tr><th>{t("name")}</th><th>{t("status")}</th><th>{t("timers.schedule")}</th><th>{t("timers.next")}</th><th>{t("function")}</th></tr></thead>
              <tbody>{page.timers?.map((timer) => (
                <tr key={timer.timerId}><td><a class="name" href={`/timers/${timer.timerId}`}>{timer.spec?.name}</a>{timer.declared && <span class="sub">{t("timers.declared")}</span>}</td><td><StateBadge state={timer.state} /></td><td class="mono small">{schedule(timer.spec)}</td><td><Time at={timer.nextDue} /></td><td class="mono small">{timer.spec?.function}</td></tr>
              ))}</tbody>
            </table></div>
          )}
        </Loaded>
      </Panel>
      <Panel title={t("events.subscriptions")} bare actions={<a href="/events">{t("events")}</a>}>
        <Loaded query={subscriptions} lines={2}>
          {(page) => (page.subscriptions ?? []).length === 0 ? <Empty icon="zap" title={t("events.none")} action={<a class="button" href="/events?create=">{t("events.subscribe")}</a>} /> : (
            <div class="table-wrap"><table>
              <thead><tr><th>{t("name")}</th><th>{t("events.type")}</th><th>{t("events.condition")}</th><th>{t("function")}</th><th>{t("status")}</th></tr></thead>
              <tbody>{page.subscriptions?.map((s) => (
                <tr key={s.subscriptionId}><td><strong>{s.declared?.name}</strong>{s.fromManifest && <span class="sub">{t("timers.declared")}</span>}</td><td class="mono small">{s.declared?.eventType}</td><td class="mono small break">{conditionText(s.declared?.any) || t("events.always")}</td><td class="mono small">{s.declared?.url || s.declared?.function}</td><td>{s.disabled ? <Badge tone="warn">{t("timers.paused")}</Badge> : <Badge tone="ok">{t("timers.active")}</Badge>}</td></tr>
              ))}</tbody>
            </table></div>
          )}
        </Loaded>
      </Panel>
      <Panel title={t("webhooks")} bare actions={<a href="/events/webhooks">{t("webhooks")}</a>}>
        <Loaded query={webhooks} lines={2}>
          {(found) => found.length === 0 ? <Empty icon="globe" title={t("webhooks.none")}>{t("webhooks.none.text")}</Empty> : <WebhookRows webhooks={found} />}
        </Loaded>
      </Panel>
      <Routes server={name} />
    </div>
  );
}
