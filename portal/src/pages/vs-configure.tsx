// Forms that change what virtualserver.json says of limits, environment and outgoing requests. Each saves as a deploy
// does, and only over what it was opened with.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError, call } from "../api/client";
import { useQuery } from "../api/query";
import { asText, pack, readFile, readVersion, upload } from "../bundle";
import { count, num } from "../format";
import { deploy, getRevision, type VirtualServer } from "../gen/registry";
import { t, type Key } from "../i18n";
import {
  egressOf, envBytes, envOf, envRoom, EXPOSURES, hostsProblem, limitsOf, MANIFEST, memoryProblem, networksProblem, timeoutProblem, variableProblem, withEgress, withEnv, withLimits,
  type Egress, type Limits, type Variable,
} from "../manifest";
import { Button, Cli, Field, FormDialog, Loaded, Notice, say } from "../ui/parts";

interface Base {
  revision: string;
  text: string;
}

async function readBase(virtualServer: string, signal: AbortSignal): Promise<Base> {
  const { revision } = await call(getRevision, { virtualServer, version: "$LATEST" }, signal);
  const text = asText(await readFile(virtualServer, "$LATEST", MANIFEST));
  if (text === undefined) throw new ApiError(0, "data_loss", "bad_manifest", `${MANIFEST} is no text`, "");
  return { revision: revision?.revisionId ?? "", text };
}

async function save(name: string, base: Base, text: string, publish: boolean): Promise<void> {
  // When it is no longer what the form was opened with, the deploy is refused.
  const { files } = await readVersion(name, "$LATEST");
  files.set(MANIFEST, new TextEncoder().encode(text));
  const bundleSha256 = await upload(pack(files));
  const reply = await call(deploy, { virtualServer: name, bundleSha256, publish, basedOn: base.revision, requestKey: crypto.randomUUID() });
  const wrong = reply.diagnostics?.[0];
  if (!reply.built) throw new ApiError(0, "failed_precondition", "not_built", `${wrong?.file}:${wrong?.line}: ${wrong?.message}`, "");
  say(publish ? t("code.published", { n: reply.revision?.version ?? "" }) : t("code.deployed"));
}

interface Form<T> {
  title: Key;
  read: (text: string) => T;
  write: (text: string, value: T) => string;
  isWrong: (value: T) => boolean;
  fields: (value: T, set: (value: T) => void) => ComponentChildren;
}

interface Props {
  server: VirtualServer;
  onClose: () => void;
  onDone: () => void;
}

function Configure<T>({ server, onClose, onDone, form }: Props & { form: Form<T> }) {
  const name = server.name ?? "";
  const target = server.aliases?.find((a) => a.name === "$DEFAULT")?.targets?.[0]?.version;
  const isServed = num(server.latest?.version) > 0 && target === server.latest?.version;
  const [publish, setPublish] = useState(isServed);
  const [value, setValue] = useState<T>();
  const base = useQuery(`configure:${name}`, (signal) => readBase(name, signal));
  const now = base.data && (value ?? form.read(base.data.text));
  const isWrong = now === undefined || form.isWrong(now);
  const text = base.data && !isWrong ? form.write(base.data.text, now) : undefined;
  return (
    <FormDialog wide title={t(form.title)} submit={t("save")} disabled={text === undefined || text === base.data?.text} onClose={onClose}
      onSubmit={async () => {
        await save(name, base.data!, text!, publish);
        onDone();
      }}>
      <Loaded query={base}>{() => <>{now !== undefined && form.fields(now, setValue)}</>}</Loaded>
      <label class="check"><input type="checkbox" checked={publish} onChange={(e) => setPublish(e.currentTarget.checked)} />{t("settings.publish")}</label>
      {publish && !isServed && target !== "$LATEST" && <Notice tone="warn" title={t("settings.publish.more")} />}
      <Cli line={`ow vs pull ${name} DIR && $EDITOR DIR/${MANIFEST} && ow vs deploy DIR${publish ? " --publish" : ""} --based-on ${base.data?.revision || "REVISION"}`} />
    </FormDialog>
  );
}

// ---- limits ----

const LIMITS: Form<Limits[]> = {
  title: "settings.limits",
  read: limitsOf,
  write: withLimits,
  isWrong: (all) => all.some((each) => timeoutProblem(each.timeoutMs) ?? memoryProblem(each.memoryMb)),
  fields: (all, set) => all.map((each, at) => (
    <LimitsOfOne key={each.name} limits={each} onChange={(change) => set(all.map((other, i) => (i === at ? { ...other, ...change } : other)))} />
  )),
};

