// Versions, and the aliases that lead to them.

import { useLocation } from "preact-iso";
import { Suspense } from "preact/compat";
import { useMemo, useState } from "preact/hooks";
import { call } from "../api/client";
import { keyOfPages, useQuery } from "../api/query";
import { asText, readFile } from "../bundle";
import { count, duration, num, percent } from "../format";
import {
  createAlias, deleteAlias, getRevision, listVersions, publish, rollbackAlias, updateAlias,
  type Alias, type GetRevisionResponse, type Revision, type VirtualServer,
} from "../gen/registry";
import { t } from "../i18n";
import { curveOf, healthOf, minutesOf, quantile, readWindow, type Window } from "../series";
import { may } from "../session";
import { word } from "../shell";
import { Editor } from "../ui/editor";
import { lazily } from "../ui/lazily";
import { Badge, Button, Cli, Dialog, Empty, Field, FormDialog, Loaded, Notice, Panel, Skeleton, Sparkline, Time, useAction, say } from "../ui/parts";
import { address } from "./virtual-servers";

const Chart = lazily(() => import("../ui/chart").then((m) => m.Chart));
const ALL = 10_000;

export function VersionsTab({ server, onChanged }: { server: VirtualServer; onChanged: () => void }) {
  const name = server.name ?? "";
  const { query, route } = useLocation();
  const [pages, setPages] = useState(1);
  const [publishing, setPublishing] = useState(false);
  const list = useQuery(keyOfPages(`versions:${name}`, pages), (signal) => readVersions(name, pages, signal), 10_000);
  const go = (change: Record<string, string | undefined>): void => route(address(`/vs/${name}/versions`, { ...query, ...change }), true);
  const [from, to] = [query["from"], query["to"]];
  return (
    <div class="stack">
      <Aliases server={server} versions={list.data?.versions ?? []} onChanged={onChanged} />
      {(server.aliases ?? []).filter((alias) => (alias.targets ?? []).length > 1).map((alias) => <Halves key={alias.name} name={name} alias={alias} />)}
      <Panel title={t("versions")} bare actions={may(publish) && server.latest?.revisionId && <Button icon="plus" onClick={() => setPublishing(true)}>{t("versions.publish")}</Button>}>
        <Loaded query={list}>
          {(page) => page.versions.length === 0
            ? <Empty icon="layers" title={t("versions.none")}>{t("versions.none.text")}</Empty>
            : (
              <>
                <div class="table-wrap">
                  <table>
                    <thead><tr><th class="number">{t("version")}</th><th>{t("description")}</th><th>{t("versions.by")}</th><th>{t("created")}</th><th>{t("revision")}</th><th><span class="visually-hidden">{t("versions.compare")}</span></th></tr></thead>
                    <tbody>
                      {page.versions.map((v) => (
                        <tr key={v.version}>
                          <td class="number"><strong>v{v.version}</strong></td>
                          <td class="break">{v.description || <span class="muted">–</span>}</td>
                          <td class="mono break">{v.createdBy}</td>
                          <td><Time at={v.createdAt} /></td>
                          <td><code title={v.revisionId}>{v.revisionId?.slice(0, 12)}</code></td>
                          <td class="right"><Button kind="quiet" icon="branch" onClick={() => go({ from: v.version, to: "$LATEST" })}>{t("versions.compare")}</Button></td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </div>
                {page.more && <div class="more"><Button onClick={() => setPages(pages + 1)}>{t("more")}</Button></div>}
              </>
            )}
        </Loaded>
      </Panel>
      {publishing && <Publish name={name} onClose={() => setPublishing(false)} onDone={() => { setPublishing(false); list.reload(); onChanged(); }} />}
      {from && to && <Compare name={name} from={from} to={to} versions={(list.data?.versions ?? []).map((v) => v.version ?? "")} go={go} />}
    </div>
  );
}

async function readVersions(virtualServer: string, pages: number, signal: AbortSignal): Promise<{ versions: Revision[]; more: boolean }> {
  const versions: Revision[] = [];
  let pageToken = "";
  for (let i = 0; i < pages; i++) {
    const page = await call(listVersions, { virtualServer, pageSize: 50, pageToken }, signal);
    versions.push(...(page.versions ?? []));
    pageToken = page.nextPageToken ?? "";
    if (pageToken === "") break;
  }
  return { versions, more: pageToken !== "" };
}

function Publish({ name, onClose, onDone }: { name: string; onClose: () => void; onDone: () => void }) {
  const [description, setDescription] = useState("");
  const [move, setMove] = useState(true);
  const [requestKey] = useState(() => crypto.randomUUID());
  return (
    <FormDialog title={t("versions.publish")} submit={t("versions.publish")} onClose={onClose}
      onSubmit={async () => {
        const reply = await call(publish, { virtualServer: name, description, moveDefault: move, requestKey });
        say(t("versions.published", { n: reply.revision?.version ?? "" }));
        onDone();
      }}>
      <p class="muted">{t("versions.publish.text")}</p>
      <Field label={t("description")}>{(a) => <input {...a} autoFocus value={description} maxLength={200} onInput={(e) => setDescription(e.currentTarget.value)} />}</Field>
      <label class="check"><input type="checkbox" checked={move} onChange={(e) => setMove(e.currentTarget.checked)} />{t("versions.move")}</label>
      <Cli line={`ow vs publish ${name}`} />
    </FormDialog>
  );
}

// ---- aliases ----

const shown = (version: string | undefined): string => (version === "$LATEST" ? "$LATEST" : `v${version ?? ""}`);

function Aliases({ server, versions, onChanged }: { server: VirtualServer; versions: Revision[]; onChanged: () => void }) {
  const name = server.name ?? "";
  const [editing, setEditing] = useState<Alias | "new">();
  const health = useQuery(`aliases:${name}:health`, (signal) => readWindow(15, { virtualServer: name }, signal), 10_000);
  const rollback = useAction(async () => {});
  const act = async (what: () => Promise<unknown>): Promise<void> => {
    try {
      await what();
      onChanged();
    } catch (cause) {
      say((cause as Error).message, "bad");
    }
  };
  const half = (alias: Alias, version: string | undefined) => {
    if (!health.data) return null;
    const number = version === "$LATEST" ? 0 : num(version);
    const sum = healthOf(health.data, (s) => s.qualifier === alias.name && num(s.version) === number);
    const p95 = quantile(sum.durations, 0.95);
    return (
      <span class="row">
        <Sparkline values={sum.callsOver} label={t("calls.spark", { n: count(sum.calls) })} />
        <span class="muted nowrap">{count(sum.calls)}</span>
        <span class={sum.errors ? "bad nowrap" : "muted nowrap"}>{t("errors.n", { n: percent(sum.errors, sum.calls) })}</span>
        <span class="muted nowrap">p95 {p95 === undefined ? "–" : `≤ ${duration(p95)}`}</span>
      </span>
    );
  };
  return (
    <Panel title={t("aliases")} bare actions={may(createAlias) && versions.length > 0 && <Button icon="plus" onClick={() => setEditing("new")}>{t("alias.create")}</Button>}>
      <div class="table-wrap">
        <table>
          <thead><tr><th>{t("name")}</th><th>{t("alias.targets")}</th><th>{t("alias.visibility")}</th><th>{t("changed")}</th><th><span class="visually-hidden">{t("actions")}</span></th></tr></thead>
          <tbody>
            {server.aliases?.map((alias) => (
              <tr key={alias.name}>
                <td class="mono">{alias.name}</td>
                <td>
                  <div class="stack-2">
                    {alias.targets?.map((target) => (
                      <span key={target.version} class="row">
                        <strong class="nowrap" style={{ minWidth: "64px" }}>{shown(target.version)}</strong>
                        {(alias.targets?.length ?? 0) > 1 && <Badge tone="accent">{num(target.weight) / 100} %</Badge>}
                        {half(alias, target.version)}
                      </span>
                    ))}
                  </div>
                </td>
                <td>{alias.isPublic ? <Badge tone="accent">{t("alias.public")}</Badge> : <Badge>{t("alias.private")}</Badge>}</td>
                <td><Time at={alias.updatedAt} /></td>
                <td class="right nowrap">
                  {may(rollbackAlias) && alias.previous && (
                    <Button kind="quiet" icon="rollback" disabled={rollback.busy} onClick={() => { void act(() => call(rollbackAlias, { virtualServer: name, name: alias.name!, etag: alias.etag! })); }}>{t("alias.rollback", { version: shown(alias.previous) })}</Button>
                  )}
                  {may(updateAlias) && versions.length > 0 && <Button kind="quiet" onClick={() => setEditing(alias)}>{t("alias.move")}</Button>}
                  {may(deleteAlias) && alias.name !== "$DEFAULT" && (
                    <Button kind="quiet" icon="trash" aria-label={t("alias.delete", { name: alias.name ?? "" })} onClick={() => { void act(() => call(deleteAlias, { virtualServer: name, name: alias.name!, etag: alias.etag! })); }} />
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {editing && <EditAlias name={name} alias={editing === "new" ? undefined : editing} versions={versions} onClose={() => setEditing(undefined)} onDone={() => { setEditing(undefined); onChanged(); }} />}
    </Panel>
  );
}

function EditAlias({ name, alias, versions, onClose, onDone }: { name: string; alias: Alias | undefined; versions: Revision[]; onClose: () => void; onDone: () => void }) {
  const targets = alias?.targets ?? [];
  const numbers = versions.map((v) => v.version ?? "");
  const [title, setTitle] = useState(alias?.name ?? "");
  const [first, setFirst] = useState(targets[0]?.version ?? numbers[0] ?? "");
  const [second, setSecond] = useState(targets[1]?.version ?? "");
  const [share, setShare] = useState(targets[1] ? num(targets[1].weight) / 100 : 10);
  const [isPublic, setPublic] = useState(alias?.isPublic ?? false);
  const [split, setSplit] = useState(alias?.split || "key");
  const [requestKey] = useState(() => crypto.randomUUID());
  const wanted = second === "" ? [{ version: first, weight: ALL }] : [{ version: first, weight: ALL - share * 100 }, { version: second, weight: share * 100 }];
  const sorted = [...wanted].sort((a, b) => num(a.version) - num(b.version));
  const line = `ow alias ${alias ? "set" : "create"} ${name} ${word(title || "NAME")} ${sorted.map((w) => (sorted.length > 1 ? `${w.version}=${w.weight / 100}` : w.version)).join(" ")}`;
  return (
    <FormDialog title={alias ? t("alias.move.title", { name: alias.name ?? "" }) : t("alias.create")} submit={alias ? t("save") : t("create")} onClose={onClose}
      disabled={!alias && !/^[A-Za-z][A-Za-z0-9_-]{0,59}$/.test(title)}
      onSubmit={async () => {
        if (alias) {
          await call(updateAlias, { virtualServer: name, name: alias.name!, targets: sorted, split, visibility: isPublic ? "public" : "private", etag: alias.etag! });
        } else {
          await call(createAlias, { virtualServer: name, name: title, targets: sorted, split, isPublic, requestKey });
        }
        onDone();
      }}>
      {!alias && <Field label={t("name")}>{(a) => <input {...a} autoFocus value={title} onInput={(e) => setTitle(e.currentTarget.value)} />}</Field>}
      <div class="columns-tight">
        <Field label={t("alias.first")}>
          {(a) => <select {...a} value={first} onChange={(e) => setFirst(e.currentTarget.value)}>{numbers.map((n) => <option key={n} value={n}>v{n}</option>)}<option>$LATEST</option></select>}
        </Field>
        <Field label={t("alias.second")}>
          {(a) => <select {...a} disabled={first === "$LATEST"} value={second} onChange={(e) => setSecond(e.currentTarget.value)}><option value="">{t("alias.nobody")}</option>{numbers.filter((n) => n !== first).map((n) => <option key={n} value={n}>v{n}</option>)}</select>}
        </Field>
      </div>
      {second !== "" && (
        <>
          <Field label={t("alias.share", { version: shown(second), share })} hint={`${shown(first)} ${100 - share} % · ${shown(second)} ${share} %`}>
            {(a) => <input {...a} type="range" min={1} max={99} value={share} onInput={(e) => setShare(Number(e.currentTarget.value))} />}
          </Field>
          <Field label={t("alias.split")}>
            {(a) => <select {...a} value={split} onChange={(e) => setSplit(e.currentTarget.value)}><option value="key">{t("alias.split.key")}</option><option value="random">{t("alias.split.random")}</option></select>}
          </Field>
        </>
      )}
      <label class="check"><input type="checkbox" checked={isPublic} disabled={alias?.name === "$DEFAULT"} onChange={(e) => setPublic(e.currentTarget.checked)} />{t("alias.is_public")}</label>
      <Cli line={line} />
    </FormDialog>
  );
}

// What came of the calls on either side of a split.
function Halves({ name, alias }: { name: string; alias: Alias }) {
  const window = useQuery(`halves:${name}:${alias.name}`, (signal) => readWindow(60, { virtualServer: name, qualifier: alias.name ?? "" }, signal), 10_000);
  return (
    <Panel title={t("alias.halves", { name: alias.name ?? "" })} actions={<span class="muted">{t("home.hour")}</span>}>
      {window.data ? <Suspense fallback={<Skeleton />}><Curves window={window.data} alias={alias} /></Suspense> : <Skeleton />}
    </Panel>
  );
}

function Curves({ window, alias }: { window: Window; alias: Alias }) {
  const { times, halves } = useMemo(() => ({
    times: minutesOf(window),
    halves: (alias.targets ?? []).map((target) => ({ label: shown(target.version), curve: curveOf(window, (s) => num(s.version) === (target.version === "$LATEST" ? 0 : num(target.version))) })),
  }), [window, alias]);
  const colours = ["--accent", "--warn"] as const;
  const lines = (of: "errors" | "p95", format: (value: number) => string) => halves.map(({ label, curve }, i) => ({ label, colour: colours[i % 2]!, values: curve[of], format, dots: true }));
  return (
    <div class="columns">
      <div><h3>{t("alias.halves.errors")}</h3><Chart times={times} label={t("alias.halves.errors")} lines={lines("errors", (v) => `${v.toFixed(v < 10 ? 1 : 0)} %`)} /></div>
      <div><h3>{t("alias.halves.p95")}</h3><Chart times={times} label={t("alias.halves.p95")} lines={lines("p95", (v) => `≤ ${duration(v * 1000)}`)} /></div>
    </div>
  );
}

// ---- comparing ----

function Compare({ name, from, to, versions, go }: { name: string; from: string; to: string; versions: string[]; go: (change: Record<string, string | undefined>) => void }) {
  const both = useQuery(`compare:${name}:${from}:${to}`, (signal) => Promise.all([from, to].map((version) => call(getRevision, { virtualServer: name, version }, signal))));
  const close = (): void => go({ from: undefined, to: undefined, file: undefined });
  return (
    <Dialog wide title={t("versions.compare.title", { from: shown(from), to: shown(to) })} onClose={close}>
      <div class="body">
        <div class="columns-tight">
          {([["from", from], ["to", to]] as const).map(([key, value]) => (
            <Field key={key} label={t(`versions.${key}`)}>
              {(a) => <select {...a} value={value} onChange={(e) => go({ [key]: e.currentTarget.value })}><option>$LATEST</option>{versions.map((v) => <option key={v} value={v}>v{v}</option>)}</select>}
            </Field>
          ))}
        </div>
        <Cli line={`ow vs diff ${name} ${from} ${to}`} />
        <Loaded query={both}>{([a, b]) => <Differences name={name} from={from} to={to} a={a!} b={b!} />}</Loaded>
      </div>
    </Dialog>
  );
}

function Differences({ name, from, to, a, b }: { name: string; from: string; to: string; a: GetRevisionResponse; b: GetRevisionResponse }) {
  const [file, setFile] = useState<string>();
  const hashes = (r: GetRevisionResponse): Map<string, string> => new Map((r.files ?? []).map((f) => [f.path ?? "", f.sha256 ?? ""]));
  const [old, now] = [hashes(a), hashes(b)];
  const paths = [...new Set([...old.keys(), ...now.keys()])].sort().filter((p) => old.get(p) !== now.get(p));
  const chosen = file ?? paths[0];
  const texts = useQuery(`compare:${name}:${from}:${to}:${chosen ?? ""}`, async () => {
    const read = async (version: string, has: boolean): Promise<string | undefined> => (has && chosen ? asText(await readFile(name, version, chosen)) : "");
    return chosen ? { before: await read(from, old.has(chosen)), after: await read(to, now.has(chosen)) } : undefined;
  });
  if (paths.length === 0) return <Notice tone="" title={t("versions.same")} />;
  return (
    <>
      <div class="tabs">
        {paths.map((p) => (
          <a key={p} href="#" role="button" {...(p === chosen ? { "aria-current": "page" } : {})} onClick={(e) => { e.preventDefault(); setFile(p); }}>
            {!old.has(p) ? "+ " : !now.has(p) ? "− " : ""}{p}
          </a>
        ))}
      </div>
      {texts.data && texts.data.before !== undefined && texts.data.after !== undefined
        ? <div class="framed tall"><Editor path={`${from}:${to}:${chosen ?? ""}`} label={chosen ?? ""} text={texts.data.after} original={texts.data.before} readOnly onChange={() => {}} /></div>
        : texts.data && <Notice tone="" title={t("code.binary", { size: "" })} />}
    </>
  );
}
