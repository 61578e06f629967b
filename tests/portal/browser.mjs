// A browser that watches itself: what it says on its console and dialogs that open fail the test.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

// The copy that @axe-core/playwright brings. Its builder would load it anew for each look.
const require = createRequire(import.meta.url);
const { source: AXE } = createRequire(require.resolve("@axe-core/playwright"))("axe-core");

const ARGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--force-color-profile=srgb",
];

export async function openBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGS });
}

// A page of a fresh profile. `faults` grows by what must not happen.
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "light", locale: "en-GB", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  const faults = [];
  // Says what exactly the policy forbade, and where.
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => console.warn(`policy: ${e.effectiveDirective} ${e.sample} ${e.sourceFile}:${e.lineNumber}:${e.columnNumber} ${e.target?.outerHTML?.slice(0, 200)}`));
  });
  page.on("console", (message) => {
    // A refusal that the page shows is logged by the browser as well.
    if (message.text().startsWith("policy:")) faults.push(message.text());
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.faults = faults;
  return page;
}

export async function signIn(page, server, press = (_, at) => at.click()) {
  const link = (await server.ow("portal")).trim();
  await page.goto(link);
  await press(page, page.getByRole("button", { name: /^Sign in as |的身份登录/ }));
  await page.getByRole("navigation", { name: /Main navigation|主导航/ }).waitFor();
}

// The page has what it asked for: its heading is there, and nothing that stands for what is still to come.
export async function settled(page) {
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.waitForFunction(() => document.querySelector(".skeleton") === null);
}

// The rules whose answer depends on the theme.
export const COLOURS = ["color-contrast", "link-in-text-block"];

// No fault of accessibility that is serious or critical, as the page stands; by some rules or, without any, by all.
export async function expectAccessible(page, what, rules = []) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  const violations = await page.evaluate(async (only) => {
    const found = await window.axe.run(document, { resultTypes: ["violations"], ...(only.length > 0 ? { runOnly: only } : {}) });
    return found.violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 3).map((n) => `${n.html} ${n.failureSummary}`) }));
  }, rules);
  const grave = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  const told = grave.map((v) => `${v.id} (${v.impact}): ${v.nodes.join("\n  ")}`);
  assert.deepEqual(told, [], `${what}: accessibility`);
}

export async function picture(page, name) {
  // What is behind a dialog does not scroll.
  const fullPage = await page.evaluate(() => {
    const open = document.querySelector("dialog[open]");
    if (!open) scrollTo(0, 0); // what sticks to the top stands in the middle otherwise
    return !open;
  });
  await page.screenshot({ path: join(process.env.PICTURES, `${name}.png`), fullPage });
}

// A picture of docs/guide, as large as a screen. bazel test --test_env=GUIDE_PICTURES=... renews them.
export async function guide(page, name) {
  const folder = process.env.GUIDE_PICTURES || join(process.env.PICTURES, "guide");
  mkdirSync(folder, { recursive: true });
  await page.setViewportSize({ width: 1200, height: 760 });
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await page.setViewportSize({ width: 1280, height: 800 });
}

// Looks at the page in both themes: a picture and the check of each.
export async function lookAt(page, name) {
  for (const [theme, rules] of [["light", []], ["dark", COLOURS]]) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await picture(page, `${name}-${theme}`);
    await expectAccessible(page, `${name}, ${theme}`, rules);
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  assert.deepEqual(page.faults, [], `${name}: faults`);
}
