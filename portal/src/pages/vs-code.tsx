// The code of a virtual server: its files, what the compiler says, and deploying.

import { useLocation } from "preact-iso";
import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError, call } from "../api/client";
import { useQuery } from "../api/query";
import { asText, pack, readVersion, sameFiles, upload, type Files } from "../bundle";
import { bytes as sizeText, duration } from "../format";
import { deploy, type DeployResponse, type Diagnostic, type VirtualServer } from "../gen/registry";
import { t, type Key } from "../i18n";
import { MANIFEST } from "../manifest";
import { may } from "../session";
import { Editor, type Mark } from "../ui/editor";
import { Badge, Button, Empty, Failure, Field, FormDialog, Loaded, Notice, say } from "../ui/parts";
import { address } from "./virtual-servers";

const encoder = new TextEncoder();

interface Base {
  revision: string;
  files: Files;
}

const starter = (name: string): Files => new Map([
  [MANIFEST, encoder.encode(`${JSON.stringify({ name, runtime: "c", functions: { hello: { exposure: "client" } } }, null, 2)}\n`)],
  ["main.c", encoder.encode("#include <overworld.h>\n\nint hello(ow_ctx *ctx) {\n    return ow_reply_json(ctx, cJSON_CreateObject());\n}\n")],
]);

async function readBase(server: VirtualServer): Promise<Base> {
  if (!server.latest?.revisionId) return { revision: "", files: starter(server.name ?? "") };
  const { about, files } = await readVersion(server.name ?? "", "$LATEST");
  return { revision: about.revision?.revisionId ?? "", files };
}

export function CodeTab({ server, onDeployed }: { server: VirtualServer; onDeployed: () => void }) {
  const [turn, setTurn] = useState(0);
  const base = useQuery(`code:${server.name}:${turn}`, () => readBase(server));
  return (
    <Loaded query={base} lines={10}>
      {(found) => <Workbench key={`${found.revision}:${turn}`} server={server} base={found} onDeployed={onDeployed} onReload={() => setTurn(turn + 1)} />}
    </Loaded>
  );
}

type Step = "" | "pack" | "upload" | "build";
const STEPS: Record<Exclude<Step, "">, Key> = { pack: "code.packing", upload: "code.uploading", build: "code.building" };

