/* What every page does without asking the server: addresses, light and dark, hovering, searching. */
(function () {
  "use strict";

  const SCHEME = "kinscape-scheme";
  const GAP = 14; // px between a point and the card that tells of it

  const recall = (key) => {
    try { return localStorage.getItem(key); } catch (error) { return null; }
  };
  const remember = (key, value) => {
    try { localStorage.setItem(key, value); } catch (error) { /* a browser without storage forgets */ }
  };
  const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const write = (query) => (query.size ? "?" + query : "");

  // What an address says of the scheme holds until somebody changes it by hand.
  const paint = (toggles, before, search) => {
    const { no_update: same } = window.dash_clientside;
    if (before && toggles) {
      const scheme = before === "dark" ? "light" : "dark";
      const query = new URLSearchParams(search);
      remember(SCHEME, scheme);
      if (!query.has("scheme")) return [scheme, scheme, same];
      query.delete("scheme");
      return [scheme, scheme, write(query)];
    }
    const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const asked = [new URLSearchParams(location.search).get("scheme"), recall(SCHEME), preferred];
    const scheme = asked.find((each) => each === "light" || each === "dark");
    return [scheme, scheme, same];
  };

  const findPrefix = () =>
    JSON.parse(document.getElementById("_dash-config").textContent).requests_pathname_prefix;

  const readField = (text, fallback) => {
    if (text === null) return fallback;
    if (Array.isArray(fallback)) return text.split(",").filter(Boolean);
    return typeof fallback === "number" ? (Number.isFinite(Number(text)) ? Number(text) : fallback) : text;
  };
  const writeField = (value) => (Array.isArray(value) ? value.join(",") : String(value ?? ""));

  // What somebody changes before the page is ready must count when it is: these fields are not told what they are.
  const touched = new Set();
  const touch = (event) => {
    const id = event.target.closest?.("[id^='{']")?.id;
    if (id) touched.add(`${JSON.parse(id).page} ${JSON.parse(id).name}`);
  };
  ["input", "change", "click"].forEach((kind) => document.addEventListener(kind, touch, true));

  // Fields and address tell the same: whichever changed is copied to the other. What Python's write_address writes
  // is read here, and the other way round.
  let laid = "";
  const syncFields = (search, values, path, defaults) => {
    const { no_update: same, callback_context: context } = window.dash_clientside;
    const fields = context.inputs_list[1].map((input) => input.id);
    const unchanged = [same, values.map(() => same)];
    const page = path && (path.slice(findPrefix().length).replace(/\/$/, "") || "map");
    const mine = (id) => id.page === "shell" || id.page === page; // else another page is about to be laid out
    if (!defaults || !fields.every(mine)) return unchanged;
    const query = new URLSearchParams(search);
    // Fields that were just laid out are told as they are: at a first load Dash would drop what waits for them.
    const fresh = laid !== `${page} ${fields.length}`;
    laid = `${page} ${fields.length}`;
    const byField = context.triggered.some((each) => each.prop_id.startsWith("{"));
    const byAddress = context.triggered.some((each) => each.prop_id.startsWith("address."));
    const early = fields.map((id) => fresh && touched.has(`${id.page} ${id.name}`));
    touched.clear();
    const told = fields.map((_, at) => (fresh ? early[at] : byField && !byAddress));
    fields.forEach((id, at) => {
      if (!told[at]) return;
      const value = writeField(values[at]);
      if (value === writeField(defaults[id.name])) query.delete(id.name);
      else query.set(id.name, value);
    });
    // Compared decoded: browsers and Python write some characters in different ways.
    const now = String(new URLSearchParams(search)) === String(query) ? same : write(query);
    const wanted = fields.map((id) => readField(query.get(id.name), defaults[id.name]));
    const isSame = (value, at) => told[at] || (!fresh && writeField(value) === writeField(values[at]));
    return [now, wanted.map((value, at) => (isSame(value, at) ? same : value))];
  };

  const hover = (hoverData, atlas, atlases, categories, graph) => {
    const point = hoverData && hoverData.points[0];
    const index = point && String(Array.isArray(point.customdata) ? point.customdata[0] : point.customdata);
    const option = point && categories.find((each) => each.value === index);
    if (!option) return [window.dash_clientside.no_update, { display: "none" }];
    const base = atlases[atlas].pictures;
    const element = (type, props) => ({ namespace: "dash_html_components", type, props });
    const children = [
      element("Span", { children: option.label, className: "kin-name" }),
      element("Span", { children: option.superGroup, className: "kin-about" }),
    ];
    // A new key makes a new element: the picture of the point before must not stand under this one's name.
    if (base) children.unshift(element("Img", { src: `${base}${option.value}.webp`, alt: "", key: option.value }));
    const stage = document.getElementById(graph).closest(".kin-stage").getBoundingClientRect();
    const width = base ? 176 : 200;
    const height = base ? 226 : 62;
    const { x0, x1, y0, y1 } = point.bbox;
    const left = x1 + GAP + width < stage.width ? x1 + GAP : Math.max(0, x0 - GAP - width);
    const top = Math.min(Math.max(0, (y0 + y1) / 2 - height / 2), Math.max(0, stage.height - height));
    return [children, { display: "flex", width, transform: `translate(${Math.round(left)}px, ${Math.round(top)}px)` }];
  };

  let typed = "";

  // Names that begin with what was typed come first, then those with such a word in them, then the rest.
  const search = (namesOf) => ({ options, search: sought, limit }) => {
    typed = fold(sought.trim());
    const rank = (option) => {
      const names = namesOf(option).map(fold);
      if (names[0].startsWith(typed)) return 0;
      if (names.some((name) => name.startsWith(typed))) return 1;
      if (names.some((name) => name.includes(" " + typed))) return 2;
      return names.some((name) => name.includes(typed)) ? 3 : 4;
    };
    return options
      .map((option) => [rank(option), option])
      .filter(([place]) => place < 4)
      .sort(([one], [other]) => one - other)
      .slice(0, limit)
      .map(([, option]) => option);
  };
  const searchCategories = search((option) => [option.label, ...option.words]);
  const searchNames = search((option) => [option.label]);

  const renderCategory = ({ option }) => {
    const span = (className, ...children) => window.React.createElement("span", { className }, ...children);
    // Where another word was meant than the name, it tells why the category is found.
    const found = fold(option.label).includes(typed) ? "" : option.words.find((word) => fold(word).includes(typed));
    return span(
      "kin-option",
      span("kin-name", option.label),
      found ? span("kin-about", found) : null,
      span("kin-about kin-last", option.superGroup),
    );
  };

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, [contenteditable]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const box = document.querySelector(".kin-search input, main input[type=text], main input:not([type])");
    if (box) {
      event.preventDefault();
      box.focus();
    }
  });

  // Enter takes the first match, even if it is pressed before the matches are shown.
  let typing = null; // the box that was typed into last, until something else is done
  const takeFirst = (box, text, tries = 600) => {
    if (typing !== box || box.value !== text || !tries) return; // it was taken, or something else was done
    const list = document.getElementById(box.getAttribute("aria-controls"));
    const first = list?.querySelector("[data-combobox-selected]") ?? list?.querySelector("[role=option]");
    if (!first) return void requestAnimationFrame(() => takeFirst(box, text, tries - 1));
    typing = null;
    if (!first.hasAttribute("data-combobox-active")) first.click();
  };
  document.addEventListener("input", ({ target }) => { typing = target; }, true);
  document.addEventListener("pointerdown", () => { typing = null; }, true);
  document.addEventListener("keydown", ({ key, target }) => {
    if (key !== "Enter") typing = null; // a letter is told as input after this
    else if (typing === target && target.value && target.matches(".mantine-Select-input")) {
      const text = target.value;
      requestAnimationFrame(() => requestAnimationFrame(() => takeFirst(target, text)));
    }
  }, true);

  const shared = { ...window.dash_clientside };
  window.dash_clientside = { ...shared, kinscape: { ...shared.kinscape, paint, syncFields, hover } };
  window.dashMantineFunctions = { ...window.dashMantineFunctions, searchCategories, searchNames, renderCategory };
})();
