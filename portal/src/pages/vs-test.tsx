// Calling a function by hand, as an operator or as a player, with its lines and its trace beside the result.

import { useLocation } from "preact-iso";
import { useState } from "preact/hooks";
import { ApiError, call, errorOf, headers } from "../api/client";
import { useQuery } from "../api/query";
import { textOf, toBase64 } from "../base64";
import { duration } from "../format";
import { deleteTestEvent, listTestEvents, saveTestEvent, type TestEvent } from "../gen/hands";
import { deviceLogin } from "../gen/identity";
import { listVersions, type VirtualServer } from "../gen/registry";
import { getTrace, queryLogs, type LogEntry, type Span } from "../gen/telemetry";
import { t } from "../i18n";
import { may } from "../session";
import { flags, jsonWord, word } from "../shell";
import { Editor } from "../ui/editor";
import { Badge, Button, Cli, Empty, Failure, Field, FormDialog, Notice, Panel, say } from "../ui/parts";
import { LogLines, Waterfall } from "./request-parts";
import { address } from "./virtual-servers";

interface Outcome {
  status: number;
  body: string;
  version: string;
  requestId: string;
  us: number;
}

interface Evidence {
  entries: LogEntry[];
  spans: Span[];
}

const pretty = (text: string): string => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

async function invoke(server: string, fn: string, qualifier: string, payload: string, device: string): Promise<Outcome> {
  const more: Record<string, string> = { "Content-Type": "application/json" };
  if (device !== "") more["Authorization"] = `Bearer ${(await call(deviceLogin, { deviceId: device, platform: "portal" })).accessToken ?? ""}`;
  const began = performance.now();
  let reply: Response;
  try {
    reply = await fetch(`/v1/call/${server}/${fn}?qualifier=${encodeURIComponent(qualifier)}`, { method: "POST", headers: headers(more), body: payload });
  } catch {
    throw new ApiError(0, "unavailable", "unreachable", t("unreachable"), "");
  }
  const us = (performance.now() - began) * 1000;
  if (reply.status === 401) throw await errorOf(reply);
  return { status: reply.status, body: await reply.text(), version: reply.headers.get("Overworld-Version") ?? "", requestId: reply.headers.get("Overworld-Request-Id") ?? "", us };
}

// Records come in blocks, a moment after the reply: the gateway's, and those of the run, which its report ends. What
// was refused before it ran has none.
async function evidenceOf(requestId: string, signal: AbortSignal): Promise<Evidence> {
  let end = Date.now() + 5000;
  let entries: LogEntry[] = [];
  do {
    entries = (await call(queryLogs, { requestId, pageSize: 200 }, signal)).entries ?? [];
    const [told, ran] = ["REQUEST", "REPORT"].map((kind) => entries.some((e) => e.kind === kind));
    if (told && ran) break;
    if (told) end = Math.min(end, Date.now() + 2000);
    await new Promise((done) => setTimeout(done, 250));
  } while (Date.now() < end && !signal.aborted);
  const spans = await call(getTrace, { requestId }, signal).then((r) => r.spans ?? [], () => []);
  return { entries, spans };
}

