// Ctrl-K: pages, virtual servers and functions, a player or a request by id.

import { useLocation } from "preact-iso";
import { useEffect, useId, useMemo, useState } from "preact/hooks";
import { call } from "../api/client";
import { useQuery } from "../api/query";
import { listVirtualServers, type VirtualServer } from "../gen/registry";
import { listTimers, type Timer } from "../gen/timers";
import { t } from "../i18n";
import { places } from "../pages";
import { nextTheme } from "../theme";
import type { IconName } from "./icons";
import { once, useLater } from "./later";
import { Dialog, Icon } from "./parts";

interface Choice {
  name: string;
  kind: string;
  icon: IconName;
  go: string | (() => void);
}

const MOST = 50;
// "tick", "chat/tick"
const WORD = /^(?:([A-Za-z0-9_-]{1,60})\/)?([A-Za-z0-9_-]{2,60})$/;

// How well the letters of `typed` are found in `name`, in order; the less the better, -1: not.
export function distance(typed: string, name: string): number {
  let at = 0;
  let gaps = 0;
  const text = name.toLowerCase();
  for (const letter of typed.toLowerCase()) {
    const found = text.indexOf(letter, at);
    if (found < 0) return -1;
    gaps += found - at;
    at = found + 1;
  }
  return gaps + (text.length - typed.length) / 100;
}

function byId(typed: string): Choice[] {
  if (/^plr_\w{10,}$/.test(typed)) return [{ name: typed, kind: t("player"), icon: "user", go: `/players/${typed}` }];
  if (/^req_\w{10,}$/.test(typed)) return [{ name: typed, kind: t("request"), icon: "logs", go: `/requests/${typed}` }];
  if (/^exe_\w{10,}$/.test(typed)) return [{ name: typed, kind: t("timers.execution"), icon: "inbox", go: `/queue/${typed}` }];
  return [];
}

async function readNamed(word: string, signal: AbortSignal): Promise<{ servers: VirtualServer[]; timers: Timer[] }> {
  const [, server, part] = WORD.exec(word) ?? [];
  if (!part) return { servers: [], timers: [] };
  const asked = server ? [{ nameContains: server, functionContains: part }] : [{ nameContains: part }, { functionContains: part }];
  const [timers, ...servers] = await Promise.all([
    call(listTimers, { pageSize: 50, nameContains: part, ...(server ? { virtualServer: server } : {}) }, signal),
    ...asked.map((each) => call(listVirtualServers, { pageSize: 50, ...each }, signal)),
  ]);
  return { servers: servers.flatMap((page) => page.virtualServers ?? []), timers: timers.timers ?? [] };
}

export function Palette({ onClose }: { onClose: () => void }) {
  const { route } = useLocation();
  const id = useId();
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const servers = useQuery("palette", (signal) => call(listVirtualServers, { pageSize: 200 }, signal));
  const timers = useQuery("palette:timers", (signal) => call(listTimers, { pageSize: 200 }, signal));
  // Where there are more than that, the server looks for what was typed.
  const word = useLater(WORD.test(typed.trim()) ? typed.trim() : "", 150);
  const more = useQuery(`palette:${word}`, (signal) => readNamed(word, signal));
  const all = useMemo<Choice[]>(() => [
    ...places.map((place): Choice => ({ name: t(place.name), kind: t("palette.page"), icon: place.icon, go: place.at })),
    ...once([...(servers.data?.virtualServers ?? []), ...(more.data?.servers ?? [])], (server) => server.name).flatMap((server): Choice[] => [
      { name: server.name ?? "", kind: t("vs"), icon: "server", go: `/vs/${server.name}` },
      ...(server.latest?.functions ?? []).map((fn): Choice => ({ name: `${server.name}/${fn.name}`, kind: t("function"), icon: "zap", go: `/vs/${server.name}/test?fn=${fn.name}` })),
    ]),
    ...once([...(timers.data?.timers ?? []), ...(more.data?.timers ?? [])], (timer) => timer.timerId).map((timer): Choice => ({ name: `${timer.virtualServer}/${timer.spec?.name}`, kind: t("timer"), icon: "timer", go: `/timers/${timer.timerId}` })),
    { name: t("theme"), kind: t("palette.do"), icon: "moon", go: nextTheme },
  ], [servers.data, timers.data, more.data]);
  const { found, none } = useMemo(() => {
    const rated = all.map((choice) => ({ choice, rate: distance(typed, choice.name) })).filter((each) => each.rate >= 0);
    const player = { name: t("palette.player", { text: typed.trim() }), kind: t("player"), icon: "user", go: `/players?q=${encodeURIComponent(typed.trim())}` } as const;
    const named = rated.sort((a, b) => a.rate - b.rate).slice(0, MOST).map((each) => each.choice);
    const known: Choice[] = [...byId(typed.trim()), ...named];
    return { found: [...known, ...(typed.trim().length >= 3 ? [player] : [])], none: known.length === 0 };
  }, [all, typed]);
  const chosen = Math.min(at, found.length - 1);
  useEffect(() => {
    document.getElementById(`${id}-${chosen}`)?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const take = (choice: Choice | undefined): void => {
    if (!choice) return;
    onClose();
    if (typeof choice.go === "string") route(choice.go);
    else choice.go();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setAt((chosen + (event.key === "ArrowDown" ? 1 : -1) + found.length) % Math.max(found.length, 1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      take(found[chosen]);
    }
  };
  return (
    <Dialog label={t("palette")} onClose={onClose} palette>
      <input role="combobox" aria-expanded="true" aria-controls={`${id}-list`} aria-activedescendant={`${id}-${chosen}`} aria-label={t("palette.hint")} placeholder={t("palette.hint")}
        autoFocus value={typed} onInput={(e) => { setTyped(e.currentTarget.value); setAt(0); }} onKeyDown={onKeyDown} />
      <div role="listbox" id={`${id}-list`} aria-label={t("palette")}>
        {found.map((choice, i) => (
          <div key={`${choice.kind}${choice.name}`} id={`${id}-${i}`} role="option" aria-selected={i === chosen} onClick={() => take(choice)} onMouseMove={() => setAt(i)}>
            <Icon name={choice.icon} /><span class="break">{choice.name}</span><small>{choice.kind}</small>
          </div>
        ))}
      </div>
      {none && <p class="muted palette-none" role="status">{t("nothing")}</p>}
    </Dialog>
  );
}
