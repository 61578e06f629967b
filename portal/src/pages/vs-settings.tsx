// What a virtual server may do and knows: limits and environment from its manifest, secrets, its end.

import { useLocation } from "preact-iso";
import { useState } from "preact/hooks";
import { call } from "../api/client";
import { useQuery } from "../api/query";
import { toBase64 } from "../base64";
import { bytes, count, duration, num } from "../format";
import { kvUsage } from "../gen/data";
import { deleteSecret, deleteVirtualServer, deploy, listSecrets, setSecret, updateVirtualServer, useSecretVersion, type FetchRules, type Secret, type VirtualServer } from "../gen/registry";
import { listInstances } from "../gen/runner";
import { t } from "../i18n";
import { may } from "../session";
import { word } from "../shell";
import { Button, Cli, Empty, Field, FormDialog, Loaded, Notice, Panel, Time, say } from "../ui/parts";
import { ConfigureEgress, ConfigureEnv, ConfigureLimits } from "./vs-configure";

const FORMS = { limits: ConfigureLimits, env: ConfigureEnv, egress: ConfigureEgress };

export function SettingsTab({ server, onChanged }: { server: VirtualServer; onChanged: () => void }) {
  const name = server.name ?? "";
  const { route } = useLocation();
  const [describing, setDescribing] = useState(false);
  const [ending, setEnding] = useState(false);
  const [configuring, setConfiguring] = useState<keyof typeof FORMS>();
  const Form = configuring && FORMS[configuring];
  const change = (what: keyof typeof FORMS) => may(deploy) && server.latest?.revisionId && <Button aria-label={`${t("edit")}: ${t(`settings.${what}`)}`} onClick={() => setConfiguring(what)}>{t("edit")}</Button>;
  return (
    <div class="stack">
      <Panel title={t("settings.about")} actions={may(updateVirtualServer) && <Button onClick={() => setDescribing(true)}>{t("edit")}</Button>}>
        <dl class="facts">
          <dt>{t("description")}</dt><dd>{server.description || "–"}</dd>
          <dt>{t("runtime")}</dt><dd>{server.runtime}</dd>
          <dt>{t("created")}</dt><dd><Time at={server.createdAt} /></dd>
          <dt>{t("revision")}</dt><dd class="mono">{server.latest?.revisionId || "–"}</dd>
        </dl>
      </Panel>
      <Panel title={t("settings.limits")} bare actions={<><a href={`/vs/${name}/code?file=virtualserver.json`}>virtualserver.json</a>{change("limits")}</>}>
        <div class="table-wrap">
          <table>
            <thead><tr><th>{t("function")}</th><th>{t("exposure")}</th><th class="number">{t("timeout")}</th><th class="number">{t("memory")}</th><th>{t("settings.entry")}</th><th>{t("settings.log_payload")}</th></tr></thead>
            <tbody>
              {(server.latest?.functions ?? []).map((f) => (
                <tr key={f.name}><td>{f.name}</td><td>{f.exposure}</td><td class="number">{duration(num(f.timeoutMs) * 1000)}</td><td class="number">{f.memoryMb} MB</td><td class="mono">{f.entry}</td><td>{f.logPayload ? t("yes") : t("no")}</td></tr>
              ))}
            </tbody>
          </table>
        </div>
      </Panel>
      <Panel title={t("settings.env")} bare actions={change("env")}>
        {(server.latest?.env ?? []).length === 0 ? <div class="body muted">{t("settings.env.none")}</div> : (
          <div class="table-wrap"><table><thead><tr><th>{t("name")}</th><th>{t("value")}</th></tr></thead>
            <tbody>{server.latest?.env?.map((e) => <tr key={e.name}><td class="mono">{e.name}</td><td class="mono break">{e.value}</td></tr>)}</tbody></table></div>
        )}
      </Panel>
      <Panel title={t("settings.egress")} actions={change("egress")}>
        <Egress rules={server.latest?.fetch} />
      </Panel>
      <Quota name={name} />
      <Secrets name={name} />
      {may(deleteVirtualServer) && (
        <Panel title={t("settings.end")} actions={<Button kind="danger" icon="trash" onClick={() => setEnding(true)}>{t("delete")}</Button>}>
          <p class="muted">{t("settings.end.text")}</p>
        </Panel>
      )}
      {Form && <Form server={server} onClose={() => setConfiguring(undefined)} onDone={() => { setConfiguring(undefined); onChanged(); }} />}
      {describing && <Describe server={server} onClose={() => setDescribing(false)} onDone={() => { setDescribing(false); onChanged(); }} />}
      {ending && <End server={server} onClose={() => setEnding(false)} onDone={() => route("/vs")} />}
    </div>
  );
}