export function TestTab({ server }: { server: VirtualServer }) {
  const name = server.name ?? "";
  const { query, route } = useLocation();
  const functions = server.latest?.functions ?? [];
  const fn = query["fn"] ?? functions[0]?.name ?? "";
  const qualifier = query["at"] ?? "$LATEST";
  const [payload, setPayload] = useState(() => localStorage.getItem(key(name, fn)) ?? "{}");
  const [player, setPlayer] = useState(false);
  const [device, setDevice] = useState("portal-test-player");
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>();
  const [error, setError] = useState<ApiError>();
  const versions = useQuery(`versions:${name}`, (signal) => call(listVersions, { virtualServer: name, pageSize: 50 }, signal));
  if (functions.length === 0) return <Panel><Empty icon="play" title={t("vs.nocode")}>{t("vs.nocode.text")}</Empty></Panel>;
  const go = (change: Record<string, string | undefined>): void => route(address(`/vs/${name}/test`, { ...query, ...change }), true);
  const run = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    localStorage.setItem(key(name, fn), payload);
    try {
      setOutcome(await invoke(name, fn, player ? "$DEFAULT" : qualifier, payload, player ? device : ""));
    } catch (cause) {
      setOutcome(undefined);
      setError(cause instanceof ApiError ? cause : new ApiError(0, "unknown", "", String(cause), ""));
    }
    setBusy(false);
  };
  const names = [...(server.aliases ?? []).map((a) => a.name ?? ""), "$LATEST", ...(versions.data?.versions ?? []).map((v) => v.version ?? "")];
  return (
    <div class="columns">
      <Panel title={t("test.call")} actions={<Button kind="primary" icon="play" disabled={busy} onClick={() => { void run(); }}>{busy ? t("working") : t("test.run")}</Button>}>
        <div class="stack">
          <div class="columns-tight">
            <Field label={t("function")}>
              {(a) => (
                <select {...a} value={fn} onChange={(e) => { go({ fn: e.currentTarget.value }); setPayload(localStorage.getItem(key(name, e.currentTarget.value)) ?? "{}"); }}>
                  {functions.map((f) => <option key={f.name}>{f.name}</option>)}
                </select>
              )}
            </Field>
            <Field label={t("test.version")} hint={player ? t("test.player.default") : undefined}>
              {(a) => (
                <select {...a} disabled={player} value={player ? "$DEFAULT" : qualifier} onChange={(e) => go({ at: e.currentTarget.value })}>
                  {names.map((each) => <option key={each}>{each}</option>)}
                </select>
              )}
            </Field>
            <Field label={t("test.as")}>
              {(a) => (
                <select {...a} value={player ? "player" : "operator"} onChange={(e) => setPlayer(e.currentTarget.value === "player")}>
                  <option value="operator">{t("test.operator")}</option>
                  <option value="player">{t("test.player")}</option>
                </select>
              )}
            </Field>
            {player && <Field label={t("test.device")}>{(a) => <input {...a} value={device} minLength={8} maxLength={128} onInput={(e) => setDevice(e.currentTarget.value)} />}</Field>}
          </div>
          <div class="field">
            <span class="label">{t("payload")}</span>
            <div class="framed"><Editor path={`${fn}.json`} label={t("payload")} text={payload} onChange={setPayload} onSave={() => { void run(); }} /></div>
          </div>
          {may(listTestEvents) && <Saved key={fn} server={name} fn={fn} payload={payload} onPick={setPayload} />}
          <Cli line={`ow fn invoke ${name} ${fn} ${jsonWord(payload)}${flags({ qualifier })}`} />
        </div>
      </Panel>
      <div class="stack">
        <Panel title={t("test.result")} actions={outcome && <Verdict outcome={outcome} />}>
          {error && <Failure error={error} />}
          {!error && !outcome && <Empty icon="play" title={t("test.none")}>{t("test.none.text")}</Empty>}
          {outcome && <pre class="result" tabIndex={0} aria-label={t("test.result")}>{pretty(outcome.body) || t("test.empty")}</pre>}
        </Panel>
        {outcome && <Proof key={outcome.requestId} requestId={outcome.requestId} />}
      </div>
    </div>
  );
}

// ---- payloads that are kept ----

const idOf = (event: TestEvent): string => `${event.shared ? "shared" : "mine"}/${event.name ?? ""}`;

