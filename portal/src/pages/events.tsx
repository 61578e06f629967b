// Events: their types, who hears of them on which condition, what happened, publishing by hand.

import { useLocation, useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { call } from "../api/client";
import { useQuery, type Query } from "../api/query";
import { textOf, toBase64 } from "../base64";
import { absolute, bytes, count, num } from "../format";
import {
  createSubscription, declareEventType, deleteEventType, deleteSubscription, getOccurrence, listEventTypes, listOccurrences, listSubscriptions, publish, setSubscriptionDisabled, trySubscription, updateSubscription,
  type EventType, type Occurrence, type SubscriptionState, type TrySubscriptionResponse,
} from "../gen/events";
import { listExecutions } from "../gen/queue";
import type { Condition, ConditionGroup, Subscription } from "../gen/triggers";
import { t, type Key } from "../i18n";
import { sampleText } from "../sample";
import { may } from "../session";
import { flags, jsonWord, word } from "../shell";
import { Badge, Button, Cli, Dialog, Empty, Failure, Field, FormDialog, JsonLines, Loaded, Notice, Page, Panel, Time, say } from "../ui/parts";
import { ServerField, useServers } from "../ui/server-field";
import { ExecutionState } from "./queue";
import { address } from "./virtual-servers";
import { Webhooks } from "./webhooks";

const TABS: [string, Key][] = [["", "events.subscriptions"], ["types", "events.types"], ["log", "events.log"], ["webhooks", "webhooks"]];
const CLI: Record<string, string> = { "": "ow sub list", types: "ow event types", webhooks: "ow webhook list" };
const OPERATORS = ["eq", "ne", "lt", "le", "gt", "ge", "in", "prefix", "suffix", "exists"];

export function Events() {
  const tab = useRoute().params["tab"] ?? "";
  const [publishing, setPublishing] = useState(false);
  return (
    <Page title={t("events")} sub={t("events.sub")} cli={CLI[tab] ?? "ow event list"}
      actions={may(publish) && <Button icon="zap" onClick={() => setPublishing(true)}>{t("events.publish")}</Button>}>
      <nav class="tabs" aria-label={t("events")}>
        {TABS.map(([path, label]) => <a key={path} href={`/events${path && `/${path}`}`} {...(path === tab ? { "aria-current": "page" } : {})}>{t(label)}</a>)}
      </nav>
      {tab === "" ? <Subscriptions /> : tab === "types" ? <Types /> : tab === "webhooks" ? <Webhooks /> : <Occurrences />}
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
  const [typed, setData] = useState<string>();
  // Until somebody has typed something it is an example of the type.
  const data = typed ?? sampleText(types.data?.types?.find((each) => each.name === type)?.schemaJson);
  const wrong = !isJson(data);
  return (
    <FormDialog title={t("events.publish")} submit={t("events.publish")} disabled={type === "" || wrong} onClose={onClose}
      onSubmit={async () => {
        const reply = await call(publish, { events: [{ type, data: toBase64(data) }] });
        say(t("events.published", { n: count(reply.events?.[0]?.matched ?? 0) }));
        onClose();
      }}>
      <Field label={t("events.type")}>{(a) => <input {...a} autoFocus list="event-types" value={type} onInput={(e) => setType(e.currentTarget.value)} />}</Field>
      <datalist id="event-types">{(types.data?.types ?? []).map((each) => <option key={each.name} value={each.name} />)}</datalist>
      <Field label={t("events.data")} error={wrong ? t("events.no_json") : undefined}>{(a) => <textarea {...a} rows={6} value={data} onInput={(e) => setData(e.currentTarget.value)} />}</Field>
      <Cli line={`ow event publish ${word(type || "TYPE")} ${jsonWord(data)}`} />
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
  const [sample, setSample] = useState<EventType>();
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
                <td class="right nowrap"><Button kind="quiet" onClick={() => setSample(type)}>{t("events.sample")}</Button>{!type.platform && may(declareEventType) && <Button kind="quiet" onClick={() => setOpen(type)}>{t("edit")}</Button>}{!type.platform && may(deleteEventType) && <Button kind="quiet" icon="trash" aria-label={`${t("delete")} ${type.name}`} onClick={() => { void call(deleteEventType, { name: type.name!, etag: type.etag! }).then(list.reload, (e: Error) => say(e.message, "bad")); }} />}</td>
              </tr>
            ))}</tbody>
          </table></div>
        )}
      </Loaded>
      {sample && <Sample type={sample} onClose={() => setSample(undefined)} />}
      {open && <Declare type={open === "new" ? undefined : open} onClose={() => setOpen(undefined)} onDone={() => { setOpen(undefined); list.reload(); }} />}
    </Panel>
  );
}

