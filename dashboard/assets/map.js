/* What the map does without asking the server: it puts together what is seen, moves points, and places names. */
(function () {
  "use strict";

  const WELCOMED = "kinscape-welcomed";
  const STEP = 900; // ms that points take from a layer to the next
  const PAUSE = 500; // ms between two steps of a play
  const FADED = 0.12;
  const SMALLEST = 0.6; // of a point's size, on a narrow screen
  const USUAL_WIDTH = 900; // px of a map with points of full size
  const MOST_CHOSEN = 400; // as in state.py
  const NAME_SIZE = 12; // px; map.css has the same
  const ROOM_PER_NAME = 9000; // square px of the map; names come as one zooms, not all at once

  const same = () => window.dash_clientside.no_update;
  const find = (graph) => document.getElementById(graph)?.querySelector(".js-plotly-plot");
  const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  const pick = (picked, click, categories) => {
    const { callback_context: context } = window.dash_clientside;
    const bySearch = context.triggered.some((each) => each.prop_id.endsWith(".value"));
    if (bySearch ? !picked : !click) return [same(), same(), same()];
    const index = String(bySearch ? picked : click.points[0].customdata);
    const category = categories.find((each) => each.value === index);
    // Both are forgotten, so that the same may be picked again.
    return [category ? category.label : same(), bySearch ? null : same(), bySearch ? same() : null];
  };

  // What a lasso or a box holds. Marks lie on points, so some come twice; the ends of lines are none.
  const gather = (selected) => {
    if (!selected || !selected.points) return [same(), same()];
    const found = selected.points.map((point) => point.customdata).filter((index) => index !== null);
    const chosen = [...new Set(found)].sort((one, other) => one - other).slice(0, MOST_CHOSEN);
    return chosen.length ? [chosen.join("."), ""] : [same(), same()];
  };

  const close = (hidden) => {
    try {
      if (hidden) localStorage.setItem(WELCOMED, "yes");
    } catch (error) { /* a browser without storage forgets */ }
  };

  /* The slider holds the number of a layer, the field (and the address) its name. */

  // An address may name an atlas or a layer that is none: then the first atlas is shown, and its default layer.
  const takeAtlas = (atlas, atlases) => atlases[atlas] || Object.values(atlases)[0];
  const listLayers = (atlas, atlases) => takeAtlas(atlas, atlases).layers.map((each) => each.value);
  const takeLayer = (layer, atlas, atlases) =>
    (listLayers(atlas, atlases).includes(layer) ? layer : takeAtlas(atlas, atlases).layer);

  const followLayer = (layer, atlas, atlases) => {
    const layers = takeAtlas(atlas, atlases).layers;
    const at = listLayers(atlas, atlases).indexOf(takeLayer(layer, atlas, atlases));
    document.querySelector("[role=slider]")?.setAttribute("aria-valuetext", layers[at].label);
    return [at, Math.max(1, layers.length - 1), layers.map((_, value) => ({ value })), layers[at].label];
  };

  const slide = (at, layer, atlas, atlases, field) => {
    const wanted = listLayers(atlas, atlases)[at];
    if (wanted && wanted !== takeLayer(layer, atlas, atlases)) window.dash_clientside.set_props(field, { value: wanted });
  };

  let playing = null;

  const stop = () => {
    clearTimeout(playing);
    playing = null;
    document.querySelector(".kin-play")?.removeAttribute("data-playing");
  };

  const play = (clicks, layer, atlas, atlases, field) => {
    const layers = listLayers(atlas, atlases);
    if (!clicks || playing) return stop();
    const begun = layers.indexOf(takeLayer(layer, atlas, atlases));
    let at = begun === layers.length - 1 ? -1 : begun;
    const step = () => {
      at += 1;
      if (at >= layers.length || !document.querySelector(".kin-play")) return stop();
      window.dash_clientside.set_props(field, { value: layers[at] });
      playing = setTimeout(step, STEP + PAUSE);
    };
    document.querySelector(".kin-play").setAttribute("data-playing", "");
    step();
  };

  const markColouring = (colour) => `kin-legend kin-by-${colour}`;

  const hoverMap = (point, atlas, atlases, categories, graph, painted) => {
    const taken = Object.keys(atlases).find((key) => atlases[key] === takeAtlas(atlas, atlases));
    const [children, style] = window.dash_clientside.kinscape.hover(point, taken, atlases, categories, graph);
    const told = Array.isArray(children) && painted && painted.told[point.points[0].customdata];
    if (!told) return [children, style];
    const props = { children: told, className: "kin-about kin-told-more" };
    return [[...children, { namespace: "dash_html_components", type: "Span", props }], style];
  };

  /* What is seen: the drawn map, with the places of a layer, colours, marks, and what is faded or chosen. */

  const hasWebGL = () => Boolean(document.createElement("canvas").getContext("webgl"));

  const tell = (figure, text) => {
    const { scene, ...layout } = figure.layout;
    const middle = { showarrow: false, x: 0.5, y: 0.5, xref: "paper", yref: "paper", font: { size: 15 } };
    const hidden = { visible: false };
    return { data: [], layout: { ...layout, xaxis: hidden, yaxis: hidden, annotations: [{ text, ...middle }] } };
  };

  const locate = (trace, moves, layer) => {
    const places = moves && moves.layers[layer];
    if (!places || !trace.customdata) return trace;
    const row = moves.row;
    const moved = { ...trace };
    places.forEach((axis, at) => {
      moved["xyz"[at]] = trace.customdata.map((index) => (index === null ? null : axis[row.get(index)]));
    });
    return moved;
  };

  let moving = Promise.resolve(); // until points stand still

  // A move that another one overtakes ends where it is.
  const move = (plot, traces) => {
    const all = traces.map((_, at) => at);
    if (traces.some((trace) => trace.type === "scatter3d")) return glide(plot, traces, all);
    const data = traces.map(({ x, y }) => ({ x, y }));
    const transition = { duration: STEP, easing: "cubic-in-out" };
    const frame = { duration: STEP, redraw: false };
    return window.Plotly.animate(plot, { data, traces: all }, { transition, frame, mode: "immediate" }).catch(() => null);
  };

  let latest = 0;

  const glide = (plot, traces, all) => {
    const from = plot.data.map(({ x, y, z }) => ({ x, y, z }));
    const mine = ++latest;
    const began = performance.now();
    const mix = (axis, share) => traces.map((trace, at) => trace[axis].map((to, place) => {
      const start = from[at][axis]?.[place];
      return to === null || typeof start !== "number" ? to : start + (to - start) * share;
    }));
    return new Promise((resolve) => {
      const step = async () => {
        const part = Math.min(1, (performance.now() - began) / STEP);
        const share = part * part * (3 - 2 * part);
        if (mine !== latest || !plot.isConnected) return resolve();
        await window.Plotly.restyle(plot, { x: mix("x", share), y: mix("y", share), z: mix("z", share) }, all);
        if (part === 1) resolve();
        else requestAnimationFrame(step);
      };
      step();
    });
  };

  // What is known of the page that is laid out. Each part comes when it comes: a callback that took them all would
  // wait for the slowest, and points would not move before the server has answered.
  let known = {};

  const receive = (...values) => {
    const { callback_context: context } = window.dash_clientside;
    const [categories, graph] = values.slice(-2);
    const root = document.querySelector(".kin-names");
    // Another one is that of a page laid out anew; what comes first may come before it stands.
    if (known.root && root !== known.root) known = {};
    Object.assign(known, { root, graph, categories });
    context.inputs_list.forEach(({ id }, at) => {
      known[id.name || id.replace("map-", "")] = values[at];
    });
    refresh(known);
  };

  const refresh = async (page) => {
    const { drawn } = page;
    page.turn = (page.turn || 0) + 1;
    const { turn } = page;
    if (!drawn || page.layer === undefined) return;
    const { figure, names } = assemble(page);
    const plot = find(page.graph);
    const base = `${drawn.key} ${drawn.scheme}`;
    const isMove = names && page.base === base && page.at !== names.layer && !isCalm()
      && plot?.data?.length === figure.data.length;
    Object.assign(page, { base: names && base, at: names?.layer });
    if (isMove) {
      hideNames(page.graph);
      moving = move(plot, figure.data);
    }
    await moving;
    if (turn !== page.turn || page !== known) return; // something newer is on its way
    window.dash_clientside.set_props(page.graph, { figure });
    showNames(page.graph, names?.shown ? { ...names, categories: page.categories } : null);
  };

  const assemble = ({ root, drawn, moves, painted, marked, layer, marks, groups, chosen }) => {
    if (!drawn.key) return { figure: drawn.figure };
    if (!drawn.flat && !hasWebGL()) {
      return { figure: tell(drawn.figure, "This browser cannot draw in 3D: it has no WebGL.<br>Choose 2D under View.") };
    }
    const [places, colours, marking] = [moves, painted, marked].map((each) => (each?.key === drawn.key ? each : null));
    if (places && !places.row) places.row = new Map(places.index.map((index, at) => [index, at]));
    const wanted = drawn.layers.includes(layer) ? layer : drawn.wanted;
    if (places && !places.layers[wanted]) {
      return { figure: tell(drawn.figure, `There is no such map of layer ${wanted}.`) };
    }
    const now = places ? wanted : drawn.layer;
    const held = new Set(chosen ? chosen.split(".").map(Number) : []);
    const own = drawn.figure.data;
    const count = own.findIndex((trace) => drawn.slugs[trace.name]);
    const scale = Math.min(1, Math.max(SMALLEST, Math.sqrt(root.clientWidth / USUAL_WIDTH)));
    const paintTrace = (trace) => {
      const faded = groups.length && !groups.includes(drawn.slugs[trace.name]);
      const marker = { ...trace.marker, opacity: faded ? FADED : 1, size: trace.marker.size * scale };
      if (colours) marker.color = trace.customdata.map((index) => colours.colours[index]);
      const rows = trace.customdata.map((index, at) => (held.has(index) ? at : -1)).filter((at) => at >= 0);
      return { ...trace, marker, ...(drawn.flat && held.size ? { selectedpoints: rows } : {}) };
    };
    const full = { marker: { opacity: 1 } };
    const above = (marking ? marking.traces : own.slice(0, count)).map((trace) =>
      (drawn.flat && trace.mode !== "lines" ? { ...trace, selected: full, unselected: full } : trace));
    const data = [...above, ...own.slice(count).map(paintTrace)].map((trace) => locate(trace, places, now));
    // The outline of a lasso tells nothing once points have moved: what it held stays bright.
    const figure = { data, layout: { ...drawn.figure.layout, selections: [] } };
    const shown = drawn.flat && marks.includes("names");
    return { figure, names: { layer: now, shown, near: marking?.near ?? [], held, groups, slugs: drawn.slugs } };
  };

  /* Names: the shortest first, as long as they cover no other and hardly a point. */

  let named = null; // what names are shown for
  let planned = 0;
  const ruler = document.createElement("canvas").getContext("2d");

  const layer = (graph) => document.getElementById(graph)?.closest(".kin-stage")?.querySelector(".kin-names");
  const hideNames = (graph) => layer(graph)?.replaceChildren();

  const showNames = (graph, wanted) => {
    named = wanted && { ...wanted, labels: new Map(wanted.categories.map((each) => [Number(each.value), each.label])) };
    if (!named) return hideNames(graph);
    const attach = () => {
      const plot = find(graph);
      if (!plot?.on) return void requestAnimationFrame(attach);
      if (!plot.kinNamed) {
        plot.kinNamed = true;
        for (const event of ["plotly_relayout", "plotly_relayouting", "plotly_afterplot"]) {
          plot.on(event, () => planNames(graph));
        }
      }
      planNames(graph);
    };
    attach();
  };

  const planNames = (graph) => {
    cancelAnimationFrame(planned);
    planned = requestAnimationFrame(() => placeNames(graph));
  };

  const listSpots = (plot) => {
    const { xaxis, yaxis } = plot._fullLayout;
    const spots = [];
    for (const trace of plot._fullData) {
      if (trace.type !== "scatter" || trace.hoverinfo !== "none") continue;
      const slug = named.slugs[trace.name];
      if (named.groups.length && !named.groups.includes(slug)) continue;
      trace.customdata.forEach((index, at) => {
        if (named.held.size && !named.held.has(index)) return;
        const x = xaxis.l2p(trace.x[at]);
        const y = yaxis.l2p(trace.y[at]);
        if (x < 0 || y < 0 || x > xaxis._length || y > yaxis._length) return;
        spots.push({ index, label: named.labels.get(index), x: x + xaxis._offset, y: y + yaxis._offset });
      });
    }
    return spots;
  };

  const placeNames = (graph) => {
    const plot = find(graph);
    const stage = layer(graph);
    if (!named || !plot?._fullLayout?.xaxis || !stage || plot._transitioning) return;
    const spots = listSpots(plot);
    const width = plot._fullLayout.width;
    const height = plot._fullLayout.height;
    ruler.font = `500 ${NAME_SIZE}px system-ui, sans-serif`;
    const taken = [...stage.closest(".kin-stage").querySelectorAll(".textpoint text, .modebar-group")].map((text) => {
      const { left, top, right, bottom } = text.getBoundingClientRect();
      const here = stage.getBoundingClientRect();
      return { left: left - here.left, top: top - here.top, right: right - here.left, bottom: bottom - here.top };
    });
    const cell = 24;
    const grid = new Map();
    for (const spot of spots) {
      const at = `${Math.floor(spot.x / cell)} ${Math.floor(spot.y / cell)}`;
      grid.set(at, [...(grid.get(at) || []), spot]);
    }
    const covered = (box, own) => {
      let found = 0;
      for (let column = Math.floor(box.left / cell); column <= Math.floor(box.right / cell); column += 1) {
        for (let row = Math.floor(box.top / cell); row <= Math.floor(box.bottom / cell); row += 1) {
          for (const { x, y, index } of grid.get(`${column} ${row}`) || []) {
            found += index !== own && x > box.left - 3 && x < box.right + 3 && y > box.top - 3 && y < box.bottom + 3;
          }
        }
      }
      return found;
    };
    const meets = (box, gap) => taken.some((other) =>
      box.left < other.right + gap && box.right > other.left - gap
      && box.top < other.bottom + gap / 3 && box.bottom > other.top - gap / 3);
    const isFirst = (index) => named.near.includes(index) || named.held.has(index);
    const order = spots.sort((one, other) =>
      isFirst(other.index) - isFirst(one.index) || one.label.length - other.label.length || one.index - other.index);
    let left = Math.max(6, Math.round((width * height) / ROOM_PER_NAME));
    const words = [];
    for (const { index, label, x, y } of order) {
      if (!left) break;
      const first = isFirst(index);
      const long = ruler.measureText(label).width;
      const places = [[x + 8, y - 8], [x - 8 - long, y - 8], [x - long / 2, y - 23], [x - long / 2, y + 8]];
      const boxes = places.map(([at, top]) => ({ left: at, right: at + long, top, bottom: top + 16 }));
      const allowed = first ? 3 : 0;
      const box = boxes.find((each) => each.left > 0 && each.right < width && each.top > 0 && each.bottom < height
        && covered(each, index) <= allowed && !meets(each, first ? 2 : 12));
      if (!box) continue;
      taken.push(box);
      const word = document.createElement("span");
      word.textContent = label;
      word.style.transform = `translate(${Math.round(box.left)}px, ${Math.round(box.top)}px)`;
      word.dataset.index = index;
      words.push(word);
      left -= 1;
    }
    stage.replaceChildren(...words);
  };

  const shared = { ...window.dash_clientside };
  const mine = { pick, gather, close, followLayer, slide, play, markColouring, hoverMap, receive };
  window.dash_clientside = { ...shared, kinscape: { ...shared.kinscape, ...mine } };
})();