function Saved({ server, fn, payload, onPick }: { server: string; fn: string; payload: string; onPick: (payload: string) => void }) {
  const list = useQuery(`saved:${server}/${fn}`, (signal) => call(listTestEvents, { virtualServer: server, function: fn }, signal), 10_000);
  const [picked, setPicked] = useState("");
  const [saving, setSaving] = useState(false);
  const events = list.data?.events ?? [];
  const found = events.find((each) => idOf(each) === picked);
  const forget = async (event: TestEvent): Promise<void> => {
    try {
      await call(deleteTestEvent, { virtualServer: server, function: fn, name: event.name!, shared: event.shared ?? false });
      setPicked("");
    } catch (cause) {
      say((cause as Error).message, "bad");
    }
    list.reload();
  };
  return (
    <div class="with-buttons">
      <Field label={t("test.saved")}>
        {(a) => (
          <select {...a} disabled={events.length === 0} value={found ? picked : ""} onChange={(e) => {
            const chosen = events.find((each) => idOf(each) === e.currentTarget.value);
            setPicked(e.currentTarget.value);
            if (chosen) onPick(textOf(chosen.payload));
          }}>
            <option value="">{events.length === 0 ? t("test.saved.none") : t("test.saved.choose")}</option>
            {events.map((each) => <option key={idOf(each)} value={idOf(each)}>{each.name}{each.shared ? ` · ${t("test.saved.shared")}` : ""}</option>)}
          </select>
        )}
      </Field>
      <Button onClick={() => setSaving(true)}>{t("test.save")}</Button>
      {found && <Button kind="quiet" icon="trash" aria-label={t("test.forget", { name: found.name ?? "" })} onClick={() => { void forget(found); }} />}
      {saving && <Save server={server} fn={fn} payload={payload} event={found} onClose={() => setSaving(false)} onDone={(event) => { setSaving(false); setPicked(idOf(event)); list.reload(); }} />}
    </div>
  );
}

function Save({ server, fn, payload, event, onClose, onDone }: { server: string; fn: string; payload: string; event: TestEvent | undefined; onClose: () => void; onDone: (event: TestEvent) => void }) {
  const [name, setName] = useState(event?.name ?? "");
  const [shared, setShared] = useState(event?.shared ?? false);
  return (
    <FormDialog title={t("test.save")} submit={t("save")} disabled={name.trim() === ""} onClose={onClose}
      onSubmit={async () => {
        const made: TestEvent = { virtualServer: server, function: fn, name, shared, payload: toBase64(payload), contentType: "application/json" };
        await call(saveTestEvent, { event: made });
        onDone(made);
      }}>
      <Field label={t("name")} hint={t("test.save.hint")}>{(a) => <input {...a} autoFocus maxLength={60} value={name} onInput={(e) => setName(e.currentTarget.value)} />}</Field>
      <label class="check"><input type="checkbox" checked={shared} onChange={(e) => setShared(e.currentTarget.checked)} />{t("test.save.shared")}</label>
      <Cli line={`ow fn save ${server} ${fn} ${word(name || "NAME")} ${jsonWord(payload)}${shared ? " --shared" : ""}`} />
    </FormDialog>
  );
}

const key = (server: string, fn: string): string => `overworld.payload.${server}/${fn}`;

function Verdict({ outcome }: { outcome: Outcome }) {
  const tone = outcome.status < 300 ? "ok" : outcome.status === 422 ? "warn" : "bad";
  return (
    <span class="row">
      <Badge tone={tone}>{outcome.status}</Badge>
      {outcome.version && <Badge>{outcome.version === "$LATEST" ? outcome.version : `v${outcome.version}`}</Badge>}
      <span class="muted">{duration(outcome.us)}</span>
    </span>
  );
}

function Proof({ requestId }: { requestId: string }) {
  const proof = useQuery(`proof:${requestId}`, (signal) => evidenceOf(requestId, signal));
  return (
    <>
      <Panel title={t("logs")} bare actions={<a href={`/requests/${requestId}`}>{t("request.whole")}</a>}>
        {proof.data ? <LogLines entries={proof.data.entries} /> : proof.error ? <div class="body"><Failure error={proof.error} /></div> : <div class="body muted">{t("test.waiting")}</div>}
      </Panel>
      {proof.data && proof.data.spans.length > 0 && <Panel title={t("trace")}><Waterfall spans={proof.data.spans} /></Panel>}
      {proof.data?.entries.length === 0 && <Notice tone="warn" title={t("test.nolog")} />}
    </>
  );
}
