// What functions remember: keys and values of a scope, changed only as they were seen.

import { useState } from "preact/hooks";
import { call } from "../api/client";
import { keyOfPages, useQuery } from "../api/query";
import { textOf, toBase64 } from "../base64";
import { bytes } from "../format";
import { kvDelete, kvList, kvSet, type Entry, type Scope } from "../gen/data";
import { t } from "../i18n";
import { may } from "../session";
import { word } from "../shell";
import { Button, Cli, Empty, Field, FormDialog, Loaded, Panel, Time, say } from "../ui/parts";

async function read(scope: Scope, prefix: string, pages: number, signal: AbortSignal): Promise<{ entries: Entry[]; more: boolean }> {
  const entries: Entry[] = [];
  let pageToken = "";
  for (let i = 0; i < pages; i++) {
    const page = await call(kvList, { scope, prefix, pageSize: 100, pageToken }, signal);
    entries.push(...(page.entries ?? []));
    pageToken = page.nextPageToken ?? "";
    if (pageToken === "") break;
  }
  return { entries, more: pageToken !== "" };
}

export function KvPanel({ scope, flag }: { scope: Scope; flag: string }) {
  const [prefix, setPrefix] = useState("");
  const [pages, setPages] = useState(1);
  const [open, setOpen] = useState<Entry | "new">();
  const list = useQuery(keyOfPages(`kv:${JSON.stringify(scope)}:${prefix}`, pages), (signal) => read(scope, prefix, pages, signal), 5000);
  const remove = async (entry: Entry): Promise<void> => {
    try {
      await call(kvDelete, { scope, key: entry.key!, condition: { kind: "VERSION", version: entry.version! } });
    } catch (cause) {
      say((cause as Error).message, "bad");
    }
    list.reload();
  };
  return (
    <Panel title={t("kv")} bare actions={<><Cli line={`ow kv list ${flag}`} />{may(kvSet) && <Button icon="plus" onClick={() => setOpen("new")}>{t("kv.add")}</Button>}</>}>
      <div class="filters"><input type="search" aria-label={t("kv.prefix")} placeholder={t("kv.prefix")} value={prefix} onInput={(e) => setPrefix(e.currentTarget.value)} /></div>
      <Loaded query={list} lines={2}>
        {(page) => page.entries.length === 0 ? <Empty icon="layers" title={t("kv.none")}>{t("kv.none.text")}</Empty> : (
          <>
            <div class="table-wrap"><table>
              <thead><tr><th>{t("kv.key")}</th><th>{t("value")}</th><th class="number">{t("version")}</th><th>{t("changed")}</th><th>{t("players.expires")}</th><th><span class="visually-hidden">{t("actions")}</span></th></tr></thead>
              <tbody>
                {page.entries.map((entry) => (
                  <tr key={entry.key}>
                    <td class="mono break">{entry.key}</td>
                    <td><pre class="json" tabIndex={0}>{textOf(entry.value).slice(0, 400)}</pre><span class="sub">{bytes(textOf(entry.value).length)}</span></td>
                    <td class="number">{entry.version}</td><td><Time at={entry.updatedAt} /></td><td>{entry.expiresAt ? <Time at={entry.expiresAt} /> : t("never")}</td>
                    <td class="right nowrap">
                      {may(kvSet) && <Button kind="quiet" onClick={() => setOpen(entry)}>{t("edit")}</Button>}
                      {may(kvDelete) && <Button kind="quiet" icon="trash" aria-label={`${t("delete")} ${entry.key}`} onClick={() => { void remove(entry); }} />}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table></div>
            {page.more && <div class="more"><Button onClick={() => setPages(pages + 1)}>{t("more")}</Button></div>}
          </>
        )}
      </Loaded>
      {open && <Edit scope={scope} flag={flag} entry={open === "new" ? undefined : open} onClose={() => setOpen(undefined)} onDone={() => { setOpen(undefined); list.reload(); }} />}
    </Panel>
  );
}

function Edit({ scope, flag, entry, onClose, onDone }: { scope: Scope; flag: string; entry: Entry | undefined; onClose: () => void; onDone: () => void }) {
  const [key, setKey] = useState(entry?.key ?? "");
  const [text, setText] = useState(() => textOf(entry?.value));
  return (
    <FormDialog title={entry ? entry.key ?? "" : t("kv.add")} submit={t("save")} disabled={key === ""} onClose={onClose}
      onSubmit={async () => {
        // Only when it is still what was shown; a new one only when there is none.
        await call(kvSet, { scope, key, value: toBase64(text), condition: entry ? { kind: "VERSION", version: entry.version! } : { kind: "ABSENT" } });
        onDone();
      }}>
      {!entry && <Field label={t("kv.key")}>{(a) => <input {...a} autoFocus value={key} onInput={(e) => setKey(e.currentTarget.value)} />}</Field>}
      <Field label={t("value")} hint={t("kv.hint")}>{(a) => <textarea {...a} rows={8} value={text} onInput={(e) => setText(e.currentTarget.value)} />}</Field>
      <Cli line={`ow kv set ${word(key || "KEY")} ${flag}`} />
    </FormDialog>
  );
}
