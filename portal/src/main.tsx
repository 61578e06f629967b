import { render } from "preact";
import { App } from "./app";
import { loadLanguage } from "./i18n";
import "./ui/styles.css";

void loadLanguage().then(() => render(<App />, document.getElementById("app")!));
