/* What drawing does without asking the server: whose jobs these are, completion, and playing the frames. */
(function () {
  "use strict";

  const SHOWN = 12;
  // What stands before the word that is being typed: operators with a space after them, a first sign, weights, a layer.
  const BEFORE = /^(?:.*(?:(?:^|\s)(?:->|[+|-])\s|[*:])|\s*-)?\s*/s;

  const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  // Whose jobs are whose is known by a random number that the browser keeps.
  const giveSession = (_, session) => {
    if (/^[0-9a-f]{32}$/.test(session || "")) return window.dash_clientside.no_update;
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };

  // Classes and the words for groups of them; what begins as it was typed comes first, and classes before groups.
  const completeExpression = (text, categories, groups) => {
    const before = BEFORE.exec(text || "")[0];
    const typed = fold((text || "").slice(before.length).trim());
    if (!typed) return [];
    const rank = ({ label, words }) => {
      const name = fold(label);
      if (name.startsWith(typed)) return 0;
      if (name.includes(" " + typed)) return 1;
      if (words.some((word) => fold(word).startsWith(typed))) return 2;
      return name.includes(typed) ? 3 : 4;
    };
    const names = [...categories, ...groups.map((label) => ({ label, words: [] }))];
    const found = names
      .map((each) => [rank(each), each.label])
      .filter(([place]) => place < 4)
      .sort(([one], [other]) => one - other)
      .map(([, label]) => before + label)
      .filter((each, at, all) => all.indexOf(each) === at)
      .slice(0, SHOWN);
    return found.length === 1 && fold(found[0]) === fold(text) ? [] : found;
  };

  const copyText = (text) => text ?? "";
  const showAll = ({ options }) => options;

  // Enter draws, unless it takes a completion.
  document.addEventListener("keydown", (event) => {
    const completing = document.querySelector("[data-combobox-selected]");
    if (event.key !== "Enter" || completing || !event.target.closest(".draw-expression")) return;
    document.getElementById("draw-go").click();
  }, true);

  const kept = new Map(); // the logits of one drawing, by address
  const readLogits = (address) => {
    if (!kept.has(address)) {
      kept.clear();
      const read = fetch(address)
        .then((answer) => (answer.ok ? answer.arrayBuffer() : null))
        .then((buffer) => buffer && new Float32Array(buffer))
        .catch(() => null);
      kept.set(address, read);
    }
    return kept.get(address);
  };

  let wanted = 0; // of several frames that wait for the logits, the last is shown

  const showFrame = (number, data) => {
    const { no_update: same } = window.dash_clientside;
    if (!data || number === undefined || number === null) return [same, same];
    const last = data.frames.length - 1;
    wanted = number;
    for (const address of data.frames) new Image().src = address; // those that are there come from the cache
    readLogits(data.logits).then((logits) => {
      const stage = document.getElementById(data.graph);
      const plot = stage && stage.querySelector(".js-plotly-plot");
      if (!logits || !plot || !plot.data || number !== wanted) return;
      const classes = logits.length / data.frames.length;
      const traces = plot.data.filter((trace) => trace.customdata);
      const y = traces.map((trace) => Array.from(trace.customdata, (index) => logits[number * classes + index]));
      window.Plotly.restyle(plot, { y }, traces.map((_, at) => at));
    });
    const told = number === last ? "the finished picture" : number ? `step ${data.steps[number]}` : "the start: noise";
    return [data.frames[number], told];
  };

  const playFrames = (clicks, ticks, number, data, paused) => {
    const { no_update: same, callback_context: context } = window.dash_clientside;
    const by = context.triggered.map((each) => each.prop_id);
    const last = data ? data.frames.length - 1 : 0;
    if (clicks && by.some((id) => id.endsWith(".n_clicks"))) {
      if (!paused) return [same, true, "Play"];
      return [number >= last ? 0 : same, false, "Pause"];
    }
    if (paused || !by.some((id) => id.endsWith(".n_intervals"))) return [same, same, same];
    const next = Math.min(number + 1, last);
    return [next, next === last, next === last ? "Play" : "Pause"];
  };

  const pickPair = () => {
    const { no_update: same, callback_context: context } = window.dash_clientside;
    const [by] = context.triggered;
    if (!by || !by.value) return same;
    const picked = document.getElementById("draw-pair-told");
    picked.scrollIntoView({ block: "nearest" });
    return JSON.parse(by.prop_id.slice(0, by.prop_id.lastIndexOf("."))).pair;
  };

  const shared = { ...window.dash_clientside };
  window.dash_clientside = {
    ...shared,
    kinscape: { ...shared.kinscape, giveSession, completeExpression, copyText, showFrame, playFrames, pickPair },
  };
  window.dashMantineFunctions = { ...window.dashMantineFunctions, showAll };
})();
