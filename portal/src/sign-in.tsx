// Signing in: by the one-time link of `ow portal`, or by e-mail address and password.

import { useEffect, useState } from "preact/hooks";
import { ApiError, call, signIn } from "./api/client";
import { findSignInLink } from "./gen/identity";
import { t } from "./i18n";
import { awaitSession } from "./session";
import { Button, Cli, Failure, Field, Icon, Skeleton, useAction } from "./ui/parts";

// The code is taken out of the address at once, so that it stays neither in the history nor on screen.
function takeCode(): string {
  const code = location.pathname === "/sign-in" ? location.hash.slice(1) : "";
  if (code !== "") history.replaceState(null, "", "/");
  return code;
}

interface State {
  error?: ApiError;
  name?: string; // whose link it is
  busy: boolean;
}

export function SignIn() {
  const [code] = useState(takeCode);
  const [state, setState] = useState<State>({ busy: code !== "" });
  const fail = (error: ApiError) => setState({ error, busy: false });
  useEffect(() => {
    if (code === "") return;
    call(findSignInLink, { code })
      .then((link) => setState({ name: link.email || link.operatorId || "", busy: false }))
      .catch(fail);
  }, []);
  const enter = () => {
    setState({ busy: true });
    signIn("link", { code }).then(awaitSession).catch(fail);
  };
  return (
    <main class="entrance">
      <section class="panel">
        <h1><Icon name="globe" />{t("signin.title")}</h1>
        {state.busy ? <Skeleton lines={3} />
          : state.name !== undefined ? <Ask name={state.name} enter={enter} />
          : <Ways error={state.error} />}
      </section>
    </main>
  );
}

// Whoever follows somebody else's link would work as them without knowing it.
function Ask({ name, enter }: { name: string; enter: () => void }) {
  return <Button kind="primary" onClick={enter}>{t("signin.as", { name })}</Button>;
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
