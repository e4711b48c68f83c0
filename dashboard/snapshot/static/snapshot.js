/* The map of a snapshot: points, search, and the panel of nearest categories, without a server. */
(function () {
  "use strict";

  const SVG = "http://www.w3.org/2000/svg";
  const PAD = 26; // px around the points
  const REACH = 18; // px from which a point is meant
  const NAMED = 70; // names at most that stand beside points
  const LISTED = 12;
  const SHAPES = {
    circle: "M4.25,0A4.25,4.25 0 1 1 -4.25,0A4.25,4.25 0 1 1 4.25,0Z",
    "triangle-up": "M0,-4.9L4.9,3.9L-4.9,3.9Z",
    square: "M-3.75,-3.75H3.75V3.75H-3.75Z",
    diamond: "M0,-5L5,0L0,5L-5,0Z",
  };

  const data = JSON.parse(document.getElementById("data").textContent);
  const categories = data.categories.map(([name, words, id, group, definition], place) => ({
    place, name, words, id, definition, group: data.groups[group], picture: data.pictures[place],
  }));
  const names = Object.keys(data.layers);

  const unpack = (text, Type) => {
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    return new Type(bytes.buffer);
  };
  const opened = {};
  const openLayer = (layer) => {
    if (opened[layer]) return opened[layer];
    const packed = data.layers[layer];
    const places = unpack(packed.places, Uint16Array);
    const edges = [0, 1].map((axis) => places.filter((_, at) => at % 2 === axis).sort());
    const ends = edges.map((sorted) => [sorted[0], sorted[sorted.length - 1]]);
    opened[layer] = {
      ...packed,
      places,
      extent: ends.map(([low, high]) => Math.max(1, high - low)),
      middle: ends.map(([low, high]) => (low + high) / 2),
      nearest: unpack(packed.nearest, Uint16Array),
      distances: unpack(packed.distances, Float32Array),
    };
    return opened[layer];
  };

  const make = (tag, properties, ...children) => {
    const { dataset, ...plain } = properties || {};
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(plain)) {
      if (key in element) element[key] = value;
      else element.setAttribute(key, value);
    }
    Object.assign(element.dataset, dataset);
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };
  const draw = (tag, attributes) => {
    const element = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  const root = document.documentElement;
  const state = { layer: data.layer, pinned: null, zoom: 1, x: 0, y: 0 };

  /* The page. */

  const input = make("input", {
    type: "text", placeholder: `Search ${categories.length.toLocaleString("en")} categories`, role: "combobox",
    autocomplete: "off", "aria-label": "Search for a category", "aria-expanded": "false", "aria-controls": "found",
    "aria-autocomplete": "list",
  });
  const found = make("ul", { id: "found", role: "listbox", hidden: true, "aria-label": "Categories found" });
  const layers = make("select", { "aria-label": "Layer of the network" },
    ...names.map((layer) => make("option", { value: layer, textContent: `${layer} \u00b7 ${data.layers[layer].size.toLocaleString("en")} features` })));
  const toggle = make("button", { type: "button", textContent: "Light or dark" });
  const svg = draw("svg", { class: "points", role: "group", "aria-label": "Map of the categories; the search pins them by keyboard" });
  const lines = draw("g", {});
  const marks = draw("g", {});
  const labels = draw("g", {});
  svg.append(lines, marks, labels);
  const card = make("div", { className: "card", hidden: true, "aria-hidden": "true" });
  const tools = make("div", { className: "tools" },
    ...[["+", "Zoom in", 1.6], ["\u2212", "Zoom out", 1 / 1.6], ["\u27f2", "Show all", 0]].map(([sign, label, factor]) =>
      make("button", { type: "button", textContent: sign, title: label, "aria-label": label, onclick: () => zoomBy(factor) })));
  const stage = make("div", { className: "stage" }, svg, tools, card);
  const caption = make("p", { className: "told" });
  const panel = make("aside", { className: "panel", "aria-label": "Pinned category", "aria-live": "polite" });

  const tellGroup = (group) => {
    const sign = draw("svg", { viewBox: "-5.5 -5.5 11 11", "aria-hidden": "true" });
    sign.append(draw("path", { d: SHAPES[group.symbol], class: "filled", fill: colourOf(group) }));
    const told = make("span", { className: "group" }, group.name);
    told.prepend(sign);
    return told;
  };
  const colourOf = (group) => `var(--group-${data.groups.indexOf(group)})`;

  const there = new Set(categories.map(({ group }) => group));
  const legend = make("ul", { className: "legend", "aria-label": "Super-groups of WordNet" });
  document.getElementById("app").append(
    make("header", {},
      make("h1", { textContent: "Kinscape" }),
      caption,
      make("div", { className: "find" }, input, found),
      layers,
      toggle),
    make("main", {}, make("section", { className: "map", "aria-label": "Map" }, stage, legend), panel),
  );
  legend.append(...data.groups.filter((group) => there.has(group)).map((group) => make("li", {}, tellGroup(group))));

  const points = categories.map((category) => {
    const point = draw("path", { d: SHAPES[category.group.symbol], fill: colourOf(category.group) });
    point.dataset.name = category.name;
    marks.append(point);
    return point;
  });

  /* Where points are. */

  let size = { width: 1, height: 1 };
  const locate = (place) => {
    const { places, extent, middle } = openLayer(state.layer);
    const scale = Math.min(...extent.map((reach, axis) => (size[axis ? "height" : "width"] - 2 * PAD) / reach)) * state.zoom;
    const [across, down] = middle.map((half, axis) => (places[2 * place + axis] - half) * scale);
    return [size.width / 2 + state.x + across, size.height / 2 + state.y + down];
  };

  const paint = () => {
    const layer = openLayer(state.layer);
    const at = categories.map((_, place) => locate(place));
    points.forEach((point, place) => point.setAttribute("transform", `translate(${at[place][0].toFixed(1)},${at[place][1].toFixed(1)})`));
    lines.replaceChildren();
    labels.replaceChildren();
    const boxes = [];
    const write = (place, pinned) => {
      const [x, y] = at[place];
      if (x < 0 || y < 0 || x > size.width || y > size.height) return;
      const half = (categories[place].name.length * (pinned ? 8.2 : 6.4)) / 2;
      const box = [x - half, y - 22, x + half, y - 6];
      if (!pinned && boxes.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) return;
      boxes.push(box);
      const label = draw("text", { x: x.toFixed(1), y: (y - 10).toFixed(1), ...(pinned && { class: "pinned" }) });
      label.textContent = categories[place].name;
      labels.append(label);
    };
    if (state.pinned !== null) {
      const nearest = layer.nearest.subarray(state.pinned * data.count, (state.pinned + 1) * data.count);
      [[state.pinned, 10, 2.5], ...Array.from(nearest, (place) => [place, 6.5, 1.5])].forEach(([place, radius, width]) =>
        lines.append(draw("circle", { class: "ring", cx: at[place][0].toFixed(1), cy: at[place][1].toFixed(1), r: radius, "stroke-width": width })));
      write(state.pinned, true);
    }
    if (state.zoom > 2) for (const { place } of categories) if (boxes.length < NAMED && place !== state.pinned) write(place, false);
  };

  const measure = () => {
    const box = stage.getBoundingClientRect();
    size = { width: box.width, height: box.height };
    paint();
  };
  new ResizeObserver(measure).observe(stage);

  const zoomBy = (factor, x = size.width / 2, y = size.height / 2) => {
    const zoom = factor ? Math.min(60, Math.max(1, state.zoom * factor)) : 1;
    const [fromX, fromY] = [x - size.width / 2, y - size.height / 2];
    state.x = zoom === 1 ? 0 : fromX - ((fromX - state.x) * zoom) / state.zoom;
    state.y = zoom === 1 ? 0 : fromY - ((fromY - state.y) * zoom) / state.zoom;
    state.zoom = zoom;
    paint();
  };

  /* Pointing, dragging, clicking. */

  const findNear = (x, y) => {
    let best = null;
    let least = REACH;
    categories.forEach((_, place) => {
      const [px, py] = locate(place);
      const apart = Math.hypot(px - x, py - y);
      if (apart < least) [best, least] = [place, apart];
    });
    return best;
  };
  const placeOf = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.x, event.clientY - box.y];
  };
  const point = (place) => {
    card.hidden = place === null;
    if (place === null) return;
    const { name, group, picture } = categories[place];
    card.replaceChildren(
      ...(picture ? [make("img", { src: picture, alt: "" })] : []),
      make("span", { className: "name", textContent: name }),
      make("span", { className: "about", textContent: group.name }),
    );
    const [x, y] = locate(place);
    const left = x + 14 + card.offsetWidth < size.width ? x + 14 : Math.max(0, x - 14 - card.offsetWidth);
    const top = Math.min(Math.max(0, y - card.offsetHeight / 2), Math.max(0, size.height - card.offsetHeight));
    card.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  };

  const fingers = new Map();
  let moved = 0;
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, placeOf(event));
    if (fingers.size === 1) moved = 0;
  });
  svg.addEventListener("pointermove", (event) => {
    const now = placeOf(event);
    const before = fingers.get(event.pointerId);
    if (!before) return point(findNear(...now));
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (fingers.size === 2) {
      const other = [...fingers].find(([finger]) => finger !== event.pointerId)[1];
      const apart = ([x, y]) => Math.max(1, Math.hypot(x - other[0], y - other[1]));
      zoomBy(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    } else if (fingers.size === 1 && moved > 3) {
      state.x += now[0] - before[0];
      state.y += now[1] - before[1];
      point(null);
      paint();
    }
    fingers.set(event.pointerId, now);
    return undefined;
  });
  const lift = (event) => {
    const alone = fingers.size === 1 && fingers.delete(event.pointerId);
    fingers.delete(event.pointerId);
    if (!alone || event.type !== "pointerup" || moved > 5) return;
    const place = findNear(...placeOf(event));
    if (place !== null) pin(place);
  };
  svg.addEventListener("pointerup", lift);
  svg.addEventListener("pointercancel", lift);
  svg.addEventListener("pointerleave", () => point(null));
  svg.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 400), ...placeOf(event));
  }, { passive: false });

  /* The panel. */

  const rankOnMap = (pinned) => {
    const { places } = openLayer(state.layer);
    const apart = categories.map((_, place) =>
      Math.hypot(places[2 * place] - places[2 * pinned], places[2 * place + 1] - places[2 * pinned + 1]));
    const order = categories.map(({ place }) => place).filter((place) => place !== pinned).sort((a, b) => apart[a] - apart[b]);
    const ranks = new Map(order.map((place, at) => [place, at + 1]));
    return (place) => ranks.get(place);
  };
  const tellPanel = () => {
    panel.setAttribute("aria-label", "Pinned category");
    if (state.pinned === null) {
      const shown = data.pictures.some(Boolean) ? "its picture and " : "";
      panel.replaceChildren(
        make("h2", { textContent: "Nothing pinned yet" }),
        make("p", { className: "about", textContent: `Click a point, or search for a category, to see ${shown}the ${data.count} nearest to it.` }),
      );
      return;
    }
    const layer = openLayer(state.layer);
    const { name, words, id, group, definition, picture } = categories[state.pinned];
    const others = words.filter((word) => word !== name);
    const rank = rankOnMap(state.pinned);
    const from = state.pinned * data.count;
    const nearest = Array.from({ length: data.count }, (_, at) => [layer.nearest[from + at], layer.distances[from + at]]);
    const farthest = nearest.length ? nearest[nearest.length - 1][1] : 0;
    const kept = nearest.filter(([place]) => rank(place) <= data.count).length;
    const entries = nearest.map(([place, distance]) => {
      const other = categories[place];
      return make("li", {}, make("button", { type: "button", onclick: () => pin(place) },
        other.picture ? make("img", { src: other.picture, alt: "" }) : null,
        make("span", { className: "what" },
          make("span", { className: "name", textContent: other.name }),
          make("meter", { max: farthest || 1, value: distance, "aria-hidden": "true" }),
          rank(place) > data.count ? make("span", { className: "about", textContent: `only no. ${rank(place)} on the map` }) : null),
        make("span", { className: "far", textContent: distance.toPrecision(4), title: String(distance) })));
    });
    panel.replaceChildren(
      ...(picture ? [make("img", { className: "picture", src: picture, alt: `What ${data.network} drew for ${name}` })] : []),
      make("h2", { textContent: name }),
      ...(others.length ? [make("p", { className: "about", textContent: others.join(", ") })] : []),
      make("p", { className: "about" }, tellGroup(group), ` \u00b7 ${id}`),
      make("p", { textContent: definition }),
      make("h3", { textContent: "Nearest categories" }),
      make("p", { className: "about", textContent:
        `True distances (${data.metric}, ${layer.size.toLocaleString("en")} standardised features of ${state.layer}), not those of the ` +
        `map, which distorts: ${kept} of these ${data.count} are among the ${data.count} nearest there.` }),
      make("ol", { className: "nearest" }, ...entries),
    );
    panel.scrollTop = 0;
  };

  /* What is shown is told by the address. */

  const write = () => {
    const query = new URLSearchParams();
    if (state.pinned !== null) query.set("class", categories[state.pinned].name);
    if (state.layer !== data.layer) query.set("layer", state.layer);
    location.hash = query;
  };
  const show = () => {
    layers.value = state.layer;
    const { method } = openLayer(state.layer);
    caption.textContent = `${{ umap: "UMAP", pca: "PCA" }[method] || method} of ${categories.length.toLocaleString("en")} categories as ` +
      `${data.network} sees them ${data.drawn ? "when it draws them" : "in photographs"}, layer ${state.layer}. A flat map distorts; the panel tells true distances.`;
    tellPanel();
    paint();
  };
  const read = () => {
    const query = new URLSearchParams(location.hash.slice(1));
    const named = categories.find(({ name }) => name === query.get("class"));
    state.pinned = named ? named.place : null;
    state.layer = names.includes(query.get("layer")) ? query.get("layer") : data.layer;
    show();
  };
  const pin = (place) => {
    state.pinned = place;
    write();
    show();
  };
  layers.addEventListener("change", () => {
    state.layer = layers.value;
    write();
    show();
  });
  window.addEventListener("hashchange", read);

  /* Searching. */

  let chosen = 0;
  const rate = ({ name, words }, sought) => {
    const all = [name, ...words].map(fold);
    if (all[0].startsWith(sought)) return 0;
    if (all.some((word) => word.startsWith(sought))) return 1;
    if (all.some((word) => word.includes(` ${sought}`))) return 2;
    return all.some((word) => word.includes(sought)) ? 3 : 4;
  };
  const close = () => {
    found.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (at) => {
    chosen = at;
    [...found.children].forEach((option, place) => option.setAttribute("aria-selected", String(place === at)));
    const option = found.children[at];
    if (option && option.id) {
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    }
  };
  const take = (place) => {
    input.value = "";
    close();
    pin(place);
  };
  const list = () => {
    const sought = fold(input.value.trim());
    if (!sought) return close();
    const rated = categories.map((each) => [rate(each, sought), each]).filter(([rank]) => rank < 4);
    rated.sort(([one], [other]) => one - other);
    found.replaceChildren(...rated.slice(0, LISTED).map(([, { place, name }], at) =>
      make("li", { id: `found-${at}`, role: "option", textContent: name, dataset: { place }, onmousedown: (event) => event.preventDefault(), onclick: () => take(place) })));
    if (!rated.length) found.append(make("li", { textContent: "No category has such a name", role: "option", "aria-disabled": "true" }));
    found.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(0);
    return undefined;
  };
  input.addEventListener("input", list);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const count = found.querySelectorAll("[data-place]").length;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && count) {
      event.preventDefault();
      mark((chosen + step + count) % count);
    } else if (event.key === "Enter" && !found.hidden && count) {
      take(Number(found.children[chosen].dataset.place));
    } else if (event.key === "Escape") {
      close();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, select")) return;
    event.preventDefault();
    input.focus();
  });

  /* Light and dark. */

  const dress = (scheme) => {
    root.dataset.scheme = scheme;
    data.groups.forEach((group, at) => root.style.setProperty(`--group-${at}`, group[scheme]));
  };
  toggle.addEventListener("click", () => dress(root.dataset.scheme === "dark" ? "light" : "dark"));
  dress(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  read();
})();
