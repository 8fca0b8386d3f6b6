"use strict";
// ---- the whole picture, the thumbnail where its file is gone; without this script the link opens it ----
const large = document.getElementById("large");
for (const link of document.querySelectorAll("a.picture")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const whole = link.querySelector("img").cloneNode();
    whole.removeAttribute("width");
    whole.removeAttribute("height");
    const small = whole.src;
    whole.addEventListener("error", () => { whole.src = small; }, { once: true });
    whole.src = link.href;
    large.replaceChildren(whole);
    large.showModal();
  });
}
large.addEventListener("click", () => large.close());

// ---- a button that copies a command, where the browser lets a page do so ----
for (const command of document.querySelectorAll(".command")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy the command");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.querySelector("code").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  command.append(button);
}