// The last one that happened, or what the schema describes.
function Sample({ type, onClose }: { type: EventType; onClose: () => void }) {
  const last = useQuery(`events:sample:${type.name}`, (signal) => call(listOccurrences, { type: type.name ?? "", pageSize: 1, data: true }, signal));
  return (
    <Dialog title={`${t("events.sample")}: ${type.name}`} onClose={onClose}>
      <div class="body"><Loaded query={last} lines={2}>{(page) => {
        const found = page.occurrences?.[0];
        return (
          <>
            <p class="muted">{found ? <>{t("events.sample.last")} <Time at={found.received} /></> : type.schemaJson ? t("events.sample.made") : t("events.sample.none")}</p>
            {(found || type.schemaJson) && <pre class="result">{found ? textOf(found.data) : sampleText(type.schemaJson)}</pre>}
          </>
        );
      }}</Loaded></div>
    </Dialog>
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
      <Cli line={`ow event declare ${word(name || "TYPE")}${flags({ description, schema: schema && "FILE" })}${client ? " --client" : ""}`} />
    </FormDialog>
  );
}

// ---- subscriptions ----

export function conditionText(groups: ConditionGroup[] | undefined): string {
  return (groups ?? []).map((g) => (g.all ?? []).map((c) => `${c.pointer} ${c.operator} ${c.value ?? ""}`.trim()).join(` ${t("events.and")} `)).join(` ${t("events.or")} `);
}

// As `ow sub create --when` takes it: values are JSON there too.
export function whenText(groups: ConditionGroup[]): string {
  const one = (c: Condition): string => `{"pointer":${JSON.stringify(c.pointer ?? "")},"operator":${JSON.stringify(c.operator ?? "")}${c.value ? `,"value":${c.value}` : ""}}`;
  return groups.length === 0 ? "" : `[${groups.map((g) => `[${(g.all ?? []).map(one).join(",")}]`).join(",")}]`;
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
                  <a class="button quiet" href={`/queue?subscription=${s.subscriptionId}`}>{t("events.deliveries")}</a>
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
  const servers = useServers(state?.virtualServer ?? "");
  const types = useQuery("events:types", (signal) => call(listEventTypes, { pageSize: 200 }, signal));
  const [name, setName] = useState(old?.name ?? "");
  const [type, setType] = useState(old?.eventType ?? "");
  const [fn, setFn] = useState(old?.function ?? "");
  const [groups, setGroups] = useState<ConditionGroup[]>(old?.any ?? []);
  const [requestKey] = useState(() => crypto.randomUUID());
  const { chosen, functions } = servers;
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
        <ServerField servers={servers} disabled={state !== undefined} onChoose={() => setFn("")} />
        <Field label={t("function")}>{(a) => <select {...a} value={called} onChange={(e) => setFn(e.currentTarget.value)}>{functions.map((f) => <option key={f.name}>{f.name}</option>)}</select>}</Field>
      </div>
      <Builder groups={groups} onChange={setGroups} />
      {wrong && <p class="bad small">{t("events.value.json")}</p>}
      {type !== "" && !wrong && may(trySubscription) && <TryHere server={chosen} subscription={subscription} />}
      {!state && <Cli line={`ow sub create ${word(name || "NAME")} ${word(type || "TYPE")} ${chosen || "VS"}/${called || "FUNCTION"}${flags({ when: whenText(groups) })}`} />}
    </FormDialog>
  );
}

