// Bytes as the API carries them in JSON.

// As many as a call takes arguments, with room to spare.
const CHUNK = 1 << 13;

export function bytesOf(base64: string | undefined): Uint8Array {
  return Uint8Array.from(atob(base64 ?? ""), (c) => c.charCodeAt(0));
}

export function textOf(base64: string | undefined): string {
  return new TextDecoder().decode(bytesOf(base64));
}

export function toBase64(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let raw = "";
  for (let at = 0; at < bytes.length; at += CHUNK) raw += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(raw);
}