function Egress({ rules }: { rules: FetchRules | undefined }) {
  if (!rules) return <p class="muted">{t("settings.egress.none")}</p>;
  return (
    <dl class="facts">
      <dt>{t("settings.egress.hosts")}</dt><dd class="mono break">{(rules.hosts ?? []).join(", ") || "–"}</dd>
      <dt>{t("settings.egress.networks")}</dt><dd class="mono break">{(rules.networks ?? []).join(", ") || "–"}</dd>
      <dt>{t("settings.egress.plain")}</dt><dd>{rules.plain ? t("yes") : t("no")}</dd>
    </dl>
  );
}

// How much of what it may have there is.
function Quota({ name }: { name: string }) {
  const there = useQuery(`quota:${name}`, (signal) => call(listInstances, { virtualServer: name }, signal), 10_000);
  const usage = useQuery(`quota:kv:${name}`, (signal) => call(kvUsage, { scope: { kind: "VIRTUAL_SERVER", virtualServer: name } }, signal), 10_000);
  const reserved = (there.data?.instances ?? []).reduce((sum, i) => sum + num(i.memoryLimitBytes), 0);
  return (
    <Panel title={t("settings.quota")}>
      <dl class="facts">
        <dt>{t("settings.quota.instances")}</dt><dd>{there.data ? t("settings.quota.of", { n: count((there.data.instances ?? []).length), all: count(there.data.quota ?? 0) }) : "–"}</dd>
        <dt>{t("settings.quota.memory")}</dt><dd>{there.data ? t("settings.quota.of_title", { n: bytes(reserved), all: bytes(num(there.data.titleMemoryBytes)) }) : "–"}</dd>
        <dt>{t("settings.quota.kv")}</dt><dd>{usage.data ? t("settings.quota.kv.of", { keys: count(num(usage.data.keys)), max: count(num(usage.data.maxKeys)), n: bytes(num(usage.data.bytes)), all: bytes(num(usage.data.maxBytes)) }) : "–"}</dd>
      </dl>
    </Panel>
  );
}

function Describe({ server, onClose, onDone }: { server: VirtualServer; onClose: () => void; onDone: () => void }) {
  // As it was when the form was opened: a change meanwhile is a conflict, not lost.
  const [etag] = useState(server.etag);
  const [description, setDescription] = useState(server.description ?? "");
  return (
    <FormDialog title={t("settings.about")} submit={t("save")} onClose={onClose}
      onSubmit={async () => {
        await call(updateVirtualServer, { name: server.name!, description, etag: etag! });
        onDone();
      }}>
      <Field label={t("description")}>{(a) => <input {...a} autoFocus value={description} maxLength={200} onInput={(e) => setDescription(e.currentTarget.value)} />}</Field>
      <Cli line={`ow vs describe ${server.name ?? ""} ${word(description)}`} />
    </FormDialog>
  );
}

function End({ server, onClose, onDone }: { server: VirtualServer; onClose: () => void; onDone: () => void }) {
  const [typed, setTyped] = useState("");
  return (
    <FormDialog danger title={t("settings.end.title", { name: server.name ?? "" })} submit={t("delete")} disabled={typed !== server.name} onClose={onClose}
      onSubmit={async () => {
        await call(deleteVirtualServer, { name: server.name!, etag: server.etag! });
        say(t("settings.ended", { name: server.name ?? "" }));
        onDone();
      }}>
      <Notice tone="warn" title={t("settings.end.warning")} />
      <Field label={t("settings.end.type", { name: server.name ?? "" })}>{(a) => <input {...a} autoFocus value={typed} onInput={(e) => setTyped(e.currentTarget.value)} />}</Field>
      <Cli line={`ow vs delete ${server.name ?? ""}`} />
    </FormDialog>
  );
}

