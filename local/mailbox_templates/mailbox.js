const form = document.querySelector(".filters");
const rows = [...document.querySelectorAll(".list li[data-event]")].map((row) => ({
  row,
  link: row.querySelector("a"),
  words: row.textContent.toLowerCase(),
}));
const links = [...document.querySelectorAll("a[target=reader]")];

function filter() {
  const { text, tenant, event, channel, late } = form.elements;
  const wanted = text.value.toLowerCase().split(/\s+/);
  let shown = 0;
  for (const { row, words } of rows) {
    const data = row.dataset;
    row.hidden = !(
      (!tenant.value || data.tenant === tenant.value) &&
      (!event.value || data.event === event.value) &&
      (!channel.value || data.channel === channel.value) &&
      (!late.checked || data.late === "true") &&
      wanted.every((word) => words.includes(word))
    );
    shown += !row.hidden;
  }
  form.querySelector("output").textContent = `${shown} of ${rows.length}`;
}

function choose(chosen) {
  for (const link of links) link.removeAttribute("aria-current");
  chosen.setAttribute("aria-current", "true");
  document.body.classList.add("reading");
}

function step(from, by) {
  const shown = rows.filter(({ row }) => !row.hidden).map(({ link }) => link);
  const next = shown[shown.indexOf(from) + by];
  if (next) next.focus();
  return Boolean(next);
}

form.addEventListener("input", filter);
form.addEventListener("submit", (submission) => submission.preventDefault());
for (const link of links) link.addEventListener("click", () => choose(link));
document.querySelector(".list").addEventListener("keydown", (key) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[key.key];
  if (by && step(document.activeElement, by)) key.preventDefault();
});
document.querySelector(".back").addEventListener("click", () => {
  document.body.classList.remove("reading");
  document.querySelector("[aria-current]")?.focus();
});
filter();
