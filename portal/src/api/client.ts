// Calls of the public API by the Connect protocol, with the session's cookie.
// https://connectrpc.com/docs/protocol

import type { Method } from "./method";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly reason: string,
    message: string,
    readonly requestId: string,
  ) {
    super(message);
  }
}

interface ErrorBody {
  code?: string;
  message?: string;
  request_id?: string;
  details?: { debug?: { reason?: string; metadata?: { request_id?: string } } }[] | { code?: string };
}

// The title that calls are about; "": the only one.
let title = "";
export function useTitle(next: string): void {
  title = next;
}

// Hears of every answer that says that nobody is signed in (any more).
let onSignedOut: () => void = () => {};
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

export function headers(more?: Record<string, string>): Record<string, string> {
  const all: Record<string, string> = { "Overworld-Portal": "1", ...more };
  if (title !== "") all["Overworld-Title"] = title;
  return all;
}

export async function errorOf(reply: Response): Promise<ApiError> {
  let body: ErrorBody = {};
  try {
    body = (await reply.json()) as ErrorBody;
  } catch {
    // A proxy's page, or nothing.
  }
  const debug = Array.isArray(body.details) ? body.details[0]?.debug : undefined;
  const requestId = debug?.metadata?.request_id ?? body.request_id ?? reply.headers.get("Overworld-Request-Id") ?? "";
  return new ApiError(reply.status, body.code ?? "unknown", debug?.reason ?? body.code ?? "", body.message ?? reply.statusText, requestId);
}

// fetch, whose failures are ApiErrors too.
export async function send(path: string, init: RequestInit): Promise<Response> {
  let reply: Response;
  try {
    reply = await fetch(path, { credentials: "same-origin", ...init });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ApiError(0, "unavailable", "unreachable", "The server does not answer.", "");
  }
  if (reply.ok) return reply;
  const error = await errorOf(reply);
  if (reply.status === 401 && !path.startsWith("/session")) onSignedOut();
  throw error;
}

// Which services were asked with a signal, so that whoever made it can tell what its answer depends on.
const asked = new WeakMap<AbortSignal, Set<string>>();
const none: ReadonlySet<string> = new Set();

export function servicesAsked(signal: AbortSignal): ReadonlySet<string> {
  return asked.get(signal) ?? none;
}

export async function call<In, Out>(method: Method<In, Out>, input: In, signal?: AbortSignal): Promise<Out> {
  if (signal) asked.set(signal, new Set(asked.get(signal)).add(method.path.split(".")[1] ?? ""));
  const reply = await send(method.path, {
    method: "POST",
    headers: headers({ "Content-Type": "application/json", "Connect-Protocol-Version": "1" }),
    body: JSON.stringify(input),
    ...(signal ? { signal } : {}),
  });
  return (await reply.json()) as Out;
}

export async function signIn(way: "link" | "password", body: Record<string, string>): Promise<void> {
  await send(`/session/${way}`, {
    method: "POST",
    headers: headers({ "Content-Type": "application/json" }),
    body: JSON.stringify(body),
  });
}

export async function signOut(everywhere: boolean): Promise<void> {
  await send(`/session${everywhere ? "?everywhere=1" : ""}`, { method: "DELETE", headers: headers() });
}
