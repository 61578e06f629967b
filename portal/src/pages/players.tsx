// Players: finding one, and all that is known about them here.

import { useLocation, useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { ApiError, call } from "../api/client";
import { useQuery } from "../api/query";
import { questionsOf, type Way } from "../find-player";
import { absolute, count } from "../format";
import { banPlayer, deletePlayer, exportPlayer, findPlayer, listPlayers, logoutPlayer, unbanPlayer, type ListedPlayer, type Player } from "../gen/identity";
import { send } from "../gen/push";
import { queryLogs } from "../gen/telemetry";
import { t, type Key } from "../i18n";
import { may } from "../session";
import { flags, jsonWord, word } from "../shell";
import { Badge, Button, Cli, Empty, Field, FormDialog, Loaded, Notice, Page, Panel, Skeleton, Time, say } from "../ui/parts";
import { KvPanel } from "./kv";
import { LogLines } from "./request-parts";
import { address } from "./virtual-servers";

const PAGE = 50;
const WAYS: [Way, Key][] = [["any", "players.by.any"], ["player", "players.by.player"], ["email", "players.by.email"], ["custom", "players.by.custom"], ["device", "players.by.device"], ["oidc", "players.by.oidc"]];

// Asks in one way after the other; what refuses a form of id has not found anybody either.
async function find(by: Way, q: string, signal: AbortSignal): Promise<Player> {
  const questions = questionsOf(by, q);
  for (const [at, question] of questions.entries()) {
    try {
      return await call(findPlayer, question, signal);
    } catch (error) {
      const goOn = error instanceof ApiError && (error.status === 404 || error.status === 400) && at + 1 < questions.length;
      if (!goOn) throw error;
    }
  }
  throw new ApiError(404, "not_found", "no_player", t("players.unknown"), "");
}

const PLACEHOLDERS: Partial<Record<Way, string>> = { any: "plr_…, ann@example.com, provider:subject", oidc: "provider:subject", player: "plr_…" };

export function Players() {
  const { query, route } = useLocation();
  const way = (WAYS.find(([id]) => id === query["by"]) ?? WAYS[0]!)[0];
  const [by, setBy] = useState<Way>(way);
  const [q, setQ] = useState(query["q"] ?? "");
  const asked = query["q"] ?? "";
  const found = useQuery(`players:${query["by"] ?? ""}:${asked}`, (signal) => (asked ? find(way, asked, signal) : Promise.resolve(undefined)));
  // Somebody who is not found may be meant by the beginning of an address.
  const listable = !asked || way === "any" || way === "email";
  return (
    <Page title={t("players")} sub={t("players.sub")} cli={asked ? `ow player find ${word(asked)}` : "ow player list"}>
      <Panel bare title={t("players.none")}>
        <form class="filters" onSubmit={(e) => { e.preventDefault(); route(address("/players", { by, q: q.trim() || undefined })); }}>
          <select aria-label={t("players.by")} value={by} onChange={(e) => setBy(e.currentTarget.value as Way)}>{WAYS.map(([id, name]) => <option key={id} value={id}>{t(name)}</option>)}</select>
          <input type="search" aria-label={t("players.search")} placeholder={PLACEHOLDERS[by] ?? ""} value={q} onInput={(e) => setQ(e.currentTarget.value)} />
          <Button type="submit" icon="search">{t("players.search")}</Button>
        </form>
        {asked && (found.error?.status === 404
          ? !listable && <Empty icon="search" title={t("players.unknown")}>{t("players.unknown.text")}</Empty>
          : <Loaded query={found}>{(player) => (player ? (
            <div class="table-wrap"><table>
              <thead><tr><th>{t("players.by.player")}</th><th>{t("players.logins")}</th><th>{t("status")}</th><th>{t("created")}</th></tr></thead>
              <tbody><tr><td><a class="name mono" href={`/players/${player.playerId}`}>{player.playerId}</a></td><td>{player.logins?.map((l) => l.shown || l.kind).join(", ")}</td><td><Standing player={player} /></td><td><Time at={player.createdAt} /></td></tr></tbody>
            </table></div>
          ) : <Skeleton lines={1} />)}</Loaded>)}
        {listable && (!asked || found.error?.status === 404) && <List prefix={asked} />}
      </Panel>
    </Page>
  );
}

async function readList(shownPrefix: string, pages: number, signal: AbortSignal): Promise<{ players: ListedPlayer[]; more: boolean }> {
  const players: ListedPlayer[] = [];
  let pageToken = "";
  for (let i = 0; i < pages; i++) {
    const page = await call(listPlayers, { shownPrefix, pageSize: PAGE, pageToken }, signal);
    players.push(...(page.players ?? []));
    pageToken = page.nextPageToken ?? "";
    if (pageToken === "") break;
  }
  return { players, more: pageToken !== "" };
}

// The newest, or those whose address begins so.
function List({ prefix }: { prefix: string }) {
  const [pages, setPages] = useState(1);
  const list = useQuery(`players:list:${prefix}:${pages}`, (signal) => readList(prefix, pages, signal), 10_000);
  return (
    <Loaded query={list}>
      {(page) => page.players.length === 0
        ? (prefix ? <Empty icon="search" title={t("players.unknown")}>{t("players.unknown.text")}</Empty> : <Empty icon="users" title={t("players.nobody")}>{t("players.nobody.text")}</Empty>)
        : (
          <>
            <div class="table-wrap"><table>
              <thead><tr><th>{t("players.by.player")}</th><th>{t("players.login")}</th><th>{t("players.platform")}</th><th>{t("status")}</th><th>{t("created")}</th></tr></thead>
              <tbody>{page.players.map((p) => (
                <tr key={`${p.playerId}${p.shown}`}>
                  <td><a class="name mono" href={`/players/${p.playerId}`}>{p.playerId}</a></td><td class="break">{p.shown || <span class="muted">{t("players.secret")}</span>}</td><td>{p.platform}</td>
                  <td><Standing player={p} /></td><td><Time at={p.createdAt} /></td>
                </tr>
              ))}</tbody>
            </table></div>
            {page.more && <div class="more"><Button onClick={() => setPages(pages + 1)}>{t("more")}</Button></div>}
          </>
        )}
    </Loaded>
  );
}

function Standing({ player }: { player: Player | ListedPlayer }) {
  return player.bannedUntil ? <Badge tone="bad">{t("players.banned")}</Badge> : <Badge tone="ok">{t("players.good")}</Badge>;
}

export function PlayerPage() {
  const id = useRoute().params["id"] ?? "";
  const { route } = useLocation();
  const [open, setOpen] = useState<"ban" | "delete" | "push" | "">("");
  const player = useQuery(`player:${id}`, (signal) => call(findPlayer, { playerId: id }, signal), 5000);
  const calls = useQuery(`player:${id}:calls`, (signal) => call(queryLogs, { principal: `player:${id}`, kind: "REQUEST", newest: true, pageSize: 50, since: new Date(Date.now() - 7 * 86_400_000).toISOString() }, signal), 5000);
  const act = async (what: () => Promise<unknown>, done: Key): Promise<void> => {
    try {
      await what();
      say(t(done));
    } catch (cause) {
      say((cause as Error).message, "bad");
    }
    player.reload();
  };
  const download = async (): Promise<void> => {
    const text = JSON.stringify(await call(exportPlayer, { playerId: id }), null, 2);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `${id}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const found = player.data;
  return (
    <Page title={t("player")} sub={<code>{id}</code>} cli={`ow player show ${id}`}
      actions={found && (
        <>
          {may(send) && <Button icon="zap" onClick={() => setOpen("push")}>{t("players.push")}</Button>}
          {may(logoutPlayer) && <Button icon="signOut" onClick={() => { void act(() => call(logoutPlayer, { playerId: id }), "players.logged_out"); }}>{t("players.logout")}</Button>}
          {may(exportPlayer) && <Button icon="download" onClick={() => { void download(); }}>{t("export")}</Button>}
          {may(banPlayer) && (found.bannedUntil
            ? <Button onClick={() => { void act(() => call(unbanPlayer, { playerId: id }), "players.unbanned"); }}>{t("players.unban")}</Button>
            : <Button kind="danger" icon="ban" onClick={() => setOpen("ban")}>{t("players.ban")}</Button>)}
          {may(deletePlayer) && <Button kind="danger" icon="trash" onClick={() => setOpen("delete")}>{t("delete")}</Button>}
        </>
      )}>
      <div class="stack">
        <Loaded query={player}>
          {(p) => (
            <>
              {p.bannedUntil && (
                <Notice tone="bad" title={p.bannedUntil.startsWith("9999") ? t("players.banned.ever") : t("players.banned.until", { at: absolute(new Date(p.bannedUntil)) })}>{p.banReason}</Notice>
              )}
              <div class="columns">
                <Panel title={t("players.profile")}>
                  <dl class="facts">
                    <dt>{t("status")}</dt><dd><Standing player={p} /></dd>
                    <dt>{t("players.platform")}</dt><dd>{p.platform || "–"}</dd>
                    <dt>{t("created")}</dt><dd><Time at={p.createdAt} /></dd>
                  </dl>
                </Panel>
                <Panel title={t("players.logins")} bare>
                  <div class="table-wrap"><table><tbody>
                    {(p.logins ?? []).map((l) => <tr key={l.loginId}><td><Badge>{l.kind}</Badge></td><td class="break">{l.shown || <span class="muted">{t("players.secret")}</span>}</td><td class="right"><Time at={l.createdAt} /></td></tr>)}
                  </tbody></table></div>
                </Panel>
                <Panel title={t("players.sessions")} bare>
                  {(p.sessions ?? []).length === 0 ? <div class="body muted">{t("players.sessions.none")}</div> : (
                    <div class="table-wrap"><table>
                      <thead><tr><th>{t("players.session")}</th><th>{t("created")}</th><th>{t("players.refreshed")}</th><th>{t("players.expires")}</th></tr></thead>
                      <tbody>{p.sessions?.map((s) => <tr key={s.sessionId}><td class="mono small">{s.sessionId?.slice(-8)}</td><td><Time at={s.createdAt} /></td><td><Time at={s.refreshedAt} /></td><td><Time at={s.expiresAt} /></td></tr>)}</tbody>
                    </table></div>
                  )}
                </Panel>
              </div>
            </>
          )}
        </Loaded>
        <KvPanel scope={{ kind: "PLAYER", playerId: id }} flag={`--player ${id}`} />
        <Panel title={t("players.calls")} bare actions={<a href={`/logs?player=${id}&since=7d`}>{t("logs")}</a>}>
          <Loaded query={calls}>{(page) => (page.entries ?? []).length === 0 ? <Empty icon="activity" title={t("players.calls.none")} /> : <LogLines entries={[...(page.entries ?? [])].reverse()} showRequest />}</Loaded>
        </Panel>
      </div>
      {open === "ban" && <Ban id={id} onClose={() => setOpen("")} onDone={() => { setOpen(""); player.reload(); }} />}
      {open === "push" && <Push id={id} onClose={() => setOpen("")} />}
      {open === "delete" && (
        <FormDialog danger title={t("players.delete")} submit={t("delete")} onClose={() => setOpen("")}
          onSubmit={async () => { await call(deletePlayer, { playerId: id }); route("/players"); }}>
          <Notice tone="warn" title={t("players.delete.text")} />
        </FormDialog>
      )}
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

function Push({ id, onClose }: { id: string; onClose: () => void }) {
  const [topic, setTopic] = useState("notice");
  const [text, setText] = useState('{"text": ""}');
  const wrong = !isJson(text);
  return (
    <FormDialog title={t("players.push")} submit={t("players.push")} disabled={wrong || !/^[A-Za-z0-9_.:/-]{1,64}$/.test(topic)} onClose={onClose}
      onSubmit={async () => {
        const reply = await call(send, { playerIds: [id], topic, payloadJson: text });
        say(reply.sent ? t("players.push.sent") : t("players.push.waiting", { n: count(reply.waiting ?? 0) }));
        onClose();
      }}>
      <Field label={t("players.push.topic")} hint={t("players.push.topic.hint")}>{(a) => <input {...a} autoFocus class="mono" maxLength={64} value={topic} onInput={(e) => setTopic(e.currentTarget.value)} />}</Field>
      <Field label={t("players.push.message")} error={wrong ? t("events.no_json") : undefined}>{(a) => <textarea {...a} rows={5} value={text} onInput={(e) => setText(e.currentTarget.value)} />}</Field>
      <Cli line={`ow push ${id} ${word(topic || "TOPIC")} ${jsonWord(text)}`} />
    </FormDialog>
  );
}

// "": for good; "at": the moment that is given.
const ENDS: [string, number, Key][] = [["1h", 1, "players.ban.hour"], ["24h", 24, "players.ban.day"], ["168h", 168, "players.ban.week"], ["720h", 720, "players.ban.month"], ["at", 0, "players.ban.at"], ["", 0, "players.ban.ever"]];

function Ban({ id, onClose, onDone }: { id: string; onClose: () => void; onDone: () => void }) {
  const [reason, setReason] = useState("");
  const [span, setSpan] = useState("24h");
  const [moment, setMoment] = useState("");
  const hours = ENDS.find(([name]) => name === span)?.[1] ?? 0;
  const at = span === "at" ? new Date(moment) : new Date(Date.now() + hours * 3_600_000);
  const wrong = span === "at" && !(at.getTime() > Date.now());
  const until = span === "" || wrong ? {} : { until: at.toISOString() };
  const flag = span === "" || wrong ? "" : span === "at" ? ` --until ${at.toISOString()}` : ` --for ${span}`;
  return (
    <FormDialog danger title={t("players.ban")} submit={t("players.ban")} disabled={wrong} onClose={onClose}
      onSubmit={async () => {
        await call(banPlayer, { playerId: id, reason, ...until });
        onDone();
      }}>
      <Field label={t("reason")} hint={t("players.ban.reason")}>{(a) => <input {...a} autoFocus maxLength={200} value={reason} onInput={(e) => setReason(e.currentTarget.value)} />}</Field>
      <Field label={t("players.ban.end")}>{(a) => <select {...a} value={span} onChange={(e) => setSpan(e.currentTarget.value)}>{ENDS.map(([name, , key]) => <option key={name} value={name}>{t(key)}</option>)}</select>}</Field>
      {span === "at" && <Field label={t("players.ban.moment")} error={moment !== "" && wrong ? t("players.ban.past") : undefined}>{(a) => <input {...a} type="datetime-local" value={moment} onInput={(e) => setMoment(e.currentTarget.value)} />}</Field>}
      <Cli line={`ow player ban ${id}${flag}${flags({ reason })}`} />
    </FormDialog>
  );
}
