// Who is signed in, in which title, and what they may do.

import { computed, signal } from "@preact/signals";
import { ApiError, call, useTitle, whenSignedOut } from "./api/client";
import type { Method, Role } from "./api/method";
import { whoAmI, type WhoAmIResponse } from "./gen/identity";
import { listTitles, type Title } from "./gen/registry";

const TITLE_KEY = "overworld.title";
const ROLES: Role[] = ["viewer", "developer", "admin"];

// undefined: not known yet; null: nobody.
export const session = signal<WhoAmIResponse | null | undefined>(undefined);
export const titles = signal<Title[]>([]);
export const title = computed(() => titles.value.find((t) => t.titleId === session.value?.title));

whenSignedOut(() => {
  session.value = null;
});

export function may(method: Method<never, unknown>): boolean {
  const who = session.value;
  if (!who || method.role === null || (method.everyTitle && !who.everyTitle)) return false;
  return ROLES.indexOf((who.role ?? "") as Role) >= ROLES.indexOf(method.role);
}

async function ask(): Promise<WhoAmIResponse> {
  const who = await call(whoAmI, {});
  const page = await call(listTitles, { pageSize: 200 });
  titles.value = page.titles ?? [];
  return who;
}

// A title that is chosen but gone is no reason to stay outside.
export async function loadSession(): Promise<void> {
  useTitle(localStorage.getItem(TITLE_KEY) ?? "");
  try {
    const who = await ask();
    if (!who.title && titles.value[0]?.titleId) return chooseTitle(titles.value[0].titleId);
    session.value = who;
  } catch (error) {
    if (error instanceof ApiError && error.status !== 401 && localStorage.getItem(TITLE_KEY)) {
      localStorage.removeItem(TITLE_KEY);
      return loadSession();
    }
    if (!(error instanceof ApiError) || error.status === 401) session.value = null;
    else throw error;
  }
}

export async function chooseTitle(id: string): Promise<void> {
  localStorage.setItem(TITLE_KEY, id);
  useTitle(id);
  session.value = await ask();
}

// The gateway hears of a new session a moment after it was made.
export async function awaitSession(): Promise<void> {
  const end = Date.now() + 3000;
  do {
    await loadSession();
    if (session.value) return;
    await new Promise((done) => setTimeout(done, 50));
  } while (Date.now() < end);
}
