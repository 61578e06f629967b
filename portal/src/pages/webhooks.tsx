// Webhooks: other people's requests that become events, and events that become requests to other people.

import { useState } from "preact/hooks";
import { call } from "../api/client";
import { useQuery } from "../api/query";
import { createWebhook, deleteWebhook, listSubscriptions, listWebhooks, setWebhookDisabled, type CreateWebhookResponse, type SubscriptionState, type WebhookState } from "../gen/events";
import { t } from "../i18n";
import { may } from "../session";
import { flags, word } from "../shell";
import { Badge, Button, Cli, CopyButton, Dialog, Empty, Field, FormDialog, Loaded, Notice, Panel, Time, say } from "../ui/parts";

const PAGE = 200;
const PAGES_MAX = 10;

export async function readWebhooks(signal: AbortSignal): Promise<WebhookState[]> {
  const all: WebhookState[] = [];
  let pageToken = "";
  for (let i = 0; i < PAGES_MAX; i++) {
    const page = await call(listWebhooks, { pageSize: PAGE, pageToken }, signal);
    all.push(...(page.webhooks ?? []));
    pageToken = page.nextPageToken ?? "";
    if (pageToken === "") break;
  }
  return all;
}

async function readOutgoing(signal: AbortSignal): Promise<SubscriptionState[]> {
  const all: SubscriptionState[] = [];
  let pageToken = "";
  for (let i = 0; i < PAGES_MAX; i++) {
    const page = await call(listSubscriptions, { pageSize: PAGE, pageToken }, signal);
    all.push(...(page.subscriptions ?? []).filter((s) => s.declared?.url));
    pageToken = page.nextPageToken ?? "";
    if (pageToken === "") break;
  }
  return all;
}

const State = ({ disabled }: { disabled: boolean | undefined }) => (disabled ? <Badge tone="warn">{t("timers.paused")}</Badge> : <Badge tone="ok">{t("timers.active")}</Badge>);

export function WebhookRows({ webhooks, onSwitch, onDelete }: { webhooks: WebhookState[]; onSwitch?: (w: WebhookState) => void; onDelete?: (w: WebhookState) => void }) {
  return (
    <div class="table-wrap"><table>
      <thead><tr><th>{t("name")}</th><th>{t("webhooks.path")}</th><th>{t("events.type")}</th><th>{t("webhooks.verification")}</th><th>{t("status")}</th><th>{t("changed")}</th><th><span class="visually-hidden">{t("actions")}</span></th></tr></thead>
      <tbody>{webhooks.map((w) => (
        <tr key={w.declared?.name}>
          <td><strong>{w.declared?.name}</strong>{w.fromManifest && <span class="sub">{w.virtualServer} · {t("timers.declared")}</span>}</td>
          <td class="mono small break">{w.path}</td><td class="mono small"><a href={`/events/log?type=${w.declared?.eventType}`}>{w.declared?.eventType}</a></td>
          <td>{w.declared?.verification}{w.declared?.header && <span class="sub mono">{w.declared.header}</span>}</td>
          <td><State disabled={w.disabled} /></td><td><Time at={w.updated} /></td>
          <td class="right nowrap">
            {onSwitch && may(setWebhookDisabled) && <Button kind="quiet" onClick={() => onSwitch(w)}>{w.disabled ? t("timers.resume") : t("timers.pause")}</Button>}
            {onDelete && !w.fromManifest && may(deleteWebhook) && <Button kind="quiet" icon="trash" aria-label={`${t("delete")} ${w.declared?.name}`} onClick={() => onDelete(w)} />}
          </td>
        </tr>
      ))}</tbody>
    </table></div>
  );
}

