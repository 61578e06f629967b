// What the pages say, in the viewer's language. English is always there; others come when chosen.

import { effect, signal } from "@preact/signals";
import { en, type Key } from "./en";

export type Language = "en" | "zh";
export type { Key } from "./en";

const LANGUAGE_KEY = "overworld.language";

export const languages: Record<Language, string> = { en: "English", zh: "简体中文" };
export const language = signal<Language>(stored());
const words = signal<Record<Key, string>>(en);

function stored(): Language {
  const chosen = localStorage.getItem(LANGUAGE_KEY);
  if (chosen === "en" || chosen === "zh") return chosen;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export async function loadLanguage(): Promise<void> {
  // English rather than nothing, when the words do not come.
  words.value = language.value === "zh" ? await import("./zh").then((m) => m.zh, () => en) : en;
}

export async function chooseLanguage(next: Language): Promise<void> {
  localStorage.setItem(LANGUAGE_KEY, next);
  language.value = next;
  await loadLanguage();
}

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-Hans" : "en";
});

// The text of a key; {name} in it is replaced.
export function t(key: Key, values?: Record<string, string | number>): string {
  const text = words.value[key];
  return values ? text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)) : text;
}

export function locale(): string {
  return language.value === "zh" ? "zh-CN" : "en-GB";
}
