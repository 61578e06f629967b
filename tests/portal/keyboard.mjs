// Hands of those who walk a path: by the mouse, or by keys alone. By keys the focus moves by Tab as it moves for
// whoever has no mouse; no script ever puts it anywhere.

import { editor, paste, write } from "./editor.mjs";
import { until } from "./server.mjs";

// The keys from where the focus is to an element, as far as the document tells: what else takes the focus (a part that
// scrolls) is found on the way. The editor lets Tab go after Escape.
function keysTo(target) {
  const root = document.querySelector("dialog[open]") ?? document;
  const active = document.activeElement;
  // The browser goes on from where the focus was lost, which nobody but it knows.
  if (active === document.body || !root.contains(active)) return ["Tab"];
  const isStop = (e) => (e.tabIndex >= 0 || e.isContentEditable) && !e.disabled && e.checkVisibility({ visibilityProperty: true }) && (e.type !== "radio" || e.checked);
  const stops = [...root.querySelectorAll("a[href], button, input, select, textarea, [tabindex], [contenteditable=true]")].filter(isStop);
  const isBefore = (e) => Boolean(e.compareDocumentPosition(active) & Node.DOCUMENT_POSITION_FOLLOWING);
  const here = stops.findLastIndex((e) => e === active || isBefore(e));
  const there = stops.indexOf(target);
  const keys = [];
  for (let at = here; there >= 0 && at !== there; at += Math.sign(there - here)) {
    if (stops[at]?.isContentEditable) keys.push("Escape");
    keys.push(there > here ? "Tab" : "Shift+Tab");
  }
  return keys;
}

// What is disabled is waited for, as by whoever looks at it.
export async function reach(page, at) {
  await until(`a way to ${at} by Tab`, 10_000, async () => {
    if (await at.evaluate((e) => e === document.activeElement)) return true;
    for (const key of await at.evaluate(keysTo)) await page.keyboard.press(key);
    return false;
  });
}

export const MOUSE = {
  press: (page, at) => at.click(),
  fill: (page, at, text) => at.fill(text),
  choose: (page, at, value) => at.selectOption(value),
  write,
};

export const KEYS = {
  press: async (page, at) => {
    await reach(page, at);
    await page.keyboard.press("Enter");
  },
  fill: async (page, at, text) => {
    await reach(page, at);
    await page.keyboard.press("Control+a");
    await page.keyboard.type(text);
  },
  choose: async (page, at, value) => {
    await reach(page, at);
    await page.waitForFunction(([select, wanted]) => [...select.options].some((each) => each.value === wanted), [await at.elementHandle(), value]);
    const steps = await at.evaluate((select, wanted) => [...select.options].findIndex((each) => each.value === wanted) - select.selectedIndex, value);
    for (let i = 0; i < Math.abs(steps); i++) await page.keyboard.press(steps > 0 ? "ArrowDown" : "ArrowUp");
  },
  write: async (page, text) => {
    await reach(page, editor(page));
    await page.keyboard.press("Control+a");
    await paste(page, text);
  },
};
