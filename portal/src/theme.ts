import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const THEME_KEY = "overworld.theme";
const stored = localStorage.getItem(THEME_KEY);

export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "system");

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
  localStorage.setItem(THEME_KEY, theme.value);
});

const ORDER: Theme[] = ["system", "light", "dark"];
export function nextTheme(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length]!;
}

const darkness = matchMedia("(prefers-color-scheme: dark)");

// What the system says: what is drawn in colours of the theme is drawn anew when it changes.
export const dark = signal(darkness.matches);
darkness.addEventListener("change", () => {
  dark.value = darkness.matches;
});
