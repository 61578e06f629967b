// The few parts that every page is made of.

import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { absolute, relative } from "../format";
import { t } from "../i18n";
import { icons, type IconName } from "./icons";

export function Icon({ name, label }: { name: IconName; label?: string }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round"
      {...(label ? { role: "img", "aria-label": label } : { "aria-hidden": true })}
      dangerouslySetInnerHTML={{ __html: icons[name] }} />
  );
}

type ButtonProps = JSX.ButtonHTMLAttributes & { icon?: IconName; kind?: "primary" | "danger" | "quiet" | "danger primary" };

export function Button({ icon, kind, children, class: more, ...rest }: ButtonProps) {
  return (
    <button type="button" class={`button ${kind ?? ""} ${children === undefined ? "icon-only" : ""} ${more ?? ""}`} {...rest}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

// ---- signs ----

export type Tone = "ok" | "warn" | "bad" | "accent" | "";

export function Badge({ tone = "", children }: { tone?: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

export function Notice({ tone, title, children, action }: { tone: "bad" | "warn" | ""; title?: string; children?: ComponentChildren; action?: ComponentChildren }) {
  return (
    <div class={`notice ${tone}`} role={tone === "bad" ? "alert" : "status"}>
      <Icon name={tone === "bad" ? "error" : tone === "warn" ? "alert" : "info"} />
      <div>
        {title && <strong>{title}</strong>}
        {children && <div>{children}</div>}
      </div>
      {action}
    </div>
  );
}

// Somebody else was faster.
const CONFLICTS = new Set(["stale_etag", "stale_version"]);

export function Failure({ error, retry }: { error: ApiError; retry?: () => void }) {
  const detail = [error.reason, error.requestId].filter(Boolean).join(" · ");
  const conflict = CONFLICTS.has(error.reason);
  return (
    <Notice tone="bad" title={conflict ? t("conflict") : error.message} action={retry && <Button onClick={retry}>{t("again")}</Button>}>
      {conflict && <p>{t("conflict.text")}</p>}
      {detail && <code class="muted">{detail}</code>}
    </Notice>
  );
}

export function Empty({ icon, title, children, action }: { icon: IconName; title: string; children?: ComponentChildren; action?: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action && <div class="actions">{action}</div>}
    </div>
  );
}

export function Skeleton({ lines = 4 }: { lines?: number }) {
  return (
    <div class="skeleton" role="status" aria-label={t("loading")}>
      {Array.from({ length: lines }, (_, i) => <i key={i} style={{ width: `${92 - ((i * 23) % 50)}%` }} />)}
    </div>
  );
}

// Shows one of: an error with nothing to show, the wait for the first answer, what came.
export function Loaded<T>({ query, lines, children }: {
  query: { data: T | undefined; error: ApiError | undefined; reload: () => void };
  lines?: number;
  children: (data: T) => ComponentChildren;
}) {
  if (query.data !== undefined) {
    return <>{query.error && <div class="body"><Failure error={query.error} retry={query.reload} /></div>}{children(query.data)}</>;
  }
  return query.error ? <div class="body"><Failure error={query.error} retry={query.reload} /></div> : <Skeleton {...(lines ? { lines } : {})} />;
}

// ---- times: relative, absolute on hover; all move together ----

const now = signal(Date.now());
setInterval(() => {
  if (document.visibilityState === "visible") now.value = Date.now();
}, 5000);

export function Time({ at }: { at: string | Date | undefined }) {
  if (!at) return <span class="muted">–</span>;
  const date = typeof at === "string" ? new Date(at) : at;
  return <time dateTime={date.toISOString()} title={absolute(date)} class="nowrap">{relative(date, Math.max(now.value, Date.now()))}</time>;
}

export function fromUs(us: string | number | undefined): Date {
  return new Date(Number(us ?? 0) / 1000);
}

// ---- pages ----

export function Page({ title, sub, cli, actions, children }: {
  title: string; sub?: ComponentChildren; cli?: string; actions?: ComponentChildren; children: ComponentChildren;
}) {
  useEffect(() => {
    document.title = `${title} · Overworld`;
  }, [title]);
  return (
    <>
      <div class="page-head">
        <div class="grow">
          <h1>{title}</h1>
          {sub && <div class="muted break">{sub}</div>}
        </div>
        <div class="actions">
          {cli && <Cli line={cli} />}
          {actions}
        </div>
      </div>
      {children}
    </>
  );
}

export function Panel({ title, actions, children, bare }: { title?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren; bare?: boolean }) {
  return (
    <section class="panel">
      {(title || actions) && <header><h2 class="grow">{title}</h2>{actions}</header>}
      {bare ? children : <div class="body">{children}</div>}
    </section>
  );
}

const LINE_MAX = 400;
const HASH = /^[0-9a-f]{40,}$/;

function shortened(text: string): string {
  const most = HASH.test(text) ? 12 : LINE_MAX;
  return text === "" ? "–" : text.length > most ? `${text.slice(0, most)}…` : text;
}

// A JSON object as one line for each of its names; anything else as it is.
export function JsonLines({ text }: { text: string | undefined }) {
  if (!text) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return <pre class="json">{text}</pre>;
  const whole = (each: unknown): string => (typeof each === "string" ? each : JSON.stringify(each));
  return <dl class="json-lines">{Object.entries(value).map(([name, each]) => <div key={name}><dt>{name}</dt><dd title={whole(each)}>{shortened(whole(each))}</dd></div>)}</dl>;
}

export function CopyButton({ text }: { text: string }) {
  const [done, setDone] = useState(false);
  return (
    <Button kind="quiet" icon={done ? "check" : "copy"} aria-label={done ? t("copied") : t("copy")} title={done ? t("copied") : t("copy")}
      onClick={() => {
        void navigator.clipboard?.writeText(text);
        setDone(true);
        setTimeout(() => setDone(false), 1500);
      }} />
  );
}

// What does the same at the command line.
export function Cli({ line }: { line: string }) {
  return (
    <div class="cli" title={t("cli.same")}>
      <code tabIndex={0} aria-label={`${t("cli.same")}: ${line}`}>{line}</code>
      <CopyButton text={line} />
    </div>
  );
}

export function Field({ label, hint, error, children }: {
  label: string; hint?: ComponentChildren; error?: string | undefined;
  children: (attributes: { id: string; "aria-describedby"?: string; "aria-invalid"?: "true" }) => ComponentChildren;
}) {
  const id = useId();
  const note = error ?? hint;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, ...(note ? { "aria-describedby": `${id}-note` } : {}), ...(error ? { "aria-invalid": "true" as const } : {}) })}
      {note && <span id={`${id}-note`} class={error ? "error" : "hint"}>{note}</span>}
    </div>
  );
}