// Would a past event fit what is being written?
function TryHere({ server, subscription }: { server: string; subscription: Subscription }) {
  const exact = subscription.eventType?.includes("*") ? "" : (subscription.eventType ?? "");
  const past = useQuery(`events:past:${exact}`, (signal) => call(listOccurrences, { pageSize: 50, ...(exact ? { type: exact } : {}) }, signal));
  const [trigger, setTrigger] = useState("");
  const list = past.data?.occurrences ?? [];
  const chosen = list.some((o) => o.triggerId === trigger) ? trigger : (list[0]?.triggerId ?? "");
  const asked = { ...subscription, name: subscription.name || "tried" };
  const result = useQuery(`events:tryhere:${chosen}:${server}:${JSON.stringify(asked)}`, (signal) => (chosen ? call(trySubscription, { subscription: asked, triggerId: chosen }, signal) : Promise.resolve(undefined)));
  if (past.data && list.length === 0) return <p class="muted">{t("events.try.none")}</p>;
  return (
    <fieldset class="choices">
      <legend>{t("events.try")}</legend>
      <Field label={t("events.past")}>{(a) => <PastEvent attributes={a} list={list} chosen={chosen} onChange={setTrigger} />}</Field>
      <Verdict result={result} />
    </fieldset>
  );
}

function PastEvent({ attributes, list, chosen, onChange }: { attributes: object; list: Occurrence[]; chosen: string; onChange: (trigger: string) => void }) {
  return <select {...attributes} value={chosen} onChange={(e) => onChange(e.currentTarget.value)}>{list.map((o) => <option key={o.triggerId} value={o.triggerId}>{o.type} · {absolute(new Date(o.received ?? ""))} · {o.triggerId}</option>)}</select>;
}

function Verdict({ result }: { result: Query<TrySubscriptionResponse | undefined> }) {
  return (
    <>
      {result.error && <Failure error={result.error} />}
      {result.data && (result.data.matches ? <Notice tone="" title={t("events.matches")} /> : <Notice tone="warn" title={t("events.matches_not")}>{result.data.whyNot}</Notice>)}
    </>
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
        <Field label={t("events.past")}>{(a) => <PastEvent attributes={a} list={past.data?.occurrences ?? []} chosen={chosen} onChange={setTrigger} />}</Field>
        <Verdict result={result} />
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
    <Dialog wide title={t("event")} onClose={onClose}>
      <div class="body"><Loaded query={found}>{(o) => (
        <>
          <dl class="facts"><dt>{t("events.type")}</dt><dd class="mono">{o.type}</dd><dt>{t("events.source")}</dt><dd class="mono break">{o.source}</dd><dt>{t("time")}</dt><dd><Time at={o.time} /></dd><dt>id</dt><dd class="mono small break">{o.id}</dd></dl>
          <pre class="result">{textOf(o.data)}</pre>
          <Deliveries trigger={trigger} />
        </>
      )}</Loaded></div>
    </Dialog>
  );
}

// What followed from an event, whole: each leads to its attempts.
function Deliveries({ trigger }: { trigger: string }) {
  const list = useQuery(`event:${trigger}:deliveries`, (signal) => call(listExecutions, { pageSize: 100, filter: { triggerId: trigger } }, signal), 3000);
  return (
    <section class="stack-2" aria-label={t("events.deliveries")}>
      <h3>{t("events.deliveries")}</h3>
      <Loaded query={list} lines={2}>
        {(page) => (page.executions ?? []).length === 0 ? <p class="muted">{t("events.deliveries.none")}</p> : (
          <div class="table-wrap"><table>
            <thead><tr><th>{t("timers.execution")}</th><th>{t("events.target")}</th><th>{t("status")}</th><th class="number">{t("queue.attempt")}</th><th>{t("reason")}</th><th>{t("queue.ended")}</th></tr></thead>
            <tbody>{page.executions?.map((e) => (
              <tr key={e.executionId}>
                <td class="mono small"><a class="name" href={`/queue/${e.executionId}`}>{e.executionId}</a></td>
                <td class="break">{e.function ? `${e.virtualServer}/${e.function}` : t("webhooks.out.url")}</td><td><ExecutionState state={e.state} /></td>
                <td class="number">{e.attempt ?? 0} / {e.retry?.maxAttempts || 3}</td><td class="break">{e.reason}<span class="sub">{e.message}</span></td><td><Time at={e.ended} /></td>
              </tr>
            ))}</tbody>
          </table></div>
        )}
      </Loaded>
    </section>
  );
}
