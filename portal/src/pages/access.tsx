// Who may come in: members with their roles, API keys, keys of dedicated servers.

import { useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { call } from "../api/client";
import type { Role } from "../api/method";
import { useQuery } from "../api/query";
import {
  addMember, createApiKey, createServerKey, listApiKeys, listMembers, listServerKeys, removeMember, resetMemberPassword, revokeApiKey, revokeServerKey, setMemberRole,
  type ApiKey, type Member, type ServerKey,
} from "../gen/identity";
import { t, type Key } from "../i18n";
import { may, session } from "../session";
import { word } from "../shell";
import { Badge, Button, Cli, CopyButton, Dialog, Empty, Field, FormDialog, Loaded, Notice, Page, Panel, Time } from "../ui/parts";

const TABS: [string, Key][] = [["", "access.members"], ["api-keys", "access.api_keys"], ["server-keys", "access.server_keys"]];
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,59}$/;
const ROLES: Role[] = ["viewer", "developer", "admin"];

export function Access() {
  const tab = useRoute().params["tab"] ?? "";
  return (
    <Page title={t("access")} sub={t("access.sub")} cli={tab === "" ? "ow member list" : tab === "api-keys" ? "ow apikey list" : "ow key list"}>
      <nav class="tabs" aria-label={t("access")}>
        {TABS.map(([path, label]) => <a key={path} href={`/access${path && `/${path}`}`} {...(path === tab ? { "aria-current": "page" } : {})}>{t(label)}</a>)}
      </nav>
      {tab === "" ? <Members /> : tab === "api-keys" ? <ApiKeys /> : <ServerKeys />}
    </Page>
  );
}

// What is shown once.
function Once({ title, text, secret, onClose }: { title: string; text: string; secret: string; onClose: () => void }) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="body">
        <Notice tone="warn" title={text} />
        <div class="secret-once"><code>{secret}</code><CopyButton text={secret} /></div>
      </div>
      <footer><Button kind="primary" onClick={onClose}>{t("done")}</Button></footer>
    </Dialog>
  );
}

// ---- members ----

