// Who gets in, how they stay in, and what the browser is told to allow.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { lookAt, openBrowser, openPage, signIn } from "./browser.mjs";
import { start, until } from "./server.mjs";

let server, browser;
before(async () => {
  [server, browser] = await Promise.all([start(), openBrowser()]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const navigation = (page) => page.getByRole("navigation", { name: "Main navigation" });

test("a link signs in once and leaves no trace in the address", async () => {
  const page = await openPage(browser);
  const link = (await server.ow("portal")).trim();
  await page.goto(server.console);
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await lookAt(page, "sign-in");
  await page.goto(link);
  // Nothing happens before it is said as whom.
  await page.getByRole("button", { name: /^Sign in as / }).waitFor();
  assert.equal((await page.context().cookies()).length, 0);
  await page.getByRole("button", { name: /^Sign in as / }).click();
  await navigation(page).waitFor();
  assert.ok(!page.url().includes("owl_"), page.url());
  const again = await openPage(browser);
  await again.goto(link);
  await again.getByText("this link was used").waitFor();
  await lookAt(again, "sign-in-refused");
  await again.context().close();
  await page.context().close();
});

test("the session is a cookie that pages cannot read, and survives kill -9 of the server", async () => {
  const page = await openPage(browser);
  await signIn(page, server);
  const cookies = await page.context().cookies();
  assert.equal(cookies.length, 1);
  const { name, httpOnly, sameSite, path } = cookies[0];
  assert.deepEqual({ name, httpOnly, sameSite, path }, { name: "overworld_session", httpOnly: true, sameSite: "Strict", path: "/" });
  assert.equal(await page.evaluate(() => document.cookie), "");
  assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }).includes("ows_")), false);
  await server.restart();
  await page.reload();
  await navigation(page).waitFor();
  await page.context().close();
});

test("signing out everywhere ends every session", async () => {
  const [one, two] = await Promise.all([openPage(browser), openPage(browser)]);
  await signIn(one, server);
  await signIn(two, server);
  await one.getByRole("button", { name: "Account" }).click();
  await one.getByRole("button", { name: "Sign out everywhere" }).click();
  await one.getByLabel("Password").waitFor();
  await two.reload();
  await two.getByLabel("Password").waitFor();
  await one.context().close();
  await two.context().close();
});

test("a member signs in with a password; wrong ones are refused and then held back", async () => {
  const made = await server.owJson("member", "add", "ann@example.com", "--role", "viewer");
  const page = await openPage(browser);
  await page.goto(server.console);
  await page.getByLabel("E-mail address").fill("ann@example.com");
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("there is no such e-mail address and password").waitFor();
  await page.getByLabel("Password").fill(made.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await navigation(page).waitFor();
  // A viewer is offered nothing that changes something, and the API refuses it anyway.
  assert.equal(await page.getByRole("button", { name: "New virtual server" }).count(), 0);
  const status = await page.evaluate(async () => (await fetch("/overworld.registry.v1.Registry/CreateVirtualServer", {
    method: "POST", headers: { "Content-Type": "application/json", "Overworld-Portal": "1" }, body: '{"name":"x","runtime":"c"}',
  })).status);
  assert.equal(status, 403);
  await page.context().close();

  const guesser = await openPage(browser);
  await guesser.goto(server.console);
  await guesser.getByLabel("E-mail address").fill("eve@example.com");
  await until("being held back", 20000, async () => {
    await guesser.getByLabel("Password").fill("a guess of a password");
    await guesser.getByRole("button", { name: "Sign in" }).click();
    await guesser.getByRole("button", { name: "Sign in" }).waitFor();
    return (await guesser.getByText("too many wrong passwords").count()) > 0;
  });
  await guesser.context().close();
});

test("the headers say what may run and where it may be shown", async () => {
  const page = await fetch(server.console);
  const policy = page.headers.get("content-security-policy");
  for (const part of ["default-src 'none'", "script-src 'self' 'nonce-", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]) {
    assert.ok(policy.includes(part), part);
  }
  assert.ok(!policy.includes("unsafe"), policy);
  assert.equal(page.headers.get("x-content-type-options"), "nosniff");
  assert.equal(page.headers.get("x-frame-options"), "DENY");
  assert.equal(page.headers.get("referrer-policy"), "no-referrer");
  const nonce = /nonce-([^']+)/.exec(policy)[1];
  assert.ok((await page.text()).includes(`nonce="${nonce}"`));
  assert.notEqual(/nonce-([^']+)/.exec((await fetch(server.console)).headers.get("content-security-policy"))[1], nonce);
});

test("another origin can neither use nor make a session", async () => {
  const page = await openPage(browser);
  await signIn(page, server);
  const [cookie] = await page.context().cookies();
  const ask = (headers) => fetch(`${server.console}/overworld.identity.v1.Identity/WhoAmI`, {
    method: "POST", body: "{}", headers: { "Content-Type": "application/json", Cookie: `${cookie.name}=${cookie.value}`, ...headers },
  });
  assert.equal((await ask({ "Overworld-Portal": "1" })).status, 200);
  assert.equal((await ask({})).status, 401);
  assert.equal((await ask({ "Overworld-Portal": "1", Origin: "http://evil.example" })).status, 401);
  const login = await fetch(`${server.console}/session/link`, { method: "POST", body: '{"code":"x"}' });
  assert.equal(login.status, 403);
  const preflight = await fetch(`${server.console}/session/link`, { method: "OPTIONS", headers: { Origin: "http://evil.example" } });
  assert.equal(preflight.headers.get("access-control-allow-origin"), null);
  await page.context().close();
});
