"use strict";
const key = (row, column) => {
  const cell = row.cells[column], value = cell.dataset.v ?? cell.textContent;
  return cell.dataset.v === "None" ? -Infinity : value !== "" && !isNaN(value) ? Number(value) : value;
};
const compare = (left, right) =>
  typeof left === "number" && typeof right === "number" ? (left < right ? -1 : left > right ? 1 : 0)
    : String(left).localeCompare(String(right), "en", { numeric: true });
for (const table of document.querySelectorAll("table.sorts")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => {
    if (head.classList.contains("plain")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [key(row, column), row]);
      rows.sort((left, right) => compare(left[0], right[0]) * (down ? -1 : 1));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
for (const form of document.querySelectorAll("form.filter")) {
  const rows = [...form.parentElement.querySelectorAll("tbody tr")];
  const words = rows.map((row) => row.textContent.toLowerCase());
  const [text, verdict, count] = ["input", "select", "output"].map((name) => form.querySelector(name));
  const filter = () => {
    const sought = text.value.trim().toLowerCase();
    let visible = 0;
    rows.forEach((row, index) => {
      const fits = words[index].includes(sought) && (!verdict.value || row.cells[2].textContent.includes(verdict.value));
      row.hidden = !fits;
      visible += fits;
    });
    count.textContent = visible === rows.length ? "" : `${visible} of ${rows.length}`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
