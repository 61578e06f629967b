// Tokens as jose makes and reads them: ours, and those of OpenID Connect providers; and what attackers
// make of both.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import * as jose from "jose";

import { start } from "./server.mjs";

const ISSUER = "https://id.example.com";
const now = () => Math.floor(Date.now() / 1000);

let server, folder, rsa, ec, stranger;

before(async () => {
  rsa = await jose.generateKeyPair("RS256", { extractable: true });
  ec = await jose.generateKeyPair("ES256", { extractable: true });
  stranger = await jose.generateKeyPair("RS256", { extractable: true });
  const keys = [
    { ...(await jose.exportJWK(rsa.publicKey)), kid: "r1", alg: "RS256", use: "sig" },
    { ...(await jose.exportJWK(ec.publicKey)), kid: "e1", alg: "ES256", use: "sig" },
  ];
  folder = mkdtempSync(join(tmpdir(), "overworld-providers-"));
  const file = join(folder, "keys.json");
  const providers = join(folder, "providers.json");
  writeFileSync(file, JSON.stringify({ keys }));
  writeFileSync(
    providers,
    JSON.stringify({
      providers: [{ name: "studio", issuers: [ISSUER], audiences: ["game"], jwks_file: file }],
    }),
  );
  server = await start(`--identity.providers=${providers}`, "--gateway.address_requests=0");
});

after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function ask(method, body, token) {
  const reply = await fetch(`${server.public}/overworld.identity.v1.Identity/${method}`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
    },
    body: JSON.stringify(body),
  });
  return { status: reply.status, body: await reply.json() };
}

const logIn = (idToken) => ask("OidcLogin", { token: { provider: "studio", idToken } });

function sign(pair, header, claims = {}) {
  const all = { iss: ISSUER, aud: "game", sub: "ann", iat: now(), exp: now() + 600, ...claims };
  return new jose.SignJWT(all).setProtectedHeader(header).sign(pair.privateKey ?? pair);
}

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

// ---- Ours ----

function signingKey() {
  const keys = join(server.folder, "keys/signing");
  const kid = readdirSync(keys).sort().at(-1);
  return { kid, key: new TextEncoder().encode(readFileSync(join(keys, kid), "utf8").trim()) };
}

test("our access token is a JWT", async () => {
  const { body } = await ask("DeviceLogin", { deviceId: "jose-device-1" });
  const { kid, key } = signingKey();
  const { payload, protectedHeader } = await jose.jwtVerify(body.accessToken, key, {
    algorithms: ["HS256"],
    subject: body.playerId,
    typ: "JWT",
  });
  assert.equal(protectedHeader.kid, kid);
  assert.equal(payload.kind, "player");
  assert.equal(payload.jti, body.sessionId);
  assert.equal(payload.exp - payload.iat, 3600);
});

test("what is nearly our access token is refused", async () => {
  const { body } = await ask("DeviceLogin", { deviceId: "jose-device-2" });
  const { kid, key } = signingKey();
  const claims = jose.decodeJwt(body.accessToken);
  const [header, payload, signature] = body.accessToken.split(".");
  const make = (protectedHeader, more = {}) =>
    new jose.SignJWT({ ...claims, ...more }).setProtectedHeader(protectedHeader).sign(key);
  const long = new TextEncoder().encode("x".repeat(64));
  const bad = {
    none: new jose.UnsecuredJWT(claims).encode(),
    "none with kid": `${part({ alg: "none", typ: "JWT", kid })}.${payload}.`,
    "no signature": `${header}.${payload}.`,
    "another algorithm's name": `${part({ alg: "HS512", typ: "JWT", kid })}.${payload}.${signature}`,
    "another kid": await make({ alg: "HS256", typ: "JWT", kid: "sig_01HXG3K5N8Q2Z4V6B8D0F2H4J6" }),
    "a path as kid": await make({ alg: "HS256", typ: "JWT", kid: "../../../dev/null" }),
    "no kid": await make({ alg: "HS256", typ: "JWT" }),
    "somebody's own key": await new jose.SignJWT(claims)
      .setProtectedHeader({ alg: "HS256", typ: "JWT", kid })
      .sign(long),
    "another player, old signature": `${header}.${part({ ...claims, sub: "plr_x" })}.${signature}`,
    expired: await make({ alg: "HS256", typ: "JWT", kid }, { iat: now() - 7200, exp: now() - 3600 }),
    "RS256 of a stranger": await new jose.SignJWT(claims)
      .setProtectedHeader({ alg: "RS256", typ: "JWT", kid })
      .sign(stranger.privateKey),
  };
  for (const [what, token] of Object.entries(bad)) {
    const { status } = await ask("WhoAmI", {}, token);
    assert.equal(status, 401, what);
  }
  assert.equal((await ask("WhoAmI", {}, body.accessToken)).status, 200);
});

