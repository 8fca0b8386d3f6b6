"use strict";
// ---- a larger view of a picture; without this script the link opens the file ----
const large = document.getElementById("large");
for (const link of document.querySelectorAll("a.picture")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const whole = link.querySelector("img").cloneNode();
    whole.removeAttribute("width");
    whole.removeAttribute("height");
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
