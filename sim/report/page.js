// Hover details and a copy button. The page says everything that matters without them.
"use strict";
(() => {
  const element = document.getElementById("data");
  const data = element ? JSON.parse(element.textContent) : {};
  const tip = document.createElement("div");
  tip.id = "tip";
  document.body.append(tip);

  for (const title of document.querySelectorAll("svg .hover > title")) {
    title.parentNode.dataset.title = title.textContent;
    title.remove();
  }

  const seconds = (value) =>
    value >= 1 ? `${value.toPrecision(4)} s`
    : value >= 1e-3 ? `${(value * 1e3).toPrecision(4)} ms`
    : value > 0 ? `${(value * 1e6).toPrecision(3)} µs` : "0";

  const span = (one) =>
    `${one.at.toFixed(6)} s, life ${one.life}, took ${seconds(one.until - one.at)}`;

  const describe = (node) => {
    if (node.dataset.o !== undefined) {
      const one = data.operations && data.operations[node.dataset.o];
      if (one) return [`${one.number} ${one.text}`, one.role, `→ ${one.answer}`, span(one)];
    }
    if (node.dataset.i !== undefined) {
      const one = data.io && data.io[node.dataset.i];
      if (one) {
        const [at, until, text, answer] = one;
        const life = node.dataset.i.split(".")[0];
        return [`#${node.dataset.i.split(".")[1]} ${text}`, `→ ${answer}`,
          span({ at, until, life })];
      }
    }
    return (node.dataset.title || "").split("\n");
  };

  const show = (event) => {
    const node = event.target.closest && event.target.closest(".hover");
    if (!node) { tip.style.display = "none"; return; }
    const [head, ...rest] = describe(node).filter(Boolean);
    const bold = document.createElement("b");
    bold.textContent = head;
    tip.replaceChildren(bold, rest.length ? `\n${rest.join("\n")}` : "");
    tip.style.display = "block";
    const { width, height } = tip.getBoundingClientRect();
    const right = event.clientX + 14 + width > innerWidth;
    const low = event.clientY + 14 + height > innerHeight;
    tip.style.left = `${Math.max(4, right ? event.clientX - 14 - width : event.clientX + 14)}px`;
    tip.style.top = `${Math.max(4, low ? event.clientY - 14 - height : event.clientY + 14)}px`;
  };
  document.addEventListener("mousemove", show);

  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "copied";
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
  }

  for (const cell of document.querySelectorAll(".grid a:not(.failed)")) {
    cell.addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById("chosen").textContent =
        `python -m sim run --seed${cell.dataset.seed.includes(":") ? "s" : ""} ` +
        cell.dataset.seed;
    });
  }

  const open = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };
  addEventListener("hashchange", open);
  open();
})();
