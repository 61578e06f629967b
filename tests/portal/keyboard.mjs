// Hands of those who walk a path: by the mouse, or by keys alone. By keys the focus moves by Tab as it moves for
// whoever has no mouse; no script ever puts it anywhere.

import { editor, paste, write } from "./editor.mjs";

const TRIES = 8;

// The keys from where the focus is to an element, as far as the document tells: what else takes the focus (a part that
// scrolls) is found on the way. The editor lets Tab go after Escape.
function keysTo(target) {
  const root = document.querySelector("dialog[open]") ?? document;
  const isStop = (e) => e.tabIndex >= 0 && !e.disabled && e.checkVisibility({ visibilityProperty: true }) && (e.type !== "radio" || e.checked);
  const stops = [...root.querySelectorAll("a[href], button, input, select, textarea, [tabindex], [contenteditable=true]")].filter((e) => isStop(e) || e === target);
  const active = document.activeElement;
  const isBehind = (e) => e !== active && !(e.compareDocumentPosition(active) & Node.DOCUMENT_POSITION_FOLLOWING);
  const here = root.contains(active) && active !== document.body ? stops.findLastIndex((e) => !isBehind(e)) : -1;
  const there = stops.indexOf(target);
  const keys = [];
  for (let at = here; at !== there; at += Math.sign(there - here)) {
    if (stops[at]?.closest(".cm-editor")) keys.push("Escape");
    keys.push(there > here ? "Tab" : "Shift+Tab");
  }
  return keys;
}

export async function reach(page, at) {
  await at.waitFor();
  for (let i = 0; i < TRIES; i++) {
    if (await at.evaluate((e) => e === document.activeElement)) return;
    for (const key of await at.evaluate(keysTo)) await page.keyboard.press(key);
  }
  throw new Error(`no way to ${at} by Tab`);
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