// ---- Providers' ----

test("RS256 and ES256 log in, as one player", async () => {
  const first = await logIn(await sign(rsa, { alg: "RS256", kid: "r1" }));
  const second = await logIn(await sign(ec, { alg: "ES256", kid: "e1" }));
  assert.equal(first.status, 200, JSON.stringify(first.body));
  assert.equal(first.body.isNewPlayer, true);
  assert.equal(second.body.playerId, first.body.playerId);
  assert.equal((await ask("WhoAmI", {}, second.body.accessToken)).body.id, first.body.playerId);
});

test("clocks may differ by a minute", async () => {
  const header = { alg: "RS256", kid: "r1" };
  const at = (claims) => sign(rsa, header, claims).then(logIn);
  assert.equal((await at({ exp: now() - 30 })).status, 200);
  assert.equal((await at({ iat: now() + 30 })).status, 200);
  assert.equal((await at({ nbf: now() + 30 })).status, 200);
  assert.equal((await at({ exp: now() - 90 })).status, 401);
  assert.equal((await at({ iat: now() + 90 })).status, 401);
  assert.equal((await at({ nbf: now() + 90 })).status, 401);
});

test("id tokens that are not for us are refused", async () => {
  const rs = { alg: "RS256", kid: "r1" };
  const pem = new TextEncoder().encode(await jose.exportSPKI(rsa.publicKey));
  const jwk = await jose.exportJWK(stranger.publicKey);
  const good = await sign(rsa, rs);
  const [, payload, signature] = good.split(".");
  const pss = await jose.importJWK(await jose.exportJWK(rsa.privateKey), "PS256");
  const bad = {
    none: `${part({ alg: "none" })}.${payload}.`,
    "None with a signature": `${part({ alg: "None", kid: "r1" })}.${payload}.${signature}`,
    "the public key as a secret": await sign(pem, { alg: "HS256", kid: "r1" }),
    "RSA-PSS": await sign(pss, { alg: "PS256", kid: "r1" }),
    "a stranger's key": await sign(stranger, rs),
    "a key that comes along": await sign(stranger, { ...rs, jwk }),
    "an address that comes along": await sign(stranger, { ...rs, jku: "http://127.0.0.1/keys" }),
    "an unknown kid": await sign(rsa, { alg: "RS256", kid: "r2" }),
    "another key's kid": await sign(rsa, { alg: "RS256", kid: "e1" }),
    "a kid with SQL": await sign(rsa, { alg: "RS256", kid: "r1' OR '1'='1" }),
    "another issuer": await sign(rsa, rs, { iss: "https://evil.example.com" }),
    "another audience": await sign(rsa, rs, { aud: "other" }),
    "another party": await sign(rsa, rs, { aud: ["game", "other"], azp: "other" }),
    "no subject": await sign(rsa, rs, { sub: "" }),
    "no end": await sign(rsa, rs, { exp: undefined }),
    "another claim, old signature": `${part(rs)}.${part({ sub: "bob" })}.${signature}`,
    "an encrypted one": await new jose.EncryptJWT({ sub: "ann" })
      .setProtectedHeader({ alg: "RSA-OAEP", enc: "A128GCM" })
      .encrypt(await jose.importJWK(await jose.exportJWK(rsa.publicKey), "RSA-OAEP")),
  };
  for (const [what, token] of Object.entries(bad)) {
    const { status, body } = await logIn(token);
    assert.equal(status, 401, `${what}: ${JSON.stringify(body)}`);
    assert.equal(body.code, "unauthenticated", what);
  }
  assert.equal((await logIn(good)).status, 200);
});
