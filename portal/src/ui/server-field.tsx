// Which virtual server: one of a list while a page of them is all, else typed and found as it is.

import { useMemo, useState } from "preact/hooks";
import { call } from "../api/client";
import { useQuery } from "../api/query";
import { listVirtualServers, type VirtualServer } from "../gen/registry";
import { t } from "../i18n";
import { once, useLater } from "./later";
import { Field } from "./parts";

export interface Servers {
  list: VirtualServer[]; // those that have functions and are known by now
  chosen: string;        // a name; the first one until somebody chooses
  functions: { name?: string }[]; // of that one
  many: boolean;
  choose: (name: string) => void;
}

const NAME = /^[A-Za-z0-9_-]{1,60}$/;

export function useServers(first: string): Servers {
  const [typed, setTyped] = useState(first);
  const page = useQuery("servers", (signal) => call(listVirtualServers, { pageSize: 200 }, signal));
  const many = (page.data?.nextPageToken ?? "") !== "";
  const word = useLater(many && NAME.test(typed) ? typed : "", 150);
  const found = useQuery(`servers:${word}`, async (signal) => (word ? call(listVirtualServers, { pageSize: 200, nameContains: word }, signal) : undefined));
  const list = useMemo(() => once([...(page.data?.virtualServers ?? []), ...(found.data?.virtualServers ?? [])], (server) => server.name)
    .filter((server) => (server.latest?.functions ?? []).length > 0), [page.data, found.data]);
  const chosen = typed || (many ? "" : (list[0]?.name ?? ""));
  return { list, chosen, functions: list.find((server) => server.name === chosen)?.latest?.functions ?? [], many, choose: setTyped };
}

export function ServerField({ servers, disabled, onChoose }: { servers: Servers; disabled: boolean; onChoose: () => void }) {
  const choose = (name: string): void => {
    servers.choose(name);
    onChoose();
  };
  return (
    <Field label={t("vs")}>{(a) => servers.many
      ? (
        <>
          <input {...a} list={`${a.id}-names`} disabled={disabled} value={servers.chosen} onInput={(e) => choose(e.currentTarget.value.trim())} />
          <datalist id={`${a.id}-names`}>{servers.list.slice(0, 100).map((s) => <option key={s.name} value={s.name} />)}</datalist>
        </>
      )
      : <select {...a} disabled={disabled} value={servers.chosen} onChange={(e) => choose(e.currentTarget.value)}>{servers.list.map((s) => <option key={s.name}>{s.name}</option>)}</select>}
    </Field>
  );
}