function Secrets({ name }: { name: string }) {
  const list = useQuery(`secrets:${name}`, (signal) => call(listSecrets, { virtualServer: name }, signal));
  const [setting, setSetting] = useState<Secret | "new">();
  const [removing, setRemoving] = useState<Secret>();
  const back = async (secret: Secret): Promise<void> => {
    try {
      await call(useSecretVersion, { virtualServer: name, name: secret.name!, version: String(num(secret.version) - 1), etag: secret.etag! });
    } catch (cause) {
      say((cause as Error).message, "bad");
    }
    list.reload();
  };
  return (
    <Panel title={t("secrets")} bare actions={<>{<Cli line={`ow secret list ${name}`} />}{may(setSecret) && <Button icon="plus" onClick={() => setSetting("new")}>{t("secrets.add")}</Button>}</>}>
      <Loaded query={list} lines={2}>
        {(page) => (page.secrets ?? []).length === 0
          ? <Empty icon="key" title={t("secrets.none")}>{t("secrets.none.text")}</Empty>
          : (
            <div class="table-wrap">
              <table>
                <thead><tr><th>{t("name")}</th><th class="number">{t("version")}</th><th>{t("versions.by")}</th><th>{t("changed")}</th><th><span class="visually-hidden">{t("actions")}</span></th></tr></thead>
                <tbody>
                  {page.secrets?.map((secret) => (
                    <tr key={secret.name}>
                      <td class="mono">{secret.name}</td><td class="number">{secret.version} / {secret.latestVersion}</td><td class="mono break">{secret.updatedBy}</td><td><Time at={secret.updatedAt} /></td>
                      <td class="right nowrap">
                        {may(useSecretVersion) && num(secret.version) > 1 && <Button kind="quiet" icon="rollback" onClick={() => { void back(secret); }}>{t("secrets.back", { n: num(secret.version) - 1 })}</Button>}
                        {may(setSecret) && <Button kind="quiet" onClick={() => setSetting(secret)}>{t("secrets.replace")}</Button>}
                        {may(deleteSecret) && <Button kind="quiet" icon="trash" aria-label={t("secrets.delete", { name: secret.name ?? "" })} onClick={() => setRemoving(secret)} />}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
      </Loaded>
      {setting && <SetSecret name={name} secret={setting === "new" ? undefined : setting} onClose={() => setSetting(undefined)} onDone={() => { setSetting(undefined); list.reload(); }} />}
      {removing && (
        <FormDialog danger title={t("secrets.delete", { name: removing.name ?? "" })} submit={t("delete")} onClose={() => setRemoving(undefined)}
          onSubmit={async () => {
            await call(deleteSecret, { virtualServer: name, name: removing.name!, etag: removing.etag! });
            setRemoving(undefined);
            list.reload();
          }}>
          <p>{t("secrets.delete.text")}</p>
        </FormDialog>
      )}
    </Panel>
  );
}

function SetSecret({ name, secret, onClose, onDone }: { name: string; secret: Secret | undefined; onClose: () => void; onDone: () => void }) {
  const [title, setTitle] = useState(secret?.name ?? "");
  const [value, setValue] = useState("");
  return (
    <FormDialog title={secret ? t("secrets.replace.title", { name: title }) : t("secrets.add")} submit={t("save")} disabled={title === "" || value === ""} onClose={onClose}
      onSubmit={async () => {
        await call(setSecret, { virtualServer: name, name: title, value: toBase64(value), ...(secret?.etag ? { etag: secret.etag } : {}) });
        onDone();
      }}>
      {!secret && <Field label={t("name")} hint={t("secrets.name.hint")}>{(a) => <input {...a} autoFocus value={title} onInput={(e) => setTitle(e.currentTarget.value)} />}</Field>}
      <Field label={t("value")} hint={t("secrets.value.hint")}>{(a) => <input {...a} type="password" autocomplete="off" value={value} onInput={(e) => setValue(e.currentTarget.value)} />}</Field>
      <Cli line={`ow secret set ${name} ${word(title || "NAME")}`} />
    </FormDialog>
  );
}
