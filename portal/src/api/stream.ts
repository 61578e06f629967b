// Server streams of the Connect protocol: https://connectrpc.com/docs/protocol#streaming-rpcs

import { ApiError, headers, send } from "./client";
import type { Streaming } from "./method";

const ENVELOPE = 5;
const LAST = 2;

interface EndOfStream {
  error?: { code?: string; message?: string; details?: { debug?: { reason?: string; metadata?: { request_id?: string } } }[] };
}

function envelope(text: string): Uint8Array<ArrayBuffer> {
  const body = new TextEncoder().encode(text);
  const framed = new Uint8Array(ENVELOPE + body.length);
  new DataView(framed.buffer).setUint32(1, body.length);
  framed.set(body, ENVELOPE);
  return framed;
}

// Takes whole messages out of what has come so far.
export class Frames {
  private rest = new Uint8Array(0);

  push(bytes: Uint8Array): { flags: number; text: string }[] {
    const all = new Uint8Array(this.rest.length + bytes.length);
    all.set(this.rest);
    all.set(bytes, this.rest.length);
    const found: { flags: number; text: string }[] = [];
    let at = 0;
    while (all.length - at >= ENVELOPE) {
      const size = new DataView(all.buffer, at).getUint32(1);
      if (all.length - at - ENVELOPE < size) break;
      found.push({ flags: all[at]!, text: new TextDecoder().decode(all.subarray(at + ENVELOPE, at + ENVELOPE + size)) });
      at += ENVELOPE + size;
    }
    this.rest = all.slice(at);
    return found;
  }
}

// Each message as it comes, until the server ends the stream; what ended it otherwise is thrown.
export async function* stream<In, Out>(method: Streaming<In, Out>, input: In, signal: AbortSignal): AsyncGenerator<Out> {
  const reply = await send(method.path, {
    method: "POST",
    headers: headers({ "Content-Type": "application/connect+json", "Connect-Protocol-Version": "1" }),
    body: envelope(JSON.stringify(input)),
    signal,
  });
  const reader = reply.body!.getReader();
  const frames = new Frames();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new ApiError(0, "unavailable", "cut", "The stream was cut.", "");
    for (const frame of frames.push(value)) {
      if (frame.flags & LAST) {
        const { error } = JSON.parse(frame.text) as EndOfStream;
        if (!error) return;
        const debug = error.details?.[0]?.debug;
        throw new ApiError(0, error.code ?? "unknown", debug?.reason ?? "", error.message ?? "", debug?.metadata?.request_id ?? "");
      }
      yield JSON.parse(frame.text) as Out;
    }
  }
}
