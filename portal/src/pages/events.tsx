// Events: their types, who hears of them on which condition, what happened, publishing by hand.

import { useLocation, useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { call } from "../api/client";
import { useQuery } from "../api/query";
import { bytes, count, num } from "../format";
import {
  createSubscription, declareEventType, deleteEventType, deleteSubscription, getOccurrence, listEventTypes, listOccurrences, listSubscriptions, publish, setSubscriptionDisabled, trySubscription, updateSubscription,
  type EventType, type Occurrence, type SubscriptionState,
} from "../gen/events";
import { listVirtualServers } from "../gen/registry";
import type { Condition, ConditionGroup, Subscription } from "../gen/triggers";
import { t, type Key } from "../i18n";
import { may } from "../session";
import { Badge, Button, Cli, Dialog, Empty, Failure, Field, FormDialog, JsonLines, Loaded, Notice, Page, Panel, Time, say } from "../ui/parts";
import { decode, encode } from "./queue";
import { address } from "./virtual-servers";

const TABS: [string, Key][] = [["", "events.subscriptions"], ["types", "events.types"], ["log", "events.log"]];
const OPERATORS = ["eq", "ne", "lt", "le", "gt", "ge", "in", "prefix", "suffix", "exists"];

export function Events() {
  const tab = useRoute().params["tab"] ?? "";
  const [publishing, setPublishing] = useState(false);
  return (
    <Page title={t("events")} sub={t("events.sub")} cli={tab === "" ? "ow sub list" : tab === "types" ? "ow event types" : "ow event list"}
      actions={may(publish) && <Button icon="zap" onClick={() => setPublishing(true)}>{t("events.publish")}</Button>}>
      <nav class="tabs" aria-label={t("events")}>
        {TABS.map(([path, label]) => <a key={path} href={`/events${path && `/${path}`}`} {...(path === tab ? { "aria-current": "page" } : {})}>{t(label)}</a>)}
      </nav>
      {tab === "" ? <Subscriptions /> : tab === "types" ? <Types /> : <Occurrences />}
      {publishing && <Publish onClose={() => setPublishing(false)} />}
    </Page>
  );
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function Publish({ type: first, onClose }: { type?: string; onClose: () => void }) {
  const types = useQuery("events:types", (signal) => call(listEventTypes, { pageSize: 200 }, signal));
  const [type, setType] = useState(first ?? "");
  const [data, setData] = useState("{}");
  const wrong = !isJson(data);
  return (
    <FormDialog title={t("events.publish")} submit={t("events.publish")} disabled={type === "" || wrong} onClose={onClose}
      onSubmit={async () => {
        const reply = await call(publish, { events: [{ type, data: encode(data) }] });
        say(t("events.published", { n: count(reply.events?.[0]?.matched ?? 0) }));
        onClose();
      }}>
      <Field label={t("events.type")}>{(a) => <input {...a} autoFocus list="event-types" value={type} onInput={(e) => setType(e.currentTarget.value)} />}</Field>
      <datalist id="event-types">{(types.data?.types ?? []).map((each) => <option key={each.name} value={each.name} />)}</datalist>
      <Field label={t("events.data")} error={wrong ? t("events.no_json") : undefined}>{(a) => <textarea {...a} rows={6} value={data} onInput={(e) => setData(e.currentTarget.value)} />}</Field>
      <Cli line={`ow event publish ${type || "TYPE"} '${data.replace(/\s+/g, " ")}'`} />
    </FormDialog>
  );
}

// ---- types ----

// What the fields of a schema are, where it is of the simple kind; else all of it.
function fieldsOf(schema: string): string {
  const { type, properties } = JSON.parse(schema) as { type?: string; properties?: Record<string, { type?: unknown }> };
  if (type !== "object" || !properties) return schema;
  return JSON.stringify(Object.fromEntries(Object.entries(properties).map(([name, field]) => [name, typeof field.type === "string" ? field.type : field])));
}

function Types() {
  const list = useQuery("events:types", (signal) => call(listEventTypes, { pageSize: 200 }, signal), 10_000);
  const [open, setOpen] = useState<EventType | "new">();
  return (
    <Panel title={t("events.types")} bare actions={may(declareEventType) && <Button icon="plus" onClick={() => setOpen("new")}>{t("events.declare")}</Button>}>
      <Loaded query={list}>
        {(page) => (page.types ?? []).length === 0 ? <Empty icon="zap" title={t("events.types.none")}>{t("events.types.text")}</Empty> : (
          <div class="table-wrap"><table class="tops">
            <thead><tr><th>{t("events.type")}</th><th>{t("description")}</th><th>{t("events.schema")}</th><th>{t("events.who")}</th><th><span class="visually-hidden">{t("actions")}</span></th></tr></thead>
            <tbody>{page.types?.map((type) => (
              <tr key={type.name}>
                <td class="mono"><a class="name" href={`/events/log?type=${type.name}`}>{type.name}</a></td><td class="break">{type.description}</td>
                <td>{type.schemaJson ? <JsonLines text={fieldsOf(type.schemaJson)} /> : <span class="muted">{t("events.any")}</span>}</td>
                <td class="nowrap">{type.platform ? <Badge tone="accent">{t("audit.platform")}</Badge> : type.client ? <Badge>{t("alias.public")}</Badge> : <Badge>{t("alias.private")}</Badge>}</td>
                <td class="right nowrap">{!type.platform && may(declareEventType) && <Button kind="quiet" onClick={() => setOpen(type)}>{t("edit")}</Button>}{!type.platform && may(deleteEventType) && <Button kind="quiet" icon="trash" aria-label={`${t("delete")} ${type.name}`} onClick={() => { void call(deleteEventType, { name: type.name!, etag: type.etag! }).then(list.reload, (e: Error) => say(e.message, "bad")); }} />}</td>
              </tr>
            ))}</tbody>
          </table></div>
        )}
      </Loaded>
      {open && <Declare type={open === "new" ? undefined : open} onClose={() => setOpen(undefined)} onDone={() => { setOpen(undefined); list.reload(); }} />}
    </Panel>
  );
}

function Declare({ type, onClose, onDone }: { type: EventType | undefined; onClose: () => void; onDone: () => void }) {
  const [etag] = useState(type?.etag ?? "");
  const [name, setName] = useState(type?.name ?? "");
  const [description, setDescription] = useState(type?.description ?? "");
  const [schema, setSchema] = useState(type?.schemaJson ?? "");
  const [client, setClient] = useState(type?.client ?? false);
  const wrong = schema !== "" && !isJson(schema);
  return (
    <FormDialog title={t("events.declare")} submit={t("save")} disabled={name === "" || wrong} onClose={onClose}
      onSubmit={async () => { await call(declareEventType, { name, description, schemaJson: schema, client, etag }); onDone(); }}>
      <Field label={t("name")}>{(a) => <input {...a} autoFocus disabled={type !== undefined} value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
      <Field label={t("description")}>{(a) => <input {...a} value={description} onInput={(e) => setDescription(e.currentTarget.value)} />}</Field>
      <Field label={t("events.schema")} hint={t("events.schema.hint")} error={wrong ? t("events.no_json") : undefined}>{(a) => <textarea {...a} rows={6} value={schema} onInput={(e) => setSchema(e.currentTarget.value)} />}</Field>
      <label class="check"><input type="checkbox" checked={client} onChange={(e) => setClient(e.currentTarget.checked)} />{t("events.client")}</label>
    </FormDialog>
  );
}

// ---- subscriptions ----

export function conditionText(groups: ConditionGroup[] | undefined): string {
  return (groups ?? []).map((g) => (g.all ?? []).map((c) => `${c.pointer} ${c.operator} ${c.value ?? ""}`.trim()).join(` ${t("events.and")} `)).join(` ${t("events.or")} `);
}

function Subscriptions() {
  const { query, route } = useLocation();
  const list = useQuery("events:subscriptions", (signal) => call(listSubscriptions, { pageSize: 200 }, signal), 5000);
  const [open, setOpen] = useState<SubscriptionState>();
  const [trying, setTrying] = useState<SubscriptionState>();
  const act = (what: Promise<unknown>): void => {
    void what.then(list.reload, (e: Error) => { say(e.message, "bad"); list.reload(); });
  };
  const creating = query["create"] !== undefined;
  return (
    <Panel title={t("events.subscriptions")} bare actions={may(createSubscription) && <Button kind="primary" icon="plus" onClick={() => route("/events?create=", true)}>{t("events.subscribe")}</Button>}>
      <Loaded query={list}>
        {(page) => (page.subscriptions ?? []).length === 0 ? <Empty icon="zap" title={t("events.none")}>{t("events.none.text")}</Empty> : (
          <div class="table-wrap"><table>
            <thead><tr><th>{t("name")}</th><th>{t("events.type")}</th><th>{t("events.condition")}</th><th>{t("events.target")}</th><th>{t("status")}</th><th><span class="visually-hidden">{t("actions")}</span></th></tr></thead>
            <tbody>{page.subscriptions?.map((s) => (
              <tr key={s.subscriptionId}>
                <td><strong>{s.declared?.name}</strong><span class="sub">{s.virtualServer}{s.fromManifest && ` · ${t("timers.declared")}`}</span></td>
                <td class="mono small">{s.declared?.eventType}</td>
                <td class="mono small break">{conditionText(s.declared?.any) || <span class="muted">{t("events.always")}</span>}</td>
                <td class="break">{s.declared?.url || `${s.virtualServer}/${s.declared?.function}`}</td>
                <td>{s.disabled ? <Badge tone="warn">{t("timers.paused")}</Badge> : <Badge tone="ok">{t("timers.active")}</Badge>}{s.disabledReason && <span class="sub break">{s.disabledReason}</span>}</td>
                <td class="right nowrap">
                  {may(trySubscription) && <Button kind="quiet" icon="play" onClick={() => setTrying(s)}>{t("events.try")}</Button>}
                  {may(setSubscriptionDisabled) && <Button kind="quiet" onClick={() => act(call(setSubscriptionDisabled, { subscriptionId: s.subscriptionId!, disabled: !s.disabled }))}>{s.disabled ? t("timers.resume") : t("timers.pause")}</Button>}
                  {!s.fromManifest && may(updateSubscription) && <Button kind="quiet" onClick={() => setOpen(s)}>{t("edit")}</Button>}
                  {!s.fromManifest && may(deleteSubscription) && <Button kind="quiet" icon="trash" aria-label={`${t("delete")} ${s.declared?.name}`} onClick={() => act(call(deleteSubscription, { subscriptionId: s.subscriptionId!, etag: s.etag! }))} />}
                </td>
              </tr>
            ))}</tbody>
          </table></div>
        )}
      </Loaded>
      {(creating || open) && <Subscribe state={open} onClose={() => { setOpen(undefined); route("/events", true); }} onDone={() => { setOpen(undefined); route("/events", true); list.reload(); }} />}
      {trying && <Try state={trying} onClose={() => setTrying(undefined)} />}
    </Panel>
  );
}

// Groups of conditions that all hold, of which one is enough.
function Builder({ groups, onChange }: { groups: ConditionGroup[]; onChange: (groups: ConditionGroup[]) => void }) {
  const set = (g: number, c: number, change: Partial<Condition>): void =>
    onChange(groups.map((group, i) => (i === g ? { all: (group.all ?? []).map((each, k) => (k === c ? { ...each, ...change } : each)) } : group)));
  const drop = (g: number, c: number): void =>
    onChange(groups.map((group, i) => (i === g ? { all: (group.all ?? []).filter((_, k) => k !== c) } : group)).filter((group) => (group.all ?? []).length > 0));
  const fresh: Condition = { pointer: "/", operator: "eq", value: "" };
  return (
    <fieldset class="choices">
      <legend>{t("events.condition")}</legend>
      {groups.length === 0 && <p class="muted">{t("events.always")}</p>}
      {groups.map((group, g) => (
        <div key={g} class="stack-2">
          {g > 0 && <strong>{t("events.or")}</strong>}
          <div class="condition-group">
            {(group.all ?? []).map((c, k) => (
              <div key={k} class="condition">
                <span class="muted">{k > 0 ? t("events.and") : t("events.if")}</span>
                <input aria-label={t("events.pointer")} class="mono" value={c.pointer ?? ""} onInput={(e) => set(g, k, { pointer: e.currentTarget.value })} />
                <select aria-label={t("events.operator")} value={c.operator} onChange={(e) => set(g, k, { operator: e.currentTarget.value })}>{OPERATORS.map((o) => <option key={o}>{o}</option>)}</select>
                <input aria-label={t("value")} class="mono" placeholder={'"text", 5, true'} value={c.value ?? ""} onInput={(e) => set(g, k, { value: e.currentTarget.value })} />
                <Button kind="quiet" icon="close" aria-label={t("events.drop")} onClick={() => drop(g, k)} />
              </div>
            ))}
            <Button kind="quiet" icon="plus" onClick={() => onChange(groups.map((each, i) => (i === g ? { all: [...(each.all ?? []), fresh] } : each)))}>{t("events.and")}</Button>
          </div>
        </div>
      ))}
      <div><Button icon="plus" onClick={() => onChange([...groups, { all: [fresh] }])}>{groups.length ? t("events.or") : t("events.add")}</Button></div>
    </fieldset>
  );
}

function Subscribe({ state, onClose, onDone }: { state: SubscriptionState | undefined; onClose: () => void; onDone: () => void }) {
  const old = state?.declared;
  const [etag] = useState(state?.etag ?? "");
  const servers = useQuery("events:vs", (signal) => call(listVirtualServers, { pageSize: 200 }, signal));
  const types = useQuery("events:types", (signal) => call(listEventTypes, { pageSize: 200 }, signal));
  const [name, setName] = useState(old?.name ?? "");
  const [type, setType] = useState(old?.eventType ?? "");
  const [server, setServer] = useState(state?.virtualServer ?? "");
  const [fn, setFn] = useState(old?.function ?? "");
  const [groups, setGroups] = useState<ConditionGroup[]>(old?.any ?? []);
  const [requestKey] = useState(() => crypto.randomUUID());
  const list = (servers.data?.virtualServers ?? []).filter((s) => (s.latest?.functions ?? []).length > 0);
  const chosen = server || (list[0]?.name ?? "");
  const functions = list.find((s) => s.name === chosen)?.latest?.functions ?? [];
  const called = fn || (functions[0]?.name ?? "");
  const subscription: Subscription = { ...old, name, eventType: type, function: called, any: groups };
  const wrong = groups.some((g) => (g.all ?? []).some((c) => c.operator !== "exists" && !isJson(c.value ?? "")));
  return (
    <FormDialog wide title={t("events.subscribe")} submit={t("save")} disabled={name === "" || type === "" || wrong} onClose={onClose}
      onSubmit={async () => {
        if (state) await call(updateSubscription, { subscriptionId: state.subscriptionId!, subscription, etag });
        else await call(createSubscription, { virtualServer: chosen, subscription, requestKey });
        onDone();
      }}>
      <div class="columns-tight">
        <Field label={t("name")}>{(a) => <input {...a} autoFocus value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
        <Field label={t("events.type")} hint={t("events.pattern")}>{(a) => <input {...a} list="sub-types" value={type} onInput={(e) => setType(e.currentTarget.value)} />}</Field>
        <datalist id="sub-types">{(types.data?.types ?? []).map((each) => <option key={each.name} value={each.name} />)}</datalist>
        <Field label={t("vs")}>{(a) => <select {...a} disabled={state !== undefined} value={chosen} onChange={(e) => { setServer(e.currentTarget.value); setFn(""); }}>{list.map((s) => <option key={s.name}>{s.name}</option>)}</select>}</Field>
        <Field label={t("function")}>{(a) => <select {...a} value={called} onChange={(e) => setFn(e.currentTarget.value)}>{functions.map((f) => <option key={f.name}>{f.name}</option>)}</select>}</Field>
      </div>
      <Builder groups={groups} onChange={setGroups} />
      {wrong && <p class="bad small">{t("events.value.json")}</p>}
    </FormDialog>
  );
}

// Would this event have been heard?
function Try({ state, onClose }: { state: SubscriptionState; onClose: () => void }) {
  const past = useQuery("events:past", (signal) => call(listOccurrences, { pageSize: 50 }, signal));
  const [trigger, setTrigger] = useState("");
  const chosen = trigger || (past.data?.occurrences?.[0]?.triggerId ?? "");
  const result = useQuery(`events:try:${state.subscriptionId}:${chosen}`, (signal) => (chosen ? call(trySubscription, { subscriptionId: state.subscriptionId!, triggerId: chosen }, signal) : Promise.resolve(undefined)));
  return (
    <Dialog title={`${t("events.try")}: ${state.declared?.name}`} onClose={onClose}>
      <div class="body">
        <Field label={t("events.past")}>{(a) => <select {...a} value={chosen} onChange={(e) => setTrigger(e.currentTarget.value)}>{(past.data?.occurrences ?? []).map((o) => <option key={o.triggerId} value={o.triggerId}>{o.type} · {o.triggerId}</option>)}</select>}</Field>
        {result.error && <Failure error={result.error} />}
        {result.data && (result.data.matches ? <Notice tone="" title={t("events.matches")} /> : <Notice tone="warn" title={t("events.matches_not")}>{result.data.whyNot}</Notice>)}
        {result.data?.envelopeJson && <pre class="result">{result.data.envelopeJson}</pre>}
        {past.data && (past.data.occurrences ?? []).length === 0 && <Empty icon="zap" title={t("events.log.none")} />}
      </div>
    </Dialog>
  );
}

// ---- what happened ----

function Occurrences() {
  const { query, route } = useLocation();
  const list = useQuery(`events:log:${query["type"] ?? ""}`, (signal) => call(listOccurrences, { pageSize: 100, ...(query["type"] ? { type: query["type"] } : {}) }, signal), 3000);
  const [open, setOpen] = useState<Occurrence>();
  return (
    <Panel bare>
      <div class="filters"><input aria-label={t("events.type")} placeholder={t("events.type")} value={query["type"] ?? ""} onChange={(e) => route(address("/events/log", { type: e.currentTarget.value.trim() || undefined }), true)} /></div>
      <Loaded query={list}>
        {(page) => (page.occurrences ?? []).length === 0 ? <Empty icon="zap" title={t("events.log.none")} /> : (
          <div class="table-wrap"><table>
            <thead><tr><th>{t("events.received")}</th><th>{t("events.type")}</th><th>{t("events.source")}</th><th class="number">{t("events.matched")}</th><th class="number">{t("events.size")}</th><th>{t("request")}</th></tr></thead>
            <tbody>{page.occurrences?.map((o) => (
              <tr key={o.triggerId}>
                <td><Time at={o.received} /></td>
                <td><button type="button" class="link mono" onClick={() => setOpen(o)}>{o.type}</button></td>
                <td class="mono small break">{o.source}<span class="sub">{o.principal}</span></td><td class="number">{count(o.matched ?? 0)}{o.spreading && " …"}</td><td class="number">{bytes(num(o.dataSize))}</td>
                <td>{o.requestId && <a class="mono small" href={`/requests/${o.requestId}`}>{o.requestId.slice(0, 14)}…</a>}</td>
              </tr>
            ))}</tbody>
          </table></div>
        )}
      </Loaded>
      {open && <Happened trigger={open.triggerId ?? ""} onClose={() => setOpen(undefined)} />}
    </Panel>
  );
}

function Happened({ trigger, onClose }: { trigger: string; onClose: () => void }) {
  const found = useQuery(`event:${trigger}`, (signal) => call(getOccurrence, { triggerId: trigger }, signal));
  return (
    <Dialog title={t("event")} onClose={onClose}>
      <div class="body"><Loaded query={found}>{(o) => (
        <>
          <dl class="facts"><dt>{t("events.type")}</dt><dd class="mono">{o.type}</dd><dt>{t("events.source")}</dt><dd class="mono break">{o.source}</dd><dt>{t("time")}</dt><dd><Time at={o.time} /></dd><dt>id</dt><dd class="mono small break">{o.id}</dd></dl>
          <pre class="result">{decode(o.data)}</pre>
        </>
      )}</Loaded></div>
    </Dialog>
  );
}