function Workbench({ server, base: first, onDeployed, onReload }: { server: VirtualServer; base: Base; onDeployed: () => void; onReload: () => void }) {
  const name = server.name ?? "";
  const { query, route } = useLocation();
  const [base, setBase] = useState(first);
  const [files, setFiles] = useState<Files>(first.files);
  const [step, setStep] = useState<Step>("");
  const [result, setResult] = useState<DeployResponse>();
  const [error, setError] = useState<ApiError>();
  const [adding, setAdding] = useState(false);
  const comparing = query["diff"];
  const running = useQuery(`running:${name}:${comparing ?? ""}`, async () => (comparing ? (await readVersion(name, comparing)).files : undefined));
  const paths = useMemo(() => [...files.keys()].sort(), [files]);
  const path = query["file"] && files.has(query["file"]) ? query["file"] : (paths.find((p) => p.endsWith(".c")) ?? paths[0] ?? "");
  const text = useMemo(() => asText(files.get(path) ?? new Uint8Array()), [files, path]);
  const isChanged = !sameFiles(files, base.files) || base.revision === "";
  const diagnostics = result?.diagnostics ?? [];
  const marks = useMemo(() => diagnostics.filter((d) => d.file === path).map(toMark), [result, path]);
  const editable = may(deploy);
  const go = (change: Record<string, string | undefined>): void => route(address(`/vs/${name}/code`, { ...query, ...change }), true);
  const target = defaultVersion(server);

  useEffect(() => {
    if (!isChanged || base.revision === "") return;
    const warn = (event: BeforeUnloadEvent): void => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [isChanged]);

  const put = (at: string, content: Uint8Array | undefined): void => {
    const next = new Map(files);
    if (content) next.set(at, content);
    else next.delete(at);
    setFiles(next);
  };

  const run = async (publish: boolean, basedOn: string): Promise<void> => {
    if (step !== "") return;
    setError(undefined);
    setResult(undefined);
    try {
      setStep("pack");
      const archive = pack(files);
      setStep("upload");
      const bundleSha256 = await upload(archive);
      setStep("build");
      const reply = await call(deploy, { virtualServer: name, bundleSha256, publish, basedOn, requestKey: crypto.randomUUID() });
      setResult(reply);
      if (reply.built) {
        setBase({ revision: reply.revision?.revisionId ?? "", files });
        say(publish ? t("code.published", { n: reply.revision?.version ?? "" }) : t("code.deployed"));
        onDeployed();
      } else {
        const wrong = reply.diagnostics?.find((d) => d.severity === "error" && files.has(d.file ?? ""));
        if (wrong) go({ file: wrong.file });
      }
    } catch (cause) {
      setError(cause instanceof ApiError ? cause : new ApiError(0, "unknown", "", String(cause), ""));
    } finally {
      setStep("");
    }
  };

  const stale = error?.reason === "stale_etag";
  return (
    <div class="stack">
      <div class="row">
        <div class="grow row">
          {isChanged ? <Badge tone="warn">{t("code.changed")}</Badge> : <Badge tone="ok">{t("code.same")}</Badge>}
          {base.revision && <code class="muted" title={base.revision}>{base.revision.slice(0, 12)}</code>}
          {step && <span class="muted" role="status">{t(STEPS[step])}</span>}
          {!step && result?.built && <span class="muted" role="status">{t("code.built", { time: duration((result.buildMs ?? 0) * 1000) })}</span>}
        </div>
        {target && (
          <Button icon="branch" aria-pressed={comparing !== undefined} onClick={() => go({ diff: comparing ? undefined : target })}>{t("code.diff", { version: target })}</Button>
        )}
        {editable && <Button disabled={step !== "" || !isChanged} onClick={() => { void run(false, base.revision); }}>{t("code.deploy")}</Button>}
        {editable && <Button kind="primary" disabled={step !== ""} onClick={() => { void run(true, base.revision); }}>{t("code.publish")}</Button>}
      </div>
      {stale && (
        <Notice tone="warn" title={t("code.stale")} action={
          <span class="actions">
            <Button onClick={onReload}>{t("code.theirs")}</Button>
            <Button kind="danger" onClick={() => { void run(false, ""); }}>{t("code.over")}</Button>
          </span>
        }>{t("code.stale.text")}</Notice>
      )}
      {error && !stale && <Failure error={error} />}
      <div class="workbench panel">
        <div class="files">
          <ul aria-label={t("files")}>
            {paths.map((each) => (
              <li key={each}>
                <a href={address(`/vs/${name}/code`, { ...query, file: each })} {...(each === path ? { "aria-current": "page" } : {})} title={each}>
                  <span class="break">{each}</span>
                  {changed(base, files, each) && <span class="warn" role="img" aria-label={t("code.file_changed")}>●</span>}
                  {diagnostics.some((d) => d.file === each && d.severity === "error") && <span class="bad" role="img" aria-label={t("code.file_wrong")}>●</span>}
                </a>
              </li>
            ))}
          </ul>
          {editable && <Button kind="quiet" icon="plus" onClick={() => setAdding(true)}>{t("code.add")}</Button>}
          {editable && path !== MANIFEST && path !== "" && <Button kind="quiet" icon="trash" onClick={() => put(path, undefined)}>{t("code.remove", { file: path })}</Button>}
        </div>
        <div class="grow">
          {text === undefined
            ? <Empty icon="file" title={path}>{t("code.binary", { size: sizeText(files.get(path)?.length ?? 0) })}</Empty>
            : <Editor path={path} label={path} text={text} marks={marks} readOnly={!editable}
                original={comparing && running.data ? asText(running.data.get(path) ?? new Uint8Array()) : undefined}
                onChange={(next) => put(path, encoder.encode(next))} onSave={() => { void run(false, base.revision); }} />}
        </div>
      </div>
      {diagnostics.length > 0 && <Diagnostics list={diagnostics} built={result?.built ?? false} onGo={(file) => go({ file })} />}
      {adding && <AddFile onClose={() => setAdding(false)} taken={paths} onAdd={(at) => { put(at, new Uint8Array()); go({ file: at }); }} />}
    </div>
  );
}

function defaultVersion(server: VirtualServer): string | undefined {
  const version = server.aliases?.find((a) => a.name === "$DEFAULT")?.targets?.[0]?.version;
  return version && version !== "$LATEST" ? version : undefined;
}

function changed(base: Base, files: Files, path: string): boolean {
  const [old, now] = [base.files.get(path), files.get(path)];
  return !old || !now || !sameFiles(new Map([["", old]]), new Map([["", now]]));
}

function toMark(d: Diagnostic): Mark {
  return { line: d.line ?? 1, column: d.column ?? 1, severity: d.severity === "error" ? "error" : d.severity === "warning" ? "warning" : "info", message: d.message ?? "" };
}

function Diagnostics({ list, built, onGo }: { list: Diagnostic[]; built: boolean; onGo: (file: string) => void }) {
  return (
    <section class="panel" aria-label={t("code.diagnostics")}>
      <header><h2 class="grow">{built ? t("code.warnings") : t("code.failed")}</h2></header>
      <ul class="diagnostics">
        {list.map((d, i) => (
          <li key={i}>
            <Badge tone={d.severity === "error" ? "bad" : d.severity === "warning" ? "warn" : ""}>{d.severity}</Badge>
            <button type="button" class="link mono" onClick={() => onGo(d.file ?? "")}>{d.file}:{d.line}:{d.column}</button>
            <span class="break">{d.message}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

const PATH = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(\/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$/;

function AddFile({ taken, onAdd, onClose }: { taken: string[]; onAdd: (path: string) => void; onClose: () => void }) {
  const [path, setPath] = useState("");
  const bad = path !== "" && (!PATH.test(path) || taken.includes(path));
  return (
    <FormDialog title={t("code.add")} submit={t("create")} disabled={path === "" || bad} onClose={onClose}
      onSubmit={() => { onAdd(path); onClose(); return Promise.resolve(); }}>
      <Field label={t("code.path")} hint={t("code.path.hint")} error={bad ? t("code.path.wrong") : undefined}>
        {(a) => <input {...a} autoFocus value={path} onInput={(e) => setPath(e.currentTarget.value)} />}
      </Field>
    </FormDialog>
  );
}
