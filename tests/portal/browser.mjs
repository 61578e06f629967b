// A browser that watches itself: what it says on its console and dialogs that open fail the test.

import AxeBuilder from "@axe-core/playwright";
import assert from "node:assert/strict";
import { join } from "node:path";
import { chromium } from "playwright-core";

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

export async function signIn(page, server) {
  const link = (await server.ow("portal")).trim();
  await page.goto(link);
  await page.getByRole("button", { name: /^Sign in as |的身份登录/ }).click();
  await page.getByRole("navigation", { name: /Main navigation|主导航/ }).waitFor();
}

// No fault of accessibility that is serious or critical, as the page stands.
export async function expectAccessible(page, what, rules) {
  const look = new AxeBuilder({ page });
  if (rules) look.withRules(rules);
  const found = await look.analyze();
  const grave = found.violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  const told = grave.map((v) => `${v.id} (${v.impact}): ${v.nodes.map((n) => `${n.html} ${n.failureSummary}`).slice(0, 3).join("\n  ")}`);
  assert.deepEqual(told, [], `${what}: accessibility`);
}

export async function picture(page, name) {
  await page.screenshot({ path: join(process.env.PICTURES, `${name}.png`), fullPage: true });
}

// Looks at the page in both themes: a picture and the check of each.
export async function lookAt(page, name) {
  for (const theme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    await picture(page, `${name}-${theme}`);
    // What differs between themes is the contrast.
    await expectAccessible(page, `${name}, ${theme}`, theme === "dark" ? ["color-contrast"] : undefined);
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  assert.deepEqual(page.faults, [], `${name}: faults`);
}
