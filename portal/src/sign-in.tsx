// Signing in: by the one-time link of `ow portal`, or by e-mail address and password.

import { useEffect, useState } from "preact/hooks";
import { ApiError, signIn } from "./api/client";
import { t } from "./i18n";
import { awaitSession } from "./session";
import { Button, Cli, Failure, Field, Icon, Skeleton, useAction } from "./ui/parts";

// The code is taken out of the address at once, so that it stays neither in the history nor on screen.
function takeCode(): string {
  const code = location.pathname === "/sign-in" ? location.hash.slice(1) : "";
  if (code !== "") history.replaceState(null, "", "/");
  return code;
}

export function SignIn() {
  const [code] = useState(takeCode);
  const [state, setState] = useState<{ error?: ApiError; busy: boolean }>({ busy: code !== "" });
  useEffect(() => {
    if (code === "") return;
    signIn("link", { code })
      .then(awaitSession)
      .catch((error: ApiError) => setState({ error, busy: false }));
  }, []);
  return (
    <main class="entrance">
      <section class="panel">
        <h1><Icon name="globe" />{t("signin.title")}</h1>
        {state.busy ? <Skeleton lines={3} /> : <Ways error={state.error} />}
      </section>
    </main>
  );
}

function Ways({ error }: { error: ApiError | undefined }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const enter = useAction(async () => {
    await signIn("password", { email, password });
    await awaitSession();
  });
  const failed = enter.error ?? error;
  return (
    <>
      {failed && <Failure error={failed} />}
      <form class="form" onSubmit={(event) => { event.preventDefault(); void enter.run(); }}>
        <Field label={t("email")}>
          {(a) => <input {...a} type="email" autocomplete="username" required value={email} onInput={(e) => setEmail(e.currentTarget.value)} />}
        </Field>
        <Field label={t("password")}>
          {(a) => <input {...a} type="password" autocomplete="current-password" required value={password} onInput={(e) => setPassword(e.currentTarget.value)} />}
        </Field>
        <Button type="submit" kind="primary" disabled={enter.busy}>{enter.busy ? t("working") : t("signin")}</Button>
      </form>
      <div class="stack-2">
        <p class="muted">{t("signin.link")}</p>
        <div><Cli line="ow portal" /></div>
      </div>
    </>
  );
}
