// Numbers, sizes and times as people read them.

import { locale } from "./i18n";
import { num } from "./number";

export { num };

export function count(value: string | number | undefined): string {
  return new Intl.NumberFormat(locale()).format(num(value));
}

export function compact(value: number): string {
  return new Intl.NumberFormat(locale(), { notation: "compact", maximumFractionDigits: Math.abs(value) < 1 ? 2 : 1 }).format(value);
}

export function percent(part: number, whole: number): string {
  if (whole === 0) return "–";
  const share = part / whole;
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: share > 0 && share < 0.1 ? 2 : 0 }).format(share);
}

export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  let left = value;
  while (left >= 1024 && at < units.length - 1) {
    left /= 1024;
    at++;
  }
  return `${left < 10 && at > 0 ? left.toFixed(1) : Math.round(left)} ${units[at]}`;
}

export function duration(us: number): string {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 1_000_000) return `${(us / 1000).toFixed(us < 10_000 ? 1 : 0)} ms`;
  if (us < 60_000_000) return `${(us / 1_000_000).toFixed(us < 10_000_000 ? 2 : 1)} s`;
  const minutes = Math.floor(us / 60_000_000);
  if (minutes < 60) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.floor(minutes / 1440)} d`;
}

// Each unit, how long it is, and up to how many of it are told in it.
const STEPS: [Intl.RelativeTimeFormatUnit, number, number][] = [
  ["second", 1, 60],
  ["minute", 60, 60],
  ["hour", 3600, 24],
  ["day", 86_400, 60],
  ["month", 2_629_800, 24],
  ["year", 31_557_600, Infinity],
];

export function relative(at: Date, now: number): string {
  const distance = (at.getTime() - now) / 1000;
  const words = new Intl.RelativeTimeFormat(locale(), { numeric: "auto", style: "short" });
  const [unit, length] = STEPS.find(([, each, most]) => Math.abs(distance) < each * most)!;
  return words.format(Math.round(distance / length), unit);
}

export function absolute(at: Date): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" }).format(at);
}

// With milliseconds, for log lines.
export function clock(at: Date): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}