function Members() {
  const list = useQuery("members", (signal) => call(listMembers, { pageSize: 200 }, signal), 10_000);
  const [adding, setAdding] = useState(false);
  const [changing, setChanging] = useState<Member>();
  const [removing, setRemoving] = useState<Member>();
  const [password, setPassword] = useState<{ email: string; secret: string }>();
  return (
    <Panel title={t("access.members")} bare actions={may(addMember) && <Button kind="primary" icon="plus" onClick={() => setAdding(true)}>{t("access.add")}</Button>}>
      <Loaded query={list}>
        {(page) => (
          <div class="table-wrap">
            <table>
              <thead><tr><th>{t("email")}</th><th>{t("role")}</th><th>{t("access.where")}</th><th>{t("created")}</th><th><span class="visually-hidden">{t("actions")}</span></th></tr></thead>
              <tbody>
                {page.members?.map((m) => (
                  <tr key={`${m.operatorId}${m.everyTitle}`}>
                    <td class="break"><strong>{m.email === "first" ? t("access.first") : m.email}</strong>{m.operatorId === session.value?.id && <> <Badge tone="accent">{t("access.you")}</Badge></>}<span class="sub mono">{m.operatorId}</span></td>
                    <td><Badge tone={m.role === "admin" ? "accent" : ""}>{m.role}</Badge></td>
                    <td>{m.everyTitle ? t("access.every") : t("access.here")}</td>
                    <td><Time at={m.createdAt} /></td>
                    <td class="right nowrap">
                      {m.email !== "first" && may(setMemberRole) && <Button kind="quiet" onClick={() => setChanging(m)}>{t("access.role")}</Button>}
                      {m.email !== "first" && may(resetMemberPassword) && <Button kind="quiet" icon="key" onClick={() => { void call(resetMemberPassword, { email: m.email! }).then((r) => setPassword({ email: m.email!, secret: r.password ?? "" })); }}>{t("access.reset")}</Button>}
                      {m.email !== "first" && may(removeMember) && <Button kind="quiet" icon="trash" aria-label={t("access.remove", { name: m.email ?? "" })} onClick={() => setRemoving(m)} />}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Loaded>
      {adding && <Add onClose={() => setAdding(false)} onDone={(email, secret) => { setAdding(false); list.reload(); if (secret) setPassword({ email, secret }); }} />}
      {changing && <ChangeRole member={changing} onClose={() => setChanging(undefined)} onDone={() => { setChanging(undefined); list.reload(); }} />}
      {removing && (
        <FormDialog danger title={t("access.remove", { name: removing.email ?? "" })} submit={t("access.remove.do")} onClose={() => setRemoving(undefined)}
          onSubmit={async () => { await call(removeMember, { email: removing.email!, everyTitle: removing.everyTitle ?? false }); setRemoving(undefined); list.reload(); }}>
          <p>{t("access.remove.text")}</p>
        </FormDialog>
      )}
      {password && <Once title={password.email} text={t("access.password")} secret={password.secret} onClose={() => setPassword(undefined)} />}
    </Panel>
  );
}

function RoleSelect({ value, onChange }: { value: string; onChange: (role: string) => void }) {
  return (
    <Field label={t("role")} hint={t(`role.${value as Role}`)}>
      {(a) => <select {...a} value={value} onChange={(e) => onChange(e.currentTarget.value)}>{ROLES.map((role) => <option key={role}>{role}</option>)}</select>}
    </Field>
  );
}

function Add({ onClose, onDone }: { onClose: () => void; onDone: (email: string, password: string) => void }) {
  const [email, setEmail] = useState("");
  const [role, setRole] = useState("developer");
  const [every, setEvery] = useState(false);
  return (
    <FormDialog title={t("access.add")} submit={t("access.add")} disabled={!email.includes("@")} onClose={onClose}
      onSubmit={async () => { onDone(email, (await call(addMember, { email, role, everyTitle: every })).password ?? ""); }}>
      <Field label={t("email")}>{(a) => <input {...a} type="email" autoFocus value={email} onInput={(e) => setEmail(e.currentTarget.value)} />}</Field>
      <RoleSelect value={role} onChange={setRole} />
      {session.value?.everyTitle && <label class="check"><input type="checkbox" checked={every} onChange={(e) => setEvery(e.currentTarget.checked)} />{t("access.every")}</label>}
      <Cli line={`ow member add ${word(email || "EMAIL")} --role ${role}${every ? " --every-title" : ""}`} />
    </FormDialog>
  );
}

function ChangeRole({ member, onClose, onDone }: { member: Member; onClose: () => void; onDone: () => void }) {
  const [role, setRole] = useState(member.role ?? "viewer");
  return (
    <FormDialog title={member.email ?? ""} submit={t("save")} onClose={onClose}
      onSubmit={async () => { await call(setMemberRole, { email: member.email!, role, everyTitle: member.everyTitle ?? false }); onDone(); }}>
      <RoleSelect value={role} onChange={setRole} />
      <Cli line={`ow member set-role ${member.email ?? ""} ${role}`} />
    </FormDialog>
  );
}

// ---- keys ----

function ApiKeys() {
  const list = useQuery("apikeys", (signal) => call(listApiKeys, {}, signal), 10_000);
  const [adding, setAdding] = useState(false);
  const [secret, setSecret] = useState<{ name: string; secret: string }>();
  return (
    <Panel title={t("access.api_keys")} bare actions={may(createApiKey) && <Button kind="primary" icon="plus" onClick={() => setAdding(true)}>{t("access.new_key")}</Button>}>
      <Loaded query={list}>
        {(page) => (page.keys ?? []).length === 0 ? <Empty icon="key" title={t("access.no_keys")}>{t("access.api_keys.text")}</Empty> : (
          <div class="table-wrap">
            <table>
              <thead><tr><th>{t("name")}</th><th>{t("role")}</th><th>{t("created")}</th><th>{t("players.expires")}</th><th><span class="visually-hidden">{t("actions")}</span></th></tr></thead>
              <tbody>{page.keys?.map((key: ApiKey) => (
                <tr key={key.keyId}>
                  <td class="break"><strong>{key.name}</strong><span class="sub mono">{key.keyId}</span></td><td><Badge>{key.role}</Badge></td><td><Time at={key.createdAt} /></td>
                  <td>{key.expiresAt ? <Time at={key.expiresAt} /> : t("never")}</td>
                  <td class="right"><Button kind="quiet" icon="trash" onClick={() => { void call(revokeApiKey, { keyId: key.keyId! }).then(list.reload); }}>{t("access.revoke")}</Button></td>
                </tr>
              ))}</tbody>
            </table>
          </div>
        )}
      </Loaded>
      {adding && <NewApiKey onClose={() => setAdding(false)} onDone={(name, made) => { setAdding(false); setSecret({ name, secret: made }); list.reload(); }} />}
      {secret && <Once title={secret.name} text={t("access.key_once")} secret={secret.secret} onClose={() => setSecret(undefined)} />}
    </Panel>
  );
}

function NewApiKey({ onClose, onDone }: { onClose: () => void; onDone: (name: string, secret: string) => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState("viewer");
  const [days, setDays] = useState(90);
  return (
    <FormDialog title={t("access.new_key")} submit={t("create")} disabled={!NAME.test(name)} onClose={onClose}
      onSubmit={async () => { onDone(name, (await call(createApiKey, { name, role, days })).secret ?? ""); }}>
      <Field label={t("name")} hint={t("vs.name.hint")} error={name !== "" && !NAME.test(name) ? t("vs.name.wrong") : undefined}>{(a) => <input {...a} autoFocus value={name} maxLength={60} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
      <RoleSelect value={role} onChange={setRole} />
      <Field label={t("access.days")} hint={t("access.days.hint")}>{(a) => <input {...a} type="number" min={0} max={3650} value={days} onInput={(e) => setDays(Number(e.currentTarget.value))} />}</Field>
      <Cli line={`ow apikey create ${word(name || "NAME")} --role ${role}${days ? ` --days ${days}` : ""}`} />
    </FormDialog>
  );
}

function ServerKeys() {
  const list = useQuery("serverkeys", (signal) => call(listServerKeys, { pageSize: 200 }, signal), 10_000);
  const [adding, setAdding] = useState(false);
  const [name, setName] = useState("");
  const [secret, setSecret] = useState<{ name: string; secret: string }>();
  return (
    <Panel title={t("access.server_keys")} bare actions={may(createServerKey) && <Button kind="primary" icon="plus" onClick={() => setAdding(true)}>{t("access.new_key")}</Button>}>
      <Loaded query={list}>
        {(page) => (page.keys ?? []).length === 0 ? <Empty icon="key" title={t("access.no_keys")}>{t("access.server_keys.text")}</Empty> : (
          <div class="table-wrap">
            <table>
              <thead><tr><th>{t("name")}</th><th>{t("status")}</th><th>{t("created")}</th><th><span class="visually-hidden">{t("actions")}</span></th></tr></thead>
              <tbody>{page.keys?.map((key: ServerKey) => (
                <tr key={key.keyId}>
                  <td class="break"><strong>{key.name}</strong><span class="sub mono">{key.keyId}</span></td>
                  <td>{key.revokedAt ? <Badge tone="bad">{t("access.revoked")}</Badge> : <Badge tone="ok">{t("access.good")}</Badge>}</td><td><Time at={key.createdAt} /></td>
                  <td class="right">{!key.revokedAt && may(revokeServerKey) && <Button kind="quiet" icon="trash" onClick={() => { void call(revokeServerKey, { keyId: key.keyId! }).then(list.reload); }}>{t("access.revoke")}</Button>}</td>
                </tr>
              ))}</tbody>
            </table>
          </div>
        )}
      </Loaded>
      {adding && (
        <FormDialog title={t("access.new_key")} submit={t("create")} disabled={!NAME.test(name)} onClose={() => setAdding(false)}
          onSubmit={async () => {
            const made = await call(createServerKey, { name, requestKey: crypto.randomUUID() });
            setAdding(false);
            setSecret({ name: made.key?.keyId ?? "", secret: made.secret ?? "" });
            list.reload();
          }}>
          <Field label={t("name")} hint={t("vs.name.hint")} error={name !== "" && !NAME.test(name) ? t("vs.name.wrong") : undefined}>{(a) => <input {...a} autoFocus value={name} maxLength={60} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
          <Cli line={`ow key create ${word(name || "NAME")}`} />
        </FormDialog>
      )}
      {secret && <Once title={secret.name} text={t("access.key_once")} secret={secret.secret} onClose={() => setSecret(undefined)} />}
    </Panel>
  );
}
