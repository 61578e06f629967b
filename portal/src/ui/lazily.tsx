// Parts of the page that come when they are needed.

import type { ComponentType } from "preact";
import { lazy } from "preact-iso";
import { t } from "../i18n";
import { Button, Notice } from "./parts";

function Missing() {
  return <Notice tone="bad" title={t("part.missing")} action={<Button onClick={() => location.reload()}>{t("again")}</Button>} />;
}

// A part that does not come, because the server is away or has other files by now, is told in its place. Left to
// fail, its promise would be waited for and thrown again without end, and the page would never do anything else.
export function lazily<Props>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  return lazy(() => load().catch(() => Missing as ComponentType<Props>));
}
