import { useLocation } from "preact-iso";
import { useRef, useState } from "preact/hooks";
import { ApiError, call } from "../api/client";
import { keyOfPages, useQuery } from "../api/query";
import { count, num, percent } from "../format";
import { createVirtualServer, deploy, listVirtualServers, type VirtualServer } from "../gen/registry";
import { t } from "../i18n";
import { filesOf, templates } from "../templates";
import { pack, upload } from "../bundle";
import { healthOf, readWindow, type Window } from "../series";
import { may } from "../session";
import { flags, word } from "../shell";
import { Badge, Button, Cli, Empty, Field, FormDialog, Loaded, Page, Panel, Sparkline, Time } from "../ui/parts";

const PAGE = 100;

export function VirtualServers() {
  const { query, route } = useLocation();
  const filter = query["q"] ?? "";
  const [pages, setPages] = useState(1);
  const list = useQuery(keyOfPages(`vs:${filter}`, pages), (signal) => readPages(filter, pages, signal), 10_000);
  const health = useQuery("vs:health", (signal) => readWindow(15, {}, signal), 10_000);
  const create = query["create"] !== undefined;
  // Stays while the next list is on its way, so that whoever types in it can go on.
  const filterable = useRef(filter !== "");
  if (list.data) filterable.current = filter !== "" || list.data.servers.length > 0;
  const go = (change: Record<string, string | undefined>): void => route(address("/vs", { ...query, ...change }), true);
  return (
    <Page title={t("vs.title")} sub={t("vs.sub")} cli="ow vs list"
      actions={may(createVirtualServer) && <Button kind="primary" icon="plus" onClick={() => go({ create: "" })}>{t("vs.create")}</Button>}>
      <Panel bare>
        {filterable.current && (
          <div class="filters">
            <input type="search" aria-label={t("filter")} placeholder={t("vs.filter")} maxLength={60} value={filter} onInput={(e) => go({ q: e.currentTarget.value || undefined })} />
          </div>
        )}
        <Loaded query={list}>
          {(page) => page.servers.length === 0 && filter === ""
            ? <Empty icon="server" title={t("vs.none")} action={may(createVirtualServer) && <Button kind="primary" icon="plus" onClick={() => go({ create: "" })}>{t("vs.create")}</Button>}>{t("vs.none.text")}</Empty>
            : (
              <>
                <Rows servers={page.servers} health={health.data} />
                {page.more && <div class="more"><Button onClick={() => setPages(pages + 1)}>{t("more")}</Button></div>}
              </>
            )}
        </Loaded>
      </Panel>
      {create && may(createVirtualServer) && <Create onClose={() => go({ create: undefined })} />}
    </Page>
  );
}

export function address(path: string, query: Record<string, string | undefined>): string {
  const search = new URLSearchParams(Object.entries(query).filter((e): e is [string, string] => e[1] !== undefined)).toString();
  return search ? `${path}?${search}` : path;
}

async function readPages(nameContains: string, pages: number, signal: AbortSignal): Promise<{ servers: VirtualServer[]; more: boolean }> {
  const servers: VirtualServer[] = [];
  let token = "";
  for (let i = 0; i < pages; i++) {
    const page = await call(listVirtualServers, { pageSize: PAGE, pageToken: token, nameContains }, signal);
    servers.push(...(page.virtualServers ?? []));
    token = page.nextPageToken ?? "";
    if (token === "") break;
  }
  return { servers, more: token !== "" };
}

function Rows({ servers, health }: { servers: VirtualServer[]; health: Window | undefined }) {
  if (servers.length === 0) return <Empty icon="search" title={t("nothing")} />;
  return (
    <div class="table-wrap">
      <table>
        <thead>
          <tr>
            <th>{t("name")}</th><th>{t("health")}</th><th class="number">{t("calls15")}</th><th class="number">{t("errors")}</th>
            <th>{t("traffic")}</th><th class="number">{t("functions")}</th><th class="number">{t("version")}</th><th>{t("changed")}</th>
          </tr>
        </thead>
        <tbody>{servers.map((server) => <Row key={server.name} server={server} health={health} />)}</tbody>
      </table>
    </div>
  );
}

