"use strict";
const LONG = 400;
const FEW = 40;
const collator = new Intl.Collator(document.documentElement.lang, { numeric: true });

/** Header cells become buttons that sort. The name stays beside the button: what repeats on paper has no buttons. */
function makeSortable(table) {
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  [...table.tHead.rows[0].cells].forEach((head, column, heads) => {
    const name = head.textContent.trim();
    const button = document.createElement("button");
    const printed = document.createElement("span");
    button.type = "button";
    button.textContent = printed.textContent = name;
    button.title = table.dataset.sortBy.replace("{column}", name);
    printed.className = "printed";
    head.replaceChildren(button, printed);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const keyed = rows.map((row) => {
        const cell = row.cells[column];
        return [cell.dataset.sort ?? cell.textContent.trim(), row];
      });
      keyed.sort((a, b) => (up ? 1 : -1) * collator.compare(a[0], b[0]));
      chunk(table, keyed.map((pair) => pair[1]));
    });
  });
}

/** Rows of a long table are laid out only when they come near the window. That takes them out of the browser's own table
 * layout, so what they are is said again for those who do not see it. Paper gets the plain table. */
function makeLong(table) {
  if (table.tBodies[0].rows.length <= LONG) return;
  const rows = [...table.tBodies[0].rows];
  chunk(table, rows);
  table.setAttribute("role", "table");
  table.tHead.setAttribute("role", "rowgroup");
  for (const row of table.rows) {
    row.setAttribute("role", "row");
    for (const cell of row.cells) cell.setAttribute("role", cell.tagName === "TD" ? "cell" : cell.scope === "col" ? "columnheader" : "rowheader");
  }
  table.classList.add("long");
}

/** Puts rows back in this order; in a long table in bodies of so few that one is laid out between two frames. */
function chunk(table, rows) {
  const size = rows.length > LONG ? FEW : rows.length;
  const bodies = [];
  for (let i = 0; i < rows.length; i += size) {
    const body = document.createElement("tbody");
    if (size === FEW) body.setAttribute("role", "rowgroup");
    body.append(...rows.slice(i, i + size));
    bodies.push(body);
  }
  [...table.tBodies].forEach((body) => body.remove());
  table.append(...bodies);
}

/** The search field and the list of states above a table; without script they are not there. */
function makeFilter(tools) {
  const rows = [...document.getElementById(tools.dataset.table).tBodies].flatMap((body) => [...body.rows]);
  const [search, state, status] = [tools.querySelector("input"), tools.querySelector("select"), tools.querySelector("[role=status]")];
  const numbers = new Intl.NumberFormat(document.documentElement.lang);
  let texts = null;
  const filter = () => {
    texts ??= rows.map((row) => row.textContent.toLowerCase());
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, i) => {
      const fits = (!state.value || row.dataset.state === state.value) && words.every((word) => texts[i].includes(word));
      if (row.hidden === fits) row.hidden = !fits;
      shown += fits;
    });
    const told = { shown: numbers.format(shown), all: numbers.format(Number(status.dataset.number)) };
    status.textContent = status.dataset.all.replace(/\{(shown|all)\}/g, (_, name) => told[name]);
  };
  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  state.addEventListener("change", filter);
  tools.hidden = false;
  filter();
}

/** What a link leads to is shown: its row is not filtered out, and what it lies in is open. */
function reveal() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (!target) return;
  if (target.hidden) target.hidden = false;
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  const own = target.matches("tr") && target.querySelector("details");
  if (own) own.open = true;
}

document.querySelectorAll("table.sortable").forEach((table) => (makeLong(table), makeSortable(table)));
document.querySelectorAll(".tools").forEach(makeFilter);
document.querySelectorAll("svg.drawing").forEach((drawing) =>
  drawing.addEventListener("click", (event) => {
    const to = event.target.closest("[data-to]");
    if (to) location.hash = to.dataset.to;
  }),
);
addEventListener("hashchange", reveal);
reveal();
