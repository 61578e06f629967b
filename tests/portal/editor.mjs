// The code editor, as somebody who pastes uses it.

export const editor = (at, name = "main.c") => at.getByRole("textbox", { name });

export async function paste(at, text, name) {
  await editor(at, name).evaluate((element, pasted) => {
    const data = new DataTransfer();
    data.setData("text/plain", pasted);
    element.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  }, text);
}

export async function write(at, text, name) {
  await editor(at, name).click();
  await at.keyboard.press("Control+a");
  await paste(at, text, name);
}
