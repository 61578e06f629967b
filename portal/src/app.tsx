// The frame around every page, and who gets to see it.

import { Suspense } from "preact/compat";
import { ErrorBoundary, LocationProvider, Route, Router, useLocation } from "preact-iso";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, signOut } from "./api/client";
import { follow, live } from "./api/live";
import { chooseLanguage, language, languages, loadLanguage, t, type Key, type Language } from "./i18n";
import { places, Pages, type Place } from "./pages";
import { chooseTitle, loadSession, session, titles } from "./session";
import { SignIn } from "./sign-in";
import { nextTheme, theme } from "./theme";
import { lazily } from "./ui/lazily";
import { Button, Empty, Icon, Notice, Remarks, say, Skeleton } from "./ui/parts";

const Palette = lazily(() => import("./ui/palette").then((m) => m.Palette));

const GROUPS: [Place["group"], Key][] = [["observe", "nav.observe"], ["build", "nav.build"], ["operate", "nav.operate"]];

function Mark() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" aria-hidden="true">
      <circle cx="12" cy="12" r="9.2" /><path d="M2.8 12h18.4M12 2.8c3.6 3 3.6 15.4 0 18.4M12 2.8c-3.6 3-3.6 15.4 0 18.4" />
    </svg>
  );
}

function Navigation({ open, onGo }: { open: boolean; onGo: () => void }) {
  const { path } = useLocation();
  return (
    <nav class={`nav ${open ? "open" : ""}`} aria-label={t("nav.main")} onClick={(event) => { if ((event.target as Element).closest("a")) onGo(); }}>
      <a class="brand" href="/"><Mark />Overworld</a>
      {GROUPS.map(([group, name]) => {
        const items = places.filter((place) => place.group === group);
        return items.length > 0 && (
          <div key={group}>
            <h2>{t(name)}</h2>
            <ul>
              {items.map((place) => (
                <li key={place.path}>
                  <a href={place.at} {...((place.at === "/" ? path === "/" : path === place.at || path.startsWith(`${place.at}/`)) ? { "aria-current": "page" } : {})}>
                    <Icon name={place.icon} />{t(place.name)}
                  </a>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
    </nav>
  );
}

const THEME_ICONS = { system: "monitor", light: "sun", dark: "moon" } as const;

function Bar({ onMenu, onSearch }: { onMenu: () => void; onSearch: () => void }) {
  const who = session.value!;
  return (
    <header class="bar">
      <Button class="menu" kind="quiet" icon="menu" aria-label={t("nav.open")} onClick={onMenu} />
      {titles.value.length > 1 && (
        <select aria-label={t("title")} style={{ width: "auto" }} value={who.title ?? ""} onChange={(event) => { void chooseTitle(event.currentTarget.value); }}>
          {titles.value.map((each) => <option key={each.titleId} value={each.titleId}>{each.name}</option>)}
        </select>
      )}
      <button type="button" class="button search-button" aria-label={t("palette.hint")} aria-keyshortcuts="Control+K" onClick={onSearch}>
        <Icon name="search" /><span>{t("palette.hint")}</span><kbd>Ctrl K</kbd>
      </button>
      <div class="grow" />
      <span class={`live ${live.value ? "on" : ""}`} role="img" aria-label={live.value ? t("live.on") : t("live.off")} title={live.value ? t("live.on") : t("live.off")}><i class="dot" /></span>
      <Button kind="quiet" icon={THEME_ICONS[theme.value]} aria-label={`${t("theme")}: ${t(`theme.${theme.value}`)}`} title={`${t("theme")}: ${t(`theme.${theme.value}`)}`} onClick={nextTheme} />
      <select aria-label={t("language")} style={{ width: "auto" }} value={language.value} onChange={(event) => { void chooseLanguage(event.currentTarget.value as Language); }}>
        {Object.entries(languages).map(([code, name]) => <option key={code} value={code} lang={code}>{name}</option>)}
      </select>
      <Account />
    </header>
  );
}

function Account() {
  const who = session.value!;
  const leave = async (everywhere: boolean): Promise<void> => {
    try {
      await signOut(everywhere);
    } catch (error) {
      // Who is told that they are out must be: the cookie may still be good.
      if (!(error instanceof ApiError) || error.status !== 401) return say(error instanceof Error ? error.message : String(error), "bad");
    }
    session.value = null;
  };
  return (
    <>
      <button type="button" class="button quiet" popovertarget="account" aria-label={t("account")}><Icon name="user" /></button>
      <div id="account" popover="auto" class="menu-card">
        <p class="break"><strong>{who.id}</strong><br /><span class="muted">{who.role}{who.everyTitle ? ` · ${t("account.every")}` : ""}</span></p>
        <Button icon="signOut" onClick={() => { void leave(false); }}>{t("account.out")}</Button>
        <Button kind="quiet" onClick={() => { void leave(true); }}>{t("account.out_everywhere")}</Button>
      </div>
    </>
  );
}

function NotFound() {
  return <Empty icon="search" title={t("nowhere")} action={<a class="button" href="/">{t("nav.home")}</a>}>{t("nowhere.text")}</Empty>;
}

function First() {
  const { route } = useLocation();
  useEffect(() => route("/", true), []);
  return null;
}

function Shell() {
  const [open, setOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const [searching, setSearching] = useState(false);
  const { path } = useLocation();
  useEffect(() => follow(), [session.value?.title]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setSearching(true);
      }
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  useEffect(() => {
    window.scrollTo(0, 0);
  }, [path]);
  return (
    <div class="shell" key={`${session.value?.title}`}>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>{t("skip")}</a>
      <Navigation open={open} onGo={() => setOpen(false)} />
      {open && <button type="button" class="scrim" aria-label={t("close")} onClick={() => setOpen(false)} />}
      <div>
        <Bar onMenu={() => setOpen(true)} onSearch={() => setSearching(true)} />
        <main id="main" tabIndex={-1} ref={main}>
          <ErrorBoundary onError={() => {}}>
            <Router>
              <Route path="/" component={Pages.home} />
              <Route path="/timers" component={Pages.timers} />
              <Route path="/timers/:id" component={Pages.timer} />
              <Route path="/events/:tab?" component={Pages.events} />
              <Route path="/queue" component={Pages.queue} />
              <Route path="/queue/:id" component={Pages.execution} />
              <Route path="/players" component={Pages.players} />
              <Route path="/players/:id" component={Pages.player} />
              <Route path="/audit" component={Pages.audit} />
              <Route path="/access/:tab?" component={Pages.access} />
              <Route path="/sign-in" component={First} />
              <Route path="/logs" component={Pages.logs} />
              <Route path="/requests/:id" component={Pages.request} />
              <Route path="/vs" component={Pages.virtualServers} />
              <Route path="/vs/:name/:tab?" component={Pages.virtualServer} />
              <Route default component={NotFound} />
            </Router>
          </ErrorBoundary>
        </main>
      </div>
      <Remarks />
      {searching && <Suspense fallback={null}><Palette onClose={() => setSearching(false)} /></Suspense>}
    </div>
  );
}

function Gate() {
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    if (session.value === undefined) loadSession().catch(() => setFailed(true));
  }, []);
  if (failed) {
    return <div class="entrance"><Notice tone="bad" title={t("unreachable")} action={<Button onClick={() => location.reload()}>{t("again")}</Button>} /></div>;
  }
  if (session.value === undefined) return <div class="entrance"><Skeleton /></div>;
  return session.value === null ? <SignIn /> : <Shell />;
}

export function App() {
  useEffect(() => {
    void loadLanguage();
  }, []);
  return <LocationProvider><Gate /></LocationProvider>;
}
