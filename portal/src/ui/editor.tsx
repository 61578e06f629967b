// The code editor: CodeMirror by its parts, in our colours, with the policy's nonce.

import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { cpp } from "@codemirror/lang-cpp";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { linter, lintGutter, lintKeymap, setDiagnostics, type Diagnostic } from "@codemirror/lint";
import { unifiedMergeView } from "@codemirror/merge";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Annotation, EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "preact/hooks";

export interface Mark {
  line: number;
  column: number;
  severity: "error" | "warning" | "info";
  message: string;
}

// By the file's ending; what is not here is plain text.
const LANGUAGES: Record<string, () => Extension> = {
  c: cpp,
  h: cpp,
  json: () => [json(), linter(jsonParseLinter())],
};

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.controlKeyword, tags.modifier, tags.definitionKeyword], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.character], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: [tags.comment], color: "var(--code-comment)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.className], color: "var(--code-type)" },
  { tag: [tags.propertyName, tags.function(tags.variableName)], color: "var(--code-name)" },
  { tag: [tags.processingInstruction, tags.meta], color: "var(--code-meta)" },
]);

const look = EditorView.theme({
  "&": { fontSize: "12.5px", backgroundColor: "var(--surface)", color: "var(--text)" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--muted)", border: "none" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--raised) 70%, transparent)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "color-mix(in srgb, var(--accent) 26%, transparent) !important" },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--line-strong)", borderRadius: "6px" },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)" },
  ".cm-foldPlaceholder": { backgroundColor: "var(--raised)", color: "var(--muted)", borderColor: "var(--line)" },
  ".cm-diagnostic": { fontFamily: "var(--sans)" },
  ".cm-deletedText, .cm-changedText": { background: "none !important", textDecoration: "none" },
  ".cm-deletedChunk": { backgroundColor: "var(--bad-soft)" },
  ".cm-changedLine, .cm-insertedLine": { backgroundColor: "color-mix(in srgb, var(--ok) 12%, transparent) !important" },
});

function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}

function extensions(path: string, label: string, readOnly: boolean): Extension[] {
  const ending = path.slice(path.lastIndexOf(".") + 1);
  return [
    EditorView.cspNonce.of(nonce()),
    EditorView.contentAttributes.of({ "aria-label": label }),
    lineNumbers(), foldGutter(), history(), drawSelection(), indentOnInput(), bracketMatching(), closeBrackets(), autocompletion(),
    highlightActiveLine(), highlightActiveLineGutter(), highlightSelectionMatches(), highlightSpecialChars(), search({ top: true }), lintGutter(),
    indentUnit.of("    "), EditorState.tabSize.of(4),
    syntaxHighlighting(colours), look,
    LANGUAGES[ending]?.() ?? [],
    EditorState.readOnly.of(readOnly),
    // Escape, then Tab leaves the editor.
    keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap, ...lintKeymap, indentWithTab]),
  ];
}

function toDiagnostic(state: EditorState, mark: Mark): Diagnostic {
  const line = state.doc.line(Math.min(Math.max(mark.line, 1), state.doc.lines));
  const from = Math.min(line.from + Math.max(mark.column - 1, 0), line.to);
  return { from, to: Math.max(from, line.to), severity: mark.severity, message: mark.message };
}

// A change that the page made, not somebody who types.
const fromOutside = Annotation.define<true>();

// Holds one text; `path` names it, and another path is another text with a history of its own.
export function Editor({ path, label, text, marks, original, readOnly, onChange, onSave }: {
  path: string; label: string; text: string; marks?: Mark[]; original?: string | undefined; readOnly?: boolean;
  onChange: (text: string) => void; onSave?: () => void;
}) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>();
  // What was typed and told, and has not come back as `text` yet: somebody may type on before it does.
  const told = useRef(new Set<string>());
  const listener = useRef({ onChange, onSave });
  listener.current = { onChange, onSave };

  useEffect(() => {
    const made = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        doc: text,
        extensions: [
          extensions(path, label, readOnly ?? false),
          original === undefined ? [] : unifiedMergeView({ original, mergeControls: false, gutter: true }),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged || update.transactions.some((each) => each.annotation(fromOutside))) return;
            const typed = update.state.doc.toString();
            told.current.add(typed);
            listener.current.onChange(typed);
          }),
          keymap.of([{ key: "Mod-s", preventDefault: true, run: () => { listener.current.onSave?.(); return true; } }]),
        ],
      }),
    });
    view.current = made;
    told.current.clear();
    return () => made.destroy();
  }, [path, readOnly, original]);

  useEffect(() => {
    const made = view.current;
    if (!made) return;
    const isShown = made.state.doc.toString() === text;
    if (!isShown && told.current.has(text)) return;
    told.current.clear();
    if (!isShown) made.dispatch({ changes: { from: 0, to: made.state.doc.length, insert: text }, annotations: fromOutside.of(true) });
  }, [text]);

  useEffect(() => {
    const made = view.current;
    if (!made || !marks) return;
    made.dispatch(setDiagnostics(made.state, marks.map((mark) => toDiagnostic(made.state, mark))));
    const first = marks[0];
    if (first) made.dispatch({ effects: EditorView.scrollIntoView(toDiagnostic(made.state, first).from, { y: "center" }) });
  }, [marks, path, original]);

  return <div class="editor" ref={place} />;
}