export function Webhooks() {
  const list = useQuery("webhooks", readWebhooks, 5000);
  const out = useQuery("webhooks:out", readOutgoing, 5000);
  const [creating, setCreating] = useState(false);
  const [made, setMade] = useState<CreateWebhookResponse>();
  const [ending, setEnding] = useState<WebhookState>();
  const act = (what: Promise<unknown>): void => {
    void what.then(list.reload, (e: Error) => { say(e.message, "bad"); list.reload(); });
  };
  return (
    <div class="stack">
      <Panel title={t("webhooks.in")} bare actions={may(createWebhook) && <Button kind="primary" icon="plus" onClick={() => setCreating(true)}>{t("webhooks.create")}</Button>}>
        <Loaded query={list}>
          {(found) => found.length === 0 ? <Empty icon="globe" title={t("webhooks.none")}>{t("webhooks.none.text")}</Empty>
            : <WebhookRows webhooks={found} onSwitch={(w) => act(call(setWebhookDisabled, { name: w.declared?.name ?? "", disabled: !w.disabled }))} onDelete={setEnding} />}
        </Loaded>
      </Panel>
      <Panel title={t("webhooks.out")} bare actions={<a href="/events">{t("events.subscriptions")}</a>}>
        <Loaded query={out}>
          {(found) => found.length === 0 ? <Empty icon="globe" title={t("webhooks.out.none")}>{t("webhooks.out.text")}</Empty> : (
            <div class="table-wrap"><table>
              <thead><tr><th>{t("name")}</th><th>{t("webhooks.out.url")}</th><th>{t("events.type")}</th><th>{t("status")}</th><th>{t("changed")}</th><th><span class="visually-hidden">{t("actions")}</span></th></tr></thead>
              <tbody>{found.map((s) => (
                <tr key={s.subscriptionId}>
                  <td><strong>{s.declared?.name}</strong><span class="sub">{s.virtualServer}</span></td><td class="mono small break">{s.declared?.url}</td><td class="mono small">{s.declared?.eventType}</td>
                  <td><State disabled={s.disabled} />{s.disabledReason && <span class="sub break">{s.disabledReason}</span>}</td><td><Time at={s.updated} /></td>
                  <td class="right"><a class="button quiet" href={`/queue?subscription=${s.subscriptionId}`}>{t("events.deliveries")}</a></td>
                </tr>
              ))}</tbody>
            </table></div>
          )}
        </Loaded>
      </Panel>
      {creating && <Create onClose={() => setCreating(false)} onDone={(reply) => { setCreating(false); setMade(reply); list.reload(); }} />}
      {made && <Made reply={made} onClose={() => setMade(undefined)} />}
      {ending && (
        <FormDialog danger title={`${t("delete")} ${ending.declared?.name}`} submit={t("delete")} onClose={() => setEnding(undefined)}
          onSubmit={async () => { await call(deleteWebhook, { name: ending.declared?.name ?? "" }); setEnding(undefined); list.reload(); }}>
          <Notice tone="warn" title={t("webhooks.delete.text")} />
          <Cli line={`ow webhook delete ${ending.declared?.name}`} />
        </FormDialog>
      )}
    </div>
  );
}

const NAME = /^[A-Za-z0-9_-]{1,60}$/;

function Create({ onClose, onDone }: { onClose: () => void; onDone: (reply: CreateWebhookResponse) => void }) {
  const [name, setName] = useState("");
  const [type, setType] = useState("");
  const [verification, setVerification] = useState("standard");
  const [header, setHeader] = useState("X-Signature");
  const [prefix, setPrefix] = useState("sha256=");
  const [secret, setSecret] = useState("");
  const [requestKey] = useState(() => crypto.randomUUID());
  const hmac = verification === "hmac-sha256";
  return (
    <FormDialog title={t("webhooks.create")} submit={t("create")} disabled={!NAME.test(name) || type === "" || (hmac && header === "")} onClose={onClose}
      onSubmit={async () => onDone(await call(createWebhook, { webhook: { name, eventType: type, verification, ...(hmac ? { header, prefix } : {}) }, secret, requestKey }))}>
      <Field label={t("name")} hint={t("webhooks.name.hint")}>{(a) => <input {...a} autoFocus value={name} maxLength={60} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
      <Field label={t("events.type")} hint={t("webhooks.type.hint")}>{(a) => <input {...a} value={type} onInput={(e) => setType(e.currentTarget.value)} />}</Field>
      <Field label={t("webhooks.verification")}>
        {(a) => <select {...a} value={verification} onChange={(e) => setVerification(e.currentTarget.value)}><option value="standard">Standard Webhooks</option><option value="hmac-sha256">HMAC-SHA256</option></select>}
      </Field>
      {hmac && (
        <div class="columns-tight">
          <Field label={t("webhooks.header")}>{(a) => <input {...a} class="mono" value={header} onInput={(e) => setHeader(e.currentTarget.value)} />}</Field>
          <Field label={t("webhooks.prefix")}>{(a) => <input {...a} class="mono" value={prefix} onInput={(e) => setPrefix(e.currentTarget.value)} />}</Field>
        </div>
      )}
      <Field label={t("webhooks.secret")} hint={t("webhooks.secret.hint")}>{(a) => <input {...a} type="password" autocomplete="off" value={secret} onInput={(e) => setSecret(e.currentTarget.value)} />}</Field>
      <Cli line={`ow webhook create ${word(name || "NAME")} ${word(type || "TYPE")}${hmac ? flags({ header, prefix }) : ""}`} />
    </FormDialog>
  );
}

function Made({ reply, onClose }: { reply: CreateWebhookResponse; onClose: () => void }) {
  return (
    <Dialog title={t("webhooks.made")} onClose={onClose}>
      <div class="body">
        <p>{t("webhooks.made.text")}</p>
        <div class="secret-once"><code>{reply.webhook?.path}</code><CopyButton text={reply.webhook?.path ?? ""} /></div>
        {reply.secret && <><p>{t("access.key_once")}</p><div class="secret-once"><code>{reply.secret}</code><CopyButton text={reply.secret} /></div></>}
      </div>
      <footer><Button kind="primary" onClick={onClose}>{t("done")}</Button></footer>
    </Dialog>
  );
}
