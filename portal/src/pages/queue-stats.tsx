// How much there is in the queue, and how that was over the last hour.

import { Suspense } from "preact/compat";
import { useMemo } from "preact/hooks";
import { call } from "../api/client";
import { useQuery } from "../api/query";
import { count, duration, num } from "../format";
import { getQueueStats, type GetQueueStatsResponse } from "../gen/queue";
import { t } from "../i18n";
import { lazily } from "../ui/lazily";
import { Loaded, Panel, Skeleton } from "../ui/parts";

const Chart = lazily(() => import("../ui/chart").then((m) => m.Chart));

// A number that was counted no further than some bound.
export function atLeast(stats: GetQueueStatsResponse, n: number): string {
  return `${stats.truncated ? "≥ " : ""}${count(n)}`;
}

// Since when the first of those that wait is due.
export function Age({ at }: { at: string | undefined }) {
  return <>{at ? t("queue.oldest", { age: duration(Math.max(0, Date.now() - Date.parse(at)) * 1000) }) : t("queue.in_time")}</>;
}

export function QueueStats() {
  const stats = useQuery("queue:stats", (signal) => call(getQueueStats, { points: true }, signal), 5000);
  return (
    <Panel title={t("queue.depth")} actions={<span class="muted">{t("home.hour")}</span>}>
      <Loaded query={stats}>{(found) => <Depth stats={found} />}</Loaded>
    </Panel>
  );
}

function Depth({ stats }: { stats: GetQueueStatsResponse }) {
  const points = stats.points ?? [];
  const shown = useMemo(() => ({
    times: points.map((p) => Date.parse(p.time ?? "") / 1000),
    waiting: points.map((p) => num(p.waiting)),
    done: points.map((p) => num(p.done)),
    dead: points.map((p) => num(p.dead)),
  }), [stats]);
  const done = shown.done.reduce((a, b) => a + b, 0);
  return (
    <div class="stack">
      <dl class="figures">
        <div class="figure"><dt>{t("queue.waiting")}</dt><dd>{atLeast(stats, num(stats.waiting))} <small><Age at={stats.oldestDue} /></small></dd></div>
        <div class="figure"><dt>{t("queue.running")}</dt><dd>{count(num(stats.running))}</dd></div>
        <div class="figure"><dt>{t("queue.done_hour")}</dt><dd>{atLeast(stats, done)}</dd></div>
        <div class="figure"><dt>{t("home.dead")}</dt><dd><span class={num(stats.dead) > 0 ? "bad" : ""}>{atLeast(stats, num(stats.dead))}</span></dd></div>
      </dl>
      <Suspense fallback={<Skeleton />}>
        <Chart times={shown.times} label={t("queue.depth")} lines={[
          { label: t("queue.on_the_way"), colour: "--accent", values: shown.waiting },
          { label: t("queue.done_minute"), colour: "--ok", values: shown.done },
          { label: t("queue.dead_minute"), colour: "--bad", values: shown.dead },
        ]} />
      </Suspense>
    </div>
  );
}
