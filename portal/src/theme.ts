import { computed, effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const THEME_KEY = "overworld.theme";
const stored = localStorage.getItem(THEME_KEY);

export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "system");

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
  localStorage.setItem(THEME_KEY, theme.value);
});

// Whether it is dark now: by choice, or as the system has it.
const system = matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(system.matches);
system.addEventListener("change", () => {
  systemIsDark.value = system.matches;
});
export const isDark = computed(() => (theme.value === "system" ? systemIsDark.value : theme.value === "dark"));

const ORDER: Theme[] = ["system", "light", "dark"];
export function nextTheme(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length]!;
}