function Row({ server, health }: { server: VirtualServer; health: Window | undefined }) {
  const name = server.name ?? "";
  const sum = health && healthOf(health, (s) => s.virtualServer === name);
  const main = server.aliases?.find((a) => a.name === "$DEFAULT")?.targets?.map((target) => target.version).join(" / ");
  return (
    <tr>
      <td><a class="name" href={`/vs/${name}`}>{name}</a>{server.description && <span class="sub break">{server.description}</span>}</td>
      <td><HealthBadge empty={!server.latest?.revisionId} calls={sum?.calls ?? 0} errors={sum?.errors ?? 0} /></td>
      <td class="number">{sum ? count(sum.calls) : "–"}</td>
      <td class="number">{sum ? <span class={sum.errors > 0 ? "bad" : ""}>{percent(sum.errors, sum.calls)}</span> : "–"}</td>
      <td>{sum && <Sparkline values={sum.callsOver} label={t("calls.spark", { n: count(sum.calls) })} />}</td>
      <td class="number">{server.latest?.functions?.length ?? 0}</td>
      <td class="number">{main ?? "–"}</td>
      <td><Time at={server.updatedAt} /></td>
    </tr>
  );
}

export function HealthBadge({ empty, calls, errors }: { empty: boolean; calls: number; errors: number }) {
  if (empty) return <Badge>{t("health.empty")}</Badge>;
  if (errors > 0 && errors >= calls * 0.05) return <Badge tone="bad"><i class="dot" />{t("health.failing")}</Badge>;
  if (errors > 0) return <Badge tone="warn"><i class="dot" />{t("health.some")}</Badge>;
  return calls > 0 ? <Badge tone="ok"><i class="dot" />{t("health.well")}</Badge> : <Badge>{t("health.idle")}</Badge>;
}

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,59}$/;

function Create({ onClose }: { onClose: () => void }) {
  const { route } = useLocation();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [template, setTemplate] = useState(templates[0]?.id ?? "");
  const [requestKey] = useState(() => crypto.randomUUID());
  const wrong = name !== "" && !NAME.test(name);
  return (
    <FormDialog title={t("vs.create")} submit={t("create")} disabled={!NAME.test(name)} onClose={onClose}
      onSubmit={async () => {
        await call(createVirtualServer, { name, runtime: "c", description, requestKey });
        const chosen = templates.find((each) => each.id === template);
        if (chosen) {
          const bundleSha256 = await upload(pack(filesOf(chosen, name)));
          const reply = await call(deploy, { virtualServer: name, bundleSha256, publish: true, requestKey });
          const wrong = reply.diagnostics?.[0];
          if (!reply.built) throw new ApiError(0, "failed_precondition", "not_built", `${wrong?.file}:${wrong?.line}: ${wrong?.message}`, "");
        }
        route(`/vs/${name}/code`);
      }}>
      <Field label={t("name")} hint={t("vs.name.hint")} error={wrong ? t("vs.name.wrong") : undefined}>
        {(a) => <input {...a} value={name} autoFocus maxLength={60} onInput={(e) => setName(e.currentTarget.value)} />}
      </Field>
      <fieldset class="choices">
        <legend>{t("template")}</legend>
        {[...templates.map((each) => [each.id, t(each.name), t(each.text)] as const), ["", t("template.empty"), t("template.empty.text")] as const].map(([id, title, text]) => (
          <label key={id} class="choice">
            <input type="radio" name="template" value={id} checked={template === id} onChange={() => setTemplate(id)} />
            <span><strong>{title}</strong><br /><span class="muted">{text}</span></span>
          </label>
        ))}
      </fieldset>
      <Field label={t("description")}>
        {(a) => <input {...a} value={description} maxLength={200} onInput={(e) => setDescription(e.currentTarget.value)} />}
      </Field>
      <Cli line={template === "" ? `ow vs create ${word(name || "NAME")}${flags({ description })}` : "ow vs deploy DIR --publish"} />
    </FormDialog>
  );
}

export function versionText(version: string | undefined): string {
  return num(version) > 0 ? String(version) : "$LATEST";
}
