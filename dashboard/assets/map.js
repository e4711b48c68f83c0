/* What the map does without asking the server: addresses, hovering, searching. */
(function () {
  "use strict";

  const SCHEME = "kinscape-scheme";
  const WELCOMED = "kinscape-welcomed";
  const GAP = 14; // px between a point and the card that tells of it

  const recall = (key) => {
    try { return localStorage.getItem(key); } catch (error) { return null; }
  };
  const remember = (key, value) => {
    try { localStorage.setItem(key, value); } catch (error) { /* a browser without storage forgets */ }
  };

  const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  const findCategory = (options, named) => {
    const wanted = fold(named);
    return options.find((option) => option.value === named || fold(option.label) === wanted || option.wnid === wanted)
      || options.find((option) => option.words.some((word) => fold(word) === wanted));
  };

  const readAddress = (search, atlases, options, before) => {
    const query = new URLSearchParams(search);
    const atlas = query.get("atlas") in atlases ? query.get("atlas") : Object.keys(atlases)[0];
    const layer = atlases[atlas].layers.some((each) => each.value === query.get("layer"))
      ? query.get("layer") : atlases[atlas].layer;
    const named = query.get("class");
    const category = named ? findCategory(options, named) : undefined;
    const asked = [query.get("scheme"), before && before.scheme, recall(SCHEME)];
    const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    return {
      atlas,
      layer,
      index: category ? Number(category.value) : null,
      scheme: asked.find((scheme) => scheme === "light" || scheme === "dark") || preferred,
      unknown: named && !category ? named : "",
    };
  };

  // Python's write_query (pages/map.py) writes the same.
  const writeQuery = (state, atlases, options) => {
    const query = new URLSearchParams();
    if (Object.keys(atlases).length > 1) query.set("atlas", state.atlas);
    query.set("layer", state.layer);
    if (state.index !== null) query.set("class", options.find((option) => option.value === String(state.index)).label);
    query.set("scheme", state.scheme);
    return "?" + query;
  };

  const hover = (hoverData, state, atlases, options) => {
    const point = hoverData && hoverData.points[0];
    const option = point && options.find((each) => each.value === String(point.customdata));
    if (!option) return [window.dash_clientside.no_update, { display: "none" }];
    const base = atlases[state.atlas].pictures;
    const element = (type, props) => ({ namespace: "dash_html_components", type, props });
    const children = [
      element("Span", { children: option.label, className: "kin-name" }),
      element("Span", { children: option.superGroup, className: "kin-about" }),
    ];
    // A new key makes a new element: the picture of the point before must not stand under this one's name.
    if (base) children.unshift(element("Img", { src: `${base}${option.value}.webp`, alt: "", key: option.value }));
    const stage = document.querySelector(".kin-stage").getBoundingClientRect();
    const width = base ? 176 : 200;
    const height = base ? 226 : 62;
    const { x0, x1, y0, y1 } = point.bbox;
    const left = x1 + GAP + width < stage.width ? x1 + GAP : Math.max(0, x0 - GAP - width);
    const top = Math.min(Math.max(0, (y0 + y1) / 2 - height / 2), Math.max(0, stage.height - height));
    return [children, { display: "flex", width, transform: `translate(${Math.round(left)}px, ${Math.round(top)}px)` }];
  };

  const navigate = (search, atlas, layer, picked, click, toggles, before, atlases, options) => {
    const { no_update: same, callback_context: context } = window.dash_clientside;
    const triggers = new Set(context.triggered.map((each) => each.prop_id));
    const [bySearch, byAtlas, byLayer, byPick, byClick, byToggle] = context.inputs_list.map(
      (input) => triggers.has(`${input.id}.${input.property}`),
    );
    const fromAddress = !before || bySearch;
    const state = fromAddress ? readAddress(search, atlases, options, before) : { ...before };
    if (before) {
      if (byAtlas) {
        state.atlas = atlas;
        if (!atlases[atlas].layers.some((each) => each.value === state.layer)) state.layer = atlases[atlas].layer;
      }
      if (byLayer) state.layer = layer;
      if (byPick && picked) state.index = Number(picked);
      if (byClick && click && click.points[0].customdata !== undefined) state.index = click.points[0].customdata;
      if (state.index !== before.index) state.unknown = fromAddress ? state.unknown : "";
      if (byToggle) {
        state.scheme = before.scheme === "dark" ? "light" : "dark";
        remember(SCHEME, state.scheme);
      }
    }
    const unchanged = before && JSON.stringify(state) === JSON.stringify(before);
    const query = writeQuery(state, atlases, options);
    return [
      fromAddress || unchanged || query === search ? same : query,
      unchanged ? same : state,
      state.atlas === atlas ? same : state.atlas,
      before && before.atlas === state.atlas ? same : atlases[state.atlas].layers,
      state.layer === layer ? same : state.layer,
      picked ? null : same,
      before && before.scheme === state.scheme ? same : state.scheme,
    ];
  };

  const close = (hidden) => {
    if (hidden) remember(WELCOMED, "yes");
  };

  let typed = "";

  // Names that begin with what was typed come first, then those with such a word in them, then the rest.
  const searchCategories = ({ options, search, limit }) => {
    typed = fold(search.trim());
    const rank = (option) => {
      const names = [option.label, ...option.words].map(fold);
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
    const box = document.querySelector(".kin-search input");
    if (box) {
      event.preventDefault();
      box.focus();
    }
  });

  window.dash_clientside = { ...window.dash_clientside, kinscape: { navigate, hover, close } };
  window.dashMantineFunctions = { ...window.dashMantineFunctions, searchCategories, renderCategory };
})();
