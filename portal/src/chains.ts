// The audit in a page: what was looked through once, and the newest entries that come in front of it.

import { num } from "./number";
import type { AuditEntry } from "./gen/audit";

export interface Row extends AuditEntry {
  service: string;
}

// Entries of one service that fit, the newest first; `whole`: there are no older ones.
export interface ChainRows {
  service: string;
  rows: Row[];
  whole: boolean;
}

type ReadPage = (pageToken: string) => Promise<{ entries?: AuditEntry[]; nextPageToken?: string }>;

// So many pages; while nothing was found up to `looks` more: one may be empty though others follow.
export async function readChain(service: string, read: ReadPage, pages: number, looks: number): Promise<ChainRows> {
  const rows: Row[] = [];
  let pageToken = "";
  for (let i = 0; i < pages || (rows.length === 0 && i < pages + looks); i++) {
    const page = await read(pageToken);
    rows.push(...(page.entries ?? []).map((entry) => ({ ...entry, service })));
    pageToken = page.nextPageToken ?? "";
    if (pageToken === "") break;
  }
  return { service, rows, whole: pageToken === "" };
}

const newestOf = (chain: ChainRows | undefined): number => num(chain?.rows[0]?.sequence);

// In front of each chain what has come since. `gap`: more has come than was read, so that some may be missing between.
export function joined(old: ChainRows[], newest: ChainRows[]): { chains: ChainRows[]; gap: boolean } {
  let gap = false;
  const chains = old.map((chain) => {
    const news = newest.find((each) => each.service === chain.service);
    const fresh = news?.rows.filter((row) => num(row.sequence) > newestOf(chain)) ?? [];
    gap = gap || (news !== undefined && !news.whole && fresh.length > 0 && fresh.length === news.rows.length);
    return { ...chain, rows: [...fresh, ...chain.rows] };
  });
  return { chains, gap };
}

// All of them by their time. Below the oldest entry of a chain that goes on, others could miss theirs.
export function byTime(chains: ChainRows[]): { rows: Row[]; more: boolean } {
  const horizon = chains.filter((c) => !c.whole).map((c) => c.rows.at(-1)?.at ?? "").sort().at(-1) ?? "";
  const rows = chains.flatMap((c) => c.rows).filter((row) => (row.at ?? "") >= horizon).sort((a, b) => (b.at ?? "").localeCompare(a.at ?? ""));
  return { rows, more: chains.some((c) => !c.whole) };
}
