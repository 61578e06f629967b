// Players: finding one, and all that is known about them here.

import { useLocation, useRoute } from "preact-iso";
import { useState } from "preact/hooks";
import { call } from "../api/client";
import { useQuery } from "../api/query";
import { absolute } from "../format";
import { banPlayer, deletePlayer, exportPlayer, findPlayer, logoutPlayer, unbanPlayer, type FindPlayerRequest, type Player } from "../gen/identity";
import { queryLogs } from "../gen/telemetry";
import { t, type Key } from "../i18n";
import { may } from "../session";
import { Badge, Button, Cli, Empty, Field, FormDialog, Loaded, Notice, Page, Panel, Skeleton, Time, say } from "../ui/parts";
import { LogLines } from "./request-parts";
import { address } from "./virtual-servers";

const WAYS: [string, Key][] = [["player", "players.by.player"], ["email", "players.by.email"], ["custom", "players.by.custom"], ["device", "players.by.device"], ["oidc", "players.by.oidc"]];

function requestOf(by: string, q: string): FindPlayerRequest {
  switch (by) {
    case "email":
      return { email: q };
    case "custom":
      return { customId: q };
    case "device":
      return { deviceId: q };
    case "oidc":
      return { oidc: { provider: q.slice(0, q.indexOf(":")), subject: q.slice(q.indexOf(":") + 1) } };
    default:
      return { playerId: q };
  }
}

export function Players() {
  const { query, route } = useLocation();
  const [by, setBy] = useState(query["by"] ?? "player");
  const [q, setQ] = useState(query["q"] ?? "");
  const asked = query["q"] ?? "";
  const found = useQuery(`players:${query["by"] ?? ""}:${asked}`, (signal) => (asked ? call(findPlayer, requestOf(query["by"] ?? "player", asked), signal) : Promise.resolve(undefined)));
  return (
    <Page title={t("players")} sub={t("players.sub")} cli="ow player find">
      <Panel bare>
        <form class="filters" onSubmit={(e) => { e.preventDefault(); route(address("/players", { by, q: q.trim() || undefined })); }}>
          <select aria-label={t("players.by")} value={by} onChange={(e) => setBy(e.currentTarget.value)}>{WAYS.map(([id, name]) => <option key={id} value={id}>{t(name)}</option>)}</select>
          <input type="search" aria-label={t("players.search")} placeholder={by === "oidc" ? "provider:subject" : by === "player" ? "plr_…" : ""} value={q} onInput={(e) => setQ(e.currentTarget.value)} />
          <Button type="submit" icon="search">{t("players.search")}</Button>
        </form>
        {!asked ? <Empty icon="users" title={t("players.none")}>{t("players.none.text")}</Empty>
          : found.error?.status === 404 ? <Empty icon="search" title={t("players.unknown")}>{t("players.unknown.text")}</Empty>
            : <Loaded query={found}>{(player) => (player ? (
              <div class="table-wrap"><table>
                <thead><tr><th>{t("players.by.player")}</th><th>{t("players.logins")}</th><th>{t("status")}</th><th>{t("created")}</th></tr></thead>
                <tbody><tr><td><a class="name mono" href={`/players/${player.playerId}`}>{player.playerId}</a></td><td>{player.logins?.map((l) => l.kind).join(", ")}</td><td><Standing player={player} /></td><td><Time at={player.createdAt} /></td></tr></tbody>
              </table></div>
            ) : <Skeleton lines={1} />)}</Loaded>}
      </Panel>
    </Page>
  );
}

function Standing({ player }: { player: Player }) {
  return player.bannedUntil ? <Badge tone="bad">{t("players.banned")}</Badge> : <Badge tone="ok">{t("players.good")}</Badge>;
}

export function PlayerPage() {
  const id = useRoute().params["id"] ?? "";
  const { route } = useLocation();
  const [open, setOpen] = useState<"ban" | "delete" | "">("");
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
        <Panel title={t("players.calls")} bare actions={<a href={`/logs?player=${id}&since=7d`}>{t("logs")}</a>}>
          <Loaded query={calls}>{(page) => (page.entries ?? []).length === 0 ? <Empty icon="activity" title={t("players.calls.none")} /> : <LogLines entries={[...(page.entries ?? [])].reverse()} showRequest />}</Loaded>
        </Panel>
      </div>
      {open === "ban" && <Ban id={id} onClose={() => setOpen("")} onDone={() => { setOpen(""); player.reload(); }} />}
      {open === "delete" && (
        <FormDialog danger title={t("players.delete")} submit={t("delete")} onClose={() => setOpen("")}
          onSubmit={async () => { await call(deletePlayer, { playerId: id }); route("/players"); }}>
          <Notice tone="warn" title={t("players.delete.text")} />
        </FormDialog>
      )}
    </Page>
  );
}

const ENDS: [string, number, Key][] = [["1h", 1, "players.ban.hour"], ["24h", 24, "players.ban.day"], ["168h", 168, "players.ban.week"], ["720h", 720, "players.ban.month"], ["", 0, "players.ban.ever"]];

function Ban({ id, onClose, onDone }: { id: string; onClose: () => void; onDone: () => void }) {
  const [reason, setReason] = useState("");
  const [span, setSpan] = useState("24h");
  const hours = ENDS.find(([name]) => name === span)?.[1] ?? 0;
  return (
    <FormDialog danger title={t("players.ban")} submit={t("players.ban")} onClose={onClose}
      onSubmit={async () => {
        await call(banPlayer, { playerId: id, reason, ...(hours ? { until: new Date(Date.now() + hours * 3_600_000).toISOString() } : {}) });
        onDone();
      }}>
      <Field label={t("reason")} hint={t("players.ban.reason")}>{(a) => <input {...a} autoFocus maxLength={200} value={reason} onInput={(e) => setReason(e.currentTarget.value)} />}</Field>
      <Field label={t("players.ban.end")}>{(a) => <select {...a} value={span} onChange={(e) => setSpan(e.currentTarget.value)}>{ENDS.map(([name, , key]) => <option key={name} value={name}>{t(key)}</option>)}</select>}</Field>
      <Cli line={`ow player ban ${id}`} />
    </FormDialog>
  );
}