function LimitsOfOne({ limits, onChange }: { limits: Limits; onChange: (change: Partial<Limits>) => void }) {
  const problem = (found: Key | undefined): string | undefined => found && t(found);
  return (
    <fieldset class="group">
      <legend class="mono">{limits.name}</legend>
      <div class="columns-tight">
        <Field label={t("exposure")}>
          {(a) => <select {...a} value={limits.exposure} onChange={(e) => onChange({ exposure: e.currentTarget.value })}>{EXPOSURES.map((each) => <option key={each} value={each}>{t(`settings.exposure.${each}`)}</option>)}</select>}
        </Field>
        <Field label={t("settings.timeout")} error={problem(timeoutProblem(limits.timeoutMs))}>
          {(a) => <input {...a} inputMode="numeric" value={limits.timeoutMs} onInput={(e) => onChange({ timeoutMs: e.currentTarget.value.trim() })} />}
        </Field>
        <Field label={t("settings.memory")} error={problem(memoryProblem(limits.memoryMb))}>
          {(a) => <input {...a} inputMode="numeric" value={limits.memoryMb} onInput={(e) => onChange({ memoryMb: e.currentTarget.value.trim() })} />}
        </Field>
      </div>
      <label class="check"><input type="checkbox" checked={limits.logPayload} onChange={(e) => onChange({ logPayload: e.currentTarget.checked })} />{t("settings.log_payload.text")}</label>
    </fieldset>
  );
}

export const ConfigureLimits = (props: Props) => <Configure {...props} form={LIMITS} />;

// ---- environment ----

const ENV: Form<Variable[]> = {
  title: "settings.env",
  read: envOf,
  write: withEnv,
  isWrong: (list) => envBytes(list) > envRoom || list.some((_, at) => variableProblem(list, at)),
  fields: (list, set) => <Variables list={list} onChange={set} />,
};

function Variables({ list, onChange }: { list: Variable[]; onChange: (list: Variable[]) => void }) {
  const put = (at: number, change: Partial<Variable>): void => onChange(list.map((each, i) => (i === at ? { ...each, ...change } : each)));
  return (
    <>
      <p class="muted">{t("settings.env.text")}</p>
      {list.map((each, at) => {
        const found = each.name === "" ? undefined : variableProblem(list, at);
        return (
          <div key={at} class="pair">
            <Field label={t("name")} error={found && t(found)}>{(a) => <input {...a} class="mono" value={each.name} onInput={(e) => put(at, { name: e.currentTarget.value.trim() })} />}</Field>
            <Field label={t("value")}>{(a) => <input {...a} class="mono" value={each.value} onInput={(e) => put(at, { value: e.currentTarget.value })} />}</Field>
            <Button kind="quiet" icon="trash" aria-label={t("settings.env.drop", { name: each.name || String(at + 1) })} onClick={() => onChange(list.filter((_, i) => i !== at))} />
          </div>
        );
      })}
      <div class="row">
        <Button icon="plus" onClick={() => onChange([...list, { name: "", value: "" }])}>{t("settings.env.add")}</Button>
        <span class={envBytes(list) > envRoom ? "bad" : "muted"} role="status">{t("settings.env.room", { n: count(envBytes(list)), all: count(envRoom) })}</span>
      </div>
    </>
  );
}

export const ConfigureEnv = (props: Props) => <Configure {...props} form={ENV} />;

// ---- outgoing requests ----

const EGRESS: Form<Egress> = {
  title: "settings.egress",
  read: egressOf,
  write: withEgress,
  isWrong: (egress) => egress.open && (hostsProblem(egress.hosts) ?? networksProblem(egress.networks)) !== undefined,
  fields: (egress, set) => <Rules egress={egress} onChange={(change) => set({ ...egress, ...change })} />,
};

function Rules({ egress, onChange }: { egress: Egress; onChange: (change: Partial<Egress>) => void }) {
  const said = (problem: [Key, string] | undefined): string | undefined => problem && t(problem[0], { entry: problem[1] });
  return (
    <>
      <label class="check"><input type="checkbox" checked={egress.open} onChange={(e) => onChange({ open: e.currentTarget.checked })} />{t("settings.egress.open")}</label>
      {egress.open && (
        <>
          <Field label={t("settings.egress.hosts")} hint={t("settings.egress.hosts.hint")} error={said(hostsProblem(egress.hosts))}>
            {(a) => <textarea {...a} rows={4} value={egress.hosts} onInput={(e) => onChange({ hosts: e.currentTarget.value })} />}
          </Field>
          <Field label={t("settings.egress.networks")} hint={t("settings.egress.networks.hint")} error={said(networksProblem(egress.networks))}>
            {(a) => <textarea {...a} rows={2} value={egress.networks} onInput={(e) => onChange({ networks: e.currentTarget.value })} />}
          </Field>
          <label class="check"><input type="checkbox" checked={egress.plain} onChange={(e) => onChange({ plain: e.currentTarget.checked })} />{t("settings.egress.plain")}</label>
        </>
      )}
    </>
  );
}

export const ConfigureEgress = (props: Props) => <Configure {...props} form={EGRESS} />;