// ---- dialogs and remarks ----

export function Dialog({ title, onClose, children, wide, label, palette }: { title?: string; label?: string; onClose: () => void; children: ComponentChildren; wide?: boolean; palette?: boolean }) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog ref={element} class={palette ? "palette" : wide ? "wide" : ""} {...(title ? { "aria-labelledby": id } : { "aria-label": label })}
      onCancel={(event) => { event.preventDefault(); onClose(); }}
      onClick={(event) => { if (event.target === element.current) onClose(); }}>
      {title && (
        <header>
          <h2 id={id}>{title}</h2>
          <Button kind="quiet" icon="close" aria-label={t("close")} onClick={onClose} />
        </header>
      )}
      {children}
    </dialog>
  );
}

// A form in a dialog: what it submits, its failures, both its buttons.
export function FormDialog({ title, submit, danger, onSubmit, onClose, children, wide, disabled }: {
  title: string; submit: string; danger?: boolean; wide?: boolean; disabled?: boolean;
  onSubmit: () => Promise<void>; onClose: () => void; children: ComponentChildren;
}) {
  const act = useAction(onSubmit);
  return (
    <Dialog title={title} onClose={onClose} {...(wide ? { wide } : {})}>
      <form onSubmit={(event) => { event.preventDefault(); void act.run(); }}>
        <div class="body">
          {children}
          {act.error && <Failure error={act.error} />}
        </div>
        <footer>
          <Button onClick={onClose}>{t("cancel")}</Button>
          <Button type="submit" kind={danger ? "danger primary" : "primary"} disabled={act.busy || disabled}>{act.busy ? t("working") : submit}</Button>
        </footer>
      </form>
    </Dialog>
  );
}

// A change by hand: once at a time, and how it ended.
export function useAction(run: () => Promise<void>): { run: () => Promise<void>; busy: boolean; error: ApiError | undefined; clear: () => void } {
  const [state, setState] = useState<{ busy: boolean; error?: ApiError }>({ busy: false });
  return {
    busy: state.busy,
    error: state.error,
    clear: () => setState({ busy: false }),
    run: async () => {
      if (state.busy) return;
      setState({ busy: true });
      try {
        await run();
        setState({ busy: false });
      } catch (cause) {
        setState({ busy: false, error: cause instanceof ApiError ? cause : new ApiError(0, "unknown", "", String(cause), "") });
      }
    },
  };
}

interface Remark { id: number; text: string; tone: "" | "bad" }
const remarks = signal<Remark[]>([]);
let lastRemark = 0;

export function say(text: string, tone: "" | "bad" = ""): void {
  const id = ++lastRemark;
  remarks.value = [...remarks.value.slice(-3), { id, text, tone }];
  setTimeout(() => {
    remarks.value = remarks.value.filter((each) => each.id !== id);
  }, 6000);
}

export function Remarks() {
  return (
    <div class="toasts" aria-live="polite">
      {remarks.value.map((each) => <Notice key={each.id} tone={each.tone} title={each.text} />)}
    </div>
  );
}

// ---- small pictures ----

export function Sparkline({ values, label, tone }: { values: number[]; label: string; tone?: "bad" }) {
  const most = Math.max(...values, 1);
  const step = 96 / Math.max(values.length - 1, 1);
  const line = values.map((v, i) => `${i === 0 ? "M" : "L"}${(i * step).toFixed(1)} ${(23 - (v / most) * 22).toFixed(1)}`).join("");
  return (
    <svg class={`spark ${tone ?? ""}`} viewBox="0 0 96 24" preserveAspectRatio="none" role="img" aria-label={label}>
      {line && <path class="fill" d={`${line}L96 24L0 24Z`} />}
      {line && <path d={line} />}
    </svg>
  );
}
